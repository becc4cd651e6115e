"""Simulated glioma patients, written as BraTS folders; see benchmarks/cohorts/simulation.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.cohorts.patient import GRADES, KINDS, Patient, PatientFiles
from benchmarks.cohorts.sources import brats

SETTINGS = ("patients", "seed")
SIMULATED = True


def patients(count: int) -> list[str]:
    """Name the first `count` patients: Phantom_001, Phantom_002, ..."""
    return [f"Phantom_{number:03d}" for number in range(1, count + 1)]


def find(cohort: Any, folder: Path) -> list[PatientFiles]:
    """List the patients that `cohort.patients` asks for; their files need not exist yet."""
    return [
        PatientFiles(
            name,
            None,
            *(folder / name / f"{name}_{kind}.nii.gz" for kind in KINDS),
            release="brats2021",
        )
        for name in patients(cohort.patients)
    ]


def read(files: PatientFiles) -> Patient:
    """Read a patient, whose grade is the description in the header of the segmentation."""
    import nibabel as nib

    description = nib.load(files.seg).header["descrip"].item().decode("ascii", "ignore")
    grade = description if description in GRADES else None
    return replace(brats.read(files), grade=grade)


def simulate(patient: str, folder: Path, seed: int) -> None:
    """Write `folder/patient/patient_{t1,t2,flair,t1ce,seg}.nii.gz`."""
    from benchmarks.cohorts import simulation

    simulation.simulate(patient, folder, seed)
