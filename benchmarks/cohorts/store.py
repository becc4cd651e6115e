"""The slice store: each patient's slices as training reads them, without holding them in memory.

A patient is two files. `<patient>.npy` is an int16 array of shape (slices, 5, rows, columns) with
the channels t1, t2, flair, t1ce and labels; `<patient>.json` (`Meta`) says what it was made from
and where it lies. Rows run from front to back and columns from the patient's right to the left,
so that a slice shown as it is looks as radiologists view it.

Grid
    The working grid is the original one with blocks of `downsample` x `downsample` x `step`
    voxels averaged into one. An incomplete last block is filled up with background. Only the box
    around the brain is stored; the rest of the working grid is background.
Images
    Each volume is normalised on its own brain voxels: clipped at their 0.5th and 99.5th
    percentiles and scaled linearly to [-1, 1]. What is not brain is exactly -1. Stored as
    round(32767 x value).
Labels
    -1 outside the brain; inside 0 no tumour, 1 necrosis and non-enhancing core, 2 oedema,
    3 enhancing tumour.
Brain
    A volume's background is the value that most of its eight corner voxels share, and its brain
    is every voxel of another value. The patient's brain is the union over the four modalities
    and the tumour, since FLAIR may cover only part of what T1 shows.
"""

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import nibabel as nib
import numpy as np

from benchmarks.cohorts.brats import MODALITIES, Patient, PatientFiles, read_patient
from benchmarks.errors import InputError
from benchmarks.files import write_atomically

CHANNELS = (*MODALITIES, "labels")
CLASSES = (0, 1, 2, 3)
OUTSIDE = -1
PERCENTILES = (0.5, 99.5)

_FORMAT = 1
_SCALE = 32767

# Blocks of slices that are normalised at a time: what lies between stays in the CPU's cache.
_SLAB = 4

Slices3D = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Grid:
    """The working grid.

    crop        side of the central square that training sees, in working voxels
    downsample  voxels averaged into one along rows and along columns
    step        slices averaged into one
    """

    crop: int = 224
    downsample: int = 1
    step: int = 1

    @property
    def block(self) -> tuple[int, int, int]:
        """Original voxels in a working voxel, along z, y, x."""
        return self.step, self.downsample, self.downsample


@dataclass(frozen=True)
class Meta:
    """What the store knows of a patient beside the array; lists so that it is plain JSON.

    sources              name and sha256 of each file read, by kind
    original_shape       voxels along x, y, z of the volumes read (in LPS orientation)
    original_affine      (4, 4), their voxel indices to scanner mm (RAS+, as nibabel has it)
    spacing              mm along z, y, x on the working grid
    shape                working voxels along z, y, x
    box                  [start, stop] along z, y, x of the stored part
    percentiles          the two intensities that became -1 and 1, by modality
    brain_voxels         in the patient's brain, on the working grid
    class_voxels         of these, how many of class 0, 1, 2, 3
    tumour_per_slice     tumour voxels of each of the Z slices
    tumour_outside_crop  tumour voxels that the central crop cuts off
    array_bytes          size of the .npy file
    """

    format: int
    patient: str
    grade: str | None
    grid: dict[str, int]
    sources: dict[str, dict[str, str]]
    original_shape: list[int]
    original_affine: list[list[float]]
    spacing: list[float]
    shape: list[int]
    box: list[list[int]]
    percentiles: dict[str, list[float]]
    brain_voxels: int
    class_voxels: list[int]
    tumour_per_slice: list[int]
    tumour_outside_crop: int
    array_bytes: int


def prepare(files: PatientFiles, folder: Path, grid: Grid) -> None:
    """Read one patient and write folder/<patient>.npy and folder/<patient>.json.

    The .json is written last: where it lies, the patient is complete. Raises InputError as
    `read_patient` does, and for a volume that has no contrast inside its brain.
    """
    patient = read_patient(files)
    box, array, percentiles = _slices(patient, grid)
    array_path, meta_path = _paths(folder, files.patient)
    meta_path.unlink(missing_ok=True)
    with write_atomically(array_path) as file:
        np.save(file, array)
    meta = _describe(patient, files, grid, box, array, percentiles, array_path.stat().st_size)
    with write_atomically(meta_path) as file:
        file.write(json.dumps(asdict(meta)).encode())


