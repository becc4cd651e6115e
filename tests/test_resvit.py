"""ResViT against the official code's numbers, in `known_answers/resvit.json`, and its parts.

The weights are compared in float64. In float32 a weight whose gradient is all but zero takes Adam's
first step in a direction that rounding decides.
"""

import copy

import parity
import pytest
import torch
from contract_checks import batch, build, seeded, train, weights
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from methods.errors import MethodError
from methods.resvit.method import ResViT
from methods.resvit.networks import ResidualBlock

PAPER = 224
SHARED = ("encoder", "blocks", "decoder")
# The demo's sizes.
NARROW = {"width": 8, "vit_features": 48, "vit_layers": 2, "vit_heads": 4, "positions": 4}


def small(variant: str = "transformer", **params) -> ResViT:
    return build("resvit", variant, **NARROW | params)


def parameters(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def assert_outputs(model: ResViT, answers: dict) -> None:
    first, made = parity.training_batch(answers["setting"], 0), {}

    for name, part in {"encoded": model.encoder, "sixth_block": model.blocks[5]}.items():
        part.register_forward_hook(lambda part, given, x, name=name: made.update({name: x}))
    with torch.no_grad():
        made["synthesized"] = model.synthesize(first.inputs)
        made["scores"] = model.discriminator(torch.cat([first.inputs, first.t1ce], dim=1))
    parity.assert_outputs(made, answers["outputs"])


def official_steps(model: ResViT, setting: dict) -> list[dict[str, Tensor]]:
    steps = range(len(setting["image_seeds"]))
    return [model.train_step(parity.training_batch(setting, step)) for step in steps]


@pytest.mark.parametrize("case", ["base", "transformer"])
def test_official_numbers(case, monkeypatch):
    answers = parity.read_answers("resvit")[case]
    # Where half precision is guarded against, float64 would be rounded too.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    model = parity.make("resvit", answers["setting"], torch.float64)
    assert_outputs(model, answers)
    losses = official_steps(model, answers["setting"])
    for ours, answer in zip(losses, answers["losses"], strict=True):
        assert ours.keys() == answer.keys()
        parity.assert_losses(ours, answer)
    parity.assert_weights(model, answers["weights"])


@pytest.mark.parametrize("case", ["base", "transformer"])
def test_official_numbers_in_single_precision(case):
    answers = parity.read_answers("resvit")[case]
    model = parity.make("resvit", answers["setting"])
    assert_outputs(model, answers)
    losses = official_steps(model, answers["setting"])
    for ours, answer in zip(losses, answers["losses"], strict=True):
        parity.assert_losses(ours, answer)


@pytest.mark.parametrize(
    ("variant", "count", "cost"), [("base", 11_377_153, 37.62), ("transformer", 123_355_649, 91.50)]
)
def test_the_official_networks_parameters_and_costs(variant, count, cost):
    """In GMACs, of one slice."""
    with torch.device("meta"):  # without numbers
        model = build("resvit", variant)
        images = torch.zeros(1, 4, PAPER, PAPER)
    discriminator = model.discriminator
    generator = [x for x in model.networks.values() if x is not discriminator]
    assert (parameters(*generator), parameters(discriminator)) == (count, 2_766_657)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as synthesis:
            made = model.synthesize(images[:, :3])
        with FlopCounterMode(display=False) as judging:
            scores = discriminator(images)
    assert synthesis.get_total_flops() / 2e9 == pytest.approx(cost, abs=0.01)
    assert judging.get_total_flops() / 2e9 == pytest.approx(2.41, abs=0.01)
    assert (made.shape, scores.shape) == ((1, 1, PAPER, PAPER), (1, 1, 26, 26))


def test_initial_weights():
    torch.manual_seed(0)
    model = build("resvit", **NARROW | {"width": 32})
    for layer in model.discriminator:
        if isinstance(layer, nn.Conv2d):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        elif isinstance(layer, nn.InstanceNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.01)
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.3)
    # torch's own, with the bound 1 / sqrt(fan in)
    block = ResidualBlock(64)
    assert block.body[1].weight.abs().max().item() == pytest.approx((9 * 64) ** -0.5, rel=0.01)


def test_the_generator_alone_is_continued_from():
    """The discriminator and both optimizers start afresh."""
    before, model = seeded(lambda: small("base")), seeded(small, seed=1)
    train(before, range(2))
    trained, fresh = weights(before), copy.deepcopy(weights(model))
    model.load_state_dict(before.state_dict(), strict=False)
    for key, value in weights(model).items():
        assert torch.equal(value, (trained if key.startswith(SHARED) else fresh)[key]), key
    assert not any(optimizer.state for optimizer in model.optimizers.values())
    assert {x.param_groups[0]["lr"] for x in model.optimizers.values()} == {1e-3}


def test_both_branches_share_one_transformer_that_sees_their_positions():
    model, seen = small().eval(), []
    model.transformer.register_forward_hook(lambda module, given, _: seen.append(given[0]))
    inputs = batch(model).inputs
    with torch.no_grad():
        first = model.synthesize(inputs)
        for branch in model.branches:
            branch.positions += 1
        second = model.synthesize(inputs)
    assert [tuple(tokens.shape) for tokens in seen] == [(2, 16, 48)] * 4
    assert torch.allclose(seen[2], seen[0] + 1, atol=1e-6)
    assert not torch.equal(first, second)


def test_positions_of_another_size_are_interpolated():
    model, tokens = small(positions=2).eval(), []
    model.transformer.register_forward_hook(lambda module, given, _: tokens.append(given[0]))
    with torch.no_grad():
        model.branches[0].positions.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        model.synthesize(batch(model).inputs)
        without = tokens.pop(0)
        model.branches[0].positions.zero_()
        model.synthesize(batch(model).inputs)
    rows = (without - tokens[1])[0, :, 0].reshape(4, 4)
    expected = torch.tensor([0, 0.25, 0.75, 1])[:, None].expand(4, 4)
    assert torch.allclose(rows, expected, atol=1e-5)


def test_dropout_only_in_training():
    model = small()
    inputs = batch(model).inputs

    def differs() -> bool:
        with torch.inference_mode():
            return not torch.equal(model.synthesize(inputs), model.synthesize(inputs))

    assert model.train() and differs()
    assert model.eval() and not differs()


def test_learning_rates_fall_in_the_second_half():
    model, rates = small(transformer_rate=1.0), []
    for model.progress in (0.0, 0.5, 0.75):
        model.train_step(batch(model))
        rates.append([x.param_groups[0]["lr"] for x in model.optimizers.values()])
    assert rates == [[1.0, 1.0], [1.0, 1.0], [0.5, 0.5]]


@pytest.mark.parametrize(("height", "width"), [(64, 72), (16, 64)])
@pytest.mark.parametrize("variant", ["base", "transformer"])
def test_sizes_that_cannot_be_halved_four_times(variant, height, width):
    with pytest.raises(MethodError, match=f"{height} x {width} px cannot be halved four times"):
        small(variant).synthesize(torch.zeros(1, 3, height, width))


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(MethodError, match="48 vit_features cannot be divided among 5 vit_heads"):
        small(vit_heads=5)
