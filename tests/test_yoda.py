"""YODA against the official code's numbers, in `known_answers/yoda.json`, and its parts."""

import contract_checks as checks
import numpy as np
import parity
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from methods.contract import Batch
from methods.errors import MethodError
from methods.layers.ema import AveragedNetwork, with_buffers
from methods.yoda.diffusion import Diffusion, evaluation_times
from methods.yoda.method import YODA
from methods.yoda.networks import DenoisingUNet

PAPER = 224
ANSWERS = parity.read_answers("yoda")["base"]
SETTING = ANSWERS["setting"]
SLICES = (SETTING["batch"], 1, SETTING["side"], SETTING["side"])


def noise(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape)).float()


def draws(step: int) -> tuple[Tensor, Tensor]:
    """The noise and the times of a step."""
    return noise(SETTING["noise_seeds"][step], *SLICES), torch.tensor(SETTING["times"][step])


def official_model(precision: torch.dtype) -> YODA:
    model = parity.make("yoda", SETTING, precision)
    for network in model.networks.values():
        network.to(precision)
    model.averaged.network.load_state_dict(model.unet.state_dict())
    model.diffusion.noise.copy_(noise(SETTING["start_seed"], *model.diffusion.noise.shape))
    return model


def outputs(model: YODA) -> dict[str, Tensor]:
    """The answers' outputs before training, by their names."""
    batch = parity.training_batch(SETTING, 0)
    added, times = draws(0)
    noisy, target = model.diffusion.mix(batch.t1ce, added, times)
    made = {"noisy": noisy, "target": target}
    with torch.no_grad():
        made["velocity"] = model.unet(torch.cat([noisy, batch.inputs], dim=1), times)
        made["regression"] = model.synthesize(batch.inputs)
        start = model.diffusion.start(batch.inputs)
        made["ddim10"] = model.diffusion.sample(
            lambda x, times: model.unet(torch.cat([x, batch.inputs], dim=1), times), start, 10
        )
    return made


@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
def test_official_numbers(precision, monkeypatch):
    """In float32 up to the first update: after it, rounding decides where Adam steps."""
    if precision == torch.float64:
        # Where half precision is guarded against, float64 would be rounded too.
        monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    model = official_model(precision)
    assert parity.difference(Diffusion(1).signal, ANSWERS["signal"]) < 1e-6
    before = {k: x for k, x in ANSWERS["outputs"].items() if k not in ("averaged", "latest")}
    parity.assert_outputs(outputs(model), before)

    drawn = map(draws, range(len(SETTING["times"])))
    monkeypatch.setattr(model.diffusion, "draw", lambda images: next(drawn))
    for step, answer in enumerate(ANSWERS["losses"]):
        losses = model.train_step(parity.training_batch(SETTING, step))
        if precision == torch.float64 or step == 0:
            assert losses.keys() == answer.keys()
            parity.assert_losses(losses, answer)
    if precision == torch.float64:
        # The softmax takes out what a key's bias adds, so its gradient is rounding noise.
        parity.assert_weights(model, ANSWERS["weights"], skipped=("key.bias",))
        inputs = parity.training_batch(SETTING, 0).inputs
        averaged = model.synthesize(inputs)
        model.averaged.network.load_state_dict(model.unet.state_dict())
        made = {"averaged": averaged, "latest": model.synthesize(inputs)}
        parity.assert_outputs(made, {name: ANSWERS["outputs"][name] for name in made})


def test_the_official_network_at_paper_size():
    with torch.device("meta"):
        unet = DenoisingUNet(4, 1)
        with FlopCounterMode(display=False) as counter:
            made = unet(torch.zeros(1, 4, PAPER, PAPER), torch.zeros(1))
    assert tuple(made.shape) == (1, 1, PAPER, PAPER)
    # The official one also holds an output layer per attention, which it does not apply.
    unused = 6 * (256 * 256 + 256) + 4 * (512 * 512 + 512)
    assert sum(p.numel() for p in unet.parameters()) == 53_500_545 - unused == 52_055_169
    assert counter.get_total_flops() / 2e9 == pytest.approx(144.45, abs=0.01)


def test_the_two_predictions_share_their_weights_and_noise():
    torch.manual_seed(0)
    base = small()
    torch.manual_seed(0)
    other = checks.build("yoda", "ddim10", **SMALL)
    assert checks.same(checks.weights(base), checks.weights(other))
    assert (base.params.steps, other.params.steps) == (1, 10)


def test_evaluation_times():
    assert evaluation_times(1) == [999]
    assert evaluation_times(10) == [900, 800, 700, 600, 500, 400, 300, 200, 100, 0]
    assert evaluation_times(1000) == list(range(999, -1, -1))


def test_a_known_velocity_leads_to_its_image():
    torch.manual_seed(0)
    diffusion, image = Diffusion(8), torch.rand(2, 1, 8, 8) * 2 - 1
    start = diffusion.start(image)

    def velocity(noisy: Tensor, times: Tensor) -> Tensor:
        signal = diffusion.signal[times].view(-1, 1, 1, 1)
        return (signal.sqrt() * noisy - image) / (1 - signal).sqrt()

    for steps in (1, 10):
        torch.testing.assert_close(diffusion.sample(velocity, start, steps), image)


SMALL = {"width": 4, "noise_side": 32, "ema_start": 0}


def small(**params) -> YODA:
    return checks.build("yoda", **{**SMALL, **params})


@pytest.mark.parametrize(
    ("side", "message"), [(48, "noise_side: 48"), (24, "multiple of 16"), (32, None)]
)
def test_sizes(side, message):
    model, inputs = small(), torch.zeros(1, 3, side, side)
    if message is None:
        assert model.synthesize(inputs).shape == (1, 1, side, side)
    else:
        with pytest.raises(MethodError, match=message):
            model.synthesize(inputs)


@pytest.mark.parametrize("params", [{"width": 6}, {"steps": 1001}])
def test_params_that_cannot_be(params):
    with pytest.raises(MethodError, match=f"`{next(iter(params))}` is"):
        small(**params)


def test_the_average_follows_ema_pytorch():
    """Until update 2 it copies; then 1 - (1 + n)^(-2/3) is kept, and at most the decay."""
    network = nn.Linear(1, 1, bias=False)
    averaged, kept = AveragedNetwork(network, decay=0.55, start=2), []
    for value in range(1, 8):
        nn.init.constant_(network.weight, value)
        averaged.update(network)
        kept.append(averaged.network.weight.item())
    expected = [1.0, 2.0, 3.0]
    for n, value in zip(range(1, 5), range(4, 8), strict=True):
        decay = min(0.55, 1 - (1 + n) ** (-2 / 3))
        expected.append(decay * expected[-1] + (1 - decay) * value)
    assert kept == pytest.approx(expected, rel=1e-6)


def test_averaged_weights_are_the_networks_before_their_start():
    model = small(ema_start=10)
    empty = torch.zeros(1, 3, 32, 32)
    model.train_step(Batch(empty, empty[:, :1], empty[:, 0]))
    assert checks.same(model.unet.state_dict(), model.averaged.network.state_dict())


def test_a_network_of_buffers_is_not_trained_but_passes_gradients():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    fixed, image = with_buffers(network), torch.randn(1, 1, 8, 8, requires_grad=True)
    assert not list(fixed.parameters())
    assert checks.same(network.state_dict(), fixed.state_dict())
    torch.testing.assert_close(fixed(image), network(image))
    fixed(image).square().sum().backward()
    assert image.grad.abs().sum() > 0
    assert network[0].weight.grad is None
