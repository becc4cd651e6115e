"""The share of the gap between no T1ce and the real T1ce that each synthesis recovers.

The gap is the mean Dice of the segmentor on the real T1ce (the ceiling) minus that of the segmentor
on T1, T2 and FLAIR alone (no T1ce). All rows are measured on the same patients: those who have the
region in the truth, where every prediction has a Dice. What is predicted where there is no
enhancing tumour is invented, and counted apart.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from benchmarks.reporting.measures import replicate_values, scores_of
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.subgroups import true_volumes
from benchmarks.reporting.utilities import UTILITIES, judged, segmentors
from benchmarks.scoring.protocol import load_protocol
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
INVENTED = ["run", "invented_in", "without", "ml"]


@dataclass(frozen=True)
class Gap:
    """What there is to recover, in one region behind one segmentor.

    Attributes
    ----------
    start, end : the runs of the segmentor without T1ce and of the ceiling.
    found : the ceiling's Dice minus that without T1ce.
    """

    segmentor: str
    region: str
    start: str
    end: str
    found: Comparison

    @property
    def clear(self) -> bool:
        """Whether the ceiling is clearly above: else no share is defined."""
        return self.found.low > 0


@lru_cache(maxsize=8)
def gaps(results: Results) -> tuple[Gap, ...]:
    """Return the gap of each segmentor and region, as far as both of its ends have scores."""
    return tuple(
        Gap(segmentor, region, start, end, compare(values[end], values[start], splits))
        for segmentor, region, start, end, values, splits in _ends(results)
    )


@lru_cache(maxsize=8)
def shares(results: Results) -> pd.DataFrame:
    """Return one row per segmentor, region, utility and row of a table; columns are `SHARES`.

    `mean` is the Dice over the `n` patients who have the region, with its 95 % interval from
    `mean_low` to `mean_high`; the other numbers are those of `Share`. The ceiling and the segmentor
    without T1ce have rows under both utilities. The result is shared: do not write to it.
    """
    records = []
    for segmentor, region, start, end, values, splits in _ends(results):
        for utility in UTILITIES:
            for row, label in _rows(results, segmentor, utility, start):
                of = values.get(row.run)
                share, known = Share(), {"n": 0}
                if of is not None:
                    low, high = mean_interval(of, splits)
                    means = patient_means(of)
                    known = {"n": int((~np.isnan(means)).sum()), "mean": float(np.nanmean(means))}
                    known |= {"mean_low": low, "mean_high": high}
                    if row.run not in (start, end):
                        share = share_of_gap(of, values[start], values[end], splits)
                named = {"label": label, "run": row.run, "role": row.role}
                named["status"] = f"failed: {row.failure}" if row.failure else ""
                of_column = {"segmentor": segmentor, "utility": utility, "region": region}
                records.append(of_column | named | known | asdict(share))
    return pd.DataFrame(records, columns=SHARES)


@lru_cache(maxsize=8)
def invented(results: Results) -> pd.DataFrame:
    """Return one row per run that segments; columns are `INVENTED`.

    `invented_in` counts those of the patients `without` enhancing tumour for whom some is predicted
    in any training, `ml` is its mean volume over all of them. It is empty where every test patient
    has some, or the protocol does not measure volumes. The result is shared: do not write to it.
    """
    of = true_volumes(results, "et")
    without = of.index[of == 0]
    rules = load_protocol(results.protocol).segmentation
    if not len(without) or "volume_difference" not in rules.metrics:
        return pd.DataFrame(columns=INVENTED)
    # Where the truth is empty, the difference of the volumes is the volume of the prediction.
    scores = scores_of(results.whole, "volume_difference", "et", results.protocol)
    scores = scores[scores["subject"].isin(without)]
    means = scores.groupby(["run", "subject"])["value"].mean()
    by_run = means.groupby("run")
    found = {
        "invented_in": by_run.agg(lambda of: int((of > 0).sum())),
        "without": by_run.count(),
        "ml": by_run.mean(),
    }
    return pd.DataFrame(found).rename_axis("run").reset_index()[INVENTED]


def share_text(share: float) -> str:
    """Return a share as it is printed, e.g. "+11 %"."""
    percent = round(100 * share)
    return f"{percent:+d} %" if percent else "0 %"


def share_interval(low: float, high: float) -> str:
    """Return the ends of a share's interval, e.g. "-5 to 27 %"; an end may be infinite."""
    ends = [f"{100 * end:.0f}".replace("inf", "∞") for end in (low, high)]
    return f"{' to '.join('0' if end == '-0' else end for end in ends)} %"


def _ends(
    results: Results,
) -> Iterator[tuple[str, str, str, str, dict[str, np.ndarray], np.ndarray]]:
    """Yield segmentor, region, the runs of both ends, all runs' values and their splits.

    Values are (replicates, patients) of the patients who have the region.
    """
    alone: dict[str, str] = {}
    for row in results.rows:
        if (row.kind, row.role, row.upstream) == ("segmentation", "method", None):
            alone.setdefault(row.run.partition(".")[0], row.run)
    for segmentor in segmentors(results):
        ceilings = [
            one.retrained.run
            for one in judged(results, segmentor)
            if one.synthesis.role == "ceiling" and one.retrained
        ]
        for region in REGIONS if ceilings and segmentor in alone else ():
            of = true_volumes(results, region)
            scores = scores_of(results.whole, "dice", region, results.protocol)
            scores = scores[scores["subject"].isin(of.index[of > 0])]
            if scores.empty:
                continue
            by_run, splits = replicate_values(scores, "run")
            values = {run: one for (run,), one in by_run.items() if not np.isnan(one).all()}
            if alone[segmentor] in values and ceilings[0] in values:
                yield segmentor, region, alone[segmentor], ceilings[0], values, splits


def _rows(results: Results, segmentor: str, utility: str, start: str) -> Iterator[tuple[Row, str]]:
    """Yield the rows of a utility and their labels: those of the syntheses, and no T1ce."""
    for one in judged(results, segmentor):
        if row := one.by(utility) or (one.retrained if one.synthesis.role == "ceiling" else None):
            yield row, one.synthesis.label
    yield results.row(start), NO_T1CE
