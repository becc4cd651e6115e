"""Peak signal-to-noise ratio: 10 log10(1 / MSE) in dB, of intensities in [0, 1].

The mean squared error is over the voxels of the region. It is infinite where nothing differs.
"""

import numpy as np

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.protocol import SynthesisRules
from benchmarks.scoring.similarity import Voxels

METRIC = Metric(
    title="PSNR",
    task="synthesis",
    unit="dB",
    better="higher",
    bounds=(0.0, None),
    digits=2,
    source="10 log10(range^2 / MSE) with range 1",
    shown=("brain", "et"),
    order=2,
)


def _squared_error(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return (reference - prediction) ** 2


def measure(voxels: Voxels, rules: SynthesisRules) -> float:
    """Return the PSNR in dB."""
    with np.errstate(divide="ignore"):
        return float(-10 * np.log10(voxels.mean(_squared_error)))
