"""Our numbers for the rows of tables: means, their intervals, and how they differ.

A score is one value of one scan. Scans (time points) are averaged within a subject first, then
replicates (seeds, repeats and folds), then subjects, so that a subject counts once however many
scans they and trainings a run have. The mean, its interval and the tests are thus of the same
people: `n` and `patients` count subjects.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache

import numpy as np
import pandas as pd

from benchmarks.reporting.denominators import (
    VOLUME,
    averaged,
    invented,
    lacking,
    of_the_same,
    selective,
    where_found,
)
from benchmarks.reporting.published import Table
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import GROUPS, Line, line_up, refuse_unknown_runs
from benchmarks.reporting.scores import REPLICATE, subject_values
from benchmarks.scoring.metric import Metric, read_metrics
from benchmarks.scoring.protocol import load_protocol
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

# By task, the table of the paper in which every run of the task has a row.
COMPLETE = {"synthesis": "table2_synthesis", "segmentation": "table3_segmentation"}
# The notes of scores that follow from a protocol's rule for one empty mask.
ONE_EMPTY = ("reference empty", "prediction empty")
FEW = 10  # with fewer patients, the intervals of one training cover the mean too rarely
TEST = (
    "two-sided Wilcoxon signed-rank test over the patients that both have, or t test over patients "
    "and trainings where there are several trainings, Holm-corrected for the rows of the column"
)
NOTHING_INVENTED = {"without": 0, "invented": 0, "invented_ml": np.nan}
ONE_SEED = "One seed: it does not cover another training of the same method."

_TRAININGS = ["seeds", "repeats", "folds"]

Column = tuple[str, str]  # (metric, region)


def columns_of(printed: Table, protocol: str) -> list[Column]:
    """Return the (metric, region) that a table of the paper shows under a protocol.

    They are of the paper's metrics, or of the protocol's own where it lacks one of these, region by
    region in the paper's order.
    """
    rules = getattr(load_protocol(protocol), printed.task)
    metrics = printed.metrics if set(printed.metrics) <= set(rules.metrics) else rules.metrics
    first = [region for region in printed.regions if region in rules.regions]
    regions = dict.fromkeys([*first, *rules.regions])
    return [(metric, region) for region in regions for metric in metrics]


def postprocessing_of(metric: Metric, protocol: str) -> str:
    """Return which prediction tables show: the metric's own, or the only one that is scored."""
    scored = getattr(getattr(load_protocol(protocol), metric.task), "postprocessing", ("",))
    return metric.postprocessing if metric.postprocessing in scored else scored[0]


@lru_cache(maxsize=64)
def measure(results: Results, name: str, protocol: str) -> pd.DataFrame:
    """Return the cells of one of the paper's tables under one protocol (see `measure_columns`).

    The result is shared, so do not write to it.
    """
    printed = results.published.table(name)
    columns = columns_of(printed, protocol)
    return measure_columns(results, printed.task, lines_of(results, name), columns, protocol)


def lines_of(results: Results, name: str) -> list[Line]:
    """Return the lines of one of the paper's tables.

    Raises
    ------
    InputError : there are scores of a run that is not among the rows.
    """
    printed, scores = results.published.table(name), results.scores
    scored = set(scores.loc[scores["task"] == printed.task, "run"])
    refuse_unknown_runs(scored, results.rows, f"{printed.task} scores")
    rows = [
        row for row in results.rows if row.run in printed.runs or row.belongs(printed.task, scored)
    ]
    return line_up(printed, rows)


