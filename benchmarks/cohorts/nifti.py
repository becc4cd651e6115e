"""Read a patient's NIfTI files, whoever named and labelled them.

Every volume is turned to LPS axes (x to the patient's left, y to the back, z to the head). A file
is read from disk once, and no more of it is unpacked than its header declares.
"""

import hashlib
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations

from benchmarks.cohorts.patient import MODALITIES, Patient, PatientFiles
from benchmarks.errors import InputError

# Voxels, at the corners of the grid. Each voxel stays the nearest to its own counterpart, and a
# qform, which cannot hold the shear of an affine, may stand for it.
AFFINE_TOLERANCE = 0.4
_VOXEL_MM = (0.01, 100)  # smallest and largest side of a voxel
_HEADER_BYTES = {nib.Nifti1Image: 348, nib.Nifti2Image: 540}
_LARGEST_BYTES = 10**9  # unpacked; a volume of 240 x 240 x 155 float64 has 72 MB
_TRAILING_BYTES = 10**6  # allowed after the voxels
_MILLIMETRES = (0, 2)  # NIfTI's codes of spatial units: not given, and millimetres
_FIX = "Replace it by the original."


@dataclass(frozen=True)
class Volume:
    """One volume in LPS orientation.

    Attributes
    ----------
    array : (x, y, z), integers or float32.
    affine : (4, 4), its voxel indices to scanner mm (RAS+, as nibabel has it).
    sha256 : of its file.
    """

    array: np.ndarray
    affine: np.ndarray
    sha256: str


def read_patient(
    files: PatientFiles, to_classes: Callable[[PatientFiles, np.ndarray], np.ndarray]
) -> Patient:
    """Read and check the five files of one patient.

    Parameters
    ----------
    to_classes : maps the segmentation's values to the classes of `Patient.labels`, and raises
        InputError for a value that the source does not define. No tumour is allowed.

    Raises
    ------
    InputError : a file cannot be read or is not 3-D; its header gives a unit other than
        millimetres, no place in space, or more voxels than memory should hold; shapes or affines
        differ between files; a volume holds NaN, infinity or one value only.
    """
    digests, arrays, affines = {}, {}, {}
    for kind, path in files.all_files.items():
        volume = read_volume(files.patient, path)
        arrays[kind], affines[kind] = volume.array, volume.affine
        digests[kind] = volume.sha256
    _check_same_grid(files, arrays, affines)
    labels = to_classes(files, arrays.pop("seg")).astype(np.uint8, copy=False)
    for modality in MODALITIES:
        extremes(files.patient, files.all_files[modality], arrays[modality])
    return Patient(
        patient=files.patient,
        grade=files.grade,
        volumes=arrays,
        labels=labels,
        affine=affines["t1"],
        spacing=tuple(float(mm) for mm in nib.affines.voxel_sizes(affines["t1"])),
        sha256=digests,
    )


def read_volume(patient: str, path: Path, fix: str = _FIX) -> Volume:
    """Read one 3-D volume of a patient, and turn it to LPS.

    Parameters
    ----------
    fix : says what to do about a file that is no such volume.

    Raises
    ------
    InputError : as `read_patient` does of a single file, but for what its voxels hold.
    """
    # Nibabel and gzip raise a dozen kinds of exceptions on damaged bytes.
    try:
        image, sha256 = _read_image(path)
        array = np.asanyarray(image.dataobj)
    except PermissionError as error:
        raise InputError(
            f"Patient {patient}: {path} cannot be read: its permissions forbid it. Ask for the "
            "right to read it (`chmod u+r` if it is yours)."
        ) from error
    except Exception as error:
        raise InputError(
            f"Patient {patient}: {path} cannot be read as NIfTI ({error}). It is damaged or was "
            "not copied to its end: copy or download it again."
        ) from error
    if fault := _fault_of_space(path, image) or _fault_of_array(path, array):
        raise InputError(f"Patient {patient}: {fault}. {fix}")
    return Volume(*_to_lps(_three_dimensional(array), image.affine), sha256)


def extremes(patient: str, path: Path, volume: np.ndarray, fix: str = _FIX) -> tuple[float, float]:
    """Return the lowest and the highest value of an image.

    Raises
    ------
    InputError : the volume holds NaN, infinity or one value only.
    """
    lowest, highest = volume.min(), volume.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise InputError(f"Patient {patient}: {path} holds NaN or infinite voxels. {fix}")
    if lowest == highest:
        raise InputError(
            f"Patient {patient}: every voxel of {path} is {lowest}: there is no image in it. {fix}"
        )
    return float(lowest), float(highest)


