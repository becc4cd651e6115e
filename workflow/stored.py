"""The prepared patients of a benchmark."""

import hashlib
from collections.abc import Iterable, Sequence

from benchmarks.cohorts.replicate import Place
from benchmarks.cohorts.split import SPLITS, Row, read_split
from benchmarks.cohorts.store import Grid, Meta, StoredPatient
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from workflow.layout import Layout
from workflow.records import Checksums, checksums


def stored_patients(
    benchmark: Benchmark, place: Place, split: str | None = None
) -> list[StoredPatient]:
    """Return the prepared patients of one split, or all, in the split file's order.

    Their subjects are the split file's: a user's own may join patients whose names tell nothing.
    """
    patients = []
    for row in read_split(Layout(benchmark.name).split(place)):
        if split in (None, row.split):
            patients.append(stored(benchmark, row.patient))
            patients[-1].subject = row.subject
    return patients


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


def refuse_without_tumour(
    benchmark: Benchmark, metas: Sequence[Meta], rows: Sequence[Row], place: Place
) -> None:
    """Raise InputError if no patient of a split has a tumour."""
    splits = {row.patient: row.split for row in rows}
    of = f" of {place.title}" if place.title else ""
    for name in SPLITS:
        if not any(any(m.tumour_per_slice) for m in metas if splits[m.patient] == name):
            raise InputError(
                f"No {name} patient{of} has a tumour in their segmentation. Choose another "
                "`results.split.seed`, or check the segmentation files."
            )


def working_grid(benchmark: Benchmark) -> Grid:
    return Grid(**benchmark.results.slices.model_dump())


def with_cohort(digest: str, benchmark: Benchmark, place: Place) -> str:
    """Return a digest that depends on the patients' files and their split too."""
    layout = Layout(benchmark.name)
    files = {layout.input_checksums: "cohort", layout.split(place): "split"}
    for path, verb in files.items():
        if not path.is_file():
            raise InputError(f"There is no {path}. Make it with the {verb} command.")
    parts = [digest.encode(), *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def patient_checksums(benchmark: Benchmark, patients: Iterable[StoredPatient]) -> Checksums:
    """Return the sha256 of prepared patients' files; that of an array as its description has it."""
    layout, known = Layout(benchmark.name), {}
    for one in patients:
        known |= checksums([layout.stored(one.patient)])
        known[layout.array(one.patient).as_posix()] = one.meta.sha256
    return known


def cohort_checksums(benchmark: Benchmark, place: Place) -> Checksums:
    """Return the sha256 of the split and of the list of input checksums."""
    layout = Layout(benchmark.name)
    return checksums([layout.split(place), layout.input_checksums])
