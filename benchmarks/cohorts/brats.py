"""Read BraTS folders as people have them: the releases of 2018 to 2021 and of 2023.

`find_patients` lists a folder and says where each patient's five files lie; `read_patient` reads
them, checks that they belong together, and gives them in one orientation with one set of labels.
"""

import csv
import hashlib
import math
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations

from benchmarks.errors import InputError

MODALITIES = ("t1", "t2", "flair", "t1ce")
GRADES = ("HGG", "LGG")

_KINDS = (*MODALITIES, "seg")
_SUFFIXES_2018 = {kind: f"_{kind}" for kind in _KINDS}
_SUFFIXES_2023 = {"t1": "-t1n", "t2": "-t2w", "flair": "-t2f", "t1ce": "-t1c", "seg": "-seg"}
_ENDINGS = (".nii.gz", ".nii")
_IMAGE_NAME = re.compile(r"[^.].*[_-](t1|t2|flair|t1ce|t1n|t1c|t2w|t2f|seg)\.nii(\.gz)?", re.DOTALL)
# BraTS20_Training_355 ships its segmentation as W39_1998.09.19_Segm.nii.
_STRAY_SEGMENTATION = re.compile(r"[^.].*_Segm\.nii(\.gz)?")
# Kaggle's copy has two folders around the patients; around them or within may be HGG and LGG.
_LEVELS_ABOVE_PATIENTS = 3

_AFFINE_TOLERANCE = 1e-3
_VOXEL_MM = (0.01, 100)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_HEADER_BYTES = 352
# BraTS volumes have 9 million voxels, at most 72 MB.
_LARGEST_BYTES = 10**9
_TRAILING_BYTES = 10**6
# What NIfTI calls its spatial units: not said, and millimetres.
_MILLIMETRES = (0, 2)


@dataclass(frozen=True)
class PatientFiles:
    """Where the five files of one patient lie; `grade` is "HGG", "LGG" or None (not known)."""

    patient: str
    grade: str | None
    t1: Path
    t2: Path
    flair: Path
    t1ce: Path
    seg: Path

    @property
    def all_files(self) -> dict[str, Path]:
        """The files by kind, always in the order t1, t2, flair, t1ce, seg."""
        return {kind: getattr(self, kind) for kind in _KINDS}


@dataclass(frozen=True)
class Patient:
    """One patient's images, all of shape (x, y, z) on one grid in LPS orientation.

    volumes  by modality, intensities as stored: integers or float32
    labels   uint8: 0 background, 1 necrosis and non-enhancing core, 2 oedema, 3 enhancing tumour
    affine   (4, 4), voxel indices to scanner millimetres (RAS+, as nibabel has it)
    spacing  mm per voxel along x, y, z
    sha256   of each file as it lies on disk, by kind
    """

    patient: str
    grade: str | None
    volumes: dict[str, np.ndarray]
    labels: np.ndarray
    affine: np.ndarray
    spacing: tuple[float, float, float]
    sha256: dict[str, str]

    @property
    def has_tumour(self) -> bool:
        return bool(self.labels.any())