def voxels_apart(affine: np.ndarray, reference: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return how far corners of a grid lie from those of another, along any axis of the other."""
    corners = np.stack(np.meshgrid(*([0, n - 1] for n in shape)), axis=-1).reshape(-1, 3)
    moved = nib.affines.apply_affine(np.linalg.inv(reference) @ affine, corners)
    return np.abs(moved - corners).max()


def _read_image(path: Path) -> tuple[nib.Nifti1Image, str]:
    """Read an image, compressed or not, once its header fits its size; and its file's sha256."""
    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError(f"it has more than {_LARGEST_BYTES} bytes")
    stored = path.read_bytes()
    start = _unpacked(stored, max(_HEADER_BYTES.values()))
    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")}
    image = nib.Nifti2Image if _HEADER_BYTES[nib.Nifti2Image] in sizes else nib.Nifti1Image
    length = _HEADER_BYTES[image]
    header = image.header_class(start[:length], check=False)
    if header["sizeof_hdr"] != length:
        raise ValueError(f"its header begins with {header['sizeof_hdr']} instead of {length}")
    # Python's integers do not overflow.
    shape = [int(n) for n in header["dim"][1 : 1 + header["dim"][0]]]
    offset = max(length + 4, int(header["vox_offset"]))
    end = offset + math.prod(shape) * header.get_data_dtype().itemsize
    if min(shape) < 1 or end > _LARGEST_BYTES:
        raise ValueError(f"its header says {shape} voxels that begin at byte {offset}")
    data = _unpacked(stored, end + _TRAILING_BYTES)
    if len(data) < end:
        raise EOFError(f"{len(data)} bytes in place of {end}")
    if len(data) == end + _TRAILING_BYTES:
        raise ValueError("it goes on long after its voxels")
    return image.from_bytes(data), hashlib.sha256(stored).hexdigest()


def _unpacked(stored: bytes, most: int) -> bytes:
    """Return the first `most` bytes of a file; a whole compressed one matches its checksum."""
    if not stored.startswith(b"\x1f\x8b"):
        return stored[:most]
    # In one piece, which takes two thirds of the time of gzip.GzipFile's many.
    data = b""
    while stored and len(data) < most:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16)  # 16 for gzip's header
        data += member.decompress(stored, most - len(data))
        if not member.eof and len(data) < most:
            raise EOFError("its compressed data break off")
        stored = member.unused_data.lstrip(b"\0")
    return data


def _fault_of_array(path: Path, array: np.ndarray) -> str:
    volume = array.ndim >= 3 and all(n == 1 for n in array.shape[3:])
    if not volume or array.dtype.kind not in "iuf" or not array.size:
        return (
            f"{path} holds an array of shape {array.shape} and type {array.dtype}, not one 3-D "
            "volume of numbers"
        )
    return ""


def _three_dimensional(array: np.ndarray) -> np.ndarray:
    """A volume without further axes, as integers or float32."""
    while array.ndim > 3:
        array = array[..., 0]
    # A scale factor in the header makes nibabel compute in float64.
    dtype = np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    with np.errstate(over="ignore"):  # overflow to infinity is reported with the intensities
        return array.astype(dtype, copy=False)


def _fault_of_space(path: Path, image: nib.Nifti1Image) -> str:
    unit = int(image.header["xyzt_units"]) & 7
    if unit not in _MILLIMETRES:
        return f"{path} says that its unit is another than millimetres (xyzt_units {unit})"
    affine, sizes = image.affine, nib.affines.voxel_sizes(image.affine)
    flat = not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3
    if flat or sizes.min() < _VOXEL_MM[0] or sizes.max() > _VOXEL_MM[1]:
        return f"{path} gives its voxels no place or no size in space: affine {affine.tolist()}"
    return ""


def _to_lps(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    turn = orientations.ornt_transform(
        orientations.io_orientation(affine), orientations.axcodes2ornt("LPS")
    )
    turned = nib.spatialimages.SpatialImage(array, affine).as_reoriented(turn)
    return np.asanyarray(turned.dataobj), turned.affine


def _check_same_grid(
    files: PatientFiles, arrays: dict[str, np.ndarray], affines: dict[str, np.ndarray]
) -> None:
    for kind, path in files.all_files.items():
        if arrays[kind].shape != arrays["t1"].shape:
            raise InputError(
                f"Patient {files.patient}: {path} has shape {arrays[kind].shape}, but "
                f"{files.t1.name} has {arrays['t1'].shape}. Use co-registered volumes."
            )
        apart = voxels_apart(affines[kind], affines["t1"], arrays["t1"].shape)
        if not apart <= AFFINE_TOLERANCE:
            raise InputError(
                f"Patient {files.patient}: {path} lies elsewhere in space than {files.t1.name} (by "
                f"up to {apart:.3g} voxels). Use co-registered volumes, or copy the affine of T1 "
                "into the file if its voxels do match."
            )
