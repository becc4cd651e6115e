"""Score a run's predictions."""

import math
from collections.abc import Iterator

import numpy as np

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.slice_split import split_slices
from benchmarks.cohorts.store import StoredPatient, center_crop_or_pad
from benchmarks.config import Split
from benchmarks.files import write_csv
from benchmarks.scoring.protocol import Protocol
from benchmarks.scoring.score import score_segmentation, score_synthesis
from workflow.layout import Layout, RunFolder
from workflow.plan import Plan, Run
from workflow.predictions import Predictions, volume_checksums
from workflow.records import Record, checksums
from workflow.status import write_scores_digest
from workflow.stored import patient_checksums, stored_patients

COLUMNS = (
    "run", "seed", "repeat", "fold", "patient", "subject", "grade", "protocol", "task",
    "region", "metric", "postprocessing", "value", "note",
)  # fmt: skip


def run(plan: Plan, run: str, replicate: Replicate) -> list[Record]:
    """Score a run's test patients: one row per patient, protocol, region and metric."""
    benchmark, chosen = plan.benchmark, plan[run]
    folder = Layout(benchmark.name).run(run, replicate)
    patients = stored_patients(benchmark, replicate.place, "test")
    rows = [
        {
            "run": run,
            **replicate.numbers,
            "patient": patient.patient,
            "subject": patient.subject,
            "grade": patient.grade or "",
            **score,
        }
        for patient in patients
        for score in _scores(
            folder,
            chosen,
            patient,
            plan.protocols,
            held_out_slices(patient, benchmark.results.split, replicate.place),
        )
    ]
    folder.scores_digest.unlink(missing_ok=True)
    write_csv(folder.scores, COLUMNS, ([_cell(row[name]) for name in COLUMNS] for row in rows))
    write_scores_digest(plan, chosen, replicate)
    takes = patient_checksums(benchmark, patients)
    for kind in chosen.makes:
        takes |= volume_checksums(folder, kind, [patient.patient for patient in patients])
    return [Record(f"score {run}, {replicate.title}", takes, checksums([folder.scores]))]


def held_out_slices(patient: StoredPatient, split: Split, place: Place) -> np.ndarray:
    """Return which slices a split by slice tests, whichever unit is split: bool (Z,)."""
    shares = (split.fractions, split.seed, place, split.folds)
    return split_slices(patient.patient, patient.shape[0], *shares) == "test"


def _cell(value: object) -> object:
    """Return a number with 12 digits, an undefined one as nothing."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.12g}"
    return value


def _scores(
    folder: RunFolder,
    run: Run,
    patient: StoredPatient,
    protocols: list[Protocol],
    held_out: np.ndarray,
) -> list[dict]:
    scan = patient.volume()
    rows = []
    if "t1ce" in run.makes:
        t1ce = Predictions(folder, "t1ce").read(patient)
        for size, alike in _by_size(patient, [x for x in protocols if x.synthesis]):
            volumes = [center_crop_or_pad(x, size, fill=-1) for x in (scan.t1ce, t1ce, scan.labels)]
            rows += score_synthesis(alike, *volumes, held_out)
    if "seg" in run.makes:
        seg = Predictions(folder, "seg").read(patient)
        for size, alike in _by_size(patient, [x for x in protocols if x.segmentation]):
            labels = center_crop_or_pad(scan.labels, size, fill=-1)
            predicted = center_crop_or_pad(seg, size, fill=0)
            sizes = patient.spacing, patient.diagonal_mm
            rows += score_segmentation(alike, labels, predicted, *sizes, held_out)
    order = {protocol.name: place for place, protocol in enumerate(protocols)}
    return sorted(rows, key=lambda row: (row["task"] == "segmentation", order[row["protocol"]]))


def _by_size(
    patient: StoredPatient, protocols: list[Protocol]
) -> Iterator[tuple[tuple[int, int], list[Protocol]]]:
    """Yield the protocols that compare slices of one size, with that size, rows and columns."""
    sizes = {"crop": (patient.grid.crop,) * 2, "volume": patient.shape[1:]}
    for frame, size in sizes.items():
        if alike := [protocol for protocol in protocols if protocol.frame == frame]:
            yield size, alike
