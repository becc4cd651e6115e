"""Divide the patients into train, val and test."""

from benchmarks.cohorts.replicate import Place
from benchmarks.cohorts.split import SPLITS, headcount, write_split
from benchmarks.config import Benchmark
from workflow.cohort import assign, patient_files
from workflow.layout import Layout
from workflow.origin import check_origin
from workflow.records import Record, checksums
from workflow.stored import refuse_without_tumour, stored


def run(benchmark: Benchmark, place: Place) -> list[Record]:
    """Write the split of one fold and repeat.

    Raises
    ------
    InputError : a split is empty, or none of its patients has a tumour.
    """
    check_origin(benchmark)
    layout = Layout(benchmark.name)
    files = patient_files(benchmark)
    rows = assign(benchmark, files, place)
    metas = [stored(benchmark, name).meta for name in files]
    refuse_without_tumour(benchmark, metas, rows, place)
    write_split(rows, layout.split(place))
    for name in SPLITS:
        listed = [row for row in rows if row.split == name]
        grades = [row.grade or "grade not known" for row in listed]
        counts = ", ".join(f"{grades.count(g)} {g}" for g in sorted(set(grades)))
        print(f"{name}: {headcount([row.subject for row in listed])} patients ({counts})")
    own = benchmark.results.split.file
    # The manifest names nothing outside this folder.
    inside = own is not None and not own.is_absolute() and ".." not in own.parts
    takes = [*(layout.stored(name) for name in files), *([own] if inside else [])]
    makes = checksums([layout.split(place)])
    return [Record(", ".join(filter(None, ("split", place.title))), checksums(takes), makes)]
