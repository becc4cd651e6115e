"""Half precision trains like float32: its loss curves lie within the spread of float32's seeds.

On a CPU, for lack of a GPU, and by autocast itself: the suite uses none there.
"""

import contract_checks as checks
import pytest
import torch
import torch.nn.functional as F

from methods.contract import Batch

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


def curve(name: str, seed: int, reduced: bool) -> torch.Tensor:
    """The loss of a model's training, its mean over each part of the steps."""
    loss, params = LOSSES[name]
    torch.manual_seed(seed)
    model = checks.build(name, **params).train()
    found = []
    for step in range(STEPS):
        torch.manual_seed(STEPS * seed + step)
        model.progress = step / STEPS
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            found.append(model.train_step(batch(STEPS * seed + step))[loss].detach())
    return torch.stack(found).reshape(PARTS, -1).mean(dim=1)


@pytest.mark.parametrize("name", LOSSES)
def test_bf16_trains_as_float32_with_another_seed_does(name):
    whole, reduced = (
        torch.stack([curve(name, seed, half) for seed in range(SEEDS)]) for half in (False, True)
    )
    spread = whole.amax(dim=0) - whole.amin(dim=0)
    apart = (reduced.mean(dim=0) - whole.mean(dim=0)).abs()
    assert (apart <= spread).all(), f"{apart.tolist()} apart, seeds {spread.tolist()}"
    # What is compared are trainings that learn, and differ.
    assert (whole[:, -1] < whole[:, 0]).all()
    assert not torch.equal(whole, reduced)
