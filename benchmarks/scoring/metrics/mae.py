"""Mean absolute error over the voxels of the region.

1 is the distance between the 0.5th and the 99.5th percentile of the reference's brain voxels.
"""

import numpy as np

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.protocol import SynthesisRules
from benchmarks.scoring.similarity import Voxels

METRIC = Metric(
    title="MAE",
    task="synthesis",
    better="lower",
    bounds=(0.0, 1.0),
    digits=4,
    source="mean of |reference - prediction|, both in [0, 1]",
    shown=("brain", "et"),
    order=3,
)


def _absolute_error(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return np.abs(reference - prediction)


def measure(voxels: Voxels, rules: SynthesisRules) -> float:
    """Return the mean absolute error, in [0, 1]."""
    return voxels.mean(_absolute_error)
