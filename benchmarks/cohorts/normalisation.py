"""Normalise a patient's volumes and average them into the slices of the store.

Air
    The twelve edges of a volume are air: they were in all of 27 BraTS patients, and still are once
    a volume is cut to its brain, which is round. Air is the value that fills half of the edges. A
    second value, of padding, is air too if it fills half of what is left of them, and so on; all
    but the first must be darker, or brighter, than the whole brain. Where air is noisy floats, as
    after resampling, voxels within a thousandth of the volume's standard deviation of the value are
    air. (Cubic resampling leaves stronger ripples around a brain; they count as brain, and add 9 %
    to it.) A volume whose edges hold anything else is refused.
Brain
    A volume's brain is every voxel that is not air. It is refused if it fills more than half of the
    volume or of 2.5 litres: in BraTS brains have 13 to 19 % and 1.2 to 1.7 litres, and up to 50 %
    of a volume that is cut to them. The patient's brain is the union over the four modalities and
    the tumour, since FLAIR may cover only part of what T1 shows.
Images
    Each volume is normalised on its own brain voxels: clipped at their 0.5th and 99.5th
    percentiles and scaled linearly to [-1, 1]. What is not brain is exactly -1. Stored as
    round(32767 x value).
Labels
    -1 outside the brain; inside 0 no tumour, 1 necrosis and non-enhancing core, 2 oedema,
    3 enhancing tumour.
Grid
    Blocks of voxels are averaged into one. An incomplete last block is filled up with background.
    Only the box around the brain is kept.
"""

import itertools

import numpy as np

from benchmarks.cohorts.patient import MODALITIES, Patient
from benchmarks.errors import InputError
from benchmarks.scoring.regions import CLASSES, OUTSIDE

CHANNELS = (*MODALITIES, "labels")
IMAGES, LABELS = slice(len(MODALITIES)), len(MODALITIES)  # of the channels
PERCENTILES = (0.5, 99.5)  # of a brain's intensities; they become -1 and 1
LARGEST_SHARE, LARGEST_LITRES = 0.5, 2.5  # of a volume that is brain
NOISE = 1e-3  # of noisy air, in standard deviations of its volume
ONE_IMAGE = 0.99  # correlation of two modalities; that of 27 BraTS patients is at most 0.93
SCALE = 32767  # of int16 for an intensity of 1

_SLAB = 4  # blocks of slices normalised at a time, so that they stay in the CPU's cache

Block = tuple[int, int, int]  # voxels along z, y, x
Box = tuple[slice, slice, slice]  # blocks along z, y, x


def to_int16(images: np.ndarray) -> np.ndarray:
    """Convert intensities for storage, clipped to [-1, 1].

    Raises
    ------
    ValueError : the images hold NaN or infinity, which int16 cannot.
    """
    if not (np.isfinite(images.min()) and np.isfinite(images.max())):
        raise ValueError("the images hold NaN or infinite values")
    scaled = np.clip(images, -1, 1) * SCALE
    return np.rint(scaled, out=scaled).astype(np.int16)


def from_int16(stored: np.ndarray) -> np.ndarray:
    """Return stored intensities as float32 in [-1, 1]; off by at most 1/65534."""
    images = stored.astype(np.float32, order="C")
    images /= SCALE
    return images


