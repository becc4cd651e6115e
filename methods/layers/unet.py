"""The UNet (Ronneberger et al. 2015) with padded convolutions and batch norm."""

import torch
from torch import Tensor, nn

# Shares of the classes in the slices of BraTS with tumour, about.
PRIOR = (0.96, 0.01, 0.02, 0.01)


def _double_conv(inner: int, outer: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inner, outer):
        conv = nn.Conv2d(channels, outer, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """(B, channels, H, W) -> (B, classes, H, W) logits; H and W divisible by 16.

    Five levels of `width`, 2, 4, 8 and 16 times `width` channels: 64 to 1024 at the paper's size.
    """

    def __init__(self, channels: int, classes: int = 4, width: int = 64):
        super().__init__()
        levels = [width * 2**level for level in range(5)]
        inners = [channels, *levels[:-1]]
        self.down = nn.ModuleList(_double_conv(i, o) for i, o in zip(inners, levels, strict=True))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * o, o, 2, stride=2) for o in levels[:-1])
        self.merge = nn.ModuleList(_double_conv(2 * o, o) for o in levels[:-1])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        x = skips.pop()
        for up, merge in zip(reversed(self.up), reversed(self.merge), strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], dim=1))
        return self.head(x)


def segmentation_unet(channels: int, width: int) -> UNet:
    """Return a UNet of the four classes whose head's bias starts at their log frequencies.

    So does RetinaNet's (Lin et al. 2017, section 4.1). From equal frequencies, a short training
    spends its updates on the background, and with some seeds it finds no tumour core.
    """
    unet = UNet(channels, len(PRIOR), width)
    with torch.no_grad():
        unet.head.bias.copy_(torch.tensor(PRIOR).log())
    return unet
