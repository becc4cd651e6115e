"""Draw slices side by side, with outlines of regions, scores and keys to colours.

Slices are drawn as radiologists view them, from below: the patient's front is up and the patient's
left is on the right. The store keeps them so, hence nothing is turned here.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from benchmarks.reporting.caption import Caption
from benchmarks.reporting.drawing.canvas import Canvas, letters_in
from benchmarks.reporting.drawing.patients import Slice
from benchmarks.reporting.drawing.style import FONT, PAGE
from benchmarks.scoring.regions import region_mask

TITLES = {"t1": "T1", "t2": "T2", "flair": "FLAIR", "t1ce": "true T1ce"}  # in the store's order
CONTOURS = {"wt": "#56b4e9", "et": "#f0e442"}  # told apart by brightness too
ORIENTATION = "Front up, the patient's left on the right."
MARGIN = 15  # mm around the tumour in a zoom
BAR = 10  # mm, the length of a zoom's scale bar
ABREAST = 8  # the most pictures side by side

# Pictures fill their axes, whose limits give pixels their shape.
WINDOW = {"cmap": "gray", "vmin": -1, "vmax": 1, "interpolation": "bilinear", "aspect": "auto"}

_GAP, _LETTERS, _KEY = 0.02, 0.115, 0.3  # inches: between pictures, per line of text, for the keys
_TITLE, _BELOW = 0.17, 0.07  # inches: for a patient's title, and below a band
_LARGEST, _SMALLEST = 1.12, 0.8  # inches, the side of a picture: 28 and 20 mm
_HIGHEST = 8.9  # inches of a page without its keys
_WRITTEN = [withStroke(linewidth=1.2, foreground="black")]  # text on pictures

Item = TypeVar("Item")


def outline(
    ax: Axes, labels: np.ndarray, contours: Mapping[str, str] = CONTOURS, width: float = 0.6
) -> None:
    """Draw the borders of regions, each in its colour."""
    for region, color in contours.items():
        mask = region_mask(labels, region)
        if mask.any() and not mask.all():
            ax.contour(mask.astype(float), [0.5], colors=[color], linewidths=width)


def write_on(ax: Axes, text: str, corner: str = "lower left") -> None:
    """Write in a corner of a picture."""
    vertical, horizontal = corner.split()
    x, y = {"left": 0.03, "right": 0.97}[horizontal], {"lower": 0.03, "upper": 0.97}[vertical]
    va = {"lower": "bottom", "upper": "top"}[vertical]
    ax.text(x, y, text, transform=ax.transAxes, ha=horizontal, va=va, color="white",
            path_effects=_WRITTEN)  # fmt: skip


def wrapped(items: Sequence[Item], first: int, later: int) -> list[Sequence[Item]]:
    """Divide what stands beside `first` other pictures in the first band and `later` in others.

    There are as few bands as can be, then as few columns.
    """
    for bands in range(1, len(items) + 2):
        for columns in range(max(first, later) + 1, ABREAST + 1):
            room = columns - later
            if columns - first + (bands - 1) * room >= len(items):
                ends = [columns - first + room * band for band in range(bands)]
                starts = [0, *ends]
                return [items[start:end] for start, end in zip(starts, ends, strict=False)]
    raise ValueError(f"{first} and {later} pictures leave no room in {ABREAST} columns")


@dataclass(frozen=True)
class Band:
    """Pictures of one slice side by side: columns of as many lines as the grid has."""

    one: Slice
    headings: Sequence[str]


class PictureGrid:
    """Square pictures: bands of columns, on as many pages as they need.

    All full slices show the same number of mm, enough for the largest brain among them; a zoom
    shows the enhancing tumour, or all tumour where none enhances, and `MARGIN` around it. The
    patient's title is above its first band on a page. `lines` names the lines of a band, and
    `notes` is how many lines of text are below each column.
    """

    def __init__(
        self, caption: Caption, bands: Sequence[Band], lines: Sequence[str], notes: int = 0
    ) -> None:
        self.bands, self.lines, self.notes = bands, lines, notes
        self.views = {id(band.one): _brain(band.one) for band in bands}
        self.half = max(half for *_, half in self.views.values())
        columns = max(len(band.headings) for band in bands)
        self.left = 0.06 + (_LETTERS if any(lines) else 0)
        self.side = min((PAGE - self.left - 0.03) / columns - _GAP, _LARGEST)
        heights = self._arrange()
        if (over := sum(heights) - _HIGHEST) > 0:
            # One page of smaller pictures is better than two.
            smaller = self.side - over / (len(lines) * len(bands)) - 0.005
            if smaller >= _SMALLEST:
                self.side = smaller
                heights = self._arrange()
        self.keys = [height + 0.02 for height in heights]
        self.canvases = [Canvas(PAGE, key + _KEY, caption) for key in self.keys]
        self.figure = self.canvases[0].figure
        self.figure.following = [canvas.figure for canvas in self.canvases[1:]]
        for number, band in enumerate(bands):
            self._label(number, band)

    @property
    def picture(self) -> float:
        """Inches from one picture to the next."""
        return self.side + _GAP

    def _arrange(self) -> list[float]:
        """Give each band its headings and its place; return the height of each page."""
        letters = max(letters_in(self.picture + 0.02, FONT), 8)
        self.headings = [[_broken(text, letters) for text in band.headings] for band in self.bands]
        above = [_LETTERS * max(t.count("\n") + 1 for t in texts) + 0.03 for texts in self.headings]
        body = len(self.lines) * self.picture + self.notes * _LETTERS + _BELOW
        self.places: list[tuple[int, float, bool]] = []  # page, top of the pictures, titled
        page, y = 0, 0.0
        heights = [0.0]
        numbers = groupby(range(len(self.bands)), key=lambda number: id(self.bands[number].one))
        for _, of in numbers:
            group = list(of)
            whole = _TITLE + sum(above[number] + body for number in group)
            together = y + whole > _HIGHEST >= whole
            for place, number in enumerate(group):
                needed = above[number] + body
                if y and ((place == 0 and together) or y + needed > _HIGHEST):
                    page, y = page + 1, 0.0
                    heights.append(0.0)
                titled = place == 0 or y == 0
                y += titled * _TITLE + above[number]
                self.places.append((page, y, titled))
                y += body
                heights[page] = y
        return heights

    def _label(self, number: int, band: Band) -> None:
        """Write the title of the patient, the headings of columns and the names of lines."""
        page, top, titled = self.places[number]
        above = max(text.count("\n") + 1 for text in self.headings[number]) * _LETTERS + 0.03
        if titled:
            text = _broken(band.one.title, letters_in(PAGE - self.left, FONT + 0.5) - 4)
            self._write(page, self.left, top - above - 0.05, text, ha="left", va="bottom",
                        weight="bold", size=FONT + 0.5)  # fmt: skip
        for column, text in enumerate(self.headings[number]):
            self._write(page, self._middle(column), top - 0.03, text, ha="center", va="bottom")
        for line, name in enumerate(self.lines):
            middle = top + line * self.picture + self.side / 2
            self._write(page, self.left / 2, middle, name, ha="center", va="center", rotation=90)

    def write_below(self, number: int, column: int, text: str) -> None:
        """Write below a column of a band."""
        page, top, _ = self.places[number]
        y = top + len(self.lines) * self.picture
        self._write(page, self._middle(column), y, text, ha="center", va="top", linespacing=1.05)

    def _middle(self, column: int) -> float:
        return self.left + column * self.picture + self.side / 2

    def _write(self, page: int, x: float, y: float, text: str, **style) -> None:
        """Write at inches from the left edge and from the body's upper edge."""
        canvas = self.canvases[page]
        canvas.figure.text(x / PAGE, (canvas.top - y) / canvas.height, text, **style)

    def axes(self, number: int, line: int, column: int, zoom: bool = False) -> Axes:
        """Add the axes of a picture, without ticks."""
        (page, top, _), one = self.places[number], self.bands[number].one
        x, y = self.left + column * self.picture, top + line * self.picture
        ax = self.canvases[page].axes(x, y, self.side, self.side)
        ax.spines[:].set_visible(False)
        ax.set_autoscale_on(False)
        ax.set(xticks=[], yticks=[], facecolor="black")
        # The limits are as many mm high as wide; see `aspect` in WINDOW.
        y0, x0, half = _tumour(one, self.half) if zoom else (*self.views[id(one)][:2], self.half)
        height, width = (half / pixel for pixel in one.pixel)
        ax.set(xlim=(x0 - width, x0 + width), ylim=(y0 + height, y0 - height))
        return ax

    def bar(self, colors: ScalarMappable, name: str, ticks: Mapping[float, str] = {}) -> None:
        """Draw the key to a colour scale, below the pictures of each page on the right."""
        for canvas, key in zip(self.canvases, self.keys, strict=True):
            ax = canvas.axes(PAGE - 2.1, key, 1.9, 0.08)
            bar = canvas.figure.colorbar(colors, cax=ax, orientation="horizontal")
            if ticks:
                bar.set_ticks(list(ticks), labels=list(ticks.values()))
            ax.tick_params(pad=1.5, length=2)
            ax.text(-0.03, 0.5, name, transform=ax.transAxes, ha="right", va="center")

    def legend(self, handles: Sequence[Patch], **style) -> None:
        """Draw the key to colours, below the pictures of each page on the left."""
        for canvas, key in zip(self.canvases, self.keys, strict=True):
            ax = canvas.axes(self.left, key, 3.5, _KEY - 0.04)
            ax.set_axis_off()
            ax.legend(handles=handles, loc="upper left", ncols=len(handles), borderaxespad=0,
                      borderpad=0.3, handlelength=1.2, frameon=bool(style), framealpha=1,
                      fancybox=False, **style)  # fmt: skip


