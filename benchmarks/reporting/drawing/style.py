"""How all figures look: sizes, fonts, and the colour and marker of each run."""

import colorsys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import matplotlib
from matplotlib.colors import to_hex, to_rgb

from benchmarks.reporting.rows import Row

COLUMN, PAGE = 3.5, 7.16  # inches: the width of one and of two columns of a journal's page
FONT = 7  # points, of the smallest text; figures are printed at the width they are made for
DPI = 300

STYLE = {
    "font.family": "DejaVu Sans",  # matplotlib ships it, so every machine draws the same letters
    **dict.fromkeys(
        ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"),
        FONT,
    ),
    "text.parse_math": False,  # a title with two dollar signs is no formula
    "axes.titlesize": FONT + 0.5,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.color": "0.88",
    "lines.linewidth": 1.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "pdf.fonttype": 42,  # TrueType, which journals ask for: text stays text
    "savefig.dpi": DPI,
}

# seaborn's `colorblind` without its grey, which is the floor's; the palest come last.
PALETTE = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#56b4e9", "#ca9161", "#fbafe4",
    "#ece133",
)  # fmt: skip
# As many as are coprime with the palette's: colour and marker together repeat after 90 methods.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")


@dataclass(frozen=True)
class Style:
    """How a run is drawn in every figure."""

    color: str
    marker: str

    @property
    def points(self) -> dict[str, object]:
        """Settings of `Axes.plot` for this run's markers, without a line between them."""
        return {"color": self.color, "marker": self.marker, "linestyle": "none"}


CONTROLS = {"floor": Style("#808080", "*"), "ceiling": Style("#000000", "h")}  # by role


@contextmanager
def styled() -> Iterator[None]:
    """Set the figures' style, whatever the user's own settings of matplotlib are.

    Decorate each figure function with `@styled()`.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def styles(rows: Sequence[Row]) -> dict[str, Style]:
    """Return the style of each run, which follows from all rows, whichever of them are drawn.

    A generator and the segmentor behind it look the same. Floors are grey and ceilings black.
    """
    by_generator: dict[str, Style] = {}
    places = count()
    for row in rows:
        first = row.run.partition("+")[0]  # `cutgan` of `cutgan+unet`
        if first not in by_generator:
            by_generator[first] = CONTROLS.get(row.role) or _style(next(places))
    return {row.run: by_generator[row.run.partition("+")[0]] for row in rows}


def _style(place: int) -> Style:
    """The style of the `place`-th method, from 0."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(PALETTE[place % len(PALETTE)]))
    lightness *= 0.6 ** (place // len(PALETTE))
    color = to_hex(colorsys.hls_to_rgb(hue, lightness, saturation))
    return Style(color, MARKERS[place % len(MARKERS)])
