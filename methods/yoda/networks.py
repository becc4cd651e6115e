"""The U-Net of YODA: that of MONAI Generative's diffusion models, in two dimensions."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.errors import MethodError

WIDTHS = (1, 1, 2, 2, 4)  # of the five levels, in units of the first


class DenoisingUNet(nn.Module):
    """(B, inner, H, W) and times (B,) -> (B, outer, H, W); H and W divisible by 16.

    A level has one stage on the way down and two on the way up. The latter also get the maps of the
    way down at their level: of the stage, and of the convolution before it.

    Parameters
    ----------
    attention : whether the stages of each level have attention, from the largest to the smallest.
    """

    def __init__(
        self,
        inner: int,
        outer: int,
        width: int = 128,
        attention: tuple[bool, ...] = (False, False, True, True, True),
    ):
        super().__init__()
        self.width = width
        levels = [(width * n, attends) for n, attends in zip(WIDTHS, attention, strict=True)]
        halvings = [channels for channels, _ in levels[:-1]]
        self.time = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width)
        )

        self.stem = nn.Conv2d(inner, width, 3, padding=1)
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in halvings)
        down, before, kept = [], width, [width]
        for channels, attends in levels:
            down.append(Stage(before, channels, width, attends))
            kept += [channels, channels]
            before = channels
        kept.pop()  # nothing is halved after the last level

        self.middle = Stage(before, before, width, attends=True)
        self.last = Stage(before, before, width, attends=False)

        up = []
        for channels, attends in reversed(levels):
            for _ in range(2):
                up.append(Stage(before + kept.pop(), channels, width, attends))
                before = channels
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, c, 3, padding=1))
            for c, _ in reversed(levels[1:])
        )
        head = nn.Conv2d(width, outer, 3, padding=1)
        self.head = nn.Sequential(_norm(width, width), nn.SiLU(), _zeros(head))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if height % 16 or width % 16:
            raise MethodError(
                f"methods/yoda: its U-Net halves slices four times, which {height} x {width} px "
                "cannot be; write a multiple of 16 for `results.slices.crop`."
            )
        time = self.time(sinusoids(times, self.width).to(x.dtype))
        maps = [self.stem(x)]
        for level, stage in enumerate(self.down):
            if level:
                maps.append(self.shrink[level - 1](maps[-1]))
            maps.append(stage(maps[-1], time))
        x = self.last(self.middle(maps[-1], time), time)
        for step, stage in enumerate(self.up):
            if step and step % 2 == 0:
                x = self.grow[step // 2 - 1](x)
            x = stage(torch.cat([x, maps.pop()], dim=1), time)
        return self.head(x)


class Stage(nn.Module):
    """A residual block that the time shifts, then attention or nothing.

    (B, inner, H, W) and the embedded time (B, 4 * width) -> (B, outer, H, W). The second
    convolution starts at zero, so that the block starts as its shortcut.
    """

    def __init__(self, inner: int, outer: int, width: int, attends: bool):
        super().__init__()
        first = nn.Conv2d(inner, outer, 3, padding=1)
        second = nn.Conv2d(outer, outer, 3, padding=1)
        self.first = nn.Sequential(_norm(inner, width), nn.SiLU(), first)
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(4 * width, outer))
        self.second = nn.Sequential(_norm(outer, width), nn.SiLU(), _zeros(second))
        self.shortcut = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)
        self.attention = Attention(outer, width) if attends else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        shifted = self.first(x) + self.time(time)[:, :, None, None]
        return self.attention(self.shortcut(x) + self.second(shifted))


class Attention(nn.Module):
    """Self-attention over all positions, added to its input; a head has `width` channels."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.heads = channels // width
        self.norm = _norm(channels, width)
        self.query, self.key, self.value = (nn.Linear(channels, channels) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        positions = self.norm(x).flatten(2).transpose(1, 2)
        query, key, value = (
            layer(positions).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        return x + attended.transpose(2, 3).reshape(x.shape)


def sinusoids(times: Tensor, width: int) -> Tensor:
    """Embed times (B,) as cosines and sines of `width` / 2 frequencies from 1 to 1 / 10000."""
    exponents = torch.arange(width // 2, device=times.device) / (width // 2)
    angles = times[:, None] * torch.exp(-math.log(10000) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def _norm(channels: int, width: int) -> nn.Module:
    return nn.GroupNorm(width // 4, channels, eps=1e-6)


def _zeros(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv
