"""Predict the T1ce volumes of a run."""

from benchmarks.cohorts.replicate import Replicate
from workflow.plan import Plan
from workflow.predict import predict
from workflow.records import Record


def run(plan: Plan, run: str, replicate: Replicate) -> list[Record]:
    """Write T1ce as int16 (Z, crop, crop), and the attention weights of models that have some."""
    return predict(plan, run, replicate, "t1ce")
