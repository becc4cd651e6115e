"""Divide patients into train, val and test, by a hash of the patient's name and a seed.

A patient's split depends on no other patient, so a cohort may grow or shrink without moving the
others. In return, the counts come near the fractions but do not equal them; `proportional_seed`
finds the seed whose counts are the closest, overall and within each grade.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.cohorts.patient import GRADES
from benchmarks.errors import InputError
from benchmarks.files import write_csv

SPLITS = ("train", "val", "test")
_ANEW = "Make it anew with the split command."

Patients = Sequence[tuple[str, str | None]]
Fractions = tuple[float, float, float]


class Row(NamedTuple):
    """A patient's split, one of `SPLITS`; `grade` is "HGG", "LGG" or None (not known)."""

    patient: str
    grade: str | None
    split: str


def split(patients: Patients, fractions: Fractions, seed: int) -> list[Row]:
    """Assign a split to every (patient, grade), sorted by patient.

    Parameters
    ----------
    fractions : the shares of train, val and test, of any sum, such as 7, 1, 2.

    Raises
    ------
    InputError : a split with a share would be empty; the message names a seed with which none is.
    """
    if empty := _empty(patients, fractions, seed):
        raise InputError(_advice(patients, fractions, seed, empty))
    return [
        Row(patient, grade, _split_of(patient, fractions, seed))
        for patient, grade in sorted(patients, key=lambda pair: pair[0])
    ]


def proportional_counts(number: int, fractions: Fractions) -> dict[str, int]:
    """Return how many of `number` patients each split should get, by largest remainder.

    Of equal remainders the later split's counts more. If there are enough patients, no split with a
    share is empty.
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
    """Return the smallest seed below `tries` whose counts are closest to `proportional_counts`.

    The distance is the number of patients too many or too few in each split, over all patients
    and again within each known grade. The search ends at the first seed with distance 0.
    """
    by_grade = [[pair for pair in patients if pair[1] == grade] for grade in GRADES]
    # The smallest group is refuted soonest.
    groups = sorted([list(patients), *filter(None, by_grade)], key=len)
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
    """Write the rows as CSV; an unknown grade is empty."""
    write_csv(path, Row._fields, rows)


def read_split(path: Path) -> list[Row]:
    """Read the rows of a split file, in its order.

    Raises
    ------
    InputError : the file is missing, has other columns, an unknown grade or split, a patient twice,
        or no patient.
    """
    if not path.is_file():
        raise InputError(f"There is no split file {path}. Make it with the split command.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            lines = [(f"{path}, line {reader.line_num}", cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV ({error}). {_ANEW}") from None
    if tuple(header) != Row._fields:
        found, wanted = ",".join(header) or "missing", ",".join(Row._fields)
        raise InputError(f"{path}, line 1: the columns are {found}. They should be {wanted}.")
    rows: dict[str, Row] = {}
    for place, cells in lines:
        row = _row(cells, place)
        if row.patient in rows:
            twice = f"{place}: patient {row.patient} is already in a line above"
            raise InputError(f"{twice}. Keep one of the two.")
        rows[row.patient] = row
    if not rows:
        raise InputError(f"{path} lists no patient. {_ANEW}")
    return list(rows.values())


def _row(cells: list[str], place: str) -> Row:
    if len(cells) != len(Row._fields) or not cells[0]:
        raise InputError(f"{place}: found {cells}. Write a patient, a grade (or none), a split.")
    patient, grade, name = cells
    if "/" in patient or "\0" in patient:
        raise InputError(f"{place}: {patient!r} is no patient's name. Write the folder's name.")
    if grade not in ("", *GRADES):
        raise InputError(f"{place}: {grade} is no grade. Write {', '.join(GRADES)} or nothing.")
    if name not in SPLITS:
        raise InputError(f"{place}: {name} is no split. Write {', '.join(SPLITS)}.")
    return Row(patient, grade or None, name)


def _split_of(patient: str, fractions: Fractions, seed: int) -> str:
    digest = hashlib.sha256(f"{seed}:{patient}".encode()).digest()
    # 53 bits are what a float holds: the quotient is exact and below 1.
    position = (int.from_bytes(digest[:8]) >> 11) / 2**53 * sum(fractions)
    if position < fractions[0]:
        return "train"
    return "val" if position < fractions[0] + fractions[1] else "test"


def _counts(patients: Patients, fractions: Fractions, seed: int) -> Counter[str]:
    return Counter(_split_of(patient, fractions, seed) for patient, _ in patients)


def _empty(patients: Patients, fractions: Fractions, seed: int) -> list[str]:
    """The splits that have a share but no patient."""
    counts = _counts(patients, fractions, seed)
    shares = zip(SPLITS, fractions, strict=True)
    return [name for name, share in shares if share and not counts[name]]


def _advice(patients: Patients, fractions: Fractions, seed: int, empty: list[str]) -> str:
    ratio = ":".join(f"{share:g}" for share in fractions)
    fault = (
        f"With seed {seed}, splitting {len(patients)} patients {ratio} leaves no patient for "
        f"{' and '.join(empty)}."
    )
    better = proportional_seed(patients, fractions)
    if _empty(patients, fractions, better):
        return f"{fault} Add patients: every split needs at least one."
    counts = _counts(patients, fractions, better)
    spread = ", ".join(f"{counts[name]} {name}" for name in SPLITS)
    return f"{fault} Set the seed to {better}, which gives {spread}."
