"""Measure two masks of a region: overlap, surface distances, the largest component."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt, generate_binary_structure, label
from scipy.spatial import KDTree

from benchmarks.scoring.regions import BRAIN, region_mask

# A KD-tree takes as long per point as a distance transform for so many voxels.
VOXELS_PER_POINT = 12
FACES, CORNERS = 1, 3  # neighbours share a face (6 voxels) or at least a corner (26)

Result = TypeVar("Result")


class Masks:
    """A region of the reference and of the prediction: what a metric of segmentation measures.

    Attributes
    ----------
    reference, prediction : bool, (Z, Y, X), or (Y, X) of a slice, cut to a box around all tumour.
    spacing : of each axis in mm, or 1 where the protocol takes distances in voxels.
    emptiness : "prediction empty", "reference empty", "both empty" or "".
    dice, distances : as of `dice` and `surface_distances`; ValueError if a mask is empty.
    slices : the masks of each axial slice.
    """

    def __init__(self, reference: np.ndarray, prediction: np.ndarray, spacing: Sequence[float]):
        self.reference, self.prediction = reference, prediction
        self.spacing = tuple(map(float, spacing))
        self._results: dict[Callable, object] = {}
        if reference.any():
            self.emptiness = "" if prediction.any() else "prediction empty"
        else:
            self.emptiness = "reference empty" if prediction.any() else "both empty"

    def once(self, measure: Callable[["Masks"], Result]) -> Result:
        """Return `measure(self)`, called once for all metrics that pass this function object."""
        if measure not in self._results:
            self._results[measure] = measure(self)
        return self._results[measure]

    @cached_property
    def dice(self) -> float:
        return dice(self.reference, self.prediction)

    @cached_property
    def distances(self) -> tuple[np.ndarray, np.ndarray]:
        return surface_distances(self.reference, self.prediction, self.spacing)

    @cached_property
    def slices(self) -> "list[Masks]":
        pairs = zip(self.reference, self.prediction, strict=True)
        return [Masks(*pair, self.spacing[1:]) for pair in pairs]


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box around a mask's voxels, as slices; empty ones for an empty mask."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        used = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0))
    return tuple(box)


def dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Return 2 |A and B| / (|A| + |B|) of two bool masks of one shape (Dice 1945).

    Raises ValueError if a mask is empty.
    """
    _require_voxels(reference, prediction)
    shared = np.count_nonzero(reference & prediction)
    return float(2 * shared / (np.count_nonzero(reference) + np.count_nonzero(prediction)))


def surface_distances(
    reference: np.ndarray, prediction: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each surface voxel of one bool mask is from the other's surface, in mm.

    The masks are (Z, Y, X) or (Y, X), `spacing` is of each axis in mm. The reference's distances
    to the prediction come first. Raises ValueError if a mask is empty.
    """
    _require_voxels(reference, prediction)
    # Erosion takes voxels beyond an array for background, so surfaces are those of the volume.
    box = bounding_box(reference | prediction)
    ours, theirs = _surface(reference[box]), _surface(prediction[box])
    return distances(ours, theirs, spacing), distances(theirs, ours, spacing)


def distances(start: np.ndarray, target: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Return how far each voxel of `start` is from the nearest of `target`, in mm, (N,).

    Both are bool masks of one shape with at least one voxel. First come the voxels of `start`
    that are not in `target`, then those that are, each in the order of `np.flatnonzero`.
    """
    outside, there = _positions(start & ~target), _positions(target)
    if (len(outside) + len(there)) * VOXELS_PER_POINT < target.size:
        apart, _ = KDTree(there * spacing).query(outside * spacing)
    else:
        options = {"sampling": spacing, "return_distances": False, "return_indices": True}
        nearest = distance_transform_edt(~target, **options)
        # Of these few voxels only, by the transform's own arithmetic.
        steps = (nearest[(slice(None), *outside.T)].T - outside) * spacing
        apart = np.sqrt((steps**2).sum(axis=1))
    return np.concatenate([apart, np.zeros(np.count_nonzero(start) - len(outside))])


def largest_component(classes: np.ndarray) -> np.ndarray:
    """Return predicted classes (Z, Y, X) with all but the largest tumour component cleared.

    Whole-tumour voxels are joined by faces, edges or corners. Of equally large components the first
    in memory order stays.
    """
    tumour = region_mask(classes, "wt")
    box = bounding_box(tumour)
    components, count = label(tumour[box], structure=generate_binary_structure(3, CORNERS))
    kept = classes.copy()
    if count > 1:
        sizes = np.bincount(components.ravel())[1:]
        kept[box][components != 1 + sizes.argmax()] = BRAIN
    return kept


def _require_voxels(reference: np.ndarray, prediction: np.ndarray) -> None:
    if not (reference.any() and prediction.any()):
        raise ValueError("a mask is empty; the protocol says what that scores")


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~binary_erosion(mask, structure=generate_binary_structure(mask.ndim, FACES))


def _positions(mask: np.ndarray) -> np.ndarray:
    # As np.argwhere, in less time.
    return np.stack(np.unravel_index(np.flatnonzero(mask), mask.shape), axis=1)