def find_patients(root: Path) -> list[PatientFiles]:
    """The patients under `root`, sorted by name; lists folders and opens no image.

    `root` may hold the patients' folders, the subfolders HGG and LGG, or one or two folders
    around either. Grades come from those subfolders or from name_mapping.csv.

    Raises InputError for a folder that does not exist or has no patient in it, for a patient
    that lacks a file or has one twice, for two patients of one name, for a name that cannot be
    part of paths and commands, for a file that is none, and for a link that leads out of `root`.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"There is no folder {root}. Give the folder that holds the patients.")
    root = root.resolve()
    if _holds_images(_names(root)):
        raise InputError(f"{root} is the folder of one patient. Give the folder above it.")
    listed = list(_patient_folders(root, _LEVELS_ABOVE_PATIENTS))
    mapped = _mapped_grades({root.parent, root, *(folder.parent for folder, *_ in listed)})
    found: dict[str, PatientFiles] = {}
    for folder, names, folder_grade in listed:
        patient = folder.name
        if patient in found:
            raise InputError(
                f"Patient {patient} lies twice under {root}: in {found[patient].t1.parent} and "
                f"in {folder}. Remove or rename one of the two."
            )
        if not _NAME.fullmatch(patient):
            raise InputError(
                f"{folder}: a patient goes by the folder's name, which becomes part of paths and "
                f"of commands, and {patient!r} cannot. Rename it, and its files, to at most 100 "
                "letters, digits, `_`, `-` and `.`, beginning with a letter or a digit."
            )
        grade = folder_grade or mapped.get(patient)
        paths = {kind: folder / _file_name(folder, kind, names) for kind in _KINDS}
        for path in paths.values():
            _check_place(patient, path, root)
        found[patient] = PatientFiles(patient, grade, **paths)
    if not found:
        raise InputError(
            f"{root} holds no patient. A patient is a folder such as BraTS20_Training_001 with "
            "the files BraTS20_Training_001_t1.nii.gz, _t2, _flair, _t1ce and _seg (or, as in "
            "2023, -t1n, -t2w, -t2f, -t1c and -seg)."
        )
    return [found[patient] for patient in sorted(found)]


def read_patient(files: PatientFiles) -> Patient:
    """Read and check the five files of one patient.

    Every volume is turned to LPS axes (x to the patient's left, y to the back, z to the head),
    as BraTS files already lie. Labels of all releases become 0 to 3. A segmentation without
    tumour is allowed; see `Patient.has_tumour`.

    Raises InputError for a file that cannot be read or is not 3-D, for a header that says another
    unit than millimetres, no place in space or more voxels than memory should hold, for shapes or
    affines that differ between files, for labels that BraTS does not have, and for a volume that
    holds NaN or infinity or one value only. No more of a file is unpacked than its header says.
    """
    digests, arrays, affines = {}, {}, {}
    for kind, path in files.all_files.items():
        image, digests[kind] = _read_image(files.patient, path)
        _check_space(files.patient, path, image)
        arrays[kind], affines[kind] = _to_lps(_array_3d(files.patient, path, image), image.affine)
    _check_same_grid(files, arrays, affines)
    labels = _unified_labels(files.patient, files.seg, arrays.pop("seg"))
    for modality, volume in arrays.items():
        _check_intensities(files.patient, files.all_files[modality], volume)
    affine = affines["t1"]
    return Patient(
        patient=files.patient,
        grade=files.grade,
        volumes=arrays,
        labels=labels,
        affine=affine,
        spacing=tuple(float(mm) for mm in nib.affines.voxel_sizes(affine)),
        sha256=digests,
    )


def _patient_folders(folder: Path, levels: int) -> Iterator[tuple[Path, set[str], str | None]]:
    """Each patient's folder with the names in it and the grade that the folder above says."""
    grade = folder.name if folder.name in GRADES else None
    for inner in sorted(folder.iterdir()):
        if inner.name.startswith((".", "__MACOSX")) or not inner.is_dir():
            continue
        names = _names(inner)
        if _holds_images(names):
            yield inner, names, grade
        elif levels and any((inner / name).is_dir() for name in names):
            yield from _patient_folders(inner, levels - 1)
        elif inner.name.lower().startswith("brats"):
            # Never unpacked, or emptied: passed on so that its missing files are reported.
            yield inner, names, grade


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def _holds_images(names: set[str]) -> bool:
    return any(_IMAGE_NAME.fullmatch(name) for name in names)


def _file_name(folder: Path, kind: str, names: set[str]) -> str:
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
    return present[0]


def _check_place(patient: str, path: Path, root: Path) -> None:
    for link in (path.parent, path):
        if link.is_symlink() and not _target(link).is_relative_to(root):
            raise InputError(
                f"Patient {patient}: {link} is a link to {_target(link)}, outside of {root}. Put "
                "a copy in its place, or give the folder that holds the patients themselves."
            )
    if not path.is_file():
        raise InputError(
            f"Patient {patient}: {path} is no file: a folder, a pipe, or a link to nothing. Put "
            "the BraTS original in its place."
        )


def _target(link: Path) -> Path:
    # Path.resolve raises where links go round in a circle.
    return Path(os.path.realpath(link))


def _mapped_grades(folders: set[Path]) -> dict[str, str]:
    """Grades by patient from the name_mapping.csv of BraTS 2020 in any of the folders."""
    paths = [folder / "name_mapping.csv" for folder in sorted(folders)]
    grades: dict[str, str] = {}
    for path in filter(Path.is_file, paths):
        grades.update(_read_name_mapping(path))
    return grades


def _read_name_mapping(path: Path) -> dict[str, str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as CSV ({error}). Copy it again, or remove it: without it no "
            "patient has a grade."
        ) from None
    # Mappings of other years lack the column: there the grade is the subfolder's name.
    return {
        row["BraTS_2020_subject_ID"]: row["Grade"]
        for row in rows
        if row.get("BraTS_2020_subject_ID") and row.get("Grade") in GRADES
    }


def _read_image(patient: str, path: Path) -> tuple[nib.Nifti1Image, str]:
    """The image, wholly in memory, and the sha256 of the file: the disk is read only once."""
    # Nibabel and zlib raise whatever a damaged byte leads them to: a dozen kinds so far.
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError(f"it has more than {_LARGEST_BYTES} bytes")
        stored = path.read_bytes()
        image = nib.Nifti1Image.from_bytes(_unpacked(stored))
        return image, hashlib.sha256(stored).hexdigest()
    except Exception as error:
        raise _unreadable(patient, path, error) from error


def _unpacked(stored: bytes) -> bytes:
    """The bytes of a NIfTI file, compressed or not, once its header is seen to fit them."""
    header_bytes = _inflated(stored, _HEADER_BYTES)[:348]
    header = nib.Nifti1Header(header_bytes, check=False)
    # Python's numbers, which do not overflow.
    if header["sizeof_hdr"] != 348:
        raise ValueError(f"its header begins with {header['sizeof_hdr']} instead of 348")
    shape = [int(n) for n in header["dim"][1 : 1 + header["dim"][0]]]
    size = math.prod(shape) * header.get_data_dtype().itemsize
    offset = max(_HEADER_BYTES, int(header["vox_offset"]))
    if min(shape) < 1 or offset + size > _LARGEST_BYTES:
        raise ValueError(f"its header says {shape} voxels that begin at byte {offset}")
    most = offset + size + _TRAILING_BYTES
    data = _inflated(stored, most)
    if len(data) < offset + size:
        raise EOFError(f"{len(data)} bytes in place of {offset + size}")
    if len(data) >= most:
        raise ValueError("it goes on long after its voxels")
    return data


def _inflated(stored: bytes, most: int) -> bytes:
    """The first `most` bytes of a file, compressed or not; a whole one matches its checksum."""
    if not stored.startswith(b"\x1f\x8b"):
        return stored[:most]
    # In one piece, which takes less time than gzip.GzipFile's many.
    data = b""
    while stored and len(data) < most:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16)  # 16 for gzip's header
        data += member.decompress(stored, most - len(data))
        if not member.eof and len(data) < most:
            raise EOFError("its compressed data break off")
        stored = member.unused_data.lstrip(b"\0")
    return data


