"""What every table prints alike: rows with their counts, and notes."""

from collections.abc import Iterable, Mapping

import pandas as pd

from benchmarks.reporting.rows import marked
from benchmarks.reporting.sheet import BlockRow, Cell


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


def applying(notes: Mapping[str, object]) -> list[str]:
    """Return the notes that apply."""
    return [note for note, applies in notes.items() if applies]


def notes_on_rows(cells: pd.DataFrame) -> list[str]:
    """Return why rows failed, and which run each row shows.

    `cells` has the columns label, run and status.
    """
    named = (cells["run"] != "") & (cells["status"] != "not run here")
    runs = cells[named].drop_duplicates("run")
    reasons = [
        f"{row.label} {row.status}" for row in runs.itertuples() if row.status.startswith("failed")
    ]
    return [
        *(text if text.endswith((".", "…", "!", "?")) else f"{text}." for text in reasons),
        f"Runs: {'; '.join(f'{row.label} = {row.run}' for row in runs.itertuples())}.",
    ]
