"""**What a training took against what it achieved.** Hours of training against Dice in the
enhancing tumour, and against SSIM in the brain.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.costs import hours, hours_unit
from benchmarks.reporting.drawing.axes import (
    Points,
    draw_keys,
    keys_height,
    keys_of,
    label_runs,
    log_ticks,
    scatter,
)  # fmt: skip
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing
from benchmarks.reporting.drawing.style import PAGE, styled, styles
from benchmarks.reporting.formatting import axis_arrow, axis_title
from benchmarks.reporting.measures import finite_means
from benchmarks.reporting.results import Results
from benchmarks.reporting.utilities import first_segmentor
from benchmarks.scoring.metric import read_metrics

NEEDS = ("scores", "costs")
ORDER = 8

PANELS = (("dice", "et"), ("ssim", "brain"))


@styled()
def figure(results: Results) -> Figure:
    """Draw one point per run, and a line for each that needs no training."""
    results, segmentor = first_segmentor(results)
    took = hours(results)
    panels = {}
    for panel in PANELS:
        means = {run: of for run, of in finite_means(results, *panel).items() if run in took}
        if means:
            panels[panel] = means
    drawn = {run for means in panels.values() for run in means}
    unit = hours_unit(results)
    caption = results.cohort.caption(
        "Cost and quality",
        f"Protocol {results.protocol}; means over patients with 95 % intervals. {unit[0].upper()}"
        f"{unit[1:]} of all trainings that a run needs; for Dice, the generator's and the "
        "segmentor's. Stepped line: the best mean of a method for the hours. Dashed: runs that "
        "need no training.",
        "A synthesis and the segmentor behind it look the same." if len(panels) > 1 else "",
        missing([row for row in results.rows if row.tasks], drawn, "score or cost"),
        segmentor,
    )
    if not panels:
        return empty(caption, "No run has both a score and a cost.")
    keys = keys_of(results.rows, drawn)
    canvas = Canvas(PAGE, 2.9 + keys_height(keys), caption)
    axes = canvas.arrange(spare=keys_height(keys)).subplots(1, len(panels), squeeze=False)[0]
    names, style = [], styles(results.rows)
    methods = {row.run for row in results.rows if row.role == "method"}
    for ax, (panel, means) in zip(axes, panels.items(), strict=True):
        trained = {run: (took[run], mean) for run, (mean, *_) in means.items() if took[run] > 0}
        levels = {run: mean for run, (mean, *_) in means.items() if run not in trained}
        for run, (x, _) in trained.items():
            ax.plot([x, x], means[run][1:], color=style[run].color, linewidth=0.9, zorder=2)
        front(ax, {run: at for run, at in trained.items() if run in methods}, panel[0])
        scatter(ax, trained, levels, style)
        if trained:
            ax.set_xscale("log")
            log_ticks(ax.xaxis, (1, 2, 5))
        ax.set_xlabel(f"{unit} of training (log scale)")
        ax.set_ylabel(f"{axis_title(*panel)}  {axis_arrow(panel[0])}")
        names.append((ax, levels))
    draw_keys(canvas, keys)
    finish(canvas.figure)
    titles = {row.run: row.title for row in results.rows}
    for ax, levels in names:
        label_runs(ax, {}, levels, titles)
    return canvas.figure


def front(ax: Axes, points: Points, metric: str) -> None:
    """Step along the points than which no cheaper one is as good (the Pareto front)."""
    sign = 1 if read_metrics()[metric].better == "higher" else -1
    steps, best = [], -np.inf
    for x, y in sorted(points.values()):
        if sign * y > best:
            best = sign * y
            steps.append((x, y))
    if len(steps) > 1:
        ax.plot(*np.transpose(steps), color="0.6", linewidth=0.8, drawstyle="steps-post", zorder=1)
