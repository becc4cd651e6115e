"""Divide the patients into train, val and test."""

from benchmarks.cohorts.split import SPLITS, headcount, write_split
from benchmarks.config import Benchmark
from benchmarks.files import write_csv
from workflow.cohort import assign, patient_files
from workflow.layout import Layout
from workflow.origin import check_origin, record_origin
from workflow.records import Record, checksums
from workflow.stored import check_prepared, cohort_checksums, stored


def run(benchmark: Benchmark) -> list[Record]:
    """Write the split, and the checksums of every file that was read."""
    check_origin(benchmark)
    layout = Layout(benchmark.name)
    files = patient_files(benchmark)
    rows = assign(benchmark, files)
    prepared = [stored(benchmark, name) for name in files]
    check_prepared(benchmark, [patient.meta for patient in prepared], rows)
    record_origin(benchmark)
    read = [
        (patient.patient, kind, file.name, file.sha256)
        for patient in prepared
        for kind, file in patient.meta.files.items()
    ]
    write_csv(layout.input_checksums, ["patient", "kind", "file", "sha256"], read)
    write_split(rows, layout.split)
    for name in SPLITS:
        listed = [row for row in rows if row.split == name]
        grades = [row.grade or "grade not known" for row in listed]
        counts = ", ".join(f"{grades.count(g)} {g}" for g in sorted(set(grades)))
        print(f"{name}: {headcount([row.subject for row in listed])} patients ({counts})")
    own = benchmark.results.split.file
    # The manifest names nothing outside this folder.
    inside = own is not None and not own.is_absolute() and ".." not in own.parts
    takes = [*(layout.stored(name) for name in files), *([own] if inside else [])]
    return [Record("split", checksums(takes), cohort_checksums(benchmark))]
