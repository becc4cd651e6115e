"""The commands that run a trained entry over whole volumes: synthesize, segment, export."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.cohorts.store import (
    StoredPatient,
    centre,
    from_int16,
    map_array,
    to_int16,
    to_nifti,
)
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.files import write_atomically, write_gzip
from benchmarks.scoring.regions import region_mask
from methods.contract import CLASSES
from workflow import inference
from workflow.cohort import stored_patients
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.train import make_view, trained_entry
from workflow.training.devices import device

WRITERS = {"t1ce": "synthesize", "seg": "segment"}
"""The command that makes each kind of volume."""


def run_synthesize(benchmark: Benchmark, run: str, seed: int) -> None:
    """Write T1ce as int16 (Z, crop, crop): of all patients where a segmentor trains on it."""
    plan = Plan(benchmark)
    if not plan[run].synthesizes:
        raise InputError(f"`{run}` synthesises nothing: it is of kind `{plan[run].kind}`.")
    split = "test" if plan[run].segments else None
    _predict(plan, plan[run], seed, "t1ce", stored_patients(benchmark, split))


def run_segment(benchmark: Benchmark, run: str, seed: int) -> None:
    """Write the test patients' classes as uint8 (Z, crop, crop)."""
    plan = Plan(benchmark)
    if not plan[run].segments:
        raise InputError(f"`{run}` segments nothing: it is of kind `{plan[run].kind}`.")
    _predict(plan, plan[run], seed, "seg", stored_patients(benchmark, "test"))


def _predict(plan: Plan, run: Run, seed: int, what: str, cohort: list[StoredPatient]) -> None:
    layout, speed = Layout(plan.benchmark.name), plan.benchmark.speed
    folder = layout.predictions(run.name, seed, what)
    view = make_view(plan, run, seed)
    checksums, seen = {}, {}
    with device(speed) as where:
        entry, lesson = trained_entry(plan, run, seed, where)
        for patient in cohort:
            if what == "t1ce":
                made = inference.synthesize(entry, patient, view, where, speed.inference_batch)
                made = to_int16(made)
            else:
                made = inference.segment(entry, patient, view, where, speed.inference_batch)
            with write_atomically(folder / f"{patient.patient}.npy") as file:
                np.save(file, made)
            checksums[patient.patient] = hashlib.sha256(made).hexdigest()
            seen[patient.patient] = _look(made, what, patient)
    told = {"learned": asdict(lesson), "seen": seen}
    _write_index(layout.index(run.name, seed, what), run.name, seed, checksums, told)


def _look(made: np.ndarray, what: str, patient: StoredPatient) -> dict:
    """What a glance at a volume tells: how T1ce varies over the brain, or its classes."""
    if what == "seg":
        return {"classes": np.unique(made).tolist()}
    brain = region_mask(patient.volume(patient.grid.crop)[1], "brain")
    return {"deviation": round(float(from_int16(made)[brain].std()), 4) if brain.any() else None}


def _write_index(
    path: Path, run: str, seed: int, volumes: dict[str, str], told: dict | None = None
) -> None:
    """Say which volumes lie here and what is in them.

    Written last, so its presence means that all are there; and other volumes make another index,
    which is how Snakemake, comparing small files by their content, notices them.
    """
    index = {"run": run, "seed": seed, "volumes": volumes} | (told or {})
    with write_atomically(path) as file:
        file.write(json.dumps(index, indent=1).encode())


def read_prediction(
    layout: Layout, run: str, seed: int, what: str, patient: StoredPatient
) -> np.ndarray:
    """A predicted volume, (Z, crop, crop): T1ce as float32 in [-1, 1], or classes as uint8.

    Raises
    ------
    InputError : it is missing, damaged, of another grid than the patient's, or no prediction.
    """
    path = layout.predictions(run, seed, what) / f"{patient.patient}.npy"
    mend = f"Delete it and make it again with {WRITERS[what]}."
    size = (patient.shape[0], patient.grid.crop, patient.grid.crop)
    try:
        volume = np.array(map_array(path, {"t1ce": np.int16, "seg": np.uint8}[what], size))
    except ValueError as error:
        raise InputError(f"{path} cannot be used: {error}. {mend}") from None
    if what == "t1ce":
        return from_int16(volume)
    if volume.max() >= CLASSES:
        raise InputError(f"{path} holds class {volume.max()} of 0 to {CLASSES - 1}. {mend}")
    return volume


def run_export(benchmark: Benchmark, run: str, seed: int) -> None:
    """Write the test patients' predictions as NIfTI that lies over the BraTS files."""
    chosen, layout = Plan(benchmark)[run], Layout(benchmark.name)
    kinds = {"t1ce": chosen.synthesizes, "seg": chosen.segments}
    volumes = {}
    for patient in stored_patients(benchmark, "test"):
        for what in (kind for kind, made in kinds.items() if made):
            volume = read_prediction(layout, run, seed, what, patient)
            volume = centre(volume, patient.shape[1:], fill=-1 if what == "t1ce" else 0)
            name = f"{patient.patient}_{what}.nii.gz"
            image = to_nifti(volume, patient.meta, "image" if what == "t1ce" else "labels")
            write_gzip(layout.cases(run, seed) / name, image.to_bytes())
            volumes[name] = hashlib.sha256(volume).hexdigest()
    _write_index(layout.cases(run, seed) / "index.json", run, seed, volumes)
