"""The slice store: each patient's slices as training reads them, without holding them in memory.

A patient is two files. `<patient>.npy` is an int16 array of shape (slices, 5, rows, columns) with
the channels t1, t2, flair, t1ce and labels, normalised as `benchmarks.cohorts.normalisation` says;
`<patient>.json` (`Meta`) describes it and the files that it was made from, with their checksums.
Rows run from front to back and columns from the patient's right to the left, so that a slice shown
as it is looks as radiologists view it.

The working grid is the original one with blocks of `downsample` x `downsample` x `step` voxels
averaged into one. Only the box around the brain is stored; the rest is background.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import nibabel as nib
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.checksums import checksum
from benchmarks.cohorts.normalisation import (
    CHANNELS,
    IMAGES,
    LABELS,
    SCALE,
    Block,
    from_int16,
    stored_slices,
)
from benchmarks.cohorts.patient import KINDS, MODALITIES, PatientFiles
from benchmarks.cohorts.sources import Source
from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from benchmarks.scoring.regions import CLASSES, OUTSIDE

Count = Annotated[int, Field(ge=1, lt=2**31)]
CountOrZero = Annotated[int, Field(ge=0, lt=2**31)]
Span = tuple[CountOrZero, Count]
Row4 = tuple[float, float, float, float]


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Grid(_Stored):
    """The working grid; `crop` is the side, in its voxels, of the central square of training.

    `downsample` voxels along rows and columns, and `step` slices, are averaged into one.
    """

    crop: Count = 224
    downsample: Count = 1
    step: Count = 1

    @property
    def block(self) -> Block:
        """Original voxels in a working voxel, along z, y, x."""
        return self.step, self.downsample, self.downsample

    def shape(self, original: Sequence[int]) -> tuple[int, int, int]:
        """Working voxels along z, y, x, of an original shape along x, y, z."""
        return tuple(-(-n // size) for n, size in zip(original[::-1], self.block, strict=True))


class InputFile(_Stored):
    """A file that was read: its name without folders, and its sha256."""

    name: str
    sha256: str


class Meta(_Stored):
    """The description of a stored patient, in JSON beside the array; axes are z, y, x.

    Attributes
    ----------
    source : name of the source that read the patient, such as "brats".
    original_shape : voxels along x, y, z of the volumes read (in LPS orientation).
    original_affine : (4, 4), their voxel indices to scanner mm (RAS+, as nibabel has it).
    spacing, shape : mm per voxel and voxels of the working grid.
    box : start and stop of the stored part.
    percentiles : the two intensities that became -1 and 1.
    tumour_per_slice, tumour_outside_crop : voxels of tumour; the central crop cuts the latter off.
    array_bytes, sha256 : size and checksum of the .npy file.
    """

    format: Literal[2]
    patient: str
    grade: str | None
    source: str
    grid: Grid
    files: dict[Literal[KINDS], InputFile]
    original_shape: tuple[Count, Count, Count]
    original_affine: tuple[Row4, Row4, Row4, Row4]
    spacing: tuple[float, float, float]
    shape: tuple[Count, Count, Count]
    box: tuple[Span, Span, Span]
    percentiles: dict[Literal[MODALITIES], tuple[float, float]]
    tumour_per_slice: list[CountOrZero]
    tumour_outside_crop: CountOrZero
    array_bytes: Count
    sha256: str

    @model_validator(mode="after")
    def _parts_agree(self) -> "Meta":
        if self.shape != self.grid.shape(self.original_shape):
            raise ValueError(f"its `shape` {self.shape} is not that of `original_shape` on `grid`")
        spans = zip(self.box, self.shape, strict=True)
        if not all(start < stop <= full for (start, stop), full in spans):
            raise ValueError(f"its `box` {self.box} does not fit `shape` {self.shape}")
        if len(self.tumour_per_slice) != self.shape[0]:
            raise ValueError("its `tumour_per_slice` does not count every slice of `shape`")
        return self


@dataclass(frozen=True, eq=False)
class Scan:
    """Images and labels of one slice, of several, or of a whole patient.

    Attributes
    ----------
    images : float32 in [-1, 1], (4, Y, X) or (4, Z, Y, X), in the order of `MODALITIES`.
    labels : -1 to 3 as in benchmarks.scoring.regions, (Y, X) int64 or (Z, Y, X) int8.
    """

    images: np.ndarray
    labels: np.ndarray

    t1 = property(lambda self: self.images[MODALITIES.index("t1")])
    t2 = property(lambda self: self.images[MODALITIES.index("t2")])
    flair = property(lambda self: self.images[MODALITIES.index("flair")])
    t1ce = property(lambda self: self.images[MODALITIES.index("t1ce")])

    def select(self, modalities: Sequence[str]) -> np.ndarray:
        """Copy the images of some modalities, in their order: (C, ...)."""
        return self.images[[MODALITIES.index(modality) for modality in modalities]]


def prepare(files: PatientFiles, folder: Path, grid: Grid, source: Source) -> None:
    """Read one patient and write folder/<patient>.npy and folder/<patient>.json.

    The .json is written last: it exists only beside a complete array, whose checksum it holds.

    Raises
    ------
    InputError : as `source.read` and `stored_slices` do; the source gives a label that is no class.
    """
    patient = source.read(files)
    if (highest := patient.labels.max()) > max(CLASSES):
        raise InputError(
            f"Patient {files.patient}: `read` of the source `{source.name}` gives label {highest}. "
            f"It must map the segmentation to the classes {CLASSES}."
        )
    box, array, percentiles = stored_slices(patient, grid.block)
    array_path, meta_path = _paths(folder, files.patient)
    meta_path.unlink(missing_ok=True)
    with write_atomically(array_path) as file:
        np.save(file, array)
    shape = grid.shape(patient.labels.shape)
    tumour = array[:, LABELS] > 0
    tumour_per_slice = np.zeros(shape[0], int)
    tumour_per_slice[box[0]] = tumour.sum(axis=(1, 2))
    in_crop = np.zeros((len(tumour), grid.crop, grid.crop), bool)
    _paste(in_crop, tumour, (box[1].start, box[2].start), shape[1:])
    meta = Meta(
        format=2,
        patient=patient.patient,
        grade=patient.grade,
        source=source.name,
        grid=grid,
        files={
            kind: InputFile(name=path.name, sha256=patient.sha256[kind])
            for kind, path in files.all_files.items()
        },
        original_shape=patient.labels.shape,
        original_affine=tuple(map(tuple, patient.affine.tolist())),
        spacing=tuple(mm * n for mm, n in zip(patient.spacing[::-1], grid.block, strict=True)),
        shape=shape,
        box=tuple((span.start, span.stop) for span in box),
        percentiles=percentiles,
        tumour_per_slice=tumour_per_slice.tolist(),
        tumour_outside_crop=int(tumour.sum() - in_crop.sum()),
        array_bytes=array_path.stat().st_size,
        sha256=checksum(array_path),
    )
    with write_atomically(meta_path) as file:
        file.write(meta.model_dump_json().encode())


class StoredPatient:
    """One prepared patient: cheap to open, to keep and to send to a worker process.

    The array is mapped at the first read. `spacing` (mm) and `shape` are along z, y, x of the whole
    working grid, `tumour_slices` are the z of the slices that contain tumour, ascending.

    Raises
    ------
    InputError : the patient is not in the store, is damaged, or was written by another version.
    """

    def __init__(self, folder: Path, patient: str) -> None:
        self._path, meta_path = _paths(folder, patient)
        self.meta = _read_meta(meta_path)
        size = self._path.stat().st_size if self._path.exists() else 0
        if size != self.meta.array_bytes:
            raise _stale(self._path, f"it has {size} bytes instead of {self.meta.array_bytes}")
        self.patient, self.grade = self.meta.patient, self.meta.grade
        self.grid, self.spacing, self.shape = self.meta.grid, self.meta.spacing, self.meta.shape
        self.tumour_slices = np.flatnonzero(self.meta.tumour_per_slice)

    @property
    def diagonal_mm(self) -> float:
        """Diagonal of the whole original volume: 373.13 for 240 x 240 x 155 at 1 mm."""
        spacing = nib.affines.voxel_sizes(np.array(self.meta.original_affine))
        return float(np.linalg.norm(spacing * self.meta.original_shape))

    def slice(self, z: int, crop: int) -> Scan:
        """Read slice z, its central square: images (4, crop, crop), labels int64 (crop, crop).

        What reaches beyond the working grid is background. Without a slice z it is an IndexError.
        """
        (frame,) = self._frames([z], (crop, crop))
        return Scan(from_int16(frame[IMAGES]), frame[LABELS].astype(np.int64))

    def slices(self, chosen: Sequence[int], crop: int) -> Scan:
        """Read some slices, (4, len(chosen), crop, crop), labels int8; see `slice`."""
        return _as_scan(self._frames(chosen, (crop, crop)))

    def volume(self, crop: int | None = None) -> Scan:
        """Read all slices, (4, Z, crop, crop), labels int8; without a crop the whole grid."""
        size = self.shape[1:] if crop is None else (crop, crop)
        return _as_scan(self._frames(range(self.shape[0]), size))

    def _frames(self, chosen: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Read int16 (len(chosen), 5, *size) of some slices, centred."""
        frames = np.empty((len(chosen), len(CHANNELS), *size), np.int16)
        frames[:, IMAGES] = -SCALE
        frames[:, LABELS] = OUTSIDE
        (z0, z1), (y0, _), (x0, _) = self.meta.box
        for frame, z in zip(frames, chosen, strict=True):
            if not 0 <= z < self.shape[0]:
                raise IndexError(f"slice {z} of {self.patient}, which has 0 to {self.shape[0] - 1}")
            if z0 <= z < z1:
                _paste(frame, self._array[z - z0], (y0, x0), self.shape[1:])
        return frames

    @cached_property
    def _array(self) -> np.ndarray:
        (z0, z1), (y0, y1), (x0, x1) = self.meta.box
        try:
            return map_array(self._path, np.int16, (z1 - z0, len(CHANNELS), y1 - y0, x1 - x0))
        except ValueError as error:
            raise _stale(self._path, str(error)) from None

    def __getstate__(self) -> dict:
        # A pickled memory map would carry the whole array: the receiver maps the file anew.
        return {name: value for name, value in vars(self).items() if name != "_array"}


