"""**Which of the paper's numbers are reproduced.** Each printed number beside ours, with a verdict,
and with the interval that the paper does not print, rebuilt under an assumed spread. Simulated
patients give no verdict on a measured number."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.reporting.formatting import MISSING, interval, number, published_number, title
from benchmarks.reporting.measures import by_subject, measure, notes_on_intervals
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Column, Sheet, stacked
from benchmarks.reporting.tables._rows import applying, notes_on_rows
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.statistics import largest_sd, published_interval

ORDER = 6

PROTOCOL = "paper"
QUOTED = "quoted"
SIMULATED = "none: simulated patients cannot reproduce it"
TOO_FEW = "too few patients for an interval"
TESTED = 0.2  # the share of its patients that the paper tests: it splits 7:1:2

_HEADS = [
    Column(title)
    for title in (
        "table", "measure", "published", "its interval, rebuilt", "ours", "95 % interval", "n",
        "difference", "verdict",
    )
]  # fmt: skip
_COLUMNS = [
    "label", "run", "role", "status", "seeds", "repeats", "folds", "patients", "metric", "region",
    "published", "published_low", "published_high", "assumed_sd", "assumption",
    "ours", "low", "high", "n", "undefined", "difference", "verdict",
]  # fmt: skip


def table(results: Results) -> Sheet:
    published, cohort = results.published, results.cohort.description
    frames = {name: reproduced_table(results, name) for name in published.names()}
    rows = [
        _row(cell, published.table(name).number)
        for name, frame in frames.items()
        for _, cell in frame.iterrows()
    ]
    heading = f"Numbers of arXiv {published.paper.arxiv}, protocol {PROTOCOL}."
    return Sheet(
        f"Table VI. Reproduced or not: {cohort}.",
        [Block("numbers", heading, _HEADS, rows)],
        _notes(results, frames),
        stacked(frames, "table", results.cohort.name),
    )


def reproduced_table(results: Results, name: str) -> pd.DataFrame:
    """Return one row per number of one of the paper's tables, under the paper's protocol.

    `ours` is our mean, `low` and `high` its 95 % interval, `difference` ours less the published.
    `published_low` and `published_high` are the interval of the paper's number with `assumed_sd`,
    the SD over patients that the `assumption` gives (see `_assumed`); numbers that the paper quotes
    have none, since nobody knows how many patients they are of.
    """
    quoted = {row.label for row in results.published.table(name).rows if row.quoted}
    n = test_patients(results)
    cells = measure(results, name, PROTOCOL)
    numbers = cells[cells["published"].notna()].rename(columns={"mean": "ours"})
    verdicts = [
        QUOTED if cell["label"] in quoted else _verdict(cell, results.cohort.simulated)
        for _, cell in numbers.iterrows()
    ]
    assumed = [
        _UNKNOWN if cell["label"] in quoted else _assumed(results, cell)
        for _, cell in numbers.iterrows()
    ]
    rebuilt = [
        published_interval(mean, n, sd)
        for mean, (sd, _) in zip(numbers["published"], assumed, strict=True)
    ]
    numbers = numbers.assign(
        published_low=[low for low, _ in rebuilt],
        published_high=[high for _, high in rebuilt],
        assumed_sd=[sd for sd, _ in assumed],
        assumption=[name for _, name in assumed],
        difference=numbers["ours"] - numbers["published"],
        verdict=pd.Series(verdicts, index=numbers.index, dtype=object),
    )
    return numbers[_COLUMNS].reset_index(drop=True)


def test_patients(results: Results) -> int:
    """Return how many patients the paper's numbers are of, if its test set is of patients."""
    return round(TESTED * results.published.paper.patients)


class _Assumed(NamedTuple):
    """The SD over patients that a published number is assumed to have, and where it is from."""

    sd: float
    assumption: str


_UNKNOWN = _Assumed(np.nan, "")


def _assumed(results: Results, cell: pd.Series) -> _Assumed:
    """Return the SD of our own patients in the same cell, or the largest possible one.

    Simulated patients say nothing of the spread of real ones. Without a measured SD, it is that of
    values of which each is 0 or 1, in a metric from 0 to 1; other metrics have no such bound.
    """
    metric, region, run = cell["metric"], cell["region"], cell["run"]
    if cell["n"] > 1 and not results.cohort.simulated:
        sd = by_subject(results, metric, region, PROTOCOL)[run].std()
        if np.isfinite(sd) and sd > 0:
            return _Assumed(float(sd), "ours")
    # SSIM is below 0 for inverted images alone, so it counts as a metric from 0 to 1.
    if read_metrics()[metric].bounds[1] == 1:
        return _Assumed(largest_sd(cell["published"]), "largest")
    return _UNKNOWN


