"""The PatchGAN discriminator of CycleGAN and CUT, and its losses."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.arranged import Conv2d, InstanceNorm2d
from methods.layers.blur import BlurDown

GanForm = Literal["least_squares", "logistic"]


def _block(
    inner: int, outer: int, stride: int, antialias: bool, norm: bool = True
) -> list[nn.Module]:
    blurred = antialias and stride > 1
    layers: list[nn.Module] = [Conv2d(inner, outer, 4, 1 if blurred else stride, padding=1)]
    if norm:
        layers.append(InstanceNorm2d(outer))
    layers.append(nn.LeakyReLU(0.2, inplace=True))
    if blurred:
        layers.append(BlurDown(outer))
    return layers


class PatchDiscriminator(nn.Module):
    """(B, channels, H, W) -> one score per patch; 224 px give 26 x 26.

    Parameters
    ----------
    antialias : CUT's form, with every strided convolution replaced by convolution of stride 1,
        norm, LeakyReLU 0.2, blur; receptive field 84. Otherwise the 70 x 70 PatchGAN of pix2pix
        (Isola et al. 2017), as CycleGAN has it.
    """

    def __init__(self, channels: int, width: int = 64, antialias: bool = True):
        super().__init__()
        self.layers = nn.Sequential(
            *_block(channels, width, 2, antialias, norm=False),
            *_block(width, 2 * width, 2, antialias),
            *_block(2 * width, 4 * width, 2, antialias),
            *_block(4 * width, 8 * width, 1, antialias),
            nn.Conv2d(8 * width, 1, 4, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


def gan_loss(scores: Tensor, target: float, form: GanForm = "least_squares") -> Tensor:
    """Mean distance of patch scores to `target`, 1 for real and 0 for fake.

    Parameters
    ----------
    form : `least_squares` (Mao et al. 2017), or `logistic`, the cross-entropy of Goodfellow et al.
        2014; with target 1 for the generator that is its non-saturating form.
    """
    scores = scores.float()
    wanted = torch.full_like(scores, target)
    if form == "least_squares":
        return F.mse_loss(scores, wanted)
    return F.binary_cross_entropy_with_logits(scores, wanted)


def discriminator_loss(
    discriminator: nn.Module, fake: Tensor, real: Tensor, form: GanForm = "least_squares"
) -> Tensor:
    """Half of the loss of `fake` against 0 and `real` against 1; no gradient reaches `fake`.

    Parameters
    ----------
    discriminator : scores each image by itself, so that both batches can pass it as one.
    """
    of_fake, of_real = discriminator(torch.cat([fake.detach(), real])).chunk(2)
    return 0.5 * (gan_loss(of_fake, 0.0, form) + gan_loss(of_real, 1.0, form))
