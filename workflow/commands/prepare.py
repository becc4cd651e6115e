"""Check, normalise and store a patient."""

from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.store import prepare
from benchmarks.config import Benchmark
from workflow.cohort import one_patient
from workflow.layout import Layout
from workflow.origin import check_origin
from workflow.records import DATA, Record
from workflow.stored import patient_checksums, stored, working_grid


def run(benchmark: Benchmark, patient: str) -> list[Record]:
    """Write a patient to the store."""
    check_origin(benchmark)
    files, layout = one_patient(benchmark, patient), Layout(benchmark.name)
    prepare(files, layout.store, working_grid(benchmark), load_source(benchmark.cohort.source))
    made = stored(benchmark, patient)
    folder = benchmark.cohort.path or layout.phantom
    takes = {}
    for kind, path in files.all_files.items():
        # Sources may have made the cohort's folder absolute, or followed its links.
        roots = [folder, folder.absolute(), folder.resolve()]
        roots = [root for root in roots if path.is_relative_to(root)]
        name = path.relative_to(roots[0]).as_posix() if roots else f"{patient}/{path.name}"
        takes[f"{DATA}{name}"] = made.meta.files[kind].sha256
    return [Record(f"prepare {patient}", takes, patient_checksums(benchmark, [made]))]
