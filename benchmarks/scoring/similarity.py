"""Measure a synthesised volume: maps slice by slice, their sums by label, means over regions.

Volumes are (Z, Y, X) in [0, 1]. Windows are within an axial slice, or of three dimensions.
"""

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial

import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from benchmarks.scoring.overlap import bounding_box
from benchmarks.scoring.protocol import EXTREMES, SynthesisRules, Window
from benchmarks.scoring.regions import LABELS, REGIONS, region_mask

LUMINANCE_FACTOR, CONTRAST_FACTOR = 0.01, 0.03  # K1 and K2 of Wang et al.
OWN_PERCENTILES = 0.5, 99.5  # between which `own_percentile` clips a volume
BAND = 24  # rows of a window's matrix that are multiplied at a time: more would be mostly zeros

# What SciPy's filters call NumPy's ways to pad.
_PADDINGS = {"symmetric": "reflect", "reflect": "mirror"}

# Pixels of a line, the pixels that they depend on, and the matrix from these to those.
_Band = tuple[slice, slice, np.ndarray]
# A slice of the reference and one of the prediction, (Y, X) each, to a map of that shape.
VoxelMap = Callable[[np.ndarray, np.ndarray], np.ndarray]
Maps = Callable[[np.ndarray, np.ndarray], Iterable[np.ndarray]]


def local_mean(image: np.ndarray, window: Window) -> np.ndarray:
    """Return the mean in the window around each pixel of a slice (Y, X), mirrored at its border.

    Windows are separable: one banded matrix filters the columns, one the rows.
    """
    half, means = np.zeros((2, *image.shape))
    # The air is 0, as are means of windows that lie in it.
    rows, columns = bounding_box(image != 0)
    downwards = _bands(window, image.shape[0], rows.start, rows.stop)
    for out, near, weights in downwards:
        np.matmul(weights, image[near, columns], out=half[out, columns])
    reach = slice(downwards[0][0].start, downwards[-1][0].stop)
    for out, near, weights in _bands(window, image.shape[1], columns.start, columns.stop):
        np.matmul(half[reach, near], weights.T, out=means[reach, out])
    return means


@cache
def _weights(window: Window, length: int) -> np.ndarray:
    options = {"axis": 0, "mode": _PADDINGS[window.padding]}
    if window.shape == "uniform":
        return uniform_filter1d(np.eye(length), window.size, **options)
    return gaussian_filter1d(np.eye(length), window.sigma, radius=window.radius, **options)


@cache
def _bands(window: Window, length: int, first: int, end: int) -> list[_Band]:
    """The bands of all pixels on which the pixels `first` to `end` of a line have an effect."""
    weights, radius, bands = _weights(window, length), window.radius, []
    for start in range(max(0, first - radius), min(length, end + radius), BAND):
        out = slice(start, min(start + BAND, length, end + radius))
        near = slice(max(out.start - radius, first), min(out.stop + radius, end))
        bands.append((out, near, weights[out, near]))
    return bands


def to_unit_range(volume: np.ndarray) -> np.ndarray:
    """Map a volume from [-1, 1] to [0, 1], in double precision."""
    unit = volume.astype(np.float64)
    unit += 1
    unit /= 2
    return unit


