"""A finished table as data, and how it is written: CSV, JSON, Markdown and LaTeX.

Nothing reads a typeset table back: the page is made from the JSON.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
from tabulate import tabulate

from benchmarks.files import write_atomically
from benchmarks.reporting.latex import one_line
from benchmarks.reporting.latex_table import PACKAGES
from benchmarks.reporting.latex_table import table as latex_table
from benchmarks.reporting.marks import ARROWS, INTERVAL, PUBLISHED


@dataclass(frozen=True)
class Cell:
    """One cell: `text` is what is printed, with `interval_text` and `published_text` below it.

    Attributes
    ----------
    value : what the column is sorted by; None sorts last.
    interval : the ends of the 95 % interval.
    published : the paper's number for the same cell, None where it prints none.
    n : how many patients the value is of.
    best : whether it is printed in bold.
    """

    text: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    published: float | None = None
    n: int | None = None
    best: bool = False
    interval_text: str = ""
    published_text: str = ""


@dataclass(frozen=True)
class Column:
    """The head of a column; `better` says which way is better, "" where neither is."""

    title: str
    better: Literal["higher", "lower", ""] = ""

    @property
    def heading(self) -> str:
        return f"{self.title} {ARROWS[self.better]}".rstrip()


@dataclass(frozen=True)
class BlockRow:
    """One row: its label, and one cell per column.

    `run` and `role` are those of the run that it shows, "" for a row that is no run, e.g. an
    agreement; `status` says why numbers are missing, "" where all exist. `group` stands above the
    first row of several that have it.
    """

    label: str
    cells: Sequence[Cell]
    run: str = ""
    role: Literal["floor", "method", "ceiling", ""] = "method"
    status: str = ""
    group: str = ""


@dataclass(frozen=True)
class Block:
    """One grid of a sheet. Its first column is the rows' labels, which has no head."""

    name: str
    heading: str
    columns: Sequence[Column]
    rows: Sequence[BlockRow]


@dataclass(frozen=True)
class Sheet:
    """A titled table of one or more blocks, with notes.

    `title` names the cohort, so that no copy of a table loses it; `csv` has the same numbers, and
    more, in the long form that programs read.
    """

    title: str
    blocks: Sequence[Block]
    notes: Sequence[str]
    csv: pd.DataFrame = field(repr=False)

    @property
    def runs(self) -> list[str]:
        """The runs whose results it shows, for the record of what it was made from."""
        return list(dict.fromkeys(row.run for b in self.blocks for row in b.rows if row.run))


def write_sheet(folder: Path, name: str, sheet: Sheet) -> list[Path]:
    """Write `<name>.csv`, `.json`, `.md` and `.tex`; the paths are returned."""
    texts = {
        ".csv": sheet.csv.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        ".json": json.dumps(as_json(sheet), indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        ".md": markdown(sheet),
        ".tex": latex(name, sheet),
    }
    for ending, text in texts.items():
        with write_atomically(folder / f"{name}{ending}") as file:
            file.write(text.encode())
    return [folder / f"{name}{ending}" for ending in texts]


def stacked(frames: dict[str, pd.DataFrame], by: str, cohort: str) -> pd.DataFrame:
    """Return the frames below each other; the column `by` tells them apart."""
    parts = [
        frame.assign(**{by: name}, cohort=cohort)[["cohort", by, *frame.columns]]
        for name, frame in frames.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["cohort", by])


def as_json(sheet: Sheet) -> dict:
    """Return the sheet as plain JSON, which has neither NaN (null here) nor infinity (a word)."""
    blocks = [_plain(asdict(block)) for block in sheet.blocks]
    return {"title": sheet.title, "notes": list(sheet.notes), "blocks": blocks}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value.item() if hasattr(value, "item") else value


def markdown(sheet: Sheet) -> str:
    """Return the sheet as Markdown, its columns padded so that it reads well unrendered too."""
    parts = [f"# {sheet.title}"]
    for block in sheet.blocks:
        parts += [f"## {block.heading}", _markdown_grid(block)]
    parts.append("\n".join(f"- {one_line(note)}" for note in sheet.notes))
    return "\n\n".join(parts) + "\n"


def _printed(block: Block) -> Iterator[list[Cell]]:
    """The printed lines of a block: published numbers and intervals get a line of their own.

    So does the name of a group, as a line of one cell.
    """
    group = ""
    for row in block.rows:
        if row.group != group:
            group = row.group
            yield [Cell(group)]
        below = {
            PUBLISHED: [cell.published_text for cell in row.cells],
            INTERVAL: [cell.interval_text for cell in row.cells],
        }
        if any(cell.text for cell in row.cells):
            yield [Cell(row.label), *row.cells]
        else:
            # A row that the paper quotes has no numbers of ours.
            yield [*map(Cell, [f"{row.label} {PUBLISHED}", *below.pop(PUBLISHED)])]
        for label, texts in below.items():
            if any(texts):
                yield [*map(Cell, [label, *texts])]


def _markdown_grid(block: Block) -> str:
    return tabulate(
        [_markdown_line(line) for line in _printed(block)],
        headers=["", *(column.heading for column in block.columns)],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", *["right"] * len(block.columns)),
    )


def _markdown_line(line: Sequence[Cell]) -> list[str]:
    texts = [_markdown_cell(cell) for cell in line]
    return texts if len(texts) > 1 else [f"*{texts[0]}*"]


def _markdown_cell(cell: Cell) -> str:
    text = one_line(cell.text).replace("|", "\\|")
    return f"**{text}**" if cell.best else text


def latex(name: str, sheet: Sheet) -> str:
    r"""Return the sheet as LaTeX tables, at least one per block, to be pasted or \input.

    LaTeX numbers tables itself, so captions lose the number. A note whose words before the colon
    are printed in a block, as marks are, stands below that block; others stand below the last.
    """
    title, _, more = _unnumbered(sheet.title).partition(". ")
    below = {block.name: [] for block in sheet.blocks}
    for note in sheet.notes:
        for block in [b for b in sheet.blocks if _marks(note, b)] or sheet.blocks[-1:]:
            below[block.name].append(note)
    tables = [
        latex_table(
            f"tab:{name}-{block.name}",
            f"{title.removesuffix('.')}. {_unnumbered(block.heading)}",
            [column.heading for column in block.columns],
            [(line[0].text, [(c.text, c.best) for c in line[1:]]) for line in _printed(block)],
            [*filter(None, [more]), *below[block.name]],
        )
        for block in sheet.blocks
    ]
    return "\n".join([f"% Needs \\usepackage{{{','.join(PACKAGES)}}}.", *tables])


def _unnumbered(title: str) -> str:
    return re.sub(r"^Table [0IVXL]+\. ", "", title)


def _marks(note: str, block: Block) -> bool:
    """Return whether a note explains what is printed in a block."""
    mark = note.partition(":")[0]
    texts = [cell.text for line in _printed(block) for cell in line]
    printed = "\n".join([block.heading, *(column.title for column in block.columns), *texts])
    if mark in ("[k]", "{k}", "(k)"):
        return re.search(re.escape(mark).replace("k", r"\d+"), printed) is not None
    return mark in printed
