"""Print tables in a terminal of any width, from the JSON that `sheet` writes."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from benchmarks.reporting.marks import ARROWS, INTERVAL, PUBLISHED, wrapped

NARROWEST = 40  # columns; a narrower terminal breaks lines by itself
LABEL = 30  # letters of a row's label
LABEL_WRAPPED, CELL_WRAPPED = 17, 20  # of the lines of a label and a cell that do not fit as one
PADDING = 2  # blanks by which tabulate makes a column wider than its head
# What an encoding may lack, and what is printed in its place.
PLAIN = {
    "↑": "(higher)", "↓": "(lower)", "–": "-", "∞": "inf", "…": "...", "→": "->", "−": "-",
    "“": '"', "”": '"',
}  # fmt: skip


def width() -> int:
    """Return how many columns the terminal has, 100 where there is none."""
    return max(NARROWEST, shutil.get_terminal_size((100, 24)).columns)


def write(text: str) -> None:
    """Print a text in the letters that standard output has; end quietly if nobody reads on."""
    try:
        print(plain(text, sys.stdout.encoding), flush=True)
    except BrokenPipeError:  # as of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def plain(text: str, encoding: str) -> str:
    """Return a text with those letters replaced that an encoding lacks."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for letter, words in PLAIN.items():
            text = text.replace(letter, words)
    return text


def _plain(content: Any, encoding: str) -> Any:
    """Replace the letters of all texts of a sheet, before their widths are counted."""
    if isinstance(content, Mapping):
        return {key: _plain(value, encoding) for key, value in content.items()}
    if isinstance(content, list):
        return [_plain(value, encoding) for value in content]
    return plain(content, encoding) if isinstance(content, str) else content


def table(sheet: Mapping, columns: int, encoding: str = "utf-8") -> str:
    """Return a sheet as text of so many columns: blocks that are wider are continued below."""
    sheet = _plain(sheet, encoding)
    arrows = _plain(ARROWS, encoding)
    parts = [textwrap.fill(sheet["title"], columns)]
    for block in sheet["blocks"]:
        heads = [f"{one['title']} {arrows[one['better']]}".rstrip() for one in block["columns"]]
        lines = list(_lines(block["rows"], len(heads)))
        parts.append(textwrap.fill(block["heading"], columns))
        parts += _grids(heads, lines, columns)
    if sheet["notes"]:
        parts.append("\n".join(_note(note, columns) for note in sheet["notes"]))
    return "\n\n".join(parts)


def headline(sheet: Mapping, columns: int, encoding: str = "utf-8") -> str:
    """Return the first block of the gap's sheet, its first region alone, and how large the gap is.

    Where there is no gap, the notes say why.
    """
    sheet = _plain(sheet, encoding)
    title = textwrap.fill(sheet["title"], columns)
    if not sheet["blocks"]:
        return "\n\n".join([title, *(_note(note, columns) for note in sheet["notes"])])
    block = sheet["blocks"][0]
    invented = [
        place for place, one in enumerate(block["columns"]) if one["title"].startswith("invented")
    ]
    places = [0, 1, *invented]
    # Without the numbers of patients, so that it fits 80 columns; the first note has them.
    heads = [
        block["columns"][0]["title"].partition(",")[0],
        "share (95 % interval)",
        "invented, ml",
    ]
    heads = heads[: len(places)]
    lines = []
    for row in block["rows"]:
        cells = [row["cells"][place] for place in places]
        texts = [cell["text"] for cell in cells]
        if between := cells[1]["interval_text"]:
            texts[1] += f"  ({between})"
        lines.append([textwrap.shorten(row["label"], LABEL, placeholder="..."), *texts])
    grids = "\n\n".join(_grids(heads, lines, columns, left=1))
    return f"{title}\n\n{grids}\n{textwrap.fill(sheet['notes'][0], columns)}"


