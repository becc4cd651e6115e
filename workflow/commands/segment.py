"""Predict the segmentations of a run."""

from benchmarks.cohorts.replicate import Replicate
from workflow.plan import Plan
from workflow.predict import predict
from workflow.records import Record


def run(plan: Plan, run: str, replicate: Replicate) -> list[Record]:
    """Write the test patients' classes as uint8 (Z, crop, crop)."""
    return predict(plan, run, replicate, "seg")
