"""BraTS folders as people have them: the releases of 2013 to 2025, and data sets named alike."""

import csv
import difflib
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cohorts.patient import GRADES, KINDS, Patient, PatientFiles
from benchmarks.cohorts.releases import RELEASES, explain_misfit, possible_releases, release_of
from benchmarks.errors import InputError
from benchmarks.files import warn_once

if TYPE_CHECKING:
    import numpy as np

SETTINGS = ("path", "release")
SIMULATED = False

_SUFFIXES_2018 = {kind: f"_{kind}" for kind in KINDS}
_SUFFIXES_2023 = {"t1": "-t1n", "t2": "-t2w", "flair": "-t2f", "t1ce": "-t1c", "seg": "-seg"}
_ENDINGS = (".nii.gz", ".nii")
_IMAGE_NAME = re.compile(
    r"([^.].*)[_-](t1|t2|flair|t1ce|t1n|t1c|t2w|t2f|seg)\.nii(\.gz)?", re.DOTALL | re.IGNORECASE
)
# BraTS20_Training_355 ships its segmentation as W39_1998.09.19_Segm.nii.
_STRAY_SEGMENTATION = re.compile(r"[^.].*_Segm\.nii(\.gz)?")
# Folders below the root down to a patient's: Kaggle's copy has two above the patients, around or
# within which may be HGG and LGG.
_LEVELS = 4
# Hidden folders, and those of archives and file systems.
_NO_PATIENTS = (".", "__MACOSX", "lost+found", "System Volume Information", "$RECYCLE.BIN")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
# Names of a person's time points; the group that matches is the person.
_TIME_POINT = re.compile(
    r"(BraTS-[A-Za-z]+-\d+)-\d+|(UPENN-GBM-\d+)_.+|(UCSF-PDGM-\d+)_.+|(sub-[A-Za-z0-9]+)_ses-.+"
)
_PERMIT = "Ask for the right to read it (`chmod -R u+rX` if it is yours)."
_FAULTS = 9  # patients in a message


def find(cohort: Any, folder: Path) -> list[PatientFiles]:
    """List the patients below `cohort.path`; see `find_patients`."""
    return find_patients(cohort.path, cohort.release)


def read(files: PatientFiles) -> Patient:
    """Read and check one patient; labels of all releases become 0 to 3.

    Raises
    ------
    InputError : as `benchmarks.cohorts.nifti.read_patient`, and for labels that the patient's
        release does not have.
    """
    from benchmarks.cohorts import labelled, nifti

    uncounted: dict[str, int] = {}

    def to_classes(files: PatientFiles, labels: "np.ndarray") -> "np.ndarray":
        try:
            classes, others = labelled.to_classes(labels, RELEASES[files.release])
        except labelled.UnknownLabels as error:
            raise InputError(
                f"Patient {files.patient}: {files.seg} has {error}. "
                f"{explain_misfit(files.patient, files.release, error.voxels)}"
            ) from None
        uncounted.update(others)
        return classes

    return replace(nifti.read_patient(files, to_classes), uncounted=uncounted)


def find_patients(root: Path, release: str | None = None) -> list[PatientFiles]:
    """List the patients below a folder, sorted by name; opens no image and follows links.

    Parameters
    ----------
    root : holds the patients' folders, or all files of all patients, or the subfolders HGG and LGG,
        or one or two folders around either. Grades come from those subfolders or from
        name_mapping.csv.
    release : of the patients whose names leave it open; see `benchmarks.cohorts.releases`.

    Raises
    ------
    InputError : the folder does not exist or has no patient in it; a patient lacks a file or has
        one twice; two patients have one name; a name cannot be part of paths and commands; a file
        is a folder, a pipe, a device or a broken link, or may not be read; `release` is unknown, or
        no patient can be of it, or a patient's name needs it.
    """
    root = Path(root)
    if not os.path.isdir(root):
        raise InputError(f"There is no folder {root}. Give the folder that holds the patients.")
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"{root} cannot be opened: its permissions forbid it. {_PERMIT}")
    # Keep the user's path, but where `..` leads depends on what is a link.
    root = root.resolve() if ".." in root.parts else root.absolute()
    listed = list(_patients(root, _LEVELS))
    at_root = [names for _, folder, names in listed if folder == root]
    if len(at_root) == 1:
        image = min(filter(_IMAGE_NAME.fullmatch, at_root[0]))
        raise InputError(
            f"{root} is the folder of one patient, since {image} is in it. Give the folder above "
            "it, or move the file."
        )
    homes = {home for _, folder, _ in listed for home in (folder, folder.parent)}
    mapped = _mapped_grades({root.parent, root} | homes)
    patients: dict[str, PatientFiles] = {}
    faults: list[str] = []
    for patient, folder, names in listed:
        try:
            if patient in patients:
                raise InputError(
                    f"Patient {patient} lies twice under {root}: in {patients[patient].t1.parent} "
                    f"and in {folder}. Remove or rename one of the two."
                )
            grade = next((x.name for x in (folder, folder.parent) if x.name in GRADES), None)
            files = _files(patient, folder, names, grade or mapped.get(patient), release)
            patients[patient] = files
        except InputError as error:
            faults.append(str(error))
    if faults := list(dict.fromkeys(faults)):  # an unknown release is every patient's
        more = len(faults) - _FAULTS
        last = [f"And {more} more."] if more > 0 else []
        raise InputError("\n".join([*faults[:_FAULTS], *last]))
    if not patients:
        raise InputError(
            f"{root} holds no patient. A patient is a folder such as BraTS20_Training_001 with "
            "the files BraTS20_Training_001_t1.nii.gz, _t2, _flair, _t1ce and _seg (or, as in "
            "2023, -t1n, -t2w, -t2f, -t1c and -seg)."
        )
    releases = Counter(files.release for files in patients.values())
    if release and release not in releases:
        told_by_name = ", ".join(f"{count} of `{name}`" for name, count in releases.items())
        raise InputError(
            f"`cohort.release` is `{release}`, but by their names the patients below {root} are "
            f"{told_by_name}. Leave it out, or rename the folders and files."
        )
    return [patients[patient] for patient in sorted(patients)]


