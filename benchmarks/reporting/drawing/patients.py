"""Choose by a fixed rule which test patients and slices the figures of pictures show."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from benchmarks.cohorts.split import headcount
from benchmarks.cohorts.store import Scan, StoredPatient
from benchmarks.reporting.formatting import title
from benchmarks.reporting.measures import by_patient, scores_of
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.scores import REPLICATE
from benchmarks.reporting.subgroups import scan_volumes
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.overlap import largest_component
from benchmarks.scoring.regions import region_mask

SHOWN = 3  # patients that a figure of pictures has room for


@dataclass(frozen=True)
class Slice:
    """One slice of a patient, and what runs predicted of it.

    Attributes
    ----------
    title : what the patient stands for, its name, the slice, and its volume of enhancing tumour.
    pixel : mm from row to row and from column to column.
    scan : images (4, Y, X) and labels (Y, X).
    predicted : by run, (Y, X): its T1ce in [-1, 1], or its classes in 0..3.
    """

    patient: str
    title: str
    pixel: tuple[float, float]
    scan: Scan
    predicted: dict[str, np.ndarray] = field(default_factory=dict)


def fullest_slices(
    results: Results, kind: str, wanted: Sequence[Row]
) -> tuple[list[Slice], list[Row], str]:
    """Return the slice with the most enhancing tumour of each patient that `choose` chooses.

    With it, the `wanted` rows that predicted all of them, and a sentence on the choice. A
    segmentation is its largest component, as it is scored.
    """
    chosen, rule = choose(results)
    slices = []
    for patient, reason in chosen.items():
        stored = results.patients[patient]
        z = fullest(stored)
        slices.append(read_slice(results, patient, z, reason.capitalize()))
        for run in (row.run for row in wanted):
            volume = results.prediction(run, kind, patient)
            if volume is not None:
                volume = largest_component(volume) if kind == "seg" else volume
                slices[-1].predicted[run] = volume[z]
    shown = [row for row in wanted if slices and all(row.run in one.predicted for one in slices)]
    return slices, shown, f"Patients: {rule}. Of each, the slice with the most enhancing tumour."


def fullest(patient: StoredPatient) -> int:
    """Return the slice with the most enhancing tumour, or the most tumour where none enhances."""
    enhancing = region_mask(patient.labels(), "et").sum(axis=(1, 2))
    return int(np.argmax(enhancing if enhancing.any() else patient.meta.tumour_per_slice))


def read_slice(results: Results, patient: str, z: int, reason: str = "") -> Slice:
    """Return a slice of a test patient, whose title begins with what the patient stands for."""
    stored, ml = results.patients[patient], scan_volumes(results, "et")[patient]
    called = f"{reason}: {patient}" if reason else patient
    name = f"{called}, slice {z}, enhancing tumour {ml:.1f} ml"
    return Slice(patient, name, stored.spacing[1:], stored.slice(z, stored.grid.crop))


def choose(results: Results) -> tuple[dict[str, str], str]:
    """Return the test patients to show with what each stands for, and the rule in words.

    They are of those who have enhancing tumour, if anybody has: all if they are few, otherwise the
    best, the median and the worst by Dice ET, mean over the methods. Where nothing is segmented it
    is SSIM ET; where nobody has enhancing tumour, Dice WT.
    """
    everyone = [patient for patient in results.cohort.test if patient in results.patients]
    volumes = scan_volumes(results, "et")
    enhancing = [patient for patient in everyone if volumes[patient] > 0]
    among, region = (enhancing, "et") if enhancing else (everyone, "wt")
    methods = [row.run for row in results.rows if row.role == "method"]
    for metric in ("dice", "ssim"):
        values = by_patient(results, metric, region, results.protocol)
        means = values[values.columns.intersection(methods)].mean(axis=1).reindex(among)
        if means.notna().any():
            break
    chosen = best_median_worst(means if read_metrics()[metric].better == "higher" else -means)
    noun = " with enhancing tumour" if enhancing else ""
    if len(chosen) == len(among):
        return chosen, f"all test patients{noun}"
    subjects = [results.cohort.test[patient] for patient in among]
    patients = f"of {headcount(subjects)} test patients{noun}"
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


def scored(results: Results, metric: str, region: str) -> dict[tuple[str, str], float]:
    """Return the value by run and patient of the training whose prediction is shown."""
    scores = scores_of(results, metric, region, results.protocol)
    return {
        (one.run, one.patient): one.value
        for one in scores.itertuples()
        if (shown := results.replicate(one.run, one.patient))
        and shown.numbers == {name: getattr(one, name) for name in REPLICATE}
    }
