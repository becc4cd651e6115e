"""Divide the patients into train, val and test."""

from benchmarks.cohorts.split import SPLITS, write_split
from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.files import write_csv
from workflow.cohort import assign, patient_files
from workflow.layout import Layout
from workflow.records import Record, checksums
from workflow.stored import cohort_checksums, stored


def run(benchmark: Benchmark) -> list[Record]:
    """Write the split, and the checksums of every file that was read."""
    layout = Layout(benchmark.name)
    files = patient_files(benchmark)
    rows = assign(benchmark, files)
    prepared = [stored(benchmark, name) for name in files]
    _check_tumours(prepared, {row.patient: row.split for row in rows})
    read = [
        (patient.patient, kind, file.name, file.sha256)
        for patient in prepared
        for kind, file in patient.meta.files.items()
    ]
    write_csv(layout.input_checksums, ["patient", "kind", "file", "sha256"], read)
    write_split(rows, layout.split)
    for name in SPLITS:
        grades = [row.grade or "grade not known" for row in rows if row.split == name]
        counts = ", ".join(f"{grades.count(g)} {g}" for g in sorted(set(grades)))
        print(f"{name}: {len(grades)} patients ({counts})")
    own = benchmark.results.split.file
    # The manifest names nothing outside this folder.
    inside = own is not None and not own.is_absolute() and ".." not in own.parts
    takes = [*(layout.stored(name) for name in files), *([own] if inside else [])]
    return [Record("split", checksums(takes), cohort_checksums(benchmark))]


def _check_tumours(prepared: list[StoredPatient], splits: dict[str, str]) -> None:
    for name in SPLITS:
        if not any(len(p.tumour_slices) for p in prepared if splits[p.patient] == name):
            raise InputError(
                f"No {name} patient has a tumour in their segmentation. Choose another "
                "`results.split.seed`, or check the segmentation files."
            )