def measure_columns(
    results: Results, task: str, lines: Sequence[Line], columns: Sequence[Column], protocol: str
) -> pd.DataFrame:
    """Return one row per cell of a table, line by line.

    Of each `metric` and `region` (see `postprocessing_of`) it has our `mean` over patients, its
    95 % interval from `low` to `high`, the `published` number (in the protocol `paper` only), and
    how many patients the mean may be of (`eligible`, see `denominators`), is of (`n`), how many of
    those scored have no value (`undefined`), and how many have one by rule since the reference or
    the prediction is empty (`one_empty`). `where_found` and `selective` are whether the metric is
    (see `denominators`); beside Dice, `without`, `invented` and `invented_ml` are what is predicted
    in patients who lack the region, if the mean is not of them. `seeds`, `repeats`, `folds` and
    `patients` count those of the run's scores; of a benchmark without repeats or folds they are 1.

    The `best` method is the one with the best mean of those that are `ranked`. All other rows,
    floors and ceilings too, are compared with it (see `Comparison`): `pairs`,
    `trainings`, `difference`, its interval from `difference_low` to `difference_high`, `effect`,
    and `p`, corrected for the number of rows in the column. Where `too_few` pairs of one training
    cannot bring the corrected p below 0.05, p is NaN. `beats` and `false_claim` are of the row
    against the best, `beats` being the probability that the row is the better one. `rank_low`,
    `rank_high` and `first` say how stable the order of the methods is (see `Ranks`).
    """
    scores, rules = shown(results.scores, task, protocol), load_protocol(protocol)
    cell = ["run", "metric", "region"]
    values, splits = replicate_values(scores, *cell)
    scored = scores.groupby(cell)["subject"].nunique()
    eligible = scores[~lacking(scores, rules)].groupby(cell)["subject"].nunique()
    lack = scored.sub(eligible, fill_value=0)
    made_up = {
        region: invented_of(results, region, protocol).to_dict("index")
        for metric, region in columns
        if metric == "dice"
    }
    by_rule = scores[scores["note"].isin(ONE_EMPTY) & scores["value"].notna()]
    one_empty = by_rule.groupby(cell)["subject"].nunique()
    counts = scores.groupby("run")[[*REPLICATE, "subject"]].nunique()

    records = []
    for place, line in enumerate(lines):
        counted = counts.loc[line.run].tolist() if line.run in counts.index else [0] * 4
        seeds, repeats, folds, patients = counted
        published = line.printed.numbers() if line.printed and protocol == "paper" else {}
        for column in columns:
            key = (line.run, *column)
            means = patient_means(values[key]) if key in values else np.empty(0)
            n = int((~np.isnan(means)).sum())
            low, high = mean_interval(values[key], splits) if n else (np.nan, np.nan)
            others = made_up.get(column[1], {}) if column[0] == "dice" else {}
            records.append(
                {
                    "line": place,
                    "label": line.label,
                    "run": line.run,
                    "role": line.role,
                    "group": GROUPS[line.group],
                    "in_paper": line.printed is not None,
                    "status": line.status(measured=patients > 0),
                    "seeds": seeds,
                    "repeats": repeats,
                    "folds": folds,
                    "patients": patients,
                    "metric": column[0],
                    "region": column[1],
                    "mean": float(np.nanmean(means)) if n else np.nan,
                    "published": published.get(column, np.nan),
                    "eligible": patients - int(lack.get(key, 0)),
                    "n": n,
                    "undefined": int(eligible.get(key, 0)) - n,
                    "one_empty": int(one_empty.get(key, 0)),
                    "where_found": column[0] in where_found(rules),
                    "selective": column[0] in selective(rules),
                    **(NOTHING_INVENTED | others.get(line.run, {})),
                    "low": low,
                    "high": high,
                }
            )
    cells = pd.DataFrame(records)
    compared = [_compare(of, values, splits) for _, of in cells.groupby(["metric", "region"])]
    return cells.join(pd.concat(compared))


def replicate_values(
    scores: pd.DataFrame, *columns: str
) -> tuple[dict[tuple[str, ...], np.ndarray], np.ndarray]:
    """Return the values of each combination of these columns, and the splits of their replicates.

    Values are (replicates, subjects), NaN where undefined, with the same replicates and subjects in
    the same order; seeds of one repeat and fold are of one split.
    """
    wide = subject_values(scores, *columns).unstack("subject")  # noqa: PD010
    replicates = wide.index.droplevel(list(columns)).unique().sort_values()
    values = {
        key: of.droplevel(list(columns)).reindex(replicates).to_numpy(float)
        for key, of in wide.groupby(level=list(columns))
    }
    return values, pd.factorize(replicates.droplevel("seed"))[0]


