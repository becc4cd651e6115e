"""The networks of DRIT++ (Lee et al. 2020): an image is a content, a map, and a style, a vector.

Widths are relative to `width`, 64 in the paper. A content code is (B, 4 * width, H / 4, W / 4).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.errors import MethodError
from methods.layers.arranged import Conv2d, InstanceNorm2d, ReflectionPad2d
from methods.layers.resnet import ResnetBlock

Channels = tuple[int, int]
"""Channels of the images of domain A and of domain B."""


def initialise(network: nn.Module) -> nn.Module:
    """N(0, 0.02^2) for the weights of convolutions; all biases and linear layers are as torch's."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
    return network


def _padded(inner: int, outer: int, size: int, stride: int, padding: int) -> list[nn.Module]:
    return [ReflectionPad2d(padding), Conv2d(inner, outer, size, stride)]


class ContentEncoder(nn.Module):
    """Images of either domain -> their content codes; the last block is the same for both."""

    def __init__(self, channels: Channels, width: int = 64):
        super().__init__()
        self.own = nn.ModuleList(self._own(count, width) for count in channels)
        self.shared = ResnetBlock(4 * width)

    @staticmethod
    def _own(channels: int, width: int) -> nn.Sequential:
        layers = [*_padded(channels, width, 7, 1, 3), nn.LeakyReLU(0.01, inplace=True)]
        for outer in (2 * width, 4 * width):
            layers += _padded(outer // 2, outer, 3, 2, 1)
            layers += [InstanceNorm2d(outer), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, *(ResnetBlock(4 * width) for _ in range(3)))

    def forward(self, image: Tensor, domain: int) -> Tensor:
        return self.shared(self.own[domain](image))


class PoolingBlock(nn.Module):
    """Two 3 x 3 convolutions, each after its activation; the shortcut and they are halved in size.

    (B, inner, H, W) -> (B, outer, H / 2, W / 2).
    """

    def __init__(self, inner: int, outer: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.LeakyReLU(0.2),
            *_padded(inner, inner, 3, 1, 1),
            nn.LeakyReLU(0.2),
            *_padded(inner, outer, 3, 1, 1),
            nn.AvgPool2d(2),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inner, outer, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class AttributeEncoder(nn.Module):
    """(B, channels, H, W) -> mean and log variance of the style, (B, style) each, in float32."""

    def __init__(self, channels: int, width: int = 64, style: int = 8):
        super().__init__()
        self.features = nn.Sequential(
            *_padded(channels, width, 4, 2, 1),
            *(PoolingBlock(n * width, (n + 1) * width) for n in (1, 2, 3)),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.mean = nn.Linear(4 * width, style)
        self.log_variance = nn.Linear(4 * width, style)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(image)
        return self.mean(features).float(), self.log_variance(features).float()


class Upsampling(nn.Sequential):
    """Double height and width, then normalise over (C, H, W) of each image, affine by channel."""

    def __init__(self, inner: int, outer: int):
        super().__init__(
            nn.ConvTranspose2d(inner, outer, 3, stride=2, padding=1, output_padding=1),
            nn.GroupNorm(1, outer),  # one group: all channels and positions together
            nn.ReLU(inplace=True),
        )


class Head(nn.ConvTranspose2d):
    """1 x 1, of features with a style at every position, to which the style adds one number."""

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        of_x, of_style = self.weight.split([x.shape[1], style.shape[1]])
        added = F.linear(style, of_style[..., 0, 0].T, self.bias)
        return F.conv2d(x, of_x.transpose(0, 1)) + added[:, :, None, None]


class Decoder(nn.Module):
    """Shared features like a content code, and styles (B, style) -> (B, channels, 4 H, 4 W).

    The style is concatenated to every position, again before each change of size.
    """

    def __init__(self, channels: int, width: int = 64, style: int = 8):
        super().__init__()
        inner = 4 * width + style
        middle = (inner + style) // 2
        outer = (middle + style) // 2
        self.blocks = nn.Sequential(*(ResnetBlock(inner) for _ in range(3)))
        self.upsamplings = nn.ModuleList(
            (Upsampling(inner + style, middle), Upsampling(middle + style, outer))
        )
        self.head = Head(outer + style, channels, 1)

    @staticmethod
    def _join(x: Tensor, style: Tensor) -> Tensor:
        return torch.cat([x, style[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)

    def forward(self, shared: Tensor, style: Tensor) -> Tensor:
        x = self.blocks(self._join(shared, style))
        for upsampling in self.upsamplings:
            x = upsampling(self._join(x, style))
        return torch.tanh(self.head(x, style).float())


class Generator(nn.Module):
    """A first block for content codes of both domains, then a decoder for each domain's images.

    The block knows no style, so images of several styles need it once.

    Attributes
    ----------
    fixed_style : (1, style), drawn from N(0, 1) when the network is made; a prediction's style.
    """

    def __init__(self, channels: Channels, width: int = 64, style: int = 8):
        super().__init__()
        self.shared = ResnetBlock(4 * width)
        self.decoders = nn.ModuleList(Decoder(count, width, style) for count in channels)
        self.register_buffer("fixed_style", torch.randn(1, style))


class MultiScaleDiscriminator(nn.Module):
    """(B, channels, H, W) -> a map of logits for each of three scales, in float32.

    Images of 224 px give 14 x 14, 7 x 7 and 3 x 3. There is no norm.

    Raises
    ------
    MethodError : the images are smaller than 64 px, which the coarsest scale halves to one.
    """

    def __init__(self, channels: int, width: int = 64):
        super().__init__()
        self.scales = nn.ModuleList(self._scale(channels, width) for _ in range(3))
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    @staticmethod
    def _scale(channels: int, width: int) -> nn.Sequential:
        widths = [channels, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for inner, outer in pairwise(widths):
            layers += [*_padded(inner, outer, 4, 2, 1), nn.LeakyReLU(0.01, inplace=True)]
        return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 1))

    def forward(self, image: Tensor) -> list[Tensor]:
        if (side := min(image.shape[2:])) < 64:
            raise MethodError(
                f"methods/drit: slices of {side} px are too small for its discriminators. Write "
                "results.slices.crop: 64 or more in the benchmark's file."
            )
        logits = []
        for scale in self.scales:
            logits.append(scale(image).float())
            image = self.pool(image)
        return logits


class ContentDiscriminator(nn.Module):
    """Content codes (B, 4 * width, h, w) -> logits of "from domain B", in float32.

    Parameters
    ----------
    stages : how many 7 x 7 convolutions of stride 2 there are. The paper's 3 give one logit for a
        code of 53 to 60, i.e. a slice of 212 to 240 px; larger ones give a map.

    Raises
    ------
    MethodError : a code is too small for so many stages.
    """

    def __init__(self, width: int = 64, stages: int = 3):
        super().__init__()
        channels = 4 * width
        layers: list[nn.Module] = []
        for _ in range(stages):
            layers += [*_padded(channels, channels, 7, 2, 1), nn.LeakyReLU(0.01, inplace=True)]
        layers += [nn.Conv2d(channels, channels, 4), nn.LeakyReLU(0.01, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 1))
        self.stages = stages

    def forward(self, code: Tensor) -> Tensor:
        side = min(code.shape[2:])
        if (most := _most_stages(side)) < self.stages:
            raise MethodError(
                f"methods/drit: a content code of {side} px, from slices of {4 * side} px, is too "
                f"small for content_stages {self.stages}. "
                f"Write results.params.drit.content_stages: {most} in the benchmark's file."
            )
        return self.layers(code).float()


def _most_stages(side: int) -> int:
    """How often a code's side can be halved by 7 x 7 convolutions, padded by 1, and stay >= 4."""
    return 0 if side < 11 else 1 + _most_stages((side - 5) // 2 + 1)


def cross_entropy(logits: Sequence[Tensor], target: float) -> Tensor:
    """Of the logits with `target`, in 0..1: mean over images and positions, sum over the maps."""
    return sum(F.binary_cross_entropy_with_logits(x, torch.full_like(x, target)) for x in logits)