def normalised(
    rules: SynthesisRules, reference: np.ndarray, prediction: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return both volumes, in [0, 1], as the rules compare them."""
    if rules.background == "cleared":
        prediction = np.where(region_mask(labels, "brain"), prediction, 0.0)
    if rules.normalisation == "slice_min_max":
        return rescaled_slices(reference), rescaled_slices(prediction)
    if rules.normalisation == "own_percentile":
        return clipped_to_percentiles(reference), clipped_to_percentiles(prediction)
    if rules.normalisation == "brain_mean_sd":
        prediction = matched_in_brain(prediction, reference, region_mask(labels, "brain"))
    return reference, prediction


def rescaled_slices(volume: np.ndarray) -> np.ndarray:
    """Map each slice of (Z, Y, X) from its own extremes to [0, 1], a slice of one value to 0."""
    low = volume.min(axis=(1, 2), keepdims=True)
    span = volume.max(axis=(1, 2), keepdims=True) - low
    return np.divide(volume - low, span, out=np.zeros(volume.shape), where=span > 0)


def clipped_to_percentiles(volume: np.ndarray) -> np.ndarray:
    """Map a volume from its own percentiles to [0, 1], one without a span between them to 0.

    The percentiles are of all voxels, with air; the lower is at least 0. Most of a volume is air,
    which makes the lower 0 and the upper about the 97th percentile of the brain.
    """
    low, high = np.percentile(volume, OWN_PERCENTILES)
    low = max(low, 0.0)
    if high <= low:
        return np.zeros(volume.shape)
    clipped = np.clip(volume, low, high)
    clipped -= low
    clipped /= high - low
    return clipped


def matched_in_brain(
    prediction: np.ndarray, reference: np.ndarray, brain: np.ndarray
) -> np.ndarray:
    """Return the prediction, (Z, Y, X), with the reference's mean and deviation over the brain.

    Values outside the brain stay; of a constant prediction only the mean changes.
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
    reference: np.ndarray, prediction: np.ndarray, window: Window, data_ranges: Collection[float]
) -> np.ndarray:
    """Return the SSIM at every pixel of an axial slice (Wang et al. 2004, equation 13).

    Both slices are (Y, X) floats in [0, 1]; the maps are (R, Y, X) in [-1, 1], one per data range.
    Each equals scikit-image's full map. Raises ValueError if a slice is smaller than the window.
    """
    x, y = reference, prediction
    if min(x.shape) < window.size:
        raise ValueError(f"slices of {x.shape} do not hold a window of {window.size}")
    means = [local_mean(image, window) for image in _moments(x, y)]
    return _similarities(means, window.size**2, window, data_ranges)


def ssim_maps_3d(
    reference: np.ndarray, prediction: np.ndarray, window: Window, data_range: float
) -> Iterator[np.ndarray]:
    """Yield the SSIM of each axial slice under a window of three dimensions, (Y, X) in [-1, 1].

    Both volumes are (Z, Y, X) floats in [0, 1], of any size. Their mean equals that of torchmetrics
    with `padding: reflect`.
    """
    # Where windows hold zeros alone, SSIM is 1. One voxel more than their reach keeps what is
    # mirrored at the box's border zero too.
    reach = window.radius + 1
    used = bounding_box((reference != 0) | (prediction != 0))
    box = tuple(slice(max(one.start - reach, 0), one.stop + reach) for one in used)
    inside = _ssim_maps_of_box(reference[box], prediction[box], window, data_range)
    for z in range(len(reference)):
        similarity = np.ones(reference.shape[1:])
        if box[0].start <= z < box[0].stop:
            similarity[box[1:]] = next(inside)
        yield similarity


def _ssim_maps_of_box(
    x: np.ndarray, y: np.ndarray, window: Window, data_range: float
) -> Iterator[np.ndarray]:
    for _, near, weights in _bands(window, len(x), 0, len(x)):
        across = [np.tensordot(weights, volume, 1) for volume in _moments(x[near], y[near])]
        for images in zip(*across, strict=True):
            means = [local_mean(image, window) for image in images]
            yield _similarities(means, window.size**3, window, [data_range])[0]


