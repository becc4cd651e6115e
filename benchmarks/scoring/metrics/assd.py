"""Average symmetric surface distance, in mm.

A mask's surface is its voxels with a face outside. The protocol's `assd_mean` averages the
distances of both directions `pooled` (medpy since 0.5.2) or each by itself (medpy up to 0.4).
"""

import numpy as np

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import SegmentationRules

METRIC = Metric(
    title="ASSD",
    task="segmentation",
    unit="mm",
    better="lower",
    bounds=(0.0, None),
    digits=2,
    source="mean of the surface distances of both directions, pooled, as medpy since 0.5.2",
    shown=("et",),
    order=13,
)


def measure(masks: Masks, rules: SegmentationRules) -> float:
    """Return the mean distance in mm."""
    if rules.assd_mean == "of_directions":
        return float(np.mean([direction.mean() for direction in masks.distances]))
    return float(np.concatenate(masks.distances).mean())
