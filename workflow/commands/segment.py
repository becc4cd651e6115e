"""Predict the segmentations of a run."""

from benchmarks.cohorts.replicate import Replicate
from benchmarks.config import Benchmark
from workflow.predict import predict
from workflow.records import Record


def run(benchmark: Benchmark, run: str, replicate: Replicate) -> list[Record]:
    """Write the test patients' classes as uint8 (Z, crop, crop)."""
    return predict(benchmark, run, replicate, "seg")
