"""Layers of torch, computed in another way where torch is slow on a CPU.

Weights, shapes and answers are those of torch's layers; only rounding differs. On a GPU and when
compiled they are torch's layers, convolutions under autocast too. Two cores measured the gains, in
docs/speed.md.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW = 4  # channels: an image's
LARGE = 2**16  # numbers of a tensor, for which one more call of Python takes no time


def _as_torch(x: Tensor) -> bool:
    return x.device.type != "cpu" or torch.compiler.is_compiling()


class InstanceNorm2d(nn.InstanceNorm2d):
    """A group norm of one channel per group."""

    def forward(self, x: Tensor) -> Tensor:
        if _as_torch(x):
            return super().forward(x)
        return F.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)


class ReflectionPad2d(nn.ReflectionPad2d):
    """Its gradient is added up border by border, not pixel by pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return reflect(x, self.padding[0])


def reflect(x: Tensor, width: int) -> Tensor:
    """Pad height and width of (B, C, H, W) by reflection, as `ReflectionPad2d` does."""
    if _as_torch(x) or x.numel() < LARGE:
        return F.pad(x, [width] * 4, mode="reflect")
    return _Reflect.apply(x, width)


class _Reflect(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, width: int) -> Tensor:
        ctx.width = width
        with torch.autocast("cpu", enabled=False):  # which would pad in float32
            return F.pad(x, [width] * 4, mode="reflect")

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return _fold_back(_fold_back(gradient, 2, ctx.width), 3, ctx.width), None


def _fold_back(x: Tensor, axis: int, width: int) -> Tensor:
    """Cut `width` off either end, and add it, mirrored, to what is left."""
    inner = x.shape[axis] - 2 * width
    folded = x.narrow(axis, width, inner).clone(memory_format=torch.contiguous_format)
    for start, end in ((1, 0), (inner - 1 - width, width + inner)):
        cut = x.narrow(axis, end, width)
        folded.narrow(axis, start, width).add_(cut.flip(axis) if width > 1 else cut)
    return folded


class Conv2d(nn.Conv2d):
    """A convolution from few channels or to few, of stride 1 and with a square kernel.

    torch computes 16 output channels side by side, however few there are: of the convolution
    itself, and of the gradient of its input.
    """

    def forward(self, x: Tensor) -> Tensor:
        if _as_torch(x) or torch.is_autocast_enabled("cpu") or self.stride != (1, 1):
            return super().forward(x)
        if self.out_channels <= FEW:
            return _to_few(x, self.weight, self.padding[0]) + self.bias[:, None, None]
        if self.in_channels <= FEW and x.requires_grad:
            return _FromFew.apply(x, self.weight, self.bias, self.padding[0])
        return super().forward(x)


def _to_few(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Convolve with each row of the kernel as an output channel, and add the rows up."""
    outer, inner, size, _ = weight.shape
    rows = weight.transpose(1, 2).reshape(outer * size, inner, 1, size)
    products = F.conv2d(F.pad(x, [0, 0, padding, padding]), rows, padding=(0, padding))
    count, _, height, width = products.shape
    # One image row more after each kernel row: so the next kernel row begins one image row later.
    flat = F.pad(products.reshape(count, outer, -1), [0, size * width])
    shifted = flat.view(count, outer, size, height + 1, width)[:, :, :, : height - size + 1]
    return shifted.sum(dim=2)


class _FromFew(torch.autograd.Function):
    """The gradient of its input is a convolution to few channels."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return F.conv2d(x, weight, bias, padding=padding)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        flipped, padding = weight.flip(2, 3).transpose(0, 1), weight.shape[2] - 1 - ctx.padding
        of_x = _to_few(gradient, flipped, padding) if ctx.needs_input_grad[0] else None
        _, *others = torch.ops.aten.convolution_backward(
            gradient, x, weight, [len(weight)], [1, 1], [ctx.padding] * 2, [1, 1],
            False, [0, 0], 1, [False, *ctx.needs_input_grad[1:3]],
        )  # fmt: skip
        return of_x, *others, None
