"""Dice as BraTS scores it: the protocol's empty cases make the difference to Dice."""

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import SegmentationRules

METRIC = Metric(
    title="Dice (BraTS)",
    task="segmentation",
    better="higher",
    bounds=(0.0, 1.0),
    source="Dice, Ecology 26, 1945, doi:10.2307/1932409; "
    "1 where a region is rightly predicted absent, as BraTS scores it",
    shown=(),
    order=12,
)


def measure(masks: Masks, rules: SegmentationRules) -> float:
    """Return Dice, in [0, 1]."""
    return masks.dice
