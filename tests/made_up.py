"""A cohort small enough for unit tests: BraTS folders of brains of a few thousand voxels."""

from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import Grid, StoredPatient, prepare

AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
SHAPE = (64, 64, 8)
LABELS = (0, 2, 1, 4)  # of the shells from the outside to the inside


def write_cohort(
    root: Path,
    patients: list[str],
    shape: tuple[int, int, int] = SHAPE,
    labels: tuple[int, int, int, int] = LABELS,
    affine: np.ndarray = AFFINE,
) -> Path:
    """Write one BraTS folder per patient: an ellipsoid of brain, its tumour three shells within."""
    for number, patient in enumerate(patients):
        folder = root / patient
        folder.mkdir(parents=True)
        for kind, array in _volumes(number, shape, labels).items():
            nib.save(nib.Nifti1Image(array, affine), folder / f"{patient}_{kind}.nii.gz")
    return root


def _volumes(
    seed: int, shape: tuple[int, int, int], labels: tuple[int, int, int, int]
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    centre = np.array(shape) / 2
    axes = [np.arange(n) for n in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) + 0.5
    brain = (((grid - centre) / (0.45 * np.array(shape))) ** 2).sum(axis=-1) < 1
    place = centre + rng.uniform(-0.15, 0.15, 3) * shape
    depth = (((grid - place) / (0.2 * np.array(shape))) ** 2).sum(axis=-1) ** 0.5
    shells = np.digitize(depth, [0.4, 0.7, 1.0])  # 0 inside .. 3 outside
    seg = np.where(brain, np.array(labels[::-1])[shells], 0).astype(np.uint8)
    signal = {
        "t1": np.array([300, 350, 400, 600]),
        "t2": np.array([700, 900, 800, 400]),
        "flair": np.array([800, 500, 900, 400]),
        "t1ce": np.array([1200, 250, 400, 600]),
    }
    # Tissue as the modalities see it: T1ce like T1, FLAIR less so, T2 the other way round.
    tissue = np.sin(grid.sum(axis=-1) / 3) * (shells == 3)
    contrast = {"t1": 100, "t2": -80, "flair": 30, "t1ce": 100}
    made = {
        kind: np.where(
            brain, levels[shells] + contrast[kind] * tissue + rng.normal(0, 30, shape), 0
        ).astype(np.int16)
        for kind, levels in signal.items()
    }
    return {**made, "seg": seg}


def stored_cohort(root: Path, count: int, crop: int = 64) -> list[StoredPatient]:
    """Prepare `count` patients, P0, P1, ..."""
    raw = write_cohort(root / "raw", [f"P{i}" for i in range(count)])
    for files in find_patients(raw):
        prepare(files, root / "store", Grid(crop=crop), load_source("brats"))
    return [StoredPatient(root / "store", f"P{i}") for i in range(count)]


def head():
    """Labels (10, 24, 26) of a brain with a tumour of all classes in slices 3 to 6."""
    labels = np.full((10, 24, 26), -1, np.int8)
    labels[1:9, 3:21, 3:23] = 0
    labels[3:7, 6:16, 6:16] = 2
    labels[4:6, 8:13, 8:13] = 3
    labels[4:6, 10, 10] = 1
    return labels
