"""Finished tables as CSV, as Markdown and as LaTeX. Knows nothing of what the strings say."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.files import write_atomically


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
