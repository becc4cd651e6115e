"""**Do the methods do as well in every subgroup?** Means of the test patients of each grade, and of
those with little and much enhancing tumour (ET), as in Table XI.

One column of panels per kind of subgroup, one point per method and subgroup.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.drawing.axes import draw_keys, keys_height, keys_of
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, letters_in, missing
from benchmarks.reporting.drawing.style import FONT, PAGE, Style, styled, styles
from benchmarks.reporting.formatting import axis_title
from benchmarks.reporting.measures import Column
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.subgroups import KINDS, Subgroup, by_subgroup, subgroups
from benchmarks.reporting.utilities import first_segmentor

NEEDS = ("scores", "patients")
ORDER = 7

PANELS: dict[Column, str] = {("psnr", "brain"): "", ("dice", "et"): "retrained"}  # with utility
SPREAD = 0.7  # of the distance between two subgroups, which the points of one take up


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per kind and metric, whose points stand apart by method."""
    groups, cells = subgroups(results), by_subgroup(results)
    results, segmentor = first_segmentor(results)
    cells = cells[cells["run"].isin([row.run for row in results.rows])]
    frames = {column: _shown(cells, column, utility) for column, utility in PANELS.items()}
    frames = {column: frame for column, frame in frames.items() if len(frame)}
    drawn = {run for frame in frames.values() for run in frame["run"]}
    expected = [row for row in results.rows if row.tasks and _is_drawn(row)]
    caption = results.cohort.caption(
        "Scores by subgroup",
        f"Protocol {results.protocol}. Means over the n patients of a subgroup, with 95 % "
        "intervals where a mean is of two or more; the subgroups are not compared by a test. "
        "Volume of the enhancing tumour: in the truth. The ceiling's synthesis is the reference "
        "itself and not drawn.",
        missing(expected, drawn, "scores"),
        segmentor,
    )
    if not frames:
        return empty(caption, "No grade is known, and too few patients have any ET.")
    kinds = {kind: [group for group in groups if group.kind == kind] for kind in KINDS}
    kinds = {kind: of for kind, of in kinds.items() if of}
    keys = keys_of(results.rows, drawn)
    canvas = Canvas(PAGE, 1.75 * len(frames) + 0.4 + keys_height(keys), caption)
    drawing = canvas.arrange(spare=keys_height(keys))
    widths = [len(of) for of in kinds.values()]
    axes = drawing.subplots(
        len(frames), len(kinds), squeeze=False, sharex="col", sharey="row", width_ratios=widths
    )
    for line, (column, frame) in zip(axes, frames.items(), strict=True):
        for ax, (kind, of) in zip(line, kinds.items(), strict=True):
            _draw(ax, of, frame[frame["kind"] == kind], styles(results.rows))
        line[0].set_ylabel(f"{axis_title(*column)}  → better")
    letters = letters_in(PAGE / sum(widths), FONT) - 2
    for ax, (kind, of) in zip(axes[0], kinds.items(), strict=True):
        ax.set_title(KINDS[kind], loc="left", weight="bold")
        ax.set_xticks(range(len(of)), [_broken(group, letters) for group in of])
    draw_keys(canvas, keys)
    return finish(drawing)


def _is_drawn(row: Row) -> bool:
    return row.role != "ceiling" or "segmentation" in row.tasks


def _shown(cells: pd.DataFrame, column: Column, utility: str) -> pd.DataFrame:
    here = (cells["metric"] == column[0]) & (cells["region"] == column[1])
    reference = (cells["role"] == "ceiling") & (cells["utility"] == "")
    of = cells[here & (cells["utility"] == utility) & ~reference]
    return of[np.isfinite(of["mean"].astype(float))]


def _draw(
    ax: Axes, groups: Sequence[Subgroup], cells: pd.DataFrame, style: Mapping[str, Style]
) -> None:
    """Draw the points of each subgroup beside each other, in the order of rows."""
    runs = list(dict.fromkeys(cells.sort_values("line")["run"]))
    apart = SPREAD / max(len(runs), 1)
    places = {group.name: place for place, group in enumerate(groups)}
    for number, run in enumerate(runs):
        of = cells[cells["run"] == run]
        x = of["subgroup"].map(places) + (number - (len(runs) - 1) / 2) * apart
        color = style[run].color
        ax.vlines(x, of["low"], of["high"], color=color, linewidth=0.9)
        ax.plot(
            x, of["mean"], **style[run].points, markersize=4, markeredgecolor="black",
            markeredgewidth=0.3, gid=run, zorder=3,
        )  # fmt: skip
    for place in range(1, len(groups)):
        ax.axvline(place - 0.5, color="0.88", linewidth=0.6, zorder=0)
    ax.set_xlim(-0.5, len(groups) - 0.5)
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="y")


def _broken(group: Subgroup, letters: int) -> str:
    """The title of a subgroup in lines, with its number of patients."""
    lines = [textwrap.wrap(part, max(letters, 8)) for part in group.title.split(": ")]
    return "\n".join([*chain(*lines), f"n = {len(group.subjects)}"])
