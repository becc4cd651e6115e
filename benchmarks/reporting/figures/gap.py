"""**What each synthesis is worth.** The share of the gap between no T1ce and the real T1ce that a
segmentor recovers with it, with its 95 % interval, by both utilities; 0 % is the segmentor without
T1ce, 100 % the one on the real T1ce.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing, panels
from benchmarks.reporting.drawing.style import PAGE, PALETTE, styled
from benchmarks.reporting.formatting import number, title
from benchmarks.reporting.gap import NO_T1CE, Gap, gaps, shares
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import marked
from benchmarks.reporting.utilities import UTILITIES, judged, segmentors

NEEDS = ("scores", "patients")
ORDER = 0

STYLES = {
    "retrained": {"color": PALETTE[0], "marker": "o"},
    "frozen": {"color": PALETTE[3], "marker": "s"},
}  # by utility

_APART = 0.17  # lines from the middle of a row to each of its utilities
_WIDEST = 2.0  # how far, in shares, a panel reaches beyond no T1ce and the ceiling


@styled()
def figure(results: Results) -> Figure:
    """Draw one panel per segmentor and region: a line per synthesis, a mark per utility."""
    cells, names = shares(results), segmentors(results)
    clear = [gap for gap in gaps(results) if gap.clear]
    unclear = [gap for gap in gaps(results) if not gap.clear]
    drawn = {row.upstream or row.run for row in results.whole.rows
             if row.run in set(cells.loc[cells["share"].notna(), "run"])}  # fmt: skip
    expected = [one.synthesis for name in names for one in judged(results, name)
                if one.synthesis.role != "ceiling"]  # fmt: skip
    caption = results.cohort.caption(
        "How much of the gap does each synthesis recover?",
        f"Protocol {results.protocol}. Mark: share of the way from the mean Dice without T1ce, "
        "0 %, to that on the real T1ce, 100 %, over the patients who have the region; bar: its "
        "95 % interval. Retrained: the segmentor is trained on the synthesised T1ce; frozen: on "
        "the real one, and given the synthesised.",
        " ".join(
            f"{_named(gap, names)}: {_size(gap)}, not clearly above 0; no share is defined."
            for gap in unclear
        ),
        missing(expected, drawn, "a share") if clear else "",
    )
    if not clear:
        return empty(caption, "The real T1ce is not clearly better than no T1ce.")
    orders = [_order(cells, gap) for gap in clear]
    canvas = Canvas(PAGE, 0.2 * max(map(len, orders)) + 1.05, caption)
    drawing = canvas.arrange(spare=0.2)
    for ax, gap, order in zip(panels(drawing, len(clear), len(clear)), clear, orders, strict=True):
        _draw(ax, cells, gap, order)
        ax.set_title(f"{_named(gap, names)}\ngap: {_size(gap)}", loc="left", weight="bold")
    handles = [Line2D([], [], **STYLES[utility], linestyle="-", markersize=4, label=utility)
               for utility in UTILITIES]  # fmt: skip
    drawing.legend(handles=handles, loc="lower center", ncols=2, borderpad=0, borderaxespad=0,
                   bbox_to_anchor=(0.5, canvas.bottom / canvas.height))  # fmt: skip
    return finish(drawing)


def _named(gap: Gap, names: dict[str, str]) -> str:
    behind = f", {names[gap.segmentor]}" if len(names) > 1 else ""
    return f"{title('dice', gap.region)}{behind}, n = {gap.found.pairs}"


def _size(gap: Gap) -> str:
    found = gap.found
    ends = " to ".join(number(end, "dice") for end in (found.low, found.high))
    return f"{number(found.difference, 'dice')} [{ends}]"


def _of(cells: pd.DataFrame, gap: Gap) -> pd.DataFrame:
    """The shares of a gap, by label and utility."""
    of = cells[(cells["segmentor"] == gap.segmentor) & (cells["region"] == gap.region)]
    return of[of["share"].notna()]


def _order(cells: pd.DataFrame, gap: Gap) -> list[tuple[str, str]]:
    """Return label and role of each line, the largest share first."""
    largest = _of(cells, gap).groupby(["label", "role"])["share"].max()
    return list(largest.sort_values(ascending=False, kind="stable").index)


def _draw(ax: Axes, cells: pd.DataFrame, gap: Gap, order: Sequence[tuple[str, str]]) -> None:
    of, places = _of(cells, gap), {label: place for place, (label, _) in enumerate(order)}
    for place, name in ((0.0, NO_T1CE), (1.0, "real T1ce")):
        ax.axvline(place, color="0.3", linewidth=0.8, zorder=0)
        ax.annotate(name, (place, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                    textcoords="offset points", ha="center", va="bottom", color="0.3")  # fmt: skip
    for utility, shift in zip(UTILITIES, (-_APART, _APART), strict=True):
        for row in of[of["utility"] == utility].itertuples():
            y, ends = places[row.label] + shift, np.clip((row.low, row.high), -99, 99)
            ax.plot(ends, [y, y], color=STYLES[utility]["color"], linewidth=1.2)
            ax.plot([row.share], [y], **STYLES[utility], markersize=4, linestyle="none",
                    gid=row.run, zorder=3)  # fmt: skip
    low = max(-_WIDEST, min(0.0, of["low"].min()))
    high = min(1 + _WIDEST, max(1.0, of["high"].max()))
    ax.set(xlim=(low - 0.06 * (high - low), high + 0.06 * (high - low)))
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_yticks(range(len(order)), [marked(label, role) for label, role in order])
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    ax.set_xlabel("share of the gap  → better")
    ax.grid(axis="x")
