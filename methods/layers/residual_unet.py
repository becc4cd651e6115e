"""The residual encoder U-Net of nnU-Net (Isensee et al. 2024, "nnU-Net revisited"), in 2-D.

`ResidualEncoderUNet` of dynamic-network-architectures, with instance norm and LeakyReLU 0.01, or
with the upsampling of nnUNet_translation.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from methods.errors import MethodError
from methods.layers.arranged import InstanceNorm2d
from methods.layers.init import initialise

SLOPE = 0.01  # of the LeakyReLUs
WIDEST = 16  # times `width`
BLOCKS = (1, 3, 4)  # residual blocks of the encoder's first levels
DEEPER_BLOCKS = 6  # of each other level

Upsampling = Literal["transposed", "bilinear"]


def _conv_norm(inner: int, outer: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inner, outer, 3, stride, padding=1)
    return [conv, InstanceNorm2d(outer, affine=True)]


class Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut, as in ResNet-D (He et al. 2019).

    The shortcut is pooled if the block halves, and convolved if it changes the channels. The scale
    of the last norm starts at 0, so that a new block is its shortcut.
    """

    def __init__(self, inner: int, outer: int, stride: int = 1):
        super().__init__()
        first, last = _conv_norm(inner, outer, stride), _conv_norm(outer, outer)
        self.body = nn.Sequential(*first, nn.LeakyReLU(SLOPE), *last)
        nn.init.zeros_(last[-1].weight)

        shortcut: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        if inner != outer:
            conv = nn.Conv2d(inner, outer, 1, bias=False)
            shortcut += [conv, InstanceNorm2d(outer, affine=True)]
        self.shortcut = nn.Sequential(*shortcut)
        self.relu = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.shortcut(x) + self.body(x))


def _level(inner: int, outer: int, blocks: int, stride: int) -> nn.Sequential:
    others = (Block(outer, outer) for _ in range(blocks - 1))
    return nn.Sequential(Block(inner, outer, stride), *others)


def _up(inner: int, outer: int, upsampling: Upsampling) -> nn.Module:
    """Twice the size."""
    if upsampling == "transposed":
        return nn.ConvTranspose2d(inner, outer, 2, stride=2)
    double = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return nn.Sequential(double, nn.Conv2d(inner, outer, 3, padding=1))


class ResidualUNet(nn.Module):
    """(B, inner, H, W) -> outputs (B, outer, h, w), the whole size first, then its halves.

    Parameters
    ----------
    width : channels of the first level; the next have 2, 4, 8, 16, 16, ... times as many.
    halvings : how often the encoder halves H and W, to 2 px or more.
    most_blocks : the most residual blocks of a level; nnU-Net has 1, 3, 4, 6, 6, ... of them.
    upsampling : nnU-Net's transposed convolution, or nnUNet_translation's bilinear interpolation
        and 3 x 3 convolution, which makes no checkerboards.
    heads : how many of the decoder's levels, from the whole size down, have an output.

    Raises
    ------
    MethodError : H or W cannot be halved so often.
    """

    def __init__(
        self,
        inner: int,
        outer: int,
        width: int = 32,
        halvings: int = 5,
        most_blocks: int = 6,
        upsampling: Upsampling = "transposed",
        heads: int = 1,
    ):
        super().__init__()
        self.halvings = halvings
        widths = [width * min(2**level, WIDEST) for level in range(halvings + 1)]
        blocks = [*BLOCKS, *[DEEPER_BLOCKS] * halvings]
        self.stem = nn.Sequential(*_conv_norm(inner, width), nn.LeakyReLU(SLOPE))
        self.down = nn.ModuleList(
            _level(above, own, min(blocks[level], most_blocks), stride=2 if level else 1)
            for level, (above, own) in enumerate(pairwise([width, *widths]))
        )
        steps = list(pairwise(reversed(widths)))
        self.merge = nn.ModuleList(
            nn.Sequential(*_conv_norm(2 * own, own), nn.LeakyReLU(SLOPE)) for _, own in steps
        )
        self.up = nn.ModuleList(_up(below, own, upsampling) for below, own in steps)
        self.heads = nn.ModuleList(nn.Conv2d(own, outer, 1) for own in widths[:heads])
        initialise(self, he)

    def forward(self, image: Tensor) -> list[Tensor]:
        self._check(*image.shape[2:])
        skips, x = [], self.stem(image)
        for level in self.down:
            x = level(x)
            skips.append(x)
        x = skips.pop()
        decoded = []
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([up(x), skips.pop()], dim=1))
            decoded.append(x)
        return [head(x) for head, x in zip(self.heads, reversed(decoded), strict=False)]

    def _check(self, height: int, width: int) -> None:
        most = min(_halvings(height), _halvings(width))
        if self.halvings > most:
            raise MethodError(
                f"A residual U-Net of halvings {self.halvings} needs slices that can be halved so "
                f"often, to 2 px or more; those of {height} x {width} px can be halved {most} "
                "times. In the benchmark's file, lower its `halvings` under results.params, or "
                f"write results.slices.crop: a multiple of {2**self.halvings}."
            )


def _halvings(side: int) -> int:
    """How often a side can be halved and stay 2 px or more; an instance norm needs several."""
    return 0 if side % 2 or side < 4 else 1 + _halvings(side // 2)


def he(weight: Tensor) -> Tensor:
    """Draw as nnU-Net does: He normal, for LeakyReLUs."""
    return nn.init.kaiming_normal_(weight, a=SLOPE)
