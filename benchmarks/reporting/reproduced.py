"""Which of the paper's numbers are reproduced: each beside ours, with a verdict."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.reporting.measures import measure, notes_on_intervals
from benchmarks.reporting.published import Published
from benchmarks.reporting.rows import System, notes_on_rows
from benchmarks.reporting.tables import interval, number, published_number, title
from benchmarks.reporting.typesetting import Block, Sheet, stacked, write_sheet

NAME = "table6_reproduced"
PROTOCOL = "paper"
SIMULATED = "none: simulated patients cannot reproduce it"
TOO_FEW = "too few patients for an interval"
_HEADER = [
    "", "table", "measure", "published", "ours", "95 % interval", "n", "difference", "verdict",
]  # fmt: skip
_COLUMNS = [
    "label", "system", "role", "status", "seeds", "patients", "metric", "region",
    "published", "ours", "low", "high", "n", "undefined", "difference", "verdict",
]  # fmt: skip


def reproduced_table(
    published: Published,
    name: str,
    scores: pd.DataFrame,
    systems: Sequence[System],
    simulated: bool,
) -> pd.DataFrame:
    """A row for each number that one of the paper's tables holds, under the paper's protocol.

    `ours` is our mean, `low` and `high` its 95 % interval, `difference` ours less the published.
    The verdict on `simulated` patients is that there is none, as they are not those of the paper.
    """
    cells = measure(published, name, scores, systems, PROTOCOL)
    numbers = cells[cells["published"].notna()].rename(columns={"mean": "ours"})
    verdicts = [_verdict(cell, simulated) for _, cell in numbers.iterrows()]
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
    """After the point of the published number as it is shown."""
    return len(published_number(cell["published"], cell["metric"]).partition(".")[2])


def write_reproduced_table(
    folder: Path,
    published: Published,
    scores: pd.DataFrame,
    systems: Sequence[System],
    cohort: str,
    simulated: bool,
) -> list[Path]:
    """Writes table6_reproduced.csv, .md and .tex; the paths are returned."""
    frames = {
        name: reproduced_table(published, name, scores, systems, simulated)
        for name in published.names()
    }
    rows = [
        _cells(cell, published.table(name).number)
        for name, frame in frames.items()
        for _, cell in frame.iterrows()
    ]
    paper = published.paper
    heading = f"Numbers of arXiv {paper.arxiv}, protocol {PROTOCOL}."
    title = f"Table VI. Reproduced or not: {cohort.rstrip('.')}."
    sheet = Sheet(
        NAME, title, [Block("numbers", heading, _HEADER, rows)], _notes(published, frames)
    )
    return write_sheet(folder, sheet, stacked(frames, "table", cohort))


def _cells(cell: pd.Series, table: str) -> list[str]:
    metric, digits = cell["metric"], _digits(cell)
    measured = not np.isnan(cell["ours"])
    return [
        cell["label"],
        table,
        title(metric, cell["region"]),
        published_number(cell["published"], metric),
        number(cell["ours"], metric, digits),
        interval(cell["low"], cell["high"], metric, digits),
        f"{cell['n']}" if measured else "–",
        f"{cell['difference']:+.{digits}f}" if measured else "–",
        cell["verdict"],
    ]


def _notes(published: Published, frames: dict[str, pd.DataFrame]) -> list[str]:
    cells = pd.concat(frames.values(), ignore_index=True)
    printed = [
        value
        for name in published.names()
        for row in published.table(name).rows
        for value in row.numbers().values()
    ]
    unread = printed.count(None)
    notes = {
        "reproduced: the published number lies within the 95 % interval of our mean over patients. "
        "The paper measured another split and gives no interval of its own, so that a number of "
        "the same method may well miss ours.": True,
        f"{unread} of {len(printed)} published numbers could not be read and have no row "
        "(see benchmarks/published.yaml).": unread,
        "difference: ours less the published.": True,
        "not run here: no score under the paper's protocol. quoted: the paper's own quotation, "
        "which nothing here reproduces.": cells["status"].isin(["not run here", "quoted"]).any(),
        f"Simulated patients are not those of {published.paper.dataset}: whatever they give, the "
        "published numbers are neither reproduced nor refuted.": (
            (cells["verdict"] == SIMULATED).any()
        ),
        "Of fewer than two patients, or where a value is infinite, there is no interval.": (
            (cells["verdict"] == TOO_FEW).any()
        ),
    }
    applying = [note for note, applies in notes.items() if applies]
    return [*applying, *notes_on_intervals(cells), *notes_on_rows(cells)]
