"""**What a training took against what it achieved.** Hours of training against Dice in the
enhancing tumour, and against SSIM in the brain.
"""

import numpy as np
from matplotlib.figure import Figure

from benchmarks.reporting.costs import hours
from benchmarks.reporting.drawing.axes import label_runs, log_ticks, scatter
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing
from benchmarks.reporting.drawing.style import PAGE, styled, styles
from benchmarks.reporting.formatting import axis_arrow, axis_title
from benchmarks.reporting.measures import by_subject
from benchmarks.reporting.results import Results
from benchmarks.reporting.utilities import first_segmentor

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
        frame = by_subject(results, *panel, results.protocol).replace(np.inf, np.nan)
        means = {run: mean for run, mean in frame.mean().dropna().items() if run in took}
        if means:
            panels[panel] = means
    drawn = {run for means in panels.values() for run in means}
    caption = results.cohort.caption(
        "Cost and quality",
        f"Protocol {results.protocol}; means over patients. Hours of the GPU, or of the cores "
        "where the CPU computed, for all trainings that a run needs; for Dice, the generator's and "
        "the segmentor's. Dashed: runs that need no training.",
        missing([row for row in results.rows if row.tasks], drawn, "score or cost"),
        segmentor,
    )
    if not panels:
        return empty(caption, "No run has both a score and a cost.")
    canvas = Canvas(PAGE, 3.2, caption)
    axes = canvas.arrange().subplots(1, len(panels), squeeze=False)[0]
    names = []
    for ax, (panel, means) in zip(axes, panels.items(), strict=True):
        trained = {run: (took[run], mean) for run, mean in means.items() if took[run] > 0}
        levels = {run: mean for run, mean in means.items() if run not in trained}
        scatter(ax, trained, levels, styles(results.rows))
        if trained:
            ax.set_xscale("log")
            log_ticks(ax.xaxis, (1, 2, 5))
        ax.set_xlabel("GPU or core hours of training (log scale)")
        ax.set_ylabel(f"{axis_title(*panel)}  {axis_arrow(panel[0])}")
        names.append((ax, trained, levels))
    finish(canvas.figure)
    for ax, points, levels in names:
        label_runs(ax, points, levels, results.rows)
    return canvas.figure
