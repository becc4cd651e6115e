"""The official implementations, built from a checkout that the user has and that stays as it is.

    python -m workflow.speed.official NAME SETTING

is one side of `workflow.speed.comparison`. It imports torch and the checkout, and none of ours that
needs more, so that its peak memory is the official code's. What a checkout lacks or hard-codes is
replaced in this process's memory.
"""

import ast
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from workflow.speed.measuring import noise, peak_memory, wall_and_core_seconds
from workflow.speed.processes import answering, serve

Step = Callable[[], object]


@dataclass(frozen=True)
class Setting:
    """What both sides train with.

    Attributes
    ----------
    variant : of our entry.
    params : of our entry, all of them.
    device : as torch writes it.
    """

    checkout: str
    variant: str
    params: dict
    batch: int
    side: int
    device: str
    threads: int

    @classmethod
    def parse(cls, text: str) -> "Setting":
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def images(self, batches: int = 1) -> tuple[Tensor, Tensor]:
        """Domain A and domain B, (batches * batch, 3, side, side) each, on the device."""
        images = noise(batches * self.batch, 4, self.side).to(self.device)
        return images[:, :3].contiguous(), images[:, 3:].expand(-1, 3, -1, -1).contiguous()

    @property
    def gpu_ids(self) -> list[int]:
        where = torch.device(self.device)
        return [where.index or 0] if where.type == "cuda" else []


@dataclass(frozen=True)
class Official:
    """An official implementation.

    Attributes
    ----------
    proof : a file that every checkout has.
    build : makes the model and returns its training step.
    variants : of our entry, that it has too.
    params : of ours, where only these are what the official code does.
    smallest : side of the smallest slices that it takes, in px.
    """

    repository: str
    commit: str
    proof: str
    build: Callable[[Setting], Step]
    variants: tuple[str, ...] = ("base",)
    params: dict | None = None
    smallest: int = 64

    def check(self, name: str, checkout: str) -> None:
        """Raise InputError unless the folder is a checkout of it."""
        mend = f"Check out {self.repository} at {self.commit} and give its folder."
        if not Path(checkout).is_dir():
            raise InputError(f"--official {name}={checkout}: there is no such folder. {mend}")
        if not (Path(checkout) / self.proof).is_file():
            raise InputError(f"--official {name}={checkout}: it holds no {self.proof}. {mend}")


def cyclegan(setting: Setting) -> Step:
    width, weight = setting.params["width"], setting.params["cycle_weight"]
    module = importlib.import_module("models.cycle_gan_model")
    model = module.CycleGANModel(
        SimpleNamespace(
            gpu_ids=setting.gpu_ids,
            isTrain=True,
            checkpoints_dir="checkpoints",
            name="speed",
            preprocess="none",
            input_nc=3,
            output_nc=3,
            ngf=width,
            ndf=width,
            netG="resnet_9blocks",
            netD="basic",
            n_layers_D=3,
            norm="instance",
            no_dropout=True,
            init_type="normal",
            init_gain=0.02,
            lambda_A=weight,
            lambda_B=weight,
            lambda_identity=setting.params["identity_weight"],
            pool_size=setting.params["pool"],
            gan_mode="lsgan",
            lr=setting.params["learning_rate"],
            beta1=0.5,
            direction="AtoB",
        )
    )
    return _step_of(model, setting)


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


def _step_of(model: object, setting: Setting) -> Step:
    images = _input(setting)

    def step() -> None:
        model.set_input(images)
        model.optimize_parameters()

    return step


def _input(setting: Setting) -> dict:
    a, b = setting.images()
    return {"A": a, "B": b, "A_paths": [], "B_paths": []}


def drit(setting: Setting) -> Step:
    params, source = setting.params, Path(setting.checkout) / "src"
    if not setting.gpu_ids:
        # It moves everything to a GPU by itself.
        torch.Tensor.cuda = nn.Module.cuda = lambda self, *device: self
    sys.modules["networks"] = _scaled(source / "networks.py", params["width"])
    sys.path.insert(0, str(source))
    options = SimpleNamespace(
        concat=1,
        no_ms=not params["mode_seeking"],
        dis_scale=3,
        dis_norm="None",
        dis_spectral_norm=False,
        input_dim_a=3,
        input_dim_b=3,
    )
    model = importlib.import_module("model").DRIT(options)
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
    """The networks with their hard-coded widths, 64 and 4 times 64, made `width` and 4 `width`."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in (64, 256):
            node.value = node.value * width // 64
    module = ModuleType("networks")
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module


def _step_unseen(optimizer: torch.optim.Adam) -> None:
    """Let it change weights without autograd's noticing, as before torch 1.5.

    `update_EG` goes back twice through one graph, and steps in between.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    values = [nn.Parameter(p.data) for p in parameters]
    group = optimizer.param_groups[0]
    keys = ("lr", "betas", "weight_decay")
    unseen = torch.optim.Adam(values, **{key: group[key] for key in keys})

    def step() -> None:
        for value, parameter in zip(values, parameters, strict=True):
            value.grad = parameter.grad
        unseen.step()

    optimizer.step = step


def _stand_in(*packages: str) -> None:
    """Let packages that a checkout imports and a training step never uses be absent."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError:
            sys.modules[package] = MagicMock()


OFFICIAL = {
    "cyclegan": Official(
        "https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix",
        "003efc4c",
        "models/cycle_gan_model.py",
        cyclegan,
    ),
    "cutgan": Official(
        "https://github.com/taesungp/contrastive-unpaired-translation",
        "b3ac2977",
        "models/cut_model.py",
        cutgan,
        variants=("base", "fastcut"),
    ),
    "drit": Official(
        "https://github.com/HsinYingLee/DRIT",
        "f19f50a8",
        "src/model.py",
        drit,
        params={"content_stages": 3},
        smallest=224,
    ),
}
"""By our entry's name. All have three channels in both domains, as our entries do by default."""


def main() -> None:
    """Serve steps of the implementation that the first argument names, at the second's setting."""
    name, setting = sys.argv[1], Setting.parse(sys.argv[2])
    sys.dont_write_bytecode = True  # nothing is written into the checkout
    with answering() as answers:
        torch.set_num_threads(setting.threads)
        torch.manual_seed(0)
        sys.path.insert(0, setting.checkout)
        step = OFFICIAL[name].build(setting)
        where = torch.device(setting.device)
        serve(lambda: wall_and_core_seconds(step, where), lambda: peak_memory(where), answers)


if __name__ == "__main__":
    main()
