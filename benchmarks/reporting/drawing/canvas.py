"""A figure's page: title, body and footer, and the files that it is written to."""

import io
import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase

from benchmarks.files import write_atomically
from benchmarks.reporting.drawing.style import COLUMN, FONT, styled
from benchmarks.reporting.rows import Row

# By file ending, what matplotlib must leave out so that the same figure gives the same bytes.
_UNDATED = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}
_LINE, _HEADING = 0.125, 0.16  # inches from one line of text to the next
_MARGIN = 0.05  # inches
_BOLD = 1.12  # how much wider than others bold letters are


class Canvas:
    """A figure with a title above and a footer of `notes` below its body.

    Width and height are of the body, in inches; empty notes are left out. `top` and `bottom` are
    the ends of the body, in inches from the figure's lower edge.
    """

    def __init__(self, width: float, height: float, title: str, notes: Sequence[str]) -> None:
        heading = textwrap.wrap(title, letters_in(width, _BOLD * (FONT + 1)))
        words = " ".join(filter(None, notes))
        footer = textwrap.wrap(words, letters_in(width, FONT), break_on_hyphens=False)
        self.width = width
        self.bottom = _LINE * len(footer) + 2 * _MARGIN
        self.top = self.bottom + height
        self.height = self.top + _HEADING * len(heading) + _MARGIN
        self.figure = Figure(figsize=(width, self.height))
        FigureCanvasAgg(self.figure)  # without pyplot, which would keep every figure in memory
        self._write(heading, self.height - _MARGIN, va="top", weight="bold", size=FONT + 1)
        self._write(footer, _MARGIN, va="bottom", color="0.25", linespacing=1.15)

    def _write(self, lines: Sequence[str], y: float, **style) -> None:
        self.figure.text(_MARGIN / self.width, y / self.height, "\n".join(lines), **style)

    def arrange(self, spare: float = 0) -> Figure:
        """Return the figure, whose axes fill the body but for `spare` inches at its lower edge."""
        low = self.bottom + spare
        bounds = (0, low / self.height, 1, (self.top - low) / self.height)
        self.figure.set_layout_engine("constrained", rect=bounds, h_pad=0.03, w_pad=0.03)
        return self.figure

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Add axes at a place in inches, from the body's upper left corner to their own."""
        corner = x / self.width, (self.top - y - height) / self.height
        return self.figure.add_axes((*corner, width / self.width, height / self.height))


def panels(figure: FigureBase, count: int, columns: int, **settings: bool) -> list[Axes]:
    """Fill a figure with axes, so many beside each other; `settings` as in `Figure.subplots`."""
    axes = figure.subplots(-(-count // columns), columns, squeeze=False, **settings).flat
    for ax in axes[count:]:
        ax.remove()
    return list(axes[:count])


def letters_in(width: float, size: float) -> int:
    """Return how many letters of `size` points fit on a line of `width` inches."""
    return int((width - 2 * _MARGIN) * 72 / (0.545 * size))


def empty(title: str, notes: Sequence[str], reason: str) -> Figure:
    """Return a figure that says why nothing is drawn."""
    canvas = Canvas(COLUMN, 0.7, title, notes)
    axes = canvas.axes(0, 0, COLUMN, 0.7)
    axes.set_axis_off()
    axes.text(0.5, 0.5, textwrap.fill(reason, 55), ha="center", va="center")
    return canvas.figure


def missing(rows: Sequence[Row], drawn: Collection[str], noun: str) -> str:
    """Return one sentence per reason that names the rows whose runs lack `noun`, e.g. "scores"."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.run not in drawn:
            reason = f"failed: {row.failure}" if row.failure else "not run here"
            by_reason.setdefault(reason, []).append(row.label)
    return " ".join(
        f"Without {noun} ({textwrap.shorten(reason, 90, placeholder='…')}): {'; '.join(labels)}."
        for reason, labels in by_reason.items()
    )


def finish(figure: Figure) -> Figure:
    """Fix the layout and all limits, since a figure is drawn more than once."""
    # The first pass chooses the ticks, the second makes room for their labels.
    for _ in range(2):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.autoscale(False)
    return figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write <name>.png and <name>.pdf, the same bytes for the same figure; return their paths."""
    paths = [folder / f"{name}{ending}" for ending in _UNDATED]
    for path in paths:
        content = io.BytesIO()
        with styled():
            figure.savefig(content, format=path.suffix[1:], metadata=_UNDATED[path.suffix])
        with write_atomically(path) as file:
            file.write(content.getvalue())
    return paths
