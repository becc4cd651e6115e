"""Dice and ASSD of two masks, and the largest connected component of a segmentation.

Both metrics take masks that hold at least one voxel. What a missing region scores is a
convention, not a measurement, so a protocol says it and this file does not.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.ndimage import (
    binary_erosion,
    distance_transform_edt,
    generate_binary_structure,
    label,
)
from scipy.spatial import KDTree

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.regions import BRAIN, region_mask

DICE_SOURCE = "Dice, Ecology 26, 1945, doi:10.2307/1932409"
OVERLAP_METRICS = {
    "dice": Metric(
        title="Dice",
        better="higher",
        unit="",
        bounds=(0.0, 1.0),
        digits=3,
        source=DICE_SOURCE,
    ),
    "dice_brats": Metric(
        title="Dice (BraTS)",
        better="higher",
        unit="",
        bounds=(0.0, 1.0),
        digits=3,
        source=f"{DICE_SOURCE}; 1 where a region is rightly predicted absent, as BraTS scores it",
    ),
    "assd": Metric(
        title="ASSD",
        better="lower",
        unit="mm",
        bounds=(0.0, math.inf),
        digits=2,
        source="mean of the surface distances of both directions, pooled, as medpy since 0.5.2",
    ),
}

# A tree of surface voxels takes about as long for each as a distance transform for so many voxels.
VOXELS_PER_POINT = 12

FACES, CORNERS = 1, 3
"""Voxels are neighbours if they share a face (6 of them), or at least a corner (26)."""


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

    The masks are (Z, Y, X) or (Y, X), `spacing` is that of each axis in mm. First come the
    distances from the reference's surface to the prediction's, then those the other way, in no
    order that matters. Raises ValueError if a mask is empty.
    """
    _require_voxels(reference, prediction)
    # Nothing outside this box is in either mask, and erosion takes what lies beyond an array for
    # background: each surface, and so each distance, is that of the full volume.
    box = bounding_box(reference | prediction)
    ours, theirs = _surface(reference[box]), _surface(prediction[box])
    return _distances(ours, theirs, spacing), _distances(theirs, ours, spacing)


def assd(
    distances: tuple[np.ndarray, np.ndarray],
    mean: Literal["pooled", "of_directions"] = "pooled",
) -> float:
    """Return the average symmetric surface distance, given the `surface_distances`.

    Those of both directions are pooled and averaged, as medpy does since 0.5.2; or averaged in
    each direction and the two means averaged, as medpy up to 0.4 does, which gives another number.
    """
    if mean == "of_directions":
        return float(np.mean([direction.mean() for direction in distances]))
    return float(np.concatenate(distances).mean())


def largest_component(classes: np.ndarray) -> np.ndarray:
    """Return predicted classes (Z, Y, X) with all but the largest tumour component cleared.

    A component is a set of whole-tumour voxels joined by faces, edges or corners. Of two equally
    large ones the first in memory order stays. Classes without tumour come back as they are.
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
        raise ValueError("a mask is empty; what that scores is for the protocol to say")


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~binary_erosion(mask, structure=generate_binary_structure(mask.ndim, FACES))


def _distances(start: np.ndarray, target: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """From each voxel of `start` to the nearest of `target`."""
    apart = np.zeros(np.count_nonzero(start))
    elsewhere, there = _positions(start & ~target), _positions(target)
    if (len(elsewhere) + len(there)) * VOXELS_PER_POINT < target.size:
        apart[: len(elsewhere)], _ = KDTree(there * spacing).query(elsewhere * spacing)
        return apart
    nearest = distance_transform_edt(
        ~target, sampling=spacing, return_distances=False, return_indices=True
    )
    # Of these few voxels only, by the transform's own arithmetic.
    steps = (nearest[(slice(None), *elsewhere.T)].T - elsewhere) * spacing
    apart[: len(elsewhere)] = np.sqrt((steps**2).sum(axis=1))
    return apart


def _positions(mask: np.ndarray) -> np.ndarray:
    """The indices of a mask's voxels, (N, axes)."""
    return np.stack(np.unravel_index(np.flatnonzero(mask), mask.shape), axis=1)
