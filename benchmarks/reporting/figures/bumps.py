"""The figure of conventions: how the entries change places from one to the next."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.conventions import convention_table, heading
from benchmarks.reporting.figures.style import (
    PAGE,
    Cohort,
    Look,
    Sheet,
    absent,
    empty,
    looks,
    settle,
    styled,
)
from benchmarks.reporting.rows import System
from benchmarks.scoring.conventions import BASE

PANELS = (
    ("ssim", "whole"), ("psnr", "whole"), ("dice", "wt"), ("dice", "et"), ("assd", "wt"),
    ("assd", "et"),
)  # fmt: skip
APART = 0.35
"""Between lines of one rank, in ranks: less than 1, so that they never reach the next rank."""


@styled()
def conventions(cohort: Cohort, scores: pd.DataFrame, systems: Sequence[System]) -> Figure:
    """The entries' ranks under each convention, a panel a metric, a line an entry, best on top."""
    what = "The order of the methods under each convention"
    table = convention_table(scores, systems)
    entries = [system for system in systems if system.role == "entry"]
    frames = {panel: _ranks(table, *panel) for panel in PANELS}
    frames = {panel: frame for panel, frame in frames.items() if len(frame) > 1}
    drawn = {system for frame in frames.values() for system in frame.index}
    notes = [
        "Ranks of the means over patients among the entries, 1 is best; lines of one rank run side "
        f"by side. {BASE}: the strict protocol; each further column but paper is the same with one "
        "thing done otherwise (see Table VII). A line that breaks off has no mean there.",
        absent([system for system in entries if system.tasks], list(drawn), "ranks"),
        cohort.description,
    ]
    if not frames:
        return empty(cohort.heading(what), notes, "Fewer than two entries have been scored.")
    names = {system.id: system.label for system in systems}
    lines = -(-len(frames) // 2)
    most = max(len(frame) for frame in frames.values())
    sheet = Sheet(PAGE, lines * (0.13 * most + 1.15), cohort.heading(what), notes)
    axes = sheet.arrange().subplots(lines, 2, squeeze=False).flat
    for ax, (panel, frame) in zip(axes, frames.items(), strict=False):
        _bump(ax, frame, names, looks(systems))
        ax.set_title(heading(*panel), loc="left", weight="bold")
    for ax in list(sheet.figure.axes)[len(frames) :]:
        ax.remove()
    return settle(sheet.figure)


def _ranks(table: pd.DataFrame, metric: str, region: str) -> pd.DataFrame:
    """(systems, conventions) ranks of the entries that have any, columns by their titles."""
    of = table[
        (table["metric"] == metric) & (table["region"] == region) & (table["role"] == "entry")
    ]
    titles = list(dict.fromkeys(of["title"]))
    ranks = of.pivot_table("rank", "system", "title", dropna=False)
    systems = list(dict.fromkeys(of["system"]))
    return ranks.reindex(index=systems, columns=titles).dropna(how="all").astype(float)


def _bump(
    ax: Axes, ranks: pd.DataFrame, names: Mapping[str, str], look: Mapping[str, Look]
) -> None:
    places = np.arange(ranks.shape[1])
    heights = ranks + APART * _before_of_same_rank(ranks)
    for system, height in heights.iterrows():
        ax.plot(
            places, height, color=look[system].color, marker=look[system].marker, markersize=3.5,
            markeredgecolor="black", markeredgewidth=0.3, linewidth=1.2, gid=system, zorder=3,
        )  # fmt: skip
    # Names one below the other in the order of the line's ends, which may be nearer than that.
    ends = heights.ffill(axis=1).iloc[:, -1].sort_values(kind="stable")
    for slot, (system, end) in enumerate(ends.items(), start=1):
        last = places[-1]
        ax.plot([last, last + 0.5], [end, slot], color="0.6", linewidth=0.4, clip_on=False)
        ax.annotate(
            names[system], (last + 0.5, slot), xytext=(2, 0), textcoords="offset points",
            va="center", annotation_clip=False,
        )  # fmt: skip
    ax.set_xticks(places, list(ranks), rotation=45, ha="right", rotation_mode="anchor")
    ax.set(xlim=(-0.3, places[-1] + 0.5), ylim=(len(ranks) + 0.5, 0.5))
    ax.set_yticks(range(1, len(ranks) + 1))
    ax.tick_params(length=0)
    ax.grid(axis="x")
    if ranks.columns[0] == BASE:
        ax.axvline(0, color="0.6", linewidth=0.8, zorder=1)


def _before_of_same_rank(ranks: pd.DataFrame) -> pd.DataFrame:
    """How many entries further up share the rank."""
    return ranks.apply(lambda column: column.groupby(column).cumcount().where(column.notna()))
