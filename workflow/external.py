"""Which volumes of an external method are ingested, and what is wrong with them unread."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.cohorts.sources.brats import subject_of
from benchmarks.cohorts.split import Row
from benchmarks.files import warn_once
from methods.errors import MethodError
from methods.external import KINDS, Kind
from methods.registry import Method


def needed(method: Method, kind: Kind, rows: Sequence[Row]) -> list[str]:
    """Return the patients whose volumes of a kind are ingested, in the split's order."""
    everyone = kind == "t1ce" and method.description.patients == "all"
    return [row.patient for row in rows if everyone or row.split == "test"]


def find(method: Method, kind: Kind, rows: Sequence[Row]) -> dict[str, Path]:
    """Return the file of each patient that is needed, once nothing speaks against the method.

    Raises
    ------
    MethodError : a patient has no file or several, or the method learned from a test patient.
    """
    refuse_learned_from_test(method, rows)
    pattern = method.pattern(kind)
    return {patient: pattern.find(patient) for patient in needed(method, kind, rows)}


def refuse_learned_from_test(method: Method, rows: Sequence[Row]) -> None:
    """Raise MethodError if a test patient, or a scan of the same person, is in `learned_from`.

    Names of patients outside the cohort are fine.
    """
    subjects = {row.patient: row.subject for row in rows}
    tested = {row.subject: row.patient for row in rows if row.split == "test"}
    for name in method.learned_from() or ():
        patient = tested.get(subjects.get(name) or subject_of(name))
        if patient is not None:
            scan = "is a test patient" if name in subjects else f"is a scan of {patient}"
            raise MethodError(
                f"methods/{method.name}, `learned_from`: {name} {scan}, whom the tables score. "
                "Choose a split, as a file under `results.split.file`, whose test patients the "
                "method has not seen."
            )


def warn(methods: Iterable[Method], rows: Sequence[Row]) -> None:
    """Print one message for each external method whose ingestion will fail; read no volume."""
    for method in methods:
        try:
            for kind in KINDS:
                if method.pattern(kind):
                    find(method, kind, rows)
        except MethodError as error:
            warn_once(f"{error} Until then `{method.name}` fails; everything else goes on.")
