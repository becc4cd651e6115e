"""Finished tables as grids that sort: every cell a text, what it sorts by, and what stands below.

Knows the marks of a table's rows and none of its columns, so that it takes any table that
`write_sheet` has written.
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks.reporting.rows import label_cell
from benchmarks.reporting.tables import INTERVAL, PUBLISHED
from benchmarks.reporting.typesetting import Block, Bold, read_markdown

NONE = ("", "–", "n/a")
"""What cells without a value begin with, before how many patients there are."""

INFINITY = "Infinity"
"""JSON has no such number; the page makes one of the word."""

_NUMBER = re.compile(r"^[<+]?(-?[\d,]*\.?\d+(?:e[+-]?\d+)?)", re.IGNORECASE)


def grid(path: Path, cohort: str) -> dict:
    """One table, from its .md and the .csv beside it, as plain JSON.

    `title` without the cohort, `notes`, and `blocks` of a `heading`, `columns` (`title`, `better`
    as "higher" or "lower" where the title says so, `text` where it holds words, `published`) and
    `rows`: `role`, `reason` why numbers are missing, and `cells` of `text`, `sort` (a number, a
    text, or null where there is no value), `bold` and `below`, which is an interval.

    Raises InputError for a .md file that is no table.
    """
    sheet = read_markdown(path)
    lines = _lines(path.with_suffix(".csv"))
    return {
        "name": path.stem,
        "title": sheet.title.removesuffix(f": {cohort.rstrip('.')}."),
        "notes": sheet.notes,
        "blocks": [_block(block, lines) for block in sheet.blocks],
    }


def _lines(path: Path) -> dict[str, dict[str, str]]:
    """Role and status of the rows by their first cell, of the CSVs that say them."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if {"label", "role", "status"} <= row.keys()]
    return {label_cell(pd.Series(row)): row for row in rows}


def _block(block: Block, lines: Mapping[str, Mapping[str, str]]) -> dict:
    printed = any(row[0].endswith(PUBLISHED) for row in block.rows)
    # A column beside ours holds what the paper prints; the first two name the row and count it.
    doubled = [printed and place > 1 for place in range(len(block.header))]
    rows: list[dict] = []
    for cells in block.rows:
        if cells[0] == INTERVAL and rows:
            _add(rows[-1]["cells"], cells, doubled, "below")
        elif cells[0] == PUBLISHED and rows:
            _add(rows[-1]["cells"], cells, doubled, "published")
        else:
            rows.append(_row(cells, doubled, lines))
    for row in rows:
        row["cells"] = [cell | {"sort": sort_value(cell["text"])} for cell in row["cells"]]
    columns = []
    for place, title in enumerate(block.header):
        columns.append(_column(title))
        if doubled[place]:
            columns.append(
                _column(title) | {"title": f"{_bare(title)} published", "published": True}
            )
    for place, column in enumerate(columns):
        cells = [row["cells"][place] for row in rows]
        values = [cell["sort"] for cell in cells if cell["sort"] is not None]
        column["text"] = place == 0 or (bool(values) and not any(map(_is_number, values)))
        for cell in cells:
            if column["text"] and cell["sort"] is not None:
                cell["sort"] = cell["text"]
            elif not _is_number(cell["sort"]):
                cell["sort"] = None
    return {"heading": block.heading, "columns": columns, "rows": rows}


def _row(cells: list[str], doubled: list[bool], lines: Mapping[str, Mapping[str, str]]) -> dict:
    """A row with room for what the paper prints."""
    label = cells[0].removesuffix(PUBLISHED).rstrip()
    quoted = label != cells[0]
    line = lines.get(label, {})
    made = []
    for place, cell in enumerate(cells):
        own = {"text": label if place == 0 else cell, "bold": isinstance(cell, Bold), "below": ""}
        made.append(own)
        if doubled[place]:
            made.append({"text": cell if quoted else "", "bold": False, "below": ""})
            own["text"] = "" if quoted else cell
    return {
        "role": line.get("role", "entry"),
        "reason": "quoted from the paper" if quoted else line.get("status", ""),
        "cells": made,
    }


def _add(made: list[dict], cells: list[str], doubled: list[bool], what: str) -> None:
    """Give a row the interval, or the published numbers, that stand in a row of their own."""
    place = 0
    for cell, has_second in zip(cells, doubled, strict=True):
        if what == "published" and has_second:
            made[place + 1]["text"] = cell
        elif what == "below" and place > 1 and cell not in NONE:
            made[place]["below"] = cell
        place += 1 + has_second


def sort_value(text: str) -> float | str | None:
    """What a cell sorts by: its first number, INFINITY for ∞, its words, or None without any."""
    if text.partition(" ")[0] in NONE:
        return None
    if text.startswith("∞"):
        return INFINITY
    found = _NUMBER.match(text)
    return float(found.group(1).replace(",", "")) if found else text


def _is_number(value: float | str | None) -> bool:
    return isinstance(value, float) or value == INFINITY


def _column(title: str) -> dict:
    better = {"↑": "higher", "↓": "lower"}
    return {
        "title": title,
        "better": next((way for arrow, way in better.items() if arrow in title), ""),
        "published": False,
    }


def _bare(title: str) -> str:
    """A title without its arrow."""
    return title.rstrip(" ↑↓")
