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
from pathlib import Path
from typing import Annotated, Literal

import nibabel as nib
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.checksums import checksum
from benchmarks.cohorts.arrays import StoredArray
from benchmarks.cohorts.duplicates import signature
from benchmarks.cohorts.normalisation import (
    CHANNELS,
    IMAGES,
    LABELS,
    SCALE,
    Block,
    from_int16,
    same_image,
    stored_slices,
)
from benchmarks.cohorts.patient import KINDS, MODALITIES, PatientFiles
from benchmarks.cohorts.releases import labels_of
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
    subject : the person, of whom other patients of the store may be other time points.
    source : name of the source that read the patient, such as "brats".
    release : of the data set, by which its labels were read.
    files, links : what was read; and by kind the target of each file that is behind a link.
    original_shape : voxels along x, y, z of the volumes read (in LPS orientation).
    original_affine : (4, 4), their voxel indices to scanner mm (RAS+, as nibabel has it).
    spacing, shape : mm per voxel and voxels of the working grid.
    box : start and stop of the stored part.
    percentiles : the two intensities that became -1 and 1.
    tumour_per_slice : voxels of tumour.
    tumour_outside_crop, brain_outside_crop : voxels that the central crop cuts off.
    uncounted : voxels, of the volumes read, of tissues that belong to no class, by name.
    signature : of the images, by which `benchmarks.cohorts.duplicates` finds them again.
    array_bytes, sha256 : size and checksum of the .npy file.
    """

    format: Literal[3]
    patient: str
    subject: str
    grade: str | None
    source: str
    release: str | None
    grid: Grid
    files: dict[Literal[KINDS], InputFile]
    links: dict[Literal[KINDS], str]
    original_shape: tuple[Count, Count, Count]
    original_affine: tuple[Row4, Row4, Row4, Row4]
    spacing: tuple[float, float, float]
    shape: tuple[Count, Count, Count]
    box: tuple[Span, Span, Span]
    percentiles: dict[Literal[MODALITIES], tuple[float, float]]
    tumour_per_slice: list[CountOrZero]
    tumour_outside_crop: CountOrZero
    brain_outside_crop: CountOrZero
    uncounted: dict[str, Count]
    signature: list[int]
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

    @property
    def affine(self) -> np.ndarray:
        """(4, 4), voxel indices of the working grid along x, y, z to scanner mm (RAS+)."""
        block = np.array(self.grid.block[::-1], float)
        to_block_centre = nib.affines.from_matvec(np.diag(block), (block - 1) / 2)
        return np.array(self.original_affine) @ to_block_centre

    @property
    def smallest_crop(self) -> int:
        """The smallest crop that cuts no brain off: 32, or a larger multiple of 16."""
        crop = 32
        for (start, stop), whole in zip(self.box[1:], self.shape[1:], strict=True):
            while start < (margin := _margin(whole, crop)) or stop > margin + crop:
                crop += 16
        return crop


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
    InputError : as `source.read` and `stored_slices` do; the source gives a label that is no class;
        two modalities hold one image.
    """
    patient = source.read(files)
    if (highest := patient.labels.max()) > max(CLASSES):
        raise InputError(
            f"Patient {files.patient}: `read` of the source `{source.name}` gives label {highest}. "
            f"It must map the segmentation to the classes {CLASSES}."
        )
    box, array, percentiles = stored_slices(patient, grid.block)
    if twice := same_image(array):
        one, other = (files.all_files[modality] for modality in twice)
        raise InputError(
            f"Patient {files.patient}: {one} and {other} hold one image, though they may differ in "
            "type or scale. Replace the one that is not of its modality by the original."
        )
    array_path, meta_path = _paths(folder, files.patient)
    meta_path.unlink(missing_ok=True)
    with write_atomically(array_path) as file:
        np.save(file, array)
    shape = grid.shape(patient.labels.shape)
    labels = array[:, LABELS]
    tumour_per_slice = np.zeros(shape[0], int)
    tumour_per_slice[box[0]] = (labels > 0).sum(axis=(1, 2))
    in_crop = np.full((len(labels), grid.crop, grid.crop), OUTSIDE, labels.dtype)
    _paste(in_crop, labels, (box[1].start, box[2].start), shape[1:])
    meta = Meta(
        format=3,
        patient=patient.patient,
        subject=files.subject,
        grade=patient.grade,
        source=source.name,
        release=files.release,
        grid=grid,
        files={
            kind: InputFile(name=path.name, sha256=patient.sha256[kind])
            for kind, path in files.all_files.items()
        },
        links=_links(files),
        original_shape=patient.labels.shape,
        original_affine=tuple(map(tuple, patient.affine.tolist())),
        spacing=tuple(mm * n for mm, n in zip(patient.spacing[::-1], grid.block, strict=True)),
        shape=shape,
        box=tuple((span.start, span.stop) for span in box),
        percentiles=percentiles,
        tumour_per_slice=tumour_per_slice.tolist(),
        tumour_outside_crop=int((labels > 0).sum() - (in_crop > 0).sum()),
        brain_outside_crop=int((labels > OUTSIDE).sum() - (in_crop > OUTSIDE).sum()),
        uncounted=patient.uncounted,
        signature=signature(array),
        array_bytes=array_path.stat().st_size,
        sha256=checksum(array_path),
    )
    with write_atomically(meta_path) as file:
        file.write(meta.model_dump_json().encode())


