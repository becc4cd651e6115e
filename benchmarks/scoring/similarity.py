"""SSIM and PSNR of a synthesised volume, as maps first and as means over regions second.

Volumes are (Z, Y, X) in [0, 1], so the data range is 1 unless a protocol says otherwise. An image
here is an axial slice: windows are two-dimensional and never reach into the next slice.
"""

import math
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.ndimage import gaussian_filter, uniform_filter

from benchmarks.scoring.metric import Metric

SIMILARITY_METRICS = {
    "ssim": Metric(
        title="SSIM",
        better="higher",
        unit="",
        bounds=(-1.0, 1.0),
        digits=3,
        source="Wang et al., IEEE Trans. Image Process. 13, 2004, doi:10.1109/TIP.2003.819861",
    ),
    "psnr": Metric(
        title="PSNR",
        better="higher",
        unit="dB",
        bounds=(0.0, math.inf),
        digits=2,
        source="10 log10(range^2 / MSE) with range 1",
    ),
}

LUMINANCE_FACTOR, CONTRAST_FACTOR = 0.01, 0.03
"""K1 and K2 of Wang et al."""

SLAB = 4
"""Slices filtered at a time: their intermediate arrays stay small enough for the CPU's cache."""


class Window(BaseModel):
    """The neighbourhood over which SSIM takes its local means and variances, in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: Literal["uniform", "gaussian"]
    size: int = Field(ge=3)
    """Side length, odd."""
    sigma: float | None = Field(default=None, gt=0)
    """Standard deviation of the Gaussian; a uniform window has none."""
    sample_covariance: bool
    """Whether variances are divided by n - 1 (n = size^2) rather than n."""
    border: Literal["drop", "keep"]
    """Whether pixels whose window leaves the slice are dropped from means."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.size % 2 == 0:
            raise ValueError(f"size is {self.size}; a window has a centre, so it must be odd")
        if (self.sigma is None) != (self.shape == "uniform"):
            raise ValueError(f"sigma is {self.sigma}; a gaussian window has one, a uniform none")
        return self

    @property
    def radius(self) -> int:
        return self.size // 2

    def local_mean(self, images: np.ndarray) -> np.ndarray:
        """Return the mean in the window around each pixel; slices continue as their mirror."""
        if self.shape == "uniform":
            return uniform_filter(images, size=self.size, axes=(1, 2))
        return gaussian_filter(images, sigma=self.sigma, radius=self.radius, axes=(1, 2))


def to_unit_range(volume: np.ndarray) -> np.ndarray:
    """Map a volume from [-1, 1] to [0, 1], in double precision."""
    return (np.asarray(volume, dtype=np.float64) + 1) / 2


def rescaled_slices(volume: np.ndarray) -> np.ndarray:
    """Map each slice of (Z, Y, X) from its own smallest and largest value to [0, 1].

    A slice of one value is 0 throughout.
    """
    low = volume.min(axis=(1, 2), keepdims=True)
    span = volume.max(axis=(1, 2), keepdims=True) - low
    return np.divide(volume - low, span, out=np.zeros(volume.shape), where=span > 0)


def matched_in_brain(
    prediction: np.ndarray, reference: np.ndarray, brain: np.ndarray
) -> np.ndarray:
    """Return the prediction with the reference's mean and standard deviation over the brain.

    Both volumes and the mask are (Z, Y, X). That is to compare z-scores, in the reference's units.
    Values outside the brain stay; a prediction of one value has its mean moved alone. Without any
    brain it comes back as it is.
    """
    if not brain.any():
        return prediction
    ours, theirs = prediction[brain], reference[brain]
    spread = ours.std()
    gain = theirs.std() / spread if spread > 0 else 1.0
    matched = prediction.copy()
    matched[brain] = (ours - ours.mean()) * gain + theirs.mean()
    return matched


def ssim_map(
    reference: np.ndarray, prediction: np.ndarray, window: Window, data_range: float = 1.0
) -> np.ndarray:
    """Return the SSIM at every pixel of every axial slice (Wang et al. 2004, equation 13).

    Both volumes are (Z, Y, X) floats in [0, 1]; so is the map, with values in [-1, 1]. It equals
    scikit-image's full map, slice by slice. `data_range` is what the formula takes for the span
    of the intensities. Raises ValueError if a slice is smaller than the window.
    """
    if min(reference.shape[1:]) < window.size:
        raise ValueError(f"slices of {reference.shape[1:]} do not hold a window of {window.size}")
    similarity = np.empty(reference.shape)
    for first in range(0, len(reference), SLAB):
        slab = slice(first, first + SLAB)
        similarity[slab] = _ssim_of_slab(reference[slab], prediction[slab], window, data_range)
    return similarity


def _ssim_of_slab(x: np.ndarray, y: np.ndarray, window: Window, data_range: float) -> np.ndarray:
    against_zero = (LUMINANCE_FACTOR * data_range) ** 2, (CONTRAST_FACTOR * data_range) ** 2
    samples = window.size**2
    unbias = samples / (samples - 1) if window.sample_covariance else 1.0

    mean_x, mean_y = window.local_mean(x), window.local_mean(y)
    product = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    covariance = unbias * (window.local_mean(x * y) - product)
    # Only the sum of both variances enters SSIM, so one filter serves for two.
    variances = unbias * (window.local_mean(x**2 + y**2) - squares)

    luminance = (2 * product + against_zero[0]) / (squares + against_zero[0])
    structure = (2 * covariance + against_zero[1]) / (variances + against_zero[1])
    return luminance * structure


def without_border(mask: np.ndarray, width: int) -> np.ndarray:
    """Return a copy of a (Z, Y, X) mask that is False in the outer `width` pixels of a slice."""
    inner = np.zeros_like(mask)
    core = (slice(None), slice(width, -width), slice(width, -width))
    inner[core] = mask[core]
    return inner


def region_means(
    values: np.ndarray, mask: np.ndarray, per: Literal["slice", "volume"]
) -> np.ndarray:
    """Return the means of (Z, Y, X) values inside a mask, one a slice or one in all.

    Slices that the mask does not meet have no mean; the result is empty if the mask is.
    """
    axes = (1, 2) if per == "slice" else (0, 1, 2)
    counts = np.atleast_1d(mask.sum(axis=axes))
    sums = np.atleast_1d(values.sum(axis=axes, where=mask))
    return sums[counts > 0] / counts[counts > 0]


def psnr(squared_errors: np.ndarray) -> np.ndarray:
    """Return 10 log10(1 / MSE) in dB for an array of mean squared errors, infinite where 0."""
    with np.errstate(divide="ignore"):
        return -10 * np.log10(squared_errors)
