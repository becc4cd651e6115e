"""What each convention of scoring is worth: means and ranks under one after the other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from benchmarks.reporting.measures import POSTPROCESSING, belongs
from benchmarks.reporting.rows import (
    Line,
    System,
    count_cell,
    in_order,
    label_cell,
    notes_on_rows,
)
from benchmarks.reporting.tables import number, title
from benchmarks.reporting.typesetting import Block, Bold, Sheet, stacked, write_sheet
from benchmarks.scoring.conventions import BASE, METRIC_TASKS, Convention, read_conventions
from benchmarks.scoring.protocol import METRICS

NAME = "table7_conventions"
PANELS = (
    ("ssim", "whole"), ("psnr", "whole"),
    ("dice", "wt"), ("dice", "tc"), ("dice", "et"),
    ("assd", "wt"), ("assd", "tc"), ("assd", "et"),
)  # fmt: skip
"""The metrics, each with its region under the base."""
_AGREEMENT = f"tau with {BASE}"
_DIGITS = 9
"""Decimals to which two means count as equal."""
_COLUMNS = [
    "metric", "region", "convention", "title", "label", "system", "role", "status", "patients",
    "mean", "n", "rank", "tau",
]  # fmt: skip


def convention_table(scores: pd.DataFrame, systems: Sequence[System]) -> pd.DataFrame:
    """A row for each panel, convention and system: the system's mean under the convention.

    `region` is that of the panel, which a convention may be about. `n` counts the patients that
    the `mean` is of, `patients` those scored. `rank` is the entry's place among all entries that
    have a mean, 1 is best, equal ones share the better; floors and ceilings have none. `tau` is
    Kendall's tau-b of the entries' order with that under the base (of those that have a mean under
    both), NaN where fewer than two have or all are alike. Conventions without any score of a task
    are left out.
    """
    of_task = {
        task: scores[scores["task"] == task] for task in dict.fromkeys(METRIC_TASKS.values())
    }
    frames = [_panel(of_task[METRIC_TASKS[panel[0]]], systems, *panel) for panel in PANELS]
    return pd.concat(frames, ignore_index=True)[_COLUMNS]


def _panel(
    scores: pd.DataFrame, systems: Sequence[System], metric: str, region: str
) -> pd.DataFrame:
    task = METRIC_TASKS[metric]
    scored = set(scores["system"])
    shown = [system for system in in_order(systems) if belongs(system, task, scored)]
    patients = scores.groupby("system")["patient"].nunique()
    lines = pd.DataFrame(
        {
            "system": [system.id for system in shown],
            "label": [system.label for system in shown],
            "role": [system.role for system in shown],
            "patients": [int(patients.get(system.id, 0)) for system in shown],
            "status": [_line(system).status(system.id in scored) for system in shown],
        }
    )
    frames: list[pd.DataFrame] = []
    for convention in (None, *read_conventions()):
        if convention is None or metric in convention.metrics:
            values = _values(scores, convention, metric, region)
            if len(values):
                frames.append(_column(lines, convention, metric, values))
    if not frames:
        return lines.assign(**dict.fromkeys(set(_COLUMNS) - set(lines), np.nan)).iloc[:0]
    together = pd.concat(frames, ignore_index=True)
    base = frames[0]["rank"] if frames[0]["convention"].eq(BASE).all() else None
    taus = [np.nan if base is None else _tau(base, frame["rank"]) for frame in frames]
    return together.assign(metric=metric, region=region, tau=np.repeat(taus, len(lines)))


def _line(system: System) -> Line:
    return Line(system.label, system.id, system.role, system.failure, printed=None)


def _values(
    scores: pd.DataFrame, convention: Convention | None, metric: str, region: str
) -> pd.DataFrame:
    """The scores of a metric under a convention; without one, under the base."""
    protocol, after = BASE, POSTPROCESSING[METRIC_TASKS[metric]]
    if convention is not None and convention.select is None:
        protocol = convention.name
    elif convention is not None:
        select = convention.select
        protocol, region = select.protocol, select.region or region
        metric, after = select.metric or metric, select.postprocessing or after
    return scores[
        (scores["protocol"] == protocol)
        & (scores["region"] == region)
        & (scores["metric"] == metric)
        & (scores["postprocessing"] == after)
    ]


def _column(
    lines: pd.DataFrame, convention: Convention | None, metric: str, scores: pd.DataFrame
) -> pd.DataFrame:
    by_patient = scores.groupby(["system", "patient"])["value"].mean().groupby("system")
    means = lines["system"].map(by_patient.mean())
    entries = means[lines["role"] == "entry"].round(_DIGITS)
    higher = METRICS[metric].better == "higher"
    return lines.assign(
        convention=BASE if convention is None else convention.name,
        title=BASE if convention is None else convention.title,
        mean=means,
        n=lines["system"].map(by_patient.count()).fillna(0).astype(int),
        rank=entries.rank(method="min", ascending=not higher).reindex(lines.index),
    )


def _tau(base: pd.Series, ranks: pd.Series) -> float:
    both = base.notna() & ranks.notna()
    if both.sum() < 2:
        return np.nan
    return float(kendalltau(base[both], ranks[both]).statistic)


def write_conventions_table(
    folder: Path, scores: pd.DataFrame, systems: Sequence[System], cohort: str
) -> list[Path]:
    """Writes table7_conventions.csv, .md and .tex; the paths are returned."""
    cells = convention_table(scores, systems)
    blocks = [
        _block(metric, region, frame)
        for (metric, region), frame in cells.groupby(["metric", "region"], sort=False)
    ]
    headline = f"Table VII. What a number hides, its convention: {cohort.rstrip('.')}."
    return write_sheet(
        folder,
        Sheet(NAME, headline, blocks, _notes(cells, blocks)),
        stacked({BASE: cells}, "base", cohort),
    )


def heading(metric: str, region: str) -> str:
    """What a panel is called; a synthesis is scored in several regions."""
    synthesis = METRIC_TASKS[metric] == "synthesis"
    name = METRICS[metric].title if synthesis else title(metric, region)
    return name + {"higher": " ↑", "lower": " ↓"}[METRICS[metric].better]


def _block(metric: str, region: str, frame: pd.DataFrame) -> Block:
    columns = [column for _, column in frame.groupby("convention", sort=False)]
    first = columns[0]
    rows = [
        [
            label_cell(line),
            count_cell(line["patients"], first["patients"].max(), line["status"]),
            *(_cell(column.iloc[place], metric) for column in columns),
        ]
        for place, (_, line) in enumerate(first.iterrows())
    ]
    taus = [column["tau"].iloc[0] for column in columns]
    agreement = ["–" if np.isnan(tau) else f"{tau:.2f}" for tau in taus]
    header = ["", "n", *(column["title"].iloc[0] for column in columns)]
    return Block(
        f"{metric}_{region}",
        f"{heading(metric, region)}: mean over patients (rank among the entries).",
        header,
        [*rows, [_AGREEMENT, "", *agreement]],
    )


def _cell(cell: pd.Series, metric: str) -> str:
    text = number(cell["mean"], metric)
    if 0 < cell["n"] < cell["patients"]:
        text += f" [{cell['n']:.0f}]"
    if np.isnan(cell["rank"]):
        return text
    text += f" ({cell['rank']:.0f})"
    return Bold(text) if cell["rank"] == 1 else text


def _notes(cells: pd.DataFrame, blocks: Sequence[Block]) -> list[str]:
    shown = "".join(cell for block in blocks for row in block.rows for cell in row[2:])
    scored = set(cells["convention"])
    absent = [c.title for c in read_conventions() if c.name not in scored]
    notes = {
        f"{BASE}: the whole volume at once for SSIM and PSNR; whole volumes and the prediction's "
        "largest component for Dice and ASSD (benchmarks/protocols/strict.yaml). Each further "
        "column but paper is the same with one thing done otherwise.": True,
        "(k): rank among the entries that have a mean, be it of fewer patients, as a paper would "
        "rank them. Bold: the first. Floor and ceiling are not ranked.": True,
        f"{_AGREEMENT}: Kendall's tau-b of the two orders of the entries; 1: the same, 0: "
        "unrelated, -1: reversed. It takes every difference of means for one, however small.": True,
        "[k]: mean over k patients; the others have no value.": "[" in shown,
        "∞: at least one slice, or volume, equals its reference.": "∞" in shown,
        **{_explained(c): c.name in scored for c in read_conventions()},
        f"Without scores here, so without a column: {'; '.join(dict.fromkeys(absent))}. "
        "`results.conventions: true` and both `results.protocols` score them.": absent,
        f"{NAME}.csv has a row a metric, convention and system.": True,
    }
    about = notes_on_rows(cells) if len(cells) else []
    return [*(note for note, applies in notes.items() if applies), *about]


def _explained(convention: Convention) -> str:
    metrics = ", ".join(METRICS[metric].title for metric in convention.metrics)
    return f"{convention.title} ({metrics}): {' '.join(convention.why.split())}"
