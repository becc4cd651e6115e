"""The U-Net generator of pix2pix (Isola et al. 2017, appendix), as its official code has it."""

import torch
from torch import Tensor, nn

from methods.layers.arranged import InstanceNorm2d


class Generator(nn.Module):
    """(B, inner, H, W) -> (B, outer, H, W) in [-1, 1]; H and W divisible by 2 ** halvings.

    Widths are 1, 2, 4, 8, 8, ... times `width`. The first and the last convolution and the one that
    makes the code have no norm. Drawn at random, besides the weights: dropout, while training.

    Parameters
    ----------
    halvings : 8 are `unet_256`, 7 are `unet_128`.
    dropout : share that is dropped after the innermost steps up, three at most, as long as they are
        8 * width wide.
    """

    def __init__(
        self, inner: int, outer: int, width: int = 64, halvings: int = 5, dropout: float = 0.5
    ):
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(halvings)]
        down = [nn.Sequential(nn.Conv2d(inner, width, 4, 2, 1, bias=False))]
        for level in range(1, halvings):
            above, own = widths[level - 1 : level + 1]
            layers = [nn.LeakyReLU(0.2), nn.Conv2d(above, own, 4, 2, 1, bias=False)]
            down.append(nn.Sequential(*layers, *([_norm(own)] if level < halvings - 1 else [])))

        up = []
        for step, level in enumerate(reversed(range(1, halvings))):
            # All but the innermost also get what the way down has at their level.
            own, above = widths[level] * (2 if step else 1), widths[level - 1]
            conv = nn.ConvTranspose2d(own, above, 4, 2, 1, bias=False)
            dropped = step < 3 and above == 8 * width
            last = [nn.Dropout(dropout)] if dropped else []
            up.append(nn.Sequential(nn.ReLU(), conv, _norm(above), *last))
        head = nn.ConvTranspose2d(2 * width, outer, 4, 2, 1)
        up.append(nn.Sequential(nn.ReLU(), head, nn.Tanh()))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)

    def forward(self, image: Tensor) -> Tensor:
        maps = [image]
        for block in self.down:
            maps.append(block(maps[-1]))
        innermost, *others = self.up
        x = innermost(maps.pop())
        for block in others:
            x = block(torch.cat([maps.pop(), x], dim=1))
        return x


def _norm(channels: int) -> nn.Module:
    """Instance norm with learned scale, drawn from N(1, 0.02^2), and shift, which starts at 0."""
    norm = InstanceNorm2d(channels, affine=True)
    nn.init.normal_(norm.weight, 1.0, 0.02)
    return norm
