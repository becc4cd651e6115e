"""**T1ce, true and synthesised**, of test patients chosen by a fixed rule, which the figure states.

Every synthesis, the tumour in it and its error, beside the true T1ce and the patient's other
images: the paper's Fig. 4. Ceilings are the true T1ce, so they are left out.
"""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

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
from benchmarks.reporting.formatting import number, title
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, in_order
from benchmarks.scoring.metric import read_metrics

NEEDS = ("scores", "predictions", "patients")
ORDER = 1

ERROR = 0.5  # ends of the error's colour scale, as a share of the grey window
PRINTED = (("ssim", "et"), ("psnr", "brain"))  # below each synthesis
ET = {"et": "#56b4e9"}  # thin and blue, which no grey value is

_REFERENCES = ("true T1ce", "FLAIR")  # with T1 and T2 below them, in the line of errors
_ERRORS = WINDOW | {"cmap": "RdBu_r", "vmin": -ERROR, "vmax": ERROR}


@styled()
def figure(results: Results) -> Figure:
    """Draw bands of columns for each patient: slice, tumour and error of each synthesis."""
    synthesising = [row for row in in_order(results.rows) if "synthesis" in row.tasks]
    wanted = [row for row in synthesising if row.role != "ceiling"]
    slices, predicted, choice = fullest_slices(results, "t1ce", wanted)
    shown = [row for row in predicted if not _is_constant(row, slices)]
    constant = ", ".join(row.label for row in predicted if row not in shown)
    caption = results.cohort.caption(
        "Synthesised T1ce",
        "All images have the same grey window. Below each slice is the enhancing tumour with "
        f"{MARGIN} mm around it, outlined in all but the true T1ce (bar: {BAR} mm), and the error, "
        "synthesis minus truth, as a share of the window: red is too bright, blue too dark. Each "
        "volume is scaled by its own percentiles, so that copied T1 differs from T1ce in all of "
        "the brain. Numbers: the patient's scores, protocol "
        f"{results.protocol}. {ORIENTATION}",
        choice,
        f"One grey value everywhere, thus not shown: {constant}." if constant else "",
        missing(wanted, [row.run for row in predicted], "synthesis"),
    )
    if not slices:
        return empty(caption, "There are no images of test patients.")
    bands, of_band = [], []
    for one in slices:
        for place, rows in enumerate(wrapped(shown, len(_REFERENCES), 1)):
            references = _REFERENCES[: 1 if place else None]
            bands.append(Band(one, [*references, *(row.title for row in rows)]))
            of_band.append(rows)
    printed = {column: scored(results, *column) for column in PRINTED}
    grid = PictureGrid(caption, bands, ("slice", "tumour", "error"), notes=len(PRINTED))
    for place, (band, rows) in enumerate(zip(bands, of_band, strict=True)):
        one, references = band.one, len(band.headings) - len(rows)
        _reference(grid, place, 0, one, one.scan.t1ce, ("T1", one.scan.images[0]))
        if references > 1:
            _reference(grid, place, 1, one, one.scan.flair, ("T2", one.scan.images[1]))
        for column, row in enumerate(rows, start=references):
            synthesis = one.predicted[row.run]
            _images(grid, place, column, one, synthesis)
            errors = (synthesis - one.scan.t1ce) / 2
            ax = grid.axes(place, 2, column)
            ax.set_facecolor("white")
            ax.imshow(errors, **_ERRORS)
            grid.write_below(place, column, _scores(printed, row.run, one.patient))
    if shown:
        grid.bar(ScalarMappable(Normalize(-ERROR, ERROR), _ERRORS["cmap"]), "error")
    return grid.figure


def _is_constant(row: Row, slices: list[Slice]) -> bool:
    return not any(np.ptp(one.predicted[row.run]) for one in slices)


def _images(grid: PictureGrid, place: int, column: int, one: Slice, image: np.ndarray) -> None:
    """Draw a slice and the tumour in it."""
    grid.axes(place, 0, column).imshow(image, **WINDOW)
    zoom = grid.axes(place, 1, column, zoom=True)
    zoom.imshow(image, **WINDOW)
    if column:
        outline(zoom, one.scan.labels, ET, width=0.5)
    else:  # the true T1ce, whose enhancement no line covers
        scale_bar(zoom, one)


def _reference(
    grid: PictureGrid, place: int, column: int, one: Slice, image: np.ndarray,
    third: tuple[str, np.ndarray],
) -> None:  # fmt: skip
    """Draw a true image, and another one in the line of errors."""
    _images(grid, place, column, one, image)
    ax = grid.axes(place, 2, column)
    ax.imshow(third[1], **WINDOW)
    write_on(ax, third[0], "upper left")


def _scores(printed: dict, run: str, patient: str) -> str:
    lines = []
    for (metric, region), values in printed.items():
        unit = read_metrics()[metric].unit
        digits = 2 if metric == "ssim" else 1
        value = round(values.get((run, patient), np.nan), digits) + 0.0  # -0.00 is 0.00
        lines.append(f"{title(metric, region)} {number(value, metric, digits)} {unit}".strip())
    return "\n".join(lines)
