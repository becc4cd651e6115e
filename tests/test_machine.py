"""Settings of speed: none of them changes a number beyond rounding, or a checkpoint's fit."""

import copy
import dataclasses
import sysconfig

import contract_checks as checks
import pytest
import torch
from test_contract import TRAINED, maker
from torch import nn

from benchmarks.config import Speed
from benchmarks.errors import InputError
from methods.contract import Synthesizer
from methods.layers import arranged
from methods.layers.blur import BlurUp
from workflow.training import machine
from workflow.training.machine import Machine
from workflow.training.setup import make_machine

CPU = torch.device("cpu")
BASES = [p for p in TRAINED if p.values[1] == "base"]


class Painter(Synthesizer):
    def build(self):
        layers = nn.Conv2d(self.channels, 4, 3, padding=1), nn.ReLU(inplace=True)
        self.networks_of_two = nn.ModuleList([nn.Sequential(*layers), nn.Conv2d(4, 1, 3)])
        self.optimizer = torch.optim.Adam(self.networks_of_two.parameters(), lr=0.01)

    def train_step(self, batch):
        loss = (self.synthesize(batch.inputs) - batch.t1ce[..., 1:-1, 1:-1]).abs().mean()
        self.update(loss, self.optimizer)
        return {"L1": loss}

    def synthesize(self, inputs):
        first, second = self.networks_of_two
        return second(first(inputs))


def can_compile() -> bool:
    try:
        machine._check_compiler(CPU)
    except InputError:
        return False
    return True


needs_compiler = pytest.mark.skipif(not can_compile(), reason="no C++ compiler here")


def painter() -> Painter:
    return Painter(None, 3)


def steps(model, machine: Machine, numbers: range) -> list[dict[str, float]]:
    """The losses of steps that depend on their number and on nothing drawn before."""
    model.train()
    found = []
    for step in numbers:
        torch.manual_seed(step)
        model.progress = step / 4
        losses = machine.step(model, checks.batch(model, seed=step))
        found.append({name: loss.item() for name, loss in losses.items()})
    return found


def trained(make: checks.Make, machine: Machine, count: int = 2) -> tuple:
    """The model after so many steps, and their losses."""
    model = machine.prepare(checks.seeded(make))
    return model, steps(model, machine, range(count))


def test_every_setting_reaches_the_machine():
    speed = Speed(
        precision="bf16", workers=3, inference_batch=5, slots_per_gpu=2, resident="never",
        channels_last=True, compile="graphs",
    )  # fmt: skip
    made = dataclasses.asdict(make_machine(speed, CPU))
    assert made.pop("device") == CPU
    assert made == {key: value for key, value in speed.model_dump().items() if key in made}
    assert make_machine(Speed(), CPU) == Machine(CPU)


