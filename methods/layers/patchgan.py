"""CUT's PatchGAN discriminator and the least-squares GAN loss."""

from torch import Tensor, nn

from methods.layers.blur import BlurDown


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


def discriminator_loss(discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
    """Half of LSGAN's loss of `fake` against 0 and `real` against 1; none of it reaches G."""
    return 0.5 * (lsgan(discriminator(fake.detach()), 0.0) + lsgan(discriminator(real), 1.0))


def lsgan(scores: Tensor, target: float) -> Tensor:
    """Least-squares GAN loss (Mao et al. 2017): mean squared distance of `scores` to `target`."""
    return (scores.float() - target).square().mean()
