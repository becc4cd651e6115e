"""The command that judges a run's predictions."""

import hashlib
import json
from collections.abc import Iterator

import pandas as pd

from benchmarks.cohorts.store import StoredPatient, centre
from benchmarks.config import Benchmark
from benchmarks.files import write_atomically
from benchmarks.reporting.tables import COLUMNS
from benchmarks.scoring.conventions import read_conventions
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
    protocols = scored_protocols(benchmark)
    rows = [
        {"system": run, "seed": seed, "patient": patient.patient, "grade": patient.grade or ""}
        | score
        for patient in stored_patients(benchmark, "test")
        for score in _scores(layout, chosen, seed, patient, protocols)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    layout.origin(run, seed).unlink(missing_ok=True)
    with write_atomically(layout.scores(run, seed)) as file:
        file.write(table.to_csv(index=False, float_format="%.12g", lineterminator="\n").encode())
    write_origin(plan, chosen, seed)


def scored_protocols(benchmark: Benchmark) -> list[Protocol]:
    """The benchmark's protocols, and the conventions that change one thing of `strict`."""
    protocols = [load_protocol(name) for name in benchmark.results.protocols]
    if benchmark.results.conventions:
        protocols += [c.protocol() for c in read_conventions() if c.change is not None]
    return protocols


def _scores(
    layout: Layout, run: Run, seed: int, patient: StoredPatient, protocols: list[Protocol]
) -> list[dict]:
    images, labels = patient.volume()
    rows = []
    if run.synthesizes:
        made = read_prediction(layout, run.name, seed, "t1ce", patient)
        for size, alike in _by_size(patient, [x for x in protocols if x.synthesis]):
            volumes = [centre(x, size, fill=-1) for x in (images[3], made, labels)]
            rows += score_synthesis(alike, *volumes)
    if run.segments:
        made = read_prediction(layout, run.name, seed, "seg", patient)
        for size, alike in _by_size(patient, [x for x in protocols if x.segmentation]):
            volumes = centre(labels, size, fill=-1), centre(made, size, fill=0)
            rows += score_segmentation(alike, *volumes, patient.spacing, patient.diagonal_mm)
    order = {protocol.name: place for place, protocol in enumerate(protocols)}
    return sorted(rows, key=lambda row: (row["task"] == "segmentation", order[row["protocol"]]))


def _by_size(
    patient: StoredPatient, protocols: list[Protocol]
) -> Iterator[tuple[tuple[int, int], list[Protocol]]]:
    """The protocols that compare slices of one size, with that size, rows and columns."""
    sizes = {"crop": (patient.grid.crop,) * 2, "volume": patient.shape[1:]}
    for frame, size in sizes.items():
        alike = [protocol for protocol in protocols if protocol.frame == frame]
        if alike:
            yield size, alike


def write_origin(plan: Plan, run: Run, seed: int) -> None:
    """Say that a run's scores are of today's settings, code and patients."""
    with write_atomically(Layout(plan.benchmark.name).origin(run.name, seed)) as file:
        file.write(_origin(plan, run, seed).encode())


def is_scored(plan: Plan, run: Run, seed: int) -> bool:
    """Whether `run` has scores, and of today's settings, code and patients."""
    layout = Layout(plan.benchmark.name)
    if not layout.scores(run.name, seed).exists() or not layout.origin(run.name, seed).exists():
        return False
    return layout.origin(run.name, seed).read_text() == _origin(plan, run, seed)


def _origin(plan: Plan, run: Run, seed: int) -> str:
    """Identifies all that a run's scores follow from."""
    parts = [
        with_cohort(plan.digest(run, seed), plan.benchmark),
        [protocol.model_dump(mode="json") for protocol in scored_protocols(plan.benchmark)],
        fingerprint(SCORING, alone=[__name__]),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
