"""The regions in which volumes are scored: the one home of their names.

A label volume is (Z, Y, X) and holds -1 outside the brain, 0 in the brain, 1 in the necrotic and
non-enhancing core, 2 in the oedema, 3 in the enhancing tumour.
"""

from dataclasses import dataclass

import numpy as np

OUTSIDE, BRAIN, CORE, OEDEMA, ENHANCING = -1, 0, 1, 2, 3
LABELS = (OUTSIDE, BRAIN, CORE, OEDEMA, ENHANCING)
CLASSES = (BRAIN, CORE, OEDEMA, ENHANCING)
"""What a segmentor may predict; it does not know where the brain ends."""


@dataclass(frozen=True)
class Region:
    """A set of labels with a name for tables."""

    title: str
    labels: tuple[int, ...]


REGIONS = {
    "whole": Region("whole slice", LABELS),
    "brain": Region("brain", CLASSES),
    "wt": Region("whole tumour", (CORE, OEDEMA, ENHANCING)),
    "tc": Region("tumour core", (CORE, ENHANCING)),
    "et": Region("enhancing tumour", (ENHANCING,)),
}

TASK_REGIONS = {
    "synthesis": ("whole", "brain", "wt", "tc", "et"),
    "segmentation": ("wt", "tc", "et"),
}
"""The regions that make sense for a task; a protocol chooses among them."""


def region_mask(labels: np.ndarray, region: str) -> np.ndarray:
    """Return where `labels`, or predicted classes, belong to a region: bool, of the same shape.

    It is all False where the region is empty. Raises KeyError for an unknown region.
    """
    # Of so few labels this takes a tenth of the time of np.isin.
    return np.logical_or.reduce([labels == label for label in REGIONS[region].labels])


def tumour_slices(labels: np.ndarray) -> np.ndarray:
    """Return which axial slices of (Z, Y, X) labels contain tumour: bool, (Z,)."""
    return region_mask(labels, "wt").any(axis=(1, 2))
