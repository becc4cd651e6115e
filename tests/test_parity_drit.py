"""DRIT++ against the official code's numbers, in `known_answers/drit.json`, and its parts by hand.

The weights are compared in float64. Of the official code too, two steps in float32 miss those in
float64 by 3 % of their change: an absolute value's gradient is 1 or -1 as rounding decides, and
Adam's first steps are as long for a gradient that is all but zero as for any other.
"""

import math

import numpy as np
import parity
import pytest
import torch
from contract_checks import batch, build, seeded
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from methods.contract import Batch
from methods.drit.method import Drit, kl_divergence, mode_seeking_loss
from methods.drit.networks import (
    ContentDiscriminator,
    MultiScaleDiscriminator,
    Upsampling,
    cross_entropy,
)
from methods.errors import MethodError

PAPER = 224


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape)).float()


def official_steps(model: Drit, setting: dict, monkeypatch) -> list[dict[str, Tensor]]:
    stream = np.random.RandomState(setting["draws"])

    def randn(shape: tuple[int, ...], device: torch.device) -> Tensor:
        return torch.from_numpy(stream.standard_normal(tuple(shape))).float()

    monkeypatch.setattr(torch, "randn", randn)
    losses = []
    for seeds in setting["image_seeds"]:
        made = model.train_step(parity.make_batch(seeds, 3 * setting["batch"], setting["side"]))
        losses.append({name: loss.detach() for name, loss in made.items()})
    return losses


def assert_outputs(model: Drit, answers: dict) -> None:
    setting = answers["setting"]
    seeds = setting["output_seeds"]
    batch = parity.make_batch(seeds, setting["batch"], setting["side"])
    images = batch.inputs, batch.t1ce.expand(-1, 3, -1, -1)
    styles = drawn(seeds["styles"], setting["batch"], 8)
    model.generator.fixed_style.copy_(drawn(seeds["fixed_style"], 1, 8))
    made = {}
    with torch.no_grad():
        contents = [model.content_encoder(x, d) for d, x in enumerate(images)]
        for d, name in enumerate("AB"):
            made[f"content_{name}"] = contents[d]
            shared = model.generator.shared(contents[1 - d])
            made[f"fake_{name}"] = model.generator.decoders[d](shared, styles)
            mean, log_variance = model.attribute_encoders[d](images[d])
            made |= {f"mean_{name}": mean, f"log_variance_{name}": log_variance}
            for scale, logits in enumerate(model.discriminators[d](images[d])):
                made[f"D_{name}_{scale}"] = logits
            for scale, logits in enumerate(model.random_discriminators[d](images[d])):
                made[f"D_random_{name}_{scale}"] = logits
        made["D_content"] = model.content_discriminator(contents[0]).flatten()
        made["synthesized"] = model.synthesize(batch.inputs)
    parity.assert_outputs(made, answers["outputs"])


@pytest.mark.parametrize("case", ["base", "no_mode_seeking"])
def test_official_numbers(case, monkeypatch):
    answers = parity.read_answers("drit")[case]
    # Where half precision is guarded against, float64 would be rounded too.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    model = parity.make("drit", answers["setting"], torch.float64)
    losses = official_steps(model, answers["setting"], monkeypatch)
    for ours, answer in zip(losses, answers["losses"], strict=True):
        assert ours.keys() == answer.keys()
        parity.assert_losses(ours, answer)
    if "weights" in answers:
        parity.assert_weights(model, answers["weights"])


def test_official_numbers_in_single_precision(monkeypatch):
    """As far as rounding does not decide: outputs and the losses of the first step."""
    answers = parity.read_answers("drit")["base"]
    model = parity.make("drit", answers["setting"])
    assert_outputs(model, answers)
    first = answers["setting"] | {"image_seeds": answers["setting"]["image_seeds"][:1]}
    (losses,) = official_steps(model, first, monkeypatch)
    parity.assert_losses(losses, answers["losses"][0])


@pytest.fixture(scope="module")
def at_paper_size():
    """Without numbers, for counts and sizes."""
    with torch.device("meta"):
        return build("drit")


