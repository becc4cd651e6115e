"""The encoder and the decoder of MGP-VAE's published code, for slices of one channel."""

import torch.nn.functional as F
from torch import Tensor, nn


def _conv(inner: int, outer: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inner, outer, 3, stride, padding=1)


class Encoder(nn.Module):
    """(B, 1, side, side) -> mean and standard deviation of the code, (B, code) each.

    Parameters
    ----------
    side : of the slices in pixels, divisible by 2 ** halvings.
    """

    def __init__(self, side: int, filters: int, halvings: int, code: int):
        super().__init__()
        cells = []
        for inner in [1] + [filters] * (halvings - 1):
            cells += [_conv(inner, filters), nn.ELU(), _conv(filters, filters, 2), nn.ELU()]
        self.cells = nn.Sequential(*cells, nn.Flatten())
        flat = filters * (side >> halvings) ** 2
        self.mean, self.spread = nn.Linear(flat, code), nn.Linear(flat, code)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.cells(images)
        # Half precision would round a small spread to 0, whose logarithm is infinite.
        return self.mean(x), F.softplus(self.spread(x).float()) + 1e-6


class Decoder(nn.Module):
    """Code (B, code) -> (B, 1, side, side), unbounded."""

    def __init__(self, side: int, filters: int, halvings: int, code: int):
        super().__init__()
        start = side >> halvings
        cells = []
        for outer in [filters] * (halvings - 1) + [1]:
            cells += [nn.Upsample(scale_factor=2), _conv(filters, outer), nn.ELU()]
            cells += [_conv(outer, outer), nn.ELU()]
        dense = nn.Linear(code, filters * start**2)
        # The last convolution has no activation.
        self.layers = nn.Sequential(dense, nn.Unflatten(1, (filters, start, start)), *cells[:-1])

    def forward(self, code: Tensor) -> Tensor:
        return self.layers(code)
