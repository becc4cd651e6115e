"""Dice: 2 |A and B| / (|A| + |B|) of the voxels of reference and prediction."""

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import SegmentationRules

METRIC = Metric(
    title="Dice",
    task="segmentation",
    better="higher",
    bounds=(0.0, 1.0),
    source="Dice, Ecology 26, 1945, doi:10.2307/1932409",
    shown=("wt", "tc", "et"),
    order=11,
)


def measure(masks: Masks, rules: SegmentationRules) -> float:
    """Return Dice, in [0, 1]."""
    return masks.dice
