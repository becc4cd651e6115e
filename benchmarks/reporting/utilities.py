"""Two utilities of each synthesis, and how far its similarity to the real T1ce predicts them.

`retrained` is the Dice of a segmentor that was trained on the synthesised T1ce, `frozen` that of
the real T1ce's segmentor, which only predicts. A run that segments its own T1ce is its own
retrained segmentor; the ceiling's is both.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
import pandas as pd

from benchmarks.reporting.measures import Column, by_subject, lines_of, measure_columns
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Line, Row, by_group, in_order, lined
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.regions import REGIONS
from benchmarks.scoring.statistics import FEWEST_ROWS, Correlation, rank_correlation

UTILITIES = ("retrained", "frozen")
DICE: tuple[Column, ...] = (("dice", "wt"), ("dice", "tc"), ("dice", "et"))
# What a utility is taken for where one number is needed: the mean Dice of these regions.
AIMS = {"ET": ("et",), "mean of WT, TC, ET": ("wt", "tc", "et")}

_SIMILARITY = ["protocol", "metric", "region"]
_FOUND = ["rho", "low", "high", "methods", "patients"]


@dataclass(frozen=True)
class Judged:
    """A synthesis and the rows whose segmentations judge it, None where a run does not exist."""

    synthesis: Row
    retrained: Row | None
    frozen: Row | None

    def by(self, utility: str) -> Row | None:
        return getattr(self, utility)


def segmentors(results: Results) -> dict[str, str]:
    """Return the title of each segmentor behind the syntheses, in the benchmark's order."""
    labels = {row.run: row.label for row in results.rows}
    titles: dict[str, str] = {}
    for row in results.rows:
        if row.upstream:
            title = row.label.removeprefix(f"{labels.get(row.upstream)} + ")
            titles.setdefault(row.segmentor, title)
    return titles


@lru_cache(maxsize=8)
def first_segmentor(results: Results) -> tuple[Results, str]:
    """Return the results without the rows of further segmentors, and a sentence that says so."""
    titles = segmentors(results)
    if len(titles) < 2:
        return results, ""
    first, *others = titles
    shown = results.of([row for row in results.rows if row.segmentor not in others])
    listed = ", ".join(titles[name] for name in others)
    return (
        shown,
        f"Of several segmentors, {titles[first]} alone is shown; tables have {listed} too.",
    )


def synthesis_titles(results: Results) -> tuple[dict[str, str], str]:
    """Return by run what it is called where one segmentor is behind all syntheses.

    That is the title of the synthesis alone, with a sentence that names the segmentor.
    """
    own = {row.run: row.title for row in results.rows}
    titles = {
        row.run: f"{row.title}, no T1ce" if row.without_t1ce else own.get(row.upstream, row.title)
        for row in results.rows
    }
    behind = list(segmentors(results).values())
    return titles, f"Behind each synthesis: {behind[0]}." if behind else ""


def judged(results: Results, segmentor: str) -> list[Judged]:
    """Return every synthesis with its segmentations, floors first and ceilings last."""
    frozen = results.frozen.rows if results.frozen else ()
    behind = [
        {row.upstream: row for row in rows if row.upstream and row.segmentor == segmentor}
        for rows in (results.rows, frozen)
    ]
    return [
        Judged(
            row,
            row if "segmentation" in row.tasks else behind[0].get(row.run),
            behind[1].get(row.run),
        )
        for row in in_order(results.rows)
        if "synthesis" in row.tasks
    ]


def frozen_lines(results: Results) -> list[Line]:
    """Return the lines of the frozen segmentors in the order of Table III's retrained ones."""
    rows = results.frozen.rows if results.frozen else ()
    retrained = [line.run for line in lines_of(results, "table3_segmentation")]

    def place(row: Row) -> int:
        behind = f"{row.upstream}+{row.segmentor}"
        runs = [run for run in (behind, row.upstream) if run in retrained]
        return retrained.index(runs[0]) if runs else len(retrained)

    return by_group(lined(row) for row in sorted(rows, key=place))


def dice_cells(results: Results, rows: Sequence[Judged], utility: str) -> pd.DataFrame:
    """Return the cells of `DICE` of a utility (see `measure_columns`), one line per synthesis."""
    of = results.frozen if utility == "frozen" and results.frozen else results
    lines = [
        lined(row)
        if (row := one.by(utility))
        else Line(one.synthesis.label, "", one.synthesis.role)
        for one in rows
    ]
    return measure_columns(of, "segmentation", lines, DICE, results.protocol)


