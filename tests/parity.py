"""Known answers: numbers that a method's official code gave, and the means to ask ours for them.

An answer file holds words (`about`, `setting`) and numbers, no code and no image. Weights, images
and random draws are not stored: both sides make them from numpy's legacy generator, whose stream
never changes, by the functions below. A tensor is stored as its shape, mean, norm and a few of its
values, which keeps files small and differences visible.
"""

import json
from pathlib import Path

import numpy as np
import torch
from contract_checks import build
from torch import Tensor, nn

from methods.contract import Batch, Model

ANSWERS = Path(__file__).parent / "known_answers"
KEPT = 8  # values of a tensor that an answer lists
OUTPUT, WEIGHT = 1e-5, 1e-4  # relative tolerances


def read_answers(name: str) -> dict:
    return json.loads((ANSWERS / f"{name}.json").read_text())


def fill(network: nn.Module, seed: int) -> None:
    """Set all parameters, in the order of their registration.

    Weights are N(0, 1 / fan in), so that signals neither fade nor grow; vectors N(0, 0.1^2).
    """
    draw = np.random.RandomState(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            shape = tuple(parameter.shape)
            scale = 0.1 if len(shape) < 2 else 1 / np.sqrt(np.prod(shape[1:]))
            values = scale * draw.standard_normal(shape)
            parameter.copy_(torch.from_numpy(values))


def image(seed: int, *shape: int) -> Tensor:
    """Float32 images in [-1, 1]: coarse noise, an eighth of each side air of exactly -1."""
    batch, channels, height, width = shape
    coarse = np.random.RandomState(seed).uniform(-1, 1, (batch, channels, height // 4, width // 4))
    made = coarse.repeat(4, axis=2).repeat(4, axis=3)
    made[..., : height // 8, :] = made[..., : width // 8] = -1
    return torch.from_numpy(made).float()


def digest(tensor: Tensor) -> dict:
    """What an answer keeps of a tensor."""
    flat = tensor.detach().double().flatten()
    where = np.linspace(0, len(flat) - 1, min(KEPT, len(flat))).round().astype(int)
    return {
        "shape": list(tensor.shape),
        "mean": flat.mean().item(),
        "norm": flat.norm().item(),
        "values": flat[where].tolist(),
    }


def difference(tensor: Tensor, answer: dict, whole: bool = False) -> float:
    """The largest deviation from an answer, relative to the answer's root mean square.

    Parameters
    ----------
    whole : leave out the single values, and compare mean and norm.
    """
    ours = digest(tensor)
    assert ours["shape"] == answer["shape"], f"shape {ours['shape']}, official {answer['shape']}"
    root = np.sqrt(tensor.numel())
    scale = max(answer["norm"] / root, 1e-12)
    single = np.abs(np.subtract(ours["values"], answer["values"])).max()
    norm = abs(ours["norm"] - answer["norm"]) / root
    return max(0 if whole else single, abs(ours["mean"] - answer["mean"]), norm) / scale


def make(name: str, setting: dict, precision: torch.dtype = torch.float32) -> Model:
    """The model of an answer's setting, its weights filled."""
    model = build(name, setting["variant"], **setting["params"])
    for network, seed in setting["weight_seeds"].items():
        fill(model.networks[network].to(precision), seed)
    return model


def make_batch(seeds: dict, count: int, side: int) -> Batch:
    """`count` slices of `side` px; no labels, which no synthesis model looks at."""
    return Batch(
        image(seeds["inputs"], count, 3, side, side),
        image(seeds["t1ce"], count, 1, side, side),
        torch.zeros(count, side, side, dtype=torch.int64),
    )


def training_batch(setting: dict, step: int) -> Batch:
    return make_batch(setting["image_seeds"][step], setting["batch"], setting["side"])


def assert_outputs(ours: dict[str, Tensor], answers: dict[str, dict]) -> None:
    """Each official output, by our name for it, to `OUTPUT`."""
    assert ours.keys() == answers.keys()
    for name, answer in answers.items():
        found = difference(ours[name], answer)
        assert found <= OUTPUT, f"{name} differs by {found:.1e} of its root mean square"


def assert_losses(ours: dict[str, Tensor | float], answers: dict[str, float]) -> None:
    """Each of the official losses, by our name for it, to `OUTPUT` of its value."""
    for name, answer in answers.items():
        value = float(torch.as_tensor(ours[name]).detach())
        assert abs(value - answer) <= OUTPUT * abs(answer), f"{name}: {value}, official {answer}"


def assert_weights(
    model: Model, answers: dict[str, dict], skipped: tuple[str, ...] = (), whole: bool = False
) -> None:
    """Each parameter that an answer names `network.parameter`, to `WEIGHT`; all must be named.

    Parameters
    ----------
    skipped : endings of names that are left out: biases that an instance norm takes out again.
        Their gradient is rounding noise, which Adam blows up to a full step of either sign.
    whole : for float32, where the same goes for single weights whose gradient is all but zero;
        see `difference`.
    """
    ours = {
        f"{name}.{key}": parameter
        for name, network in model.networks.items()
        for key, parameter in network.named_parameters()
    }
    compared = {name for name in ours if not name.endswith(skipped or "\n")}
    assert compared == answers.keys(), sorted(compared ^ answers.keys())
    for name in sorted(compared):
        found = difference(ours[name], answers[name], whole)
        assert found <= WEIGHT, f"{name} differs by {found:.1e} of its root mean square"
