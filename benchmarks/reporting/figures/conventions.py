"""**How much the order of the methods depends on the convention of scoring**; Table VII says what
each convention is.

One panel per metric, one line per method, one column per convention.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.conventions import convention_table, heading
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing, panels
from benchmarks.reporting.drawing.style import PAGE, styled
from benchmarks.reporting.formatting import number
from benchmarks.reporting.results import Results
from benchmarks.reporting.utilities import first_segmentor
from benchmarks.scoring.conventions import BASE

ORDER = 5

# What is drawn, line by line: similarity has too many conventions for two panels abreast.
LINES = (
    (("ssim", "whole"),),
    (("psnr", "whole"),),
    (("dice", "wt"), ("dice", "et")),
    (("assd", "wt"), ("assd", "et")),
)
DIGITS = {"assd": 1, "dice": 2}  # fewer than in tables, for which a panel has no room
TAU = "tau"  # the last line of each panel

_COLORS = "Blues_r"
_DARK = 0.45  # of the way from the first rank to the last: ranks before it have white numbers


@styled()
def figure(results: Results) -> Figure:
    """Draw the methods' ranks and means under each convention."""
    results, segmentor = first_segmentor(results)
    table = convention_table(results)
    table = table[~table["alike"]]
    methods = [row for row in results.rows if row.role == "method"]
    lines = [{panel: _ranked(table, *panel) for panel in line} for line in LINES]
    lines = [{panel: of for panel, of in line.items() if len(of)} for line in lines]
    lines = [line for line in lines if line]
    drawn = {run for line in lines for of in line.values() for run in of["run"]}
    caption = results.cohort.caption(
        "The order of the methods under each convention",
        "Number: mean over patients; colour: its rank among the methods, the darkest is the best. "
        f"{BASE}: the strict protocol; each further column but paper changes one setting of it "
        f"(see Table VII). {TAU}: Kendall's tau-b of the order with that under {BASE}; 1: the "
        "same, 0: unrelated, -1: reversed.",
        missing([row for row in methods if row.tasks], drawn, "ranks"),
        segmentor,
    )
    if not lines:
        return empty(caption, "Fewer than two methods have scores.")
    labels = {row.run: row.label for row in results.rows}
    heights = [0.13 * max(of["run"].nunique() for of in line.values()) + 0.93 for line in lines]
    canvas = Canvas(PAGE, sum(heights), caption)
    blocks = np.atleast_1d(canvas.arrange().subfigures(len(lines), 1, height_ratios=heights))
    for block, line in zip(blocks, lines, strict=True):
        for ax, (panel, of) in zip(panels(block, len(line), len(line)), line.items(), strict=True):
            _draw(ax, of, labels)
            ax.set_title(heading(*panel), loc="left", weight="bold")
    return finish(canvas.figure)


def _ranked(table: pd.DataFrame, metric: str, region: str) -> pd.DataFrame:
    """Return the cells of a panel of the methods that have any rank, if they are two or more."""
    here = (table["metric"] == metric) & (table["region"] == region)
    ranked = table.loc[here & table["rank"].notna(), "run"].unique()
    return table[here & table["run"].isin(ranked if len(ranked) > 1 else ())]


def _draw(ax: Axes, cells: pd.DataFrame, labels: Mapping[str, str]) -> None:
    runs, conventions = cells["run"].unique(), cells["title"].unique()
    wide = cells.pivot_table(["rank", "mean"], "run", "title", dropna=False)
    wide = {name: wide[name].reindex(runs, columns=conventions) for name in ("rank", "mean")}
    ranks, count = wide["rank"].to_numpy(float), len(runs)
    metric = cells["metric"].iloc[0]
    ax.imshow(ranks, cmap=_COLORS, vmin=1, vmax=1.3 * count, aspect="auto")
    middle = {"ha": "center", "va": "center_baseline"}
    for (line, column), mean in np.ndenumerate(wide["mean"].to_numpy(float)):
        dark = ranks[line, column] < 1 + _DARK * (count - 1)
        text = number(mean, metric, DIGITS.get(metric))
        ax.text(column, line, text, color="white" if dark else "black", **middle)
    for column, tau in enumerate(cells.drop_duplicates("title")["tau"]):
        ax.text(column, count, "–" if np.isnan(tau) else f"{tau:.2f}", **middle)
    ax.set_xticks(range(len(conventions)), conventions, rotation=30, ha="right",
                  rotation_mode="anchor")  # fmt: skip
    ax.set_yticks(range(count + 1), [*(labels[run] for run in runs), TAU])
    ax.set_ylim(count + 0.5, -0.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
