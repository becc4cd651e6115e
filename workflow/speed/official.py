"""Measure our training steps beside the official code's: same widths, images, device and threads.

Either side is a process of its own, in float32; they take turns, so that other load hits both. The
user's checkout is not changed: what it lacks or hard-codes is replaced in its process's memory.
That process imports no more than torch and the checkout, so that its peak memory is theirs.
"""

import ast
import importlib
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from workflow.speed.measuring import noise, peak_memory, timed
from workflow.speed.processes import ProcessError, process

if TYPE_CHECKING:
    from workflow.speed.settings import Settings

Step = Callable[[], object]


@dataclass(frozen=True)
class Setting:
    """What both sides train with; `variant` and all `params` are our method's."""

    checkout: str
    variant: str
    params: dict
    batch: int
    side: int
    device: str
    threads: int

    def images(self, batches: int = 1) -> tuple[Tensor, Tensor]:
        """Return domains A and B, (batches * batch, 3, side, side) each, on the device."""
        images = noise(batches * self.batch, 4, self.side).to(self.device)
        return images[:, :3].contiguous(), images[:, 3:].expand(-1, 3, -1, -1).contiguous()

    @property
    def gpu_ids(self) -> list[int]:
        device = torch.device(self.device)
        return [device.index or 0] if device.type == "cuda" else []


@dataclass(frozen=True)
class Official:
    """An official implementation."""

    repository: str
    commit: str
    proof: str  # a file that every checkout has
    build: Callable[[Setting], Step]
    variants: tuple[str, ...] = ("base",)  # of our method, that it has too
    params: dict = field(default_factory=dict)  # of ours, where only these are what it does
    smallest: int = 64  # side of the smallest slices that it takes, in px

    def check(self, name: str, checkout: str) -> None:
        """Raise InputError unless the folder is a checkout of it."""
        if not (Path(checkout) / self.proof).is_file():
            raise InputError(
                f"--official {name}={checkout}: there is no {self.proof} in that folder. Check out "
                f"{self.repository} at {self.commit} and give its folder."
            )


def cyclegan(setting: Setting) -> Step:
    params = setting.params
    options = {
        "gpu_ids": setting.gpu_ids, "isTrain": True, "checkpoints_dir": "checkpoints",
        "name": "speed", "preprocess": "none", "direction": "AtoB", "input_nc": 3, "output_nc": 3,
        "ngf": params["width"], "ndf": params["width"], "netG": "resnet_9blocks", "netD": "basic",
        "n_layers_D": 3, "norm": "instance", "no_dropout": True, "init_type": "normal",
        "init_gain": 0.02, "gan_mode": "lsgan", "lambda_A": params["cycle_weight"],
        "lambda_B": params["cycle_weight"], "lambda_identity": params["identity_weight"],
        "pool_size": params["pool"], "lr": params["learning_rate"], "beta1": 0.5,
    }  # fmt: skip
    module = importlib.import_module("models.cycle_gan_model")
    return _step_of(module.CycleGANModel(SimpleNamespace(**options)), setting)


def cutgan(setting: Setting) -> Step:
    params = setting.params
    _stand_in("torchvision", "torchvision.transforms", "PIL", "PIL.Image")
    mode = "FastCUT" if setting.variant == "fastcut" else "CUT"
    gpu_ids = ",".join(map(str, setting.gpu_ids)) or "-1"
    line = (
        f"--CUT_mode {mode} --gpu_ids {gpu_ids} --ngf {params['width']} --ndf {params['width']} "
        f"--netF_nc {params['head_features']} --num_patches {params['patches']} "
        f"--batch_size {setting.batch} --crop_size {setting.side} --load_size {setting.side}"
    )
    # The model's own options are read from the command line, whatever the parser is given.
    sys.argv = ["train.py", *line.split()]
    options = importlib.import_module("options.train_options").TrainOptions(line).gather_options()
    options.isTrain, options.gpu_ids = True, setting.gpu_ids
    model = importlib.import_module("models.cut_model").CUTModel(options)
    model.data_dependent_initialize(_input(setting))
    model.setup(options)
    if setting.gpu_ids:
        model.parallelize()
    return _step_of(model, setting)


def _step_of(model: Any, setting: Setting) -> Step:
    images = _input(setting)
    return lambda: (model.set_input(images), model.optimize_parameters())


def _input(setting: Setting) -> dict:
    a, b = setting.images()
    return {"A": a, "B": b, "A_paths": [], "B_paths": []}


def drit(setting: Setting) -> Step:
    params, source = setting.params, Path(setting.checkout) / "src"
    if not setting.gpu_ids:  # it moves everything to a GPU by itself
        torch.Tensor.cuda = nn.Module.cuda = lambda self, *device: self
    sys.modules["networks"] = _scaled(source / "networks.py", params["width"])
    sys.path.insert(0, str(source))
    options = {
        "concat": 1, "no_ms": not params["mode_seeking"], "dis_scale": 3, "dis_norm": "None",
        "dis_spectral_norm": False, "input_dim_a": 3, "input_dim_b": 3,
    }  # fmt: skip
    model = importlib.import_module("model").DRIT(SimpleNamespace(**options))
    model.setgpu(*(setting.gpu_ids or [0]))
    model.initialize()
    for optimizer in (model.enc_c_opt, model.enc_a_opt, model.gen_opt):
        _step_unseen(optimizer)
    (a1, a2, a3), (b1, b2, b3) = (x.split(setting.batch) for x in setting.images(batches=3))

    def step() -> None:
        # As in its train.py: of three batches, two are for the content discriminator alone.
        model.update_D_content(a1, b1)
        model.update_D_content(a2, b2)
        model.update_D(a3, b3)
        model.update_EG()

    return step