def images(count: int, side: int = PAPER) -> Tensor:
    return torch.zeros(count, 3, side, side, device="meta")


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_official_networks_parameters(at_paper_size):
    assert parameters(at_paper_size.content_encoder) == 9_018_112
    assert parameters(at_paper_size.attribute_encoders) == 2_688_160
    assert parameters(at_paper_size.generator) == 9_564_710
    for pair in (at_paper_size.discriminators, at_paper_size.random_discriminators):
        assert [parameters(network) for network in pair] == [8_271_171] * 2
    assert parameters(at_paper_size.content_discriminator) == 10_683_649


def test_sizes(at_paper_size):
    content = at_paper_size.content_encoder(images(1), 0)
    assert tuple(content.shape) == (1, 256, 56, 56)
    made = at_paper_size.generator.decoders[1](content, torch.zeros(1, 8, device="meta"))
    assert tuple(made.shape) == (1, 3, PAPER, PAPER)
    logits = at_paper_size.discriminators[0](images(1))
    assert [tuple(x.shape) for x in logits] == [(1, 1, n, n) for n in (14, 7, 3)]


def test_costs(at_paper_size, monkeypatch):
    """GMACs of a step of batch 4; in the official order, D, E and G cost 1314."""
    monkeypatch.setattr(at_paper_size, "update", lambda loss, *_, **__: loss.backward())

    def cost(work) -> float:
        with FlopCounterMode(display=False) as counter, torch.device("meta"):
            work()
        return counter.get_total_flops() / 2e9

    one, others = (images(1), images(1)), (images(3), images(3))
    step = Batch(images(12), images(12)[:, :1], images(12)[:, 0])
    assert cost(lambda: at_paper_size._update_all(one, others)) == pytest.approx(1012.5, abs=0.1)
    assert cost(lambda: at_paper_size.train_step(step)) == pytest.approx(1103.6, abs=0.1)
    assert cost(lambda: at_paper_size.synthesize(images(1))) == pytest.approx(34.85, abs=0.01)


def test_slices_that_are_too_small():
    with pytest.raises(MethodError, match=r"48 px.*results\.slices\.crop: 64"):
        MultiScaleDiscriminator(1, 1)(torch.zeros(1, 1, 48, 48))
    assert MultiScaleDiscriminator(1, 1)(torch.zeros(1, 1, 64, 64))[2].numel() == 1


