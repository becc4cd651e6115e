"""nnU-Net's augmentation of 2-D images: probabilities and ranges of its `nnUNetTrainer`.

Its transforms are those of batchgeneratorsv2, and its intensities are z-scores of the brain, where
air is 0. So each channel is converted to z-scores of its slice's brain, changed, and converted
back. Air keeps its values: exactly -1, or what a synthesis made of it.

All but the noise is drawn on the CPU, so that no value is waited for from a GPU. A transform that
is not drawn gets the value that changes nothing, such as a factor of 1.
"""

from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import CLASSES

REACH = 3  # of the blur, in pixels


@torch.no_grad()
def augment(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) in [-1, 1], air -1, and labels (B, H, W), both changed at random.

    Images may leave [-1, 1] inside the brain.
    """
    with torch.autocast(images.device.type, enabled=False):
        images, labels = _move_some(images, labels)
        images = _change_intensities(images)
        return _mirror_some(images, labels)


def _move_some(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    rotated, scaled = (_chosen(0.2, len(images)) for _ in range(2))
    angles = _uniform(rotated, -pi, pi, otherwise=0.0)
    scales = _uniform(scaled, 0.7, 1.4, otherwise=1.0)
    if not (moved := rotated | scaled).any():
        return images, labels
    images, labels = images.clone(), labels.clone()
    images[moved], labels[moved] = move(images[moved], labels[moved], angles[moved], scales[moved])
    return images, labels


def _change_intensities(images: Tensor) -> Tensor:
    cases, channels = images.shape[:2]

    def drawn(probability: float) -> Tensor:
        return _chosen(probability, cases, 1).expand(-1, channels)

    brain = find_brain(images)
    mean, sd = _mean_sd(images, brain)
    z = torch.where(brain, (images - mean) / sd, 0.0)

    noise = _uniform(_chosen(0.1, cases, 1), 0.0, 0.1, otherwise=0.0)
    z = z + _per_channel(noise, z) * torch.randn_like(z)
    blurred = drawn(0.2) & _chosen(0.5, cases, channels)
    z = blur(z, _uniform(blurred[..., None].expand(-1, -1, 2), 0.5, 1.0, otherwise=0.0))
    z = z * _per_channel(_factors(drawn(0.15), 0.75, 1.25), z)
    z = change_contrast(z, _factors(drawn(0.15), 0.75, 1.25))
    coarse = drawn(0.25) & _chosen(0.5, cases, channels)
    z = lower_resolution(z, _uniform(coarse, 0.5, 1.0, otherwise=1.0))
    z = -change_gamma(-z, _factors(drawn(0.1), 0.7, 1.5))
    z = change_gamma(z, _factors(drawn(0.3), 0.7, 1.5))
    return torch.where(brain, z * sd + mean, images)


def _mirror_some(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    for axis in (-2, -1):
        mirrored = _chosen(0.5, len(images)).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(axis), images)
        labels = torch.where(mirrored[:, None, None], labels.flip(axis), labels)
    return images, labels


def _chosen(probability: float, *shape: int) -> Tensor:
    return torch.rand(shape) < probability


def _uniform(chosen: Tensor, low: float, high: float, otherwise: float) -> Tensor:
    return torch.where(chosen, low + (high - low) * torch.rand(chosen.shape), otherwise)


def _factors(chosen: Tensor, low: float, high: float) -> Tensor:
    """In [low, 1] or [1, high], each half of the time; 1 where not chosen."""
    below = _chosen(0.5, *chosen.shape)
    drawn = torch.where(below, low, high)
    return torch.where(chosen, 1 + (drawn - 1) * torch.rand(chosen.shape), 1.0)


def _per_channel(values: Tensor, images: Tensor) -> Tensor:
    """Values (B, C) or (B, 1), to be broadcast over images."""
    return values[:, :, None, None].to(images.device)


def find_brain(images: Tensor) -> Tensor:
    """Where at least two channels are not air, (B, 1, H, W)."""
    # The air of a synthesised channel is not exactly -1.
    return (images != -1).sum(dim=1, keepdim=True) >= min(2, images.shape[1])


def _mean_sd(images: Tensor, brain: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel's brain, (B, C, 1, 1) each."""
    count = brain.sum(dim=(2, 3), keepdim=True).clamp_min(1)
    mean = (images * brain).sum(dim=(2, 3), keepdim=True) / count
    variance = ((images - mean).square() * brain).sum(dim=(2, 3), keepdim=True) / count
    return mean, variance.sqrt().clamp_min(1e-8)


