"""Two ways to make one code of three: the paper's MAF-Block, and its ablation."""

import torch
from torch import Tensor, nn


class MAFBlock(nn.Module):
    """Modality-level attention fusion (MAF-Net, Sec. II-B).

    Parameters
    ----------
    channels : channels of each modality's code, and of the fused one.
    modalities : how many codes there are.
    """

    def __init__(self, channels: int, modalities: int = 3):
        super().__init__()
        self.score = nn.Conv2d(modalities * channels, modalities, 3, padding=1)
        self.mix = nn.Sequential(nn.Conv2d(modalities * channels, channels, 1), nn.LeakyReLU(0.2))

    def attention(self, codes: list[Tensor]) -> Tensor:
        """Where to look: codes (B, C, H, W) each -> (B, modalities, H, W), summing to 1."""
        return self.score(torch.cat(codes, dim=1)).softmax(dim=1)

    def forward(self, codes: list[Tensor]) -> Tensor:
        maps = self.attention(codes).split(1, dim=1)
        return self.mix(torch.cat([m * c for m, c in zip(maps, codes, strict=True)], dim=1))


class Average(nn.Module):
    """The ablation's "simple averaging"."""

    def forward(self, codes: list[Tensor]) -> Tensor:
        return torch.stack(codes).mean(dim=0)
