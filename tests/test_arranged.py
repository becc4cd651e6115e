"""The layers that are arranged for a CPU, against torch's own in float64."""

import pytest
import torch
from torch import Tensor, nn

from methods.layers import arranged

DIGITS = 1e-13


def answers(layer: nn.Module, x: Tensor, learns: bool = True) -> list[Tensor]:
    """What a layer makes of an input, and the gradients of that and of its parameters."""
    x = x.clone().requires_grad_(learns)
    made = layer(x)
    weights = torch.linspace(-1, 1, made.numel(), dtype=made.dtype).view(made.shape).sin()
    asked = [*([x] if learns else []), *layer.parameters()]
    return [made.detach(), *torch.autograd.grad((made * weights).sum(), asked)]


def assert_same(name: str, x: Tensor, *arguments, learns: bool = True, **options) -> None:
    torch.manual_seed(0)
    torchs = getattr(nn, name)(*arguments, **options).double()
    ours = getattr(arranged, name)(*arguments, **options).double()
    ours.load_state_dict(torchs.state_dict())
    expected = answers(torchs, x, learns)
    for made, wanted in zip(answers(ours, x, learns), expected, strict=True):
        torch.testing.assert_close(made, wanted, rtol=0, atol=DIGITS * wanted.abs().max().item())


def image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_instance_norm(affine, count):
    assert_same("InstanceNorm2d", image(count, 5, 9, 12), 5, affine=affine)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("large", [0, 2**20])
def test_reflection(width, large, monkeypatch):
    monkeypatch.setattr(arranged, "LARGE", large)
    assert_same("ReflectionPad2d", image(2, 3, 4, 7), width)


@pytest.mark.parametrize("inner", [1, 3, 6])
@pytest.mark.parametrize("outer", [1, 3, 6])
@pytest.mark.parametrize(("size", "options"), [(7, {}), (4, {"padding": 1}), (4, {"stride": 2})])
@pytest.mark.parametrize("learns", [False, True])
def test_convolution(inner, outer, size, options, learns):
    x = image(2, inner, 11, 16)
    assert_same("Conv2d", x, inner, outer, size, learns=learns, **options)


@pytest.mark.parametrize("large", [0, 2**20])
def test_under_autocast_norms_and_padding_stay_in_half_precision(large, monkeypatch):
    monkeypatch.setattr(arranged, "LARGE", large)
    layers = arranged.Conv2d(3, 6, 3), arranged.InstanceNorm2d(6), arranged.ReflectionPad2d(1)
    x = torch.rand(2, 3, 16, 16, requires_grad=True)
    expected = x
    for layer in layers:
        expected = layer(expected)
    made, types = x, []
    with torch.autocast("cpu", torch.bfloat16):
        for layer in layers:
            made = layer(made)
            types.append(made.dtype)
    # torch pads in float32.
    assert types == [torch.bfloat16] * 2 + [torch.float32 if large else torch.bfloat16]
    torch.testing.assert_close(made.float(), expected, rtol=0.1, atol=0.1)
    weight = torch.randn_like(expected)
    wanted, got = (torch.autograd.grad((y * weight).sum(), x)[0] for y in (expected, made))
    assert (got - wanted).norm() < 0.05 * wanted.norm()


def test_under_autocast_convolutions_are_torchs():
    """Which decides by itself what to compute in half precision."""
    x = torch.rand(2, 3, 16, 16)
    for layer in (arranged.Conv2d(3, 1, 7), nn.Conv2d(3, 1, 7)):
        with torch.autocast("cpu", torch.bfloat16):
            assert layer(x).dtype == torch.bfloat16


def test_without_a_device_they_have_torchs_shapes():
    layers = nn.Sequential(
        arranged.ReflectionPad2d(3), arranged.Conv2d(3, 8, 7), arranged.InstanceNorm2d(8)
    )
    made = layers.to("meta")(torch.empty(2, 3, 16, 16, device="meta"))
    assert made.shape == (2, 8, 16, 16)
