"""The figures of slices: syntheses, segmentations, and where an entry looks.

Slices are drawn as radiologists view them, from below: the patient's front is up and the patient's
left is on the right. The store keeps them so, hence nothing is turned here.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.reporting.figures.style import (
    FONT,
    PAGE,
    Cohort,
    Sheet,
    absent,
    empty,
    label,
    letters_in,
    styled,
)
from benchmarks.reporting.rows import System, in_order
from benchmarks.scoring.regions import BRAIN, region_mask

MODALITIES = ("T1", "T2", "FLAIR", "true T1ce")
CONTOURS = {"wt": "#56b4e9", "et": "#f0e442"}
"""Outlines, in colours that are told apart by brightness too."""

CLASSES = {1: ("necrosis, non-enhancing", "#d55e00"), 2: ("oedema", "#56b4e9"),
           3: ("enhancing tumour", "#f0e442")}  # fmt: skip
# Pictures fill their axes, whose limits give pixels their shape.
WINDOW = {"cmap": "gray", "vmin": -1, "vmax": 1, "interpolation": "bilinear", "aspect": "auto"}
ERROR = 0.5
"""The largest error that is told apart, as a share of the grey window."""
ERROR_COLORS = "inferno"

_GAP, _LETTERS, _KEY = 0.02, 0.115, 0.3
_BAND = 8  # syntheses side by side
_ABREAST = 6  # and segmentations, where more is to be seen in a picture


@dataclass(frozen=True)
class Case:
    """One slice of a patient, and what systems made of it.

    Attributes
    ----------
    why : what the patient stands for, e.g. `best`; empty where all are shown.
    pixel : mm from row to row and from column to column.
    images : (4, Y, X) in [-1, 1]: T1, T2, FLAIR, T1ce.
    labels : (Y, X) in -1..3, -1 outside the brain.
    made : by system, (Y, X): its T1ce in [-1, 1], or its classes in 0..3.
    """

    patient: str
    why: str
    z: int
    pixel: tuple[float, float]
    images: np.ndarray
    labels: np.ndarray
    made: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.patient}\n{self.why + ', ' if self.why else ''}slice {self.z}"


@dataclass(frozen=True)
class Gaze:
    """Where a system looks in one slice: weights (modalities, H, W) that sum to 1."""

    system: str
    case: Case
    weights: np.ndarray


@styled()
def fig4_synthesis(
    cohort: Cohort, cases: Sequence[Case], systems: Sequence[System], rule: str
) -> Figure:
    """The paper's Fig. 4: each patient's images, every synthesis, and its error below it.

    `rule` says which patients and slices these are. Ceilings are the true T1ce, so left out.
    """
    what = "Synthesised T1ce"
    wanted = [s for s in in_order(systems) if "synthesis" in s.tasks and s.role != "oracle"]
    shown = _in_all(cases, wanted)
    notes = [
        "One grey window for all images; below each synthesis its absolute error, as a share of "
        "that window. Outlined in the lower lines: the true whole tumour (WT) and enhancing tumour "
        "(ET). Front up, the patient's left on the right.",
        rule,
        absent(wanted, [system.id for system in shown], "synthesis"),
        cohort.description,
    ]
    if not cases:
        return empty(cohort.heading(what), notes, "No patient's images are there.")
    bands = [shown[i : i + _BAND] for i in range(0, len(shown), _BAND)] or [[]]
    headings = [["" for _ in MODALITIES] + [label(system) for system in band] for band in bands]
    headings[0][: len(MODALITIES)] = MODALITIES
    names = [case.name for case in cases]
    grid = _Grid(cohort.heading(what), notes, cases, headings, 2, names)
    for row, case in enumerate(cases):
        for column, image in enumerate(case.images):
            ax = grid.axes(row, 0, column)
            ax.imshow(image, **WINDOW)
        ax = grid.axes(row, 1, 3)
        ax.imshow(case.images[3], **WINDOW)
        _outline(ax, case.labels)
        for number, system in enumerate(shown):
            band, column = divmod(number, _BAND)
            column += len(MODALITIES)
            made = case.made[system.id]
            ax = grid.axes(row, 2 * band, column)
            ax.imshow(made, **WINDOW)
            ax = grid.axes(row, 2 * band + 1, column)
            ax.imshow(np.abs(made - case.images[3]) / 2, **_error())
            _outline(ax, case.labels)
    if shown:
        grid.bar(ScalarMappable(Normalize(0, ERROR), _error()["cmap"]), "absolute error")
    grid.contours()
    return grid.figure


def _in_all(cases: Sequence[Case], systems: Sequence[System]) -> list[System]:
    """Those that made something of every case; none where there is no case."""
    return [s for s in systems if cases and all(s.id in case.made for case in cases)]


def _error() -> dict:
    return WINDOW | {"cmap": ERROR_COLORS, "vmin": 0, "vmax": ERROR}


@styled()
def fig5_segmentation(
    cohort: Cohort, cases: Sequence[Case], systems: Sequence[System], rule: str
) -> Figure:
    """Each patient's true classes and those that every segmenting system found, over FLAIR."""
    what = "Segmentations"
    wanted = [system for system in in_order(systems) if "segmentation" in system.tasks]
    shown = _in_all(cases, wanted)
    notes = [
        "Over FLAIR. Predictions as scored: the largest connected component. Front up, the "
        "patient's left on the right.",
        rule,
        absent(wanted, [system.id for system in shown], "segmentation"),
        cohort.description,
    ]
    if not cases:
        return empty(cohort.heading(what), notes, "No patient's images are there.")
    bands = -(-len(shown) // _ABREAST) or 1
    per_band = -(-len(shown) // bands)
    headings = [
        ["", "", ""] + [label(system) for system in shown[i * per_band : (i + 1) * per_band]]
        for i in range(bands)
    ]
    headings[0][:3] = ["true T1ce", "FLAIR", "truth"]
    names = [case.name for case in cases]
    grid = _Grid(cohort.heading(what), notes, cases, headings, 1, names)
    for row, case in enumerate(cases):
        grid.axes(row, 0, 0).imshow(case.images[3], **WINDOW)
        grid.axes(row, 0, 1).imshow(case.images[2], **WINDOW)
        _classes(grid.axes(row, 0, 2), case.images[2], case.labels)
        for number, system in enumerate(shown):
            band, column = divmod(number, per_band)
            _classes(grid.axes(row, band, 3 + column), case.images[2], case.made[system.id])
    grid.legend([Patch(color=color, label=name) for name, color in CLASSES.values()])
    return grid.figure


def _classes(ax: Axes, image: np.ndarray, classes: np.ndarray) -> None:
    ax.imshow(image, **WINDOW)
    colors = ListedColormap([color for _, color in CLASSES.values()])
    masked = np.ma.masked_less_equal(classes, BRAIN)
    style = {"vmin": 0.5, "vmax": 3.5, "alpha": 0.8, "interpolation": "nearest"}
    ax.imshow(masked, **WINDOW | style | {"cmap": colors})


@styled()
def attention(
    cohort: Cohort, gazes: Sequence[Gaze], systems: Sequence[System], rule: str
) -> Figure:
    """How much weight an entry gives to each modality, over that modality; a row a slice."""
    what = "Attention over the modalities"
    notes = [
        "Weights that the trained entry gives to the three modalities at each place; they sum to "
        "1. Outlined: whole tumour (WT) and enhancing tumour (ET); on the weights WT and, in grey, "
        "the brain. Front up, the patient's left on the right.",
        rule,
        cohort.description,
    ]
    if not gazes:
        return empty(cohort.heading(what), notes, "No trained entry offers its attention.")
    count = len(gazes[0].weights)
    names = {system.id: label(system) for system in systems}
    headings = [
        MODALITIES[3],
        *(head for name in MODALITIES[:count] for head in (name, f"weight of {name}")),
    ]
    rows = [f"{names[gaze.system]}\n{gaze.case.name}" for gaze in gazes]
    cases = [gaze.case for gaze in gazes]
    grid = _Grid(cohort.heading(what), notes, cases, [headings], 1, rows)
    scale = {"cmap": "cividis", "norm": Normalize(0, 1)}
    for row, gaze in enumerate(gazes):
        ax = grid.axes(row, 0, 0)
        ax.imshow(gaze.case.images[3], **WINDOW)
        _outline(ax, gaze.case.labels)
        height, width = gaze.case.labels.shape
        for modality in range(count):
            image = gaze.case.images[modality]
            grid.axes(row, 0, 1 + 2 * modality).imshow(image, **WINDOW)
            ax = grid.axes(row, 0, 2 + 2 * modality)
            ax.imshow(gaze.weights[modality], extent=(-0.5, width - 0.5, height - 0.5, -0.5),
                      interpolation="nearest", aspect="auto", **scale)  # fmt: skip
            _outline(ax, gaze.case.labels, {"wt": CONTOURS["wt"], "brain": "0.6"})
    grid.bar(ScalarMappable(scale["norm"], scale["cmap"]), "weight", ticks=[0, 1 / count, 1],
             ticklabels=["0", f"1/{count}", "1"])  # fmt: skip
    grid.contours()
    return grid.figure


def _outline(ax: Axes, labels: np.ndarray, contours: Mapping[str, str] = CONTOURS) -> None:
    for region, color in contours.items():
        mask = region_mask(labels, region)
        if mask.any() and not mask.all():
            ax.contour(mask.astype(float), [0.5], colors=[color], linewidths=0.6)


class _Grid:
    """Square pictures side by side: a row of them a patient, with lines of them within a row.

    All pictures show as many mm, enough for the largest brain among them.

    Parameters
    ----------
    headings : what stands above the columns, once for each band of `depth` lines.
    names : what stands beside each row.
    """

    def __init__(
        self,
        title: str,
        notes: Sequence[str],
        cases: Sequence[Case],
        headings: Sequence[Sequence[str]],
        depth: int,
        names: Sequence[str],
    ):
        columns = max(len(band) for band in headings)
        self.cases, self.depth = cases, depth
        self.views = [_view(case) for case in cases]
        self.half = max(half for *_, half in self.views)
        lines = depth * len(headings)
        # Long names take more lines beside small pictures, and leave them less room.
        self._measure(columns, 2)
        lengths = [letters_in(lines * self.picture, FONT) + 1, 12]
        written = [_broken(name, max(lengths)) for name in names]
        self._measure(columns, max(name.count("\n") + 1 for name in written))
        letters = max(letters_in(self.cell, FONT), 8)
        above = [[_broken(text, letters) for text in band] for band in headings]
        self.above = [_LETTERS * max(t.count("\n") + 1 for t in band) + 0.03 for band in above]
        # A single band's headings are read from any row; of several, every row has its own.
        self.repeated = len(headings) > 1
        self.block = lines * self.picture + 0.06 + self.repeated * sum(self.above)
        self.sheet = Sheet(PAGE, self._key() + _KEY, title, notes)
        self.figure = self.sheet.figure
        for row, name in enumerate(written):
            middle = (self._top(row, 0) + self._top(row, lines - 1) + self.cell) / 2
            self._write(self.side / 2, middle, name, rotation=90, va="center")
        for row, (band, texts) in product(range(len(cases)), enumerate(above)):
            for column, text in enumerate(texts if row == 0 or self.repeated else []):
                x = self.side + column * self.picture + self.cell / 2
                self._write(x, self._top(row, band * depth) - 0.03, text, va="bottom")

    def _measure(self, columns: int, lines: int) -> None:
        """The room for names of so many lines, and the size of a picture."""
        self.side = 0.08 + lines * _LETTERS
        self.cell = min((PAGE - self.side - 0.03) / columns - _GAP, 1.1)
        self.picture = self.cell + _GAP

    def _write(self, x: float, y: float, text: str, **style) -> None:
        """At inches from the left edge and from the body's upper edge."""
        sheet = self.sheet
        self.figure.text(x / PAGE, (sheet.top - y) / sheet.height, text, ha="center", **style)

    def _top(self, row: int, line: int) -> float:
        """Inches from the body's upper edge to a picture's."""
        bands = line // self.depth + 1 if self.repeated else None
        return row * self.block + sum(self.above[:bands]) + line * self.picture

    def axes(self, row: int, line: int, column: int) -> Axes:
        """The place for a picture, without ticks."""
        x = self.side + column * self.picture
        ax = self.sheet.axes(x, self._top(row, line), self.cell, self.cell)
        dy, dx = self.cases[row].pixel
        y0, x0, _ = self.views[row]
        ax.set_facecolor("black")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_autoscale_on(False)
        # The limits are as many mm high as wide; see `aspect` in WINDOW.
        ax.set(xlim=(x0 - self.half / dx, x0 + self.half / dx))
        ax.set(ylim=(y0 + self.half / dy, y0 - self.half / dy))
        return ax

    def _key(self) -> float:
        """Inches from the body's upper edge to the keys."""
        headings = 0 if self.repeated else sum(self.above)
        return headings + len(self.cases) * self.block + 0.02

    def bar(self, colors: ScalarMappable, name: str, **ticks) -> None:
        """The key to a colour scale, below the pictures on the right."""
        ax = self.sheet.axes(PAGE - 2.1, self._key(), 1.9, 0.08)
        bar = self.figure.colorbar(colors, cax=ax, orientation="horizontal", **{
            key: value for key, value in ticks.items() if key == "ticks"})  # fmt: skip
        if "ticklabels" in ticks:
            bar.set_ticklabels(ticks["ticklabels"])
        ax.tick_params(pad=1.5, length=2)
        ax.text(-0.03, 0.5, name, transform=ax.transAxes, ha="right", va="center")

    def contours(self) -> None:
        """The key to the outlines, on the grey that they stand out from."""
        patches = [Patch(fill=False, edgecolor=c, label=r.upper()) for r, c in CONTOURS.items()]
        self.legend(patches, facecolor="0.35", labelcolor="white")

    def legend(self, handles: Sequence[Patch], **style) -> None:
        """The key to colours, below the pictures on the left."""
        ax = self.sheet.axes(self.side, self._key(), 3.5, _KEY - 0.04)
        ax.set_axis_off()
        ax.legend(handles=handles, loc="upper left", ncols=len(handles), borderaxespad=0,
                  borderpad=0.3, handlelength=1.2, frameon=bool(style), framealpha=1,
                  fancybox=False, **style)  # fmt: skip


def _broken(text: str, letters: int) -> str:
    """Lines of at most so many letters, broken at spaces, and at underscores where it must be."""
    lines = []
    for line in text.split("\n"):
        spaced = line if len(line) <= letters else line.replace("_", "_ ")
        lines += [part.replace("_ ", "_") for part in textwrap.wrap(spaced, letters)]
    return "\n".join(lines)


def _view(case: Case) -> tuple[float, float, float]:
    """The middle of the brain, row and column, and half of its larger side in mm."""
    brain = region_mask(case.labels, "brain")
    rows, columns = np.nonzero(brain if brain.any() else np.ones_like(brain))
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    height, width = np.ptp(rows) + 2, np.ptp(columns) + 2
    return *middle, max(height * case.pixel[0], width * case.pixel[1]) / 2
