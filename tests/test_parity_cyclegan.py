"""CycleGAN against the official code's numbers, in `known_answers/cyclegan.json`, and its parts.

The weights are compared in float64. In float32 a weight whose gradient is all but zero takes Adam's
first step in a direction that rounding decides, and so each processor has other weights after it.
"""

import copy
from itertools import pairwise

import parity
import pytest
import torch
from contract_checks import SIDE, build, same, seeded, train, weights
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from methods.contract import Batch
from methods.cyclegan import pool
from methods.cyclegan.method import CycleGAN
from methods.cyclegan.pool import HistoryPool
from methods.layers import arranged
from methods.layers.init import initialise, normal
from methods.layers.patchgan import PatchDiscriminator

PAPER = 224


def draws(monkeypatch, places: list[int | None]) -> None:
    """Let the pools draw `places`."""
    given = iter(places)
    monkeypatch.setattr(pool, "draw_place", lambda size: next(given))


def official_steps(model: CycleGAN, setting: dict, monkeypatch) -> list[dict[str, Tensor]]:
    draws(monkeypatch, setting["places"])
    losses = []
    for step in range(len(setting["image_seeds"])):
        made = model.train_step(parity.training_batch(setting, step))
        losses.append({name: loss.detach() for name, loss in made.items()})
    return losses


def assert_outputs(model: CycleGAN, answers: dict) -> None:
    batch = parity.training_batch(answers["setting"], 0)
    t1ce = batch.t1ce.expand(-1, model.params.t1ce_channels, -1, -1)
    with torch.no_grad():
        made = {
            "generator_b": model.generator_b(batch.inputs),
            "generator_a": model.generator_a(t1ce),
            "discriminator_b": model.discriminator_b(t1ce),
            "discriminator_a": model.discriminator_a(batch.inputs),
            "synthesized": model.synthesize(batch.inputs),
        }
    parity.assert_outputs(made, answers["outputs"])


def biases_without_effect(model: CycleGAN) -> tuple[str, ...]:
    """Those of convolutions that an instance norm follows."""
    return tuple(
        f"{name}.{path}.{key}.bias"
        for name, network in model.networks.items()
        for path, layers in network.named_modules()
        if isinstance(layers, nn.Sequential)
        for (key, _), (_, following) in pairwise(layers.named_children())
        if isinstance(following, nn.InstanceNorm2d)
    )


@pytest.mark.parametrize("case", ["base", "one_channel"])
def test_official_numbers(case, monkeypatch):
    answers = parity.read_answers("cyclegan")[case]
    # Where half precision is guarded against, float64 would be rounded too.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    model = parity.make("cyclegan", answers["setting"], torch.float64)
    assert_outputs(model, answers)
    losses = official_steps(model, answers["setting"], monkeypatch)
    for ours, answer in zip(losses, answers["losses"], strict=True):
        assert ours.keys() == answer.keys()
        parity.assert_losses(ours, answer)
    parity.assert_weights(model, answers["weights"], biases_without_effect(model))


@pytest.mark.parametrize("case", ["base", "one_channel"])
def test_official_numbers_in_single_precision(case, monkeypatch):
    """Losses up to the first update; then, of weights, what rounding does not decide."""
    answers = parity.read_answers("cyclegan")[case]
    model = parity.make("cyclegan", answers["setting"])
    assert_outputs(model, answers)
    losses = official_steps(model, answers["setting"], monkeypatch)
    parity.assert_losses(losses[0], answers["losses"][0])
    parity.assert_weights(model, answers["weights"], biases_without_effect(model), whole=True)


@pytest.fixture(scope="module")
def at_paper_size():
    return build("cyclegan")


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_official_networks_parameters(at_paper_size):
    for network in (at_paper_size.generator_a, at_paper_size.generator_b):
        assert parameters(network) == 11_378_179
    for network in (at_paper_size.discriminator_a, at_paper_size.discriminator_b):
        assert parameters(network) == 2_764_737


@pytest.fixture
def as_torch(monkeypatch):
    """Layers as they are anywhere but on a CPU."""
    monkeypatch.setattr(arranged, "_as_torch", lambda x: True)


def test_the_official_networks_costs(at_paper_size, as_torch):
    image = torch.zeros(1, 3, PAPER, PAPER)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as generator:
            made = at_paper_size.generator_b(image)
        with FlopCounterMode(display=False) as discriminator:
            scores = at_paper_size.discriminator_b(image)
    assert generator.get_total_flops() / 2e9 == pytest.approx(37.94, abs=0.01)
    assert discriminator.get_total_flops() / 2e9 == pytest.approx(2.39, abs=0.01)
    assert tuple(made.shape) == (1, 3, PAPER, PAPER)
    assert tuple(scores.shape) == (1, 1, 26, 26)


def test_a_step_costs_what_the_official_one_does(as_torch):
    """Six passes of the generators, back through all of them; no weight gradient in frozen Ds."""
    model = build("cyclegan", width=8)
    images = torch.zeros(1, 3, SIDE, SIDE)

    def cost(work) -> int:
        with FlopCounterMode(display=False) as counter:
            work()
        return counter.get_total_flops()

    def trained(network: nn.Module, of_input: bool = False, of_weights: bool = True) -> int:
        network.requires_grad_(of_weights)
        leaf = images.clone().requires_grad_(of_input)
        found = cost(lambda: network(leaf).sum().backward())
        network.requires_grad_(True)
        return found

    g, d = model.generator_b, model.discriminator_b
    generators = 4 * trained(g) + 2 * trained(g, of_input=True)
    judging = 2 * trained(d, of_input=True, of_weights=False)
    step = cost(lambda: model.train_step(Batch(images, images[:, :1], images[:, 0].long())))
    assert step == generators + judging + 4 * trained(d)


