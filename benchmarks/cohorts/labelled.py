"""Map the labels of a segmentation to classes, by the release that they are of."""

import numpy as np

from benchmarks.cohorts.releases import Release

_ROUNDING = 1e-3  # how far a label may be from a whole number, as after a change of type
_SHOWN = 8  # labels in a message


class UnknownLabels(ValueError):
    """Labels that a release lacks. `str` of it is a clause that lists the labels.

    Attributes
    ----------
    voxels : by label, without background.
    """

    def __init__(self, voxels: dict[float, int]):
        self.voxels = voxels
        shown = [f"{label:.7g} ({count} voxels)" for label, count in voxels.items()]
        if len(shown) > _SHOWN:
            shown[_SHOWN:] = [f"{len(shown) - _SHOWN} more"]
        super().__init__(f"labels {', '.join(shown)}")


def to_classes(labels: np.ndarray, release: Release) -> tuple[np.ndarray, dict[str, int]]:
    """Return the classes 0 to 3 as uint8, and the voxels of tissues outside all classes, by name.

    Raises
    ------
    UnknownLabels : a voxel has a label that the release lacks, or no whole number.
    """
    whole = labels if labels.dtype.kind in "iu" else np.rint(labels)
    classes, uncounted = np.zeros_like(whole, np.uint8), {}
    unknown = np.count_nonzero(whole)
    for label, tissue in release.labels.items():
        here = whole == label
        count = int(np.count_nonzero(here))
        unknown -= count
        if isinstance(tissue, int):
            classes += here * np.uint8(tissue)
        elif count:
            uncounted[tissue] = count
    if unknown or np.abs(labels - whole).max() > _ROUNDING:
        raise UnknownLabels(_voxels(labels, whole))
    return classes, uncounted


def _voxels(labels: np.ndarray, whole: np.ndarray) -> dict[float, int]:
    """Voxels by label, without background."""
    with np.errstate(invalid="ignore"):  # infinity minus itself
        labels = np.where(np.abs(labels - whole) <= _ROUNDING, whole, labels)
    values, counts = np.unique(labels[labels != 0], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