def scale_bar(ax: Axes, one: Slice) -> None:
    """Draw `BAR` mm into the lower left corner of a zoom."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    x, y = left + 0.06 * (right - left), low + 0.06 * (high - low)
    ax.plot(
        [x, x + BAR / one.pixel[1]], [y, y], color="white", linewidth=1.5, path_effects=_WRITTEN
    )


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


def _brain(one: Slice) -> tuple[float, float, float]:
    """The middle of the brain, row and column, and half of its larger side in mm."""
    brain = region_mask(one.scan.labels, "brain")
    return _view(one, brain if brain.any() else np.ones_like(brain))


def _tumour(one: Slice, most: float) -> tuple[float, float, float]:
    """The same of the tumour and `MARGIN` around it, at most so many mm."""
    masks = (region_mask(one.scan.labels, region) for region in ("et", "wt", "brain"))
    mask = next((mask for mask in masks if mask.any()), None)
    if mask is None:
        return _brain(one)
    *middle, half = _view(one, mask)
    return *middle, min(half + MARGIN, most)


def _view(one: Slice, mask: np.ndarray) -> tuple[float, float, float]:
    rows, columns = np.nonzero(mask)
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    height, width = np.ptp(rows) + 2, np.ptp(columns) + 2
    return *middle, max(height * one.pixel[0], width * one.pixel[1]) / 2
