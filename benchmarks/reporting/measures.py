"""Our numbers for the rows of the paper's tables: means, how sure they are, and how they differ."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from benchmarks.reporting.published import Published, Table
from benchmarks.reporting.rows import Line, System, line_up, refuse_strangers
from benchmarks.scoring.protocol import METRICS, load_protocol
from benchmarks.scoring.statistics import (
    ALPHA,
    Comparison,
    compare,
    holm,
    mean_interval,
    patient_means,
    rank_stability,
    smallest_p,
)

POSTPROCESSING = {"synthesis": "", "segmentation": "lcc"}
"""Which of a task's post-processings the tables show."""
ONE_EMPTY = ("reference empty", "prediction empty")
"""The notes of scores that follow from a protocol's rule for one empty mask."""

TEST = (
    "two-sided Wilcoxon signed-rank test over the patients that both have, Holm-corrected for the "
    "rows of the column"
)
ONE_SEED = "One seed: what another training would give, it does not say."
FEW = 10
"""Of fewer patients, intervals cover the mean less often than they say (see `mean_interval`)."""


def columns_of(printed: Table, protocol: str) -> list[tuple[str, str]]:
    """The (metric, region) that a table shows under a protocol."""
    regions = getattr(load_protocol(protocol), printed.task).regions
    return [(metric, region) for metric in printed.metrics for region in regions]


def measure(
    published: Published,
    name: str,
    scores: pd.DataFrame,
    systems: Sequence[System],
    protocol: str,
) -> pd.DataFrame:
    """One of the paper's tables under one protocol, a row for each of its cells, line by line.

    Floors come first, then the paper's rows in the paper's order, other entries of the task unless
    the table is for its own alone, and ceilings. Of each `metric` and `region`: our `mean` over
    patients, its 95 % interval from `low` to `high`, the `published` number, how many patients the
    mean is of (`n`), had no value (`undefined`), or have one by rule since reference or prediction
    is empty (`one_empty`).

    The `best` entry is that with the best mean among those whose mean is of the most patients. All
    other rows, floors and ceilings too, are compared with it (see `Comparison`): `pairs`,
    `difference`, `effect` and `p`, corrected for the number of rows in the column. Where `too_few`
    pairs could not bring the corrected p below 0.05 however they differ, p is NaN. `rank_low`,
    `rank_high` and `first` say how stable the order of the entries is (see `Ranks`).

    Published numbers stand in the paper's protocol only: they are no measurement of the other.
    """
    printed = published.table(name)
    task_scores = scores[
        (scores["task"] == printed.task)
        & (scores["postprocessing"] == POSTPROCESSING[printed.task])
    ]
    lines = _lines(printed, task_scores, systems)
    means = _means(task_scores[task_scores["protocol"] == protocol])
    columns = columns_of(printed, protocol)
    cells = pd.DataFrame(
        [
            {"line": place} | _shared(line, means) | _cell(line, means, column, protocol)
            for place, line in enumerate(lines)
            for column in columns
        ]
    )
    compared = [
        _compare(cells[(cells["metric"] == metric) & (cells["region"] == region)], means)
        for metric, region in columns
    ]
    return cells.join(pd.concat(compared))


def _lines(printed: Table, scores: pd.DataFrame, systems: Sequence[System]) -> list[Line]:
    scored = set(scores["system"])
    refuse_strangers(scored, [system.id for system in systems], f"{printed.task} scores")
    ours = [
        system
        for system in systems
        if system.id in printed.systems or belongs(system, printed.task, scored)
    ]
    return line_up(printed, ours)


def belongs(system: System, task: str, scored: set[str]) -> bool:
    """Whether a task's tables list a system, of those that are `scored` or not."""
    if system.id in scored or task in system.tasks:
        return True
    # A failure with no table to go to would leave a hole, so it is shown in every one.
    return bool(system.failure) and not system.tasks


@dataclass(frozen=True)
class _Means:
    """Scores and counts of every (system, metric, region), seeds and patients of every system."""

    scores: dict[tuple[str, str, str], np.ndarray]
    """(seeds, patients); all have the same patients in the same order."""
    counts: dict[tuple[str, str, str], tuple[int, int]]
    """How many patients have a value and how many have none."""
    one_empty: dict[tuple[str, str, str], int]
    """How many patients have a value by rule, since the region is on one side only."""
    seeds: dict[str, int]
    patients: dict[str, int]


def _means(scores: pd.DataFrame) -> _Means:
    cell = ["system", "metric", "region"]
    everyone = {patient: place for place, patient in enumerate(sorted(scores["patient"].unique()))}
    places = scores.assign(place=scores["patient"].map(everyone))
    values = {key: _values(of, len(everyone)) for key, of in places.groupby(cell)}
    scored = scores.groupby(cell)["patient"].nunique()
    ruled = scores[scores["note"].isin(ONE_EMPTY) & scores["value"].notna()]
    one_empty = ruled.groupby(cell)["patient"].nunique()
    by_system = scores.groupby("system")
    seeds, patients = by_system["seed"].nunique(), by_system["patient"].nunique()
    counts = {}
    for key, of in values.items():
        n = int((~np.isnan(patient_means(of))).sum())
        counts[key] = (n, int(scored[key]) - n)
    return _Means(values, counts, one_empty.to_dict(), seeds.to_dict(), patients.to_dict())


