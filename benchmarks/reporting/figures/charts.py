"""The figures of numbers: scores, ranks, losses and costs."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from benchmarks.reporting.figures.ranking import ENOUGH, LEVEL, rank
from benchmarks.reporting.figures.style import (
    COLUMN,
    PAGE,
    PALETTE,
    Cohort,
    Look,
    Sheet,
    absent,
    direct_labels,
    empty,
    label,
    looks,
    settle,
    styled,
)
from benchmarks.reporting.figures.values import arrow, by_patient, title
from benchmarks.reporting.rows import System, in_order
from benchmarks.scoring.protocol import METRICS

PANELS = {
    "segmentation": (("dice", "wt"), ("dice", "tc"), ("dice", "et")),
    "synthesis": (("ssim", "brain"), ("ssim", "et"), ("psnr", "brain"), ("psnr", "et")),
}
"""The main metrics with their regions, by task."""

_CEILING = ("oracle", "synthesis")

BOXES = 5
"""From how many patients on quartiles are drawn: of fewer, the points say more."""


@styled()
def distributions(
    cohort: Cohort, scores: pd.DataFrame, systems: Sequence[System], protocol: str
) -> Figure:
    """Every patient's score, a panel a metric; a line joins a patient's points.

    `scores` is a score table (see reporting.tables.COLUMNS).
    """
    what = "Scores of each patient"
    tasks = {name: _panels(scores, systems, name, protocol) for name in PANELS}
    tasks = {name: panels for name, panels in tasks.items() if panels}
    notes = [
        f"Protocol {protocol}. A thin line joins the scores of one patient; a black tick is the "
        f"mean over patients. Boxes, from {BOXES} patients on: quartiles and range. The ceiling's "
        "synthesis is the reference itself and not drawn.",
        *_absent_from(tasks, systems),
        cohort.description,
    ]
    if not tasks:
        return empty(cohort.heading(what), notes, "No system has been scored.")
    rows = [max(frame.shape[1] for frame in panels.values()) for panels in tasks.values()]
    sheet = Sheet(PAGE, 0.155 * sum(rows) + 0.5 * len(rows), cohort.heading(what), notes)
    blocks = sheet.arrange().subfigures(len(tasks), 1, height_ratios=[r + 3 for r in rows])
    for block, (name, panels) in zip(np.atleast_1d(blocks), tasks.items(), strict=True):
        shown = [s for s in in_order(systems) if any(s.id in f for f in panels.values())]
        axes = block.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, ((metric, region), frame) in zip(axes, panels.items(), strict=True):
            _distribution(ax, frame.reindex(columns=[s.id for s in shown]), shown, looks(systems))
            ax.set_xlabel(f"{title(metric, region)}  {arrow(metric)}")
        axes[0].set_yticks(range(len(shown)), [label(system) for system in shown])
        axes[0].set_gid(name)
    return settle(sheet.figure)


def _panels(
    scores: pd.DataFrame, systems: Sequence[System], name: str, protocol: str
) -> dict[tuple[str, str], pd.DataFrame]:
    """The metrics of a task that any system has a value of, with each patient's values.

    A ceiling's synthesis is the reference itself: its scores say nothing, and hide the others'.
    """
    if name == "synthesis":
        systems = [system for system in systems if system.role != "oracle"]
    frames = {
        panel: by_patient(scores, in_order(systems), *panel, protocol).replace(np.inf, np.nan)
        for panel in PANELS[name]
    }
    return {panel: frame for panel, frame in frames.items() if frame.notna().any(axis=None)}


def _absent_from(tasks: Mapping[str, Mapping], systems: Sequence[System]) -> list[str]:
    """On the systems that should have scores of a task, and have none."""
    drawn = {s for panels in tasks.values() for frame in panels.values() for s in frame.columns}
    expected = [
        system for system in systems if system.tasks and (system.role, *system.tasks) != _CEILING
    ]
    return [absent(expected, list(drawn), "scores")]


def _distribution(
    ax: Axes, frame: pd.DataFrame, shown: Sequence[System], look: Mapping[str, Look]
) -> None:
    places = np.arange(len(shown))
    ax.plot(frame.to_numpy().T, places, color="0.75", linewidth=0.5, zorder=1)
    long = frame.melt(var_name="system").dropna()
    if len(frame) >= BOXES:
        grey = {"color": "0.35", "linewidth": 0.6}
        ax.boxplot(
            [values.dropna() for _, values in frame.items()], positions=places, widths=0.7,
            orientation="horizontal", whis=(0, 100), manage_ticks=False, zorder=2,
            **{f"{part}props": grey for part in ("box", "median", "whisker", "cap")},
        )  # fmt: skip
    sns.stripplot(
        long, x="value", y="system", order=list(frame), hue="system", hue_order=list(frame),
        palette=[look[system].color for system in frame], ax=ax, size=3.2, jitter=False,
        linewidth=0.3, edgecolor="0.2", legend=False, zorder=3,
    )  # fmt: skip
    ax.plot(frame.mean(), places, "|", color="black", markersize=7, markeredgewidth=1.1, zorder=4)
    ax.set(ylabel="", ylim=(len(shown) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.grid(axis="x")


@styled()
def ranks(cohort: Cohort, scores: pd.DataFrame, systems: Sequence[System], protocol: str) -> Figure:
    """Mean ranks of the entries, a panel a metric, best on top.

    A bar joins what the Nemenyi test cannot tell apart; with too few patients the panel says so.
    """
    what = "Mean ranks"
    entries = [system for system in systems if system.role == "entry"]
    panels = {k: v for name in PANELS for k, v in _panels(scores, entries, name, protocol).items()}
    panels = {panel: frame for panel, frame in panels.items() if frame.shape[1] > 1}
    notes = [
        f"Protocol {protocol}. Entries are ranked within each patient who has a value for all of "
        "them, 1 is best; small marks: a patient's rank, large: the mean. n: patients. With more "
        f"than {ENOUGH} of them, p is of Friedman's test (Iman and Davenport's form), and where it "
        f"is below {LEVEL}, vertical bars join systems whose mean ranks differ by less than CD, "
        "the critical difference of the Nemenyi test (Demsar 2006). Floor and ceiling are not "
        "ranked.",
        *_absent_from({"": panels}, entries),
        cohort.description,
    ]
    if not panels:
        return empty(cohort.heading(what), notes, "Fewer than two entries have been scored.")
    lines = -(-len(panels) // 2)
    most = max(frame.shape[1] for frame in panels.values())
    sheet = Sheet(PAGE, lines * (0.16 * most + 0.55), cohort.heading(what), notes)
    axes = sheet.arrange().subplots(lines, 2, squeeze=False).flat
    names = {system.id: label(system) for system in entries}
    for ax, ((metric, region), frame) in zip(axes, panels.items(), strict=False):
        _ranks(ax, frame, METRICS[metric].better == "higher", names, looks(systems))
        ax.set_title(title(metric, region), loc="left", weight="bold", pad=12)
    for ax in list(sheet.figure.axes)[len(panels) :]:
        ax.remove()
    return settle(sheet.figure)


def _ranks(
    ax: Axes,
    frame: pd.DataFrame,
    higher_is_better: bool,
    names: Mapping[str, str],
    look: Mapping[str, Look],
) -> None:
    ranking = rank(frame, higher_is_better)
    verdict = ax.annotate(
        ranking.verdict, (0, 1), xytext=(0, 3), xycoords="axes fraction",
        textcoords="offset points", color="0.25",
    )  # fmt: skip
    verdict.set_in_layout(False)
    ax.set_yticks(range(frame.shape[1]), [names[system] for system in ranking.ranks])
    for place, (system, own) in enumerate(ranking.ranks.items()):
        style = {"color": look[system].color, "marker": look[system].marker, "linestyle": "none"}
        ax.plot(own, np.full(len(own), place), **style, markersize=2.5, alpha=0.35, clip_on=False)
        ax.plot(
            [own.mean()], [place], **style, markersize=6, markeredgecolor="black",
            markeredgewidth=0.5, clip_on=False, zorder=3,
        )  # fmt: skip
    worst = frame.shape[1]
    for number, (first, last) in enumerate(ranking.alike):
        x = worst + 0.35 + 0.16 * number
        ax.plot([x, x], [first - 0.25, last + 0.25], color="black", linewidth=2, clip_on=False)
    room = 0.3 + 0.16 * len(ranking.alike)
    ax.set(xlim=(0.8, worst + room), ylim=(worst - 0.4, -0.6), xlabel="rank, 1 is best")
    ax.set_xticks(range(1, worst + 1))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")


@styled()
def similarity_vs_utility(
    cohort: Cohort, scores: pd.DataFrame, systems: Sequence[System], protocol: str
) -> Figure:
    """Does T1ce that looks right also help? SSIM against Dice, both inside the enhancing tumour."""
    what = "Similarity and use of synthesised T1ce"
    similarity = by_patient(scores, systems, "ssim", "et", protocol)
    utility = by_patient(scores, systems, "dice", "et", protocol)
    utility = utility.reindex(similarity.dropna(how="all").index)
    partners = {
        first: second for first, second in _partners(systems).items() if first in similarity
    }
    ceilings = {system.id for system in systems if system.role == "oracle"}
    points = {}
    for first, second in partners.items():
        if second in utility:
            both = pd.concat([similarity[first], utility[second]], axis=1).dropna()
            if len(both):
                points[first] = (*both.mean(), len(both))
    counts = sorted({n for *_, n in points.values()})
    notes = [
        f"Protocol {protocol}. Means over the patients who have both values: n\xa0=\xa0"
        f"{' to '.join(str(n) for n in sorted({counts[0], counts[-1]})) if counts else 0}. "
        "Dice is of the segmentor behind each synthesis, or of the system itself where it is "
        "trained jointly. Dashed: segmentation with the real T1ce, whose SSIM is 1, and without "
        "any T1ce.",
        absent([s for s in systems if "synthesis" in s.tasks], list(points), "value of both"),
        cohort.description,
    ]
    if not points:
        why = f"No system has both an SSIM and a Dice inside the enhancing tumour ({protocol})."
        return empty(cohort.heading(what), notes, why)
    sheet = Sheet(COLUMN, 2.9, cohort.heading(what), notes)
    ax = sheet.arrange().subplots()
    by_id = {system.id: system for system in systems}
    levels = {by_id[key]: y for key, (_, y, _) in points.items() if key in ceilings}
    places = {key: (x, y) for key, (x, y, _) in points.items() if key not in ceilings}
    _scatter(ax, places, looks(systems))
    ax.set_xlabel(f"{title('ssim', 'et')} of the synthesis  {arrow('ssim')}")
    ax.set_ylabel(f"{title('dice', 'et')} of the segmentation  {arrow('dice')}")
    for system in systems:
        alone = "synthesis" not in system.tasks and "+" not in system.id
        if alone and system.id in utility and utility[system.id].notna().any():
            levels[system] = utility[system.id].mean()
    for system, height in levels.items():
        ax.axhline(height, color=looks(systems)[system.id].color, linestyle="--", zorder=0)
    settle(sheet.figure)
    direct_labels(
        ax, list(places.values()), [label(by_id[key]) for key in places],
        {label(system): height for system, height in levels.items()},
    )  # fmt: skip
    return sheet.figure


def _partners(systems: Sequence[System]) -> dict[str, str]:
    """What synthesises -> what its T1ce is segmented by: itself, or the segmentor behind it."""
    behind = {system.id.partition("+")[0]: system.id for system in systems if "+" in system.id}
    joint = {system.id: system.id for system in systems if "segmentation" in system.tasks}
    return {
        system.id: (behind | joint).get(system.id, "")
        for system in systems
        if "synthesis" in system.tasks
    }


def _scatter(ax: Axes, points: Mapping[str, tuple[float, float]], look: Mapping[str, Look]) -> None:
    for system, (x, y) in points.items():
        size = 8 if look[system].marker in "*h" else 5.5
        ax.plot(
            [x], [y], marker=look[system].marker, color=look[system].color, markersize=size,
            markeredgecolor="black", markeredgewidth=0.4, linestyle="none", gid=system, zorder=3,
        )  # fmt: skip
    ax.margins(0.12)
    ax.grid()


@styled()
def cost_vs_quality(
    cohort: Cohort,
    scores: pd.DataFrame,
    hours: Mapping[str, float],
    systems: Sequence[System],
    protocol: str,
) -> Figure:
    """What a score costs: hours of training against Dice in ET and against SSIM in the brain.

    `hours` holds GPU or core hours, of all trainings that a system needs (see values.hours).
    """
    what = "Cost and quality"
    frames = {
        panel: by_patient(scores, systems, *panel, protocol).replace(np.inf, np.nan)
        for panel in (("dice", "et"), ("ssim", "brain"))
    }
    frames = {
        panel: {s: frame[s].mean() for s in frame if s in hours and frame[s].notna().any()}
        for panel, frame in frames.items()
    }
    frames = {panel: means for panel, means in frames.items() if means}
    drawn = [system for means in frames.values() for system in means]
    notes = [
        f"Protocol {protocol}; means over patients. Hours of the GPU, or of the cores where the "
        "CPU computed, for all trainings that a system needs; for Dice, the generator's and the "
        "segmentor's. Dashed: what needs no training.",
        absent([system for system in systems if system.tasks], drawn, "score or cost"),
        cohort.description,
    ]
    if not frames:
        return empty(cohort.heading(what), notes, "No system has both a score and a cost.")
    sheet = Sheet(PAGE, 2.8, cohort.heading(what), notes)
    axes = sheet.arrange().subplots(1, len(frames), squeeze=False)[0]
    names = {system.id: label(system) for system in systems}
    points = []
    for ax, ((metric, region), means) in zip(axes, frames.items(), strict=True):
        trained = {s: (hours[s], mean) for s, mean in means.items() if hours[s] > 0}
        _scatter(ax, trained, looks(systems))
        for system in (system for system in means if system not in trained):
            ax.axhline(means[system], color=looks(systems)[system].color, linestyle="--", zorder=0)
        if trained:
            ax.set_xscale("log")
            _log_ticks(ax.xaxis, (1, 2, 5))
        ax.set_xlabel("GPU or core hours of training (log scale)")
        ax.set_ylabel(f"{title(metric, region)}  {arrow(metric)}")
        points.append(trained)
    settle(sheet.figure)
    for ax, trained, means in zip(axes, points, frames.values(), strict=True):
        levels = {names[s]: height for s, height in means.items() if s not in trained}
        direct_labels(ax, list(trained.values()), [names[s] for s in trained], levels)
    return sheet.figure


@styled()
def training_curves(
    cohort: Cohort, histories: Mapping[str, Sequence[pd.DataFrame]], systems: Sequence[System]
) -> Figure:
    """Losses of every training on a logarithmic scale, and its validation Dice, by epoch.

    `histories` holds, by system, a frame a seed: `epoch`, a column a loss, and `val_dice` of what
    segments.
    """
    what = "Losses and validation Dice of every training"
    shown = [system for system in in_order(systems) if histories.get(system.id)]
    groups = _groups([column for s in shown for h in histories[s.id] for column in h])
    notes = [
        "Losses on a logarithmic scale (left), those of one kind in one colour, without what is "
        "not positive; validation Dice, mean over regions, from 0 to 1 (black, right). "
        "Losses do not compare across entries.",
        cohort.description,
    ]
    if not shown:
        return empty(cohort.heading(what), notes, "Nothing has been trained.")
    columns = min((5, 4), key=lambda count: -len(shown) % count) if len(shown) > 5 else len(shown)
    rows = -(-len(shown) // columns)
    styles = {
        group: {"color": PALETTE[i % len(PALETTE)], "linestyle": ("-", "--", ":")[i // 9 % 3]}
        for i, group in enumerate(dict.fromkeys(groups.values()))
    }
    handles = [Line2D([], [], label=group, **style) for group, style in styles.items()]
    if any("val_dice" in history for s in shown for history in histories[s.id]):
        handles.append(Line2D([], [], color="black", linewidth=1.6, label="validation Dice"))
    legend = 0.15 * -(-len(handles) // 7) + 0.05
    sheet = Sheet(PAGE, 1.12 * rows + 0.2 + legend, cohort.heading(what), notes)
    figure = sheet.arrange(spare=legend)
    axes = figure.subplots(rows, columns, squeeze=False)
    for number, ax in enumerate(axes.flat):
        if number >= len(shown):
            ax.remove()
            continue
        _curves(ax, histories[shown[number].id], groups, styles, number % columns == columns - 1)
        ax.set_title(label(shown[number]), pad=3)
        if number + columns >= len(shown):
            ax.set_xlabel("epoch")
    figure.legend(handles=handles, loc="lower center", ncols=7, handlelength=1.6,
                  columnspacing=1.2, borderpad=0, borderaxespad=0,
                  bbox_to_anchor=(0.5, sheet.bottom / sheet.height))  # fmt: skip
    return settle(figure)


def _groups(columns: Sequence[str]) -> dict[str, str]:
    """Each loss's kind: the words that all losses with the same first word share."""
    losses = dict.fromkeys(c for c in columns if c not in ("epoch", "val_dice"))
    first: dict[str, list[list[str]]] = {}
    for loss in losses:
        first.setdefault(loss.split("_")[0], []).append(loss.split("_"))
    kinds = {word: "_".join(_shared(words)) for word, words in first.items()}
    return {loss: kinds[loss.split("_")[0]] for loss in losses}


