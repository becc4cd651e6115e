"""Absolute difference of the volumes of reference and prediction, in ml.

Where one is empty it is the other's volume, where both are it is 0.
"""

import numpy as np

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import SegmentationRules

METRIC = Metric(
    title="Volume difference",
    task="segmentation",
    unit="ml",
    better="lower",
    bounds=(0.0, None),
    digits=2,
    source="|reference - prediction|, voxels times their volume",
    shown=("et",),
    measures_empty=True,
    order=31,
)

MM3_PER_ML = 1000


def measure(masks: Masks, rules: SegmentationRules) -> float:
    """Return the difference in ml."""
    voxels = np.count_nonzero(masks.reference) - np.count_nonzero(masks.prediction)
    return float(abs(voxels) * np.prod(masks.spacing) / MM3_PER_ML)
