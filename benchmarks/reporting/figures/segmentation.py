"""**Segmentations, true and predicted**, of test patients chosen by a fixed rule, which the
figure states.

The true classes and those that every run found, over FLAIR: the paper's Fig. 5. Of several
segmentors the first is behind every synthesis.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.reporting.drawing.canvas import empty, missing
from benchmarks.reporting.drawing.patients import fullest_slices
from benchmarks.reporting.drawing.pictures import ORIENTATION, WINDOW, PictureGrid
from benchmarks.reporting.drawing.style import styled
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import in_order
from benchmarks.reporting.utilities import first_segmentor
from benchmarks.scoring.regions import BRAIN, CORE, ENHANCING, OEDEMA

NEEDS = ("scores", "predictions")
ORDER = 2

ABREAST = 6  # segmentations side by side, of which one must see more than of a synthesis
CLASSES = {
    CORE: ("necrosis, non-enhancing", "#d55e00"),
    OEDEMA: ("oedema", "#56b4e9"),
    ENHANCING: ("enhancing tumour", "#f0e442"),
}

_COLORS = ListedColormap([color for _, color in CLASSES.values()])
_OVERLAY = WINDOW | {
    "cmap": _COLORS, "vmin": 0.5, "vmax": 3.5, "alpha": 0.8, "interpolation": "nearest",
}  # fmt: skip


@styled()
def figure(results: Results) -> Figure:
    """Draw one row per patient: T1ce, FLAIR, the true classes, then each segmentation."""
    results, segmentor = first_segmentor(results)
    wanted = [row for row in in_order(results.rows) if "segmentation" in row.tasks]
    slices, shown, choice = fullest_slices(results, "seg", wanted, "dice", "wt")
    caption = results.cohort.caption(
        "Segmentations",
        f"Over FLAIR. Predictions as scored: the largest connected component. {ORIENTATION}",
        segmentor,
        choice,
        missing(wanted, [row.run for row in shown], "segmentation"),
    )
    if not slices:
        return empty(caption, "There are no images of test patients.")
    bands = -(-len(shown) // ABREAST) or 1
    per_band = -(-len(shown) // bands) or 1
    starts = range(0, bands * per_band, per_band)
    headings = [["", "", ""] + [row.title for row in shown[i : i + per_band]] for i in starts]
    headings[0][:3] = ["true T1ce", "FLAIR", "truth"]
    grid = PictureGrid(caption, slices, headings)
    for line, one in enumerate(slices):
        grid.axes(line, 0, 0).imshow(one.scan.t1ce, **WINDOW)
        grid.axes(line, 0, 1).imshow(one.scan.flair, **WINDOW)
        _classes(grid.axes(line, 0, 2), one.scan.flair, one.scan.labels)
        for number, row in enumerate(shown):
            band, column = divmod(number, per_band)
            _classes(grid.axes(line, band, 3 + column), one.scan.flair, one.predicted[row.run])
    grid.legend([Patch(color=color, label=name) for name, color in CLASSES.values()])
    return grid.figure


def _classes(ax: Axes, image: np.ndarray, classes: np.ndarray) -> None:
    ax.imshow(image, **WINDOW)
    ax.imshow(np.ma.masked_less_equal(classes, BRAIN), **_OVERLAY)
