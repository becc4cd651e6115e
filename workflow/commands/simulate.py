"""Simulate a patient."""

from benchmarks.cohorts.sources import load_source
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from workflow.cohort import one_patient
from workflow.layout import Layout
from workflow.records import Record, checksums


def run(benchmark: Benchmark, patient: str) -> list[Record]:
    """Write the files of a simulated patient."""
    source = load_source(benchmark.cohort.source)
    if not source.simulated:
        raise InputError(
            f"Benchmark `{benchmark.name}` reads patients ({source.name}): nothing to simulate."
        )
    files = one_patient(benchmark, patient)
    source.simulate(patient, Layout(benchmark.name).phantom, benchmark.cohort.seed)
    return [Record(f"simulate {patient}", makes=checksums(files.all_files.values()))]