def _shared(names: Sequence[Sequence[str]]) -> list[str]:
    words = list(names[0])
    for one, other in pairwise(names):
        same = [a == b for a, b in zip(one, other, strict=False)] + [False]
        words = words[: same.index(False)]
    return words


def _curves(
    ax: Axes,
    histories: Sequence[pd.DataFrame],
    groups: Mapping[str, str],
    styles: Mapping[str, dict],
    rightmost: bool,
) -> None:
    ax.set_yscale("log")
    for history in histories:
        dot = {"marker": "."} if len(history) == 1 else {}
        for loss in (column for column in history if column in groups):
            positive = history[loss].where(history[loss] > 0)
            ax.plot(history["epoch"], positive, linewidth=0.8, **styles[groups[loss]], **dot)
        if "val_dice" in history:
            twin = ax.twinx()
            twin.plot(history["epoch"], history["val_dice"], color="black", linewidth=1.6, **dot)
            twin.set(ylim=(0, 1), yticks=(0, 0.5, 1))
            twin.spines["right"].set_visible(True)
            if not rightmost:
                twin.set_yticklabels([])
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    _log_ticks(ax.yaxis, (1, 3))


def _log_ticks(axis: Axis, digits: Sequence[float]) -> None:
    """Plain numbers on a logarithmic axis, of which short ranges show more than one."""
    axis.set_major_locator(LogLocator(subs=digits, numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