def _links(files: PatientFiles) -> dict[str, str]:
    """The real files behind links, also those of linked folders."""
    absolute = {kind: path.absolute() for kind, path in files.all_files.items()}
    return {k: str(path.resolve()) for k, path in absolute.items() if path.resolve() != path}


class StoredPatient:
    """One prepared patient: cheap to open, to keep and to send to a worker process.

    No file stays open. The array is compared with its checksum at the first read, or by `verify`
    before a copy is sent to other processes, which then trust it.

    `spacing` (mm) and `shape` are along z, y, x of the whole working grid, `tumour_slices` are the
    z of the slices that contain tumour, ascending.

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
        self.patient, self.subject = self.meta.patient, self.meta.subject
        self.grade = self.meta.grade
        self.grid, self.spacing, self.shape = self.meta.grid, self.meta.spacing, self.meta.shape
        self.tumour_slices = np.flatnonzero(self.meta.tumour_per_slice)
        (z0, z1), (y0, y1), (x0, x1) = self.meta.box
        shape = (z1 - z0, len(CHANNELS), y1 - y0, x1 - x0)
        self._array, self._verified = StoredArray(self._path, np.int16, shape), False

    def verify(self) -> None:
        """Compare the array with its checksum, if this was not done yet.

        Raises
        ------
        InputError : it differs, so it was damaged or edited.
        """
        if not self._verified:
            if checksum(self._path) != self.meta.sha256:
                raise _stale(self._path, "its content was changed after it was written")
            self._verified = True

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

    def labels(self) -> np.ndarray:
        """Read the labels alone, on the whole working grid: int8 (Z, Y, X)."""
        self.verify()
        labels = np.full(self.shape, OUTSIDE, np.int8)
        (z0, z1), (y0, y1), (x0, x1) = self.meta.box
        for z in range(z0, z1):
            labels[z, y0:y1, x0:x1] = self._read(z - z0)[LABELS]
        return labels

    def _frames(self, chosen: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Read int16 (len(chosen), 5, *size) of some slices, centred."""
        self.verify()
        frames = np.empty((len(chosen), len(CHANNELS), *size), np.int16)
        frames[:, IMAGES] = -SCALE
        frames[:, LABELS] = OUTSIDE
        (z0, z1), (y0, _), (x0, _) = self.meta.box
        for frame, z in zip(frames, chosen, strict=True):
            if not 0 <= z < self.shape[0]:
                raise IndexError(f"slice {z} of {self.patient}, which has 0 to {self.shape[0] - 1}")
            if z0 <= z < z1:
                _paste(frame, self._read(z - z0), (y0, x0), self.shape[1:])
        return frames

    def _read(self, row: int) -> np.ndarray:
        try:
            return self._array.read(row, row + 1)[0]
        except ValueError as error:
            raise _stale(self._path, str(error)) from None


def _as_scan(frames: np.ndarray) -> Scan:
    """Convert stored slices (n, 5, Y, X)."""
    return Scan(from_int16(frames[:, IMAGES].swapaxes(0, 1)), frames[:, LABELS].astype(np.int8))


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

    Images become float32; classes the labels of the patient's release, or 0 to 3, in uint8.

    Raises
    ------
    ValueError : the volume is not on the patient's working grid.
    """
    if volume.shape != meta.shape:
        raise ValueError(f"{volume.shape} is not the working grid {meta.shape}")
    if kind == "labels":
        release = labels_of(meta.release)
        labels = np.array([release.label(one) for one in CLASSES], np.uint8)
        voxels = labels[np.maximum(volume, 0)]
    else:
        voxels = volume.astype(np.float32, copy=False)
    image = nib.Nifti1Image(voxels.T, meta.affine)
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
        corner = start - _margin(whole, side)
        low, high = max(corner, 0), max(min(corner + length, side), 0)
        target.append(slice(low, high))
        source.append(slice(low - corner, max(high - corner, 0)))
    frame[..., *target] = part[..., *source]


def _margin(whole: int, side: int) -> int:
    """Pixels before the central `side` of `whole`, negative if it is the larger."""
    return int((whole - side) / 2)


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
    except ValidationError as error:
        raise _stale(path, _first_fault(error)) from None
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
