"""Half precision trains like float32: its loss curves lie within the spread of float32's seeds.

On a CPU, for lack of a GPU. One without instructions for bf16 emulates them.
"""

import copy

import contract_checks as checks
import pytest
import torch
import torch.nn.functional as F

from methods.contract import Batch, Model
from workflow.training import machine
from workflow.training.machine import Machine

SEEDS, STEPS, PARTS = 4, 30, 2
SMALL = {"encoder_blocks": 2, "decoder_blocks": 1, "head_features": 16, "patches": 64}
# The main loss of each method, and parameters that let it learn in so few steps.
LOSSES = {
    "pix2pix": ("L1", {"width": 4, "learning_rate": 1e-3}),
    "unet": ("cross_entropy", {"width": 4, "learning_rate": 3e-3}),
    "cutgan": ("NCE", {"width": 4, "generator_rate": 2e-3} | SMALL),
    "cyclegan": ("cycle_B", {"width": 4, "blocks": 2, "learning_rate": 1e-3}),
}


def batch(seed: int) -> Batch:
    """Smooth images, T1ce that follows from them, and classes of its intensity."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(4, 3, 4, 4, generator=draw) * 2 - 1
    inputs = F.interpolate(coarse, scale_factor=8, mode="bilinear")
    t1ce = (inputs[:, 1:2] - inputs[:, 2:]) / 2
    return Batch(inputs, t1ce, (t1ce[:, 0] > 0).long() + (t1ce[:, 0] > 0.3).long())


def model_of(name: str, seed: int) -> Model:
    torch.manual_seed(seed)
    return checks.build(name, **LOSSES[name][1]).train()


def train(model: Model, precision: str, steps: range) -> list[dict[str, torch.Tensor]]:
    """The losses of steps that depend on their number and on nothing drawn before."""
    found = []
    for step in steps:
        torch.manual_seed(step)
        model.progress = step % STEPS / STEPS
        losses = Machine(torch.device("cpu"), precision).step(model, batch(step))
        found.append({key: value.detach() for key, value in losses.items()})
    return found


def curve(name: str, seed: int, precision: str) -> torch.Tensor:
    """The main loss of a model's training, its mean over each part of the steps."""
    steps = range(STEPS * seed, STEPS * (seed + 1))
    losses = train(model_of(name, seed), precision, steps)
    return torch.stack([one[LOSSES[name][0]] for one in losses]).reshape(PARTS, -1).mean(dim=1)


@pytest.fixture(autouse=True)
def emulated(monkeypatch):
    monkeypatch.setattr(machine, "_has_bf16", lambda: True)


@pytest.mark.parametrize("name", LOSSES)
def test_bf16_trains_as_float32_with_another_seed_does(name):
    whole, reduced = (
        torch.stack([curve(name, seed, precision) for seed in range(SEEDS)])
        for precision in ("float32", "bf16")
    )
    spread = whole.amax(dim=0) - whole.amin(dim=0)
    apart = (reduced.mean(dim=0) - whole.mean(dim=0)).abs()
    assert (apart <= spread).all(), f"{apart.tolist()} apart, seeds {spread.tolist()}"
    # What is compared are trainings that learn, and differ.
    assert (whole[:, -1] < whole[:, 0]).all()
    assert not torch.equal(whole, reduced)


@pytest.mark.parametrize("name", LOSSES)
def test_a_training_in_bf16_resumes_bit_for_bit(name):
    whole, first, second = (model_of(name, seed) for seed in (0, 0, 9))
    losses = train(whole, "bf16", range(4))
    train(first, "bf16", range(2))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert train(second, "bf16", range(2, 4)) == losses[2:]
    assert checks.same(checks.weights(whole), checks.weights(second))
