"""Who trains, who validates, who tests: by patient, from the patient's name and a seed alone.

A patient's place depends on no other patient, so that a cohort may grow or shrink and all others
stay where they are. The price is that the counts come out near the fractions, not on them;
`proportional_seed` finds the seed with which they come closest, overall and within each grade.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks.cohorts.brats import GRADES
from benchmarks.errors import InputError
from benchmarks.files import write_csv

SPLITS = ("train", "val", "test")
COLUMNS = ("patient", "grade", "split")

Patients = Sequence[tuple[str, str | None]]
Fractions = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """A patient's place: `grade` is "HGG", "LGG" or None, `split` "train", "val" or "test"."""

    patient: str
    grade: str | None
    split: str


def split(patients: Patients, fractions: Fractions, seed: int) -> list[Row]:
    """Every (patient, grade) with its split, sorted by patient.

    `fractions` are the shares of train, val and test, of any sum, such as 7, 1, 2. Raises
    InputError where a split with a share would be empty, and names a seed with which none is.
    """
    rows = [
        Row(patient, grade, _split_of(patient, fractions, seed))
        for patient, grade in sorted(patients, key=lambda pair: pair[0])
    ]
    counts = _counts(patients, fractions, seed)
    empty = [name for name in _wanted(fractions) if not counts[name]]
    if empty:
        raise InputError(_advice(patients, fractions, seed, empty))
    return rows


def proportional_counts(number: int, fractions: Fractions) -> dict[str, int]:
    """How many of `number` patients each split should get, by largest remainder.

    Of equal remainders the later split's counts more. Where there are patients enough, no split
    with a share stays empty.
    """
    quotas = [number * share / sum(fractions) for share in fractions]
    counts = [int(quota) for quota in quotas]
    by_remainder = sorted(range(3), key=lambda i: (round(quotas[i] - counts[i], 9), i))
    for i in by_remainder[3 - (number - sum(counts)) :]:
        counts[i] += 1
    for i, share in enumerate(fractions):
        if share and not counts[i] and max(counts) > 1:
            counts[counts.index(max(counts))] -= 1
            counts[i] = 1
    return dict(zip(SPLITS, counts, strict=True))


def proportional_seed(patients: Patients, fractions: Fractions, tries: int = 10_000) -> int:
    """The smallest seed below `tries` whose counts come closest to `proportional_counts`.

    The distance is the number of patients too many or too few in each split, over all patients
    and again within each known grade. The search ends at the first seed with distance 0.
    """
    groups = _groups(patients)
    targets = [proportional_counts(len(group), fractions) for group in groups]
    best_seed, best_distance = 0, float("inf")
    for seed in range(tries):
        distance = 0
        for group, target in zip(groups, targets, strict=True):
            counts = _counts(group, fractions, seed)
            distance += sum(abs(counts[name] - target[name]) for name in SPLITS)
            if distance >= best_distance:
                break
        if distance < best_distance:
            best_seed, best_distance = seed, distance
        if best_distance == 0:
            break
    return best_seed


def write_split(rows: list[Row], path: Path) -> None:
    """Write the rows as CSV with the columns patient, grade (empty if not known) and split."""
    write_csv(path, COLUMNS, [(row.patient, row.grade or "", row.split) for row in rows])


def read_split(path: Path) -> list[Row]:
    """The rows of a split file, in its order.

    Raises InputError for a file that is missing, has other columns, an unknown grade or split,
    a patient twice, or no patient at all.
    """
    if not path.is_file():
        raise InputError(f"There is no split file {path}. Make it with the split command.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = _rows(path, file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as CSV ({error}). Make it anew with the split command."
        ) from None
    if not rows:
        raise InputError(f"{path} lists no patient. Make it anew with the split command.")
    return list(rows.values())


def _rows(path: Path, file: TextIO) -> dict[str, Row]:
    reader = csv.reader(file)
    header = next(reader, [])
    if tuple(header) != COLUMNS:
        raise InputError(
            f"{path}, line 1: the columns are {','.join(header) or 'missing'}. They should be "
            f"{','.join(COLUMNS)}."
        )
    rows: dict[str, Row] = {}
    for cells in reader:
        row = _row(cells, f"{path}, line {reader.line_num}")
        if row.patient in rows:
            raise InputError(
                f"{path}, line {reader.line_num}: patient {row.patient} is already in a line "
                "above. Keep one of the two."
            )
        rows[row.patient] = row
    return rows


def _split_of(patient: str, fractions: Fractions, seed: int) -> str:
    digest = hashlib.sha256(f"{seed}:{patient}".encode()).digest()
    # 53 bits are what a float holds: the quotient is exact and below 1.
    position = (int.from_bytes(digest[:8]) >> 11) / 2**53 * sum(fractions)
    if position < fractions[0]:
        return "train"
    return "val" if position < fractions[0] + fractions[1] else "test"


def _counts(patients: Patients, fractions: Fractions, seed: int) -> Counter[str]:
    return Counter(_split_of(patient, fractions, seed) for patient, _ in patients)


def _wanted(fractions: Fractions) -> list[str]:
    return [name for name, share in zip(SPLITS, fractions, strict=True) if share]


def _groups(patients: Patients) -> list[Patients]:
    """All patients, and those of each grade; the smallest group, soonest refuted, first."""
    by_grade = [[pair for pair in patients if pair[1] == grade] for grade in GRADES]
    return sorted([list(patients), *filter(None, by_grade)], key=len)


def _advice(patients: Patients, fractions: Fractions, seed: int, empty: list[str]) -> str:
    ratio = ":".join(f"{share:g}" for share in fractions)
    fault = f"With seed {seed}, splitting {len(patients)} patients {ratio} leaves no patient for "
    fault += f"{' and '.join(empty)}."
    better = proportional_seed(patients, fractions)
    counts = _counts(patients, fractions, better)
    if not all(counts[name] for name in _wanted(fractions)):
        return f"{fault} Add patients: every split needs at least one."
    spread = ", ".join(f"{counts[name]} {name}" for name in SPLITS)
    return f"{fault} Set the seed to {better}, which gives {spread}."


def _row(cells: list[str], place: str) -> Row:
    if len(cells) != len(COLUMNS) or not cells[0]:
        raise InputError(f"{place}: found {cells}. Write a patient, a grade (or none), a split.")
    patient, grade, name = cells
    if "/" in patient or "\0" in patient:
        raise InputError(f"{place}: {patient!r} is no patient's name. Write the folder's name.")
    if grade not in ("", *GRADES):
        raise InputError(f"{place}: {grade} is no grade. Write {', '.join(GRADES)} or nothing.")
    if name not in SPLITS:
        raise InputError(f"{place}: {name} is no split. Write {', '.join(SPLITS)}.")
    return Row(patient, grade or None, name)
