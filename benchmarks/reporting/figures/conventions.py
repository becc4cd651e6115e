"""**How the methods change places** from one convention of scoring to the next; Table VII says what
each convention is.

One panel per metric, one line per method, best on top.
"""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.conventions import convention_table, heading
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing, panels
from benchmarks.reporting.drawing.style import PAGE, Style, styled, styles
from benchmarks.reporting.results import Results
from benchmarks.reporting.utilities import first_segmentor
from benchmarks.scoring.conventions import BASE

ORDER = 5

PANELS = (("ssim", "whole"), ("psnr", "whole"), *product(("dice", "assd"), ("wt", "et")))
APART = 0.35  # ranks between lines of one rank: less than 1, so that they never reach the next rank


@styled()
def figure(results: Results) -> Figure:
    """Draw the methods' ranks under each convention."""
    results, segmentor = first_segmentor(results)
    table = convention_table(results)
    methods = [row for row in results.rows if row.role == "method"]
    frames = {panel: _ranks(table, *panel) for panel in PANELS}
    frames = {panel: frame for panel, frame in frames.items() if len(frame) > 1}
    drawn = {run for frame in frames.values() for run in frame.index}
    caption = results.cohort.caption(
        "The order of the methods under each convention",
        "Ranks of the means over patients among the methods, 1 is best; lines of one rank run side "
        f"by side. {BASE}: the strict protocol; each further column but paper changes one setting "
        "of it (see Table VII). A line that breaks off has no mean there.",
        missing([row for row in methods if row.tasks], drawn, "ranks"),
        segmentor,
    )
    if not frames:
        return empty(caption, "Fewer than two methods have scores.")
    labels = {row.run: row.label for row in results.rows}
    lines = -(-len(frames) // 2)
    most = max(len(frame) for frame in frames.values())
    canvas = Canvas(PAGE, lines * (0.13 * most + 1.15), caption)
    axes = panels(canvas.arrange(), len(frames), columns=2)
    for ax, (panel, frame) in zip(axes, frames.items(), strict=True):
        _draw(ax, frame, labels, styles(results.rows))
        ax.set_title(heading(*panel), loc="left", weight="bold")
    return finish(canvas.figure)


def _ranks(table: pd.DataFrame, metric: str, region: str) -> pd.DataFrame:
    """Return (runs, conventions) ranks of the methods that have any, columns by their titles."""
    here = (table["metric"] == metric) & (table["region"] == region)
    cells = table[here & (table["role"] == "method")]
    ranks = cells.pivot_table("rank", "run", "title", dropna=False)
    ranks = ranks.reindex(index=cells["run"].unique(), columns=cells["title"].unique())
    return ranks.dropna(how="all").astype(float)


def _draw(
    ax: Axes, ranks: pd.DataFrame, labels: Mapping[str, str], style: Mapping[str, Style]
) -> None:
    places = np.arange(ranks.shape[1])
    above = ranks.apply(lambda column: column.groupby(column).cumcount().where(column.notna()))
    heights = ranks + APART * above  # methods further up that share the rank
    for run, height in heights.iterrows():
        ax.plot(
            places, height, color=style[run].color, marker=style[run].marker, markersize=3.5,
            markeredgecolor="black", markeredgewidth=0.3, linewidth=1.2, gid=run, zorder=3,
        )  # fmt: skip
    # Names one below the other in the order of the lines' ends, which may be nearer than that.
    ends = heights.ffill(axis=1).iloc[:, -1].sort_values(kind="stable")
    for slot, (run, end) in enumerate(ends.items(), start=1):
        last = places[-1]
        ax.plot([last, last + 0.5], [end, slot], color="0.6", linewidth=0.4, clip_on=False)
        ax.annotate(
            labels[run], (last + 0.5, slot), xytext=(2, 0), textcoords="offset points",
            va="center", annotation_clip=False,
        )  # fmt: skip
    ax.set_xticks(places, list(ranks), rotation=45, ha="right", rotation_mode="anchor")
    ax.set(xlim=(-0.3, places[-1] + 0.5), ylim=(len(ranks) + 0.5, 0.5))
    ax.set_yticks(range(1, len(ranks) + 1))
    ax.tick_params(length=0)
    ax.grid(axis="x")
    if ranks.columns[0] == BASE:
        ax.axvline(0, color="0.6", linewidth=0.8, zorder=1)
