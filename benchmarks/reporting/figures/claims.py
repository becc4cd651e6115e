"""**What may be claimed against the ceiling, the floor and the best method.** Each row's difference
from them with its 95 % interval, coloured by the verdict on the pair, as in Table X; Dice inside
the enhancing tumour by both utilities, and PSNR inside the brain.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.reporting.claims import (
    BETTER,
    INFINITE,
    MAYBE,
    OPEN,
    TOO_FEW,
    Compared,
    against,
    claims,
    compared_columns,
    references,
)
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing, panels
from benchmarks.reporting.drawing.style import PAGE, PALETTE, styled
from benchmarks.reporting.formatting import axis_title
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, in_order
from benchmarks.reporting.utilities import UTILITIES, first_segmentor
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.statistics import ALPHA, MEANINGFUL

ORDER = 5

# By task, the column that is drawn, or else the task's first.
DRAWN = {"segmentation": ("dice", "et"), "synthesis": ("psnr", "brain")}
PANELS = ("ceiling", "floor", "best")
COLORS = {
    BETTER: (PALETTE[0], "better"),
    "B is better": (PALETTE[3], "worse"),
    MAYBE: (PALETTE[5], "may be better"),
    MAYBE.replace("A ", "B ", 1): (PALETTE[1], "may be worse"),
    OPEN: ("#808080", OPEN),
    TOO_FEW: ("#b0b0b0", TOO_FEW),
}
MARKERS = {"": "o", "retrained": "o", "frozen": "s"}  # by utility

_APART = 0.18  # lines from the middle of a row to each of its utilities
_LETTERS = 26  # the most in a line above a panel


@styled()
def figure(results: Results) -> Figure:
    """Draw one band of panels per task: one line per row, one mark with its interval per pair."""
    pairs = claims(results)
    drawn, segmentor = first_segmentor(results)
    bands = [band for task in DRAWN if (band := _columns(results, task))]
    lines = [_lines(drawn, band) for band in bands]
    runs = {run for column in chain(*bands) for run in column.runs}
    expected = [row for row in drawn.whole.rows if row.tasks]
    caption = results.cohort.caption(
        "Which differences may be claimed?",
        f"Protocol {results.protocol}. Mark: mean of the row less that of the row above the panel, "
        "over the patients whom both have; bar: its 95 % interval. The colour is the verdict of "
        "Table X, which corrects p for all pairs of rows.",
        "Square: frozen segmentor; circle: retrained." if results.frozen else "",
        f"May be: p is below {ALPHA}, but the lead would be seen again with a probability below "
        f"{MEANINGFUL}."
        if (pairs["verdict"] == MAYBE).any()
        else "",
        "Infinite differences are not drawn." if (pairs["verdict"] == INFINITE).any() else "",
        _on_trainings(pairs),
        missing(expected, runs, "scores"),
        segmentor,
    )
    if pairs.empty:
        return empty(caption, "Fewer than two rows have scores.")
    heights = [0.155 * len(of) + 0.7 for of in lines]
    canvas = Canvas(PAGE, sum(heights) + 0.2, caption)
    blocks = np.atleast_1d(canvas.arrange(0.2).subfigures(len(bands), 1, height_ratios=heights))
    for block, band, of in zip(blocks, bands, lines, strict=True):
        axes = panels(block, len(PANELS), len(PANELS), sharey=True)
        for ax, panel in zip(axes, PANELS, strict=True):
            _draw(ax, results, pairs, band, of, panel)
        axes[0].set_yticks(range(len(of)), [label for label, _ in of])
        axes[0].set_ylim(len(of) - 0.4, -0.6)
    _key(canvas, set(pairs["verdict"]), results.frozen is not None)
    return finish(canvas.figure)


def _columns(results: Results, task: str) -> list[Compared]:
    """The columns of a band: one, or one per utility."""
    of = [one for one in compared_columns(results) if read_metrics()[one.metric].task == task]
    chosen = [one for one in of if (one.metric, one.region) == DRAWN[task]]
    return chosen or [one for one in of if (one.metric, one.region) == (of[0].metric, of[0].region)]


def _lines(results: Results, band: Sequence[Compared]) -> list[tuple[str, set[str]]]:
    """Return the label and the runs of each line, floors first and ceilings last.

    A frozen segmentor shares the line of the retrained one, or of the run that segments its own
    T1ce.
    """
    rows = {row.run: row for row in results.whole.rows}
    lines: dict[str, tuple[Row, list[str]]] = {}
    for column in band:
        for row in (rows[run] for run in column.runs if run in rows):
            retrained = [f"{row.upstream}+{row.segmentor}", row.upstream or row.run]
            first = next((run for run in retrained if row.frozen and run in lines), row.run)
            lines.setdefault(first, (row, []))[1].append(row.run)
    ordered = in_order([row for row, _ in lines.values()])
    return [(row.title, set(lines[row.run][1])) for row in ordered]


def _draw(
    ax: Axes,
    results: Results,
    pairs: pd.DataFrame,
    band: Sequence[Compared],
    lines: Sequence[tuple[str, set[str]]],
    panel: str,
) -> None:
    """Draw the differences from one reference, of the band's one column or both utilities'."""
    places = {run: place for place, (_, runs) in enumerate(lines) for run in runs}
    labels, finite = {}, False
    for column, shift in zip(band, _shifts(len(band)), strict=True):
        run = references(results, column).get(panel)
        if run is None:
            continue
        turned = against(column.of(pairs), run)
        if len(turned):
            labels[column.utility] = turned["b_label"].iloc[0]
        for pair in turned[np.isfinite(turned["difference"])].to_dict("records"):
            if pair["a"] not in places:
                continue
            finite = True
            color, y = COLORS[pair["verdict"]][0], places[pair["a"]] + shift
            ax.plot([pair["low"], pair["high"]], [y, y], color=color, linewidth=1.1)
            ax.plot(
                [pair["difference"]], [y], MARKERS[column.utility], color=color, markersize=3.2,
                gid=f"{column.name}:{pair['a']}:{pair['b']}", zorder=3,
            )  # fmt: skip
    ax.axvline(0, color="0.3", linewidth=0.7, zorder=0)
    metric, region = band[0].metric, band[0].region
    way = {"higher": "better →", "lower": "← better"}[read_metrics()[metric].better]
    ax.set_xlabel(f"difference in {axis_title(metric, region)}  {way}")
    name = {"best": "best method"}.get(panel, panel)
    ax.set_title("\n".join([f"against the {name}", *_named(labels)]), loc="left", weight="bold")
    if not finite:
        reason = "all differences are infinite" if labels else f"no {name} has scores"
        ax.text(0.5, 0.5, reason, transform=ax.transAxes, ha="center", va="center", color="0.4")
        ax.set_xticks([])
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")


def _named(labels: Mapping[str, str]) -> list[str]:
    """Return the lines that name a panel's references, by utility; one line if they are alike."""
    plain = {utility: label.removesuffix(", frozen") for utility, label in labels.items()}
    if len(set(plain.values())) < 2:
        return [textwrap.shorten(label, _LETTERS, placeholder="…") for label in set(plain.values())]
    return [
        textwrap.shorten(f"{utility}: {label}", _LETTERS, placeholder="…")
        for utility, label in plain.items()
    ]


def _shifts(count: int) -> tuple[float, ...]:
    return (0.0,) if count == 1 else (-_APART, _APART)


def _on_trainings(pairs: pd.DataFrame) -> str:
    if pairs.empty or pairs["trainings"].max() > 1:
        return ""
    return "One training of each row: another seed is not covered."


def _key(canvas: Canvas, verdicts: set[str], frozen: bool) -> None:
    """Draw the key to the colours and markers that occur, between the panels and the footer."""
    ax = canvas.axes(0, canvas.top - canvas.bottom - 0.2, canvas.width, 0.2)
    ax.set_axis_off()
    shown = {verdict.replace("B ", "A ", 1) for verdict in verdicts}
    for verdict, (color, label) in COLORS.items():
        if verdict.replace("B ", "A ", 1) in shown:
            ax.plot([], [], color=color, linewidth=2.5, label=label)
    for utility in UTILITIES if frozen else ():
        ax.plot([], [], MARKERS[utility], color="0.3", markersize=3.2, label=utility)
    ax.legend(loc="center", ncols=8, handlelength=1.2, columnspacing=1.4, borderaxespad=0)