def _as_scan(frames: np.ndarray) -> Scan:
    """Convert stored slices (n, 5, Y, X)."""
    return Scan(from_int16(frames[:, IMAGES].swapaxes(0, 1)), frames[:, LABELS].astype(np.int8))


def map_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """Map the array of a .npy file into memory; its numbers are read at first use.

    Raises
    ------
    ValueError : it is not whole, or not of that type and shape, or of objects, which numpy would
        unpickle; the message is a clause that says what was found.
    """
    try:
        with np.errstate(over="ignore"):  # a shape that overflows fits no file
            array = np.lib.format.open_memmap(path, mode="r")
    # Numpy parses the header as Python source, so a damaged one raises any exception.
    except Exception as error:
        raise ValueError(f"it is no whole .npy file ({error})") from None
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"it holds {array.dtype} of shape {array.shape} instead of {np.dtype(dtype)} of {shape}"
        )
    return array


def center_crop_or_pad(volume: np.ndarray, size: int | tuple[int, int], fill: float) -> np.ndarray:
    """Crop or pad the last two axes to `size` about their centre; new pixels are `fill`.

    Padding a crop back to the size it was cut from puts every pixel where it was.
    """
    size = (size, size) if isinstance(size, int) else size
    frame = np.full((*volume.shape[:-2], *size), fill, volume.dtype)
    _paste(frame, volume, (0, 0), volume.shape[-2:])
    return frame


