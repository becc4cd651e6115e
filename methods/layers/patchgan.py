"""CUT's PatchGAN discriminator, and the losses that it is trained by."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.blur import BlurDown

GanForm = Literal["least_squares", "logistic"]


class PatchDiscriminator(nn.Module):
    """(B, channels, H, W) -> one score a patch; 224 px give 26 x 26, receptive field 84.

    The 70 x 70 PatchGAN of pix2pix (Isola et al. 2017) with every strided convolution
    antialiased: convolution of stride 1, norm, LeakyReLU 0.2, blur.
    """

    def __init__(self, channels: int, width: int = 64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, padding=1),
            nn.LeakyReLU(0.2),
            BlurDown(width),
            *self._block(width, 2 * width),
            BlurDown(2 * width),
            *self._block(2 * width, 4 * width),
            BlurDown(4 * width),
            *self._block(4 * width, 8 * width),
            nn.Conv2d(8 * width, 1, 4, padding=1),
        )

    @staticmethod
    def _block(inner: int, outer: int) -> list[nn.Module]:
        conv = nn.Conv2d(inner, outer, 4, padding=1)
        return [conv, nn.InstanceNorm2d(outer), nn.LeakyReLU(0.2)]

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
    """Half of the loss of `fake` against 0 and `real` against 1; no gradient reaches `fake`."""
    of_fake = gan_loss(discriminator(fake.detach()), 0.0, form)
    return 0.5 * (of_fake + gan_loss(discriminator(real), 1.0, form))
