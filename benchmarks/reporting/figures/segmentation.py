"""**Segmentations, true and predicted**, of test patients chosen by a fixed rule, which the
figure states.

The true classes and those that every run found, in the slice and in the tumour: the paper's Fig. 5.
Of several segmentors the first is behind every synthesis.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from benchmarks.reporting.drawing.canvas import empty, missing
from benchmarks.reporting.drawing.patients import Slice, fullest_slices, scored
from benchmarks.reporting.drawing.pictures import (
    BAR,
    MARGIN,
    ORIENTATION,
    WINDOW,
    Band,
    PictureGrid,
    outline,
    scale_bar,
    wrapped,
    write_on,
)  # fmt: skip
from benchmarks.reporting.drawing.style import styled
from benchmarks.reporting.formatting import number
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import in_order
from benchmarks.reporting.utilities import first_segmentor, synthesis_titles
from benchmarks.scoring.regions import BRAIN, CORE, ENHANCING, OEDEMA

NEEDS = ("scores", "predictions", "patients")
ORDER = 2

CLASSES = {
    CORE: ("necrosis, non-enhancing", "#d55e00"),
    OEDEMA: ("oedema", "#56b4e9"),
    ENHANCING: ("enhancing tumour", "#f0e442"),
}

_REFERENCES = ("truth", "true T1ce", "FLAIR")
_COLORS = ListedColormap([color for _, color in CLASSES.values()])
_OVERLAY = WINDOW | {
    "cmap": _COLORS, "vmin": 0.5, "vmax": 3.5, "alpha": 0.7, "interpolation": "nearest",
}  # fmt: skip


@styled()
def figure(results: Results) -> Figure:
    """Draw bands of columns for each patient: the slice and the tumour of each segmentation."""
    results, segmentor = first_segmentor(results)
    wanted = [row for row in in_order(results.rows) if "segmentation" in row.tasks]
    slices, shown, choice = fullest_slices(results, "seg", wanted)
    titles, behind = synthesis_titles(results)
    caption = results.cohort.caption(
        "Segmentations",
        f"Slices over FLAIR; below them the enhancing tumour (ET) with {MARGIN} mm around it, over "
        f"the true T1ce (bar: {BAR} mm). White line: the true ET. Number: the patient's Dice ET, "
        f"protocol {results.protocol}. Predictions as scored: the largest connected component. "
        f"{ORIENTATION}",
        behind,
        segmentor,
        choice,
        missing(wanted, [row.run for row in shown], "segmentation"),
    )
    if not slices:
        return empty(caption, "There are no images of test patients.")
    bands, of_band = [], []
    for one in slices:
        for place, rows in enumerate(wrapped(shown, len(_REFERENCES), 1)):
            references = _REFERENCES[: 1 if place else None]
            bands.append(Band(one, [*references, *(titles[row.run] for row in rows)]))
            of_band.append(rows)
    dice = scored(results, "dice", "et")
    grid = PictureGrid(caption, bands, ("slice", "tumour"))
    for place, (band, rows) in enumerate(zip(bands, of_band, strict=True)):
        one, references = band.one, len(band.headings) - len(rows)
        zoom = _classes(grid, place, 0, one.scan.labels)
        scale_bar(zoom, one)
        for column, image in enumerate((one.scan.t1ce, one.scan.flair)[: references - 1], start=1):
            grid.axes(place, 0, column).imshow(image, **WINDOW)
            grid.axes(place, 1, column, zoom=True).imshow(image, **WINDOW)
        for column, row in enumerate(rows, start=references):
            zoom = _classes(grid, place, column, one.predicted[row.run])
            _outlined(zoom, one)
            value = dice.get((row.run, one.patient), np.nan)
            write_on(zoom, number(value, "dice", 2), "lower right")
    grid.legend([Patch(color=color, label=name) for name, color in CLASSES.values()])
    return grid.figure


def _classes(grid: PictureGrid, place: int, column: int, classes: np.ndarray) -> Axes:
    """Draw classes over the slice and over the tumour; return the latter's axes."""
    scan = grid.bands[place].one.scan
    zoom = grid.axes(place, 1, column, zoom=True)
    for ax, image in ((grid.axes(place, 0, column), scan.flair), (zoom, scan.t1ce)):
        ax.imshow(image, **WINDOW)
        ax.imshow(np.ma.masked_less_equal(classes, BRAIN), **_OVERLAY)
    return zoom


def _outlined(ax: Axes, one: Slice) -> None:
    """Outline the true ET in white with black, which is seen on all classes and on grey."""
    outline(ax, one.scan.labels, {"et": "white"}, width=0.4)
    for lines in ax.collections:
        lines.set_path_effects([withStroke(linewidth=0.9, foreground="black")])
