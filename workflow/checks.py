"""What should hold of all results of a benchmark, checked when its manifest is written."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mode

import numpy as np

from benchmarks.cohorts.crop import lost_brain
from benchmarks.cohorts.duplicates import duplicates
from benchmarks.cohorts.plausibility import suspicious
from benchmarks.cohorts.replicate import Place
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

Tested = dict[Place, set[str]]  # the test patients of each fold and repeat
Indices = list[tuple[Pair, Kind, dict]]


def all_checks(plan: Plan, status: Status) -> Iterator[Check]:
    """Yield every check, with what it found."""
    layout, scored, reasons = Layout(plan.benchmark.name), status.scored, status.reasons
    places = plan.benchmark.results.split.places
    splits = {place: read_split(layout.split(place)) for place in places}
    patients = stored_patients(plan.benchmark, places[0])
    test = {
        place: {row.patient for row in split if row.split == "test"}
        for place, split in splits.items()
    }
    read = list(rows(layout.input_checksums))
    twice = duplicates({one.patient: one.meta.signature for one in patients})
    # What the runs wrote down when they predicted.
    indices = [
        (pair, kind, read_index(layout.run(pair[0].name, pair[1]), kind))
        for pair in scored
        for kind in pair[0].makes
    ]
    yield check(
        "every patient that was read is in one of train, val and test, and in no other",
        (
            name
            for split in splits.values()
            for name in sorted({row["patient"] for row in read} ^ {row.patient for row in split})
        ),
    )
    yield check("no patient has time points in two splits", _torn(splits, patients))
    yield check(
        "no image of a test patient is a train or val patient's too, under another name",
        (fault for place in places for fault in _shared(read, twice, test[place])),
    )
    yield check(
        "no patient is in the cohort twice, under two names",
        (f"{a} and {b}" for a, b in twice),
        critical=False,
    )
    leaky = [one for one in indices if one[0][0].settings.split.unit == "slice"]
    yield check(
        "no run learned from, or was chosen by, a test patient",
        _leaks([one for one in indices if one not in leaky], test),
    )
    if leaky:
        yield check(
            "no run learned from other slices of the test patients, as `split.unit: slice` asks",
            dict.fromkeys(_name(pair) for pair, _, _ in leaky),
            critical=False,
        )
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
    people = {row.subject for split in splits.values() for row in split if row.split == "test"}
    yield check("in every table n is the number of test patients", _miscounts(layout, len(people)))


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the lines of a CSV file, of which the long table has too many to hold them all."""
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def check(name: str, faults: Iterable[str], critical: bool = True) -> Check:
    """Return a check that holds if there are no faults."""
    listed = list(faults)
    more = f" and {len(listed) - 9} more" if len(listed) > 9 else ""
    return Check(name=name, holds=not listed, found="; ".join(listed[:9]) + more, critical=critical)


def _name(pair: Pair) -> str:
    run, replicate = pair
    return f"{run.name}, {replicate.title}"


def _torn(splits: dict[Place, list[Row]], patients: list[StoredPatient]) -> list[str]:
    """By the subjects of the split files, and by those that the names tell."""
    named = {patient.patient: patient.meta.subject for patient in patients}
    found: dict[str, None] = {}
    for split in splits.values():
        by_name = [row._replace(subject=named[row.patient]) for row in split]
        for a, b in (*torn(split), *torn(by_name)):
            found[f"{a.patient} ({a.split}) and {b.patient} ({b.split})"] = None
    return list(found)


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


def _leaks(indices: Indices, tested: Tested) -> Iterator[str]:
    for pair, _, index in indices:
        test = tested[pair[1].place]
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
    for pair in scored:
        for line in rows(layout.run(pair[0].name, pair[1]).history):
            for name, value in line.items():
                if not math.isfinite(float(value)):
                    yield f"{_name(pair)}: {name} is {value} in epoch {line['epoch']}"


def _constant(indices: Indices) -> Iterator[str]:
    for pair, kind, index in indices:
        for patient, seen in index["seen"].items() if kind == "t1ce" else ():
            deviation = seen["deviation"]
            empty = pair[0].kind == "control" and deviation == 0  # on purpose
            if deviation is not None and deviation < CONSTANT and not empty:
                yield f"{_name(pair)}: {patient}"


def _one_class(indices: Indices, tested: Tested) -> Iterator[str]:
    for pair, kind, index in indices:
        test = tested[pair[1].place]
        if kind == "seg":
            classes = {c for patient in test for c in index["seen"][patient]["classes"]}
            if len(classes) < 2:
                yield f"{_name(pair)}: class {', '.join(map(str, classes))} everywhere"


def _other_patients(layout: Layout, scored: list[Pair], tested: Tested) -> Iterator[str]:
    for pair in scored:
        run, replicate = pair
        patients = {row["patient"] for row in rows(layout.run(run.name, replicate).scores)}
        others = sorted(patients ^ tested[replicate.place])
        yield from (f"{name} ({_name(pair)})" for name in others)


def _miscounts(layout: Layout, patients: int) -> Iterator[str]:
    for path in sorted(layout.tables.glob("*.csv")):
        yield from (f"{path.name}: {fault}" for fault in _miscounted(rows(path), patients))


def _miscounted(lines: Iterable[dict[str, str]], patients: int) -> Iterator[str]:
    """Rows whose numbers are of fewer patients, or leave one out without saying so.

    A column may be over the patients who have a region, the same in each row of its block.
    """
    counted = defaultdict(list)
    for row in lines:
        # A correlation is of no run, and of the patients that all its methods share.
        if not row.get("patients") or row.get("status") or row.get("run") == "":
            continue
        if row.get("subgroup"):
            continue
        if int(row["patients"]) != patients:
            yield f"{row['run']} has n {row['patients']}"
        for column in (name for name in row if name.endswith("_n") and row[name]):
            if undefined := row.get(column.removesuffix("_n") + "_undefined"):
                block = row.get("protocol"), row.get("utility"), column
                counted[block].append((row["run"], int(row[column]), int(undefined)))
    for (*_, column), cells in counted.items():
        expected = mode(n + undefined for _, n, undefined in cells)
        for run, n, undefined in cells:
            if n + undefined != expected or expected > patients:
                yield f"{run}, {column}: {n} and {undefined} without value"
