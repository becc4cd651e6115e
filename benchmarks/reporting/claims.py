"""What may be claimed of each pair of rows: the comparison, a verdict, and a sentence.

A column is one metric and region; those of segmentations are of one utility (see `utilities`). All
rows with scores are compared, floors and ceilings too. In `claims`, A is the row of a pair that has
the better mean; `against` turns the pairs of one row so that this row is B.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd

from benchmarks.reporting.denominators import selective
from benchmarks.reporting.formatting import number, title
from benchmarks.reporting.measures import (
    COMPLETE,
    Column,
    best,
    columns_of,
    lines_of,
    ranked,
    replicate_values,
    shown,
)
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Line
from benchmarks.reporting.scores import REPLICATE
from benchmarks.reporting.utilities import DICE, UTILITIES, frozen_lines
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.statistics import (
    ALPHA,
    MEANINGFUL,
    Comparison,
    compare,
    holm,
    patient_means,
    rank_stability,
    smallest_p,
    variance_components,
)

# By task, the columns that are compared; of a protocol without them, all that its tables show.
MAIN: dict[str, tuple[Column, ...]] = {
    "synthesis": (("psnr", "brain"), ("ssim", "brain"), ("ssim", "et")),
    "segmentation": DICE,
}

BETTER = "A is better"
MAYBE = "A may be better: too rarely in a new training"
OPEN = "cannot be told apart"
TOO_FEW = "too few patients"
INFINITE = "infinite, no test"
VERDICTS = (BETTER, MAYBE, OPEN, TOO_FEW, INFINITE)

_COLUMN = ["protocol", "utility", "metric", "region"]
_COUNTS = ["seeds", "repeats", "folds"]
CLAIMS = [
    *_COLUMN, "a", "a_label", "b", "b_label", "pairs", "trainings", *_COUNTS,
    "difference", "low", "high", "effect", "p", "p_corrected", "beats", "false_claim",
    "verdict", "sentence",
]  # fmt: skip
SPREADS = ["sd_patients", "sd_seeds", "sd_splits", "sd_residual"]
VARIATION = [
    *_COLUMN, "label", "run", "role", "status", *_COUNTS, "n", "mean", "best", *SPREADS,
    "rank_low", "rank_high", "first",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Compared:
    """A column and the scores of its rows.

    Attributes
    ----------
    utility : one of `UTILITIES`, "" of a synthesis.
    lines : the rows with scores, and those that failed, in the order of tables.
    scores : by run, (replicates, patients) with NaN where undefined, of rows with a value.
    splits : (replicates,), the split of each.
    counts : by run, the numbers of seeds, repeats and folds.
    trained : the runs that are no controls.
    """

    protocol: str
    utility: str
    metric: str
    region: str
    lines: tuple[Line, ...]
    scores: dict[str, np.ndarray]
    splits: np.ndarray
    counts: dict[str, tuple[int, int, int]]
    trained: frozenset[str]

    @property
    def name(self) -> str:
        return "_".join(filter(None, (self.metric, self.region, self.utility)))

    @property
    def title(self) -> str:
        """The column as tables call it; the frozen utility is named."""
        frozen = " (frozen segmentor)" if self.utility == "frozen" else ""
        return title(self.metric, self.region) + frozen

    @property
    def runs(self) -> list[str]:
        """The runs with a value, in the order of tables."""
        return [line.run for line in self.lines if line.run in self.scores]

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the lines of `claims` or `variation` that belong to the column."""
        key = [self.protocol, self.utility, self.metric, self.region]
        return frame[(frame[_COLUMN] == key).all(axis=1)]


@lru_cache(maxsize=8)
def compared_columns(results: Results) -> tuple[Compared, ...]:
    """Return the columns of `MAIN` that have scores, the synthesis first, then each utility."""
    sources = [
        ("synthesis", "", results, lines_of(results, COMPLETE["synthesis"])),
        ("segmentation", UTILITIES[0], results, lines_of(results, COMPLETE["segmentation"])),
    ]
    if results.frozen:
        sources.append(("segmentation", UTILITIES[1], results.frozen, frozen_lines(results)))
    return tuple(
        column
        for task, utility, of, lines in sources
        for column in _columns(of, task, utility, lines)
    )


