"""How much each number depends on the scoring convention: means and ranks under each of them."""

from functools import lru_cache

import numpy as np
import pandas as pd

from benchmarks.reporting.denominators import averaged
from benchmarks.reporting.formatting import title
from benchmarks.reporting.marks import ARROWS
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import in_order, lined
from benchmarks.reporting.scores import subject_values
from benchmarks.scoring.conventions import BASE, Convention
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.protocol import load_protocol

# The metrics that are compared, each with its region under the base.
PANELS = (
    ("ssim", "whole"), ("psnr", "whole"),
    ("dice", "wt"), ("dice", "tc"), ("dice", "et"),
    ("assd", "wt"), ("assd", "tc"), ("assd", "et"),
)  # fmt: skip

_DIGITS = 9  # decimals to which two means count as equal
_COLUMNS = [
    "metric", "region", "convention", "title", "label", "run", "role", "status", "patients",
    "mean", "n", "rank", "tau", "alike",
]  # fmt: skip


@lru_cache(maxsize=8)
def convention_table(results: Results) -> pd.DataFrame:
    """Return one row per panel, convention and run: the run's mean under the convention.

    A mean is of the patients that tables average (see `denominators`), or of all with a value where
    the convention says `patients: all`.
    `region` is that of the panel; the convention may use another. `n` counts the patients of the
    `mean`, `patients` those scored. `rank` is the place among all methods that have a mean, 1 is
    best, equal ones share the better. `tau` is Kendall's tau-b of the methods' order with that
    under the base (of those with a mean under both), NaN where fewer than two have one or all are
    equal. `alike` is whether every run has the numbers of the base. Conventions without scores of a
    task are left out. The result is shared: do not write to it.
    """
    frames = [frame for panel in PANELS if len(frame := _panel(results, *panel))]
    if not frames:
        return pd.DataFrame(columns=_COLUMNS).astype({"alike": bool})
    return pd.concat(frames, ignore_index=True)[_COLUMNS]


def heading(metric: str, region: str) -> str:
    """Return what a panel is called: a synthesis without its region, since conventions vary it."""
    one = read_metrics()[metric]
    name = one.title if one.task == "synthesis" else title(metric, region)
    return f"{name} {ARROWS[one.better]}"


def _panel(results: Results, metric: str, region: str) -> pd.DataFrame:
    task = read_metrics()[metric].task
    scores = results.scores[results.scores["task"] == task]
    patients = scores.groupby("run")["subject"].nunique()
    lines = pd.DataFrame(
        [
            {
                "run": row.run,
                "label": row.label,
                "role": row.role,
                "patients": int(patients.get(row.run, 0)),
                "status": lined(row).status(row.run in patients),
            }
            for row in in_order(results.rows)
            if row.belongs(task, patients.index)
        ],
        columns=["run", "label", "role", "patients", "status"],
    )
    compared = [c for c in results.conventions if metric in c.metrics]
    frames = [
        _column(lines, convention, metric, values)
        for convention in (None, *compared)
        if len(values := _values(scores, convention, metric, region))
    ]
    if not frames:
        return lines.iloc[:0]
    together = pd.concat(frames, ignore_index=True)
    base = frames[0]["rank"] if frames[0]["convention"].eq(BASE).all() else None
    taus = [np.nan if base is None else _tau(base, frame["rank"]) for frame in frames]
    alike = [frame is not frames[0] and _alike(frame, frames[0]) for frame in frames]
    return together.assign(
        metric=metric,
        region=region,
        tau=np.repeat(taus, len(lines)),
        alike=np.repeat(alike, len(lines)),
    )


def _alike(frame: pd.DataFrame, other: pd.DataFrame) -> bool:
    same = np.allclose(frame["mean"], other["mean"], rtol=0, atol=10**-_DIGITS, equal_nan=True)
    return bool(same and (frame["n"] == other["n"]).all())


def _values(
    scores: pd.DataFrame, convention: Convention | None, metric: str, region: str
) -> pd.DataFrame:
    """The scores of a metric under a convention; without one, under the base."""
    chosen = {
        "protocol": convention.name if convention else BASE,
        "region": region,
        "metric": metric,
        "postprocessing": read_metrics()[metric].postprocessing,
    }
    everyone = False
    if convention and convention.select:
        selected = {key: value for key, value in convention.select if value}
        everyone = selected.pop("patients", "") == "all"
        chosen |= selected
    of = scores[(scores[list(chosen)] == pd.Series(chosen)).all(axis=1)]
    if everyone:
        return of
    changed = convention and convention.change is not None
    return averaged(of, convention.protocol() if changed else load_protocol(chosen["protocol"]))


def _column(
    lines: pd.DataFrame, convention: Convention | None, metric: str, scores: pd.DataFrame
) -> pd.DataFrame:
    by_run = subject_values(scores, "run").groupby(["run", "subject"]).mean().groupby("run")
    means = lines["run"].map(by_run.mean())
    methods = means[lines["role"] == "method"].round(_DIGITS)
    higher = read_metrics()[metric].better == "higher"
    return lines.assign(
        convention=BASE if convention is None else convention.name,
        title=BASE if convention is None else convention.title,
        mean=means,
        n=lines["run"].map(by_run.count()).fillna(0).astype(int),
        rank=methods.rank(method="min", ascending=not higher).reindex(lines.index),
    )


def _tau(base: pd.Series, ranks: pd.Series) -> float:
    from scipy.stats import kendalltau  # takes more than a second to import

    both = base.notna() & ranks.notna()
    if both.sum() < 2:
        return np.nan
    return float(kendalltau(base[both], ranks[both]).statistic)
