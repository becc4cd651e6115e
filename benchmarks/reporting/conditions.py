"""The rows of a benchmark under each of its conditions, and what a condition changes.

A row is the same under all conditions: `cutgan@by_slice` is `cutgan` under `by_slice`. Rows whose
training a condition does not change are trained once, and shared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from benchmarks.reporting.measures import (
    Column,
    measure_columns,
    replicate_values,
    scores_of,
)
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, in_order, lined
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.statistics import Comparison, compare

T1CE_PATIENTS = "training.t1ce_patients"
MEAN = "mean of the trained methods"
_TITLES = {  # of settings on an axis
    T1CE_PATIENTS: "training patients with T1ce",
    "training.epochs.synthesis": "epochs of a synthesis",
    "training.epochs.segmentation": "epochs of a segmentor",
}
# By utility, "" of a synthesis: the task and its columns.
COLUMNS: dict[str, tuple[str, list[Column]]] = {
    "": ("synthesis", [("psnr", "brain"), ("ssim", "brain"), ("psnr", "et"), ("ssim", "et")]),
    "retrained": ("segmentation", [("dice", "wt"), ("dice", "tc"), ("dice", "et")]),
    "frozen": ("segmentation", [("dice", "wt"), ("dice", "tc"), ("dice", "et")]),
}

_CHANGE = {"difference": "change", "low": "change_low", "high": "change_high"}
_COMPARED = ["pairs", "trainings", *_CHANGE.values()]
_NAMED = ["condition", "utility", "row", "shared"]
_LED = ["condition", "utility", "metric", "region"]
_CELL = [
    "line", "label", "run", "role", "status", "seeds", "repeats", "folds", "patients", "metric",
    "region", "mean", "low", "high", "eligible", "n", "undefined", "one_empty", "where_found",
    "selective",
]  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """The one number in which all conditions differ.

    Attributes
    ----------
    setting : its key.
    title : what it is called on an axis.
    places : by condition, its number, in rising order.
    labels : by condition, how it is printed.
    """

    setting: str
    title: str
    places: dict[str, float] = field(hash=False)
    labels: dict[str, str] = field(hash=False)


def all_results(results: Results) -> dict[str, Results]:
    """Return the results under each condition, the benchmark's own first."""
    return {results.condition.name: results, **results.conditions}


def scale(results: Results) -> Scale | None:
    """Return the number in which the conditions differ, None if they differ in something else."""
    settings = {name: of.condition.settings for name, of in all_results(results).items()}
    keys = {key for of in settings.values() for key in of}
    if len(keys) != 1 or not results.conditions:
        return None
    (key,) = keys
    numbers = {name: of[key] for name, of in settings.items()}
    known = [one for one in numbers.values() if one is not None]
    if not all(isinstance(one, int | float) and one > 0 and one is not True for one in known):
        return None
    if len(known) < len(numbers) and key != T1CE_PATIENTS:
        return None
    labels = {name: f"{one:g}" for name, one in numbers.items() if one is not None}
    for name in numbers.keys() - labels.keys():
        # Where the number is unknown, it has the next place.
        numbers[name] = results.cohort.train or 2 * max(known)
        labels[name] = f"all ({results.cohort.train})" if results.cohort.train else "all"
    order = sorted(numbers, key=lambda name: (numbers[name], labels[name].startswith("all")))
    return Scale(key, _TITLES.get(key, key), {name: float(numbers[name]) for name in order}, labels)


def in_print(results: Results) -> list[str]:
    """Return the names of the conditions in the order of tables and figures."""
    ordered = scale(results)
    return list(ordered.places if ordered else all_results(results))


def base_run(run: str) -> str:
    """Return the name of a run without its condition."""
    return run.partition("@")[0]


def rows_of(results: Results, utility: str) -> list[Row]:
    """Return the rows that are scored by a utility, floors first and ceilings last."""
    task = COLUMNS[utility][0]
    if utility == "frozen":
        rows = [row for row in results.frozen.rows if row.frozen] if results.frozen else []
    else:
        rows = [row for row in results.rows if task in row.tasks]
    return in_order(rows)


def all_scores(results: Results) -> pd.DataFrame:
    """Return the long table of the runs under all conditions, each once."""
    frames, known = [results.whole.scores], set()
    for of in results.conditions.values():
        changed = {row.run for row in of.whole.rows if row.condition} - known
        known |= changed
        frames.append(of.whole.scores[of.whole.scores["run"].isin(changed)])
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]