def _values(scores: pd.DataFrame, patients: int) -> np.ndarray:
    """(seeds, patients), NaN where there is no score; `place` says which patient's it is."""
    seeds, row = np.unique(scores["seed"], return_inverse=True)
    values = np.full((len(seeds), patients), np.nan)
    values[row, scores["place"]] = scores["value"]
    return values


def _shared(line: Line, means: _Means) -> dict[str, object]:
    patients = means.patients.get(line.id, 0)
    return {
        "label": line.label,
        "system": line.id,
        "role": line.role,
        "in_paper": line.printed is not None,
        "status": line.status(measured=patients > 0),
        "seeds": means.seeds.get(line.id, 0),
        "patients": patients,
    }


def _cell(line: Line, means: _Means, column: tuple[str, str], protocol: str) -> dict[str, object]:
    numbers = line.printed.numbers() if line.printed and protocol == "paper" else {}
    published = numbers.get(column)
    key = (line.id, *column)
    n, undefined = means.counts.get(key, (0, 0))
    low, high = mean_interval(means.scores[key]) if n else (np.nan, np.nan)
    return {
        "metric": column[0],
        "region": column[1],
        "mean": float(np.nanmean(patient_means(means.scores[key]))) if n else np.nan,
        "published": np.nan if published is None else published,
        "n": n,
        "undefined": undefined,
        "one_empty": means.one_empty.get(key, 0),
        "low": low,
        "high": high,
    }


def ranked(roles: pd.Series, counts: pd.Series, means: pd.Series) -> pd.Series:
    """The means that are ranked: those of the entries whose mean is of the most patients.

    A mean of fewer patients may have been spared the difficult ones.
    """
    entries = roles == "entry"
    return means[entries & (counts == counts[entries].max())].dropna()


def best(means: pd.Series, metric: str) -> float:
    """The best of some means."""
    return means.max() if METRICS[metric].better == "higher" else means.min()


def _compare(column: pd.DataFrame, means: _Means) -> pd.DataFrame:
    """What sets each row of a column apart from the best entry, and how stable the order is."""
    values = {
        row.Index: patient_means(means.scores[row.system, row.metric, row.region])
        for row in column[column["n"] > 0].itertuples()
    }
    metric = column["metric"].iloc[0]
    order = ranked(column["role"], column["n"], column["mean"])
    against = order.index[order == best(order, metric)][:1]
    none = Comparison(0, np.nan, np.nan, np.nan)
    comparisons = [
        compare(values[row], values[against[0]])
        if row in values and len(against) and row != against[0]
        else none
        for row in column.index
    ]
    compared = pd.DataFrame(map(asdict, comparisons), index=column.index)
    compared["best"] = compared.index.isin(against)
    tested = compared["pairs"] > 0
    smallest = np.array([smallest_p(pairs) for pairs in compared["pairs"]])
    compared["too_few"] = tested & (holm(np.where(tested, smallest, np.nan)) >= ALPHA)
    compared["p"] = np.where(compared["too_few"], np.nan, holm(compared["p"].to_numpy()))
    return compared.join(_ranks({row: values[row] for row in order.index}, metric))


def _ranks(values: dict[int, np.ndarray], metric: str) -> pd.DataFrame:
    """How stable the order of the entries is, whose values are given by row."""
    columns = ["rank_low", "rank_high", "first"]
    if not values:
        return pd.DataFrame(columns=columns, dtype=float)
    ranks = rank_stability(np.array(list(values.values())), METRICS[metric].better)
    stacked = np.stack([ranks.low, ranks.high, ranks.first], axis=1)
    return pd.DataFrame(stacked, index=list(values), columns=columns)


def notes_on_intervals(cells: pd.DataFrame) -> list[str]:
    """What intervals mean, as far as there are any."""
    with_one = cells[cells["low"].notna()]
    if with_one.empty:
        return []
    seeds = " and seeds." if with_one["seeds"].max() > 1 else f". {ONE_SEED}"
    few = (
        "Of so few patients the interval is too narrow: of 4 it covers the mean in 83 to 88 % of "
        "cases."
    )
    return [
        "95 % interval: of the mean over all patients such as these; BCa bootstrap over patients"
        + seeds,
        *([few] if with_one["n"].min() < FEW else []),
    ]


def notes_on_marks(cells: pd.DataFrame) -> list[str]:
    """What it means that a mean is marked as different from the best, or that it is not."""
    notes = {
        f"*: differs from the best entry of the column: p < {ALPHA}, {TEST}.": (
            (cells["p"] < ALPHA).any()
        ),
        "A mean of so few patients that p, corrected for the rows of the column, cannot fall "
        f"below {ALPHA} has no mark (*), whatever the values.": cells["too_few"].any(),
    }
    return [note for note, applies in notes.items() if applies]
