"""Draw how time and memory grow: a curve a step, a panel a quantity and what grows."""

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.files import write_atomically
from benchmarks.reporting.figures.style import MARKERS, PAGE, PALETTE, styled

QUANTITIES = {
    "core_seconds_at": ("core seconds", 1, "time_exponent"),
    "memory_bytes_at": ("memory, MB", 1e6, "memory_exponent"),
}
"""Of a row of `workflow.speed.growth` what is drawn, its unit, and its exponent."""


def draw(rows: Sequence[dict], path: Path) -> None:
    """Write a PNG of the rows of `growth.measure`, both axes logarithmic.

    A grey line shows what is linear. Each step looks the same in all panels; the number behind its
    name is the exponent of its time.
    """
    curves = [(*row["name"].rsplit(", ", 1), row) for row in rows]
    steps = list(dict.fromkeys(step for step, _, _ in curves))
    grown = list(dict.fromkeys(grows for _, grows, _ in curves))
    with styled():
        figure = Figure((PAGE, 6.4), layout="constrained")
        figure.suptitle("Time and memory of each step, beyond those of the start of a process")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(QUANTITIES), len(grown), squeeze=False, sharey="row")
        for column, grows in enumerate(grown):
            shown = [(step, row) for step, its, row in curves if its == grows]
            for axes, quantity in zip(panels[:, column], QUANTITIES, strict=True):
                _panel(axes, shown, steps, quantity)
            panels[0, column].set_title(f"against {grows}")
            panels[-1, column].set_xlabel(grows)
            panels[-1, column].legend(
                *panels[0, column].get_legend_handles_labels(),
                loc="upper center",
                bbox_to_anchor=(0.5, -0.2),
                title="step and exponent of its time",
            )
        for axes, (label, _, _) in zip(panels[:, 0], QUANTITIES.values(), strict=True):
            axes.set_ylabel(label)
        content = io.BytesIO()
        figure.savefig(content, format="png")
    with write_atomically(path) as file:
        file.write(content.getvalue())


def _panel(
    axes: Axes, shown: Sequence[tuple[str, dict]], steps: Sequence[str], quantity: str
) -> None:
    _, unit, _ = QUANTITIES[quantity]
    axes.set(xscale="log", yscale="log")
    axes.grid(which="major")
    for step, row in shown:
        place = steps.index(step)
        axes.plot(
            row["sizes"],
            [value / unit for value in row[quantity]],
            color=PALETTE[place % len(PALETTE)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=3,
            label=f"{step} {row['time_exponent']:.2f}",
        )
    sizes = shown[0][1]["sizes"]
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(size) for size in sizes])
    # From the lower left corner, where it crosses no curve that it is not compared with.
    low = axes.get_ylim()[0]
    axes.plot(
        sizes, [low * size / sizes[0] for size in sizes], color="0.6", ls="--", label="linear"
    )
