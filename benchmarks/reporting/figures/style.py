"""How every figure looks: sizes, fonts, the colour of each system, title, footer, and files."""

import colorsys
import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from benchmarks.files import write_atomically
from benchmarks.reporting.rows import System

COLUMN, PAGE = 3.5, 7.16
"""Widths in inches of one and of two columns of a journal's page."""

FONT = 7
"""Points, of the smallest text; figures are printed at the width that they are made for."""

DPI = 300
ENDS = (".png", ".pdf")

STYLE = {
    "font.family": "DejaVu Sans",  # matplotlib ships it, so every machine draws the same letters
    "font.size": FONT,
    "axes.titlesize": FONT + 0.5,
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT,
    "ytick.labelsize": FONT,
    "legend.fontsize": FONT,
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
# As many as are coprime with the palette's: colour and marker together repeat after 90 systems.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
FLOOR, CEILING = "#808080", "#000000"

_LINE, _HEADING = 0.125, 0.16  # inches from one line of text to the next
_MARGIN = 0.05


@dataclass(frozen=True)
class Cohort:
    """Who is drawn.

    Attributes
    ----------
    title : a few words, for the figure's title.
    description : whole sentences, for its footer.
    simulated : whether no real patient is among them, which the title then says.
    """

    title: str
    description: str
    simulated: bool

    def heading(self, what: str) -> str:
        name = self.title[:1].upper() + self.title[1:]
        return f"{what}. {name}{', SIMULATED patients' if self.simulated else ''}"


@dataclass(frozen=True)
class Look:
    """How a system is drawn in every figure."""

    color: str
    marker: str


@contextmanager
def styled() -> Iterator[None]:
    """The figures' style, whatever the user's own settings of matplotlib are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def generator(system: str) -> str:
    """What made the T1ce of a system: `cutgan` for `cutgan+unet`; alone, the system itself."""
    return system.partition("+")[0]


def looks(systems: Sequence[System]) -> dict[str, Look]:
    """Each system's look, by its id; it follows from the list alone, whichever of them are drawn.

    A generator and the segmentor behind it look the same. Floors are grey and ceilings black.
    """
    made: dict[str, Look] = {}
    entries = 0
    for system in systems:
        first = generator(system.id)
        if first in made:
            continue
        if system.role == "entry":
            shade = 0.6 ** (entries // len(PALETTE))
            color = _darker(PALETTE[entries % len(PALETTE)], shade)
            made[first] = Look(color, MARKERS[entries % len(MARKERS)])
            entries += 1
        else:
            made[first] = Look(FLOOR, "*") if system.role == "floor" else Look(CEILING, "h")
    return {system.id: made[generator(system.id)] for system in systems}


def _darker(color: str, share: float) -> str:
    hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(color))
    return to_hex(colorsys.hls_to_rgb(hue, lightness * share, saturation))


def label(system: System) -> str:
    """A system's name as its row has it."""
    return {"floor": "floor: ", "entry": "", "oracle": "ceiling: "}[system.role] + system.label


def absent(systems: Sequence[System], drawn: Sequence[str], what: str) -> str:
    """On the systems that a figure lacks, a sentence for each reason."""
    by_reason: dict[str, list[str]] = {}
    for system in systems:
        if system.id not in drawn:
            reason = f"failed: {system.failure}" if system.failure else "not run here"
            by_reason.setdefault(reason, []).append(system.label)
    return " ".join(
        f"Without {what} ({textwrap.shorten(reason, 90, placeholder='…')}): {'; '.join(labels)}."
        for reason, labels in by_reason.items()
    )


class Sheet:
    """A figure with a title above and a footer below its body.

    Attributes
    ----------
    figure : of the given width; as high as title, body and footer need.
    top, bottom : where the body ends, in inches from the figure's lower edge.
    """

    def __init__(self, width: float, height: float, title: str, notes: Sequence[str]):
        heading = textwrap.wrap(title, letters_in(width, FONT + 1))
        footer = textwrap.wrap(" ".join(note for note in notes if note), letters_in(width, FONT))
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
        """The figure; axes that are added to it fill the body without touching each other.

        `spare` inches at the body's lower edge are left free.
        """
        low = self.bottom + spare
        bounds = (0, low / self.height, 1, (self.top - low) / self.height)
        self.figure.set_layout_engine("constrained", rect=bounds, h_pad=0.03, w_pad=0.03)
        return self.figure

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes at a place in inches, from the body's upper left corner down to their own."""
        low = self.top - y - height
        return self.figure.add_axes(
            (x / self.width, low / self.height, width / self.width, height / self.height)
        )


def letters_in(width: float, size: float) -> int:
    """How many letters of `size` points a line of `width` inches has room for."""
    return int((width - 2 * _MARGIN) * 72 / (0.545 * size))


def empty(title: str, notes: Sequence[str], why: str) -> Figure:
    """A figure that says why there is nothing to see."""
    sheet = Sheet(COLUMN, 0.7, title, notes)
    axes = sheet.axes(0, 0, COLUMN, 0.7)
    axes.set_axis_off()
    axes.text(0.5, 0.5, "\n".join(textwrap.wrap(why, 55)), ha="center", va="center")
    return sheet.figure


def settle(figure: Figure) -> Figure:
    """Lay the figure out once and for all: it is drawn more than once."""
    # The first pass chooses the ticks, the second makes room for their labels.
    for _ in range(2):
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.autoscale(False)
    return figure


def direct_labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    levels: Mapping[str, float] | None = None,
) -> None:
    """Write a name beside each point, where it covers neither points nor other names.

    The layout must be settled. Each text goes to the free place that is nearest; where none is
    free, to the least covered one. What had to go further off gets a line to its point. `levels`
    are heights of horizontal lines, by their names.
    """
    renderer = axes.figure.canvas.get_renderer()
    frame = tuple(axes.get_window_extent(renderer).extents)
    unit = axes.figure.dpi / 72
    dots = axes.transData.transform(points) if points else np.empty((0, 2))
    marks = [(x - 4 * unit, y - 4 * unit, x + 4 * unit, y + 4 * unit) for x, y in dots]
    names: list[Artist] = [axes.text(0, 0, text, ha="left", va="bottom") for text in texts]
    sizes = [name.get_window_extent(renderer) for name in names]
    lines = []
    for text, height in (levels or {}).items():
        name = axes.text(0, 0, text, color="0.25", ha="left", va="bottom")
        size = name.get_window_extent(renderer)
        y = axes.transData.transform((axes.get_xlim()[0], height))[1]
        places = _along(frame, y, size.width, size.height, unit)
        box = min(places, key=lambda box: _covered(box, marks + lines, frame))
        lines.append(box)
        name.set_position(axes.transData.inverted().transform(box[:2]))

    chosen: dict[int, tuple[float, tuple]] = {}
    for number in [*range(len(dots))] * 2:  # again, now that all others have their places
        (x, y), size = dots[number], sizes[number]
        others = [box for other, (_, box) in chosen.items() if other != number]
        rivals = dots[np.hypot(*(dots - (x, y)).T) > 0.1]

        def cost(place, taken=(*marks, *lines, *others), rivals=rivals):
            mistaken = 60 * unit**2 * _mistaken(*place, rivals, unit)
            return 4 * _covered(place[1], taken, frame) + mistaken + place[0] * unit

        chosen[number] = min(_places(x, y, size.width, size.height, unit), key=cost)
    for number, (distance, box) in chosen.items():
        x, y = dots[number]
        names[number].set_position(axes.transData.inverted().transform(box[:2]))
        if distance > 6:
            near = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
            ends = axes.transData.inverted().transform([(x, y), near])
            axes.plot(*ends.T, color="0.6", linewidth=0.4, zorder=1)


