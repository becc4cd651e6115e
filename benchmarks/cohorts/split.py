"""Divide patients into train, val and test, by a hash of the subject's name and a seed.

Folds divide them several times, so that each is a test patient once; repeats, by other seeds.

A subject is a person, a patient one scan of theirs, as BraTS names its folders: of most cohorts
they are the same. All time points of a subject are in one split, and subjects are what is counted.

A subject's split depends on no other, so a cohort may grow or shrink without moving the others. In
return, the counts come near the fractions but do not equal them; `proportional_seed` finds the seed
whose counts are the closest, overall and within each grade.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from benchmarks.cohorts.patient import GRADES
from benchmarks.cohorts.replicate import Place
from benchmarks.errors import InputError
from benchmarks.files import write_csv

SPLITS = ("train", "val", "test")
_WITHOUT_SUBJECT = ("patient", "grade", "split")  # the columns that a user's own file must have
_ANEW = "Make it anew with the split command."

Subjects = Sequence[tuple[str, str | None]]  # each with its grade
Fractions = tuple[float, float, float]


class Row(NamedTuple):
    """A patient's split, one of `SPLITS`.

    `subject` is the person, `grade` is "HGG", "LGG" or None (not known).
    """

    patient: str
    subject: str
    grade: str | None
    split: str


def headcount(subjects: Sequence[str]) -> str:
    """Return "13", or "26 scans of 13" where some have several; `subjects` has one per scan."""
    people = len(set(subjects))
    return f"{people}" if people == len(subjects) else f"{len(subjects)} scans of {people}"


def split(
    patients: Iterable[tuple[str, str, str | None]],
    fractions: Fractions,
    seed: int,
    place: Place = Place(),  # noqa: B008
    folds: int | None = None,
) -> list[Row]:
    """Assign a split to every (patient, subject, grade), sorted by patient.

    Parameters
    ----------
    fractions : the shares of train, val and test, of any sum, such as 7, 1, 2. With folds, the
        first two share out who is not tested.
    place : the repeat, and the fold that is tested.
    folds : how many folds there are; None for one division.

    Raises
    ------
    InputError : a split with a share would be empty; the message names a seed with which none is.
    """
    rows = [
        Row(patient, subject, grade, _split_of(subject, fractions, seed, place, folds))
        for patient, subject, grade in sorted(patients, key=itemgetter(0))
    ]
    grades: dict[str, str | None] = {}
    for row in rows:
        grades[row.subject] = grades.get(row.subject) or row.grade
    counts = Counter(row.split for row in rows)
    shares = zip(SPLITS, (*fractions[:2], folds or fractions[2]), strict=True)
    if empty := [name for name, share in shares if share and not counts[name]]:
        scans = headcount([row.subject for row in rows])
        if folds or place.repeat:
            raise InputError(_advice_on_folds(scans, list(grades), fractions, seed, place, folds))
        raise InputError(_advice(scans, list(grades.items()), fractions, seed, empty))
    return rows


def torn(rows: Iterable[Row]) -> list[tuple[Row, Row]]:
    """Return patients of one subject in different splits: the subject's first, and the other."""
    first: dict[str, Row] = {}
    return [
        (first[row.subject], row)
        for row in rows
        if first.setdefault(row.subject, row).split != row.split
    ]


def proportional_counts(number: int, fractions: Fractions) -> dict[str, int]:
    """Return how many of `number` subjects each split should get, by largest remainder.

    Of equal remainders the later split's counts more. If there are enough subjects, no split with a
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


def proportional_seed(subjects: Subjects, fractions: Fractions, tries: int = 10_000) -> int:
    """Return the smallest seed below `tries` whose counts are closest to `proportional_counts`.

    The distance is the number of subjects too many or too few in each split, over all patients
    and again within each known grade. The search ends at the first seed with distance 0.
    """
    by_grade = [[pair for pair in subjects if pair[1] == grade] for grade in GRADES]
    # The smallest group is refuted soonest.
    groups = sorted([list(subjects), *filter(None, by_grade)], key=len)
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


def read_split(path: Path, subjects: Mapping[str, str] | None = None) -> list[Row]:
    """Read the rows of a split file, in its order.

    Parameters
    ----------
    subjects : those that patients' names tell. They fill the column `subject` where the file leaves
        it out; of other patients the subject is then the patient.

    Raises
    ------
    InputError : the file is missing, has other columns, an unknown grade or split, a patient twice,
        another subject than a name tells, or no patient.
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
    if tuple(header) not in (Row._fields, _WITHOUT_SUBJECT):
        found, wanted = ",".join(header) or "missing", ",".join(Row._fields)
        raise InputError(
            f"{path}, line 1: the columns are {found}. They should be {wanted}, or these without "
            "subject."
        )
    rows: dict[str, Row] = {}
    for place, cells in lines:
        row = _row(header, cells, place, subjects or {})
        if row.patient in rows:
            twice = f"{place}: patient {row.patient} is already in a line above"
            raise InputError(f"{twice}. Keep one of the two.")
        rows[row.patient] = row
    if not rows:
        raise InputError(f"{path} lists no patient. {_ANEW}")
    return list(rows.values())