def _columns(
    results: Results, task: str, utility: str, lines: Sequence[Line]
) -> Iterator[Compared]:
    protocol = results.protocol
    scores = shown(results.scores, task, protocol)
    scored = set(zip(scores["metric"], scores["region"], strict=True))
    wanted = [column for column in MAIN[task] if column in scored]
    columns = wanted or columns_of(results.published.table(COMPLETE[task]), protocol)
    trained = frozenset(row.run for row in results.rows if row.kind != "control")
    for metric, region in columns:
        of = scores[(scores["metric"] == metric) & (scores["region"] == region)]
        if of["value"].isna().all():
            continue
        values, splits = replicate_values(of, "run")
        counts = of.groupby("run")[REPLICATE].nunique()
        yield Compared(
            protocol,
            utility,
            metric,
            region,
            tuple(line for line in lines if line.run in counts.index or line.failure),
            {run: one for (run,), one in values.items() if not np.isnan(one).all()},
            splits,
            {run: tuple(map(int, row)) for run, *row in counts.itertuples()},
            trained,
        )


@lru_cache(maxsize=8)
def claims(results: Results) -> pd.DataFrame:
    """Return one row per column (see `compared_columns`) and pair of rows; columns are `CLAIMS`.

    A pair shares at least one patient. A, the run in `a`, has the better mean over the shared
    patients; of equal means it is the first in the order of tables. `difference`, from `low` to
    `high`, is A's mean minus B's in the metric's unit, so negative where lower is better. All
    others are as in `Comparison`, with a positive `effect` where A is better, and `beats` the
    probability that A is better again. `p_corrected` is corrected for all pairs of the column
    (Holm). `verdict` is

    - `BETTER` if `p_corrected` is below `ALPHA` and `beats` at least `MEANINGFUL`;
    - `MAYBE` if `p_corrected` is, but not `beats`;
    - `TOO_FEW` if no scores of these patients could bring `p_corrected` below `ALPHA`;
    - `INFINITE` if the difference is, so that there is neither interval nor test;
    - `OPEN` otherwise.

    The result is shared, so do not write to it.
    """
    frames = [_pairs(column) for column in compared_columns(results)]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=CLAIMS)


def _pairs(column: Compared) -> pd.DataFrame:
    labels = {line.run: line.label for line in column.lines}
    records = []
    for pair in combinations(column.runs, 2):
        a, b, found = _compared(column, *pair)
        if found.pairs:
            counts = np.max([column.counts[a], column.counts[b]], axis=0)
            records.append(
                {"a": a, "a_label": labels[a], "b": b, "b_label": labels[b], **asdict(found)}
                | dict(zip(_COUNTS, counts, strict=True))
            )
    pairs = pd.DataFrame(records)
    if pairs.empty:
        return pairs
    infinite = ~np.isfinite(pairs["difference"])
    pairs["p"] = pairs["p"].mask(infinite)
    # Other than that of ranks, the t test of several trainings has no smallest p.
    ranks_only = pairs["trainings"] == 1
    smallest = np.where(ranks_only, [smallest_p(n) for n in pairs["pairs"]], 0.0)
    smallest[pairs["p"].isna()] = np.nan
    pairs["p_corrected"] = holm(pairs["p"].to_numpy())
    significant = pairs["p_corrected"] < ALPHA
    rules = {
        INFINITE: infinite,
        TOO_FEW: pairs["p"].isna() | (holm(smallest) >= ALPHA),
        BETTER: significant & (pairs["beats"] >= MEANINGFUL),
        MAYBE: significant,
    }
    pairs["verdict"] = np.select(list(rules.values()), list(rules), OPEN)
    pairs = pairs.assign(**{key: getattr(column, key) for key in _COLUMN})
    pairs["sentence"] = [_sentence(pair, column, len(pairs)) for _, pair in pairs.iterrows()]
    return pairs[CLAIMS]