def move(images: Tensor, labels: Tensor, angles: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate slices around their centre, and scale them; beyond their edges is air.

    Parameters
    ----------
    angles : (B,), in radians.
    scales : (B,), how much smaller everything gets.
    """
    height, width = images.shape[2:]
    cos, sin = scales * angles.cos(), scales * angles.sin()
    rows = [
        torch.stack([cos, sin * height / width, 0 * cos], dim=1),
        torch.stack([-sin * width / height, cos, 0 * cos], dim=1),
    ]
    theta = torch.stack(rows, dim=1).to(images.device)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    classes = F.one_hot(labels, CLASSES).movedim(-1, 1).float()
    images, classes = (F.grid_sample(x, grid, align_corners=False) for x in (images + 1, classes))
    return images - 1, classes.argmax(dim=1)


def blur(images: Tensor, sigmas: Tensor) -> Tensor:
    """Blur each channel by a Gaussian of its own, cut off at 3 sigmas or so, by reflection.

    Parameters
    ----------
    sigmas : (B, C, 2), of rows and columns, in [0, 1] px; 0 changes nothing.
    """
    sigmas = sigmas.flatten(0, 1).to(images.device).clamp_min(1e-3)[..., None]
    offsets = torch.arange(-REACH, REACH + 1, device=images.device)
    taps = torch.exp(-0.5 * (offsets / sigmas).square())
    # As in batchgeneratorsv2: the odd number of taps that is nearest to 6 sigmas + 0.5.
    taps = taps * (offsets.abs() <= (3 * sigmas + 0.25).floor())
    taps = taps / taps.sum(dim=-1, keepdim=True)

    x = images.flatten(0, 1)[None]
    rows, columns = taps[:, None, 0, :, None], taps[:, None, 1, None, :]
    x = F.conv2d(F.pad(x, (0, 0, REACH, REACH), "reflect"), rows, groups=len(taps))
    x = F.conv2d(F.pad(x, (REACH, REACH, 0, 0), "reflect"), columns, groups=len(taps))
    return x.reshape(images.shape)


def change_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Scale each channel's distance to its mean by its factor, (B, C), and keep its range."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return (mean + (images - mean) * _per_channel(factors, images)).clamp(low, high)


def lower_resolution(images: Tensor, scales: Tensor) -> Tensor:
    """Shrink each channel by its scale, (B, C), to nearest pixels, and enlarge it bilinearly."""
    images, size = images.clone(), images.shape[2:]
    for case, channel in (scales < 1).nonzero().tolist():
        scale = scales[case, channel].item()
        small = [round(side * scale) for side in size]
        image = images[case, channel][None, None]
        image = F.interpolate(image, small, mode="nearest-exact")
        images[case, channel] = F.interpolate(image, size, mode="bilinear")[0, 0]
    return images


def change_gamma(images: Tensor, exponents: Tensor) -> Tensor:
    """Raise each channel, scaled to [0, 1], to its exponent (B, C); keep its mean and deviation."""
    axes = {"dim": (2, 3), "keepdim": True}
    low = images.amin(**axes)
    span = images.amax(**axes) - low
    unit = (images - low) / span.clamp_min(1e-7)
    changed = unit.pow(_per_channel(exponents, images)) * span + low
    scale = images.std(**axes) / changed.std(**axes).clamp_min(1e-7)
    return (changed - changed.mean(**axes)) * scale + images.mean(**axes)
