"""Check the prepared patients together."""

from benchmarks.cohorts.crop import refuse_lost_tumour
from benchmarks.config import Benchmark
from benchmarks.files import write_csv
from workflow.cohort import patient_files
from workflow.layout import Layout
from workflow.origin import check_origin, record_origin
from workflow.records import Record, checksums
from workflow.stored import stored


def run(benchmark: Benchmark) -> list[Record]:
    """Write the checksums of every file that was read.

    Raises
    ------
    InputError : the crop cuts off tumour.
    """
    check_origin(benchmark)
    layout = Layout(benchmark.name)
    prepared = [stored(benchmark, name) for name in patient_files(benchmark)]
    place = benchmark.where("results", "slices", "crop")
    refuse_lost_tumour([patient.meta for patient in prepared], place)
    record_origin(benchmark)
    read = [
        (patient.patient, kind, file.name, file.sha256)
        for patient in prepared
        for kind, file in patient.meta.files.items()
    ]
    write_csv(layout.input_checksums, ["patient", "kind", "file", "sha256"], read)
    takes = checksums(layout.stored(patient.patient) for patient in prepared)
    return [Record("cohort", takes, checksums([layout.input_checksums]))]
