"""Predict the T1ce volumes of a run."""

from benchmarks.cohorts.replicate import Replicate
from benchmarks.config import Benchmark
from workflow.predict import predict
from workflow.records import Record


def run(benchmark: Benchmark, run: str, replicate: Replicate) -> list[Record]:
    """Write T1ce as int16 (Z, crop, crop), and the attention weights of models that have some."""
    return predict(benchmark, run, replicate, "t1ce")
