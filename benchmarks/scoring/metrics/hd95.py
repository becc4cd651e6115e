"""95th percentile of the Hausdorff distance, in mm.

The larger of the two directions' percentiles, as in Metrics Reloaded and MONAI; medpy pools both,
DeepMind's surface-distance weights by area. A mask's surface is its voxels with a face outside;
percentiles are interpolated linearly.
"""

import numpy as np

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import SegmentationRules

METRIC = Metric(
    title="HD95",
    task="segmentation",
    unit="mm",
    better="lower",
    bounds=(0.0, None),
    digits=2,
    source="Maier-Hein et al., Metrics Reloaded, Nat. Methods 21, 2024, "
    "doi:10.1038/s41592-023-02151-z",
    shown=("et",),
    order=14,
)


def measure(masks: Masks, rules: SegmentationRules) -> float:
    """Return the distance in mm."""
    return max(float(np.percentile(direction, 95)) for direction in masks.distances)