def similarities(results: Results) -> list[tuple[str, str, str]]:
    """Return the (protocol, metric, region) of syntheses that have scores, the main ones first."""
    scores = results.scores[results.scores["task"] == "synthesis"]
    scored = set(zip(scores["protocol"], scores["metric"], scores["region"], strict=True))
    return [
        (protocol, metric.name, region)
        for protocol in sorted(results.protocols, key=lambda name: name != results.protocol)
        for metric in read_metrics().values()
        for region in REGIONS
        if (protocol, metric.name, region) in scored
    ]


@lru_cache(maxsize=8)
def correlations(results: Results) -> pd.DataFrame:
    """Return one row per segmentor, similarity (see `similarities`), utility and aim (see `AIMS`).

    `rho` is Spearman's rank correlation of the methods' mean similarity with their mean utility,
    positive where the more similar is the more useful, with its 95 % interval from `low` to `high`
    over `patients`. Floors and ceilings are not among the `methods`. The result is shared: do not
    write to it.
    """
    subjects, dice = _subjects(results), _dice(results)
    records = []
    for segmentor in segmentors(results):
        methods = _methods(results, segmentor)
        for protocol, metric, region in similarities(results):
            values = by_subject(results, metric, region, protocol)
            similar = _stacked([values], [one.synthesis for one in methods], subjects)
            for utility, (aim, regions) in product(UTILITIES, AIMS.items()):
                judges = [one.by(utility) for one in methods]
                useful = _stacked([dice[name] for name in regions], judges, subjects)
                found = rank_correlation(similar, useful)
                if read_metrics()[metric].better == "lower":
                    found = replace(found, rho=-found.rho, low=-found.high, high=-found.low)
                records.append([segmentor, protocol, metric, region, utility, aim, *astuple(found)])
    return pd.DataFrame(records, columns=["segmentor", *_SIMILARITY, "utility", "aim", *_FOUND])


@lru_cache(maxsize=8)
def agreements(results: Results) -> pd.DataFrame:
    """Return one row per segmentor and aim: the rank correlation of both utilities of the methods.

    Columns are as in `correlations`. The result is shared: do not write to it.
    """
    subjects, dice = _subjects(results), _dice(results)
    records = []
    for segmentor, (aim, regions) in product(segmentors(results), AIMS.items()):
        methods, of = _methods(results, segmentor), [dice[name] for name in regions]
        both = (_stacked(of, [one.by(u) for one in methods], subjects) for u in UTILITIES)
        records.append([segmentor, aim, *astuple(rank_correlation(*both))])
    return pd.DataFrame(records, columns=["segmentor", "aim", *_FOUND])


def coefficient(found: Correlation) -> str:
    """Return the coefficient with its interval, and how many methods and patients it is of."""
    count = int(found.patients)
    n = f"{found.rows} methods, {count} patient{'' if count == 1 else 's'}"
    if np.isnan(found.rho):
        why = "too few methods" if found.rows < FEWEST_ROWS else "all are equal"
        return f"no rho: {why}\n{n}"
    between = "" if np.isnan(found.low) else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"rho = {found.rho:.2f}{between}\n{n}"


def _methods(results: Results, segmentor: str) -> list[Judged]:
    return [one for one in judged(results, segmentor) if one.synthesis.role == "method"]


def _subjects(results: Results) -> list[str]:
    return sorted(results.whole.scores["subject"].unique())


def _dice(results: Results) -> dict[str, pd.DataFrame]:
    """Return (subjects, runs) Dice of each region, of both utilities."""
    return {
        region: by_subject(results.whole, metric, region, results.protocol)
        for metric, region in DICE
    }


def _stacked(
    frames: Sequence[pd.DataFrame], rows: Sequence[Row | None], subjects: Sequence[str]
) -> np.ndarray:
    """Return (frames, rows, subjects) of (subjects, runs) each, NaN where there is no value."""
    runs = [row.run if row else "" for row in rows]
    return np.stack([of.reindex(index=subjects, columns=runs).to_numpy(float).T for of in frames])