def by_patient(results: Results, metric: str, region: str, protocol: str) -> pd.DataFrame:
    """Return (patients, runs) values of a metric, the runs in the order of the results' rows.

    A value is the mean over the replicates that have one, NaN if none has. Patients are scans here,
    for pictures, and values as the protocol scores them: `by_subject` has what is averaged.
    """
    scores = _scored(results.scores, read_metrics()[metric].task, protocol)
    values = _of(scores, metric, region).groupby(["run", "patient"])["value"].mean()
    return _wide(results, values)


def by_subject(results: Results, metric: str, region: str, protocol: str) -> pd.DataFrame:
    """Return (subjects, runs) values as tables average them, otherwise as `by_patient` does."""
    values = subject_values(scores_of(results, metric, region, protocol), "run")
    return _wide(results, values.groupby(["run", "subject"]).mean())


def finite_means(
    results: Results, metric: str, region: str
) -> dict[str, tuple[float, float, float]]:
    """Return by run the mean over subjects and its 95 % interval, of the values that are finite."""
    scores = scores_of(results, metric, region, results.protocol)
    scores = scores.assign(value=scores["value"].replace(np.inf, np.nan))
    values, splits = replicate_values(scores, "run")
    return {
        run: (float(np.nanmean(patient_means(of))), *mean_interval(of, splits))
        for (run,), of in values.items()
        if not np.isnan(of).all()
    }


def scores_of(results: Results, metric: str, region: str, protocol: str) -> pd.DataFrame:
    """Return the scores of a metric and region that means are of (see `shown`)."""
    return _of(shown(results.scores, read_metrics()[metric].task, protocol), metric, region)


def invented_of(results: Results, region: str, protocol: str) -> pd.DataFrame:
    """Return by run what is predicted in patients who lack a region (see `invented`).

    It is empty where means are of these patients too.
    """
    rules = load_protocol(protocol)
    known = of_the_same(rules) | {VOLUME} if "dice" in of_the_same(rules) else set()
    measured = [name for name in (VOLUME, "dice") if name in known & {*rules.segmentation.metrics}]
    scores = _scored(results.scores, "segmentation", protocol)
    return invented(_of(scores, measured[0] if measured else "", region))


def _of(scores: pd.DataFrame, metric: str, region: str) -> pd.DataFrame:
    return scores[(scores["metric"] == metric) & (scores["region"] == region)]


def _wide(results: Results, values: pd.Series) -> pd.DataFrame:
    """Place the values by run beside each other."""
    wide = values.unstack("run")  # noqa: PD010
    runs = [row.run for row in results.rows if row.run in wide.columns]
    return wide.reindex(columns=runs).astype(float)


def shown(scores: pd.DataFrame, task: str, protocol: str) -> pd.DataFrame:
    """Return the scores of a task under a protocol, with the values that means are of.

    They are of one post-processing per metric (see `postprocessing_of`), and NaN for patients of
    whom no mean is (see `denominators`).
    """
    return averaged(_scored(scores, task, protocol), load_protocol(protocol))


def _scored(scores: pd.DataFrame, task: str, protocol: str) -> pd.DataFrame:
    """The scores of a task under a protocol, each metric's of one post-processing."""
    metrics = [metric for metric in read_metrics().values() if metric.task == task]
    after = {metric.name: postprocessing_of(metric, protocol) for metric in metrics}
    return scores[
        (scores["task"] == task)
        & (scores["protocol"] == protocol)
        & (scores["postprocessing"] == scores["metric"].map(after))
    ]


def ranked(
    roles: pd.Series, counts: pd.Series, means: pd.Series, selective: bool = False
) -> pd.Series:
    """Return the means that are ranked: those of the methods whose mean is of the most patients.

    A mean of fewer patients may have been spared the difficult ones. Where a row's own predictions
    decide how many it is of (`selective`), none is ranked unless all are of equally many.
    """
    methods = roles == "method"
    most = methods & (counts == counts[methods].max())
    if selective and (most != methods).any():
        return means.iloc[:0]
    return means[most].dropna()