def _along(
    frame: tuple, y: float, width: float, height: float, unit: float
) -> Iterator[tuple[float, float, float, float]]:
    """Boxes for a text along a horizontal line, above it and below."""
    left, right = frame[0] + 2 * unit, frame[2] - 2 * unit - width
    for low in (y + unit, y - unit - height):
        for x in (right, left, (left + right) / 2):
            yield (x, low, x + width, low + height)


def _places(
    x: float, y: float, width: float, height: float, unit: float
) -> Iterator[tuple[float, tuple[float, float, float, float]]]:
    """Boxes for a text about a point, with their distance from it in points."""
    for distance in (4, 9, 15, 22, 30, 40):
        away = distance * unit
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            left = x + dx * away + (dx - 1) / 2 * width
            low = y + dy * away + (dy - 1) / 2 * height
            yield distance, (left, low, left + width, low + height)


def _mistaken(distance: float, box: tuple, rivals: np.ndarray, unit: float) -> int:
    """How many other points a text would seem to belong to: those as near as its own."""
    away = np.maximum(np.maximum(box[:2] - rivals, rivals - box[2:]), 0)
    return int((np.hypot(*away.T) < (distance + 2) * unit).sum())


def _covered(box: tuple, taken: Sequence[tuple], frame: tuple) -> float:
    """How much of a box others cover, or lies outside the axes; in square pixels."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    inside = _overlap(box, frame)
    return 3 * (area - inside) + sum(_overlap(box, other) for other in taken)


def _overlap(one: tuple, other: tuple) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write <name>.png and <name>.pdf, the same bytes for the same figure; the paths."""
    paths = [folder / f"{name}{end}" for end in ENDS]
    without_date = {
        ".png": {"Software": None},
        ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    }
    for path in paths:
        content = io.BytesIO()
        with styled():
            figure.savefig(content, format=path.suffix[1:], metadata=without_date[path.suffix])
        with write_atomically(path) as file:
            file.write(content.getvalue())
    return paths
