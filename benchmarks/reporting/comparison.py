"""Which differences between rows are more than chance: a table that the paper does not have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.reporting.measures import TEST, measure
from benchmarks.reporting.published import Published
from benchmarks.reporting.rows import System, count_cell, label_cell, notes_on_rows
from benchmarks.reporting.tables import title
from benchmarks.reporting.typesetting import Block, Bold, Sheet, stacked, write_sheet
from benchmarks.scoring.statistics import ALPHA

NAME = "table5_statistics"
PROTOCOL = "strict"
MAIN = {
    "synthesis": [("ssim", "brain"), ("psnr", "brain")],
    "segmentation": [("dice", "wt"), ("dice", "tc"), ("dice", "et")],
}
"""The columns of a task's tables that are shown; the CSV has all."""
_COLUMNS = [
    "label", "system", "role", "status", "seeds", "patients", "metric", "region",
    "mean", "low", "high", "n", "undefined",
    "best", "pairs", "difference", "effect", "p", "too_few",
    "rank_low", "rank_high", "first",
]  # fmt: skip


def comparison_table(
    published: Published, name: str, scores: pd.DataFrame, systems: Sequence[System]
) -> pd.DataFrame:
    """One of the paper's tables under the strict protocol, a row for each cell (see `measure`).

    Rows that are only quoted from the paper have no values to compare, so they are left out.
    """
    cells = measure(published, name, scores, systems, PROTOCOL)
    return cells[cells["status"] != "quoted"][_COLUMNS].reset_index(drop=True)


def write_comparison_table(
    folder: Path,
    published: Published,
    scores: pd.DataFrame,
    systems: Sequence[System],
    cohort: str,
) -> list[Path]:
    """Writes table5_statistics.csv, .md and .tex; the paths are returned."""
    frames = {
        name: comparison_table(published, name, scores, systems) for name in published.names()
    }
    blocks = [_block(published, name, frame) for name, frame in frames.items()]
    headline = f"Table V. Which differences are more than chance: {cohort.rstrip('.')}."
    sheet = Sheet(NAME, headline, blocks, _notes(frames))
    return write_sheet(folder, sheet, stacked(frames, "table", cohort))


def _block(published: Published, name: str, frame: pd.DataFrame) -> Block:
    printed = published.table(name)
    columns = MAIN[printed.task]
    cells = frame.set_index(["metric", "region"])
    rows = [
        _cells(line.loc[columns], frame["patients"].max())
        for _, line in cells.groupby(_lines(cells), sort=False)
    ]
    heads = [(f"{title(*column)}: p", "effect", "rank") for column in columns]
    header = ["", "n", *(head for three in heads for head in three)]
    heading = f"Table {printed.number}. {printed.title}. Protocol {PROTOCOL}."
    return Block(name, heading, header, rows)


def _lines(cells: pd.DataFrame) -> np.ndarray:
    """Which line of the table each cell is of."""
    return np.cumsum(cells.index == cells.index[0])


def _cells(line: pd.DataFrame, expected: int) -> list[str]:
    row = line.iloc[0]
    start = [label_cell(row), count_cell(row["patients"], expected, row["status"])]
    return start + [text for _, cell in line.iterrows() for text in _compared(cell)]


def _compared(cell: pd.Series) -> list[str]:
    """The p-value, the effect, and the rank with how often it is the first."""
    rank = "–"
    if pd.notna(cell["first"]):
        low, high = int(cell["rank_low"]), int(cell["rank_high"])
        span = f"{low}" if low == high else f"{low}–{high}"
        rank = f"{span} ({cell['first']:.0%})"
    if cell["best"]:
        return [Bold("best"), "", rank]
    if not cell["pairs"]:
        return ["–", "–", rank]
    return [_p(cell["p"], cell["too_few"]), f"{cell['effect']:+.2f}", rank]


def _p(p: float, too_few: bool) -> str:
    if too_few:
        return "n too small"
    text = "<0.001" if p < 0.001 else f"{p:.3f}"
    return text + "*" if p < ALPHA else text


def _notes(frames: dict[str, pd.DataFrame]) -> list[str]:
    cells = pd.concat(frames.values(), ignore_index=True)
    notes = {
        f"p: {TEST}, each row against the best entry, which is that with the best mean of the most "
        "patients. It was chosen on these patients, which favours it.": True,
        f"*: p < {ALPHA}.": (cells["p"] < ALPHA).any(),
        "effect: matched-pairs rank-biserial correlation, from -1, where the row has the lower "
        "value in every patient, to +1, where it has the higher.": True,
        "rank: the 95 % interval of the entry's place in resamples of the patients, the same for "
        "all entries; in brackets how often it is the first. Seeds are not resampled. Entries "
        "whose mean is of fewer patients have no rank.": True,
        "n too small: whatever the values, so few patients cannot bring p, corrected for the rows "
        f"of the column, below {ALPHA}.": cells["too_few"].any(),
        f"{NAME}.csv has every metric and region, with means, intervals and differences.": True,
    }
    return [*(note for note, applies in notes.items() if applies), *notes_on_rows(cells)]