@pytest.mark.parametrize(
    ("side", "logits"), [(212, 1), (224, 1), (240, 1), (244, 4)], ids=lambda x: str(x)
)
def test_content_logits(at_paper_size, side, logits):
    code = torch.zeros(1, 256, side // 4, side // 4, device="meta")
    assert at_paper_size.content_discriminator(code).numel() == logits


@pytest.mark.parametrize(("side", "stages"), [(208, 2), (100, 2), (96, 1), (64, 1), (40, 0)])
def test_too_many_content_stages(side, stages):
    code = torch.zeros(1, 4, side // 4, side // 4)
    with pytest.raises(MethodError, match=rf"{side} px.*drit\.content_stages: {stages} "):
        ContentDiscriminator(1)(code)
    ContentDiscriminator(1, stages)(code)
    with pytest.raises(MethodError, match="content_stages"):
        ContentDiscriminator(1, stages + 1)(code)


def small(**params) -> Drit:
    return build("drit", **{"width": 4, "content_stages": 1} | params)


def test_a_batch_of_one_is_refused():
    model = small()
    with pytest.raises(MethodError, match=r"results\.training\.batch: 1 .*Write 2 or more"):
        model.train_step(batch(model, count=1))


def test_only_the_first_slice_is_translated():
    """The others change nothing but what the discriminators of random styles take for real."""
    made = []
    for kept in (slice(None, None, 2), slice(None)):
        model = seeded(small)
        drawn = batch(model)
        drawn.inputs[:] *= torch.zeros(6, 1, 1, 1).index_fill(0, torch.arange(6)[kept], 1)
        torch.manual_seed(0)
        made.append(model.train_step(drawn))
    changed = {name for name in made[0] if made[0][name].item() != made[1][name].item()}
    assert changed == {"D_random_A", "GAN_random_A"}


def test_noise_in_training_only(monkeypatch):
    model, drawn = small(), []
    inputs = batch(model).inputs
    randn = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *a, **k: drawn.append(a[0]) or randn(*a, **k))
    model.train().synthesize(inputs)
    model.eval().synthesize(inputs)
    assert not drawn
    model.train_step(batch(model))
    code, style = (2, 16, 16, 16), (2, 8)
    assert drawn == [code, code, code, style, style, code, style]


def test_a_volume_has_one_style():
    model, other = seeded(small), seeded(small)
    inputs = batch(model).inputs
    made = model.synthesize(inputs)
    torch.testing.assert_close(made[1:2], model.synthesize(inputs[1:2]))
    other.generator.fixed_style.neg_()
    assert not torch.allclose(made, other.synthesize(inputs))
    other.load_state_dict(model.state_dict())
    assert torch.equal(made, other.synthesize(inputs))


def test_learning_rates_fall_in_the_second_half():
    model, rates = small(learning_rate=1.0, content_rate=0.4), []
    for model.progress in (0.0, 0.5, 0.75):
        model.train_step(batch(model))
        rates.append({name: x.param_groups[0]["lr"] for name, x in model.optimizers.items()})
    first = {"g_optimizer": 1.0, "a_optimizer": 1.0, "d_optimizer": 1.0, "c_optimizer": 0.4}
    assert rates == [first, first, {name: rate / 2 for name, rate in first.items()}]


def test_autocast_never_uses_weights_of_before_an_update():
    """Its cache lasts a whole step, in which weights change five times."""
    model = small()
    inputs = batch(model).inputs
    with torch.autocast("cpu", torch.bfloat16):
        before = model.content_encoder(inputs, 0)
        model.update(before.float().abs().mean(), model.g_optimizer)
        after = model.content_encoder(inputs, 0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(after, model.content_encoder(inputs, 0))
    assert not torch.equal(after, before)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_gradient_is_clipped(scaled):
    model = small()
    model.scaler = torch.amp.GradScaler("cpu") if scaled else None
    weight = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for slope, step in (([3.0, 4.0], [0.3, 0.4]), ([0.03, 0.04], [0.03, 0.04])):
        nn.init.zeros_(weight)
        model.update((weight * torch.tensor(slope)).sum(), optimizer, clip=0.5)
        torch.testing.assert_close(-weight.detach(), torch.tensor(step))


def test_initialisation():
    model = seeded(lambda: small(width=16))
    for layer in (model.content_encoder.shared.body[1], model.generator.decoders[0].head):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.15)
        assert layer.bias.abs().max() > 0
    # torch's own: uniform up to 1 / sqrt(fan in).
    linear = model.attribute_encoders[0].mean.weight
    assert 0.9 / math.sqrt(64) < linear.abs().max() <= 1 / math.sqrt(64)


def test_upsampling_normalises_each_image_over_channels_and_positions():
    norm = Upsampling(1, 2)[1]
    x = torch.tensor([[1.0, 3.0], [5.0, 7.0]]).reshape(1, 2, 1, 2)  # mean 4, variance 5
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.0, 10.0]))
        made = norm(torch.cat([x, x * 100]))
    unit = torch.tensor([-3.0, -1.0, 1.0, 3.0]) / math.sqrt(5 + 1e-5)
    expected = torch.stack([unit[0], unit[1], 2 * unit[2] + 10, 2 * unit[3] + 10])
    torch.testing.assert_close(made[0].flatten(), expected)
    torch.testing.assert_close(made[1].flatten(), expected)


def test_mode_seeking_by_hand():
    made = torch.stack([torch.zeros(3, 2, 2), torch.full((3, 2, 2), 0.5)])
    styles = torch.tensor([[0.0, 0.0], [1.0, -3.0]])  # 2 apart
    assert mode_seeking_loss(made, styles).item() == pytest.approx(1 / (0.5 / 2 + 1e-5))
    assert mode_seeking_loss(made[[0, 0]], styles).item() == pytest.approx(1e5)


def test_divergence_by_hand():
    mean, log_variance = torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, math.log(3.0)]])
    assert kl_divergence(mean, log_variance).item() == pytest.approx(
        0.5 * (4 + 3 - math.log(3.0) - 1)
    )


def test_cross_entropy_by_hand():
    logits = [torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([-math.log(3.0)])]
    # Probabilities 1/2 and 3/4, and 1/4: means in a map, the sum over maps.
    of_ones = -(math.log(1 / 2) + math.log(3 / 4)) / 2 - math.log(1 / 4)
    assert cross_entropy(logits, 1.0).item() == pytest.approx(of_ones)
    of_halves = -math.log(3 / 16) / 2
    assert cross_entropy(logits[1:], 0.5).item() == pytest.approx(of_halves)