def _moments(x: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
    """The images whose local means make SSIM."""
    yield x
    yield y
    yield x * y
    # Only the sum of both variances enters SSIM, so one filter serves for two.
    yield x**2 + y**2


def _similarities(
    means: Sequence[np.ndarray], samples: int, window: Window, data_ranges: Collection[float]
) -> np.ndarray:
    """The SSIM of the local means of a slice's `_moments`, which are overwritten: (R, Y, X)."""
    unbias = samples / (samples - 1) if window.sample_covariance else 1.0

    # In place, since new arrays would cost more than the arithmetic.
    squares, mean_y, covariance, variances = means
    product = squares * mean_y
    squares *= squares
    squares += np.square(mean_y, out=mean_y)
    covariance -= product
    covariance *= unbias
    variances -= squares
    variances *= unbias

    maps, factor = np.empty((len(data_ranges), *product.shape)), np.empty(product.shape)
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
    """A map's sums and counts of voxels, by slice and label, from which regions have their means.

    Attributes
    ----------
    sums, voxels : (Z, 5), in the order of `LABELS`; 0 for slices that were not added.
    added : (Z,), bool.
    """

    def __init__(self, slices: int):
        self.sums, self.voxels = np.zeros((2, slices, len(LABELS)))
        self.added = np.zeros(slices, bool)

    def add(self, z: int, values: np.ndarray, labels: np.ndarray, border: int = 0) -> None:
        """Add the (Y, X) values of slice `z` without its outer `border` pixels."""
        inner = (slice(border, -border or None),) * 2
        values, labels = values[inner], labels[inner]
        for place, label in enumerate(LABELS):
            mask = labels == label
            self.voxels[z, place] = np.count_nonzero(mask)
            if self.voxels[z, place]:
                self.sums[z, place] = (values * mask).sum()
        self.added[z] = True

    def mean(self, region: str, slices: np.ndarray) -> float:
        """Return the mean inside a region of the slices with these numbers, NaN without a voxel."""
        columns = _columns(region)
        voxels = self.voxels[slices][:, columns].sum()
        return float(self.sums[slices][:, columns].sum() / voxels) if voxels else np.nan


def _span(*volumes: np.ndarray) -> float:
    return max(float(np.ptp(volume)) for volume in volumes)


@cache
def _columns(region: str) -> list[int]:
    return [LABELS.index(label) for label in REGIONS[region].labels]


class Pair:
    """A reference and a prediction as a protocol compares them, and their sums by label.

    A map of a slice is summed before the next slice, so that it stays in the CPU's cache.

    Attributes
    ----------
    reference, prediction : (Z, Y, X) floats in [0, 1].
    labels : (Z, Y, X) integers, the reference's (see regions).
    data_ranges : for each window of SSIM, the data ranges that share a pass.
    voxels : number of each label in each slice, (Z, 5), in the order of `LABELS`.
    """

    def __init__(
        self,
        reference: np.ndarray,
        prediction: np.ndarray,
        labels: np.ndarray,
        data_ranges: Mapping[Window, Collection[float]],
    ):
        self.reference, self.prediction, self.labels = reference, prediction, labels
        self.data_ranges = data_ranges
        # Counting slice by slice takes a tenth of the time of `axis=(1, 2)`.
        counts = [[np.count_nonzero(image == label) for label in LABELS] for image in labels]
        self.voxels = np.array(counts)
        self._sums: dict[Hashable, LabelSums] = {}
        self._histograms: dict[tuple[int, int], np.ndarray] = {}

    def sums(
        self, keys: Collection[Hashable], maps: Maps, slices: np.ndarray, border: int = 0
    ) -> dict[Hashable, LabelSums]:
        """Return all sums, with these slices of the maps of `keys`, each computed once."""
        into = [self._sums.setdefault(key, LabelSums(len(self.labels))) for key in keys]
        for z in slices[~into[0].added[slices]]:
            for sums, values in zip(into, maps(self.reference[z], self.prediction[z]), strict=True):
                sums.add(z, values, self.labels[z], border)
        return self._sums

    def sums_3d(self, window: Window, data_range: float | str, kept: str) -> LabelSums:
        """Return the sums of SSIM in three dimensions of both volumes, 0 outside the region `kept`.

        It has no value where the data range is that of two volumes of one value each.
        """
        key = (window, data_range, kept)
        if key not in self._sums:
            volumes = self.reference, self.prediction
            if kept != "whole":
                mask = region_mask(self.labels, kept)
                volumes = [volume * mask for volume in volumes]
            self._sums[key] = sums = LabelSums(depth := len(self.labels))
            span = _span(*volumes) if data_range == EXTREMES else data_range
            maps = ssim_maps_3d(*volumes, window, span) if span else ()
            border = window.radius if window.border == "drop" else 0
            for z, values in enumerate(maps):
                if border <= z < depth - border:
                    sums.add(z, values, self.labels[z], border)
        return self._sums[key]

    @cached_property
    def span(self) -> float:
        """The larger span of both volumes, from their smallest to their largest value."""
        return _span(self.reference, self.prediction)

    def histogram(self, bins: int, z: int) -> np.ndarray:
        """Return how often labels and the intensities of both meet: (5, bins, bins)."""
        if (bins, z) not in self._histograms:
            cells = (self.labels[z] - LABELS[0]).astype(np.intp)
            for image in (self.reference[z], self.prediction[z]):
                cells *= bins
                cells += np.clip((image * bins).astype(np.intp), 0, bins - 1)
            shape = len(LABELS), bins, bins
            counts = np.bincount(cells.ravel(), minlength=math.prod(shape)).astype(np.int32)
            self._histograms[bins, z] = counts.reshape(shape)
        return self._histograms[bins, z]


class Voxels:
    """The voxels of a region in some slices, at least one: what a metric of synthesis measures.

    Attributes
    ----------
    pair : the volumes that these voxels are of.
    region : its name (see regions).
    slices : numbers of the slices, one or several.
    count : number of voxels, N.
    mask : the voxels in their slices: bool, (S, Y, X).
    reference, prediction : intensities in [0, 1], (N,).
    """

    def __init__(self, pair: Pair, region: str, slices: np.ndarray):
        self.pair, self.region, self.slices = pair, region, slices
        self.count = int(pair.voxels[slices][:, _columns(region)].sum())

    @cached_property
    def mask(self) -> np.ndarray:
        return region_mask(self.pair.labels[self.slices], self.region)

    @property
    def reference(self) -> np.ndarray:
        return self.pair.reference[self.slices][self.mask]

    @property
    def prediction(self) -> np.ndarray:
        return self.pair.prediction[self.slices][self.mask]

    def mean(self, voxel_map: VoxelMap) -> float:
        """Return the mean of a map, shared by all regions and protocols that pass this function.

        `voxel_map` takes a slice of reference and prediction, (Y, X), and returns such a map.
        """
        sums = self.pair.sums([voxel_map], lambda *pair: [voxel_map(*pair)], self.slices)
        return sums[voxel_map].mean(self.region, self.slices)

    def ssim(self, window: Window, data_range: float | str) -> float:
        """Return the mean of SSIM; NaN if the window's border leaves no voxel."""
        data_range = self.pair.span if data_range == EXTREMES else data_range
        expected = self.pair.data_ranges.get(window, ())
        ranges = expected if data_range in expected else [data_range]
        keys = [(window, one) for one in ranges]
        maps = partial(ssim_maps, window=window, data_ranges=ranges)
        border = window.radius if window.border == "drop" else 0
        sums = self.pair.sums(keys, maps, self.slices, border)
        return sums[window, data_range].mean(self.region, self.slices)

    def ssim_3d(self, window: Window, data_range: float | str) -> float:
        """Return the mean of SSIM in three dimensions; NaN as `ssim`, and without any span."""
        sums = self.pair.sums_3d(window, data_range, kept="whole")
        return sums.mean(self.region, self.slices)

    def ssim_masked(self, window: Window, data_range: float | str) -> float:
        """Return the mean over whole slices of the volumes that are 0 outside the region."""
        sums = self.pair.sums_3d(window, data_range, kept=self.region)
        return sums.mean("whole", self.slices)

    def histogram(self, bins: int) -> np.ndarray:
        """Return how often intensities of reference (rows) and prediction meet, (bins, bins).

        Bins are equal parts of [0, 1]; the first and the last take what is beyond.
        """
        columns = _columns(self.region)
        return sum(self.pair.histogram(bins, z)[columns].sum(axis=0) for z in self.slices)