def stored_slices(
    patient: Patient, block: Block
) -> tuple[Box, np.ndarray, dict[str, tuple[float, float]]]:
    """Return the box of the brain, its int16 slices (Z, 5, Y, X), and percentiles by modality.

    Raises
    ------
    InputError : the air of a volume is not one value, its brain is too large or has no contrast, or
        the whole tumour is outside of the brain.
    """
    volumes = {modality: patient.volumes[modality].T for modality in MODALITIES}
    brains = {modality: _brain(patient, modality, volumes[modality]) for modality in MODALITIES}
    brain = np.logical_or.reduce(list(brains.values()))
    classes = patient.labels.T
    tumour = classes > 0
    if tumour.any() and not (tumour & brain).any():
        raise InputError(
            f"Patient {patient.patient}: the whole tumour of the segmentation lies outside the "
            "brain: the two belong to different patients or places. Replace the segmentation by "
            "the original."
        )
    brain |= tumour

    box = _bounding_blocks(brain, block)
    outside = ~_majority(_cut(brain, box, block), block)
    array = np.empty((len(outside), len(CHANNELS), *outside.shape[1:]), np.int16)
    percentiles = {}
    for channel, modality in enumerate(MODALITIES):
        volume, own_brain = (_cut(of[modality], box, block) for of in (volumes, brains))
        low, high = _percentiles(volume[own_brain])
        if low == high:
            raise InputError(
                f"Patient {patient.patient}: {modality} is {low:g} in 99 % of the brain: there is "
                "no image in it. Replace the file by the original."
            )
        percentiles[modality] = low, high
        for first in range(0, len(array), _SLAB):
            slab = slice(first, first + _SLAB)
            voxels = slice(first * block[0], (first + _SLAB) * block[0])
            image = scaled(volume[voxels], low, high)
            np.copyto(image, -1, where=~own_brain[voxels])
            image = block_means(image, block)
            np.copyto(image, -1, where=outside[slab])
            array[slab, channel] = to_int16(image)
    array[:, LABELS] = majority_class(_cut(classes, box, block), block)
    np.copyto(array[:, LABELS], OUTSIDE, where=outside)
    return box, array, percentiles