def test_receptive_field_is_70_pixels():
    torch.manual_seed(0)
    network = PatchDiscriminator(1, width=2, antialias=False)
    # Instance norm lets every pixel reach every score, so it is left out.
    layers = [x for x in network.layers if not isinstance(x, nn.InstanceNorm2d)]
    image = torch.randn(1, 1, PAPER, PAPER, requires_grad=True)
    nn.Sequential(*layers)(image)[0, 0, 13, 13].backward()
    touched = image.grad[0, 0].abs().sum(dim=0).nonzero()
    assert touched.max() - touched.min() + 1 == 70


def test_normal_initialisation():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(16, 32, 3), nn.ConvTranspose2d(32, 16, 3))
    for layer in initialise(layers, normal):
        assert (layer.bias == 0).all()
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(layer.weight.mean().item()) < 0.002


def small(**params) -> CycleGAN:
    return build("cyclegan", **{"width": 2, "blocks": 1} | params)


def test_learning_rates_fall_in_the_second_half():
    model, rates = small(learning_rate=1.0), []
    batch = Batch(torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32), torch.zeros(1, 32, 32))
    for model.progress in (0.0, 0.5, 0.75):
        model.train_step(batch)
        rates.append([o.param_groups[0]["lr"] for o in model.optimizers.values()])
    assert rates == [[1.0, 1.0], [1.0, 1.0], [0.5, 0.5]]


@pytest.mark.parametrize("params", [{"t1ce_channels": 1}, {"identity_weight": 0.0}])
def test_without_identity_loss(params):
    model = small(**params)
    losses = model.train_step(
        Batch(torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32), torch.zeros(1, 32, 32))
    )
    assert losses.keys() == {"cycle_A", "cycle_B", "GAN_A", "GAN_B", "D_A", "D_B"}


def images(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def values(made: Tensor | list[Tensor]) -> list[float]:
    return [float(x.mean()) for x in made]


def test_a_pool_fills_up_first(monkeypatch):
    draws(monkeypatch, [])
    history = HistoryPool(3)
    assert values(history.exchange(images(1, 2))) == [1, 2]
    assert values(history.exchange(images(3))) == [3]
    assert values(history.images) == [1, 2, 3]


def test_a_full_pool_decides_for_each_image(monkeypatch):
    draws(monkeypatch, [None, 1, 1, None, 0])
    history = HistoryPool(2)
    # Both fill it; 3 is kept out, 4 takes the place of 2, 5 that of 4, 6 is kept out.
    assert values(history.exchange(images(1, 2, 3))) == [1, 2, 3]
    assert values(history.exchange(images(4, 5, 6))) == [2, 4, 6]
    assert values(history.images) == [1, 5]
    assert values(history.exchange(images(7))) == [1]
    assert values(history.images) == [7, 5]


def test_a_pool_holds_images_without_graph_or_batch():
    history = HistoryPool(1)
    made = images(1, 2).clone().requires_grad_()
    assert not history.exchange(made).requires_grad
    (kept,) = history.images
    assert not kept.requires_grad
    assert kept.untyped_storage().nbytes() == kept.nbytes


def test_no_pool():
    assert values(HistoryPool(0).exchange(images(1, 2))) == [1, 2]


def test_images_follow_those_that_they_are_exchanged_for(monkeypatch):
    draws(monkeypatch, [0])
    history = HistoryPool(1)
    history.images = [torch.zeros(3, 2, 2, dtype=torch.float64)]
    made = history.exchange(images(1).to("meta"))
    assert made.device.type == "meta" and made.dtype == torch.float32


def test_places_are_drawn_evenly():
    torch.manual_seed(0)
    places = [pool.draw_place(4) for _ in range(4000)]
    assert places.count(None) == pytest.approx(2000, abs=150)
    for place in range(4):
        assert places.count(place) == pytest.approx(500, abs=100)


def test_the_pools_are_remembered(tmp_path):
    """Training on from a file is bit for bit, with pools that have long been full."""

    def model() -> CycleGAN:
        return small(pool=2)

    whole, first = seeded(model), seeded(model)
    train(whole, range(6))
    train(first, range(3))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = seeded(model, seed=9)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(second, range(3, 6))
    assert same(weights(whole), weights(second))
    for name in ("pool_a", "pool_b"):
        for a, b in zip(getattr(whole, name).images, getattr(second, name).images, strict=True):
            assert torch.equal(a, b)


def test_an_extra_state_does_not_change_with_what_follows():
    model = seeded(lambda: small(pool=2))
    train(model, range(2))
    state = model.extra_state()
    before = copy.deepcopy(state)
    train(model, range(2, 6))
    for name, images_then in before.items():
        now = getattr(model, name).images
        assert all(map(torch.equal, images_then, state[name]))
        assert not all(map(torch.equal, images_then, now))
