"""**Every test patient's score**, where the tables show means.

One panel per metric and region that the metric's file names in `shown`; a metric that a user adds
has its panels too.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing, panels
from benchmarks.reporting.drawing.style import PAGE, Style, styled, styles
from benchmarks.reporting.formatting import axis_arrow, axis_title
from benchmarks.reporting.measures import by_subject
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, in_order
from benchmarks.reporting.utilities import first_segmentor
from benchmarks.scoring.metric import read_metrics

ORDER = 3

ABREAST = 4  # the most panels side by side
BOXES = 5  # patients from which quartiles are drawn: of fewer, the points say more


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per metric and region, one line of points per run."""
    results, segmentor = first_segmentor(results)
    tasks = {task: _frames(results, task) for task in ("segmentation", "synthesis")}
    tasks = {task: frames for task, frames in tasks.items() if frames}
    drawn = {run for frames in tasks.values() for frame in frames.values() for run in frame}
    expected = [row for row in results.rows if any(_is_drawn(row, task) for task in row.tasks)]
    caption = results.cohort.caption(
        "Scores of each patient",
        f"Protocol {results.protocol}. A thin line joins the scores of one patient; a black tick "
        f"is the mean over patients. Boxes, from {BOXES} patients on: quartiles and range. The "
        "ceiling's synthesis is the reference itself and not drawn.",
        missing(expected, drawn, "scores"),
        segmentor,
    )
    if not tasks:
        return empty(caption, "No run has scores.")
    shown, lines, heights = [], [], []
    for frames in tasks.values():
        runs = {run for frame in frames.values() for run in frame}
        shown.append([row for row in in_order(results.rows) if row.run in runs])
        lines.append(-(-len(frames) // ABREAST))
        heights.append(lines[-1] * (0.155 * len(runs) + 0.5))
    canvas = Canvas(PAGE, sum(heights), caption)
    blocks = np.atleast_1d(canvas.arrange().subfigures(len(tasks), 1, height_ratios=heights))
    for block, frames, rows, count in zip(blocks, tasks.values(), shown, lines, strict=True):
        axes = panels(block, len(frames), -(-len(frames) // count), sharey=True)
        for ax, (panel, frame) in zip(axes, frames.items(), strict=True):
            _draw(ax, frame.reindex(columns=[row.run for row in rows]), styles(results.rows))
            ax.set_xlabel(f"{axis_title(*panel)}  {axis_arrow(panel[0])}")
        axes[0].set_yticks(range(len(rows)), [row.title for row in rows])
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
    return finish(canvas.figure)


def _is_drawn(row: Row, task: str) -> bool:
    """Leave out a ceiling's synthesis, the reference itself: its scores would hide others'."""
    return task in row.tasks and (task, row.role) != ("synthesis", "ceiling")


def _frames(results: Results, task: str) -> dict[tuple[str, str], pd.DataFrame]:
    """Return (subjects, runs) values of the metrics and regions that any run has a value of."""
    runs = [row.run for row in in_order(results.rows) if _is_drawn(row, task)]
    frames = {}
    for metric in read_metrics().values():
        for region in metric.shown if metric.task == task else ():
            frame = by_subject(results, metric.name, region, results.protocol)
            frame = frame[[run for run in runs if run in frame]].replace(np.inf, np.nan)
            if frame.notna().any(axis=None):
                frames[metric.name, region] = frame
    return frames


def _draw(ax: Axes, frame: pd.DataFrame, style: Mapping[str, Style]) -> None:
    places = np.arange(frame.shape[1])
    ax.plot(frame.to_numpy().T, places, color="0.75", linewidth=0.5, zorder=1)
    if len(frame) >= BOXES:
        grey = {"color": "0.35", "linewidth": 0.6}
        ax.boxplot(
            [values.dropna() for _, values in frame.items()], positions=places, widths=0.7,
            orientation="horizontal", whis=(0, 100), manage_ticks=False, zorder=2,
            **{f"{part}props": grey for part in ("box", "median", "whisker", "cap")},
        )  # fmt: skip
    for place, (run, values) in enumerate(frame.items()):
        ax.plot(
            values, np.full(len(values), place), **style[run].points, markersize=3.2,
            markeredgecolor="0.2", markeredgewidth=0.3, gid=run, zorder=3,
        )  # fmt: skip
    ax.plot(frame.mean(), places, "|", color="black", markersize=7, markeredgewidth=1.1, zorder=4)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.grid(axis="x")
