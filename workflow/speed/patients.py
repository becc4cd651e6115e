"""The patients that measurements read, the user's or one that is simulated; preparing them."""

import statistics
import tempfile
from functools import partial
from pathlib import Path

import torch

from benchmarks.cohorts.brats import PatientFiles, find_patients
from benchmarks.cohorts.store import Grid, StoredPatient, prepare
from benchmarks.errors import InputError
from workflow.speed.measuring import resident_peak, seconds
from workflow.speed.prepare import read
from workflow.speed.settings import Settings

MOST = 2
"""Patients that are looked at."""


def measure(settings: Settings) -> list[dict]:
    """Preparing a patient, in turn with merely reading the same five files.

    Returns
    -------
    `seconds` (the median) of each, and `memory_bytes` of the process after both.
    """
    grid = _grid(settings)
    cpu = torch.device("cpu")
    reading, preparing = [], []
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        for files in patient_files(settings):
            for _ in range(settings.repeats):
                reading.append(seconds(partial(read, files), cpu))
                preparing.append(seconds(partial(prepare, files, Path(folder), grid), cpu))
    return [
        {"name": "reading a patient's files", "seconds": statistics.median(reading)},
        {
            "name": "preparing a patient",
            "seconds": statistics.median(preparing),
            "memory_bytes": resident_peak(),
        },
    ]


def patient_files(settings: Settings) -> list[PatientFiles]:
    """The first patients of `--data`; else a phantom, simulated once into the scratch folder.

    Raises
    ------
    ModuleNotFoundError : without `--data`, nilearn is absent, whose tissue maps the phantom needs.
    """
    if settings.data:
        return find_patients(Path(settings.data))[:MOST]
    folder = Path(settings.folder) / "phantom"
    if not folder.exists():
        from benchmarks.cohorts.phantom import patients, simulate

        simulate(patients(1)[0], folder, settings.load().cohort.seed)
    return find_patients(folder)


def stored_patients(settings: Settings) -> list[StoredPatient]:
    """The same patients, prepared on the benchmark's grid in the scratch folder.

    Raises
    ------
    InputError : none of them has a tumour, so that nothing would train on them.
    """
    folder = Path(settings.folder) / "store"
    grid = _grid(settings)
    stored = []
    for files in patient_files(settings):
        if not (folder / f"{files.patient}.json").exists():
            prepare(files, folder, grid)
        stored.append(StoredPatient(folder, files.patient))
    if not any(len(patient.tumour_slices) for patient in stored):
        names = ", ".join(patient.patient for patient in stored)
        raise InputError(f"{settings.data}: {names} have no tumour. Give another folder.")
    return stored


def _grid(settings: Settings) -> Grid:
    return Grid(**settings.load().results.slices.model_dump())
