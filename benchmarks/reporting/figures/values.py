"""What the figures show of the scores: a value a patient, and which patients stand for all."""

from collections.abc import Sequence

import pandas as pd

from benchmarks.reporting.cost import Training, cost_table
from benchmarks.reporting.published import Published
from benchmarks.reporting.rows import System
from benchmarks.reporting.tables import ABBREVIATED, POSTPROCESSING
from benchmarks.scoring.protocol import METRICS
from benchmarks.scoring.similarity import SIMILARITY_METRICS

SHOWN = 3
"""How many patients a figure of pictures has room for."""


def task(metric: str) -> str:
    return "synthesis" if metric in SIMILARITY_METRICS else "segmentation"


def title(metric: str, region: str) -> str:
    """A metric's name with its unit and its region, for an axis."""
    unit = f" ({METRICS[metric].unit})" if METRICS[metric].unit else ""
    return f"{METRICS[metric].title} {region.upper() if region in ABBREVIATED else region}{unit}"


def arrow(metric: str) -> str:
    return {"higher": "→ better", "lower": "← better"}[METRICS[metric].better]


def by_patient(
    scores: pd.DataFrame, systems: Sequence[System], metric: str, region: str, protocol: str
) -> pd.DataFrame:
    """A row a patient, a column a system that has scores, in the order of `systems`.

    A value is the mean over the seeds that have one, of what the tables show; NaN without any.
    """
    wanted = scores[
        (scores["metric"] == metric)
        & (scores["region"] == region)
        & (scores["protocol"] == protocol)
        & (scores["postprocessing"] == POSTPROCESSING[task(metric)])
    ]
    frame = wanted.pivot_table("value", "patient", "system", "mean", dropna=False)
    return frame.reindex(columns=[x.id for x in systems if x.id in frame.columns]).astype(float)


def choose(means: pd.Series, limit: int = SHOWN) -> dict[str, str]:
    """Patients to show by what each stands for: all if they are few, else best, median, worst.

    `means` holds a number a patient, of which more is better.
    """
    ranked = means.dropna().sort_index().sort_values(ascending=False, kind="stable").index
    if len(means) <= limit or len(ranked) < limit:
        return dict.fromkeys(list(means.index[:limit]), "")
    places = {"best": 0, "median": len(ranked) // 2, "worst": len(ranked) - 1}
    return {ranked[place]: what for what, place in places.items()}


def mean_of_entries(
    scores: pd.DataFrame, systems: Sequence[System], metric: str, region: str, protocol: str
) -> pd.Series:
    """How well a patient is dealt with, on the mean over all entries."""
    entries = [system for system in systems if system.role == "entry"]
    return by_patient(scores, entries, metric, region, protocol).mean(axis=1)


def hours(
    published: Published,
    costs: pd.DataFrame,
    systems: Sequence[System],
    trainings: Sequence[Training],
) -> dict[str, float]:
    """GPU or core hours of all trainings that a system needs, its generator's too.

    A system is missing where the cost of one of them is. Without any training it takes none.
    """
    blocks = [
        cost_table(published, block, costs, systems, trainings)
        for block in ("generators", "segmentors")
    ]
    table = pd.concat(blocks).drop_duplicates("system")
    own = dict(zip(table["system"], table["device_seconds"] / 3600, strict=True))
    own |= {training.system: 0.0 for training in trainings if not training.trained}
    total = {}
    for system in own:
        first, _, second = system.partition("+")
        total[system] = own[system] + (own.get(first, float("nan")) if second else 0)
    return {system: value for system, value in total.items() if pd.notna(value)}
