"""Diffusion with velocity prediction (Salimans and Ho 2022), sampled by DDIM (Song et al. 2021)."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from methods.errors import MethodError

TIMES = 1000  # from 0, almost the image, to 999, almost pure noise
BETAS = (1e-4, 2e-2)  # the variance added at the first and at the last of them


def evaluation_times(steps: int) -> list[int]:
    """Return the times that a prediction evaluates, from noise to image.

    One step is at the last time, as in the official configuration of regression. More are at
    multiples of 1000 / steps, as in that of DDIM.
    """
    if steps == 1:
        return [TIMES - 1]
    return [step * (TIMES // steps) for step in reversed(range(steps))]


class Diffusion(nn.Module):
    """The schedule of the noise, and the noise image that predictions start from.

    At a time with signal `a`, the noisy image is sqrt(a) * image + sqrt(1 - a) * noise, and its
    velocity sqrt(a) * noise - sqrt(1 - a) * image.

    Parameters
    ----------
    side : of the noise image, in pixels. It is drawn here, and saved with the weights.

    Attributes
    ----------
    signal : (1000,), the share of the variance that is the image's.
    noise : (1, 1, side, side).
    """

    def __init__(self, side: int):
        super().__init__()
        signal = (1 - torch.linspace(*BETAS, TIMES)).cumprod(dim=0)
        self.register_buffer("signal", signal, persistent=False)
        self.register_buffer("noise", torch.randn(1, 1, side, side))

    def draw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Draw what a training step adds to `images`: noise of their shape, and times (B,)."""
        times = torch.randint(TIMES, (len(images),), device=images.device)
        return torch.randn_like(images), times

    def mix(self, images: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noisy images and their velocities, each (B, 1, H, W)."""
        signal = self.signal[times].view(-1, 1, 1, 1)
        image_part, noise_part = signal.sqrt(), (1 - signal).sqrt()
        return image_part * images + noise_part * noise, image_part * noise - noise_part * images

    def start(self, inputs: Tensor) -> Tensor:
        """Return the noise image, cropped to the slices of `inputs`, once for each of them.

        Raises
        ------
        MethodError : the slices are larger than the noise image.
        """
        count, _, height, width = inputs.shape
        side = self.noise.shape[-1]
        if max(height, width) > side:
            raise MethodError(
                f"methods/yoda: slices of {height} x {width} px, but `noise_side` is {side}; write "
                f"`noise_side: {max(height, width)}` under `results.params.yoda`."
            )
        return self.noise[..., :height, :width].expand(count, -1, -1, -1)

    def sample(
        self, velocity: Callable[[Tensor, Tensor], Tensor], noisy: Tensor, steps: int
    ) -> Tensor:
        """Follow DDIM's path without further noise (eta 0) from pure noise to images.

        Parameters
        ----------
        velocity : predicts it from noisy images (B, 1, H, W) and their times (B,).
        noisy : (B, 1, H, W), the noise to start from.

        Returns
        -------
        (B, 1, H, W) in [-1, 1].
        """
        for time, following in pairwise([*evaluation_times(steps), None]):
            times = torch.full((len(noisy),), time, device=noisy.device)
            predicted = velocity(noisy, times).float()
            image_part, noise_part = self.signal[time].sqrt(), (1 - self.signal[time]).sqrt()
            images = (image_part * noisy - noise_part * predicted).clamp(-1, 1)
            if following is not None:
                noise = image_part * predicted + noise_part * noisy
                signal = self.signal[following]
                noisy = signal.sqrt() * images + (1 - signal).sqrt() * noise
        return images
