"""Structural similarity: the mean of the SSIM map over the voxels of the region.

The protocol sets the window and the data range. The map is of each axial slice, and equals
scikit-image's `structural_similarity(..., full=True)`.
"""

from benchmarks.scoring.metric import Metric
from benchmarks.scoring.protocol import SynthesisRules
from benchmarks.scoring.similarity import Voxels

METRIC = Metric(
    title="SSIM",
    task="synthesis",
    better="higher",
    bounds=(-1.0, 1.0),
    source="Wang et al., IEEE Trans. Image Process. 13, 2004, doi:10.1109/TIP.2003.819861",
    shown=("brain", "et"),
    order=1,
)


def measure(voxels: Voxels, rules: SynthesisRules) -> float:
    """Return the mean SSIM, in [-1, 1]."""
    return voxels.ssim(rules.ssim_window, rules.ssim_data_range)
