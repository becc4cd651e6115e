"""Which rows the tables have, in which order, and what is said of a row that has no numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.errors import InputError
from benchmarks.reporting.published import Row, Table
from benchmarks.reporting.systems import System

REASON = 160
"""The most characters of a failure's reason that a table shows."""


@dataclass(frozen=True)
class Line:
    """A row of a table before its numbers."""

    label: str
    id: str
    role: str
    failure: str
    printed: Row | None

    @property
    def quoted(self) -> bool:
        return self.printed is not None and self.printed.quoted

    def status(self, measured: bool) -> str:
        """Why numbers are missing; empty where all are there."""
        if self.quoted:
            return "quoted"
        if self.failure:
            return f"failed: {_short(self.failure)}"
        return "" if measured else "not run here"


def _short(reason: str) -> str:
    """The reason on one line, its end cut off where it is long."""
    line = " ".join(reason.split())
    return line if len(line) <= REASON else line[: REASON - 1].rstrip() + "…"


def line_up(printed: Table, systems: Sequence[System]) -> list[Line]:
    """Floors, then the paper's rows in the paper's order, other entries, and ceilings.

    Other entries have no row in a table that says so (`others: false`).
    """
    known = {system.id: system for system in systems}
    listed = [_printed_line(row, known) for row in printed.rows]
    unprinted = [
        Line(system.label, system.id, system.role, system.failure, None)
        for system in systems
        if system.id not in printed.systems
    ]
    floors, entries, ceilings = (
        [line for line in unprinted if line.role == role] for role in ("floor", "entry", "oracle")
    )
    return floors + listed + (entries if printed.others else []) + ceilings


def _printed_line(row: Row, known: dict[str, System]) -> Line:
    system = known.get(row.system)
    return Line(row.label, row.system or "", "entry", system.failure if system else "", row)


def in_order(systems: Sequence[System]) -> list[System]:
    """Floors first and ceilings last, else as they are."""
    return sorted(systems, key=lambda system: ("floor", "entry", "oracle").index(system.role))


def refuse_strangers(measured: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raises InputError where `what`, e.g. `cost files`, are of systems that are not known."""
    if strangers := sorted(set(measured) - set(known)):
        raise InputError(
            f"There are {what} of {', '.join(strangers)}, which this benchmark does not list. "
            "Remove those files or list the systems."
        )


def label_cell(row: pd.Series) -> str:
    """The first cell of a row: its label, marked where it is no entry."""
    return {"floor": "floor: ", "entry": "", "oracle": "ceiling: "}[row["role"]] + row["label"]


def count_cell(count: int, expected: int, status: str) -> str:
    """How many were measured of how many, or why none was."""
    word = status.partition(":")[0]
    if not count:
        return word
    number = f"{count} of {expected}" if count < expected else f"{count}"
    return f"{number} {word}".strip()


def notes_on_rows(rows: pd.DataFrame) -> list[str]:
    """Why rows failed, and by which names the suite knows them."""
    named = (rows["system"] != "") & (rows["status"] != "not run here")
    run = rows[named].drop_duplicates("system")
    failed = run[run["status"].str.startswith("failed")]
    return [
        *(_sentence(f"{row.label} {row.status}") for row in failed.itertuples()),
        f"Systems: {'; '.join(f'{row.label} = {row.system}' for row in run.itertuples())}.",
    ]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "…", "!", "?")) else f"{text}."
