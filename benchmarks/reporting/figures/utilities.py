"""**Do both utilities order the methods alike, and does similarity?** The Dice that the frozen
segmentor reaches on each synthesis against that of the retrained one, and the rank correlation of
every similarity metric with both, as in Table IX; all Dice inside the enhancing tumour.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.reporting.drawing.axes import label_runs
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing
from benchmarks.reporting.drawing.style import PAGE, PALETTE, styled, styles
from benchmarks.reporting.formatting import axis_title, title
from benchmarks.reporting.measures import by_subject
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.utilities import (
    UTILITIES,
    agreements,
    coefficient,
    correlations,
    judged,
    segmentors,
)
from benchmarks.scoring.statistics import Correlation

ORDER = 6

AIM, REGION = "ET", "et"
STYLES = {
    "retrained": {"color": PALETTE[0], "marker": "o", "markerfacecolor": PALETTE[0]},
    "frozen": {"color": PALETTE[3], "marker": "o", "markerfacecolor": "white"},
}  # by utility

_APART = 0.17  # lines between the two utilities' dots of one metric


@styled()
def figure(results: Results) -> Figure:
    """Draw per segmentor one point per synthesis, and below or beside it the correlations."""
    names = segmentors(results)
    points = {segmentor: _points(results, segmentor) for segmentor in names}
    names = {segmentor: name for segmentor, name in names.items() if points[segmentor]}
    expected = [row for row in results.rows if "synthesis" in row.tasks]
    drawn = {run for of in points.values() for run in of}
    caption = results.cohort.caption(
        "Two utilities of each synthesis, and their similarity",
        f"Protocol {results.protocol}; means over patients. Retrained: the segmentor is trained on "
        "the synthesised T1ce; frozen: on the real one, and given the synthesised. Dashed: floors "
        "and ceiling; thin: equal Dice. rho: Spearman's rank correlation over the methods, floors "
        "and ceiling left out, with its 95 % interval over patients; of a similarity metric, 1 "
        "means: the more similar, the more useful.",
        missing(expected, drawn, "both utilities"),
    )
    if not names:
        return empty(caption, "No synthesis has both a retrained and a frozen segmentation.")
    found = correlations(results)
    found = found[found["aim"] == AIM]
    found = found[found.groupby(["protocol", "metric", "region"])["rho"].transform("count") > 0]
    measures = found[["protocol", "metric", "region"]].drop_duplicates()
    heights = [3.1, 0.17 * len(measures) + 0.75]
    beside = len(names) == 1
    canvas = Canvas(PAGE, max(heights) if beside else sum(heights), caption)
    drawing = canvas.arrange()
    if measures.empty:
        axes = drawing.subplots(1, len(names), squeeze=False)
    elif beside:
        axes = drawing.subplots(1, 2, squeeze=False).T
    else:
        axes = drawing.subplots(2, len(names), squeeze=False, height_ratios=heights)
    agreement = agreements(results)
    agreement = agreement[agreement["aim"] == AIM].set_index("segmentor")
    for number, (segmentor, name) in enumerate(names.items()):
        _scatter(axes[0, number], points[segmentor], results.rows, name, agreement.loc[segmentor])
        if not measures.empty:
            of = found[found["segmentor"] == segmentor]
            _dots(axes[1, number], of, name, results.protocol, named=number == 0)
    finish(canvas.figure)
    for ax, segmentor in zip(axes[0], names, strict=True):
        label_runs(ax, points[segmentor], {}, {row.run: row.title for row in results.rows})
    return canvas.figure


def _points(results: Results, segmentor: str) -> dict[str, tuple[float, float]]:
    """Return by synthesis its Dice by the retrained and by the frozen segmentor."""
    means = by_subject(results.whole, "dice", REGION, results.protocol).mean()
    points = {}
    for one in judged(results, segmentor):
        runs = [row.run for utility in UTILITIES if (row := one.by(utility))]
        if len(runs) == len(UTILITIES) and means.reindex(runs).notna().all():
            points[one.synthesis.run] = tuple(means[runs])
    return points


def _scatter(
    ax: Axes,
    points: dict[str, tuple[float, float]],
    rows: Sequence[Row],
    name: str,
    agreement: pd.Series,
) -> None:
    style, roles = styles(rows), {row.run: row.role for row in rows}
    for run, (x, y) in points.items():
        control = roles[run] != "method"
        if control:
            for line, place in ((ax.axvline, x), (ax.axhline, y)):
                line(place, color=style[run].color, linestyle="--", linewidth=0.6, zorder=0)
        ax.plot(
            [x], [y], **style[run].points, markersize=8 if control else 5.5,
            markeredgecolor="black", markeredgewidth=0.4, gid=run, zorder=3,
        )  # fmt: skip
    low, high = min(map(min, points.values())), max(map(max, points.values()))
    ax.plot([low, high], [low, high], color="0.6", linewidth=0.5, zorder=0)
    ax.margins(0.1)
    dice = axis_title("dice", REGION)
    ax.set(xlabel=f"{dice}, retrained  → better", ylabel=f"{dice}, frozen  → better")
    found = Correlation(*agreement[["rho", "low", "high", "methods", "patients"]])
    title = f"{name}: frozen against retrained\n{coefficient(found)}"
    ax.set_title(title, loc="left", weight="bold")


def _dots(ax: Axes, found: pd.DataFrame, name: str, main: str, named: bool) -> None:
    """Draw one line per similarity metric, one dot with its interval per utility."""
    labels = []
    for place, ((protocol, metric, region), of) in enumerate(
        found.groupby(["protocol", "metric", "region"], sort=False)
    ):
        labels.append(title(metric, region) + ("" if protocol == main else f", {protocol}"))
        for side, (_, one) in zip((-_APART, _APART), of.iterrows(), strict=True):
            style = STYLES[one["utility"]]
            ax.plot([one["low"], one["high"]], [place + side] * 2, color=style["color"])
            ax.plot([one["rho"]], [place + side], **style, markersize=3.6, linestyle="none",
                    gid=f"{one['utility']}:{protocol}:{metric}:{region}", zorder=3)  # fmt: skip
    for utility, style in STYLES.items():
        ax.plot([], [], **style, markersize=3.6, label=utility)
    ax.axvline(0, color="0.6", linewidth=0.6, zorder=0)
    ax.set(xlim=(-1.05, 1.05), ylim=(len(labels) - 0.4, -0.6))
    ax.set_xlabel(f"rho with {axis_title('dice', REGION)}")
    ax.set_yticks(range(len(labels)), labels if named else [])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    ax.set_title(f"{name}: similarity", loc="left", weight="bold")
    if named:
        # Above the panel, since dots and intervals may be anywhere in it.
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, handlelength=1.4,
                  borderaxespad=0.2)  # fmt: skip