def _array_3d(patient: str, path: Path, image: nib.Nifti1Image) -> np.ndarray:
    try:
        array = np.asanyarray(image.dataobj)
    except Exception as error:
        raise _unreadable(patient, path, error) from error
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3 or array.dtype.kind not in "iuf" or not array.size:
        raise InputError(
            f"Patient {patient}: {path} holds an array of shape {array.shape} and type "
            f"{array.dtype}, not one 3-D volume of numbers. Replace it by the BraTS original."
        )
    # A scale factor in the header makes nibabel compute in float64.
    dtype = np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    with np.errstate(over="ignore"):  # what float32 cannot hold is told as infinite
        return array.astype(dtype, copy=False)


def _unreadable(patient: str, path: Path, error: Exception) -> InputError:
    return InputError(
        f"Patient {patient}: {path} cannot be read as NIfTI ({error}). It is damaged or was not "
        "copied to its end: copy or download it again."
    )


def _check_space(patient: str, path: Path, image: nib.Nifti1Image) -> None:
    unit = int(image.header["xyzt_units"]) & 7
    if unit not in _MILLIMETRES:
        raise InputError(
            f"Patient {patient}: {path} says that it is measured in another unit than millimetres "
            f"(xyzt_units {unit}). Replace it by the BraTS original."
        )
    affine = image.affine[:3, :3]
    sizes = nib.affines.voxel_sizes(image.affine)
    flat = not np.isfinite(image.affine).all() or np.linalg.matrix_rank(affine) < 3
    if flat or sizes.min() < _VOXEL_MM[0] or sizes.max() > _VOXEL_MM[1]:
        raise InputError(
            f"Patient {patient}: the affine of {path} gives its voxels no place or no size in "
            f"space: {image.affine.tolist()}. Replace it by the BraTS original."
        )


