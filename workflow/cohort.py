"""Which patients a benchmark has, and which of them train, validate and test."""

from benchmarks.cohorts.patient import PatientFiles
from benchmarks.cohorts.replicate import Place
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.split import SPLITS, Row, read_split, split, torn
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from workflow.layout import Layout


def patient_files(benchmark: Benchmark) -> dict[str, PatientFiles]:
    """Return the files of each patient by name; those of simulated patients need not exist yet."""
    source = load_source(benchmark.cohort.source)
    folder = Layout(benchmark.name).phantom
    return {files.patient: files for files in source.find(benchmark.cohort, folder)}


def one_patient(benchmark: Benchmark, patient: str) -> PatientFiles:
    """Return the files of one patient.

    Raises
    ------
    InputError : there is no such patient.
    """
    known = patient_files(benchmark)
    if patient not in known:
        raise InputError(f"There is no patient {patient!r}; there are {', '.join(known)}.")
    return known[patient]


def assign(benchmark: Benchmark, files: dict[str, PatientFiles], place: Place) -> list[Row]:
    """Return who trains, validates and tests in one fold and repeat, before any file is opened.

    Raises
    ------
    InputError : a split would be empty; or a user's own split file is faulty, lists other patients
        than the cohort has, or has the time points of one subject in different splits.
    """
    settings = benchmark.results.split
    if settings.file is None:
        cohort = [(name, one.subject, one.grade) for name, one in files.items()]
        return split(cohort, settings.fractions, settings.seed, place, settings.folds)
    rows = read_split(settings.file, {name: one.subject for name, one in files.items()})
    listed = {row.patient for row in rows}
    for patients, fault in (
        (files.keys() - listed, f"{settings.file} does not list"),
        (listed - files.keys(), f"{settings.file} lists, but the cohort lacks,"),
    ):
        if patients:
            raise InputError(f"{fault} {', '.join(sorted(patients))}. List every patient once.")
    if pairs := torn(rows):
        one, other = pairs[0]
        raise InputError(
            f"{settings.file} puts {one.patient} in {one.split} and {other.patient} in "
            f"{other.split}, but both are scans of {one.subject}. Put all scans of a person in "
            "one split."
        )
    if empty := ", ".join(name for name in SPLITS if name not in {row.split for row in rows}):
        raise InputError(f"{settings.file} gives no patient to {empty}. Give at least one to each.")
    return rows
