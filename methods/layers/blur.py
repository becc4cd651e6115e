"""Antialiased resampling (Zhang 2019, "Making convolutional networks shift-invariant again").

CUT replaces every strided convolution by a convolution of stride 1 and one of these. The filters
are fixed, so they are buffers: they add no parameters.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.arranged import reflect


def _filter(taps: list[float], channels: int) -> Tensor:
    """Outer product of `taps` with itself, normalised to sum 1, once for each channel."""
    row = torch.tensor(taps)
    square = torch.outer(row, row)
    return (square / square.sum()).expand(channels, 1, -1, -1).clone()


def _replicate(x: Tensor, axis: int) -> Tensor:
    """Repeat either end along an axis."""
    # As `F.pad` does; but of its gradient torch.compile mistakes the layout in memory, and fails.
    ends = x.narrow(axis, 0, 1), x.narrow(axis, -1, 1)
    return torch.cat([ends[0], x, ends[1]], dim=axis)


class BlurDown(nn.Module):
    """Halve height and width: [1, 2, 1] blur, reflection pad 1, stride 2. (B, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("filter", _filter([1.0, 2.0, 1.0], channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        padded = reflect(x, 1)
        return F.conv2d(padded, self.filter, stride=2, groups=x.shape[1])


class BlurUp(nn.Module):
    """Double height and width: [1, 3, 3, 1] interpolation, replicate pad 1. (B, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        # Four times the blur, because three of four positions of the doubled grid are zeros.
        self.register_buffer(
            "filter", 4 * _filter([1.0, 3.0, 3.0, 1.0], channels), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        padded = _replicate(_replicate(x, 2), 3)
        up = F.conv_transpose2d(padded, self.filter, stride=2, padding=2, groups=x.shape[1])
        return up[:, :, 1:-1, 1:-1]
