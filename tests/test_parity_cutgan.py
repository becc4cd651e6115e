"""CUT and FastCUT against the official code's numbers, in `known_answers/cutgan.json`.

The numbers are of float64. In float32 a weight whose gradient is all but zero takes Adam's first
step in a direction that rounding decides, and so each processor has other weights after it.
"""

import numpy as np
import parity
import pytest
import torch
from torch import Tensor

from methods.contract import Batch
from methods.cutgan import method as cutgan

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


def answers_to(model: cutgan.Cut, batch: Batch) -> dict[str, Tensor]:
    with torch.no_grad():
        code, taps = model.encoder(batch.inputs)
        made = model.decoder(code)
        scores = model.discriminator(batch.t1ce.expand_as(made))
    return {f"tap_{n}": x for n, x in enumerate(taps)} | {"generated": made, "scores": scores}


def train(model: cutgan.Cut, setting: dict, monkeypatch) -> list[dict[str, Tensor]]:
    """The steps, with the draws that the official code was given."""
    losses = []
    for step, flipped in enumerate(setting["flips"]):
        stream = np.random.RandomState(setting["position_seeds"][step])

        def positions(maps: list[Tensor], count: int, stream=stream) -> list[Tensor]:
            sizes = [m.shape[2] * m.shape[3] for m in maps]
            return [torch.from_numpy(stream.permutation(size)[:count]) for size in sizes]

        monkeypatch.setattr(cutgan, "draw_positions", positions)
        monkeypatch.setattr(cutgan, "draw_flip", lambda flipped=flipped: flipped)
        made = model.train_step(parity.training_batch(setting, step))
        losses.append({name: loss.detach() for name, loss in made.items()})
    return losses


def assert_outputs(model: cutgan.Cut, answers: dict) -> None:
    made = answers_to(model, parity.training_batch(answers["setting"], 0))
    parity.assert_outputs(made, answers["outputs"])


@pytest.mark.parametrize("case", ["cut", "fastcut"])
def test_official_numbers(case, monkeypatch):
    answers = parity.read_answers("cutgan")[case]
    # Where a network guards against half precision, it would round to float32.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    model = parity.make("cutgan", answers["setting"], torch.float64)
    assert_outputs(model, answers)
    losses = train(model, answers["setting"], monkeypatch)
    for ours, answer in zip(losses, answers["losses"], strict=True):
        assert ours.keys() == answer.keys()
        parity.assert_losses(ours, answer)
    parity.assert_weights(model, answers["weights"], SKIPPED)


@pytest.mark.parametrize("case", ["cut", "fastcut"])
def test_official_numbers_in_single_precision(case, monkeypatch):
    """Losses up to the first update; then, of weights, what rounding does not decide."""
    answers = parity.read_answers("cutgan")[case]
    model = parity.make("cutgan", answers["setting"])
    assert_outputs(model, answers)
    parity.assert_losses(train(model, answers["setting"], monkeypatch)[0], answers["losses"][0])
    parity.assert_weights(model, answers["weights"], SKIPPED, whole=True)