def ranked_cells(cells: pd.DataFrame) -> pd.Series:
    """Return the ranked means of a column of `measure_columns`, of the rows scored in it."""
    scored = cells[cells["n"] + cells["undefined"] > 0]
    return ranked(scored["role"], scored["n"], scored["mean"], scored["selective"].any())


def best(means: pd.Series, metric: str) -> float:
    """Return the best of some means, NaN of none."""
    return means.max() if read_metrics()[metric].better == "higher" else means.min()


def _compare(
    column: pd.DataFrame, values: dict[tuple[str, ...], np.ndarray], splits: np.ndarray
) -> pd.DataFrame:
    """Compare each row of a column with the best method; say how stable the order is."""
    valued = {
        row.Index: values[row.run, row.metric, row.region]
        for row in column[column["n"] > 0].itertuples()
    }
    metric = column["metric"].iloc[0]
    better = read_metrics()[metric].better
    order = ranked_cells(column)
    against = order.index[order == best(order, metric)][:1]
    comparisons = [
        compare(valued[row], valued[against[0]], splits)
        if row in valued and len(against) and row != against[0]
        else Comparison()
        for row in column.index
    ]
    compared = pd.DataFrame(map(asdict, comparisons), index=column.index).rename(
        columns={"low": "difference_low", "high": "difference_high"}
    )
    if better == "lower":
        compared["beats"] = 1 - compared["beats"]
    compared["best"] = compared.index.isin(against)
    tested = compared["pairs"] > 0
    # Other than that of ranks, the t test of several trainings has no smallest p.
    ranks_only = compared["trainings"] == 1
    smallest = np.where(ranks_only, [smallest_p(pairs) for pairs in compared["pairs"]], 0)
    compared["too_few"] = tested & (holm(np.where(tested, smallest, np.nan)) >= ALPHA)
    compared["p"] = np.where(compared["too_few"], np.nan, holm(compared["p"].to_numpy()))
    compared[["rank_low", "rank_high", "first"]] = np.nan
    if len(order):
        ranks = rank_stability(np.array([valued[r] for r in order.index]), splits, better)
        compared.loc[order.index, "rank_low"] = ranks.low
        compared.loc[order.index, "rank_high"] = ranks.high
        compared.loc[order.index, "first"] = ranks.first
    return compared


def notes_on_intervals(cells: pd.DataFrame) -> list[str]:
    """Return what intervals and their numbers of patients are of, if there are any."""
    with_one = cells[cells["low"].notna()]
    if with_one.empty:
        return []
    several = with_one[with_one[_TRAININGS].max(axis=1) > 1]
    once = with_one.drop(several.index)
    bootstrap, notes = "BCa bootstrap over patients", []
    if several.empty:
        notes.append(
            f"95 % interval: of the mean over all patients such as these; {bootstrap}. {ONE_SEED}"
        )
    else:
        *others, last = ["patients", *(name for name in _TRAININGS if several[name].max() > 1)]
        notes.append(
            "95 % interval: of the mean over all patients such as these and all trainings such as "
            f"these; t interval over {', '.join(others)} and {last}."
        )
        if len(once):
            notes.append(f"Interval of a row with one training: {bootstrap}. {ONE_SEED}")
        if several["folds"].max() > 1:
            notes.append("n counts the patients of all folds; the trainings of one test each.")
    if len(once) and once["n"].min() < FEW:
        notes.append(
            "Of so few patients the interval is too narrow: of 4 it covers the mean in 83 to 88 % "
            "of cases."
        )
    return notes


def notes_on_marks(cells: pd.DataFrame) -> list[str]:
    """Return what it means that a mean is marked as different from the best, or is not."""
    notes = []
    if (cells["p"] < ALPHA).any():
        notes.append(f"*: differs from the best method of the column: p < {ALPHA}, {TEST}.")
    if cells["too_few"].any():
        notes.append(
            "A mean of so few patients that p, corrected for the rows of the column, cannot fall "
            f"below {ALPHA} has no mark (*), whatever the values."
        )
    return notes
