"""**The losses of each training, and its validation Dice**, one point per epoch. A loss that still
falls at the end was stopped early.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import takewhile

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmarks.reporting.drawing.axes import log_ticks
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, letters_in, panels
from benchmarks.reporting.drawing.style import FONT, PAGE, PALETTE, styled
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import in_order

NEEDS = ("histories",)
ORDER = 7

ABREAST = 5  # panels side by side

_LETTERS = letters_in(PAGE / ABREAST - 0.35, FONT + 0.5)  # on a line above a panel


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per run with its losses, and below those one with its validation Dice."""
    histories: dict[str, list[pd.DataFrame]] = {}
    for (run, _), history in results.histories.items():
        histories.setdefault(run, []).append(history)
    shown = [row for row in in_order(results.rows) if row.run in histories]
    caption = results.cohort.caption(
        "Losses and validation Dice of every training",
        "Above: losses on a logarithmic scale, those of one kind in one colour; values that are "
        "not positive are left out. Losses of different methods cannot be compared. Below: "
        "validation Dice, mean over regions.",
    )
    if not shown:
        return empty(caption, "No run has been trained.")
    every = [history for row in shown for history in histories[row.run]]
    kinds = _kinds([column for history in every for column in history])
    styles = {
        kind: {"color": PALETTE[i % len(PALETTE)], "linestyle": ("-", "--", ":")[i // 9 % 3]}
        for i, kind in enumerate(dict.fromkeys(kinds.values()))
    }
    handles = [Line2D([], [], label=kind, **style) for kind, style in styles.items()]
    segmenting = [row for row in shown if "val_dice" in histories[row.run][0]]
    bands = [band for band in (shown, segmenting) if band]
    titles = {row.run: textwrap.wrap(row.title, _LETTERS) for row in shown}
    lines = [-(-len(band) // ABREAST) for band in bands]
    tallest = max(map(len, titles.values()))
    heights = [count * (0.95 + 0.12 * tallest) + 0.15 for count in lines]
    legend = 0.15 * -(-len(handles) // 7) + 0.05
    canvas = Canvas(PAGE, sum(heights) + legend, caption)
    drawing = canvas.arrange(spare=legend)
    blocks = np.atleast_1d(drawing.subfigures(len(bands), 1, height_ratios=heights))
    for block, band, draw in zip(blocks, bands, (_losses, _dice), strict=False):
        for ax, row in zip(panels(block, len(band), ABREAST), band, strict=True):
            draw(ax, histories[row.run], kinds, styles)
            ax.set_title("\n".join(titles[row.run]), pad=3)
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    drawing.legend(handles=handles, loc="lower center", ncols=7, handlelength=1.6,
                   columnspacing=1.2, borderpad=0, borderaxespad=0,
                   bbox_to_anchor=(0.5, canvas.bottom / canvas.height))  # fmt: skip
    return finish(drawing)


def _kinds(columns: Sequence[str]) -> dict[str, str]:
    """Return each loss's kind: the words that all losses with the same first word share."""
    losses = dict.fromkeys(column for column in columns if column not in ("epoch", "val_dice"))
    kinds = {}
    for loss in losses:
        first = loss.split("_")[0]
        alike = [other.split("_") for other in losses if other.split("_")[0] == first]
        shared = takewhile(lambda words: len(set(words)) == 1, zip(*alike, strict=False))
        kinds[loss] = "_".join(words[0] for words in shared)
    return kinds


def _losses(
    ax: Axes,
    histories: Sequence[pd.DataFrame],
    kinds: Mapping[str, str],
    styles: Mapping[str, dict],
) -> None:
    ax.set_yscale("log")
    for history in histories:
        for loss in (column for column in history if column in kinds):
            positive = history[loss].where(history[loss] > 0)
            style = styles[kinds[loss]] | _dot(history)
            ax.plot(history["epoch"], positive, linewidth=0.8, **style)
    log_ticks(ax.yaxis, (1, 3))


def _dice(ax: Axes, histories: Sequence[pd.DataFrame], *_: object) -> None:
    for history in histories:
        ax.plot(history["epoch"], history["val_dice"], color="black", **_dot(history))
    ax.set(ylim=(0, 1), yticks=(0, 0.5, 1), ylabel="Dice")
    ax.grid(axis="y")


def _dot(history: pd.DataFrame) -> dict[str, str]:
    """A line of one point is none."""
    return {"marker": "."} if len(history) == 1 else {}
