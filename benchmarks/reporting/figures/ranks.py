"""**How stable the order of the methods is.** The rank of each mean, with its interval over
resampled patients and the share of resamples in which the method is first, as in Table V.

One panel per column of Table V, best on top.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing, panels
from benchmarks.reporting.drawing.style import FONT, PAGE, Style, styled, styles
from benchmarks.reporting.formatting import axis_title, title
from benchmarks.reporting.measures import COMPLETE, TEST, measure, ranked
from benchmarks.reporting.results import Results
from benchmarks.reporting.tables.table5_statistics import MAIN
from benchmarks.reporting.utilities import first_segmentor, synthesis_titles
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.statistics import ALPHA

ORDER = 4

COLUMNS = (*reversed(MAIN["segmentation"]), *MAIN["synthesis"])  # the enhancing tumour first

_DIGITS = 9  # decimals to which two means count as equal
_HIGHEST = 9  # inches of a page


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per metric and region, with a dot, a bar and a share per method."""
    results, segmentor = first_segmentor(results)
    cells = pd.concat([measure(results, COMPLETE[task], results.protocol) for task in MAIN])
    shown, untested, unranked = {}, {}, False
    for metric, region in COLUMNS:
        column = cells[(cells["metric"] == metric) & (cells["region"] == region)]
        ranks = _ranked(column)
        if len(ranks) < 2:
            continue
        if ranks.loc[~ranks["best"], "too_few"].all():
            untested[metric, region] = ranks["n"].max()
            continue
        shown[metric, region] = ranks
        unranked |= len(ranks) < ((column["role"] == "method") & (column["n"] > 0)).sum()
    few = "; ".join(f"{title(*column)} (n = {n})" for column, n in untested.items())
    few = f"Too few patients for a test, and thus not shown: {few}." if few else ""
    labels, behind = synthesis_titles(results)
    methods = [row for row in results.rows if row.role == "method" and row.tasks]
    measured = set(cells.loc[cells["n"] > 0, "run"])
    differ = any((ranks["p"] < ALPHA).any() for ranks in shown.values())
    caption = results.cohort.caption(
        "Ranks of the methods",
        f"Protocol {results.protocol}. Dot: the rank of the mean over the n patients, 1 is best. "
        "Bar: 95 % interval of the rank over resamples of the patients, and of the trainings if "
        "there are several. Right: the share of resamples in which the method is first.",
        f"*: differs from the best: p < {ALPHA}, {TEST}." if differ else "",
        "Floor and ceiling are not ranked.",
        few,
        behind if any(metric == "dice" for metric, _ in shown) else "",
        "A method whose mean is of fewer patients has no rank." if unranked else "",
        missing(methods, measured, "ranks"),
        segmentor,
    )
    if not shown:
        reason = "Too few patients for a test." if untested else None
        return empty(caption, reason or "Fewer than two methods have scores.")
    most = max(len(ranks) for ranks in shown.values())
    longest = max(len(labels[run]) for ranks in shown.values() for run in ranks["run"])
    # Three panels abreast must have room for names, the numbers of ranks, and shares.
    room = PAGE / 3 - 0.5 - longest * FONT * 0.545 / 72
    abreast = min(3 if room >= 0.1 * min(most, 11) else 2, len(shown))
    lines = -(-len(shown) // abreast)
    pitch = min(0.16, (_HIGHEST / lines - 0.55) / most)
    canvas = Canvas(PAGE, lines * (pitch * most + 0.55), caption)
    axes = panels(canvas.arrange(), len(shown), abreast)
    for ax, (column, ranks) in zip(axes, shown.items(), strict=True):
        _draw(ax, ranks, labels, styles(results.rows))
        ax.set_title(axis_title(*column), loc="left", weight="bold", pad=12)
    return finish(canvas.figure)


def _ranked(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of a column whose means are ranked, best first, with their `rank`."""
    means = ranked(cells["role"], cells["n"], cells["mean"]).round(_DIGITS)
    higher = bool(len(means)) and read_metrics()[cells["metric"].iloc[0]].better == "higher"
    ranks = means.rank(method="min", ascending=not higher)
    return cells.loc[ranks.index].assign(rank=ranks).sort_values("rank", kind="stable")


def _draw(
    ax: Axes, cells: pd.DataFrame, labels: Mapping[str, str], style: Mapping[str, Style]
) -> None:
    count = len(cells)
    ax.set(xlim=(0.7, count + 0.3), ylim=(count - 0.4, -0.6), xlabel="rank, 1 is best")
    above = {"textcoords": "offset points", "xycoords": "axes fraction", "color": "0.25"}
    ax.annotate(f"n = {cells['n'].max()}", (0, 1), xytext=(0, 3), **above)
    ax.annotate("first", (1, 1), xytext=(4, 3), **above)
    for place, cell in enumerate(cells.to_dict("records")):
        look = style[cell["run"]]
        if not np.isnan(cell["first"]):
            span = [cell["rank_low"], cell["rank_high"]]
            ax.plot(span, [place, place], color=look.color, linewidth=3, alpha=0.4,
                    solid_capstyle="round")  # fmt: skip
            mark = " *" if cell["p"] < ALPHA else ""
            ax.annotate(
                f"{cell['first']:.0%}{mark}", (1, place), xycoords=("axes fraction", "data"),
                xytext=(4, 0), textcoords="offset points", color="0.25", va="center_baseline",
            )  # fmt: skip
        ax.plot(
            [cell["rank"]], [place], **look.points, markersize=5.5, markeredgecolor="black",
            markeredgewidth=0.5, clip_on=False, gid=cell["run"], zorder=3,
        )  # fmt: skip
    ax.set_xticks(range(1, count + 1, 1 + count // 11))
    ax.set_yticks(range(count), [labels[run] for run in cells["run"]])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
