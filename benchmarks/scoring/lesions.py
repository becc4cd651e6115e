"""Compare segmentations lesion by lesion, as the evaluation of BraTS 2023 does.

https://github.com/rachitsaluja/BraTS-2023-Metrics, with the settings of BraTS-GLI (adult glioma).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import binary_dilation, find_objects, generate_binary_structure, label
from skimage.measure import marching_cubes, mesh_surface_area

from benchmarks.scoring.overlap import CORNERS, Masks, bounding_box, distances

EDGES, ITERATIONS = 2, 3  # three dilations into the 18 voxels that share a face or an edge
IGNORED_MM3 = 50  # lesions of the reference up to this volume are not scored
MISSED_MM = 374.0  # of a missed or false lesion: about the diagonal of a volume of BraTS
PERCENTILE = 0.95

Measure = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Lesions:
    """The lesions that are scored.

    Attributes
    ----------
    pairs : of each lesion of the reference, the lesion and all predicted components that touch its
        dilation, as two bool masks of one shape; the second is empty for a missed lesion.
    false : how many predicted components touch no lesion's dilation.
    """

    pairs: list[tuple[np.ndarray, np.ndarray]]
    false: int

    def mean(self, measure: Measure, missed: float, none: float) -> float:
        """Return the mean over all lesions: `missed` for a missed or false one, `none` of none."""
        scores = [measure(*pair) for pair in self.pairs if pair[1].any()]
        count = len(self.pairs) + self.false
        return (sum(scores) + missed * (count - len(scores))) / count if count else none


def find_lesions(masks: Masks) -> Lesions:
    """Match the lesions of the reference to those of the prediction.

    A lesion of the reference is all of it within one component of its dilation, so that parts up
    to six voxels apart are one: 6 mm on BraTS's grid, more on a coarser one. Components are joined
    by faces, edges or corners. A small lesion is not scored, but a prediction on it is not false
    either. Every other predicted component is false, however small.
    """
    if masks.emptiness == "both empty":
        return Lesions([], 0)
    # Lesions that the dilation joins outside the box it joins inside too.
    box = bounding_box(masks.reference | masks.prediction)
    reference, prediction = masks.reference[box], masks.prediction[box]
    neighbours, steps = (generate_binary_structure(3, reach) for reach in (CORNERS, EDGES))
    dilated = binary_dilation(reference, steps, iterations=ITERATIONS)
    zones, _ = label(dilated, structure=neighbours)
    components, predicted = label(prediction, structure=neighbours)
    voxel_mm3 = np.prod(masks.spacing)
    pairs, touched = [], set()
    for number, zone in enumerate(find_objects(zones), start=1):
        there = zones[zone] == number
        matches = np.unique(components[zone][there & prediction[zone]])
        touched |= set(matches.tolist())
        lesion = (zones == number) & reference
        if np.count_nonzero(lesion) * voxel_mm3 > IGNORED_MM3:
            match = np.isin(components, matches)
            around = bounding_box(lesion | match)
            pairs.append((lesion[around], match[around]))
    return Lesions(pairs, predicted - len(touched))


def hd95_by_area(reference: np.ndarray, prediction: np.ndarray, spacing: tuple) -> float:
    """Return the larger of both directions' 95th percentiles of surface distances, by area.

    A surface element is a corner where eight voxels meet that are not all alike, with the area of
    marching cubes (DeepMind's `surface-distance`, as BraTS 2023). Masks are (Z, Y, X), bool and not
    empty; `spacing` is in mm.
    """
    codes = [neighbour_codes(mask) for mask in (reference, prediction)]
    ours, theirs = surfaces = [(code > 0) & (code < 255) for code in codes]
    percentiles = []
    for code, start, target in zip(codes, surfaces, (theirs, ours), strict=True):
        apart = distances(start, target, spacing)
        # In the order of `distances`.
        weights = areas(spacing)[np.concatenate([code[start & ~target], code[start & target]])]
        order = np.lexsort((weights, apart))
        share = np.cumsum(weights[order]) / weights.sum()
        place = min(np.searchsorted(share, PERCENTILE), len(order) - 1)
        percentiles.append(float(apart[order][place]))
    return max(percentiles)


def neighbour_codes(mask: np.ndarray) -> np.ndarray:
    """Return which of the eight voxels around each corner are set, as bits: (Z+1, Y+1, X+1)."""
    padded = np.pad(mask, 1).astype(np.uint8)
    codes = np.zeros([length - 1 for length in padded.shape], np.uint8)
    for bit, offset in enumerate(np.ndindex(2, 2, 2)):
        neighbour = tuple(slice(o, o + n) for o, n in zip(offset, codes.shape, strict=True))
        codes += padded[neighbour] << bit
    return codes


@cache
def areas(spacing: tuple[float, ...]) -> np.ndarray:
    """Return the area in mm2 of the surface between eight voxels, by neighbour code: (256,)."""
    by_code = np.zeros(256)
    for code in range(1, 255):
        bits = np.array([code >> bit & 1 for bit in range(8)])
        # Of voxels that touch in an edge or a corner only, the fewer are apart.
        fewer = bits if bits.sum() <= 4 else 1 - bits
        cube = fewer.reshape(2, 2, 2).astype(float)
        corners, faces, _, _ = marching_cubes(cube, 0.5, spacing=spacing, method="lorensen")
        by_code[code] = mesh_surface_area(corners, faces)
    return by_code
