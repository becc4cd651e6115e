"""pix2pix: its networks against the official counts, one training step by hand, and a training."""

from math import exp, log

import contract_checks as checks
import pytest
import torch
from torch import Tensor, nn

from methods.contract import Batch
from methods.pix2pix.method import Pix2Pix
from methods.pix2pix.networks import Generator


def make(**params) -> Pix2Pix:
    torch.manual_seed(0)
    return checks.build("pix2pix", **{"width": 8, **params})


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def dropouts(generator: Generator) -> list[int]:
    """The steps up, from the innermost, that end in dropout."""
    ends = [block[-1] for block in generator.up]
    return [step for step, end in enumerate(ends) if isinstance(end, nn.Dropout)]


def test_parameters():
    model = make(width=64)
    down = 3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 512
    up = 512 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 1
    norms = 2 * (128 + 256 + 512) + 2 * (512 + 256 + 128 + 64)
    assert parameters(model.generator) == 16 * (down + up) + norms + 1 == 16_654_977
    # The official one has 2,766,657: a scale and a shift for each bias here.
    assert parameters(model.discriminator) == 2_766_657 - (128 + 256 + 512)


def test_eight_halvings_are_the_official_unet_256():
    generator = Generator(3, 1, width=64, halvings=8)
    assert parameters(generator) == 54_409_857
    assert dropouts(generator) == [0, 1, 2]


@pytest.mark.parametrize(("side", "halvings"), [(224, 5), (64, 5), (64, 6)])
def test_sizes(side, halvings):
    generator = Generator(3, 1, width=2, halvings=halvings)
    codes = []
    generator.down[-1].register_forward_hook(lambda block, given, code: codes.append(code))
    assert generator(torch.zeros(2, 3, side, side)).shape == (2, 1, side, side)
    assert codes[0].shape == (2, 16, side >> halvings, side >> halvings)


def test_the_discriminator_sees_inputs_and_t1ce_and_learns_first():
    model, seen = make(dropout=0.0), []
    batch = checks.batch(model)
    made = model.generator(batch.inputs)
    first = model.discriminator.layers[0]
    first.register_forward_hook(lambda c, given, _: seen.append((given[0], c.weight.clone())))
    model.train_step(batch)
    (both, before), (judged, after) = seen
    fake, real = both.chunk(2)
    assert torch.equal(real, torch.cat([batch.inputs, batch.t1ce], dim=1))
    for image in (fake, judged):
        assert torch.equal(image, torch.cat([batch.inputs, made], dim=1))
    assert not torch.equal(before, after)


def test_losses_by_hand():
    model = make(learning_rate=0.0)
    for network in (model.generator, model.discriminator):
        for p in network.parameters():
            nn.init.zeros_(p)
    nn.init.ones_(model.discriminator.layers[-1].bias)  # it scores every patch 1
    t1ce = torch.tensor([-1.0, 0.5]).repeat(2, 1, 32, 16)
    losses = model.train_step(Batch(torch.zeros(2, 3, 32, 32), t1ce, torch.zeros(2, 32, 32)))
    real, fake = log(1 + exp(-1)), log(1 + exp(1))
    expected = {"D": (real + fake) / 2, "GAN": real, "L1": 100 * (1 + 0.5) / 2}
    assert {k: x.item() for k, x in losses.items()} == pytest.approx(expected, rel=1e-6)


def test_dropout_only_in_training():
    model = make()
    assert dropouts(model.generator) == [0]
    inputs = checks.batch(model).inputs

    def differs() -> bool:
        with torch.inference_mode():
            return not torch.equal(model.synthesize(inputs), model.synthesize(inputs))

    assert model.train() and differs()
    assert model.eval() and not differs()


def test_learns_a_paired_mapping():
    model, l1 = make(learning_rate=2e-3), []

    def pairs(seed: int) -> tuple[Tensor, Tensor]:
        draw = torch.Generator().manual_seed(seed)
        coarse = torch.rand(4, 3, 4, 4, generator=draw) * 2 - 1
        inputs = nn.functional.interpolate(coarse, scale_factor=8)
        return inputs, (inputs[:, 1:2] - inputs[:, 2:]) / 2

    for step in range(120):
        inputs, t1ce = pairs(step)
        model.progress = step / 120
        l1.append(model.train_step(Batch(inputs, t1ce, torch.zeros(4, 32, 32)))["L1"].item())
    model.eval()
    inputs, t1ce = pairs(1000)
    error = (model.synthesize(inputs) - t1ce).abs().mean().item()
    assert error < 0.3 * l1[0] / 100
