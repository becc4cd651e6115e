"""CUT and FastCUT against the official code's numbers, in `known_answers/cutgan.json`.

The numbers are of float64. In float32 a weight whose gradient is all but zero takes Adam's first
step in a direction that rounding decides, and so each processor has other weights after it.
"""

import numpy as np
import pytest
import torch
from parity import (
    OUTPUT,
    assert_losses,
    assert_weights,
    difference,
    fill,
    image,
    read_answers,
)
from torch import Tensor

from methods.contract import Batch
from methods.cutgan import method as cutgan
from methods.registry import discover

# Biases that an instance norm takes out again. Those of `encoder.layers` 4 and 8 are not among
# them, since the contrastive loss taps these convolutions before their norm.
SKIPPED = (
    "encoder.layers.1.bias",
    "body.1.bias",
    "body.5.bias",
    "decoder.layers.5.bias",
    "decoder.layers.9.bias",
    "discriminator.layers.3.bias",
    "discriminator.layers.7.bias",
    "discriminator.layers.11.bias",
)


def make(setting: dict, precision: torch.dtype = torch.float32) -> cutgan.Cut:
    method = discover()["cutgan"]
    entry = method.entry(method.params(setting["variant"], setting["params"]), 3)
    for name, seed in setting["weight_seeds"].items():
        fill(getattr(entry, name).to(precision), seed)
    return entry


def make_batch(setting: dict, step: int) -> Batch:
    count, side = setting["batch"], setting["side"]
    seeds = setting["image_seeds"][step]
    labels = torch.zeros(count, side, side, dtype=torch.int64)
    return Batch(
        image(seeds["inputs"], count, 3, side, side),
        image(seeds["t1ce"], count, 1, side, side),
        labels,
    )


def answers_to(entry: cutgan.Cut, batch: Batch) -> dict[str, Tensor]:
    with torch.no_grad():
        code, taps = entry.encoder(batch.inputs)
        made = entry.decoder(code)
        scores = entry.discriminator(batch.t1ce.expand_as(made))
    return {f"tap_{n}": x for n, x in enumerate(taps)} | {"generated": made, "scores": scores}


def train(entry: cutgan.Cut, setting: dict, monkeypatch) -> list[dict[str, Tensor]]:
    """The steps, with the draws that the official code was given."""
    losses = []
    for step, flipped in enumerate(setting["flips"]):
        stream = np.random.RandomState(setting["position_seeds"][step])

        def positions(maps: list[Tensor], count: int, stream=stream) -> list[Tensor]:
            sizes = [m.shape[2] * m.shape[3] for m in maps]
            return [torch.from_numpy(stream.permutation(size)[:count]) for size in sizes]

        monkeypatch.setattr(cutgan, "draw_positions", positions)
        monkeypatch.setattr(cutgan, "draw_flip", lambda flipped=flipped: flipped)
        made = entry.train_step(make_batch(setting, step))
        losses.append({name: loss.detach() for name, loss in made.items()})
    return losses


def assert_outputs(entry: cutgan.Cut, answers: dict) -> None:
    made = answers_to(entry, make_batch(answers["setting"], 0))
    assert made.keys() == answers["outputs"].keys()
    for name, answer in answers["outputs"].items():
        found = difference(made[name], answer)
        assert found <= OUTPUT, f"{name} differs by {found:.1e} of its root mean square"


@pytest.mark.parametrize("case", ["cut", "fastcut"])
def test_official_numbers(case, monkeypatch):
    answers = read_answers("cutgan")[case]
    # Where a network guards against half precision, it would round to float32.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    entry = make(answers["setting"], torch.float64)
    assert_outputs(entry, answers)
    losses = train(entry, answers["setting"], monkeypatch)
    for ours, answer in zip(losses, answers["losses"], strict=True):
        assert ours.keys() == answer.keys()
        assert_losses(ours, answer)
    assert_weights(entry, answers["weights"], SKIPPED)


@pytest.mark.parametrize("case", ["cut", "fastcut"])
def test_official_numbers_in_single_precision(case, monkeypatch):
    """Losses up to the first update; then, of weights, what rounding does not decide."""
    answers = read_answers("cutgan")[case]
    entry = make(answers["setting"])
    assert_outputs(entry, answers)
    assert_losses(train(entry, answers["setting"], monkeypatch)[0], answers["losses"][0])
    assert_weights(entry, answers["weights"], SKIPPED, whole=True)
