"""Structural similarity of masked volumes in three dimensions, as BraSyn scores syntheses.

Both volumes are set to 0 outside the region, and the mean of their SSIM map is over the whole
volume, the zeros included. These count as perfect: where the region is 1 % of the volume, the value
is near 1 for every method. It orders methods; `ssim_3d` has a size that says something.
"""

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.protocol import SynthesisRules
from benchmarks.scoring.similarity import Voxels

METRIC = Metric(
    title="Masked SSIM",
    task="synthesis",
    better="higher",
    bounds=(-1.0, 1.0),
    digits=4,
    source="https://github.com/hongweilibran/BraSyn, ssim.py; with torchmetrics since 1.5",
    shown=("wt", "non_tumour"),
    order=6,
)


def measure(voxels: Voxels, rules: SynthesisRules) -> float:
    """Return the mean SSIM of the masked volumes, in [-1, 1]."""
    return voxels.ssim_masked(rules.ssim_window, rules.ssim_data_range)
