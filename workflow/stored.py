"""The prepared patients of a benchmark."""

import hashlib
from collections.abc import Iterable

from benchmarks.cohorts.split import read_split
from benchmarks.cohorts.store import Grid, StoredPatient
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from workflow.layout import Layout
from workflow.records import Checksums, checksums


def stored_patients(benchmark: Benchmark, split: str | None = None) -> list[StoredPatient]:
    """Return the prepared patients of one split, or all, in the split file's order."""
    rows = read_split(Layout(benchmark.name).split)
    return [stored(benchmark, row.patient) for row in rows if split in (None, row.split)]


def stored(benchmark: Benchmark, patient: str) -> StoredPatient:
    """Return one prepared patient.

    Raises
    ------
    InputError : it was prepared for another grid than the benchmark's, or not at all.
    """
    one = StoredPatient(Layout(benchmark.name).store, patient)
    if one.grid != working_grid(benchmark):
        raise InputError(
            f"Patient {patient} was prepared for another `results.slices`: {one.grid} instead of "
            f"{working_grid(benchmark)}. Run prepare for all patients again, then split."
        )
    return one


def working_grid(benchmark: Benchmark) -> Grid:
    return Grid(**benchmark.results.slices.model_dump())


def with_cohort(digest: str, benchmark: Benchmark) -> str:
    """Return a digest that depends on the patients' files and their split too."""
    layout = Layout(benchmark.name)
    files = (layout.input_checksums, layout.split)
    if missing := " and no ".join(str(path) for path in files if not path.is_file()):
        raise InputError(f"There is no {missing}. Make it with the split command.")
    parts = [digest.encode(), *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def patient_checksums(benchmark: Benchmark, patients: Iterable[StoredPatient]) -> Checksums:
    """Return the sha256 of prepared patients' files; that of an array as its description has it."""
    layout, known = Layout(benchmark.name), {}
    for one in patients:
        known |= checksums([layout.stored(one.patient)])
        known[(layout.store / f"{one.patient}.npy").as_posix()] = one.meta.sha256
    return known


def cohort_checksums(benchmark: Benchmark) -> Checksums:
    """Return the sha256 of the split and of the list of input checksums."""
    layout = Layout(benchmark.name)
    return checksums([layout.split, layout.input_checksums])
