"""The share of the gap between no T1ce and the real T1ce that each synthesis recovers.

The gap is the mean Dice of the segmentor on the real T1ce (the ceiling) minus that of the segmentor
on T1, T2 and FLAIR alone (no T1ce). All rows are measured on the same patients: those who have the
region in the truth, where every prediction has a Dice. What is predicted where there is no
enhancing tumour is invented, and counted apart (see `denominators`).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
import pandas as pd

from benchmarks.reporting.measures import invented_of, replicate_values, scores_of
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.utilities import UTILITIES, judged, segmentors
from benchmarks.scoring.statistics import (
    Comparison,
    Share,
    compare,
    mean_interval,
    patient_means,
    share_of_gap,
)

REGIONS = ("et", "tc")
NO_T1CE = "no T1ce"

SHARES = [
    "segmentor", "utility", "region", "label", "run", "role", "status", "n", "mean", "mean_low",
    "mean_high", *Share.__dataclass_fields__,
]  # fmt: skip
INVENTED = ["run", "without", "invented", "invented_ml"]


@dataclass(frozen=True, eq=False)
class Gap:
    """What there is to recover, in one region behind one segmentor.

    Attributes
    ----------
    start, end : the runs of the segmentor without T1ce and of the ceiling.
    dice : by run, that of the patients who have the region, (replicates, patients).
    splits : (replicates,), the split of each.
    """

    segmentor: str
    region: str
    start: str
    end: str
    dice: dict[str, np.ndarray]
    splits: np.ndarray

    @cached_property
    def found(self) -> Comparison:
        """The ceiling's Dice minus that without T1ce."""
        return compare(self.dice[self.end], self.dice[self.start], self.splits)

    @property
    def clear(self) -> bool:
        """Whether the ceiling is clearly above: else no share is defined."""
        return self.found.low > 0


@lru_cache(maxsize=8)
def gaps(results: Results) -> tuple[Gap, ...]:
    """Return the gap of each segmentor and region, as far as both of its ends have scores."""
    alone: dict[str, str] = {}
    for row in results.rows:
        if row.without_t1ce:
            alone.setdefault(row.run.partition(".")[0], row.run)
    ceilings = {
        segmentor: one.retrained.run
        for segmentor in segmentors(results)
        for one in judged(results, segmentor)
        if one.synthesis.role == "ceiling" and one.retrained
    }
    found = []
    for segmentor, region in product(ceilings, REGIONS):
        start, end = alone.get(segmentor), ceilings[segmentor]
        values, splits = _dice(results, region)
        if start in values and end in values:
            found.append(Gap(segmentor, region, start, end, values, splits))
    return tuple(found)


def _dice(results: Results, region: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return by run the Dice of the patients who have the region, and the replicates' splits."""
    scores = scores_of(results.whole, "dice", region, results.protocol)
    if scores.empty:
        return {}, np.empty(0, int)
    by_run, splits = replicate_values(scores, "run")
    return {run: one for (run,), one in by_run.items() if not np.isnan(one).all()}, splits


@lru_cache(maxsize=8)
def shares(results: Results) -> pd.DataFrame:
    """Return one row per segmentor, region, utility and row of a table; columns are `SHARES`.

    `mean` is the Dice over the `n` patients who have the region, with its 95 % interval from
    `mean_low` to `mean_high`; the other numbers are those of `Share`. The ceiling and the segmentor
    without T1ce have rows under both utilities. The result is shared: do not write to it.
    """
    records = []
    for gap, utility in product(gaps(results), UTILITIES):
        column = {"segmentor": gap.segmentor, "utility": utility, "region": gap.region}
        for row, label in _rows(results, gap, utility):
            named = {"label": label, "run": row.run, "role": row.role}
            named["status"] = f"failed: {row.failure}" if row.failure else ""
            records.append(column | named | _measured(gap, row.run))
    return pd.DataFrame(records, columns=SHARES)


def _measured(gap: Gap, run: str) -> dict[str, float]:
    """Return the mean Dice of a run and its share of the gap, as far as it has scores."""
    if run not in gap.dice:
        return {"n": 0, **asdict(Share())}
    values, splits = gap.dice[run], gap.splits
    means, (low, high) = patient_means(values), mean_interval(values, splits)
    share = Share()
    if run not in (gap.start, gap.end):
        share = share_of_gap(values, gap.dice[gap.start], gap.dice[gap.end], splits)
    known = {"n": int((~np.isnan(means)).sum()), "mean": float(np.nanmean(means))}
    return known | {"mean_low": low, "mean_high": high} | asdict(share)


def _rows(results: Results, gap: Gap, utility: str) -> Iterator[tuple[Row, str]]:
    """Yield the rows of a utility and their labels: those of the syntheses, and no T1ce."""
    for one in judged(results, gap.segmentor):
        if row := one.by(utility) or (one.retrained if one.synthesis.role == "ceiling" else None):
            yield row, one.synthesis.label
    yield results.row(gap.start), NO_T1CE


@lru_cache(maxsize=8)
def invented(results: Results) -> pd.DataFrame:
    """Return one row per run that segments, the enhancing tumour that it invents.

    Columns are `INVENTED` (see `denominators.invented`). It is empty where every test patient has
    some. The result is shared: do not write to it.
    """
    return invented_of(results.whole, "et", results.protocol).reset_index()[INVENTED]


def share_text(share: float) -> str:
    """Return a share as it is printed, e.g. "+11 %"."""
    percent = round(100 * share)
    return f"{percent:+d} %" if percent else "0 %"


def share_interval(low: float, high: float) -> str:
    """Return the ends of a share's interval, e.g. "-5 to 27 %"; an end may be infinite."""
    ends = [f"{100 * end:.0f}".replace("inf", "∞") for end in (low, high)]
    return f"{' to '.join('0' if end == '-0' else end for end in ends)} %"
