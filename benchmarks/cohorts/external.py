"""Read volumes that were predicted elsewhere, and convert them as the store has the patients.

Files
    NIfTI in any orientation and of any type of number, on the grid of the patient's own files or on
    the working grid, as `to_nifti` writes it.
T1ce
    Scaled so that the `RANGES` of its values become -1 and 1, and clipped; in scanner units these
    are the two intensities of the patient's own T1ce that `prepare` maps to -1 and 1. Air is not
    set to -1, since predictions of the suite's own methods keep what they have there. Then blocks
    of voxels are averaged as those of the patient were.
Segmentation
    The labels of the patient's release, or the classes 0 to 3 where the source names no release; of
    a block of voxels the most frequent class.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.cohorts.labelled import UnknownLabels, to_classes
from benchmarks.cohorts.nifti import AFFINE_TOLERANCE, Volume, extremes, read_volume, voxels_apart
from benchmarks.cohorts.normalisation import (
    SCALE,
    Block,
    block_means,
    filled_up,
    majority_class,
    scaled,
    to_int16,
)
from benchmarks.cohorts.releases import labels_of
from benchmarks.cohorts.store import StoredPatient, center_crop_or_pad
from benchmarks.errors import InputError
from benchmarks.scoring.regions import OUTSIDE

RANGES = {"unit": (0.0, 1.0), "signed": (-1.0, 1.0)}
TOLERANCE = 1e-3  # beyond a range, as after rounding to a smaller type
PLACES = 40  # blocks along an axis in which brains are compared, up to twice as many
THRESHOLDS = 200  # at quantiles of a volume, about one per half percent of its voxels
OUTLINE, BETTER = 0.97, 0.015  # of another patient's brain, see `Brains.refuse_another`
_SLAB = 4  # blocks of slices converted at a time, so that they stay in the CPU's cache
_FIX = "Predict it again, or convert it again to NIfTI."

Grid = tuple[tuple, tuple]  # shape and affine of a patient's files


def read_t1ce(path: Path, patient: StoredPatient, values: str) -> tuple[np.ndarray, str]:
    """Read the T1ce that was predicted for a patient.

    Parameters
    ----------
    values : `scanner`, `unit` or `signed`, see above.

    Returns
    -------
    int16 (Z, crop, crop) as the store has it, and the sha256 of the file.

    Raises
    ------
    InputError : the file is no volume on a grid of the patient, holds NaN, infinity or one value
        only, or has other values than it should.
    """
    volume = read_volume(patient.patient, path, _FIX)
    array, block = _on_grid(volume, path, patient)
    lowest, highest = extremes(patient.patient, path, array, _FIX)
    low, high = RANGES.get(values) or patient.meta.percentiles["t1ce"]
    if fault := _fault_of_values(values, lowest, highest, low):
        raise InputError(f"Patient {patient.patient}: {path} {fault}")
    crop, slices = patient.grid.crop, patient.shape[0]
    t1ce = np.empty((slices, crop, crop), np.int16)
    for first in range(0, slices, _SLAB):
        slab = slice(first, first + _SLAB)
        image = scaled(array[first * block[0] : (first + _SLAB) * block[0]], low, high)
        image = block_means(filled_up(image, block, -1), block)
        t1ce[slab] = center_crop_or_pad(to_int16(image), crop, fill=-SCALE)
    return t1ce, volume.sha256


def read_seg(path: Path, patient: StoredPatient) -> tuple[np.ndarray, str]:
    """Read the segmentation that was predicted for a patient; it may find no tumour.

    Returns
    -------
    uint8 classes (Z, crop, crop), and the sha256 of the file.

    Raises
    ------
    InputError : the file is no volume on a grid of the patient, has labels that the patient's
        release lacks, or its whole tumour is outside the patient's brain.
    """
    volume, release = read_volume(patient.patient, path, _FIX), labels_of(patient.meta.release)
    array, block = _on_grid(volume, path, patient)
    try:
        classes, _ = to_classes(array, release)
    except UnknownLabels as error:
        raise InputError(
            f"Patient {patient.patient}: {path} has {error}. Write those of the patient's own "
            f"segmentation, which is of {release.title}: {release.tissues}."
        ) from None
    classes = majority_class(filled_up(classes, block, 0), block).astype(np.uint8, copy=False)
    tumour = classes > 0
    if tumour.any() and not (tumour & (patient.labels() > OUTSIDE)).any():
        raise InputError(
            f"Patient {patient.patient}: the whole tumour of {path} is outside the patient's "
            "brain: it is another patient's, or lies elsewhere in space. Give the patient's own."
        )
    return center_crop_or_pad(classes, patient.grid.crop, fill=0), volume.sha256


def _on_grid(volume: Volume, path: Path, patient: StoredPatient) -> tuple[np.ndarray, Block]:
    """The array along z, y, x, and how many of its voxels are one of the working grid."""
    meta = patient.meta
    original, working = (meta.original_shape, np.array(meta.original_affine)), (meta.shape[::-1],)
    grids = {meta.grid.block: original, (1, 1, 1): (*working, meta.affine)}
    alike = [(block, grid) for block, grid in grids.items() if grid[0] == volume.array.shape]
    for block, (shape, affine) in alike:
        if voxels_apart(volume.affine, affine, shape) <= AFFINE_TOLERANCE:
            return volume.array.T, block
    if not alike:
        shapes = " or ".join(dict.fromkeys(str(shape) for shape, _ in grids.values()))
        raise InputError(
            f"Patient {patient.patient}: {path} has shape {volume.array.shape} along x, y, z, not "
            f"the patient's {shapes}. Resample or pad it to the grid of the patient's T1."
        )
    _, (shape, affine) = alike[0]
    apart = voxels_apart(volume.affine, affine, shape)
    raise InputError(
        f"Patient {patient.patient}: {path} lies elsewhere in space than the patient's T1 (by up "
        f"to {apart:.3g} voxels). Resample it to T1's grid, or copy T1's affine into the file if "
        "its voxels do match."
    )


def _fault_of_values(values: str, lowest: float, highest: float, low: float) -> str:
    """Say which range the values look like, if they are not of the one that was declared."""
    held = f"holds values from {lowest:.6g} to {highest:.6g}"
    inside = {
        name: lowest >= start - TOLERANCE and highest <= stop + TOLERANCE
        for name, (start, stop) in RANGES.items()
    }
    fault = ""
    if values == "scanner" and highest <= low:
        fault = f"{held}, none above {low:g}, the lowest of the brain in the patient's own T1ce"
    elif values in RANGES and not inside[values]:
        fault = "{}, but `range: {}` is {:g} to {:g}".format(held, values, *RANGES[values])
    elif values == "signed" and lowest >= 0:
        fault = f"{held}, but air is -1 where `range: signed` is right"
    if not fault:
        return ""
    alike = next((name for name in inside if inside[name]), "scanner")
    if alike == "scanner" and not (values in RANGES and highest > max(low, 2)):
        return f"{fault}. Clip the values to their range, or correct `range` in method.yaml."
    return f"{fault}. It looks like `range: {alike}`: correct method.yaml, or the file."


class Brains:
    """The brains of some patients, to notice that a T1ce is of another one of them.

    Patients of BraTS share one grid, so that neither shape nor place tells their files apart; the
    outlines of their brains do.

    Measured on the 27 BraTS patients of tests/test_real.py, every second one's volume in the place
    of each other's: 93 % are noticed where it is the T1ce itself, 86 % to 100 % with another
    modality, 71 % after a blur of 3 mm, 64 % with noise of a quarter of the range, 7 % where noise
    fills the air. None of a patient's own is refused, whatever was done to it: these, and noise
    alone, a skull, a brain that was stripped too far, grown by 4 mm, moved by 10 mm or cut in half,
    and the average of all brains.
    """

    def __init__(self, patients: Sequence[StoredPatient]) -> None:
        self._of: dict[str, np.ndarray] = {}
        self._alike: dict[Grid, list[str]] = defaultdict(list)
        self._grids: dict[str, Grid] = {}
        for one in patients:
            brain = center_crop_or_pad(one.labels(), one.grid.crop, fill=OUTSIDE) > OUTSIDE
            self._of[one.patient] = (_coarse(brain) >= 0.5).ravel()
            self._grids[one.patient] = one.meta.original_shape, one.meta.original_affine
            self._alike[self._grids[one.patient]].append(one.patient)

    def fits(self, patient: str, t1ce: np.ndarray) -> dict[str, float]:
        """Return how well each brain on the patient's grid can be cut out of a T1ce, 0 to 1.

        That is the highest Dice coefficient of the brain and the voxels above a threshold, or below
        it, over all thresholds, after the volume was averaged over blocks of a few voxels: neither
        the intensity of air nor noise matters.
        """
        values = _coarse(t1ce).ravel()
        edges = np.unique(np.quantile(values, np.linspace(0, 1, THRESHOLDS)))
        places = np.searchsorted(edges, values)
        whole = np.bincount(places, minlength=len(edges))
        fits = {}
        for name in self._alike[self._grids[patient]]:
            brain = self._of[name]
            inside = np.bincount(places[brain], minlength=len(edges))
            fits[name] = max(
                float((2 * inside[way].cumsum() / (brain.sum() + whole[way].cumsum())).max())
                for way in (slice(None), slice(None, None, -1))
            )
        return fits

    def refuse_another(self, path: Path, patient: str, t1ce: np.ndarray) -> None:
        """Raise InputError if the T1ce has the outline of another patient's brain.

        It has if that brain fits by `OUTLINE`, and better than the patient's own by `BETTER`.
        """
        fits = self.fits(patient, t1ce)
        other = max(fits, key=fits.get)
        if fits[other] >= OUTLINE and fits[other] - fits[patient] >= BETTER:
            raise InputError(
                f"Patient {patient}: {path} has the outline of another brain, that of {other} "
                f"(Dice {fits[other]:.3f}; of {patient} {fits[patient]:.3f}). Look at the files of "
                "both, and give each its own."
            )


def _coarse(volume: np.ndarray) -> np.ndarray:
    """The means of blocks that are `PLACES` or more along each axis; an incomplete last is lost."""
    sizes = [max(1, n // PLACES) for n in volume.shape]
    whole = volume[
        tuple(slice(n // size * size) for n, size in zip(volume.shape, sizes, strict=True))
    ]
    for axis, size in enumerate(sizes):
        shape = (*whole.shape[:axis], -1, size, *whole.shape[axis + 1 :])
        whole = whole.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
    return whole
