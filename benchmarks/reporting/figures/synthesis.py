"""**T1ce, true and synthesised**, of test patients chosen by a fixed rule, which the figure states.

Each patient's images, every synthesis, and its error below it: the paper's Fig. 4. Ceilings are the
true T1ce, so they are left out.
"""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from benchmarks.reporting.drawing.canvas import empty, missing
from benchmarks.reporting.drawing.patients import fullest_slices
from benchmarks.reporting.drawing.pictures import ORIENTATION, TITLES, WINDOW, PictureGrid, outline
from benchmarks.reporting.drawing.style import styled
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import in_order
from benchmarks.scoring.protocol import load_protocol

NEEDS = ("scores", "predictions")
ORDER = 1

ERROR = 0.5  # end of the error's colour scale, as a share of the grey window
ABREAST = 8  # syntheses side by side

_ERRORS = WINDOW | {"cmap": "inferno", "vmin": 0, "vmax": ERROR}


@styled()
def figure(results: Results) -> Figure:
    """Draw one row per patient: four modalities, then each synthesis with its error below."""
    synthesising = [row for row in in_order(results.rows) if "synthesis" in row.tasks]
    wanted = [row for row in synthesising if row.role != "ceiling"]
    rules = load_protocol(results.protocol).synthesis
    region = "brain" if rules is None or "brain" in rules.regions else rules.regions[0]
    slices, shown, choice = fullest_slices(results, "t1ce", wanted, "ssim", region)
    caption = results.cohort.caption(
        "Synthesised T1ce",
        "All images have the same grey window; below each synthesis is its absolute error, as a "
        "share of that window. Outlined in the lower lines: the true whole tumour (WT) and "
        f"enhancing tumour (ET). {ORIENTATION}",
        choice,
        missing(wanted, [row.run for row in shown], "synthesis"),
    )
    if not slices:
        return empty(caption, "There are no images of test patients.")
    bands = [shown[i : i + ABREAST] for i in range(0, len(shown), ABREAST)] or [[]]
    headings = [["" for _ in TITLES] + [row.title for row in band] for band in bands]
    headings[0][: len(TITLES)] = TITLES.values()
    grid = PictureGrid(caption, slices, headings, depth=2)
    for line, one in enumerate(slices):
        for column, image in enumerate(one.scan.images):
            grid.axes(line, 0, column).imshow(image, **WINDOW)
        ax = grid.axes(line, 1, len(TITLES) - 1)
        ax.imshow(one.scan.t1ce, **WINDOW)
        outline(ax, one.scan.labels)
        for number, row in enumerate(shown):
            band, column = divmod(number, ABREAST)
            synthesis = one.predicted[row.run]
            grid.axes(line, 2 * band, len(TITLES) + column).imshow(synthesis, **WINDOW)
            ax = grid.axes(line, 2 * band + 1, len(TITLES) + column)
            ax.imshow(np.abs(synthesis - one.scan.t1ce) / 2, **_ERRORS)
            outline(ax, one.scan.labels)
    if shown:
        grid.bar(ScalarMappable(Normalize(0, ERROR), _ERRORS["cmap"]), "absolute error")
    grid.contours()
    return grid.figure
