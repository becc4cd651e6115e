"""Draw what several charts share: points and levels of runs, and logarithmic axes."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.reporting.drawing.labels import label_points
from benchmarks.reporting.drawing.style import Style
from benchmarks.reporting.rows import Row

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


def label_runs(ax: Axes, points: Points, levels: Levels, rows: Sequence[Row]) -> None:
    """Write the runs' titles beside what `scatter` drew, once the layout is finished."""
    titles = {row.run: row.title for row in rows}
    heights = {titles[run]: height for run, height in levels.items()}
    label_points(ax, list(points.values()), [titles[run] for run in points], heights)


def log_ticks(axis: Axis, digits: Sequence[float]) -> None:
    """Show plain numbers on a logarithmic axis, more than one on short ranges."""
    axis.set_major_locator(LogLocator(subs=digits, numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