def _scaled(path: Path, width: int) -> ModuleType:
    """Load the networks with `width` and 4 `width` for their hard-coded widths, 64 and 256."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in (64, 256):
            node.value = node.value * width // 64
    module = ModuleType("networks")
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module


def _step_unseen(optimizer: torch.optim.Adam) -> None:
    """Let an optimizer change weights without autograd noticing, as before torch 1.5.

    `update_EG` goes back twice through one graph, and steps in between.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    values = [nn.Parameter(p.data) for p in parameters]
    settings = {key: optimizer.param_groups[0][key] for key in ("lr", "betas", "weight_decay")}
    unseen = torch.optim.Adam(values, **settings)

    def step() -> None:
        for value, parameter in zip(values, parameters, strict=True):
            value.grad = parameter.grad
        unseen.step()

    optimizer.step = step


def _stand_in(*packages: str) -> None:
    """Replace missing packages that a checkout imports and a training step never uses."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError:
            sys.modules[package] = MagicMock()


_URL = "https://github.com/"
_CYCLEGAN = f"{_URL}junyanz/pytorch-CycleGAN-and-pix2pix", "003efc4c", "models/cycle_gan_model.py"
_CUT = f"{_URL}taesungp/contrastive-unpaired-translation", "b3ac2977", "models/cut_model.py"
_DRIT = f"{_URL}HsinYingLee/DRIT", "f19f50a8", "src/model.py"
# By our method's name. All have three channels in both domains, as our methods do by default.
OFFICIAL = {
    "cyclegan": Official(*_CYCLEGAN, cyclegan),
    "cutgan": Official(*_CUT, cutgan, variants=("base", "fastcut")),
    "drit": Official(*_DRIT, drit, params={"content_stages": 3}, smallest=224),
}


def measure(settings: "Settings") -> list[dict]:
    """Measure every variant of each implementation in `settings.official`."""
    from methods.registry import discover
    from workflow.training.devices import claim_device

    benchmark, methods, rows = settings.load(), discover(), []
    results = benchmark.results
    with claim_device(benchmark.speed) as device:
        for name, checkout in settings.official.items():
            official = OFFICIAL[name]
            official.check(name, checkout)
            params = results.params.get(name, {}) | official.params
            for variant in official.variants:
                setting = Setting(
                    checkout=str(Path(checkout).resolve()),
                    variant=variant,
                    params=methods[name].params(variant, params).model_dump(),
                    batch=results.training.batch,
                    side=max(official.smallest, results.slices.crop),
                    device=str(device),
                    threads=benchmark.speed.threads,
                )
                row = {"name": name if variant == "base" else f"{name}.{variant}"}
                try:
                    row |= _compare(name, setting, settings.repeats)
                except ProcessError as error:
                    row["failed"] = str(error)
                rows.append(row)
    return rows


def _compare(name: str, setting: Setting, rounds: int) -> dict:
    with (
        process(f"{__name__}:our_steps", name, setting) as our_step,
        process(f"{__name__}:official_steps", name, setting) as official_step,
    ):
        # The first step, which sets libraries up, is not counted.
        took = [(our_step(), official_step()) for _ in range(rounds + 1)][1:]
    our_memory, official_memory = (side[2] for side in took[-1])
    return {
        "side": setting.side,
        "seconds_per_step": statistics.median(a[0] for a, _ in took),
        "official_seconds_per_step": statistics.median(b[0] for _, b in took),
        "speedup": statistics.median(b[0] / a[0] for a, b in took),
        "core_speedup": statistics.median(b[1] / a[1] for a, b in took),
        "memory_bytes": our_memory,
        "official_memory_bytes": official_memory,
        "memory_ratio": our_memory / official_memory,
    }


def our_steps(name: str, setting: dict) -> Iterator[tuple[float, float, int]]:
    """Train our method; yield wall and core seconds of each step, and the peak memory so far."""
    from methods import loading
    from methods.contract import Batch
    from methods.registry import discover
    from workflow.training.devices import use_cpu
    from workflow.training.machine import Machine

    setting = Setting(**setting)
    device, method = torch.device(setting.device), discover()[name]
    use_cpu(setting.threads)
    torch.manual_seed(0)
    machine = Machine(device)
    params = method.params(setting.variant, setting.params)
    model = machine.prepare(loading.build(method, params, 3)).train()
    images, t1ce = setting.images(model.batches_per_step)
    labels = torch.zeros(len(images), *images.shape[2:], dtype=torch.int64, device=device)
    batch = Batch(images, t1ce[:, :1].contiguous(), labels)
    return _steps(lambda: machine.step(model, batch), device)


def official_steps(name: str, setting: dict) -> Iterator[tuple[float, float, int]]:
    """Train the official implementation; yield what `our_steps` does."""
    setting = Setting(**setting)
    sys.dont_write_bytecode = True  # nothing is written into the checkout
    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    sys.path.insert(0, setting.checkout)
    return _steps(OFFICIAL[name].build(setting), torch.device(setting.device))


def _steps(step: Step, device: torch.device) -> Iterator[tuple[float, float, int]]:
    while True:
        yield *timed(step, device), peak_memory(device)