def _compared(column: Compared, a: str, b: str) -> tuple[str, str, Comparison]:
    """Compare two runs; the better one is returned first."""
    sign = 1 if read_metrics()[column.metric].better == "higher" else -1
    found = compare(sign * column.scores[a], sign * column.scores[b], column.splits)
    if found.difference < 0:
        a, b, found = b, a, _turned(found)
    if sign < 0:
        low, high = -found.high, -found.low
        found = replace(found, difference=-found.difference, low=low, high=high)
    return a, b, found


def _turned(found: Comparison) -> Comparison:
    return replace(
        found,
        difference=-found.difference,
        low=-found.high,
        high=-found.low,
        effect=-found.effect,
        beats=1 - found.beats,
    )


def against(pairs: pd.DataFrame, run: str) -> pd.DataFrame:
    """Return the pairs of a run, turned so that it is B: differences are the others' minus its."""
    pairs = pairs[(pairs["a"] == run) | (pairs["b"] == run)]
    turned = pairs["a"] == run
    names = {"a": "b", "a_label": "b_label"}
    names |= {new: old for old, new in names.items()}
    other = pairs.rename(columns=names)[list(pairs.columns)].assign(
        difference=-pairs["difference"],
        low=-pairs["high"],
        high=-pairs["low"],
        effect=-pairs["effect"],
        beats=1 - pairs["beats"],
        verdict=pairs["verdict"].str.replace(r"^A ", "B ", regex=True),
    )
    return pairs.where(~turned, other)


def references(results: Results, column: Compared) -> dict[str, str]:
    """Return the run of each row that tables and figures compare the others with, by its role.

    They are the `ceiling`, the `floor` (copied T1, else the first), the `best` method and the
    segmentor without T1ce (`no T1ce`), as far as the column has them.
    """
    rows = {row.run: row for row in results.whole.rows}
    lines = [rows[run] for run in column.runs]
    of = column.of(variation(results))
    floors = [row.run for row in lines if row.role == "floor"]
    copied = [run for run in floors if run.partition("+")[0] == "copy_t1"]
    found = {
        "ceiling": [row.run for row in lines if row.role == "ceiling"],
        "floor": copied + floors,
        "best": list(of.loc[of["best"], "run"]),
        "no T1ce": [row.run for row in lines if row.without_t1ce],
    }
    return {name: runs[0] for name, runs in found.items() if runs}


@lru_cache(maxsize=8)
def variation(results: Results) -> pd.DataFrame:
    """Return one row per column and row of `Compared.lines`; columns are `VARIATION`.

    `mean` is over the `n` patients with a value. `best` marks the best method of those that are
    `ranked`. The spreads are the standard deviations of `Components`. `rank_low`, `rank_high` and
    `first` are as in `Ranks`, over the ranked methods. The result is shared, so do not write to it.
    """
    frames = [_varied(column) for column in compared_columns(results)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=VARIATION)


def _varied(column: Compared) -> pd.DataFrame:
    records = []
    for line in column.lines:
        values = column.scores.get(line.run, np.full((len(column.splits), 1), np.nan))
        means = patient_means(values)
        n = int((~np.isnan(means)).sum())
        records.append(
            {
                "label": line.label,
                "run": line.run,
                "role": line.role,
                "status": line.status(measured=line.run in column.counts),
                "n": n,
                "mean": float(np.nanmean(means)) if n else np.nan,
            }
            | dict(zip(_COUNTS, column.counts.get(line.run, (0, 0, 0)), strict=True))
            | dict(zip(SPREADS, astuple(variance_components(values, column.splits)), strict=True))
        )
    rows = pd.DataFrame(records).assign(**{key: getattr(column, key) for key in _COLUMN})
    chosen = column.metric in selective(load_protocol(column.protocol))
    scored = rows[rows["run"].isin(column.counts)]
    order = ranked(scored["role"], scored["n"], scored["mean"], chosen)
    first = order.index[order == best(order, column.metric)][:1]
    rows["best"] = rows.index.isin(first)
    rows[["rank_low", "rank_high", "first"]] = np.nan
    if len(order):
        values = np.array([column.scores[run] for run in rows.loc[order.index, "run"]])
        better = read_metrics()[column.metric].better
        ranks = rank_stability(values, column.splits, better)
        rows.loc[order.index, "rank_low"] = ranks.low
        rows.loc[order.index, "rank_high"] = ranks.high
        rows.loc[order.index, "first"] = ranks.first
    return rows[VARIATION]