@pytest.mark.parametrize(
    ("capabilities", "found"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "bf16": True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_a_cpu_computes_in_bf16_where_it_has_instructions_for_it(capabilities, found, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert Machine(CPU, "bf16").dtype == found
    with Machine(CPU, "bf16").autocast():
        assert torch.is_autocast_enabled("cpu") == (found == torch.bfloat16)
    for precision in ("float32", "fp16"):
        assert Machine(CPU, precision).dtype == torch.float32
    assert Machine(torch.device("cuda"), "fp16").dtype == torch.float16


@pytest.fixture
def double(monkeypatch):
    """All in float64, where Adam makes no full step out of a gradient's rounding."""
    # Where half precision is guarded against, it would be rounded to float32.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("method", "variant"), BASES)
def test_channels_last_changes_rounding_alone(method, variant, double):
    make = maker(method, variant)
    _, expected = trained(make, Machine(CPU))
    model, losses = trained(make, Machine(CPU, channels_last=True))
    assert losses == [pytest.approx(one, rel=1e-8) for one in expected]
    layers = [layer for x in model.networks.values() for layer in x.modules()]
    turned = all(
        p.is_contiguous(memory_format=torch.channels_last)
        for layer in layers
        for p in layer.parameters(recurse=False)
        if p.dim() == 4
    )
    assert turned != any(isinstance(layer, nn.InstanceNorm2d) for layer in layers)
    assert turned or losses == expected


@pytest.mark.parametrize("first", [False, True])
def test_a_training_goes_on_in_the_other_memory_format(first):
    """Its weights are those of a training that was never interrupted, within rounding."""
    whole, _ = trained(painter, Machine(CPU), 6)
    half, _ = trained(painter, Machine(CPU, channels_last=first), 3)
    other = Machine(CPU, channels_last=not first)
    second = other.prepare(checks.seeded(painter, seed=9))
    second.load_state_dict(copy.deepcopy(half.state_dict()))
    steps(second, other, range(3, 6))
    for name, value in checks.weights(whole).items():
        torch.testing.assert_close(checks.weights(second)[name], value, rtol=1e-4, atol=1e-6)


@pytest.fixture
def captured(monkeypatch):
    """The modules of which a whole graph is made; it is run as torch runs them."""
    found = []
    compile = torch.compile

    def capture(forward, options, **settings):
        def run(graph, inputs):
            found.append(forward.__self__)
            return graph.forward

        return compile(forward, backend=run, fullgraph=True, **settings)

    monkeypatch.setattr(torch, "compile", capture)
    monkeypatch.setattr(machine, "_check_compiler", lambda *_: None)
    torch.compiler.reset()
    yield found
    torch.compiler.reset()


@pytest.mark.parametrize(("method", "variant"), BASES)
def test_the_networks_of_every_method_can_be_compiled_whole(method, variant, captured, monkeypatch):
    """And what is compiled is all that a step calls, with the same names of weights."""
    monkeypatch.setattr(arranged, "_as_torch", lambda x: True)  # as it is when compiled
    make = maker(method, variant)
    plain, expected = trained(make, Machine(CPU), 1)
    model, losses = trained(make, Machine(CPU, compile="kernels"), 1)
    assert losses == expected
    assert checks.same(checks.weights(plain), checks.weights(model))
    parameters = {id(p) for module in captured for p in module.parameters()}
    assert parameters == {id(p) for x in model.networks.values() for p in x.parameters()}


def test_torchs_own_layers_are_compiled_too(captured):
    model, _ = trained(painter, Machine(CPU, compile="kernels"), 1)
    assert captured == list(model.networks_of_two)


@needs_compiler
@pytest.mark.parametrize("setting", ["kernels", "graphs"])
def test_generated_kernels_change_rounding_alone(setting):
    """On a CPU there are no graphs to replay; also after a checkpoint of a training without."""
    plain, _ = trained(painter, Machine(CPU), 2)
    kept = copy.deepcopy(plain.state_dict())
    expected = steps(plain, Machine(CPU), range(2, 4))
    compiled = Machine(CPU, compile=setting)
    model = compiled.prepare(checks.seeded(painter, seed=9))
    model.load_state_dict(kept)
    losses = steps(model, compiled, range(2, 4))
    assert losses == [pytest.approx(one, rel=1e-5) for one in expected]
    assert checks.weights(model).keys() == checks.weights(plain).keys()
    inputs = checks.batch(model, count=3).inputs
    with torch.inference_mode():
        made, wanted = (x.eval().synthesize(inputs) for x in (model, plain))
    torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-5)


@needs_compiler
def test_the_gradient_of_antialiased_upsampling_can_be_generated():
    class Upsampler(Painter):
        def build(self):
            layers = nn.Conv2d(3, 4, 3, 2, padding=1), BlurUp(4), nn.Conv2d(4, 1, 3)
            self.network = nn.Sequential(*layers)
            self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.01)

        def synthesize(self, inputs):
            return self.network(inputs)

    _, expected = trained(lambda: Upsampler(None, 3), Machine(CPU))
    _, losses = trained(lambda: Upsampler(None, 3), Machine(CPU, compile="kernels"))
    assert losses == [pytest.approx(one, rel=1e-5) for one in expected]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda patch: patch.setenv("CXX", "no-such-compiler"), "a compiler"),
        (lambda patch: patch.setattr(sysconfig, "get_path", lambda _: "/nowhere"), "Python.h"),
    ],
)
def test_a_machine_that_cannot_compile_says_so_in_a_line(monkeypatch, change, said):
    change(monkeypatch)
    with pytest.raises(InputError) as caught:
        Machine(CPU, compile="kernels").prepare(painter())
    told = str(caught.value)
    assert "speed.compile is `kernels`" in told and said in told and "`none`" in told
    assert "\n" not in told


def test_a_gpu_wants_triton_to_compile(monkeypatch):
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="Triton"):
        machine._check_compiler(torch.device("cuda"))


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_fused_step_is_adams_within_rounding(decay):
    def weights_after(fused: bool) -> list[torch.Tensor]:
        class Other(Painter):
            def build(self):
                super().build()
                parameters = self.networks_of_two.parameters()
                chosen = {} if fused else {"fused": False}
                self.optimizer = torch.optim.Adam(parameters, 0.01, weight_decay=decay, **chosen)

        model, _ = trained(lambda: Other(None, 3), Machine(CPU), 5)
        assert model.optimizer.param_groups[0]["fused"] == fused
        return list(model.networks_of_two.parameters())

    for a, b in zip(weights_after(True), weights_after(False), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
