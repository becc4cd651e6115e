"""Finished tables as CSV, as Markdown and as LaTeX. Knows nothing of what the strings say."""

import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from benchmarks.errors import InputError
from benchmarks.files import write_atomically

_STARTS = ("# ", "## ", "| ", "- ")
"""What the lines of a sheet in Markdown begin with: title, heading, row, note."""


class Bold(str):
    """A cell to be printed in bold."""


@dataclass(frozen=True)
class Block:
    """One grid of a sheet; the first column is text, the others numbers."""

    name: str
    heading: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Sheet:
    """A titled table of one or more blocks, with notes."""

    name: str
    title: str
    blocks: list[Block]
    notes: list[str]


def write_sheet(folder: Path, sheet: Sheet, csv: str) -> list[Path]:
    """Writes <name>.csv, which is given, .md and .tex; the paths are returned."""
    texts = {".csv": csv, ".md": markdown(sheet), ".tex": latex(sheet)}
    for suffix, text in texts.items():
        with write_atomically(folder / f"{sheet.name}{suffix}") as file:
            file.write(text.encode())
    return [folder / f"{sheet.name}{suffix}" for suffix in texts]


def stacked(frames: dict[str, pd.DataFrame], by: str, cohort: str) -> str:
    """The frames below each other as CSV; the column `by` tells them apart."""
    parts = [
        frame.assign(**{by: name}, cohort=cohort)[["cohort", by, *frame.columns]]
        for name, frame in frames.items()
    ]
    together = pd.concat(parts, ignore_index=True)
    return together.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def markdown(sheet: Sheet) -> str:
    """The sheet as Markdown, its columns padded so that it reads well unrendered too."""
    parts = [f"# {sheet.title}"]
    for block in sheet.blocks:
        parts += [f"## {block.heading}", _markdown_grid(block)]
    parts.append("\n".join(f"- {_one_line(note)}" for note in sheet.notes))
    return "\n\n".join(parts) + "\n"


def read_markdown(path: Path) -> Sheet:
    """The sheet that `markdown` wrote, its blocks named by their place, from 1.

    Raises InputError for a file that is missing, or that `markdown` has not written.
    """
    mend = "Delete it and run the same command again."
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). {mend}") from None
    title, blocks, notes = "", [], []
    for start, group in groupby(lines, _start):
        texts = list(group)
        if start == "# " and len(texts) == 1 and not title:
            title = texts[0].removeprefix(start)
        elif start == "## " and len(texts) == 1:
            heading = texts[0].removeprefix(start)
            blocks.append(Block(f"{len(blocks) + 1}", heading, [], []))
        elif start == "| " and len(texts) > 1 and blocks and not blocks[-1].header:
            header, _, *rows = map(_cells_of, texts)
            blocks[-1].header.extend(header)
            blocks[-1].rows.extend(rows)
        elif start == "- ":
            notes += [text.removeprefix(start) for text in texts]
        else:
            raise InputError(f"{path} is no table of this suite: found {texts[0]!r}. {mend}")
    return Sheet(path.stem, title, blocks, notes)


def _start(line: str) -> str:
    return next((start for start in _STARTS if line.startswith(start)), "")


def _cells_of(line: str) -> list[str]:
    """The cells of a line of a grid, as they were before `_markdown_cell`."""
    cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    return [Bold(c[2:-2]) if len(c) > 4 and c[:2] == c[-2:] == "**" else c for c in cells]


def latex(sheet: Sheet) -> str:
    """The sheet as booktabs tables, one a block, to be \\input by a document."""
    tables = [_latex_table(sheet, block) for block in sheet.blocks]
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(tables)


def _markdown_grid(block: Block) -> str:
    rows = [[_markdown_cell(cell) for cell in row] for row in [block.header, *block.rows]]
    # A rule of one character would be no rule, and the table no table.
    widths = [max(2, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_padded(row, widths) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def _padded(row: list[str], widths: list[int]) -> list[str]:
    numbers = zip(row[1:], widths[1:], strict=True)
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in numbers)]


def _markdown_cell(cell: str) -> str:
    text = _one_line(cell).replace("|", "\\|")
    return f"**{text}**" if isinstance(cell, Bold) else text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _latex_table(sheet: Sheet, block: Block) -> str:
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{_escape(f'{sheet.title} {block.heading}')}}}",
        rf"\label{{tab:{sheet.name}-{block.name}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(block.header) - 1)}}}",
        r"\toprule",
        _latex_row(block.header),
        r"\midrule",
        *map(_latex_row, block.rows),
        r"\bottomrule",
        r"\end{tabular}",
        *[rf"\par\footnotesize {_escape(note)}" for note in sheet.notes],
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: list[str]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(cell: str) -> str:
    # Braced, since a row that opens with a bracket would be read as an argument of \\.
    text = f"{{{_escape(cell)}}}" if cell.startswith("[") else _escape(cell)
    return rf"\textbf{{{text}}}" if isinstance(cell, Bold) else text


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "…": r"\dots{}",
    "∞": r"$\infty$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, _latin(character)) for character in _one_line(text))


def _latin(character: str) -> str:
    # LaTeX stops at a letter that its font has not, and a failure's reason may hold any.
    return character if ord(character) < 0x250 else "?"
