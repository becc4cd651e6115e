"""Measure preparing a patient against merely reading the same five files."""

import statistics
import tempfile
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import torch

from benchmarks.cohorts.brats import PatientFiles
from benchmarks.cohorts.store import prepare
from workflow.speed.measuring import resident_peak, wall_and_core_seconds
from workflow.speed.patients import grid_of, patient_files
from workflow.speed.settings import Settings


def measure(settings: Settings) -> list[dict]:
    """Preparing patients, in turn with merely reading their files; both on one thread.

    Returns
    -------
    `seconds` and `core_seconds` of a patient (the medians), the median `ratio` of a turn's, and
    the `memory_bytes` of the process after all of it.
    """
    grid = grid_of(settings)
    reading, preparing = [], []
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        for files in patient_files(settings):
            for path in files.all_files.values():
                path.read_bytes()  # so that neither side waits for the disk
            for _ in range(settings.repeats):
                reading.append(_took(partial(read, files)))
                preparing.append(_took(partial(prepare, files, Path(folder), grid)))
    rows = [
        {"name": name, "seconds": _median(took, 0), "core_seconds": _median(took, 1)}
        for name, took in (
            ("reading a patient's files", reading),
            ("preparing a patient", preparing),
        )
    ]
    ratios = [ours[1] / theirs[1] for ours, theirs in zip(preparing, reading, strict=True)]
    rows[1] |= {"ratio": statistics.median(ratios), "memory_bytes": resident_peak()}
    return rows


def read(files: PatientFiles) -> None:
    """What anybody does who wants the voxels."""
    for path in files.all_files.values():
        np.asanyarray(nibabel.load(path).dataobj)


def _took(work: partial) -> tuple[float, float]:
    return wall_and_core_seconds(work, torch.device("cpu"))


def _median(took: list[tuple[float, float]], which: int) -> float:
    return statistics.median(pair[which] for pair in took)