def _patients(folder: Path, levels: int) -> Iterator[tuple[str, Path, set[str]]]:
    """Each patient below a folder, at most `levels` deep: name, folder, and names of the files."""
    names = _listed(folder)
    images = defaultdict(set)
    for name in names:
        if match := _IMAGE_NAME.fullmatch(name):
            images[match[1]].add(name)
    if len(images) > 1 and folder.name not in images:
        yield from ((patient, folder, files) for patient, files in images.items())
        return
    if images:
        yield folder.name, folder, names
        return
    inner = [
        folder / name
        for name in sorted(names)
        if not name.startswith(_NO_PATIENTS) and os.path.isdir(folder / name)
    ]
    if inner and levels:
        for one in inner:
            yield from _patients(one, levels - 1)
    elif levels < _LEVELS and _is_named_as_patient(folder):
        # Never unpacked, or emptied: passed on so that its missing files are reported.
        yield folder.name, folder, names


def _listed(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError as error:
        fault = f"{folder} cannot be opened ({error.strerror})"
        if folder.name in GRADES or _is_named_as_patient(folder):
            raise InputError(f"{fault}. {_PERMIT}") from None
        warn_once(f"Skipped: {fault}.")
        return set()


def _is_named_as_patient(folder: Path) -> bool:
    return folder.name.lower().startswith("brats") or bool(possible_releases(folder.name))


def subject_of(patient: str) -> str:
    """Return the person whose time point a patient's name says that it is, or the patient."""
    match = _TIME_POINT.fullmatch(patient)
    return match[match.lastindex] if match else patient


def _files(
    patient: str, folder: Path, names: set[str], grade: str | None, release: str | None
) -> PatientFiles:
    if not _NAME.fullmatch(patient):
        raise InputError(
            f"{folder}: {patient!r} cannot be a patient's name, which becomes part of paths and of "
            "commands. Rename it, and its files, to at most 100 letters, digits, `_`, `-` and `.`, "
            "beginning with a letter or a digit."
        )
    paths = [_file(patient, folder, kind, names) for kind in KINDS]
    hyphens = paths[0].name[len(patient)] == "-"
    return PatientFiles(
        patient,
        grade,
        *paths,
        subject=subject_of(patient),
        release=release_of(patient, hyphens, release),
    )


def _file(patient: str, folder: Path, kind: str, names: set[str]) -> Path:
    stems = [patient + suffixes[kind] for suffixes in (_SUFFIXES_2018, _SUFFIXES_2023)]
    wanted = [(stem + ending).lower() for stem in stems for ending in _ENDINGS]
    present = [name for one in wanted for name in names if name.lower() == one]
    if kind == "seg" and not present:
        present = sorted(name for name in names if _STRAY_SEGMENTATION.fullmatch(name))
    if len(present) > 1:
        raise InputError(
            f"Patient {patient} has more than one {kind} in {folder}: {', '.join(present)}. "
            "Keep one of them."
        )
    if not present:
        others = [name for name in names if not _is_image_of(patient, name)]
        nearest = difflib.get_close_matches(f"{stems[0]}.nii.gz", others, n=1, cutoff=0.5)
        found = f"; the nearest name is {nearest[0]!r}" if nearest else ""
        hint = " Validation sets ship none: give the training set." if kind == "seg" else ""
        raise InputError(
            f"Patient {patient} lacks its {kind}: {folder} has neither {stems[0]}.nii.gz nor "
            f"{stems[0]}.nii (2023: {stems[1]}){found}.{hint} Add the file or remove the folder."
        )
    path = folder / present[0]
    try:
        is_file, may_be_read = stat.S_ISREG(path.stat().st_mode), os.access(path, os.R_OK)
    except OSError as error:
        is_file, may_be_read = False, not isinstance(error, PermissionError)
    if not may_be_read:
        raise InputError(
            f"Patient {patient}: {path} cannot be read: its permissions forbid it. {_PERMIT}"
        )
    if not is_file:
        raise InputError(
            f"Patient {patient}: {path} is no file: a folder, a pipe, a device, or a link to "
            "nothing. Put the original in its place; in a DataLad data set run `datalad get`."
        )
    return path


def _is_image_of(patient: str, name: str) -> bool:
    match = _IMAGE_NAME.fullmatch(name)
    return match is not None and match[1].lower() == patient.lower()


def _mapped_grades(folders: set[Path]) -> dict[str, str]:
    """Grades by patient from the name_mapping.csv of BraTS 2020 in any of the folders.

    Mappings of other years lack its column: there the grade is the subfolder's name.
    """
    grades: dict[str, str] = {}
    for path in sorted(folder / "name_mapping.csv" for folder in folders):
        if not os.path.isfile(path):
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