def _verdict(cell: pd.Series, simulated: bool) -> str:
    if np.isnan(cell["ours"]):
        return cell["status"].partition(":")[0] or "no patient has a value"
    if simulated:
        return SIMULATED
    if np.isnan(cell["low"]):
        return TOO_FEW
    # The paper's number is rounded, so the interval's ends are too.
    low, high = np.round([cell["low"], cell["high"]], _digits(cell))
    if cell["published"] > high:
        return "not reproduced: ours is lower"
    if cell["published"] < low:
        return "not reproduced: ours is higher"
    return "reproduced"


def _digits(cell: pd.Series) -> int:
    """How many digits follow the point of the published number as it is shown."""
    return len(published_number(cell["published"], cell["metric"]).partition(".")[2])


def _row(cell: pd.Series, number_of_table: str) -> BlockRow:
    metric, digits = cell["metric"], _digits(cell)
    published = float(cell["published"])
    cells = [
        Cell(number_of_table),
        Cell(title(metric, cell["region"])),
        Cell(published_number(published, metric), published, published=published),
        _interval(cell["published_low"], cell["published_high"], metric, digits),
    ]
    if np.isnan(cell["ours"]):
        cells += [Cell(MISSING)] * 4
    else:
        ours, n, difference = float(cell["ours"]), int(cell["n"]), float(cell["difference"])
        between = _interval(cell["low"], cell["high"], metric, digits)
        cells += [
            Cell(number(ours, metric, digits), ours, between.interval, published, n),
            between,
            Cell(f"{n}", n),
            Cell(f"{difference:+.{digits}f}", difference),
        ]
    # A note says it once of all of them.
    cells.append(Cell(MISSING if cell["verdict"] == SIMULATED else cell["verdict"]))
    return BlockRow(cell["label"], cells, cell["run"], cell["role"], cell["status"])


def _interval(low: float, high: float, metric: str, digits: int) -> Cell:
    if np.isnan(low):
        return Cell(MISSING)
    ends = float(low), float(high)
    return Cell(interval(*ends, metric, digits), ends[0], ends)


def _notes(results: Results, frames: dict[str, pd.DataFrame]) -> list[str]:
    cells = pd.concat(frames.values(), ignore_index=True)
    dataset, assumptions = results.published.paper.dataset, set(cells["assumption"])
    notes = {
        "reproduced: the published number is within the 95 % interval of our mean over patients. "
        "The paper measured another split and gives no interval of its own, so a number of the "
        "same method may well miss ours.": True,
        "its interval, rebuilt: 95 % t interval of the published mean over the paper's test "
        f"patients, for one training. It prints neither a spread nor their number: {dataset} has "
        f"{results.published.paper.patients} patients, split 7:1:2 “at the sample level”, which is "
        f"taken as {test_patients(results)} patients. The CSV has the assumed standard "
        "deviation.": True,
        "Assumed standard deviation: that of our own patients in the same cell, where real "
        "patients were measured.": "ours" in assumptions,
        "Assumed standard deviation without real patients of ours: the largest that the mean "
        "allows, as if each patient scored 0 or 1. The true interval is narrower. PSNR and ASSD "
        "allow any, so they get no interval.": "largest" in assumptions,
        "difference: ours less the published.": True,
        "quoted: the paper prints the number for comparison, from another paper and on other "
        "patients, so it gets no verdict. Ours is of the suite's reading of that method.": (
            (cells["verdict"] == QUOTED).any()
        ),
        "not run here: there is no score under the paper's protocol.": (
            (cells["verdict"] == "not run here").any()
        ),
        f"No verdict on a measured number: simulated patients are not those of {dataset}, and "
        "neither reproduce nor refute the published numbers.": (
            (cells["verdict"] == SIMULATED).any()
        ),
        "Of fewer than two patients, or where a value is infinite, there is no interval.": (
            (cells["verdict"] == TOO_FEW).any()
        ),
    }
    return [
        *applying(notes),
        *notes_on_intervals(cells),
        *results.cohort.notes,
        *notes_on_rows(results, cells),
    ]