class StoredPatient:
    """One prepared patient: cheap to open, to keep and to send to a worker process.

    The array is mapped at the first read, in the process that reads, one page at a time.

    patient, grade  as found in the BraTS folder
    spacing         mm along z, y, x of the working grid
    shape           voxels along z, y, x of the whole working grid
    diagonal_mm     of the whole original volume: 373.13 for 240 x 240 x 155 at 1 mm
    tumour_slices   the z of the slices that contain tumour, ascending
    grid, meta      the Grid and the Meta that it was prepared with

    Raises InputError for a patient that is not, not wholly, or by another version in the store.
    """

    def __init__(self, folder: Path, patient: str) -> None:
        self._path, meta_path = _paths(folder, patient)
        self.meta = _read_meta(meta_path)
        _check_array_file(self._path, self.meta)
        self.patient = self.meta.patient
        self.grade = self.meta.grade
        self.grid = Grid(**self.meta.grid)
        self.spacing = tuple(self.meta.spacing)
        self.shape = tuple(self.meta.shape)
        self.tumour_slices = np.flatnonzero(self.meta.tumour_per_slice)

    @property
    def diagonal_mm(self) -> float:
        spacing = nib.affines.voxel_sizes(np.array(self.meta.original_affine))
        return float(np.linalg.norm(spacing * self.meta.original_shape))

    def slice(self, z: int, crop: int) -> tuple[np.ndarray, np.ndarray]:
        """Slice z of the whole working grid, its central square of `crop` voxels.

        Returns images float32 (4, crop, crop) in [-1, 1] and labels int64 (crop, crop) in -1..3;
        where the square reaches beyond the grid it is background.
        """
        if not 0 <= z < self.shape[0]:
            raise IndexError(f"slice {z} of {self.patient}, which has 0 to {self.shape[0] - 1}")
        frame = self._frames(z, z + 1, (crop, crop))[0]
        return from_int16(frame[:4]), frame[4].astype(np.int64)

    def volume(self, crop: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Images float32 (4, Z, crop, crop) in [-1, 1], labels int8 (Z, crop, crop) in -1..3.

        Without a crop the whole working grid, (4, Z, Y, X) and (Z, Y, X).
        """
        size = self.shape[1:] if crop is None else (crop, crop)
        frames = self._frames(0, self.shape[0], size)
        return from_int16(frames[:, :4].swapaxes(0, 1)), frames[:, 4].astype(np.int8)

    def _frames(self, start: int, stop: int, size: tuple[int, int]) -> np.ndarray:
        """int16 (stop - start, 5, *size) of the slices from start to stop, centred."""
        frames = np.empty((stop - start, len(CHANNELS), *size), np.int16)
        frames[:, :4] = -_SCALE
        frames[:, 4] = OUTSIDE
        (z0, z1), (y0, _), (x0, _) = self.meta.box
        first, last = max(start, z0), min(stop, z1)
        if first < last:
            corner = tuple(
                low - _central_start(full, side)
                for low, full, side in zip((y0, x0), self.shape[1:], size, strict=True)
            )
            part = self._array[first - z0 : last - z0]
            _paste(frames[first - start : last - start], part, corner)
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


def map_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    """The array of a .npy file, mapped into memory; nothing is read before it is asked for.

    Raises ValueError, with a clause that says what was found, unless it is whole and of that type
    and shape. Objects, which numpy would have to unpickle, are of no such type.
    """
    try:
        with np.errstate(over="ignore"):  # a shape that overflows fits no file
            array = np.lib.format.open_memmap(path, mode="r")
    # A damaged header is Python source to numpy, and fails in as many ways.
    except Exception as error:
        raise ValueError(f"it is no whole .npy file ({error})") from None
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"it holds {array.dtype} of shape {array.shape} instead of {np.dtype(dtype)} of {shape}"
        )
    return array


def to_int16(images: np.ndarray) -> np.ndarray:
    """Intensities in [-1, 1] as they are stored; beyond that they are clipped.

    Raises ValueError for NaN and infinity, which int16 cannot hold.
    """
    if not (np.isfinite(images.min()) and np.isfinite(images.max())):
        raise ValueError("the images hold NaN or infinite values")
    scaled = np.clip(images, -1, 1) * _SCALE
    return np.rint(scaled, out=scaled).astype(np.int16)


def from_int16(stored: np.ndarray) -> np.ndarray:
    """The float32 intensities in [-1, 1] behind stored ones; off by at most 1/65534."""
    images = stored.astype(np.float32, order="C")
    images /= _SCALE
    return images


def centre(volume: np.ndarray, size: int | tuple[int, int], fill: float) -> np.ndarray:
    """Crop or pad the last two axes to `size` about their centre; new pixels are `fill`.

    Padding a crop back to the size it was cut from puts every pixel where it was.
    """
    size = (size, size) if isinstance(size, int) else size
    frame = np.full((*volume.shape[:-2], *size), fill, volume.dtype)
    rows, columns = (
        -_central_start(full, side) for full, side in zip(volume.shape[-2:], size, strict=True)
    )
    _paste(frame, volume, (rows, columns))
    return frame


def to_nifti(volume: np.ndarray, meta: Meta, kind: Literal["image", "labels"]) -> nib.Nifti1Image:
    """A (Z, Y, X) volume on the whole working grid as NIfTI that overlays the original.

    Images become float32; labels uint8 as BraTS has them (0, 1, 2, 4).
    """
    if volume.shape != tuple(meta.shape):
        raise ValueError(f"{volume.shape} is not the working grid {tuple(meta.shape)}")
    if kind == "labels":
        voxels = np.array([0, 1, 2, 4], np.uint8)[np.maximum(volume, 0)]
    else:
        voxels = volume.astype(np.float32, copy=False)
    image = nib.Nifti1Image(voxels.T, working_affine(meta))
    image.header.set_xyzt_units("mm")
    return image


def working_affine(meta: Meta) -> np.ndarray:
    """(4, 4), indices (x, y, z) on the working grid to scanner mm: a block's centre."""
    block = np.array(Grid(**meta.grid).block[::-1])
    to_original = np.diag([*block, 1.0])
    to_original[:3, 3] = (block - 1) / 2
    return np.array(meta.original_affine) @ to_original


def _slices(patient: Patient, grid: Grid) -> tuple[Slices3D, np.ndarray, dict[str, list[float]]]:
    """The box of the brain on the working grid, the stored array, and the percentiles."""
    volumes = {modality: patient.volumes[modality].T for modality in MODALITIES}
    tumour_labels = patient.labels.T
    brains = {modality: _brain(volume) for modality, volume in volumes.items()}
    brain = np.logical_or.reduce(list(brains.values()))
    tumour = tumour_labels > 0
    if tumour.any() and not (tumour & brain).any():
        raise InputError(
            f"Patient {patient.patient}: the whole tumour of the segmentation lies outside the "
            "brain: the two belong to different patients or places. Replace the segmentation by "
            "the BraTS original."
        )
    brain |= tumour

    box = _bounding_blocks(brain, grid.block)
    outside = ~_majority(_cut(brain, box, grid.block, False), grid.block)
    array = np.empty((outside.shape[0], len(CHANNELS), *outside.shape[1:]), np.int16)
    percentiles = {}
    for channel, modality in enumerate(MODALITIES):
        volume = _cut(volumes[modality], box, grid.block, 0)
        own_brain = _cut(brains[modality], box, grid.block, False)
        low, high = percentiles[modality] = _contrast(patient.patient, modality, volume[own_brain])
        for first in range(0, len(array), _SLAB):
            slab = slice(first, first + _SLAB)
            voxels = slice(first * grid.step, (first + _SLAB) * grid.step)
            image = _normalised(volume[voxels], own_brain[voxels], low, high)
            image = _block_mean(image, grid.block)
            np.copyto(image, -1, where=outside[slab])
            array[slab, channel] = to_int16(image)
    array[:, 4] = _majority_class(_cut(tumour_labels, box, grid.block, 0), grid.block)
    np.copyto(array[:, 4], OUTSIDE, where=outside)
    return box, array, percentiles


def _brain(volume: np.ndarray) -> np.ndarray:
    """Where the volume differs from its background; everywhere if the corners share no value."""
    corners = volume[np.ix_(*[(0, -1)] * 3)]
    values, counts = np.unique(corners, return_counts=True)
    if counts.max() < corners.size / 2:
        return np.ones(volume.shape, bool)
    return volume != values[counts.argmax()]


def _bounding_blocks(brain: np.ndarray, block: tuple[int, int, int]) -> Slices3D:
    """The smallest box of whole blocks around the brain, in blocks."""
    plane = brain.any(axis=0)
    occupied = (brain.any(axis=(1, 2)), plane.any(axis=1), plane.any(axis=0))
    ranges = [(np.flatnonzero(axis)[0], np.flatnonzero(axis)[-1]) for axis in occupied]
    return tuple(
        slice(int(first) // size, int(last) // size + 1)
        for (first, last), size in zip(ranges, block, strict=True)
    )


def _cut(volume: np.ndarray, box: Slices3D, block: tuple[int, int, int], fill: float) -> np.ndarray:
    """The voxels in the blocks of `box`; what lies beyond the volume is `fill`."""
    spans = [slice(b.start * size, b.stop * size) for b, size in zip(box, block, strict=True)]
    missing = [max(0, s.stop - full) for s, full in zip(spans, volume.shape, strict=True)]
    part = volume[tuple(spans)]
    if not any(missing):
        return np.ascontiguousarray(part)
    return np.pad(part, [(0, count) for count in missing], constant_values=fill)


def _contrast(patient: str, modality: str, values: np.ndarray) -> list[float]:
    """The percentiles of a brain's intensities, which must not be the same."""
    low, high = _percentiles(values)
    if low == high:
        raise InputError(
            f"Patient {patient}: {modality} is {low:g} in 99 % of the brain: there is no image in "
            "it. Replace the file by the BraTS original."
        )
    return [low, high]


def _normalised(volume: np.ndarray, brain: np.ndarray, low: float, high: float) -> np.ndarray:
    """The volume in float32, its brain scaled to [-1, 1] and the rest -1."""
    image = volume.astype(np.float32)
    image -= low
    image *= 2 / (high - low)
    image -= 1
    np.clip(image, -1, 1, out=image)
    np.copyto(image, -1, where=~brain)
    return image


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    """`PERCENTILES` of `values`, interpolated linearly, as numpy's."""
    if values.dtype != np.int16:
        low, high = np.percentile(values, PERCENTILES)
        return float(low), float(high)
    # Counting takes a third of the time of numpy's partial sort, the costliest step but for gzip.
    smallest = int(values.min())
    ranks = np.bincount(values.astype(np.intp) - smallest).cumsum()
    places = np.array(PERCENTILES) / 100 * (values.size - 1)
    below, above = (
        ranks.searchsorted(np.array(rounded(places), int), side="right") + smallest
        for rounded in (np.floor, np.ceil)
    )
    low, high = below + (above - below) * (places % 1)
    return float(low), float(high)


def _blocks(volume: np.ndarray, block: tuple[int, int, int]) -> np.ndarray:
    """(z, y, x) as (z / step, step, y / side, side, x / side, side)."""
    shape = [
        n for full, size in zip(volume.shape, block, strict=True) for n in (full // size, size)
    ]
    return volume.reshape(shape)


def _block_mean(image: np.ndarray, block: tuple[int, int, int]) -> np.ndarray:
    return image if block == (1, 1, 1) else _blocks(image, block).mean(axis=(1, 3, 5))


def _majority(mask: np.ndarray, block: tuple[int, int, int]) -> np.ndarray:
    """Where at least half of the block's voxels are in the mask."""
    if block == (1, 1, 1):
        return mask
    return 2 * _blocks(mask, block).sum(axis=(1, 3, 5)) >= np.prod(block)


def _majority_class(labels: np.ndarray, block: tuple[int, int, int]) -> np.ndarray:
    """Each block's most frequent class; of equally frequent ones the highest."""
    if block == (1, 1, 1):
        return labels
    descending = CLASSES[::-1]
    counts = np.stack([_blocks(labels == c, block).sum(axis=(1, 3, 5)) for c in descending])
    return np.array(descending)[counts.argmax(axis=0)]


def _describe(
    patient: Patient,
    files: PatientFiles,
    grid: Grid,
    box: Slices3D,
    array: np.ndarray,
    percentiles: dict[str, list[float]],
    array_bytes: int,
) -> Meta:
    original_shape = patient.labels.shape
    shape = [-(-full // size) for full, size in zip(original_shape[::-1], grid.block, strict=True)]
    labels = array[:, 4].astype(np.int8)
    tumour = labels > 0
    tumour_per_slice = np.zeros(shape[0], int)
    tumour_per_slice[box[0]] = tumour.sum(axis=(1, 2))
    class_voxels = [int(np.count_nonzero(labels == c)) for c in CLASSES]
    return Meta(
        format=_FORMAT,
        patient=patient.patient,
        grade=patient.grade,
        grid=asdict(grid),
        sources={
            kind: {"file": path.name, "sha256": patient.sha256[kind]}
            for kind, path in files.all_files.items()
        },
        original_shape=list(original_shape),
        original_affine=patient.affine.tolist(),
        spacing=[mm * n for mm, n in zip(patient.spacing[::-1], grid.block, strict=True)],
        shape=shape,
        box=[[span.start, span.stop] for span in box],
        percentiles=percentiles,
        brain_voxels=sum(class_voxels),
        class_voxels=class_voxels,
        tumour_per_slice=tumour_per_slice.tolist(),
        tumour_outside_crop=_tumour_outside_crop(tumour, box, shape, grid.crop),
        array_bytes=array_bytes,
    )


def _tumour_outside_crop(tumour: np.ndarray, box: Slices3D, shape: list[int], crop: int) -> int:
    in_crop = np.zeros((tumour.shape[0], crop, crop), bool)
    corner = tuple(
        span.start - _central_start(full, crop)
        for span, full in zip(box[1:], shape[1:], strict=True)
    )
    _paste(in_crop, tumour, corner)
    return int(tumour.sum() - in_crop.sum())


def _central_start(full: int, side: int) -> int:
    """Where a central window of `side` pixels starts in `full`; negative if it is the larger."""
    return (full - side) // 2 if full >= side else -((side - full) // 2)


def _paste(frame: np.ndarray, part: np.ndarray, corner: tuple[int, int]) -> None:
    """Put `part` into the last two axes of `frame` at row, column; what sticks out is lost."""
    target, source = [], []
    for start, length, room in zip(corner, part.shape[-2:], frame.shape[-2:], strict=True):
        low, high = max(start, 0), max(min(start + length, room), 0)
        target.append(slice(low, high))
        source.append(slice(low - start, max(high - start, 0)))
    frame[..., target[0], target[1]] = part[..., source[0], source[1]]


def _paths(folder: Path, patient: str) -> tuple[Path, Path]:
    return Path(folder) / f"{patient}.npy", Path(folder) / f"{patient}.json"


def _read_meta(path: Path) -> Meta:
    try:
        fields = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"Patient {path.stem} is not in the store {path.parent}: {path.name} is missing. "
            "Run prepare for this patient."
        ) from None
    # Brackets within brackets lead Python's parser too deep.
    except (OSError, ValueError, RecursionError) as error:
        raise _stale(path, f"it is not JSON ({error})") from None
    version = fields.get("format") if isinstance(fields, dict) else None
    if version != _FORMAT:
        raise _stale(path, f"its format is {version} and this version reads {_FORMAT}")
    try:
        meta = Meta(**fields)
    except TypeError as error:
        raise _stale(path, f"its keys are not those of format {_FORMAT} ({error})") from None
    for key, kind in get_type_hints(Meta).items():
        if not _is_of(kind, fields[key]):
            raise _stale(path, f"its `{key}` is {fields[key]!r:.200}")
    if wrong := _contradicting(meta, path.stem):
        raise _stale(path, f"its {wrong} cannot be")
    return meta


def _is_of(kind: Any, value: object) -> bool:
    """Whether a value from JSON is of a type of `Meta`, its numbers finite."""
    inner = get_args(kind)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(_is_of(inner[0], item) for item in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(_is_of(inner[1], item) for item in value.values())
    if inner:
        return any(_is_of(one, value) for one in inner)
    if type(value) is int and kind in (int, float):
        return abs(value) < 2**63
    return type(value) is kind and (kind is not float or math.isfinite(value))


def _contradicting(meta: Meta, patient: str) -> str:
    """What does not fit the file's name or the rest, if anything."""
    if meta.patient != patient:
        return f"`patient` {meta.patient!r}"
    if meta.grid.keys() != {"crop", "downsample", "step"} or min(meta.grid.values()) < 1:
        return f"`grid` {meta.grid}"
    block = Grid(**meta.grid).block
    if len(meta.original_shape) != 3 or min(meta.original_shape) < 1:
        return f"`original_shape` {meta.original_shape}"
    if meta.shape != [-(-n // b) for n, b in zip(meta.original_shape[::-1], block, strict=True)]:
        return f"`shape` {meta.shape}"
    if [len(ends) for ends in meta.box] != [2, 2, 2] or not all(
        0 <= start < stop <= full for (start, stop), full in zip(meta.box, meta.shape, strict=True)
    ):
        return f"`box` {meta.box}"
    if [len(row) for row in meta.original_affine] != [4] * 4:
        return "`original_affine`"
    if len(meta.tumour_per_slice) != meta.shape[0]:
        return "`tumour_per_slice`"
    return "" if len(meta.spacing) == 3 else f"`spacing` {meta.spacing}"


def _check_array_file(path: Path, meta: Meta) -> None:
    found = path.stat().st_size if path.exists() else 0
    if found != meta.array_bytes:
        raise _stale(path, f"it has {found} bytes instead of {meta.array_bytes}")


def _stale(path: Path, fault: str) -> InputError:
    return InputError(
        f"Patient {path.stem}: {path} cannot be used, since {fault}. Delete it and run prepare "
        "again."
    )