def _row(header: list[str], cells: list[str], place: str, subjects: Mapping[str, str]) -> Row:
    if len(cells) != len(header) or not cells[0]:
        raise InputError(
            f"{place}: found {cells}. Write {', '.join(header)}; a grade may be empty."
        )
    found = dict(zip(header, cells, strict=True))
    patient, grade, name = (found[column] for column in _WITHOUT_SUBJECT)
    if "/" in patient or "\0" in patient:
        raise InputError(f"{place}: {patient!r} is no patient's name. Write the folder's name.")
    if grade not in ("", *GRADES):
        raise InputError(f"{place}: {grade} is no grade. Write {', '.join(GRADES)} or nothing.")
    if name not in SPLITS:
        raise InputError(f"{place}: {name} is no split. Write {', '.join(SPLITS)}.")
    known = subjects.get(patient, patient)
    subject = found.get("subject") or known
    if subject != known != patient:
        raise InputError(
            f"{place}: the subject of {patient} is {subject}, but the name tells {known}. Write "
            f"{known}, or leave the column out."
        )
    return Row(patient, subject, grade or None, name)


def position(*parts: int | str) -> float:
    """Hash the parts to a number in [0, 1)."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    # 53 bits are what a float holds: the quotient is exact and below 1.
    return (int.from_bytes(digest[:8]) >> 11) / 2**53


def _split_of(
    subject: str,
    fractions: Fractions,
    seed: int | str,
    place: Place = Place(),  # noqa: B008
    folds: int | None = None,
) -> str:
    of_repeat = f"{seed}.{place.repeat}" if place.repeat else seed
    if folds:
        if int(position(of_repeat, subject) * folds) == place.fold:
            return "test"
        return _split_of(subject, (*fractions[:2], 0), f"{of_repeat}-fold{place.fold}")
    where = position(of_repeat, subject) * sum(fractions)
    if where < fractions[0]:
        return "train"
    return "val" if where < fractions[0] + fractions[1] else "test"


def _counts(subjects: Subjects, fractions: Fractions, seed: int) -> Counter[str]:
    return Counter(_split_of(subject, fractions, seed) for subject, _ in subjects)


def _empty(subjects: Subjects, fractions: Fractions, seed: int) -> list[str]:
    """The splits that have a share but no subject."""
    counts = _counts(subjects, fractions, seed)
    shares = zip(SPLITS, fractions, strict=True)
    return [name for name, share in shares if share and not counts[name]]


def _advice_on_folds(
    scans: str,
    subjects: Sequence[str],
    fractions: Fractions,
    seed: int,
    place: Place,
    folds: int | None,
) -> str:
    """Name a seed, or a number of folds, with which no repeat and fold leaves a split empty."""
    fault = (
        f"With `results.split.seed: {seed}`, {place.title} of {scans} patients leaves no patient "
        "for train, val or test."
    )
    wanted = {name for name, share in zip(SPLITS, fractions, strict=True) if share} | {"test"}

    def fits(seed: int, folds: int | None) -> bool:
        """Up to this repeat."""
        numbers = range(folds) if folds else (None,)
        places = [Place(repeat, fold) for repeat in range(place.repeat + 1) for fold in numbers]
        divisions = ({_split_of(s, fractions, seed, x, folds) for s in subjects} for x in places)
        return all(wanted <= found for found in divisions)

    if (better := next((x for x in range(10_000) if fits(x, folds)), None)) is not None:
        return f"{fault} Set the seed to {better}, with which none is empty."
    if fewer := next((x for x in range((folds or 1) - 1, 1, -1) if fits(seed, x)), None):
        return f"{fault} Write `folds: {fewer}`, with which none is empty, or add patients."
    return f"{fault} Write fewer `folds` or `repeats`, or add patients."


def _advice(
    scans: str, subjects: Subjects, fractions: Fractions, seed: int, empty: list[str]
) -> str:
    ratio = ":".join(f"{share:g}" for share in fractions)
    fault = (
        f"With seed {seed}, splitting {scans} patients {ratio} leaves no patient for "
        f"{' and '.join(empty)}."
    )
    better = proportional_seed(subjects, fractions)
    if _empty(subjects, fractions, better):
        return f"{fault} Add patients: every split needs at least one."
    counts = _counts(subjects, fractions, better)
    spread = ", ".join(f"{counts[name]} {name}" for name in SPLITS)
    return f"{fault} Set the seed to {better}, which gives {spread}."
