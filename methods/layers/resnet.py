"""The ResNet generator of CycleGAN and CUT (Zhu et al. 2017, Sec. 4; Park et al. 2020, Sec. 3).

Stem, two downsamplings, residual blocks, two upsamplings, head. CycleGAN's is one network that
resamples by strided convolutions. CUT's is antialiased and in two halves that can be used apart:
with 5 + 4 blocks they are `resnet_9blocks`, and the index of a layer in `Encoder.layers` is the
number that CUT's option `nce_layers` means.
"""

from torch import Tensor, nn

from methods.layers.arranged import Conv2d, InstanceNorm2d, ReflectionPad2d
from methods.layers.blur import BlurDown, BlurUp

# 0 input after reflection pad, 4 and 8 the downsampling convolutions before their norm,
# 12 and 16 the first and the fifth residual block.
TAPS = (0, 4, 8, 12, 16)


def _conv_norm_relu(
    inner: int, outer: int, size: int, padding: int, stride: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(inner, outer, size, stride, padding)
    return [conv, InstanceNorm2d(outer), nn.ReLU(inplace=True)]


class ResnetBlock(nn.Module):
    """Two reflection-padded 3 x 3 convolutions around a shortcut; nothing follows the sum."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            ReflectionPad2d(1),
            *_conv_norm_relu(channels, channels, 3, 0),
            ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _stem(channels: int, width: int) -> list[nn.Module]:
    return [
        ReflectionPad2d(3),
        Conv2d(channels, width, 7),
        InstanceNorm2d(width),
        nn.ReLU(inplace=True),
    ]


def _down(inner: int, antialias: bool) -> list[nn.Module]:
    """Half the size, twice the channels."""
    if antialias:
        return [*_conv_norm_relu(inner, 2 * inner, 3, 1), BlurDown(2 * inner)]
    return _conv_norm_relu(inner, 2 * inner, 3, 1, stride=2)


def _up(inner: int, antialias: bool) -> list[nn.Module]:
    """Twice the size, half the channels."""
    outer = inner // 2
    if antialias:
        return [BlurUp(inner), *_conv_norm_relu(inner, outer, 3, 1)]
    conv = nn.ConvTranspose2d(inner, outer, 3, stride=2, padding=1, output_padding=1)
    return [conv, InstanceNorm2d(outer), nn.ReLU(inplace=True)]


def _head(width: int, channels: int) -> list[nn.Module]:
    return [ReflectionPad2d(3), Conv2d(width, channels, 7), nn.Tanh()]


class Generator(nn.Module):
    """CycleGAN's: (B, inner, H, W) -> (B, outer, H, W) in [-1, 1]; H and W divisible by 4."""

    def __init__(self, inner: int, outer: int, width: int = 64, blocks: int = 9):
        super().__init__()
        self.layers = nn.Sequential(
            *_stem(inner, width),
            *_down(width, antialias=False),
            *_down(2 * width, antialias=False),
            *(ResnetBlock(4 * width) for _ in range(blocks)),
            *_up(4 * width, antialias=False),
            *_up(2 * width, antialias=False),
            *_head(width, outer),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class Encoder(nn.Module):
    """CUT's first half: (B, channels, H, W) -> (B, 4 * width, H / 4, W / 4), and tapped layers."""

    def __init__(self, channels: int, width: int = 64, blocks: int = 5):
        super().__init__()
        self.layers = nn.Sequential(
            *_stem(channels, width),
            *_down(width, antialias=True),
            *_down(2 * width, antialias=True),
            *(ResnetBlock(4 * width) for _ in range(blocks)),
        )
        self.tapped_channels = tuple(
            {0: channels, 4: 2 * width}.get(tap, 4 * width) for tap in self.taps
        )

    @property
    def taps(self) -> tuple[int, ...]:
        """Those of CUT's tapped layers that this encoder has."""
        return tuple(tap for tap in TAPS if tap < len(self.layers))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The code, and the features at `taps` in their order."""
        features = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taps:
                features.append(x)
        return x, features


class Decoder(nn.Module):
    """CUT's second half: (B, 4 * width, H / 4, W / 4) -> (B, channels, H, W) in [-1, 1]."""

    def __init__(self, channels: int, width: int = 64, blocks: int = 4):
        super().__init__()
        self.layers = nn.Sequential(
            *(ResnetBlock(4 * width) for _ in range(blocks)),
            *_up(4 * width, antialias=True),
            *_up(2 * width, antialias=True),
            *_head(width, channels),
        )

    def forward(self, code: Tensor) -> Tensor:
        return self.layers(code)
