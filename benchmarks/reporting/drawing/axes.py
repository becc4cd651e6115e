"""Draw what several charts share: points and levels of runs, their keys, logarithmic axes."""

from collections.abc import Collection, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.reporting.drawing.canvas import Canvas
from benchmarks.reporting.drawing.labels import label_points
from benchmarks.reporting.drawing.style import Style, styles
from benchmarks.reporting.rows import Row, in_order

_KEYS_ABREAST = 4

Points, Levels = Mapping[str, tuple[float, float]], Mapping[str, float]  # by run


def scatter(ax: Axes, points: Points, levels: Levels, styles: Mapping[str, Style]) -> None:
    """Draw one marker per point, whose `gid` is the run, and one dashed line per level."""
    for run, (x, y) in points.items():
        size = 8 if styles[run].marker in "*h" else 5.5
        ax.plot(
            [x], [y], **styles[run].points, markersize=size, markeredgecolor="black",
            markeredgewidth=0.4, gid=run, zorder=3,
        )  # fmt: skip
    for run, height in levels.items():
        ax.axhline(height, color=styles[run].color, linestyle="--", zorder=0)
    ax.margins(0.12)
    ax.grid()


def label_runs(ax: Axes, points: Points, levels: Levels, titles: Mapping[str, str]) -> None:
    """Write the runs' titles beside what `scatter` drew, once the layout is finished."""
    heights = {titles[run]: height for run, height in levels.items()}
    label_points(ax, list(points.values()), [titles[run] for run in points], heights)


def keys_of(rows: Sequence[Row], drawn: Collection[str]) -> list[Line2D]:
    """Return a key per synthesis, whose segmentor looks the same, and per segmentor alone."""
    style, shown = styles(rows), {run.partition("+")[0] for run in drawn}
    return [
        Line2D([], [], **style[row.run].points, markersize=4, markeredgecolor="black",
               markeredgewidth=0.3, label=row.title)
        for row in in_order(rows)
        if row.run in shown
    ]  # fmt: skip


def keys_height(keys: Sequence[Line2D]) -> float:
    """Return the inches that `draw_keys` needs below all panels."""
    return 0.15 * -(-len(keys) // _KEYS_ABREAST) + 0.05


def draw_keys(canvas: Canvas, keys: Sequence[Line2D]) -> None:
    """Draw the keys at the lower edge of a figure."""
    canvas.figure.legend(
        handles=keys, loc="lower center", ncols=_KEYS_ABREAST, handlelength=1, columnspacing=1.2,
        borderpad=0, borderaxespad=0, bbox_to_anchor=(0.5, canvas.bottom / canvas.height),
    )  # fmt: skip


def log_ticks(axis: Axis, digits: Sequence[float]) -> None:
    """Show plain numbers on a logarithmic axis that has its data, more than one on short ranges."""
    low, high = axis.get_view_interval()
    # With one tick, LogLocator would fall back on evenly spaced ones, which crowd.
    subs = digits if high > 10 * low else (1, 2, 3, 5)
    axis.set_major_locator(LogLocator(subs=subs, numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
