"""**Every test patient's score**, where the tables show means.

One panel per metric and region that the metric's file names in `shown`; a metric that a user adds
has its panels too.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing, panels
from benchmarks.reporting.drawing.style import PAGE, Style, styled, styles
from benchmarks.reporting.formatting import axis_arrow, axis_title
from benchmarks.reporting.measures import Column, by_subject, finite_means
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, in_order
from benchmarks.reporting.utilities import first_segmentor, synthesis_titles
from benchmarks.scoring.metric import read_metrics

ORDER = 4

ABREAST = 5  # the most panels side by side

_LINE, _AXIS = 0.12, 0.42  # inches of a run's line, and of a panel's axis
_HIGHEST = 8  # inches of a page
_LETTERS = 20  # of a title on one line of a narrow panel
_SPREAD = 0.28  # lines that the points of a run spread up and down


@dataclass(frozen=True)
class Panel:
    """The scores of a metric in a region.

    Attributes
    ----------
    scores : (subjects, runs).
    means : by run, the mean over subjects and its 95 % interval.
    band : the means of the best floor and of the best ceiling, () where one is missing.
    """

    scores: pd.DataFrame
    means: Mapping[str, tuple[float, float, float]]
    band: tuple[float, ...]


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per metric and region, one line of points per run."""
    results, segmentor = first_segmentor(results)
    tasks = {task: _panels(results, task) for task in ("segmentation", "synthesis")}
    tasks = {task: found for task, found in tasks.items() if found}
    drawn = {run for found in tasks.values() for one in found.values() for run in one.scores}
    expected = [row for row in results.rows if any(_is_drawn(row, task) for task in row.tasks)]
    titles, behind = synthesis_titles(results)
    caption = results.cohort.caption(
        "Scores of each patient",
        f"Protocol {results.protocol}. Dots: patients, apart from each other for no other reason "
        "than to be seen. Black: the mean and its 95 % interval. Shaded: from the best floor's "
        "mean to the ceiling's. The ceiling's synthesis is the reference itself and not drawn.",
        behind if "segmentation" in tasks else "",
        missing(expected, drawn, "scores"),
        segmentor,
    )
    if not tasks:
        return empty(caption, "No run has scores.")
    rows = {
        task: [row for row in in_order(results.rows) if _has(found, row.run)]
        for task, found in tasks.items()
    }
    lines = {task: -(-len(found) // ABREAST) for task, found in tasks.items()}
    heights = {task: lines[task] * (_LINE * len(rows[task]) + _AXIS) for task in tasks}
    together = [[*tasks]] if sum(heights.values()) <= _HIGHEST else [[task] for task in tasks]
    pages = []
    for page in together:
        high = [heights[task] for task in page]
        canvas = Canvas(PAGE, sum(high), caption)
        blocks = canvas.arrange().subfigures(len(page), 1, height_ratios=high, squeeze=False)
        for block, task in zip(blocks[:, 0], page, strict=True):
            found = tasks[task]
            axes = panels(block, len(found), -(-len(found) // lines[task]), sharey=True)
            for ax, (column, panel) in zip(axes, found.items(), strict=True):
                _draw(ax, panel, rows[task], styles(results.rows))
                _limit(ax, column)
                if panel.band:
                    # It may reach beyond all scores, which need the room.
                    limits = ax.get_xlim()
                    ax.axvspan(*panel.band, color="0.93", linewidth=0, zorder=0)
                    ax.set_xlim(limits)
            axes[0].set_yticks(range(len(rows[task])), [titles[row.run] for row in rows[task]])
            axes[0].set_ylim(len(rows[task]) - 0.4, -0.6)
        pages.append(finish(canvas.figure))
    pages[0].following = pages[1:]
    return pages[0]


def _has(found: Mapping[Column, Panel], run: str) -> bool:
    return any(run in panel.scores for panel in found.values())


def _is_drawn(row: Row, task: str) -> bool:
    """Leave out a ceiling's synthesis, the reference itself: its scores would hide others'."""
    return task in row.tasks and (task, row.role) != ("synthesis", "ceiling")


def _panels(results: Results, task: str) -> dict[Column, Panel]:
    """Return the panels of the metrics and regions that any run has a value of."""
    runs = [row.run for row in in_order(results.rows) if _is_drawn(row, task)]
    found = {}
    for metric in read_metrics().values():
        for region in metric.shown if metric.task == task else ():
            every = by_subject(results, metric.name, region, results.protocol)
            frame = every[[run for run in runs if run in every]].replace(np.inf, np.nan)
            if frame.notna().any(axis=None):
                means = finite_means(results, metric.name, region)
                band = _band(results, every.mean(), metric.better)
                found[metric.name, region] = Panel(frame, means, band)
    return found


def _band(results: Results, means: pd.Series, better: str) -> tuple[float, ...]:
    """Return the means of the best floor and ceiling."""
    ends = []
    for role in ("floor", "ceiling"):
        of = means[[row.run for row in results.rows if row.role == role and row.run in means]]
        ends.append(of.max() if better == "higher" else of.min())
    return tuple(ends) if np.isfinite(ends).all() else ()


def _draw(ax: Axes, panel: Panel, rows: list[Row], style: Mapping[str, Style]) -> None:
    for place, row in enumerate(rows):
        if row.run not in panel.scores:
            continue
        values = panel.scores[row.run]
        # Neighbours in value are apart, in an order that repeats.
        shifts = _SPREAD * np.array([0, 1, -1, 0.5, -0.5])
        apart = shifts[values.rank(method="first").fillna(0).astype(int) % len(shifts)]
        ax.plot(
            values, place + apart, color=style[row.run].color, marker="o", linestyle="none",
            markersize=2.4, markeredgewidth=0, alpha=0.7, gid=row.run, zorder=2,
        )  # fmt: skip
        if row.run not in panel.means:
            continue
        mean, low, high = panel.means[row.run]
        ax.plot([low, high], [place, place], color="black", linewidth=0.9, zorder=3)
        ax.plot([mean], [place], "|", color="black", markersize=6, markeredgewidth=1.2, zorder=4)


def _limit(ax: Axes, column: Column) -> None:
    """Show overlaps over all of their range, so that regions can be compared."""
    metric = read_metrics()[column[0]]
    if (metric.task, metric.bounds) == ("segmentation", (0, 1)):
        ax.set_xlim(-0.03, 1.03)
        ax.set_xticks([0, 0.5, 1])
    else:
        ax.xaxis.set_major_locator(MaxNLocator(3))
    named = textwrap.fill(axis_title(*column), _LETTERS, break_on_hyphens=False)
    ax.set_xlabel(f"{named}\n{axis_arrow(column[0])}")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