@lru_cache(maxsize=8)
def by_condition(results: Results) -> pd.DataFrame:
    """Return one row per condition, row of a table, and (metric, region) of `COLUMNS`.

    `row` is the run's name without its condition, `shared` whether it is the benchmark's own run.
    Beside the cells of `measure_columns` (without its comparisons),
    `change` is the mean minus that under the benchmark's own settings over the same patients and
    trainings, with its 95 % interval from `change_low` to `change_high`, and `pairs` and
    `trainings` as in `Comparison`. The row `MEAN` has the change of the mean over the methods that
    the condition changes. The result is shared: do not write to it.
    """
    frames = []
    for utility, (task, _) in COLUMNS.items():
        columns = _scored(results, utility)
        for name, of in all_results(results).items() if columns else ():
            lines = [lined(row) for row in rows_of(of, utility)]
            measured = of.frozen if utility == "frozen" else of
            if lines:
                cells = measure_columns(measured, task, lines, columns, of.protocol)
                frames.append(cells[_CELL].assign(condition=name, utility=utility))
    if not frames:
        return pd.DataFrame(columns=[*_NAMED, *_CELL, *_COMPARED])
    cells = pd.concat(frames, ignore_index=True)
    cells["row"] = cells["run"].map(base_run)
    others = cells["condition"] != results.condition.name
    cells["shared"] = others & (cells["run"] == cells["row"])
    changed = [_with_changes(of, results) for _, of in cells.groupby(["metric", "region"])]
    return pd.concat(changed).sort_index(kind="stable").reset_index(drop=True)


def _scored(results: Results, utility: str) -> list[Column]:
    """Return the columns of a utility that a protocol has."""
    task, columns = COLUMNS[utility]
    rules = getattr(load_protocol(results.protocol), task)
    return [
        (metric, region)
        for metric, region in columns
        if metric in rules.metrics and region in rules.regions
    ]


def _values(results: Results, metric: str, region: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return (replicates, subjects) values by run under all conditions, and their splits."""
    of = scores_of(replace(results, scores=all_scores(results)), metric, region, results.protocol)
    if of.empty:
        return {}, np.empty(0, int)
    values, splits = replicate_values(of, "run")
    return {run: value for (run,), value in values.items()}, splits


def _with_changes(cells: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Add the changes of one metric and region, and the row of the mean over the methods."""
    values, splits = _values(results, *cells[["metric", "region"]].iloc[0])
    own = results.condition.name

    def change(run: str, row: str) -> Comparison:
        known = run != row and run in values and row in values
        return compare(values[run], values[row], splits) if known else Comparison()

    pairs = zip(cells["run"], cells["row"], strict=True)
    lines = [cells.join(_changes([change(*pair) for pair in pairs], cells.index))]
    for (condition, _), of in cells.groupby(["condition", "utility"], sort=False):
        both = of["run"].isin(values) & of["row"].isin(values)  # either may have failed
        methods = of[(of["role"] == "method") & (of["n"] > 0) & ~of["shared"] & both]
        if condition != own and len(methods) > 1:
            found = compare(*(_mean(values, methods[name]) for name in ("run", "row")), splits)
            empty = {"run": "", "status": "", "mean": np.nan, "low": np.nan, "high": np.nan}
            last = of.iloc[[-1]].assign(label=MEAN, row=MEAN, role="method", **empty)
            lines.append(last.join(_changes([found], last.index)))
    return pd.concat(lines)


def _changes(compared: Sequence[Comparison], index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(map(asdict, compared), index=index).rename(columns=_CHANGE)[_COMPARED]


def _mean(values: dict[str, np.ndarray], runs: Iterable[str]) -> np.ndarray:
    """Return the mean over runs of each value, NaN where one run has none."""
    return np.mean([values[run] for run in runs], axis=0)


@lru_cache(maxsize=8)
def pairing_leads(results: Results) -> pd.DataFrame:
    """Return by how much the paired methods are better than the unpaired ones, by condition.

    One row per `condition`, `utility`, `metric` and `region` that both have: the `Comparison` of
    the means over the methods of either kind, on the same patients and trainings. All metrics of
    `COLUMNS` are better if higher. The result is shared: do not write to it.
    """
    cells, every = by_condition(results), all_results(results)
    pairings = {row.run: row.pairing for of in every.values() for row in of.whole.rows}
    cells = cells[(cells["role"] == "method") & (cells["n"] > 0) & (cells["run"] != "")]
    found = []
    for (metric, region), column in cells.groupby(["metric", "region"], sort=False):
        values, splits = _values(results, metric, region)
        for (condition, utility), of in column.groupby(["condition", "utility"], sort=False):
            kinds = of["run"].map(pairings)
            sides = [of.loc[kinds == kind, "run"] for kind in ("paired", "unpaired")]
            if all(len(side) for side in sides):
                lead = compare(*(_mean(values, side) for side in sides), splits)
                known = {"condition": condition, "utility": utility}
                found.append({**known, "metric": metric, "region": region, **asdict(lead)})
    return pd.DataFrame(found, columns=[*_LED, *Comparison.__dataclass_fields__])