def _to_lps(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    turn = orientations.ornt_transform(
        orientations.io_orientation(affine), orientations.axcodes2ornt(("L", "P", "S"))
    )
    if np.array_equal(turn, [[0, 1], [1, 1], [2, 1]]):
        return array, affine
    turned = orientations.apply_orientation(array, turn)
    return turned, affine @ orientations.inv_ornt_aff(turn, array.shape)


def _check_same_grid(
    files: PatientFiles, arrays: dict[str, np.ndarray], affines: dict[str, np.ndarray]
) -> None:
    for kind, path in files.all_files.items():
        if arrays[kind].shape != arrays["t1"].shape:
            raise InputError(
                f"Patient {files.patient}: {path} has shape {arrays[kind].shape}, but "
                f"{files.t1.name} has {arrays['t1'].shape}. Use the co-registered BraTS volumes."
            )
        if not np.allclose(affines[kind], affines["t1"], rtol=0, atol=_AFFINE_TOLERANCE):
            apart = np.abs(affines[kind] - affines["t1"]).max()
            raise InputError(
                f"Patient {files.patient}: {path} lies elsewhere in space than {files.t1.name} "
                f"(their affines differ by up to {apart:g}). Use the co-registered BraTS volumes, "
                "or copy the affine of T1 into the file if its voxels do match."
            )


def _check_intensities(patient: str, path: Path, volume: np.ndarray) -> None:
    lowest, highest = volume.min(), volume.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise InputError(
            f"Patient {patient}: {path} holds NaN or infinite voxels. Replace it by the BraTS "
            "original."
        )
    if lowest == highest:
        raise InputError(
            f"Patient {patient}: every voxel of {path} is {lowest}: there is no image in it. "
            "Replace it by the BraTS original."
        )


def _unified_labels(patient: str, path: Path, labels: np.ndarray) -> np.ndarray:
    """Labels 0 to 3: enhancing tumour is 4 up to 2021 and 3 from 2023 on."""
    whole = labels.dtype.kind in "iu" or np.array_equal(labels, np.rint(labels))
    if not whole or labels.min() < 0 or labels.max() > 4:
        wrong = np.setdiff1d(labels, [0, 1, 2, 3, 4])
        raise InputError(
            f"Patient {patient}: {path} has labels that BraTS does not use, such as {wrong[0]:g}. "
            "They should be 0, 1, 2 and 4 (2023: 3)."
        )
    if (labels == 3).any() and (labels == 4).any():
        raise InputError(
            f"Patient {patient}: {path} uses both label 3 and label 4, so which of them is "
            "enhancing tumour cannot be told. Relabel the file as 0, 1, 2, 4."
        )
    return np.minimum(labels, 3).astype(np.uint8, copy=False)
