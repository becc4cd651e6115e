"""Normalised mutual information: (H(A) + H(B)) / H(A, B), Studholme et al. 1999.

A and B are the intensities of reference and prediction in the region, H the entropy of their
histograms: 64 x 64 equal bins over [0, 1], and their sums. 1 means independent, 2 that each
determines the other. scikit-image's `normalized_mutual_information` has 100 bins from the smallest
to the largest value. Few voxels leave most bins empty and give too high values: compare methods in
a region, not regions.
"""

import numpy as np

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.protocol import SynthesisRules
from benchmarks.scoring.similarity import Voxels

METRIC = Metric(
    title="NMI",
    task="synthesis",
    better="higher",
    bounds=(1.0, 2.0),
    source="Studholme et al., Pattern Recognit. 32, 1999, doi:10.1016/S0031-3203(98)00091-0",
    shown=("brain",),
    order=4,
)

BINS = 64


def measure(voxels: Voxels, rules: SynthesisRules) -> float:
    """Return the NMI, in [1, 2]; NaN where both images have one intensity, so no information."""
    joint = voxels.histogram(BINS)
    shared = _entropy(joint)
    apart = _entropy(joint.sum(axis=0)) + _entropy(joint.sum(axis=1))
    return apart / shared if shared else np.nan


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())
