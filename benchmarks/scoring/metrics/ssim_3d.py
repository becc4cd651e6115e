"""Structural similarity in three dimensions: the mean of the SSIM map over the region.

The map is of the whole volumes, with a window that reaches into the neighbouring slices, as
torchmetrics' `StructuralSimilarityIndexMeasure` of (1, 1, X, Y, Z). The protocol sets the window
and the data range.
"""

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.protocol import SynthesisRules
from benchmarks.scoring.similarity import Voxels

METRIC = Metric(
    title="3-D SSIM",
    task="synthesis",
    better="higher",
    bounds=(-1.0, 1.0),
    source="Wang et al., IEEE Trans. Image Process. 13, 2004, doi:10.1109/TIP.2003.819861; "
    "with a window of three dimensions",
    shown=("wt", "non_tumour"),
    order=5,
)


def measure(voxels: Voxels, rules: SynthesisRules) -> float:
    """Return the mean SSIM, in [-1, 1]."""
    return voxels.ssim_3d(rules.ssim_window, rules.ssim_data_range)
