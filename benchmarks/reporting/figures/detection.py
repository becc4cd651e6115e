"""**Is the enhancing tumour (ET) found?** The share of patients in whom each segmentation finds it,
by its volume, and of patients without ET for whom it invents some, with 95 % intervals.
"""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.reporting.detection import ALL, FOUND, OVERLAP, detections
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing, panels
from benchmarks.reporting.drawing.style import PAGE, Style, styled, styles
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, in_order
from benchmarks.reporting.subgroups import NO_ET, THIRDS, subgroups
from benchmarks.reporting.utilities import first_segmentor, synthesis_titles

NEEDS = ("scores", "patients")
ORDER = 3


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per group of patients, with a mark and an interval per run."""
    results, segmentor = first_segmentor(results)
    cells, (names, behind) = detections(results), synthesis_titles(results)
    wanted = [row for row in in_order(results.rows) if "segmentation" in row.tasks]
    shown = [row for row in wanted if row.run in set(cells["run"])]
    caption = results.cohort.caption(
        "Is the enhancing tumour found?",
        "Share of the patients in whom the enhancing tumour (ET) is found, of all who have ET and "
        "by third of its true volume; in the others it is missed. Right: share of the patients "
        "without ET for whom some is predicted, and its mean volume over them. Found: prediction "
        f"and truth have an intersection over union of at least {OVERLAP} (Dice {FOUND:.2f}; mean "
        "over trainings); invented: at least one voxel, in any training. Bars: 95 % intervals "
        f"(Wilson). Protocol {results.protocol}.",
        behind,
        missing(wanted, [row.run for row in shown], "scores"),
        segmentor,
    )
    if not shown:
        return empty(caption, "No segmentation has scores of patients with or without ET.")
    titles = _titles(results)
    groups = [group for group in titles if (cells["group"] == group).any()]
    canvas = Canvas(PAGE, 0.155 * len(shown) + 0.8, caption)
    axes = panels(canvas.arrange(), len(groups), len(groups), sharey=True)
    for ax, group in zip(axes, groups, strict=True):
        of = cells[cells["group"] == group].set_index("run")
        _draw(ax, of, shown, styles(results.rows))
        ax.set_title(f"{titles[group]}\nn = {of['n'].max()}", loc="left", pad=3)
        ax.set_xlabel("invented in  ← better" if group == NO_ET else "found in  → better")
    axes[0].set_yticks(range(len(shown)), [names[row.run] for row in shown])
    axes[0].set_ylim(len(shown) - 0.4, -0.6)
    return finish(canvas.figure)


def _titles(results: Results) -> dict[str, str]:
    """Return the groups in the order of panels, with their titles."""
    thirds = {one.name: one.title.replace(": ", "\n") for one in subgroups(results)}
    named = {name: thirds.get(name, name) for name in THIRDS}
    return {ALL: "all with ET", **named, NO_ET: "without ET"}


def _draw(ax: Axes, cells: pd.DataFrame, rows: Sequence[Row], style: Mapping[str, Style]) -> None:
    for place, row in enumerate(rows):
        if row.run not in cells.index:
            continue
        cell, color = cells.loc[row.run], style[row.run].color
        ax.plot([cell["low"], cell["high"]], [place, place], color=color, linewidth=1.2)
        ax.plot(
            [cell["count"] / cell["n"]], [place], **style[row.run].points, markersize=4.5,
            markeredgecolor="black", markeredgewidth=0.4, clip_on=False, gid=row.run, zorder=3,
        )  # fmt: skip
        if not pd.isna(cell["ml"]):
            ax.annotate(f"{cell['ml']:.1f} ml", (1, place), xycoords=("axes fraction", "data"),
                        xytext=(4, 0), textcoords="offset points", va="center_baseline",
                        color="0.25")  # fmt: skip
    ax.set_xlim(-0.04, 1.04)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
