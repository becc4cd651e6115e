"""What every table prints alike: rows with their counts, and notes."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from benchmarks.reporting.formatting import MISSING
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import marked
from benchmarks.reporting.sheet import BlockRow, Cell, Column


def block_row(
    line: pd.Series, cells: Iterable[Cell], expected: int, counted: str = "patients"
) -> BlockRow:
    """Return a row whose first cell says how many were measured of how many, or why none was."""
    count, status = int(line[counted]), line["status"]
    text = "" if status == "quoted" else status.partition(":")[0]
    if count:
        text = f"{count} of {expected} {text}" if count < expected else f"{count} {text}"
    label = marked(line["label"], line["role"])
    row = [Cell(text.strip(), count), *cells]
    return BlockRow(label, row, line["run"], line["role"], status)


def invented_head(region: str, without: int, volume: bool) -> Column:
    """Return the head of a column of `invented_cell`, of so many patients without the region."""
    unit = ", ml" if volume else ""
    return Column(f"invented {region.upper()} of {without}{unit}", "lower")


def invented_cell(found: pd.Series | None) -> Cell:
    """Return in how many patients a row invents a region, and its mean volume in ml.

    `found` is a row of `denominators.invented`.
    """
    if found is None or not found["without"]:
        return Cell(MISSING)
    patients, ml, without = int(found["invented"]), float(found["invented_ml"]), found["without"]
    if np.isnan(ml):
        return Cell(f"{patients}", patients, n=int(without))
    return Cell(f"{patients}, {ml:.1f}", ml, n=int(without))


def applying(notes: Mapping[str, object]) -> list[str]:
    """Return the notes that apply."""
    return [note for note, applies in notes.items() if applies]


def notes_on_left_out(results: Results) -> list[str]:
    """Return which methods of the suite have no row since the benchmark does not run them."""
    titles = ", ".join(results.left_out)
    return [f"This benchmark does not run: {titles}."] if titles else []


def notes_on_rows(results: Results, cells: pd.DataFrame) -> list[str]:
    """Return why rows failed, and what must be said of the shown runs.

    `cells` has the columns label, run and status.
    """
    runs = _shown(cells)
    reasons = [
        f"{row.label} {row.status}" for row in runs.itertuples() if row.status.startswith("failed")
    ]
    rows = results.whole.rows
    # What is said of a synthesis is also true of its segmentation.
    named = set(runs["run"]) | {row.upstream for row in rows if row.run in set(runs["run"])}
    return [
        *(text if text.endswith((".", "…", "!", "?")) else f"{text}." for text in reasons),
        *(row.remark for row in rows if row.run in named and row.remark),
    ]


def _shown(cells: pd.DataFrame) -> pd.DataFrame:
    """The runs of some cells, each once."""
    named = (cells["run"] != "") & (cells["status"] != "not run here")
    return cells[named].drop_duplicates("run")
