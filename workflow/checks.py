"""What should hold of all results of a benchmark, checked when its manifest is written."""

import csv
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.cohorts.crop import lost_brain
from benchmarks.cohorts.duplicates import duplicates
from benchmarks.cohorts.plausibility import suspicious
from benchmarks.cohorts.split import Row, read_split, torn
from benchmarks.cohorts.store import StoredPatient
from benchmarks.manifest import Check
from workflow.layout import Layout
from workflow.plan import Plan
from workflow.predictions import Kind, read_index
from workflow.status import NOT_RUN, Pair, Status
from workflow.stored import stored_patients

CONSTANT = 0.01  # standard deviation over the brain, of a range of 2, that shows no anatomy
LOOKED_AT = 10  # about so many slices of a patient's brain, and as many of the tumour

Indices = list[tuple[Pair, Kind, dict]]


def all_checks(plan: Plan, status: Status) -> Iterator[Check]:
    """Yield every check, with what it found."""
    layout, scored, reasons = Layout(plan.benchmark.name), status.scored, status.reasons
    split, patients = read_split(layout.split), stored_patients(plan.benchmark)
    test = {row.patient for row in split if row.split == "test"}
    read = rows(layout.input_checksums)
    twice = duplicates({one.patient: one.meta.signature for one in patients})
    # What the runs wrote down when they predicted.
    indices = [
        (pair, kind, read_index(layout.run(pair[0].name, pair[1]), kind))
        for pair in scored
        for kind in pair[0].makes
    ]
    yield check(
        "every patient that was read is in one of train, val and test, and in no other",
        sorted({row["patient"] for row in read} ^ {row.patient for row in split}),
    )
    yield check("no patient has time points in two splits", _torn(split, patients))
    yield check(
        "no image of a test patient is a train or val patient's too, under another name",
        _shared(read, twice, test),
    )
    yield check(
        "no patient is in the cohort twice, under two names",
        (f"{a} and {b}" for a, b in twice),
        critical=False,
    )
    yield check("no run learned from, or was chosen by, a test patient", _leaks(indices, test))
    yield check(
        "every external method has declared the patients that it was trained on",
        dict.fromkeys(_undeclared(indices)),
        critical=False,
    )
    yield check(
        "every run was given the modalities in the order in which it learned them",
        _reordered(indices),
    )
    yield check(
        "the files of every patient look like the modalities that they are named after",
        (f"{one.patient}: {doubt}" for one in patients for doubt in doubts(one)),
        critical=False,
    )
    yield check(
        "the crop cuts no brain off",
        lost_brain([patient.meta for patient in patients]),
        critical=False,
    )
    yield check(
        "every run has scores of today's settings, code and patients, or a failure with its reason",
        (_name(pair) for pair, why in reasons.items() if why == NOT_RUN),
    )
    yield check(
        "no run failed",
        (f"{_name(pair)}: {why}" for pair, why in reasons.items() if why != NOT_RUN),
        critical=False,
    )
    yield check("no loss of a scored run is infinite or undefined", _infinite(layout, scored))
    yield check("no synthesised T1ce is constant over a brain", _constant(indices), critical=False)
    yield check("no segmentor predicts one class only", _one_class(indices, test), critical=False)
    yield check(
        "every run is scored on the test patients, all and no others",
        _other_patients(layout, scored, test),
    )
    people = {row.subject for row in split if row.split == "test"}
    yield check("in every table n is the number of test patients", _miscounts(layout, len(people)))


