"""Draw slices side by side, with outlines of regions and keys to colours.

Slices are drawn as radiologists view them, from below: the patient's front is up and the patient's
left is on the right. The store keeps them so, hence nothing is turned here.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Patch

from benchmarks.reporting.caption import Caption
from benchmarks.reporting.drawing.canvas import Canvas, letters_in
from benchmarks.reporting.drawing.patients import Slice
from benchmarks.reporting.drawing.style import FONT, PAGE
from benchmarks.scoring.regions import region_mask

TITLES = {"t1": "T1", "t2": "T2", "flair": "FLAIR", "t1ce": "true T1ce"}  # in the store's order
CONTOURS = {"wt": "#56b4e9", "et": "#f0e442"}  # told apart by brightness too
ORIENTATION = "Front up, the patient's left on the right."

# Pictures fill their axes, whose limits give pixels their shape.
WINDOW = {"cmap": "gray", "vmin": -1, "vmax": 1, "interpolation": "bilinear", "aspect": "auto"}

_GAP, _LETTERS, _KEY = 0.02, 0.115, 0.3  # inches: between pictures, per line of text, for the keys
_LARGEST = 1.1  # inches, the side of a picture


def outline(ax: Axes, labels: np.ndarray, contours: Mapping[str, str] = CONTOURS) -> None:
    """Draw the borders of regions, each in its colour."""
    for region, color in contours.items():
        mask = region_mask(labels, region)
        if mask.any() and not mask.all():
            ax.contour(mask.astype(float), [0.5], colors=[color], linewidths=0.6)


class PictureGrid:
    """Square pictures: one row per slice, each of one or more lines.

    All pictures show the same number of mm, enough for the largest brain among them. `headings`
    are above the columns, once for each band of `depth` lines.
    """

    def __init__(
        self,
        caption: Caption,
        slices: Sequence[Slice],
        headings: Sequence[Sequence[str]],
        depth: int = 1,
    ) -> None:
        columns = max(len(band) for band in headings)
        self.slices, self.depth = slices, depth
        self.views = [_view(one) for one in slices]
        self.half = max(half for *_, half in self.views)
        lines = depth * len(headings)
        # Long names take more lines beside small pictures, and leave them less room.
        self._measure(columns, 2)
        lengths = [letters_in(lines * self.picture, FONT) + 1, 12]
        written = [_broken(one.name, max(lengths)) for one in slices]
        self._measure(columns, max(name.count("\n") + 1 for name in written))
        letters = max(letters_in(self.picture + 0.02, FONT), 8)
        above = [[_broken(text, letters) for text in band] for band in headings]
        # A single band's headings are read from any row; of several, every row has its own.
        self.repeated = len(headings) > 1
        gap = 0.08 if self.repeated else 0.03
        self.above = [_LETTERS * max(t.count("\n") + 1 for t in band) + gap for band in above]
        self.block = lines * self.picture + 0.06 + self.repeated * sum(self.above)
        # Inches from the body's upper edge to the keys.
        self.key = len(slices) * self.block + (not self.repeated) * sum(self.above) + 0.02
        self.canvas = Canvas(PAGE, self.key + _KEY, caption)
        self.figure = self.canvas.figure
        for row, name in enumerate(written):
            middle = (self._top(row, 0) + self._top(row, lines - 1) + self.side_of_picture) / 2
            self._write(self.left / 2, middle, name, rotation=90, va="center")
        for row, (band, texts) in product(range(len(slices)), enumerate(above)):
            for column, text in enumerate(texts if row == 0 or self.repeated else []):
                x = self.left + column * self.picture + self.side_of_picture / 2
                self._write(x, self._top(row, band * depth) - 0.03, text, va="bottom")

    def _measure(self, columns: int, lines: int) -> None:
        """Set the room for names of so many lines, and the size of a picture."""
        self.left = 0.08 + lines * _LETTERS
        self.side_of_picture = min((PAGE - self.left - 0.03) / columns - _GAP, _LARGEST)
        self.picture = self.side_of_picture + _GAP

    def _write(self, x: float, y: float, text: str, **style) -> None:
        """Write at inches from the left edge and from the body's upper edge."""
        height = (self.canvas.top - y) / self.canvas.height
        self.figure.text(x / PAGE, height, text, ha="center", **style)

    def _top(self, row: int, line: int) -> float:
        """Inches from the body's upper edge to a picture's."""
        bands = line // self.depth + 1 if self.repeated else None
        return row * self.block + sum(self.above[:bands]) + line * self.picture

    def axes(self, row: int, line: int, column: int) -> Axes:
        """Add the axes of a picture, without ticks."""
        x, side = self.left + column * self.picture, self.side_of_picture
        ax = self.canvas.axes(x, self._top(row, line), side, side)
        ax.spines[:].set_visible(False)
        ax.set_autoscale_on(False)
        ax.set(xticks=[], yticks=[], facecolor="black")
        # The limits are as many mm high as wide; see `aspect` in WINDOW.
        y0, x0, _ = self.views[row]
        height, width = (self.half / pixel for pixel in self.slices[row].pixel)
        ax.set(xlim=(x0 - width, x0 + width), ylim=(y0 + height, y0 - height))
        return ax

    def bar(self, colors: ScalarMappable, name: str, ticks: Mapping[float, str] = {}) -> None:
        """Draw the key to a colour scale, below the pictures on the right."""
        ax = self.canvas.axes(PAGE - 2.1, self.key, 1.9, 0.08)
        bar = self.figure.colorbar(colors, cax=ax, orientation="horizontal")
        if ticks:
            bar.set_ticks(list(ticks), labels=list(ticks.values()))
        ax.tick_params(pad=1.5, length=2)
        ax.text(-0.03, 0.5, name, transform=ax.transAxes, ha="right", va="center")

    def contours(self) -> None:
        """Draw the key to the outlines, on the grey that they stand out from."""
        patches = [Patch(fill=False, edgecolor=c, label=r.upper()) for r, c in CONTOURS.items()]
        self.legend(patches, facecolor="0.35", labelcolor="white")

    def legend(self, handles: Sequence[Patch], **style) -> None:
        """Draw the key to colours, below the pictures on the left."""
        ax = self.canvas.axes(self.left, self.key, 3.5, _KEY - 0.04)
        ax.set_axis_off()
        ax.legend(handles=handles, loc="upper left", ncols=len(handles), borderaxespad=0,
                  borderpad=0.3, handlelength=1.2, frameon=bool(style), framealpha=1,
                  fancybox=False, **style)  # fmt: skip


def _broken(text: str, letters: int) -> str:
    """Break text into lines of at most so many letters: at spaces, underscores, within words."""
    lines = []
    for line in text.split("\n"):
        spaced = line
        if len(line) > letters:
            spaced = " ".join(_halved(word, letters) for word in line.replace("_", "_ ").split())
        lines += [part.replace("_ ", "_") for part in textwrap.wrap(spaced, letters)]
    return "\n".join(lines)


def _halved(word: str, letters: int) -> str:
    """Hyphenate a word of more letters, in its middle, so that no single letter is left over."""
    middle = -(-len(word) // 2)
    return f"{word[:middle]}- {word[middle:]}" if letters < len(word) < 2 * letters else word


def _view(one: Slice) -> tuple[float, float, float]:
    """The middle of the brain, row and column, and half of its larger side in mm."""
    brain = region_mask(one.scan.labels, "brain")
    rows, columns = np.nonzero(brain if brain.any() else np.ones_like(brain))
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    height, width = np.ptp(rows) + 2, np.ptp(columns) + 2
    return *middle, max(height * one.pixel[0], width * one.pixel[1]) / 2
