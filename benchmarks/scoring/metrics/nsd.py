"""Normalised surface distance at 1 mm, also called surface Dice.

The share of both masks' surface voxels (those with a face outside) within 1 mm of the other's
surface, as MONAI's `compute_surface_dice`. DeepMind's surface-distance weights them by area.
"""

import numpy as np

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import SegmentationRules

METRIC = Metric(
    title="NSD",
    task="segmentation",
    better="higher",
    bounds=(0.0, 1.0),
    source="Nikolov et al., J. Med. Internet Res. 23, 2021, doi:10.2196/26151; at 1 mm, by voxels",
    shown=("et",),
    order=15,
)

TOLERANCE_MM = 1
# Ten steps of 0.1 mm may sum to more than 1 mm.
ROUNDING_MM = 1e-9


def measure(masks: Masks, rules: SegmentationRules) -> float:
    """Return the share within the tolerance, in [0, 1]."""
    return float(np.mean(np.concatenate(masks.distances) <= TOLERANCE_MM + ROUNDING_MM))
