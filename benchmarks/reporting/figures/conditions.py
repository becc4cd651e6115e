"""**What the conditions change.** One panel per metric: means with 95 % intervals under every
condition of the benchmark, as in Table XII.

Curves where the conditions differ in one number, else one line of points per method.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from benchmarks.reporting.caption import Caption
from benchmarks.reporting.conditions import (
    MEAN,
    Scale,
    all_results,
    base_run,
    by_condition,
    pairing_leads,
    scale,
)
from benchmarks.reporting.drawing.canvas import (
    Canvas,
    empty,
    finish,
    letters_in,
    missing,
    panels,
)
from benchmarks.reporting.drawing.style import FONT, PAGE, PALETTE, Style, styled, styles
from benchmarks.reporting.formatting import axis_arrow, axis_title
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import in_order
from benchmarks.reporting.utilities import first_segmentor
from benchmarks.scoring.metric import read_metrics

ORDER = 8
ONLY = "conditions"

PANELS = [
    ("", "psnr", "brain"),
    ("", "ssim", "brain"),
    ("", "ssim", "et"),
    ("retrained", "dice", "et"),
    ("frozen", "dice", "et"),
]  # utility, metric and region
Stroke = str | tuple[float, tuple[float, ...]]  # a line style of Matplotlib
LINES: dict[str, Stroke] = {"paired": "-", "unpaired": "--", "": "-."}  # by pairing
# Of rows that no condition changes, one after the other: two floors have nearly the same grey.
LEVELS: tuple[Stroke, ...] = (":", (0, (4, 1, 1, 1)), (0, (1, 4)), (0, (8, 2)))

_ABREAST = {True: 3, False: 2}  # panels, of curves and of points
LETTERS = 20  # of a row's name on one line

_APART = 0.22  # rows between the points of two conditions


@styled()
def figure(results: Results) -> Figure:
    """Draw the means under each condition."""
    cells = by_condition(results)
    shown, segmentor = first_segmentor(results.whole)
    runs = {row.run for row in shown.rows}
    cells = cells[cells["row"].isin(runs | {MEAN})]
    frames = {panel: _of(cells, *panel) for panel in PANELS}
    frames = {panel: of for panel, of in frames.items() if of["mean"].notna().any()}
    titles = {name: of.condition.title for name, of in all_results(results).items()}
    expected = [
        replace(row, label=f"{row.label} ({of.condition.title})")
        for of in results.conditions.values()
        for row in of.rows
        if row.condition and base_run(row.run) in runs
    ]
    drawn = {run for of in frames.values() for run in of["run"]}
    caption = results.cohort.caption(
        "Scores under each condition",
        f"Protocol {results.protocol}; means over patients and trainings, with 95 % intervals. "
        "The ceiling's synthesis is the reference itself and not drawn.",
        missing(expected, drawn, "scores"),
        segmentor,
    )
    if not frames:
        return empty(caption, "No run has scores under the conditions.")
    style = styles(results.whole.rows)
    if ordered := scale(results):
        return _curves(results, frames, ordered, style, caption)
    return _points(results, frames, titles, caption)


def _of(cells: pd.DataFrame, utility: str, metric: str, region: str) -> pd.DataFrame:
    """The cells of a panel that are finite, and the change of the mean over the methods.

    A ceiling's synthesis, the reference itself, is left out: its scores would hide others'.
    """
    here = (cells["metric"] == metric) & (cells["region"] == region)
    reference = (cells["role"] == "ceiling") & (cells["utility"] == "")
    of = cells[here & (cells["utility"] == utility) & ~reference]
    finite = np.isfinite(of["mean"].astype(float))
    return of[finite | ((of["row"] == MEAN) & of["change"].notna())]


def _panel_title(utility: str, metric: str, region: str) -> str:
    name = axis_title(metric, region)
    return f"{name}, {utility}" if utility else name


def _curves(
    results: Results,
    frames: Mapping[tuple[str, str, str], pd.DataFrame],
    ordered: Scale,
    style: Mapping[str, Style],
    caption: Caption,
) -> Figure:
    """Draw the means against the number in which the conditions differ."""
    leads = pairing_leads(results)
    key = (
        "Solid: paired methods, dashed: unpaired ones; level: rows that no condition changes. "
        "Above each panel: which are ahead, the means of the paired or of the unpaired methods; "
        "undecided where the 95 % interval of their difference, over the same patients and "
        "trainings, includes 0. Grey: the paired methods overtake the unpaired ones in between."
        if len(leads)
        else "Level: rows that no condition changes."
    )
    drawn = {_method(run) for cells in frames.values() for run in cells["row"]}
    methods = [row for row in in_order(results.rows) if row.run in drawn]
    levels = {_method(run) for cells in frames.values() for run in _levels(cells)}
    methods.sort(key=lambda row: row.run in levels)  # curves first
    strokes = {row.run: LINES[row.pairing] for row in methods}
    strokes |= zip(filter(levels.__contains__, list(strokes)), cycle(LEVELS), strict=False)
    handles = [
        Line2D([], [], color=style[row.run].color, linestyle=strokes[row.run], label=row.title,
               marker="" if row.run in levels else style[row.run].marker, markersize=4)
        for row in methods
    ]  # fmt: skip
    columns = _ABREAST[True]
    lines = -(-len(frames) // columns)
    legend = 0.15 * -(-len(handles) // 4) + 0.05
    canvas = Canvas(PAGE, 2.15 * lines + legend, caption.opening_with(key))
    drawing = canvas.arrange(spare=legend)
    letters = letters_in(PAGE / columns - 0.4, FONT + 0.5)
    axes = panels(drawing, len(frames), columns)
    for ax, (panel, of) in zip(axes, frames.items(), strict=True):
        utility, metric, region = panel
        here = (leads["metric"] == metric) & (leads["region"] == region)
        lead = leads[here & (leads["utility"] == utility)]
        _draw_curves(ax, of[of["row"] != MEAN], ordered, style, strokes)
        _mark_lead(ax, lead, ordered)
        ax.set_title("\n".join(textwrap.wrap(_said(lead, ordered), letters)), loc="left")
        ax.set_ylabel(f"{_panel_title(*panel)}  {axis_arrow(metric)}")
        ax.set_xlabel(ordered.title)
    drawing.legend(handles=handles, loc="lower center", ncols=4, handlelength=2.2,
                   columnspacing=1.2, borderpad=0, borderaxespad=0,
                   bbox_to_anchor=(0.5, canvas.bottom / canvas.height))  # fmt: skip
    return finish(drawing)


def _method(run: str) -> str:
    """Return whose row it is: behind a synthesis, that of the synthesis."""
    return run.partition("+")[0]


def _levels(cells: pd.DataFrame) -> dict[str, float]:
    """Return the mean of each row that no condition changes."""
    shared = cells[cells["shared"]]
    return dict(zip(shared["row"], shared["mean"].astype(float), strict=True))


def _draw_curves(
    ax: Axes,
    cells: pd.DataFrame,
    ordered: Scale,
    style: Mapping[str, Style],
    strokes: Mapping[str, Stroke],
) -> None:
    ax.set_xscale("log", base=2)
    levels = _levels(cells)
    for name, height in levels.items():
        stroke = strokes[_method(name)]
        ax.axhline(height, color=style[name].color, linestyle=stroke, gid=name, zorder=0)
    for name, of in cells[~cells["row"].isin(levels)].groupby("row", sort=False):
        look, of = style[name], of.set_index("condition").reindex(list(ordered.places))
        x = list(ordered.places.values())
        ax.vlines(x, of["low"], of["high"], color=look.color, linewidth=0.8)
        ax.plot(
            x, of["mean"], color=look.color, marker=look.marker, markersize=4,
            linestyle=strokes[_method(name)], markeredgecolor="black", markeredgewidth=0.3,
            gid=name, zorder=3,
        )  # fmt: skip
    ticks = {place: ordered.labels[name] for name, place in ordered.places.items()}
    ax.set_xticks(list(ticks), list(ticks.values()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.08)
    ax.grid()


def _sides(lead: pd.DataFrame, ordered: Scale) -> dict[str, int]:
    """Return by condition, in rising order, 1 where the paired methods are ahead, -1 the others."""
    by_name = lead.set_index("condition")
    return {
        name: int(by_name.loc[name, "low"] > 0) - int(by_name.loc[name, "high"] < 0)
        for name in ordered.places
        if name in by_name.index
    }


def _said(lead: pd.DataFrame, ordered: Scale) -> str:
    """Say at which numbers the paired or the unpaired methods are ahead."""
    sides = _sides(lead, ordered)
    if not sides:
        return ""
    if not any(sides.values()):
        return "paired or unpaired ahead: undecided"
    words = {1: "paired ahead at", -1: "unpaired ahead at", 0: "undecided at"}
    parts = []
    for side, text in words.items():
        if named := [ordered.labels[name] for name, of in sides.items() if of == side]:
            parts.append(f"{text} {', '.join(named)}")
    return "; ".join(parts)


def _mark_lead(ax: Axes, lead: pd.DataFrame, ordered: Scale) -> None:
    """Shade the numbers between which the paired methods overtake the unpaired ones."""
    sides = [(ordered.places[name], side) for name, side in _sides(lead, ordered).items()]
    behind = [place for place, side in sides if side < 0]
    ahead = [place for place, side in sides if side > 0]
    if behind and ahead and max(behind) < min(ahead):
        ax.axvspan(max(behind), min(ahead), color="0.9", zorder=-1, gid="overtaken")


def _points(
    results: Results,
    frames: Mapping[tuple[str, str, str], pd.DataFrame],
    titles: Mapping[str, str],
    caption: Caption,
) -> Figure:
    """Draw one line of points per row that a condition changes."""
    changed = {row.run: base_run(row.run) for of in results.conditions.values()
               for row in of.whole.rows if row.condition}  # fmt: skip
    frames = {panel: of[of["row"].isin([*changed.values(), MEAN])] for panel, of in frames.items()}
    frames = {panel: of for panel, of in frames.items() if len(of)}
    own, others = results.condition, [name for name in titles if name != results.condition.name]
    said = (
        f"Right: {titles[others[0]]} minus {own.title} over the same patients and trainings, with "
        "its 95 % interval."
        if len(others) == 1
        else ""
    )
    caption = caption.opening_with("Rows that no condition changes are not drawn.", said)
    if not frames:
        return empty(caption, "No run has scores under the conditions.")
    looks = {
        name: {"color": PALETTE[place % len(PALETTE)], "marker": "o",
               "markerfacecolor": "white" if place == 0 else PALETTE[place % len(PALETTE)]}
        for place, name in enumerate(titles)
    }  # fmt: skip
    labels = {row.run: row.title for row in results.whole.rows} | {MEAN: MEAN}
    order = {row.run: place for place, row in enumerate(in_order(results.whole.rows))}
    columns = _ABREAST[False]
    most = max(of["row"].nunique() for of in frames.values())
    lines = -(-len(frames) // columns)
    canvas = Canvas(PAGE, lines * (0.27 * most + 0.6) + 0.2, caption)
    drawing = canvas.arrange(spare=0.2)
    for ax, (panel, of) in zip(panels(drawing, len(frames), columns), frames.items(), strict=True):
        names = sorted(of["row"].unique(), key=lambda name: order.get(name, len(order)))
        _draw_points(ax, of, names, looks, panel[1], others)
        ax.set_yticks(range(len(names)), [textwrap.fill(labels[name], LETTERS) for name in names])
        ax.set_title(_panel_title(*panel), loc="left", weight="bold")
        ax.set_xlabel(axis_arrow(panel[1]))
    handles = [Line2D([], [], **look, linestyle="none", markersize=4, label=titles[name])
               for name, look in looks.items()]  # fmt: skip
    drawing.legend(handles=handles, loc="lower center", ncols=6, handlelength=1, borderpad=0,
                   borderaxespad=0,
                   bbox_to_anchor=(0.5, canvas.bottom / canvas.height))  # fmt: skip
    return finish(drawing)


def _draw_points(
    ax: Axes,
    cells: pd.DataFrame,
    names: Sequence[str],
    looks: Mapping[str, dict],
    metric: str,
    others: Sequence[str],
) -> None:
    digits = read_metrics()[metric].digits
    for place, name in enumerate(names):
        of = cells[cells["row"] == name].set_index("condition")
        ax.plot(of["mean"], [place] * len(of), color="0.75", zorder=1)
        for number, (condition, look) in enumerate(looks.items()):
            if condition not in of.index or np.isnan(of.loc[condition, "mean"]):
                continue
            cell, y = of.loc[condition], place + (number - (len(looks) - 1) / 2) * _APART
            ax.plot([cell["low"], cell["high"]], [y, y], color=look["color"], linewidth=0.8)
            ax.plot([cell["mean"]], [y], **look, markersize=4, linestyle="none", zorder=3,
                    gid=cell["run"])  # fmt: skip
        if len(others) == 1 and others[0] in of.index:
            change, low, high = of.loc[others[0], ["change", "change_low", "change_high"]]
            text = "" if np.isnan(change) else f"{change:+.{digits}f}"
            if not np.isnan(low):
                text += f"\n[{low:+.{digits}f}, {high:+.{digits}f}]"
            ax.annotate(
                text, (1, place), xycoords=("axes fraction", "data"), xytext=(4, 0),
                textcoords="offset points", color="0.25", va="center", linespacing=1,
            )  # fmt: skip
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
