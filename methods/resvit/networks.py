"""The networks of ResViT (Dalmaz et al. 2022), as its official code has them.

The generator is an encoder, nine residual blocks and a decoder. A transformer branch goes before
the first and the sixth block; with its branch, a block is the paper's ART block. Without branches
the generator is the official `res_cnn`, by which ResViT is pretrained.

The official code has batch norm, trains and tests with a batch of 1, and never calls `eval()`. Each
norm then takes a slice's own mean and variance, as instance norm does here.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.arranged import Conv2d, InstanceNorm2d, ReflectionPad2d


def _norm(channels: int) -> nn.Module:
    """Instance norm with learned scale and shift."""
    return InstanceNorm2d(channels, affine=True)


def _conv(
    inner: int, outer: int, size: int = 3, stride: int = 1, padding: int = 1
) -> list[nn.Module]:
    return [nn.Conv2d(inner, outer, size, stride, padding, bias=False), _norm(outer)]


def _down(inner: int, outer: int) -> list[nn.Module]:
    """Half the size."""
    return [*_conv(inner, outer, stride=2), nn.ReLU(inplace=True)]


def _up(inner: int, outer: int) -> list[nn.Module]:
    """Twice the size."""
    conv = nn.ConvTranspose2d(inner, outer, 3, 2, padding=1, output_padding=1, bias=False)
    return [conv, _norm(outer), nn.ReLU(inplace=True)]


def encoder(channels: int, width: int = 64) -> nn.Sequential:
    """(B, channels, H, W) -> (B, 4 * width, H / 4, W / 4)."""
    stem = [ReflectionPad2d(3), *_conv(channels, width, 7, padding=0), nn.ReLU(inplace=True)]
    return nn.Sequential(*stem, *_down(width, 2 * width), *_down(2 * width, 4 * width))


def decoder(width: int = 64) -> nn.Sequential:
    """(B, 4 * width, H, W) -> (B, 1, 4 * H, 4 * W) in [-1, 1]."""
    head = [ReflectionPad2d(3), Conv2d(width, 1, 7), nn.Tanh()]
    return nn.Sequential(*_up(4 * width, 2 * width), *_up(2 * width, width), *head)


class ResidualBlock(nn.Module):
    """Two reflection-padded 3 x 3 convolutions around a shortcut; nothing follows the sum."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            ReflectionPad2d(1),
            *_conv(channels, channels, padding=0),
            nn.ReLU(inplace=True),
            ReflectionPad2d(1),
            *_conv(channels, channels, padding=0),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class ChannelCompression(nn.Module):
    """A residual block that changes the channels: (B, inner, H, W) -> (B, outer, H, W)."""

    def __init__(self, inner: int, outer: int):
        super().__init__()
        self.body = nn.Sequential(*_conv(inner, outer), nn.ReLU(inplace=True), *_conv(outer, outer))
        self.shortcut = nn.Sequential(*_conv(inner, outer, size=1, padding=0))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


class TransformerLayer(nn.Module):
    """Self-attention and an MLP, each after a norm and around a shortcut. (B, tokens, features)."""

    def __init__(self, features: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(features, eps=1e-6)
        self.queries_keys_values = nn.Linear(features, 3 * features)
        self.out = nn.Linear(features, features)
        self.mlp_norm = nn.LayerNorm(features, eps=1e-6)
        first, last = nn.Linear(features, 4 * features), nn.Linear(4 * features, features)
        for layer in (first, last):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)
        self.mlp = nn.Sequential(first, nn.GELU(), nn.Dropout(dropout), last, nn.Dropout(dropout))

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.queries_keys_values(self.attention_norm(tokens)).chunk(3, dim=2)
        by_head = [x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in parts]
        attended = F.scaled_dot_product_attention(*by_head).transpose(1, 2).flatten(2)
        tokens = tokens + self.out(attended)
        return tokens + self.mlp(self.mlp_norm(tokens))


def transformer(
    features: int = 768, layers: int = 12, heads: int = 12, dropout: float = 0.1
) -> nn.Sequential:
    """The encoder of a vision transformer, ViT-B by default. (B, tokens, features)."""
    blocks = (TransformerLayer(features, heads, dropout) for _ in range(layers))
    return nn.Sequential(*blocks, nn.LayerNorm(features, eps=1e-6))


class TransformerBranch(nn.Module):
    """A map becomes tokens, and the encoded tokens a map, compressed together with the input.

    (B, 4 * width, H, W) -> the same; H and W divisible by 4. The map is halved twice; each of its
    positions is then a token.

    Parameters
    ----------
    vit_features : of the tokens.
    positions : rows and columns of the position codes. For other maps they are interpolated.
    """

    def __init__(self, width: int, vit_features: int, positions: int, dropout: float):
        super().__init__()
        self.down = nn.Sequential(*_down(4 * width, 8 * width), *_down(8 * width, 16 * width))
        self.embedding = nn.Conv2d(16 * width, vit_features, 1)
        self.positions = nn.Parameter(torch.zeros(1, vit_features, positions, positions))
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Sequential(*_up(vit_features, 8 * width), *_up(8 * width, 4 * width))
        self.compression = ChannelCompression(8 * width, 4 * width)

    def forward(self, x: Tensor, transformer: nn.Module) -> Tensor:
        embedded = self.embedding(self.down(x))
        size = embedded.shape[2:]
        positions = self.positions
        if positions.shape[2:] != size:
            positions = F.interpolate(positions, size, mode="bilinear")
        tokens = self.dropout(embedded + positions).flatten(2).transpose(1, 2)
        encoded = transformer(tokens).transpose(1, 2).unflatten(2, size)
        return self.compression(torch.cat([self.up(encoded), x], dim=1))


def discriminator(channels: int, width: int = 64) -> nn.Sequential:
    """The 70 x 70 PatchGAN of pix2pix's official code: one score per patch, 26 x 26 for 224 px."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for level, stride in enumerate((2, 2, 1)):
        inner = width * 2**level
        layers += [*_conv(inner, 2 * inner, 4, stride), nn.LeakyReLU(0.2, inplace=True)]
    layers.append(nn.Conv2d(8 * width, 1, 4, padding=1))
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.02)
        elif isinstance(layer, InstanceNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return nn.Sequential(*layers)