def rows(path: Path) -> list[dict[str, str]]:
    """Return the lines of a CSV file; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check(name: str, faults: Iterable[str], critical: bool = True) -> Check:
    """Return a check that holds if there are no faults."""
    listed = list(faults)
    more = f" and {len(listed) - 9} more" if len(listed) > 9 else ""
    return Check(name=name, holds=not listed, found="; ".join(listed[:9]) + more, critical=critical)


def _name(pair: Pair) -> str:
    run, seed = pair
    return f"{run.name}, seed {seed}"


def _torn(split: list[Row], patients: list[StoredPatient]) -> list[str]:
    """By the subjects of the split file, and by those that the names tell."""
    named = {patient.patient: patient.meta.subject for patient in patients}
    by_name = [row._replace(subject=named[row.patient]) for row in split]
    pairs = [*torn(split), *torn(by_name)]
    found = (f"{a.patient} ({a.split}) and {b.patient} ({b.split})" for a, b in pairs)
    return list(dict.fromkeys(found))


def _shared(
    read: list[dict[str, str]], twice: list[tuple[str, str]], test: set[str]
) -> Iterator[str]:
    """By the checksums of single files, and by the voxels of whole patients."""
    images = [row for row in read if row["kind"] != "seg"]
    tested = {row["sha256"]: row["patient"] for row in images if row["patient"] in test}
    for row in images:
        if row["patient"] not in test and row["sha256"] in tested:
            yield f"{row['kind']} of {row['patient']} is one of {tested[row['sha256']]}"
    for a, b in twice:
        if (a in test) != (b in test):
            yield f"{a} and {b} are the same images"


def _leaks(indices: Indices, test: set[str]) -> Iterator[str]:
    for pair, _, index in indices:
        for split, patients in index["learned"]["patients"].items():
            yield from (f"{_name(pair)}: {name} ({split})" for name in sorted(test & {*patients}))


def _undeclared(indices: Indices) -> Iterator[str]:
    for pair, _, index in indices:
        if pair[0].kind == "external" and not index["learned"]["patients"]:
            yield _name(pair)


def _reordered(indices: Indices) -> Iterator[str]:
    for pair, _, index in indices:
        learned, given = index["learned"]["inputs"], list(pair[0].inputs)
        if learned != given and pair[0].kind != "external":
            yield f"{_name(pair)} learned {', '.join(learned)} and is given {', '.join(given)}"


def doubts(patient: StoredPatient) -> list[str]:
    """Return signs that a patient's images are not of the modalities that they are named after."""
    chosen = set()
    for among in (np.arange(patient.shape[0]), patient.tumour_slices):
        chosen |= set(among[:: max(1, len(among) // LOOKED_AT)].tolist())
    return suspicious(patient.slices(sorted(chosen), patient.grid.crop))


def _infinite(layout: Layout, scored: list[Pair]) -> Iterator[str]:
    for run, seed in scored:
        for line in rows(layout.run(run.name, seed).history):
            for name, value in line.items():
                if not math.isfinite(float(value)):
                    yield f"{run.name}, seed {seed}: {name} is {value} in epoch {line['epoch']}"


def _constant(indices: Indices) -> Iterator[str]:
    for pair, kind, index in indices:
        for patient, seen in index["seen"].items() if kind == "t1ce" else ():
            deviation = seen["deviation"]
            empty = pair[0].kind == "control" and deviation == 0  # on purpose
            if deviation is not None and deviation < CONSTANT and not empty:
                yield f"{_name(pair)}: {patient}"


def _one_class(indices: Indices, test: set[str]) -> Iterator[str]:
    for pair, kind, index in indices:
        if kind == "seg":
            classes = {c for patient in test for c in index["seen"][patient]["classes"]}
            if len(classes) < 2:
                yield f"{_name(pair)}: class {', '.join(map(str, classes))} everywhere"


def _other_patients(layout: Layout, scored: list[Pair], test: set[str]) -> Iterator[str]:
    for run, seed in scored:
        patients = {row["patient"] for row in rows(layout.run(run.name, seed).scores)}
        yield from (f"{name} ({run.name}, seed {seed})" for name in sorted(patients ^ test))


def _miscounts(layout: Layout, patients: int) -> Iterator[str]:
    for path in sorted(layout.tables.glob("*.csv")):
        yield from (f"{path.name}: {fault}" for fault in _miscounted(rows(path), patients))


def _miscounted(lines: list[dict[str, str]], patients: int) -> Iterator[str]:
    """Rows whose numbers are of fewer patients, or leave one out without saying so."""
    for row in lines:
        # A correlation is of no run, and of the patients that all its methods share.
        if not row.get("patients") or row.get("status") or row.get("run") == "":
            continue
        if int(row["patients"]) != patients:
            yield f"{row['run']} has n {row['patients']}"
        for column in (name for name in row if name.endswith("_n") and row[name]):
            undefined = row.get(column.removesuffix("_n") + "_undefined")
            if undefined and int(row[column]) + int(undefined) != patients:
                yield f"{row['run']}, {column}: {row[column]} and {undefined} without value"
