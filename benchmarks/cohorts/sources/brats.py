"""BraTS folders as people have them: the releases of 2018 to 2021 and of 2023."""

import csv
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cohorts.patient import GRADES, KINDS, Patient, PatientFiles
from benchmarks.errors import InputError

if TYPE_CHECKING:
    import numpy as np

SETTINGS = ("path",)
SIMULATED = False

_SUFFIXES_2018 = {kind: f"_{kind}" for kind in KINDS}
_SUFFIXES_2023 = {"t1": "-t1n", "t2": "-t2w", "flair": "-t2f", "t1ce": "-t1c", "seg": "-seg"}
_ENDINGS = (".nii.gz", ".nii")
_IMAGE_NAME = re.compile(r"[^.].*[_-](t1|t2|flair|t1ce|t1n|t1c|t2w|t2f|seg)\.nii(\.gz)?", re.DOTALL)
# BraTS20_Training_355 ships its segmentation as W39_1998.09.19_Segm.nii.
_STRAY_SEGMENTATION = re.compile(r"[^.].*_Segm\.nii(\.gz)?")
# Kaggle's copy has two folders around the patients; around them or within may be HGG and LGG.
_LEVELS_ABOVE_PATIENTS = 3
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def find(cohort: Any, folder: Path) -> list[PatientFiles]:
    """List the patients below `cohort.path`; see `find_patients`."""
    return find_patients(cohort.path)


def read(files: PatientFiles) -> Patient:
    """Read and check one patient; labels of all releases become 0 to 3.

    Raises
    ------
    InputError : as `benchmarks.cohorts.nifti.read_patient`, and for labels that BraTS does not use.
    """
    from benchmarks.cohorts import nifti

    return nifti.read_patient(files, _classes)


def find_patients(root: Path) -> list[PatientFiles]:
    """List the patients below a folder, sorted by name; opens no image.

    Parameters
    ----------
    root : holds the patients' folders, the subfolders HGG and LGG, or one or two folders around
        either. Grades come from those subfolders or from name_mapping.csv.

    Raises
    ------
    InputError : the folder does not exist or has no patient in it; a patient lacks a file or has
        one twice; two patients have one name; a name cannot be part of paths and commands; a file
        is a folder, a pipe, a device or a broken link.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"There is no folder {root}. Give the folder that holds the patients.")
    root = root.resolve()
    if _holds_images(os.listdir(root)):
        raise InputError(f"{root} is the folder of one patient. Give the folder above it.")
    listed = list(_patient_folders(root, _LEVELS_ABOVE_PATIENTS))
    mapped = _mapped_grades({root.parent, root, *(folder.parent for folder, _ in listed)})
    patients: dict[str, PatientFiles] = {}
    for folder, names in listed:
        patient = folder.name
        if patient in patients:
            raise InputError(
                f"Patient {patient} lies twice under {root}: in {patients[patient].t1.parent} and "
                f"in {folder}. Remove or rename one of the two."
            )
        if not _NAME.fullmatch(patient):
            raise InputError(
                f"{folder}: a patient goes by the folder's name, which becomes part of paths and "
                f"of commands, and {patient!r} cannot. Rename it, and its files, to at most 100 "
                "letters, digits, `_`, `-` and `.`, beginning with a letter or a digit."
            )
        grade = folder.parent.name if folder.parent.name in GRADES else mapped.get(patient)
        paths = [_file(folder, kind, names) for kind in KINDS]
        patients[patient] = PatientFiles(patient, grade, *paths)
    if not patients:
        raise InputError(
            f"{root} holds no patient. A patient is a folder such as BraTS20_Training_001 with "
            "the files BraTS20_Training_001_t1.nii.gz, _t2, _flair, _t1ce and _seg (or, as in "
            "2023, -t1n, -t2w, -t2f, -t1c and -seg)."
        )
    return [patients[patient] for patient in sorted(patients)]


def _patient_folders(folder: Path, levels: int) -> Iterator[tuple[Path, set[str]]]:
    """Each patient's folder with the names in it."""
    for inner in sorted(folder.iterdir()):
        if inner.name.startswith((".", "__MACOSX")) or not inner.is_dir():
            continue
        names = set(os.listdir(inner))
        if _holds_images(names):
            yield inner, names
        elif levels and any((inner / name).is_dir() for name in names):
            yield from _patient_folders(inner, levels - 1)
        elif inner.name.lower().startswith("brats"):
            # Never unpacked, or emptied: passed on so that its missing files are reported.
            yield inner, names


def _holds_images(names: Iterable[str]) -> bool:
    return any(_IMAGE_NAME.fullmatch(name) for name in names)


def _file(folder: Path, kind: str, names: set[str]) -> Path:
    stems = [folder.name + suffixes[kind] for suffixes in (_SUFFIXES_2018, _SUFFIXES_2023)]
    present = [stem + ending for stem in stems for ending in _ENDINGS if stem + ending in names]
    if kind == "seg" and not present:
        present = sorted(name for name in names if _STRAY_SEGMENTATION.fullmatch(name))
    if len(present) > 1:
        raise InputError(
            f"Patient {folder.name} has more than one {kind} in {folder}: {', '.join(present)}. "
            "Keep one of them."
        )
    if not present:
        hint = " Validation sets ship none: give the training set." if kind == "seg" else ""
        raise InputError(
            f"Patient {folder.name} lacks its {kind}: {folder} has neither {stems[0]}.nii.gz "
            f"nor {stems[0]}.nii (2023: {stems[1]}).{hint} Add the file or remove the folder."
        )
    path = folder / present[0]
    if not path.is_file():
        raise InputError(
            f"Patient {folder.name}: {path} is no file: a folder, a pipe, a device, or a link to "
            "nothing. Put the original in its place."
        )
    return path


def _mapped_grades(folders: set[Path]) -> dict[str, str]:
    """Grades by patient from the name_mapping.csv of BraTS 2020 in any of the folders.

    Mappings of other years lack its column: there the grade is the subfolder's name.
    """
    grades: dict[str, str] = {}
    for path in sorted(folder / "name_mapping.csv" for folder in folders):
        if not path.is_file():
            continue
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{path} cannot be read as CSV ({error}). Copy it again, or remove it: without it "
                "no patient has a grade."
            ) from None
        grades |= {row.get("BraTS_2020_subject_ID"): row.get("Grade") for row in rows}
    return {patient: grade for patient, grade in grades.items() if grade in GRADES}


def _classes(files: PatientFiles, labels: "np.ndarray") -> "np.ndarray":
    """Map labels to classes 0 to 3: enhancing tumour is 4 up to 2021 and 3 from 2023 on."""
    import numpy as np

    whole = labels.dtype.kind in "iu" or np.array_equal(labels, np.rint(labels))
    if not whole or labels.min() < 0 or labels.max() > 4:
        wrong = np.setdiff1d(labels, [0, 1, 2, 3, 4])
        raise InputError(
            f"Patient {files.patient}: {files.seg} has labels that BraTS does not use, such as "
            f"{wrong[0]:g}. They should be 0, 1, 2 and 4 (2023: 3)."
        )
    if (labels == 3).any() and (labels == 4).any():
        raise InputError(
            f"Patient {files.patient}: {files.seg} uses both label 3 and label 4, so which of them "
            "is enhancing tumour cannot be told. Relabel the file as 0, 1, 2, 4."
        )
    return np.minimum(labels, 3).astype(np.uint8, copy=False)
