"""What should hold of all results of a benchmark, checked when its manifest is written."""

import csv
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.cohorts.plausibility import doubts
from benchmarks.cohorts.split import read_split
from benchmarks.cohorts.store import StoredPatient
from benchmarks.provenance import Check
from benchmarks.reporting.tables import read_scores
from workflow.cohort import stored_patients
from workflow.failures import NOT_RUN
from workflow.layout import Layout
from workflow.plan import Plan
from workflow.tabulate import Pair

CONSTANT = 0.01
"""The standard deviation over the brain, of a range of 2, below which nothing is to be seen."""
GLANCES = 10
"""About so many slices of a patient's brain, and of the tumour, are looked at."""


def all_checks(
    plan: Plan, scored: list[Pair], reasons: dict[Pair, str], lacking: list[str]
) -> Iterator[Check]:
    """Every check, with what it found.

    Parameters
    ----------
    scored, reasons : as `workflow.tabulate.standing` gives them.
    lacking : files that the scores follow from, but which are not there.
    """
    layout = Layout(plan.benchmark.name)
    split = {row.patient: row.split for row in read_split(layout.split)}
    test = {patient for patient, place in split.items() if place == "test"}
    read = rows(layout.manifest)
    yield _check(
        "every patient that was read is in one of train, val and test, and in no other",
        sorted({row["patient"] for row in read} ^ split.keys()),
    )
    yield _check(
        "no image of a test patient is a train or val patient's too, under another name",
        _shared(read, test),
    )
    yield _check(
        "no run learned from, or was chosen by, a test patient", _leaks(layout, scored, test)
    )
    yield _check(
        "every run was given the modalities in the order in which it learned them",
        _reordered(layout, scored),
    )
    yield _check(
        "the files of every patient look like the modalities that they are named after",
        _implausible(plan),
        grave=False,
    )
    yield _check("all files that the scores follow from are there", lacking)
    yield _check(
        "every run has scores of today's settings, code and patients, or a failure with its reason",
        (_name(pair) for pair, why in reasons.items() if why == NOT_RUN),
    )
    yield _check(
        "no run failed",
        (f"{_name(pair)}: {why}" for pair, why in reasons.items() if why != NOT_RUN),
        grave=False,
    )
    yield _check("no loss of a scored run is infinite or undefined", _infinite(layout, scored))
    yield _check(
        "no synthesised T1ce is constant over a brain", _constant(layout, scored), grave=False
    )
    yield _check(
        "no segmentor predicts one class only", _one_class(layout, scored, test), grave=False
    )
    yield _check(
        "every run is scored on the test patients, all and no others",
        _strangers(layout, scored, test),
    )
    yield _check("in every table n is the number of test patients", _miscounts(layout, len(test)))


def rows(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _check(name: str, faults: Iterable[str], grave: bool = True) -> Check:
    listed = list(faults)
    more = f" and {len(listed) - 9} more" if len(listed) > 9 else ""
    return Check(name=name, holds=not listed, found="; ".join(listed[:9]) + more, grave=grave)


def _name(pair: Pair) -> str:
    run, seed = pair
    return f"{run.name}, seed {seed}"


def _shared(read: list[dict[str, str]], test: set[str]) -> Iterator[str]:
    images = [row for row in read if row["kind"] != "seg"]
    tested = {row["sha256"]: row["patient"] for row in images if row["patient"] in test}
    for row in images:
        if row["patient"] not in test and row["sha256"] in tested:
            yield f"{row['kind']} of {row['patient']} is one of {tested[row['sha256']]}"


def _indices(layout: Layout, scored: list[Pair]) -> Iterator[tuple[Pair, str, dict]]:
    """What the runs wrote down when they predicted."""
    for run, seed in scored:
        for what, is_made in (("t1ce", run.synthesizes), ("seg", run.segments)):
            path = layout.index(run.name, seed, what)
            if is_made and path.is_file():
                yield (run, seed), what, json.loads(path.read_text())


def _leaks(layout: Layout, scored: list[Pair], test: set[str]) -> Iterator[str]:
    for pair, _, index in _indices(layout, scored):
        for split, patients in index["learned"]["patients"].items():
            for patient in sorted(test & set(patients)):
                yield f"{_name(pair)}: {patient} ({split})"


def _reordered(layout: Layout, scored: list[Pair]) -> Iterator[str]:
    for pair, _, index in _indices(layout, scored):
        learned, given = index["learned"]["inputs"], list(pair[0].inputs)
        if learned != given:
            yield f"{_name(pair)} learned {', '.join(learned)} and is given {', '.join(given)}"


def _implausible(plan: Plan) -> Iterator[str]:
    for patient in stored_patients(plan.benchmark):
        for doubt in doubts(*_glance(patient)):
            yield f"{patient.patient}: {doubt}"


def _glance(patient: StoredPatient) -> tuple[np.ndarray, np.ndarray]:
    """Some slices of all, and of those with tumour: (4, n, Y, X) and (n, Y, X)."""
    chosen = set()
    for among in (np.arange(patient.shape[0]), patient.tumour_slices):
        chosen |= set(among[:: max(1, len(among) // GLANCES)].tolist())
    slices = [patient.slice(z, patient.grid.crop) for z in sorted(chosen)]
    return np.stack([images for images, _ in slices], 1), np.stack([labels for _, labels in slices])


def _infinite(layout: Layout, scored: list[Pair]) -> Iterator[str]:
    for run, seed in scored:
        for line in rows(layout.history(run.name, seed)):
            for name, value in line.items():
                if not math.isfinite(float(value)):
                    yield f"{run.name}, seed {seed}: {name} is {value} in epoch {line['epoch']}"


def _constant(layout: Layout, scored: list[Pair]) -> Iterator[str]:
    for pair, what, index in _indices(layout, scored):
        for patient, seen in index["seen"].items() if what == "t1ce" else ():
            if seen["deviation"] is not None and seen["deviation"] < CONSTANT:
                yield f"{_name(pair)}: {patient}"


def _one_class(layout: Layout, scored: list[Pair], test: set[str]) -> Iterator[str]:
    for pair, what, index in _indices(layout, scored):
        if what == "seg":
            classes = {c for patient in test for c in index["seen"][patient]["classes"]}
            if len(classes) < 2:
                yield f"{_name(pair)}: class {', '.join(map(str, classes))} everywhere"


def _strangers(layout: Layout, scored: list[Pair], test: set[str]) -> Iterator[str]:
    for run, seed in scored:
        patients = set(read_scores([layout.scores(run.name, seed)])["patient"])
        yield from (f"{name} ({run.name}, seed {seed})" for name in sorted(patients ^ test))


def _miscounts(layout: Layout, patients: int) -> Iterator[str]:
    for path in sorted(layout.tables.glob("*.csv")):
        yield from (f"{path.name}: {fault}" for fault in _miscounted(rows(path), patients))


def _miscounted(lines: list[dict[str, str]], patients: int) -> Iterator[str]:
    """Rows with numbers that are of fewer patients, or lose one without saying so."""
    for row in lines:
        if not row.get("patients") or row.get("status"):
            continue
        if int(row["patients"]) != patients:
            yield f"{row['system']} has n {row['patients']}"
        for column in (name for name in row if name.endswith("_n") and row[name]):
            undefined = row.get(column.removesuffix("_n") + "_undefined")
            if undefined and int(row[column]) + int(undefined) != patients:
                yield f"{row['system']}, {column}: {row[column]} and {undefined} without value"
