r"""Tables in LaTeX for `article` in one and in two columns, at 10 points.

They need `booktabs`, `tabularx` and `threeparttable`. LaTeX need not be installed where they are
written, so widths are estimated, from above. The first column takes what the others leave of the
line, and breaks. A table that is too wide in small print goes over both columns (`table*`), and is
cut into several if it is too wide for those, or too high for a page. Notes for which a page has no
room stand below, as text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from benchmarks.reporting.latex import escape
from benchmarks.reporting.marks import wrapped

PACKAGES = ("booktabs", "tabularx", "threeparttable")

_SIZES = {"small": 9.0, "footnotesize": 8.0, "scriptsize": 7.0}  # points by command
# Points of the narrowest line that each environment may have, and the sizes that it tries.
_LINES = {"table": (229.0, ("small", "footnotesize")), "table*": (345.0, tuple(_SIZES))}
_LEADING = {"small": 11.0, "footnotesize": 9.5, "scriptsize": 8.0}  # points from line to line
_PAGE = 530.0  # points of a page that a table may be high
_CAPTION, _NOTE = (10.0, 12.0), (8.0, 9.5)  # points of a letter and from line to line
_RULES = 40.0  # points of the rules and the space around caption and notes
_GAP = 3  # points on either side of a column
_LABEL = 13  # letters of the first column that are not broken
_WORDS = 0.85  # of the width that letters have from above, that of words
_TEXT = 16  # letters from which a cell breaks

# A number with its marks, e.g. `0.432* [10] {3}`.
_NUMBER = re.compile(r"([+-]?[\d,]+(?:\.\d+)?)((?:\*| ?\[\d+\]| ?\{\d+\}| ?\([\d%]+\))*)")

_MINUS = re.compile(r"(?<![\w.)-])-(?=[\d$])")

Text = tuple[str, bool]  # a cell as printed, and whether it is bold
Line = tuple[str, Sequence[Text]]  # its name and its cells, without which it names a group


@dataclass(frozen=True)
class _Column:
    """A column whose numbers stand with their decimal points below each other."""

    head: str
    cells: Sequence[Text]

    @cached_property
    def numbers(self) -> list[re.Match | None]:
        return [_NUMBER.fullmatch(text) for text, _ in self.cells]

    @cached_property
    def marked(self) -> bool:
        """Whether marks have a column of their own, beside the numbers."""
        return any(found and found[2] for found in self.numbers)

    @cached_property
    def breaks(self) -> bool:
        """Whether it holds text of several lines."""
        return not self.marked and max(map(len, self._texts), default=0) > _TEXT

    @property
    def _texts(self) -> list[str]:
        pairs = zip(self.cells, self.numbers, strict=True)
        return [text for (text, _), found in pairs if not found]

    @cached_property
    def decimals(self) -> int:
        return max((_decimals(found[1]) for found in self.numbers if found), default=0)

    @cached_property
    def lines(self) -> list[str]:
        """The head, broken so that it is not wider than the cells."""
        printed = [*self._texts, *(found[1] for found in self.numbers if found)]
        widest = max(map(len, printed), default=0)
        return wrapped(self.head, widest) or [""]

    @cached_property
    def width(self) -> float:
        """The least width in ems."""
        texts = _words(self._texts) if self.breaks else self._texts
        numbers = [found for found in self.numbers if found]
        point = _ems("." + "0" * self.decimals) if self.decimals else 0
        body = max((_ems(found[1].partition(".")[0]) + point for found in numbers), default=0)
        marks = max((0.8 * _ems(found[2]) for found in numbers), default=0)
        return max([body + marks, *map(_ems, [*texts, *self.lines])])

    @property
    def form(self) -> str:
        return r">{\raggedleft\arraybackslash}X" if self.breaks else "r@{}l" * self.marked or "r"

    def heading(self) -> str:
        lines = [escape(line) for line in self.lines]
        broken = r"\shortstack[r]{" + r"\\".join(lines) + "}"
        return self._across(broken if len(lines) > 1 else lines[0])

    def printed(self) -> Iterator[str]:
        for (text, bold), found in zip(self.cells, self.numbers, strict=True):
            if found is None:
                yield self._across(_bold(_MINUS.sub("$-$", escape(text)), bold))
                continue
            number = _bold(_MINUS.sub("$-$", found[1]), bold)
            missing = self.decimals - _decimals(found[1])
            if missing:
                point = "." * (missing == self.decimals)
                number += rf"\phantom{{{point}{'0' * missing}}}"
            marks = escape(found[2])
            if self.marked:
                number += " & " + (rf"\textsuperscript{{{marks}}}" if marks else "")
            yield number

    def _across(self, text: str) -> str:
        return rf"\multicolumn{{2}}{{r}}{{{text}}}" if self.marked else text


def table(
    label: str,
    caption: str,
    heads: Sequence[str],
    lines: Sequence[Line],
    notes: Sequence[str],
) -> str:
    """Return a table, or several if it is too wide or too high; labels then end in their number."""
    rows = [(name, cells) for name, cells in lines if cells]
    columns = [
        _Column(head, [cells[place] for _, cells in rows]) for place, head in enumerate(heads)
    ]
    environment, size, starts = _layout([name for name, _ in rows], columns)
    width = _LINES[environment][0]
    # The word that each part but one adds to the caption may begin a line.
    room = _PAGE - _RULES - _points(caption, width, *_CAPTION) - _CAPTION[1]
    parts = [
        (page, part)
        for part in (columns[start:end] for start, end in pairwise([*starts, len(columns)]))
        for page in _pages(lines, part, width, size, room)
    ]
    below = sum(_points(note, width, *_NOTE) for note in notes)
    fits = sum(_heights(lines, parts[-1][1], width, size)[parts[-1][0]]) + below <= room
    floats = [
        _floating(
            environment,
            size,
            label if number == 1 else f"{label}-{number}",
            caption if len(parts) == 1 else f"{caption} Part {number} of {len(parts)}.",
            _grid(lines, part, page),
            notes if fits and number == len(parts) else [],
        )
        for number, (page, part) in enumerate(parts, start=1)
    ]
    return "\n".join([*floats, *([] if fits else _as_text(label, notes))])


def _pages(
    lines: Sequence[Line], columns: Sequence[_Column], width: float, size: str, room: float
) -> list[slice]:
    """Return the lines of each page, which have about as many each."""
    heads = max((len(column.lines) for column in columns), default=1)
    heights, room = _heights(lines, columns, width, size), room - heads * _LEADING[size]
    starts = _starts(lines, heights, room)
    even = _starts(lines, heights, 1.1 * sum(heights) / len(starts))
    if len(even) == len(starts):
        starts = even
    return [slice(*ends) for ends in pairwise([*starts, len(lines)])]


def _starts(lines: Sequence[Line], heights: Sequence[float], room: float) -> list[int]:
    """Return the first line of each page; one with a name in brackets belongs to that above it."""
    starts = [0]
    for place in range(1, len(lines)):
        end = place + 1
        while end < len(lines) and (lines[end][0].startswith("(") or not lines[end - 1][1]):
            end += 1
        begins = not lines[place][0].startswith("(") and lines[place - 1][1]
        if begins and sum(heights[starts[-1] : end]) > room:
            starts.append(place)
    return starts


def _heights(
    lines: Sequence[Line], columns: Sequence[_Column], width: float, size: str
) -> list[float]:
    """Return the points that each line is high, from above."""
    breaking = [place for place, column in enumerate(columns) if column.breaks]
    fixed = sum(column.width for column in columns if not column.breaks) * _SIZES[size]
    each = (width - fixed - 2 * _GAP * len(columns)) / (1 + len(breaking))
    texts = iter(zip(*(column.cells for column in columns), strict=True))
    heights = []
    for name, cells in lines:
        row = next(texts) if cells else ()
        broken = [name, *(row[place][0] for place in breaking if row)]
        room = each if cells else width
        heights.append(max(_points(one, room, _SIZES[size], _LEADING[size]) for one in broken))
    return heights


def _points(text: str, width: float, size: float, leading: float) -> float:
    """Return the points that a text is high in lines of a width."""
    used, count = 0.0, 1
    for word in text.split():
        more = _WORDS * _ems(f"{word} ") * size
        if used and used + more > width:
            used, count = 0.0, count + 1
        used += more
    return count * leading


def _as_text(label: str, notes: Sequence[str]) -> list[str]:
    return [
        r"\begingroup\footnotesize",
        rf"\noindent Notes to Table~\ref{{{label}}}:\par",
        *(rf"\noindent {escape(note)}\par" for note in notes),
        r"\endgroup",
        "",
    ]


def _layout(names: Sequence[str], columns: Sequence[_Column]) -> tuple[str, str, list[int]]:
    """Return environment, size, and the first column of each part."""
    label = max([min(_LABEL * 0.55, max(map(_ems, names), default=0)), *map(_ems, _words(names))])
    for environment, (line, sizes) in _LINES.items():
        for size in sizes:
            starts = _parts(line, label, columns, _SIZES[size])
            if len(starts) == 1 and _needed(label, columns, _SIZES[size]) <= line:
                return environment, size, starts
    return environment, size, starts


def _parts(line: float, label: float, columns: Sequence[_Column], size: float) -> list[int]:
    starts = [0]
    for place in range(1, len(columns)):
        if _needed(label, columns[starts[-1] : place + 1], size) > line:
            starts.append(place)
    even = [*range(0, len(columns), -(-len(columns) // len(starts)) or 1)]
    parts = [columns[start:end] for start, end in pairwise([*even, len(columns)])]
    return even if all(_needed(label, part, size) <= line for part in parts) else starts


def _needed(label: float, columns: Sequence[_Column], size: float) -> float:
    """Return the points of a line with these columns; those that break are of one width."""
    broken = [label, *(column.width for column in columns if column.breaks)]
    fixed = sum(column.width for column in columns if not column.breaks)
    return (fixed + len(broken) * max(broken)) * size + 2 * _GAP * len(columns)


def _grid(lines: Sequence[Line], columns: Sequence[_Column], page: slice) -> list[str]:
    printed = zip(*(column.printed() for column in columns), strict=True)
    across = 1 + sum(1 + column.marked for column in columns)
    form = "".join(column.form for column in columns)
    rows = [
        _row(escape(name), next(printed))
        if cells
        else rf"\multicolumn{{{across}}}{{@{{}}l@{{}}}}{{\textit{{{escape(name)}}}}} \\"
        for name, cells in lines
    ]
    return [
        rf"\begin{{tabularx}}{{\linewidth}}{{@{{}}>{{\raggedright\arraybackslash}}X{form}@{{}}}}",
        r"\toprule",
        _row("", [column.heading() for column in columns]),
        r"\midrule",
        *rows[page],
        r"\bottomrule",
        r"\end{tabularx}",
    ]


def _row(name: str, cells: Sequence[str]) -> str:
    # Braced, since a row that opens with a bracket would be read as an argument of \\.
    return " & ".join([f"{{{name}}}" if name.startswith(("[", "*")) else name, *cells]) + r" \\"


def _floating(
    environment: str, size: str, label: str, caption: str, grid: Sequence[str], notes: Sequence[str]
) -> str:
    return "\n".join(
        [
            rf"\begin{{{environment}}}",
            rf"\centering\{size}\setlength{{\tabcolsep}}{{{_GAP}pt}}",
            r"\begin{threeparttable}",
            rf"\caption{{{escape(caption)}}}",
            rf"\label{{{label}}}",
            *grid,
            *([r"\begin{tablenotes}[flushleft]\footnotesize"] if notes else []),
            *(rf"\item {{}}{escape(note)}" for note in notes),
            *([r"\end{tablenotes}"] if notes else []),
            r"\end{threeparttable}",
            rf"\end{{{environment}}}",
            "",
        ]
    )


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def _bold(text: str, bold: bool) -> str:
    return rf"\textbf{{{text}}}" if bold else text


def _words(texts: Sequence[str]) -> list[str]:
    return [word for text in texts for word in text.split()]


def _ems(text: str) -> float:
    """Return the width of text from above, bold and in small print, in ems of its size."""
    return sum(
        0.36 if one in " .,:;'|!()[]{}ijl" else 0.9 if one in "mwMW@%" or one.isupper() else 0.6
        for one in text
    )
