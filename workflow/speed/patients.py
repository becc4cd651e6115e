"""The patients that measurements read: the user's, or one that is simulated."""

from pathlib import Path

from benchmarks.cohorts.brats import PatientFiles, find_patients
from benchmarks.cohorts.store import Grid, StoredPatient, prepare
from benchmarks.errors import InputError
from workflow.speed.settings import Settings

MOST = 2
"""Patients that are looked at."""


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
    grid = grid_of(settings)
    stored = []
    for files in patient_files(settings):
        if not (folder / f"{files.patient}.json").exists():
            prepare(files, folder, grid)
        stored.append(StoredPatient(folder, files.patient))
    if not any(len(patient.tumour_slices) for patient in stored):
        names = ", ".join(patient.patient for patient in stored)
        raise InputError(f"{settings.data}: {names} have no tumour. Give another folder.")
    return stored


def grid_of(settings: Settings) -> Grid:
    """The benchmark's working grid."""
    return Grid(**settings.load().results.slices.model_dump())
