"""**Which of the paper's numbers are reproduced.** Each printed number beside ours, with a verdict.
Simulated patients give no verdict on a measured number."""

import numpy as np
import pandas as pd

from benchmarks.reporting.formatting import MISSING, interval, number, published_number, title
from benchmarks.reporting.measures import measure, notes_on_intervals
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Column, Sheet, stacked
from benchmarks.reporting.tables._rows import applying, notes_on_rows

ORDER = 6

PROTOCOL = "paper"
QUOTED = "quoted"
SIMULATED = "none: simulated patients cannot reproduce it"
TOO_FEW = "too few patients for an interval"

_HEADS = [
    Column(title)
    for title in (
        "table", "measure", "published", "ours", "95 % interval", "n", "difference", "verdict",
    )
]  # fmt: skip
_COLUMNS = [
    "label", "run", "role", "status", "seeds", "patients", "metric", "region",
    "published", "ours", "low", "high", "n", "undefined", "difference", "verdict",
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
        stacked(frames, "table", cohort),
    )


def reproduced_table(results: Results, name: str) -> pd.DataFrame:
    """Return one row per number of one of the paper's tables, under the paper's protocol.

    `ours` is our mean, `low` and `high` its 95 % interval, `difference` ours less the published.
    """
    quoted = {row.label for row in results.published.table(name).rows if row.quoted}
    cells = measure(results, name, PROTOCOL)
    numbers = cells[cells["published"].notna()].rename(columns={"mean": "ours"})
    verdicts = [
        QUOTED if cell["label"] in quoted else _verdict(cell, results.cohort.simulated)
        for _, cell in numbers.iterrows()
    ]
    numbers = numbers.assign(
        difference=numbers["ours"] - numbers["published"],
        verdict=pd.Series(verdicts, index=numbers.index, dtype=object),
    )
    return numbers[_COLUMNS].reset_index(drop=True)


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
    ]
    if np.isnan(cell["ours"]):
        cells += [Cell(MISSING)] * 4
    else:
        ours, n, difference = float(cell["ours"]), int(cell["n"]), float(cell["difference"])
        low, high = float(cell["low"]), float(cell["high"])
        known = None if np.isnan(low) else (low, high)
        cells += [
            Cell(number(ours, metric, digits), ours, known, published, n),
            Cell(interval(low, high, metric, digits), known and low, known),
            Cell(f"{n}", n),
            Cell(f"{difference:+.{digits}f}", difference),
        ]
    cells.append(Cell(cell["verdict"]))
    return BlockRow(cell["label"], cells, cell["run"], cell["role"], cell["status"])


def _notes(results: Results, frames: dict[str, pd.DataFrame]) -> list[str]:
    cells = pd.concat(frames.values(), ignore_index=True)
    dataset = results.published.paper.dataset
    notes = {
        "reproduced: the published number is within the 95 % interval of our mean over patients. "
        "The paper measured another split and gives no interval of its own, so a number of the "
        "same method may well miss ours.": True,
        "difference: ours less the published.": True,
        "quoted: the paper prints the number for comparison, from another paper and on other "
        "patients, so it gets no verdict. Ours is of the suite's reading of that method.": (
            (cells["verdict"] == QUOTED).any()
        ),
        "not run here: there is no score under the paper's protocol.": (
            (cells["verdict"] == "not run here").any()
        ),
        f"Simulated patients are not those of {dataset}: whatever they give, the published numbers "
        "are neither reproduced nor refuted.": (cells["verdict"] == SIMULATED).any(),
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
