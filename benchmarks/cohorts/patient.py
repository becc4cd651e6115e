"""A patient as a source gives it: first where the files are, then what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MODALITIES = ("t1", "t2", "flair", "t1ce")
KINDS = (*MODALITIES, "seg")
GRADES = ("HGG", "LGG")


@dataclass(frozen=True)
class PatientFiles:
    """Where the five files of one patient are; `grade` is one of `GRADES`, or None (not known)."""

    patient: str
    grade: str | None
    t1: Path
    t2: Path
    flair: Path
    t1ce: Path
    seg: Path

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
    """

    patient: str
    grade: str | None
    volumes: dict[str, np.ndarray]
    labels: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float]
    sha256: dict[str, str]
