"""Lesion-wise HD95 in mm, as BraTS 2023 scores adult glioma.

The mean over the reference's lesions above 50 mm3 of the HD95 to all predicted components that
touch the lesion's dilation (see `lesions`). A missed or false lesion counts as 374 mm; 0 without
any. Distances are weighted by surface area, so the HD95 of a single lesion is not that of `hd95`.
"""

from functools import partial

from benchmarks.scoring.lesions import MISSED_MM, find_lesions, hd95_by_area
from benchmarks.scoring.metric import Metric
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import SegmentationRules

METRIC = Metric(
    title="Lesion HD95",
    task="segmentation",
    unit="mm",
    better="lower",
    bounds=(0.0, None),
    digits=2,
    source="https://github.com/rachitsaluja/BraTS-2023-Metrics, BraTS-GLI",
    shown=("et",),
    postprocessing="none",
    measures_empty=True,
    order=22,
)


def measure(masks: Masks, rules: SegmentationRules) -> float:
    """Return the mean distance in mm."""
    distance = partial(hd95_by_area, spacing=masks.spacing)
    return masks.once(find_lesions).mean(distance, missed=MISSED_MM, none=0.0)