def _lines(rows: Sequence[Mapping], columns: int) -> Iterator[list[str]]:
    """The printed lines of rows: published numbers and intervals get a line of their own.

    So does the name of a group, above its first row.
    """
    group = ""
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            yield [group, *[""] * columns]
        yield from _lines_of(row)


def _lines_of(row: Mapping) -> Iterator[list[str]]:
    label = textwrap.shorten(row["label"], LABEL, placeholder="...")
    below = {
        PUBLISHED: [cell["published_text"] for cell in row["cells"]],
        INTERVAL: [cell["interval_text"] for cell in row["cells"]],
    }
    own = [cell["text"] for cell in row["cells"]]
    if not any(own):
        label, own = f"{label} {PUBLISHED}", below.pop(PUBLISHED)
    yield [label, *own]
    for name, texts in below.items():
        if any(texts):
            yield [f"  {name}", *texts]


def _grids(
    heads: Sequence[str], lines: Sequence[Sequence[str]], columns: int, left: int = -1
) -> list[str]:
    """Return the columns as grids that each fit, all with the rows' labels.

    Heads are broken where one grid would be too wide with whole ones. `left` is the column whose
    texts are aligned to the left. If labels repeat, all grids have the first column too, where that
    tells rows apart and fits.
    """
    own = [tuple(line[:2]) for line in lines if not line[0].startswith("  ")]
    repeated = len({label for label, _ in own}) < len(own) == len(set(own))
    taken = 2 + _sizes(heads, lines)[1] if repeated else 0
    if LABEL_WRAPPED + taken + 2 + CELL_WRAPPED > columns:
        taken = 0
    heads, lines = _wrapped(heads, lines, columns - taken)
    sizes = _sizes(heads, lines)
    if sum(sizes) + 2 * len(heads) > columns:
        cells = _sizes([""] * len(heads), lines)
        heads = ["\n".join(wrapped(*pair)) for pair in zip(heads, cells[1:], strict=True)]
        sizes = _sizes(heads, lines)
    fixed = [1] if taken else []
    begun = sizes[0] + taken
    parts: list[list[int]] = [[]]
    used = begun
    for place, size in list(enumerate(sizes))[1 + len(fixed) :]:
        if parts[-1] and used + 2 + size > columns:
            parts.append([])
            used = begun
        parts[-1].append(place)
        used += 2 + size
    grids = []
    for part in ([*fixed, *part] for part in parts):
        chosen = [[line[0], *(line[place] for place in part)] for line in lines]
        sides = ["left" if place - 1 == left else "right" for place in part]
        grids.append(
            tabulate(
                chosen,
                headers=["", *(heads[place - 1] for place in part)],
                tablefmt="simple",
                disable_numparse=True,
                colalign=("left", *sides),
                preserve_whitespace=True,
            )
        )
    return grids


def _wrapped(
    heads: Sequence[str], lines: Sequence[Sequence[str]], columns: int
) -> tuple[list[str], list[list[str]]]:
    """Break labels, then cells and heads, if a label and the widest cell do not fit beside."""
    label, *sizes = _sizes(heads, lines)
    label = min(label, max(LABEL_WRAPPED, columns - 2 - max(sizes)))
    room = columns - 2 - label
    return [_broken(head, room - PADDING) for head in heads], [
        [_broken(first, label), *(_broken(text, room) for text in texts)] for first, *texts in lines
    ]


def _broken(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    return "\n".join(textwrap.wrap(text, size, break_on_hyphens=False, subsequent_indent="  "))


def _sizes(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """Return how wide the labels and each column are; texts may have several lines."""
    padded = ["", *(head.replace("\n", " " * PADDING + "\n") + " " * PADDING for head in heads)]
    return [
        max(len(part) for text in column for part in text.split("\n"))
        for column in zip(padded, *lines, strict=True)
    ]


def _note(note: str, columns: int) -> str:
    return textwrap.fill(note, columns, initial_indent="- ", subsequent_indent="  ")
