"""Name the regions in which volumes are scored, and find their voxels.

A label volume is (Z, Y, X) and holds -1 outside the brain, 0 in the brain, 1 in the necrotic and
non-enhancing core, 2 in the oedema, 3 in the enhancing tumour.
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # planning has no numpy
    import numpy as np

OUTSIDE, BRAIN, CORE, OEDEMA, ENHANCING = -1, 0, 1, 2, 3
LABELS = (OUTSIDE, BRAIN, CORE, OEDEMA, ENHANCING)
CLASSES = (BRAIN, CORE, OEDEMA, ENHANCING)  # of a segmentor, to which all else is background


@dataclass(frozen=True)
class Region:
    title: str
    labels: tuple[int, ...]


REGIONS = {
    "whole": Region("whole slice", LABELS),
    "brain": Region("brain", CLASSES),
    "wt": Region("whole tumour", (CORE, OEDEMA, ENHANCING)),
    "tc": Region("tumour core", (CORE, ENHANCING)),
    "et": Region("enhancing tumour", (ENHANCING,)),
    "non_tumour": Region("all but the tumour, with air", (OUTSIDE, BRAIN)),
}

# The regions that make sense for a task; a protocol chooses among them.
TASK_REGIONS = {
    "synthesis": ("whole", "brain", "wt", "tc", "et", "non_tumour"),
    "segmentation": ("wt", "tc", "et"),
}


def region_mask(labels: "np.ndarray", region: str) -> "np.ndarray":
    """Return where labels or classes belong to a region: bool. Raises KeyError if it is unknown."""
    # For few labels this takes a tenth of the time of np.isin.
    return reduce(or_, (labels == label for label in REGIONS[region].labels))


def tumour_slices(labels: "np.ndarray") -> "np.ndarray":
    """Return which axial slices of (Z, Y, X) labels contain tumour: bool, (Z,)."""
    return region_mask(labels, "wt").any(axis=(1, 2))
