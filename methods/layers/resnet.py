"""CUT's ResNet generator, in two halves that can be used apart (Park et al. 2020, Sec. 3).

Stem, two antialiased downsamplings, residual blocks | residual blocks, two upsamplings, head.
With 5 + 4 blocks the two halves in a row are `resnet_9blocks`, and the index of a layer in
`Encoder.layers` is the number that CUT's option `nce_layers` means.
"""

from torch import Tensor, nn

from methods.layers.blur import BlurDown, BlurUp

# 0 input after reflection pad, 4 and 8 the downsampling convolutions before their norm,
# 12 and 16 the first and the fifth residual block.
TAPS = (0, 4, 8, 12, 16)


def _conv_norm_relu(inner: int, outer: int, size: int, padding: int) -> list[nn.Module]:
    conv = nn.Conv2d(inner, outer, size, padding=padding)
    return [conv, nn.InstanceNorm2d(outer), nn.ReLU()]


class ResnetBlock(nn.Module):
    """Two reflection-padded 3 x 3 convolutions around a shortcut; nothing follows the sum."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_conv_norm_relu(channels, channels, 3, 0),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Encoder(nn.Module):
    """(B, channels, H, W) -> (B, 4 * width, H / 4, W / 4), with the tapped layers on the way."""

    def __init__(self, channels: int, width: int = 64, blocks: int = 5):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_conv_norm_relu(channels, width, 7, 0),
            *_conv_norm_relu(width, 2 * width, 3, 1),
            BlurDown(2 * width),
            *_conv_norm_relu(2 * width, 4 * width, 3, 1),
            BlurDown(4 * width),
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
    """(B, 4 * width, H / 4, W / 4) -> (B, channels, H, W) in [-1, 1]."""

    def __init__(self, channels: int, width: int = 64, blocks: int = 4):
        super().__init__()
        self.layers = nn.Sequential(
            *(ResnetBlock(4 * width) for _ in range(blocks)),
            BlurUp(4 * width),
            *_conv_norm_relu(4 * width, 2 * width, 3, 1),
            BlurUp(2 * width),
            *_conv_norm_relu(2 * width, width, 3, 1),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, channels, 7),
            nn.Tanh(),
        )

    def forward(self, code: Tensor) -> Tensor:
        return self.layers(code)
