"""Choose by a fixed rule which test patients and slices the figures of pictures show."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from benchmarks.cohorts.split import headcount
from benchmarks.cohorts.store import Scan, StoredPatient
from benchmarks.reporting.formatting import title
from benchmarks.reporting.measures import by_patient
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.overlap import largest_component

SHOWN = 3  # patients that a figure of pictures has room for


@dataclass(frozen=True)
class Slice:
    """One slice of a patient, and what runs predicted of it."""

    name: str  # of patient, what the patient stands for, and slice
    pixel: tuple[float, float]  # mm from row to row and from column to column
    scan: Scan  # images (4, Y, X) and labels (Y, X)
    # By run, (Y, X): its T1ce in [-1, 1], or its classes in 0..3.
    predicted: dict[str, np.ndarray] = field(default_factory=dict)


def fullest_slices(
    results: Results, kind: str, wanted: Sequence[Row], metric: str, region: str
) -> tuple[list[Slice], list[Row], str]:
    """Return the slice with the most tumour of each patient that is chosen by a metric.

    With it, the `wanted` rows that predicted all of them, and a sentence on the choice. A
    segmentation is its largest component, as it is scored.
    """
    chosen, rule = choose(results, metric, region)
    slices = []
    for patient, reason in chosen.items():
        stored = results.patients[patient]
        z = int(np.argmax(stored.meta.tumour_per_slice))
        slices.append(read_slice(stored, z, reason))
        for run in (row.run for row in wanted):
            volume = results.prediction(run, kind, patient)
            if volume is not None:
                volume = largest_component(volume) if kind == "seg" else volume
                slices[-1].predicted[run] = volume[z]
    shown = [row for row in wanted if slices and all(row.run in one.predicted for one in slices)]
    return slices, shown, f"Patients: {rule}. Of each, the slice with the most tumour."


def read_slice(patient: StoredPatient, z: int, reason: str = "") -> Slice:
    name = f"{patient.patient}\n{reason + ', ' if reason else ''}slice {z}"
    return Slice(name, patient.spacing[1:], patient.slice(z, patient.grid.crop))


def choose(results: Results, metric: str, region: str) -> tuple[dict[str, str], str]:
    """Return the test patients to show with what each stands for, and the rule in words.

    All patients if they are few, otherwise the best, the median and the worst by a metric, mean
    over the methods.
    """
    values = by_patient(results, metric, region, results.protocol)
    methods = [row.run for row in results.rows if row.role == "method" and row.run in values]
    everyone = [patient for patient in results.cohort.test if patient in results.patients]
    means = values[methods].mean(axis=1).reindex(everyone)
    higher = read_metrics()[metric].better == "higher"
    chosen = best_median_worst(means if higher else -means)
    if len(chosen) == len(everyone):
        return chosen, "all test patients"
    subjects = [results.cohort.test[patient] for patient in everyone]
    patients = f"of {headcount(subjects)} test patients"
    if not any(chosen.values()):
        return chosen, f"the first {len(chosen)} {patients}"
    rule = f"by {title(metric, region)}, mean over the methods"
    return chosen, f"best, median and worst {patients} {rule}"


def best_median_worst(means: pd.Series, limit: int = SHOWN) -> dict[str, str]:
    """Return patients by what each stands for, from one number per patient, more is better.

    They stand for nothing ("") if all are shown, or if too few have a number to be ranked.
    """
    ranked = means.dropna().sort_index().sort_values(ascending=False, kind="stable").index
    if len(means) <= limit or len(ranked) < limit:
        return dict.fromkeys(means.index[:limit], "")
    places = {"best": 0, "median": len(ranked) // 2, "worst": len(ranked) - 1}
    return {ranked[place]: word for word, place in places.items()}