def same_image(array: np.ndarray) -> tuple[str, str] | None:
    """Return two modalities of stored slices that hold one image, if there are any.

    Their files may differ: in compression, in type, by a factor or by a little noise.
    """
    some = array[:: max(1, len(array) // 8)].swapaxes(0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # slices without contrast: NaN
        alike = np.corrcoef(some[IMAGES, some[LABELS] != OUTSIDE])
    pairs = itertools.combinations(range(len(MODALITIES)), 2)
    return next(((MODALITIES[a], MODALITIES[b]) for a, b in pairs if alike[a, b] > ONE_IMAGE), None)


def _brain(patient: Patient, modality: str, volume: np.ndarray) -> np.ndarray:
    """Where the volume is not air."""
    edges = _edges(volume)
    tolerance = _noise(volume, edges)
    air, others = _air(edges, tolerance)
    brain = np.ones(volume.shape, bool)
    for value in air:
        brain &= _differs(volume, value, tolerance)
    name = f"Patient {patient.patient}: {modality}"
    if others or (len(air) > 1 and not _apart(air[1:], volume[brain])):
        raise InputError(
            f"{name} is not skull-stripped, or its air is not one value: the edges of the volume "
            f"hold {len(np.unique(edges))} values from {edges.min():g} to {edges.max():g}. Strip "
            "the skull and set all air to 0."
        )
    share = np.count_nonzero(brain) / brain.size
    litres = share * brain.size * np.prod(patient.spacing) / 1e6
    if share > LARGEST_SHARE or litres > LARGEST_LITRES:
        raise InputError(
            f"{name} is not skull-stripped, or has air of several values: {100 * share:.0f} % of "
            f"the volume, {litres:.3g} litres, differ from the {air[0]:g} of its edges. A brain "
            "has 1.2 to 1.7 litres, 13 to 19 % of BraTS's 240 x 240 x 155 voxels and at most half "
            "of a smaller volume. Strip the skull and set all air to 0, or pad a volume that was "
            "cut to the brain."
        )
    return brain


def _edges(volume: np.ndarray) -> np.ndarray:
    """The voxels of a volume's twelve edges; its corners three times."""
    along = [
        np.ix_(*[range(n) if axis == one else (0, -1) for axis, n in enumerate(volume.shape)])
        for one in range(3)
    ]
    return np.concatenate([volume[edges].ravel() for edges in along])


def _noise(volume: np.ndarray, edges: np.ndarray) -> float:
    """How far voxels of air may be from its values: 0 unless it is noisy."""
    if volume.dtype.kind != "f" or 2 * np.count_nonzero(volume == _middle(edges)) > volume.size:
        return 0.0
    return NOISE * float(volume.std(dtype=float))


def _air(edges: np.ndarray, tolerance: float) -> tuple[list[float], int]:
    """The values of air, the commonest first, and how many voxels of the edges have others."""
    air = []
    while edges.size:
        value = _middle(edges)
        others = edges[_differs(edges, value, tolerance)]
        if 2 * others.size > edges.size:
            break
        air.append(value)
        edges = others
    return air, edges.size


def _middle(values: np.ndarray) -> float:
    """The lower median: one of the values, and that which fills more than half of them."""
    return np.sort(values)[(values.size - 1) // 2]


def _differs(values: np.ndarray, value: float, tolerance: float) -> np.ndarray:
    return np.abs(values - value) > tolerance if tolerance else values != value


def _apart(padding: list[float], brain: np.ndarray) -> bool:
    """Whether no value of padding can be one of the brain's."""
    return brain.size > 0 and not any(brain.min() < value < brain.max() for value in padding)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    """`PERCENTILES` of the values, interpolated linearly as numpy does."""
    if values.dtype != np.int16:
        return tuple(np.percentile(values, PERCENTILES).tolist())
    # Counting takes a third of the time of numpy's partial sort.
    smallest = int(values.min())
    ranks = np.bincount(values.astype(np.intp) - smallest).cumsum()
    places = np.array(PERCENTILES) / 100 * (values.size - 1)
    below, above = (
        ranks.searchsorted(np.array(rounded(places), int), side="right") + smallest
        for rounded in (np.floor, np.ceil)
    )
    low, high = below + (above - below) * (places % 1)
    return float(low), float(high)


def _bounding_blocks(brain: np.ndarray, block: Block) -> Box:
    """The smallest box of whole blocks around the brain."""
    box = []
    for others, size in zip(((1, 2), (0, 2), (0, 1)), block, strict=True):
        occupied = np.flatnonzero(brain.any(axis=others))
        box.append(slice(int(occupied[0]) // size, int(occupied[-1]) // size + 1))
    return tuple(box)


def _cut(volume: np.ndarray, box: Box, block: Block) -> np.ndarray:
    """The voxels in the blocks of `box`; what is beyond the volume is 0."""
    spans = [slice(b.start * size, b.stop * size) for b, size in zip(box, block, strict=True)]
    missing = [max(0, s.stop - full) for s, full in zip(spans, volume.shape, strict=True)]
    part = np.ascontiguousarray(volume[tuple(spans)])
    return np.pad(part, [(0, count) for count in missing]) if any(missing) else part


def scaled(volume: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the volume in float32, scaled so that low and high become -1 and 1, and clipped."""
    image = volume.astype(np.float32)
    image -= low
    image *= 2 / (high - low)
    image -= 1
    return np.clip(image, -1, 1, out=image)


def filled_up(volume: np.ndarray, block: Block, background: float) -> np.ndarray:
    """Return the volume with incomplete last blocks filled up with background."""
    missing = [(0, -full % size) for full, size in zip(volume.shape, block, strict=True)]
    return np.pad(volume, missing, constant_values=background) if np.any(missing) else volume


def block_means(volume: np.ndarray, block: Block) -> np.ndarray:
    """Return the mean of each block of a volume of whole blocks."""
    return volume if block == (1, 1, 1) else _blocks(volume, block).mean(axis=(1, 3, 5))


def _blocks(volume: np.ndarray, block: Block) -> np.ndarray:
    """(z, y, x) as (z / step, step, y / side, side, x / side, side)."""
    pairs = zip(volume.shape, block, strict=True)
    return volume.reshape([n for full, size in pairs for n in (full // size, size)])


def _majority(mask: np.ndarray, block: Block) -> np.ndarray:
    """Where at least half of the block's voxels are in the mask."""
    if block == (1, 1, 1):
        return mask
    return 2 * _blocks(mask, block).sum(axis=(1, 3, 5)) >= np.prod(block)


def majority_class(labels: np.ndarray, block: Block) -> np.ndarray:
    """Return each block's most frequent class; of equally frequent ones the highest."""
    if block == (1, 1, 1):
        return labels
    descending = CLASSES[::-1]
    counts = np.stack([_blocks(labels == c, block).sum(axis=(1, 3, 5)) for c in descending])
    return np.array(descending)[counts.argmax(axis=0)]