def to_nifti(volume: np.ndarray, meta: Meta, kind: Literal["image", "labels"]) -> nib.Nifti1Image:
    """Convert a (Z, Y, X) volume on the whole working grid to NIfTI that overlays the original.

    Images become float32; labels uint8 as BraTS has them up to 2021 (0, 1, 2, 4).

    Raises
    ------
    ValueError : the volume is not on the patient's working grid.
    """
    if volume.shape != meta.shape:
        raise ValueError(f"{volume.shape} is not the working grid {meta.shape}")
    if kind == "labels":
        voxels = np.array([0, 1, 2, 4], np.uint8)[np.maximum(volume, 0)]
    else:
        voxels = volume.astype(np.float32, copy=False)
    block = np.array(meta.grid.block[::-1], float)
    to_block_centre = nib.affines.from_matvec(np.diag(block), (block - 1) / 2)
    image = nib.Nifti1Image(voxels.T, np.array(meta.original_affine) @ to_block_centre)
    image.header.set_xyzt_units("mm")
    return image


def _paste(frame: np.ndarray, part: np.ndarray, starts: Sequence[int], full: Sequence[int]) -> None:
    """Copy `part` into `frame`, along the last two axes; what sticks out is lost.

    `part` starts at row, column `starts` of a plane of `full` pixels, `frame` is the plane's
    central window, which may be the larger.
    """
    target, source = [], []
    sides = zip(starts, full, part.shape[-2:], frame.shape[-2:], strict=True)
    for start, whole, length, side in sides:
        corner = start - int((whole - side) / 2)
        low, high = max(corner, 0), max(min(corner + length, side), 0)
        target.append(slice(low, high))
        source.append(slice(low - corner, max(high - corner, 0)))
    frame[..., *target] = part[..., *source]


def _paths(folder: Path, patient: str) -> tuple[Path, Path]:
    return Path(folder) / f"{patient}.npy", Path(folder) / f"{patient}.json"


def _read_meta(path: Path) -> Meta:
    try:
        meta = Meta.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"Patient {path.stem} is not in the store {path.parent}: {path.name} is missing. "
            "Run prepare for this patient."
        ) from None
    except (OSError, ValidationError) as error:
        fault = _first_fault(error) if isinstance(error, ValidationError) else str(error)
        raise _stale(path, fault) from None
    if meta.patient != path.stem:
        raise _stale(path, f"its `patient` is {meta.patient!r:.200}")
    return meta


def _first_fault(error: ValidationError) -> str:
    """Describe one fault in a clause: that of `format` if there is one, since others follow."""
    fault = min(error.errors(), key=lambda fault: fault["loc"] != ("format",))
    key, message = ".".join(map(str, fault["loc"])), fault["msg"]
    if fault["type"] == "json_invalid":
        return f"it is not JSON ({message})"
    if fault["type"] == "missing":
        return f"its `{key}` is missing"
    value = f"its `{key}` is {fault['input']!r:.200} ({message})"
    return value if key else message.removeprefix("Value error, ")


def _stale(path: Path, fault: str) -> InputError:
    return InputError(
        f"Patient {path.stem}: {path} cannot be used, since {fault}. Delete it and run prepare "
        "again."
    )
