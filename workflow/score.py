"""The command that judges a run's predictions."""

import hashlib
import json

import pandas as pd

from benchmarks.cohorts.store import StoredPatient, centre
from benchmarks.config import Benchmark
from benchmarks.files import write_atomically
from benchmarks.reporting.tables import COLUMNS
from benchmarks.scoring.protocol import Protocol, load_protocol, score_segmentation, score_synthesis
from workflow.cohort import stored_patients, with_cohort
from workflow.fingerprint import fingerprint
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.predict import read_prediction

SCORING = ["benchmarks.scoring.protocol"]
"""The code that, with this module, makes scores of predictions."""


def run_score(benchmark: Benchmark, run: str, seed: int) -> None:
    """Score a run's test patients under every protocol, a row a patient, region and metric."""
    layout, plan = Layout(benchmark.name), Plan(benchmark)
    chosen = plan[run]
    protocols = [load_protocol(name) for name in benchmark.results.protocols]
    rows = [
        {"system": run, "seed": seed, "patient": patient.patient, "grade": patient.grade or ""}
        | score
        for patient in stored_patients(benchmark, "test")
        for protocol in protocols
        for score in _scores(layout, chosen, seed, patient, protocol)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    layout.origin(run, seed).unlink(missing_ok=True)
    with write_atomically(layout.scores(run, seed)) as file:
        file.write(table.to_csv(index=False, float_format="%.12g", lineterminator="\n").encode())
    with write_atomically(layout.origin(run, seed)) as file:
        file.write(_origin(plan, chosen, seed).encode())


def _scores(
    layout: Layout, run: Run, seed: int, patient: StoredPatient, protocol: Protocol
) -> list[dict]:
    size = (patient.grid.crop,) * 2 if protocol.frame == "crop" else patient.shape[1:]
    images, labels = patient.volume()
    labels = centre(labels, size, fill=-1)
    rows = []
    if run.synthesizes:
        made = centre(read_prediction(layout, run.name, seed, "t1ce", patient), size, fill=-1)
        rows += score_synthesis(protocol, centre(images[3], size, fill=-1), made, labels)
    if run.segments:
        made = centre(read_prediction(layout, run.name, seed, "seg", patient), size, fill=0)
        spacing, diagonal = patient.spacing, patient.diagonal_mm
        rows += score_segmentation(protocol, labels, made, spacing, diagonal)
    return rows


def is_scored(plan: Plan, run: Run, seed: int) -> bool:
    """Whether `run` has scores, and of today's settings, code and patients."""
    layout = Layout(plan.benchmark.name)
    if not layout.scores(run.name, seed).exists() or not layout.origin(run.name, seed).exists():
        return False
    return layout.origin(run.name, seed).read_text() == _origin(plan, run, seed)


def _origin(plan: Plan, run: Run, seed: int) -> str:
    """Identifies all that a run's scores follow from."""
    names = plan.benchmark.results.protocols
    parts = [
        with_cohort(plan.digest(run, seed), plan.benchmark),
        [load_protocol(name).model_dump(mode="json") for name in names],
        fingerprint(SCORING, alone=[__name__]),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
