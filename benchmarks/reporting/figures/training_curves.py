"""**The losses of each training**, one point per epoch. A loss that still falls at the end was
stopped early.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import takewhile

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


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per run: its losses on a logarithmic scale, and its validation Dice."""
    histories: dict[str, list[pd.DataFrame]] = {}
    for (run, _), history in results.histories.items():
        histories.setdefault(run, []).append(history)
    shown = [row for row in in_order(results.rows) if row.run in histories]
    every = [history for row in shown for history in histories[row.run]]
    kinds = _kinds([column for history in every for column in history])
    caption = results.cohort.caption(
        "Losses and validation Dice of every training",
        "Losses on a logarithmic scale (left), those of one kind in one colour; values that are "
        "not positive are left out. Validation Dice, mean over regions, from 0 to 1 (black, "
        "right). Losses of different methods cannot be compared.",
    )
    if not shown:
        return empty(caption, "No run has been trained.")
    columns = min((5, 4), key=lambda n: -len(shown) % n) if len(shown) > 5 else len(shown)
    lines = -(-len(shown) // columns)
    styles = {
        kind: {"color": PALETTE[i % len(PALETTE)], "linestyle": ("-", "--", ":")[i // 9 % 3]}
        for i, kind in enumerate(dict.fromkeys(kinds.values()))
    }
    handles = [Line2D([], [], label=kind, **style) for kind, style in styles.items()]
    if any("val_dice" in history for history in every):
        handles.append(Line2D([], [], color="black", linewidth=1.6, label="validation Dice"))
    letters = letters_in(PAGE / columns - 0.35, FONT + 0.5)
    titles = ["\n".join(textwrap.wrap(row.title, letters)) for row in shown]
    longest = max(title.count("\n") for title in titles)
    legend = 0.15 * -(-len(handles) // 7) + 0.05
    canvas = Canvas(PAGE, (1.12 + 0.12 * longest) * lines + 0.2 + legend, caption)
    drawing = canvas.arrange(spare=legend)
    axes = panels(drawing, len(shown), columns)
    for number, (ax, row) in enumerate(zip(axes, shown, strict=True)):
        _curves(ax, histories[row.run], kinds, styles, number % columns == columns - 1)
        ax.set_title(titles[number], pad=3)
        if number + columns >= len(shown):
            ax.set_xlabel("epoch")
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


def _curves(
    ax: Axes,
    histories: Sequence[pd.DataFrame],
    kinds: Mapping[str, str],
    styles: Mapping[str, dict],
    rightmost: bool,
) -> None:
    ax.set_yscale("log")
    for history in histories:
        dot = {"marker": "."} if len(history) == 1 else {}
        for loss in (column for column in history if column in kinds):
            positive = history[loss].where(history[loss] > 0)
            ax.plot(history["epoch"], positive, linewidth=0.8, **styles[kinds[loss]], **dot)
        if "val_dice" in history:
            twin = ax.twinx()
            twin.plot(history["epoch"], history["val_dice"], color="black", linewidth=1.6, **dot)
            twin.set(ylim=(0, 1), yticks=(0, 0.5, 1))
            twin.spines["right"].set_visible(True)
            if not rightmost:
                twin.set_yticklabels([])
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    log_ticks(ax.yaxis, (1, 3))
