"""Lesion-wise Dice, as BraTS 2023 scores adult glioma.

The mean over the reference's lesions above 50 mm3 of the Dice with all predicted components that
touch the lesion's dilation (see `lesions`). A missed or false lesion counts as 0; 1 without any.
"""

from benchmarks.scoring.lesions import find_lesions
from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import Masks, dice
from benchmarks.scoring.protocol import SegmentationRules

METRIC = Metric(
    title="Lesion Dice",
    task="segmentation",
    better="higher",
    bounds=(0.0, 1.0),
    source="https://github.com/rachitsaluja/BraTS-2023-Metrics, BraTS-GLI",
    shown=("et",),
    postprocessing="none",
    measures_empty=True,
    order=21,
)


def measure(masks: Masks, rules: SegmentationRules) -> float:
    """Return the mean Dice, in [0, 1]."""
    return masks.once(find_lesions).mean(dice, missed=0.0, none=1.0)
