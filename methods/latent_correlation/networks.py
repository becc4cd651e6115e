"""The networks of Zhou et al. (MICCAI 2020, arXiv 2003.08870) in 2-D."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.arranged import InstanceNorm2d

SLOPE = 0.01  # of the LeakyReLUs


def _conv(inner: int, outer: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inner, outer, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, InstanceNorm2d(outer, affine=True), nn.LeakyReLU(SLOPE))


class ResDil(nn.Module):
    """Two convolutions, of dilation 2 and 4, around a shortcut; 1 x 1 where channels differ."""

    def __init__(self, inner: int, outer: int):
        super().__init__()
        self.body = nn.Sequential(_conv(inner, outer, dilation=2), _conv(outer, outer, dilation=4))
        self.shortcut = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


class Encoder(nn.Module):
    """One modality (B, 1, H, W) -> its features at each level, `widths[i]` at H / 2 ** i."""

    def __init__(self, widths: list[int]):
        super().__init__()
        inners = [1, *widths[:-1]]
        self.levels = nn.ModuleList(
            nn.Sequential(_conv(inner, outer, stride=1 if level == 0 else 2), ResDil(outer, outer))
            for level, (inner, outer) in enumerate(zip(inners, widths, strict=True))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class Correlation(nn.Module):
    """Estimate each modality's features from those of the others.

    F_i = alpha_i f_j + beta_i f_k + gamma_i f_m + delta_i, with the other modalities j, k, m in
    their order. Two fully connected layers predict the coefficients, one per channel, from f_i.
    """

    def __init__(self, channels: int, modalities: int = 4):
        super().__init__()
        self.coefficients = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, channels),
                nn.LeakyReLU(SLOPE),
                nn.Linear(channels, modalities * channels),
            )
            for _ in range(modalities)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Features f_i (B, C, h, w), one per modality -> estimates F_i of the same shapes."""
        estimates = []
        for i, (own, layers) in enumerate(zip(features, self.coefficients, strict=True)):
            *weights, offset = layers(own.mean(dim=(2, 3)))[..., None, None].chunk(
                len(features), dim=1
            )
            others = features[:i] + features[i + 1 :]
            estimates.append(offset + sum(w * f for w, f in zip(weights, others, strict=True)))
        return estimates


class Fusion(nn.Module):
    """Weigh concatenated features by channel and by position, and add both; (B, C, h, w).

    The modalities are groups of channels, so that the weights by channel are the paper's modality
    attention.
    """

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.channel = nn.Sequential(
            nn.Linear(channels, half), nn.LeakyReLU(SLOPE), nn.Linear(half, channels)
        )
        self.position = nn.Conv2d(channels, 1, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = torch.cat(features, dim=1)
        by_channel = self.channel(x.mean(dim=(2, 3)))[..., None, None].sigmoid()
        return x * by_channel + x * self.position(x).sigmoid()


class Decoder(nn.Module):
    """Fused features of all levels -> logits; a segmentation layer at every level, summed.

    Parameters
    ----------
    widths : channels of one modality at each level of the encoders.
    """

    def __init__(self, widths: list[int], modalities: int, classes: int):
        super().__init__()
        inners = [*widths[1:-1], modalities * widths[-1]]
        self.up = nn.ModuleList(_conv(i, o) for i, o in zip(inners, widths[:-1], strict=True))
        self.merge = nn.ModuleList(ResDil((1 + modalities) * o, o) for o in widths[:-1])
        self.heads = nn.ModuleList(nn.Conv2d(o, classes, 1) for o in widths[:-1])

    def forward(self, fused: list[Tensor]) -> Tensor:
        *skips, x = fused
        logits = None
        for skip, up, merge, head in zip(
            reversed(skips),
            reversed(self.up),
            reversed(self.merge),
            reversed(self.heads),
            strict=True,
        ):
            x = merge(torch.cat([up(F.interpolate(x, scale_factor=2)), skip], dim=1))
            own = head(x)
            logits = own if logits is None else own + _doubled(logits)
        return logits


def _doubled(logits: Tensor) -> Tensor:
    return F.interpolate(logits, scale_factor=2, mode="bilinear")


class Network(nn.Module):
    """Four modalities -> logits, and the last level's features beside their estimates.

    Parameters
    ----------
    width : channels of the first level; each level has twice as many as the one before.
    """

    def __init__(self, width: int, levels: int, classes: int, modalities: int = 4):
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.encoders = nn.ModuleList(Encoder(widths) for _ in range(modalities))
        self.correlation = Correlation(widths[-1], modalities)
        self.fusions = nn.ModuleList(Fusion(modalities * w) for w in widths)
        self.decoder = Decoder(widths, modalities, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Images (B, modalities, H, W) -> logits (B, classes, H, W), features, estimates.

        Features and estimates are (B, C, h, w), one per modality. The decoder sees the estimates.
        """
        channels = images.split(1, dim=1)
        by_modality = [encoder(x) for encoder, x in zip(self.encoders, channels, strict=True)]
        *skips, last = (list(level) for level in zip(*by_modality, strict=True))
        estimates = self.correlation(last)
        levels = [*skips, estimates]
        fused = [fusion(level) for fusion, level in zip(self.fusions, levels, strict=True)]
        return self.decoder(fused), last, estimates
