"""A patient as a source gives it: first where the files are, then what they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MODALITIES = ("t1", "t2", "flair", "t1ce")
KINDS = (*MODALITIES, "seg")
GRADES = ("HGG", "LGG")


@dataclass(frozen=True)
class PatientFiles:
    """Where the five files of one patient are.

    Attributes
    ----------
    patient : the name that files and tables have: the folder's.
    grade : one of `GRADES`, or None (not known).
    subject : the person; `patient` unless the source knows several time points of one person.
    release : of the data set, whose labels the segmentation has; None where the source has one.
    """

    patient: str
    grade: str | None
    t1: Path
    t2: Path
    flair: Path
    t1ce: Path
    seg: Path
    subject: str = ""
    release: str | None = None

    def __post_init__(self) -> None:
        if not self.subject:
            object.__setattr__(self, "subject", self.patient)

    @property
    def all_files(self) -> dict[str, Path]:
        """The files by kind, always in the order of `KINDS`."""
        return {kind: getattr(self, kind) for kind in KINDS}


@dataclass(frozen=True)
class Patient:
    """One patient's images, all of shape (x, y, z) on one grid in LPS orientation.

    Attributes
    ----------
    volumes : by modality, intensities as stored: integers or float32.
    labels : uint8: 0 background, 1 necrosis and non-enhancing core, 2 oedema, 3 enhancing tumour.
    affine : (4, 4), voxel indices to scanner millimetres (RAS+, as nibabel has it).
    spacing : mm per voxel along x, y, z.
    sha256 : of each file on disk, by kind.
    uncounted : voxels of tissues that belong to no class, by name, e.g. "resection cavity". Their
        label is 0.
    """

    patient: str
    grade: str | None
    volumes: dict[str, np.ndarray]
    labels: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float]
    sha256: dict[str, str]
    uncounted: dict[str, int] = field(default_factory=dict)
