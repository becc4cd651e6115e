"""**The volume of enhancing tumour (ET), predicted against true.** Bland-Altman plots with the bias
and the 95 % limits of agreement, in ml.

One panel per segmentation, one point per patient.
"""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.reporting.drawing.canvas import (
    Canvas,
    empty,
    finish,
    letters_in,
    missing,
    panels,
)  # fmt: skip
from benchmarks.reporting.drawing.style import FONT, PAGE, Style, styled, styles
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import in_order
from benchmarks.reporting.utilities import first_segmentor, synthesis_titles
from benchmarks.reporting.volumes import et_volumes
from benchmarks.scoring.statistics import agreement

NEEDS = ("scores", "predictions", "patients")
ORDER = 3

ABREAST = 4  # panels side by side

_BOLD = FONT * 1.25  # points as which titles are measured, which are larger and bold


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per run that segments; all have the same axes."""
    results, segmentor = first_segmentor(results)
    wanted = [row for row in in_order(results.rows) if "segmentation" in row.tasks]
    volumes, (titles, behind) = et_volumes(results), synthesis_titles(results)
    shown = [row for row in wanted if row.run in set(volumes["run"])]
    several = any(len(ones) > 1 for ones in results.replicates.values())
    caption = results.cohort.caption(
        "Volume of enhancing tumour, predicted against true",
        "Predicted minus true volume of the enhancing tumour (ET) over the true one. Above each "
        "panel and solid: the bias, mean over the n patients who have ET; in brackets and dashed: "
        "its 95 % limits of agreement, bias -/+ 1.96 SD (Bland and Altman 1986). Hollow: patients "
        "without ET, who are in neither. On the slanted line nothing is predicted. Predictions as "
        "scored: the largest connected component.",
        behind,
        "Of several trainings the first is shown." if several else "",
        missing(wanted, [row.run for row in shown], "segmentation"),
        segmentor,
    )
    if not shown:
        return empty(caption, "There are no segmentations of test patients.")
    lines = -(-len(shown) // ABREAST)
    canvas = Canvas(PAGE, min(1.45 * lines + 0.25, 9), caption)
    drawing = canvas.arrange()
    axes = panels(drawing, len(shown), ABREAST, sharex=True, sharey=True)
    style, letters = styles(results.rows), letters_in(PAGE / ABREAST - 0.2, _BOLD)
    for ax, row in zip(axes, shown, strict=True):
        _draw(ax, volumes[volumes["run"] == row.run], style[row.run])
        title = textwrap.fill(titles[row.run], letters)
        ax.set_title(title, loc="left", weight="bold", pad=12)
    axes[0].xaxis.set_major_locator(MaxNLocator(4))
    axes[0].yaxis.set_major_locator(MaxNLocator(5))
    axes[0].set_xlim(left=-0.04 * axes[0].get_xlim()[1])
    for ax in axes[-ABREAST:]:
        ax.tick_params(labelbottom=True)
    drawing.supxlabel("true volume of ET (ml)", fontsize=FONT)
    drawing.supylabel("predicted minus true volume of ET (ml)", fontsize=FONT)
    return finish(drawing)


def _draw(ax: Axes, volumes: pd.DataFrame, style: Style) -> None:
    true, difference = volumes["true"], volumes["predicted"] - volumes["true"]
    has = true > 0
    ax.axhline(0, color="0.75", linewidth=0.6, zorder=0)
    if has.any():
        ax.plot([0, true.max()], [0, -true.max()], color="0.85", linewidth=0.6, zorder=0)
    filled = {"markerfacecolor": style.color, "markeredgecolor": "0.2", "markeredgewidth": 0.3}
    hollow = {"markerfacecolor": "white", "markeredgecolor": style.color, "markeredgewidth": 0.8}
    for part, look in ((has, filled), (~has, hollow)):
        if part.any():
            ax.plot(true[part], difference[part], "o", markersize=3.5, zorder=3, **look)
    bias, low, high = agreement(difference[has].to_numpy())
    text = f"n = {has.sum()}"
    if not np.isnan(bias):
        ax.axhline(bias, color="0.1", linewidth=0.9, zorder=2)
        text = f"bias {bias:+.1f}, {text}"
    if not np.isnan(low):
        for limit in (low, high):
            ax.axhline(limit, color="0.1", linewidth=0.8, linestyle="--", zorder=2)
        text = f"{bias:+.1f} [{low:.1f}, {high:.1f}], n = {has.sum()}"
    ax.annotate(text, (0, 1), xycoords="axes fraction", xytext=(0, 3), color="0.25",
                textcoords="offset points")  # fmt: skip
