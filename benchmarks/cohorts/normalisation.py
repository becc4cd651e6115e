"""Normalise a patient's volumes and average them into the slices of the store.

Brain
    A volume's background is the value that most of its eight corner voxels share, and its brain
    is every voxel of another value. The patient's brain is the union over the four modalities
    and the tumour, since FLAIR may cover only part of what T1 shows.
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

import numpy as np

from benchmarks.cohorts.patient import MODALITIES, Patient
from benchmarks.errors import InputError
from benchmarks.scoring.regions import CLASSES, OUTSIDE

CHANNELS = (*MODALITIES, "labels")
IMAGES, LABELS = slice(len(MODALITIES)), len(MODALITIES)  # of the channels
PERCENTILES = (0.5, 99.5)  # of a brain's intensities; they become -1 and 1
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
    InputError : a volume has no contrast inside its brain, or the whole tumour is outside of it.
    """
    volumes = {modality: patient.volumes[modality].T for modality in MODALITIES}
    brains = {modality: _brain(volume) for modality, volume in volumes.items()}
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
            image = _normalised(volume[voxels], own_brain[voxels], low, high)
            if block != (1, 1, 1):
                image = _blocks(image, block).mean(axis=(1, 3, 5))
            np.copyto(image, -1, where=outside[slab])
            array[slab, channel] = to_int16(image)
    array[:, LABELS] = _majority_class(_cut(classes, box, block), block)
    np.copyto(array[:, LABELS], OUTSIDE, where=outside)
    return box, array, percentiles


def _brain(volume: np.ndarray) -> np.ndarray:
    """Where the volume differs from its background; everywhere if the corners share no value."""
    corners = volume[np.ix_(*[(0, -1)] * 3)]
    values, counts = np.unique(corners, return_counts=True)
    if counts.max() < corners.size / 2:
        return np.ones(volume.shape, bool)
    return volume != values[counts.argmax()]


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


def _normalised(volume: np.ndarray, brain: np.ndarray, low: float, high: float) -> np.ndarray:
    """The volume in float32, its brain scaled to [-1, 1] and the rest -1."""
    image = volume.astype(np.float32)
    image -= low
    image *= 2 / (high - low)
    image -= 1
    np.clip(image, -1, 1, out=image)
    np.copyto(image, -1, where=~brain)
    return image


def _blocks(volume: np.ndarray, block: Block) -> np.ndarray:
    """(z, y, x) as (z / step, step, y / side, side, x / side, side)."""
    pairs = zip(volume.shape, block, strict=True)
    return volume.reshape([n for full, size in pairs for n in (full // size, size)])


def _majority(mask: np.ndarray, block: Block) -> np.ndarray:
    """Where at least half of the block's voxels are in the mask."""
    if block == (1, 1, 1):
        return mask
    return 2 * _blocks(mask, block).sum(axis=(1, 3, 5)) >= np.prod(block)


def _majority_class(labels: np.ndarray, block: Block) -> np.ndarray:
    """Each block's most frequent class; of equally frequent ones the highest."""
    if block == (1, 1, 1):
        return labels
    descending = CLASSES[::-1]
    counts = np.stack([_blocks(labels == c, block).sum(axis=(1, 3, 5)) for c in descending])
    return np.array(descending)[counts.argmax(axis=0)]