# ----------------------------------------------------------------- in words


def difference_text(pair: pd.Series) -> str:
    """Return a difference as printed, without a minus sign before zero."""
    return _plain(pair["difference"], pair["metric"])


def between_text(pair: pd.Series) -> str:
    """Return the interval of a difference, "" where it has none."""
    if np.isnan(pair["low"]):
        return ""
    return f"{_plain(pair['low'], pair['metric'])} to {_plain(pair['high'], pair['metric'])}"


def probability_text(probability: float) -> str:
    """Return a probability of two digits, which is never printed as 0 or 1."""
    if probability > 0.99:
        return ">0.99"
    return "<0.01" if probability < 0.01 else f"{probability:.2f}"


def _plain(value: float, metric: str) -> str:
    if value == -np.inf:
        return f"-{number(np.inf, metric)}"
    digits = read_metrics()[metric].digits
    return number(np.round(value, digits) + 0.0, metric)


def _sentence(pair: pd.Series, column: Compared, count: int) -> str:
    """Return what may be said of a pair, one of `count` pairs of a column."""
    a, b, n = pair["a_label"], pair["b_label"], _counted(pair["pairs"], "patient")
    of = title(column.metric, column.region)  # the labels name a frozen segmentor
    trained = [run for run in (pair["a"], pair["b"]) if run in column.trained]
    repeated = pair["trainings"] > 1
    found = f"difference {difference_text(pair)}"
    if read_metrics()[pair["metric"]].unit:
        found += f" {read_metrics()[pair['metric']].unit}"
    if between := between_text(pair):
        found += f", 95 % interval {between}"
    if pair["verdict"] == INFINITE:
        infinite = [
            pair[f"{side}_label"] for side in "ab" if np.isinf(column.scores[pair[side]]).any()
        ]
        return (
            f"{of} of {' and of '.join(infinite)} is infinite, as where a volume equals its "
            f"reference, so the difference of {a} from {b} has no interval and no test."
        )
    start = f"With {'these ' if pair['pairs'] > 1 else 'this '}{n}{_trainings(pair, trained)}, "
    again = f"on {n.replace(' ', ' new ')}"
    if repeated:
        again = f"in a new training{' of both' if len(trained) > 1 else ''} and {again}"
    probability = probability_text(pair["beats"]).replace(">", "above ").replace("<", "below ")
    lead = f"{again} it would lead with probability {probability}"
    text = {
        BETTER: f"{a} beats {b} in {of} ({found}): {lead}.",
        MAYBE: f"{a} is ahead of {b} in {of} by more than chance ({found}), but {lead} "
        f"only, less than {MEANINGFUL}.",
        OPEN: f"{a} cannot be told from {b} in {of} ({found}).",
        TOO_FEW: f"nothing can be claimed of {a} and {b} in {of} ({found}): whatever the "
        f"scores, so few patients cannot bring p, corrected for {_counted(count, 'pair')} of rows, "
        f"below {ALPHA}.",
    }[pair["verdict"]]
    unknown = " Another seed is not covered." if trained and not repeated else ""
    return f"{start}{text}{unknown}"


def _trainings(pair: pd.Series, trained: Sequence[str]) -> str:
    if not trained:
        return ""
    if pair["trainings"] == 1:
        return " and one training" + (" of each" if len(trained) > 1 else "")
    several = [f"{pair[name]} {name}" for name in _COUNTS if pair[name] > 1]
    *others, last = several or [f"{pair['trainings']} trainings"]
    return f"{''.join(f', {one}' for one in others)} and {last}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
