"""A finished table as data, and how it is written: CSV, JSON, Markdown and LaTeX.

Nothing reads a typeset table back: the page is made from the JSON.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
from tabulate import tabulate

from benchmarks.files import write_atomically
from benchmarks.reporting.latex import escape, one_line

PUBLISHED, INTERVAL = "(published)", "(95 % interval)"


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


ARROWS = {"higher": "↑", "lower": "↓", "": ""}


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
    agreement; `status` says why numbers are missing, "" where all exist.
    """

    label: str
    cells: Sequence[Cell]
    run: str = ""
    role: Literal["floor", "method", "ceiling", ""] = "method"
    status: str = ""


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
    """The printed lines of a block: published numbers and intervals get a line of their own."""
    for row in block.rows:
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
        [[_markdown_cell(cell) for cell in line] for line in _printed(block)],
        headers=["", *(column.heading for column in block.columns)],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=("left", *["right"] * len(block.columns)),
    )


def _markdown_cell(cell: Cell) -> str:
    text = one_line(cell.text).replace("|", "\\|")
    return f"**{text}**" if cell.best else text


def latex(name: str, sheet: Sheet) -> str:
    r"""Return the sheet as booktabs tables, one per block, to be \input; notes are in the last."""
    tables = []
    for block in sheet.blocks:
        head = [Cell(""), *(Cell(column.heading) for column in block.columns)]
        notes = sheet.notes if block is sheet.blocks[-1] else []
        tables += [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{escape(f'{sheet.title} {block.heading}')}}}",
            rf"\label{{tab:{name}-{block.name}}}",
            rf"\begin{{tabular}}{{l{'r' * len(block.columns)}}}",
            r"\toprule",
            _latex_row(head),
            r"\midrule",
            *map(_latex_row, _printed(block)),
            r"\bottomrule",
            r"\end{tabular}",
            *[rf"\par\footnotesize {escape(note)}" for note in notes],
            r"\end{table}",
            "",
        ]
    return "\n".join(["% Needs \\usepackage{booktabs}.", *tables])


def _latex_row(cells: Sequence[Cell]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(cell: Cell) -> str:
    # Braced, since a row that opens with a bracket would be read as an argument of \\.
    text = f"{{{escape(cell.text)}}}" if cell.text.startswith("[") else escape(cell.text)
    return rf"\textbf{{{text}}}" if cell.best else text
