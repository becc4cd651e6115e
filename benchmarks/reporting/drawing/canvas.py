"""A figure's page, and the files that it is written to.

Title and notes are its caption, in files of their own: journals set them as text.
"""

import io
import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure, FigureBase
from PIL import Image

from benchmarks.files import write_atomically
from benchmarks.reporting.caption import Caption
from benchmarks.reporting.drawing.style import COLUMN, DPI, styled
from benchmarks.reporting.rows import Row

# What matplotlib must leave out so that the same figure gives the same bytes.
_UNDATED = {"Creator": None, "Producer": None, "CreationDate": None}
SIMULATED = "SIMULATED"  # the mark in pictures of simulated patients
_LINE = 0.125  # inches from one line of text to the next
_EDGE, _MARGIN = 0.03, 0.05  # inches


class CaptionedFigure(Figure):
    """A figure with its caption, which is written beside it and not into it.

    Attributes
    ----------
    following : the figure's further pages, of one that needs more than one.
    """

    caption: Caption
    following: Sequence[Figure] = ()


class Canvas:
    """A figure of one body; that of simulated patients says so above it.

    Width and height are of the body, in inches. `top` and `bottom` are the ends of the body, in
    inches from the figure's lower edge.
    """

    def __init__(self, width: float, height: float, caption: Caption) -> None:
        self.width = width
        self.bottom = _EDGE
        self.top = self.bottom + height
        self.height = self.top + (_LINE if caption.simulated else 0) + _EDGE
        self.figure = CaptionedFigure(figsize=(width, self.height))
        self.figure.caption = caption
        FigureCanvasAgg(self.figure)  # without pyplot, which would keep every figure in memory
        if caption.simulated:
            x, y = 1 - _MARGIN / width, 1 - _EDGE / self.height
            self.figure.text(x, y, SIMULATED, ha="right", va="top", weight="bold", color="0.35")

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


def empty(caption: Caption, reason: str) -> Figure:
    """Return a figure that says why nothing is drawn."""
    canvas = Canvas(COLUMN, 0.7, caption)
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


def pages(figure: Figure) -> list[Figure]:
    """Return a figure and the pages that follow it."""
    return [figure, *getattr(figure, "following", ())]


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write <name>.png and <name>.pdf, the same bytes for the same figure; return their paths.

    The PDF has the figure's pages, the PNG has them one below another; all are of one width.
    """
    paths = []
    with styled():
        for ending, encode in ((".png", _png), (".pdf", _pdf)):
            paths.append(folder / f"{name}{ending}")
            with write_atomically(paths[-1]) as file:
                file.write(encode(pages(figure)))
    return paths


def _pdf(drawn: Sequence[Figure]) -> bytes:
    content = io.BytesIO()
    with PdfPages(content, metadata=_UNDATED) as file:
        for page in drawn:
            page.savefig(file, format="pdf")
    return content.getvalue()


def _png(drawn: Sequence[Figure]) -> bytes:
    images = []
    for page in drawn:
        content = io.BytesIO()
        page.savefig(content, format="rgba")
        width = int(page.get_figwidth() * DPI)
        images.append(np.frombuffer(content.getvalue(), np.uint8).reshape(-1, width, 4))
    content = io.BytesIO()
    whole = Image.fromarray(np.concatenate(images)).convert("RGB")
    whole.save(content, format="png", dpi=(DPI, DPI))
    return content.getvalue()
