"""The long table of scores, and how it is read: one row is one value of one patient.

A patient is a scan: a subject, which is a person, may have several. In tables a subject counts
once: their scans are averaged first, so that means, intervals and tests are of the same people, and
who came back often weighs no more. Of 20 people with one to five scans, intervals over the scans
cover the mean in 67 % of cases, over the people in 95 %. Of most cohorts both are the same.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmarks.cohorts import replicate
from benchmarks.errors import InputError
from benchmarks.reporting.reading import read_files
from benchmarks.scoring.metric import read_metrics

REPLICATE = [*replicate.COLUMNS]  # what names a training of a run

COLUMNS = [
    "run", *REPLICATE, "patient", "subject", "grade", "protocol", "task",
    "region", "metric", "postprocessing", "value", "note",
]  # fmt: skip

LONG_TABLE = ("et_third",)  # columns of the long table alone, which follow from the patients
# What names a score; no two scores may share it.
KEY = ["run", *REPLICATE, "patient", "protocol", "region", "metric", "postprocessing"]


def read_scores(paths: Iterable[Path]) -> pd.DataFrame:
    """Read score files into one table of the columns `COLUMNS`.

    Raises
    ------
    InputError : there is no file; or, with file and line, other columns, a value, seed, repeat or
        fold that is not a number, or a score that occurs twice; or, with the run, an unknown metric
        or a value outside its bounds.
    """
    if not (files := list(paths)):
        raise InputError("No score files were given: score a run first.")
    numbers = {"value": "optional"} | dict.fromkeys(REPLICATE, "whole")
    scores = read_files(files, "score", COLUMNS, KEY, numbers, LONG_TABLE)
    metrics = read_metrics()
    for metric, lines in scores.groupby("metric"):
        first = lines.iloc[0]
        if metric not in metrics:
            raise InputError(
                f"The scores of {first.run}, seed {first.seed}, have the metric {metric!r}; known "
                f"are {', '.join(metrics)}. Score the run again."
            )
        low, high = metrics[metric].bounds
        # Sums over voxels round.
        wrong = lines[(lines["value"] < low - 1e-6) | (lines["value"] > high + 1e-6)]
        if len(wrong):
            first = wrong.iloc[0]
            raise InputError(
                f"The scores of {first.run}, seed {first.seed}, give patient {first.patient} a "
                f"{metric} of {first.value}; its bounds are [{low}, {high}]. Score the run again."
            )
    return scores


def subject_values(scores: pd.DataFrame, *columns: str) -> pd.Series:
    """Return the value of each subject, by these columns, replicate (see `REPLICATE`) and subject.

    It is the mean over the subject's scans that have a value, NaN if none has.
    """
    return scores.groupby([*columns, *REPLICATE, "subject"])["value"].mean()
