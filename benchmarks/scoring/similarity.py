"""SSIM and PSNR of a synthesised volume: a slice's map, its sums by label, means over regions.

Volumes are (Z, Y, X) in [0, 1], so the data range is 1 unless a protocol says otherwise. An image
here is an axial slice: windows are two-dimensional and never reach into the next slice.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import bounding_box
from benchmarks.scoring.regions import LABELS, REGIONS

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

    def local_mean(self, image: np.ndarray) -> np.ndarray:
        """Return the mean in the window around each pixel of a slice, which goes on as its mirror.

        Slice and means are (Y, X). A window is the product of a column of weights and a row of
        them, so it is a matrix on either side of the slice, zero but for a band.
        """
        means = np.zeros(image.shape)
        # The air of most slices is 0, whose means are 0 again wherever no window leaves it.
        rows, columns = bounding_box(image != 0)
        half = np.zeros(image.shape)
        downwards = _bands(self, image.shape[0], rows.start, rows.stop)
        for made, near, weights in downwards:
            np.matmul(weights, image[near, columns], out=half[made, columns])
        reach = slice(downwards[0][0].start, downwards[-1][0].stop)
        for made, near, weights in _bands(self, image.shape[1], columns.start, columns.stop):
            np.matmul(half[reach, near], weights.T, out=means[reach, made])
        return means


BAND = 24
"""Rows of a window's matrix that are multiplied at a time: many more would be mostly zeros."""

_Band = tuple[slice, slice, np.ndarray]
"""Pixels of a line, those that they follow from, and the matrix from the latter to the former."""


@cache
def _weights(window: Window, length: int) -> np.ndarray:
    """The matrix that filters a line of so many pixels."""
    if window.shape == "uniform":
        return uniform_filter1d(np.eye(length), window.size, axis=0)
    return gaussian_filter1d(np.eye(length), window.sigma, radius=window.radius, axis=0)


@cache
def _bands(window: Window, length: int, first: int, end: int) -> list[_Band]:
    """All that the pixels `first` to `end` of a line have an effect on, which are 0 elsewhere."""
    weights, radius, bands = _weights(window, length), window.radius, []
    for start in range(max(0, first - radius), min(length, end + radius), BAND):
        made = slice(start, min(start + BAND, length, end + radius))
        near = slice(max(made.start - radius, first), min(made.stop + radius, end))
        bands.append((made, near, weights[made, near]))
    return bands


def to_unit_range(volume: np.ndarray) -> np.ndarray:
    """Map a volume from [-1, 1] to [0, 1], in double precision."""
    unit = np.array(volume, dtype=np.float64)
    unit += 1
    unit /= 2
    return unit


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


def ssim_maps(
    reference: np.ndarray,
    prediction: np.ndarray,
    window: Window,
    data_ranges: Sequence[float] = (1.0,),
) -> np.ndarray:
    """Return the SSIM at every pixel of an axial slice (Wang et al. 2004, equation 13).

    Both slices are (Y, X) floats in [0, 1]; the maps are (R, Y, X), one for each of the
    `data_ranges`, which is what the formula takes for the span of the intensities; their values
    are in [-1, 1]. Each equals scikit-image's full map. Raises ValueError if the slice is smaller
    than the window.
    """
    x, y = reference, prediction
    if min(x.shape) < window.size:
        raise ValueError(f"slices of {x.shape} do not hold a window of {window.size}")
    samples = window.size**2
    unbias = samples / (samples - 1) if window.sample_covariance else 1.0

    # In place, since new arrays would cost more than the arithmetic.
    squares, mean_y = window.local_mean(x), window.local_mean(y)
    product = squares * mean_y
    squares *= squares
    squares += np.square(mean_y, out=mean_y)
    covariance = window.local_mean(x * y)
    covariance -= product
    covariance *= unbias
    # Only the sum of both variances enters SSIM, so one filter serves for two.
    variances = window.local_mean(x**2 + y**2)
    variances -= squares
    variances *= unbias

    maps, factor = np.empty((len(data_ranges), *x.shape)), np.empty(x.shape)
    for similarity, data_range in zip(maps, data_ranges, strict=True):
        c1, c2 = (LUMINANCE_FACTOR * data_range) ** 2, (CONTRAST_FACTOR * data_range) ** 2
        np.multiply(product, 2, out=similarity)
        similarity += c1
        similarity /= np.add(squares, c1, out=factor)
        np.multiply(covariance, 2, out=factor)
        factor += c2
        similarity *= factor
        similarity /= np.add(variances, c2, out=factor)
    return maps


class LabelSums:
    """A map's sums over the voxels of each label in each slice, and how many voxels these are.

    A region is a set of labels, so one pass over a map serves all regions.

    Attributes
    ----------
    sums, voxels : (Z, 5), in the order of `LABELS`; 0 for slices that were not added.
    """

    def __init__(self, slices: int):
        self.sums, self.voxels = np.zeros((2, slices, len(LABELS)))

    def add(self, z: int, values: np.ndarray, labels: np.ndarray, border: int = 0) -> None:
        """Add up the (Y, X) values of slice `z` without its outer `border` pixels."""
        inner = (slice(border, -border or None),) * 2
        values, labels = values[inner], labels[inner]
        for place, label in enumerate(LABELS):
            mask = labels == label
            self.voxels[z, place] = np.count_nonzero(mask)
            if self.voxels[z, place]:
                self.sums[z, place] = (values * mask).sum()

    def means(
        self, region: str, per: Literal["slice", "volume"], slices: np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """Return the means inside a region (see regions) of some slices, one a slice or in all.

        Slices that the region does not meet have no mean; the result is empty if none does.
        """
        columns = [LABELS.index(label) for label in REGIONS[region].labels]
        axes = 1 if per == "slice" else (0, 1)
        sums = np.atleast_1d(self.sums[slices][:, columns].sum(axis=axes))
        voxels = np.atleast_1d(self.voxels[slices][:, columns].sum(axis=axes))
        return sums[voxels > 0] / voxels[voxels > 0]


def psnr(squared_errors: np.ndarray) -> np.ndarray:
    """Return 10 log10(1 / MSE) in dB for an array of mean squared errors, infinite where 0."""
    with np.errstate(divide="ignore"):
        return -10 * np.log10(squared_errors)
