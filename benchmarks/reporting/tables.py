"""From scores to the paper's tables: our means beside the published numbers.

A score is one value of one patient. Seeds are averaged within a patient first, then patients are
averaged, so that a patient counts once however often a system was trained.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from benchmarks.reporting.published import Published, Table
from benchmarks.reporting.reading import Format, read_files
from benchmarks.reporting.rows import (
    Line,
    System,
    count_cell,
    label_cell,
    line_up,
    notes_on_rows,
    refuse_strangers,
)
from benchmarks.reporting.typesetting import Block, Bold, Sheet, stacked, write_sheet
from benchmarks.scoring.protocol import METRICS, load_protocol

KEY = ["system", "seed", "patient", "protocol", "region", "metric", "postprocessing"]
"""What names a score; no two scores may share it."""

COLUMNS = [
    "system", "seed", "patient", "grade", "protocol", "task",
    "region", "metric", "postprocessing", "value", "note",
]  # fmt: skip
"""The columns of a score table."""

_FORMAT = Format("score", COLUMNS, KEY, {"value": "optional", "seed": "whole"})
PROTOCOLS = ("paper", "strict")
POSTPROCESSING = {"synthesis": "", "segmentation": "lcc"}
"""Which of a task's post-processings the tables show."""

ABBREVIATED = ("wt", "et", "tc")
ONE_EMPTY = ("reference empty", "prediction empty")
"""The notes of scores that follow from a protocol's rule for one empty mask."""


def read_scores(paths: Iterable[Path]) -> pd.DataFrame:
    """Reads score files into one table.

    Raises InputError, naming file and line, for other columns than COLUMNS, a value that is
    not a number, a seed that is not a whole one, and a score that occurs twice.
    """
    if not (files := list(paths)):
        raise InputError("No score files were given: score a system first.")
    return read_files(files, _FORMAT)


def table(
    published: Published,
    name: str,
    scores: pd.DataFrame,
    systems: Sequence[System],
    protocol: str,
) -> pd.DataFrame:
    """One of the paper's tables under one protocol, a row for each of its rows.

    Floors come first, then the paper's rows in the paper's order, other entries of the task unless
    the table is for its own alone, and ceilings. For each metric and region, `dice_wt` is our mean
    over patients, `dice_wt_published` what the paper prints, `dice_wt_n` how many patients the mean
    is of, `dice_wt_undefined` how many had no value, `dice_wt_one_empty` how many have one by rule
    since reference or prediction is empty.
    Published numbers stand in the paper's protocol only: they are no measurement of the other.
    """
    printed = published.table(name)
    task_scores = scores[
        (scores["task"] == printed.task)
        & (scores["postprocessing"] == POSTPROCESSING[printed.task])
    ]
    lines = _lines(printed, task_scores, systems)
    columns = _columns(printed, protocol)
    means = _means(task_scores[task_scores["protocol"] == protocol])
    return pd.DataFrame([_record(line, means, columns, protocol) for line in lines])


def _columns(printed: Table, protocol: str) -> list[tuple[str, str]]:
    regions = getattr(load_protocol(protocol), printed.task).regions
    return [(metric, region) for metric in printed.metrics for region in regions]


def _lines(printed: Table, scores: pd.DataFrame, systems: Sequence[System]) -> list[Line]:
    scored = set(scores["system"])
    refuse_strangers(scored, [system.id for system in systems], f"{printed.task} scores")
    ours = [
        system
        for system in systems
        if system.id in printed.systems or _belongs(system, printed.task, scored)
    ]
    return line_up(printed, ours)


def _belongs(system: System, task: str, scored: set[str]) -> bool:
    if system.id in scored or task in system.tasks:
        return True
    # A failure with no table to go to would leave a hole, so it is shown in every one.
    return bool(system.failure) and not system.tasks


@dataclass(frozen=True)
class _Means:
    """Mean and counts of every (system, metric, region), seeds and patients of every system."""

    cells: dict[tuple[str, str, str], tuple[float, int, int]]
    one_empty: dict[tuple[str, str, str], int]
    """How many patients have a value by rule, since the region is on one side only."""
    seeds: dict[str, int]
    patients: dict[str, int]


def _means(scores: pd.DataFrame) -> _Means:
    by_patient = scores.groupby(["system", "metric", "region", "patient"])["value"].mean()
    by_cell = by_patient.groupby(["system", "metric", "region"]).agg(["mean", "count", "size"])
    cells = {
        cell: (mean, int(count), int(size - count))
        for cell, mean, count, size in by_cell.itertuples(name=None)
    }
    ruled = scores[scores["note"].isin(ONE_EMPTY) & scores["value"].notna()]
    one_empty = ruled.groupby(["system", "metric", "region"])["patient"].nunique()
    by_system = scores.groupby("system")
    seeds, patients = by_system["seed"].nunique(), by_system["patient"].nunique()
    return _Means(cells, one_empty.to_dict(), seeds.to_dict(), patients.to_dict())


def _record(
    line: Line, means: _Means, columns: Sequence[tuple[str, str]], protocol: str
) -> dict[str, object]:
    patients = means.patients.get(line.id, 0)
    record = {
        "label": line.label,
        "system": line.id,
        "role": line.role,
        "in_paper": line.printed is not None,
        "status": line.status(measured=patients > 0),
        "seeds": means.seeds.get(line.id, 0),
        "patients": patients,
    }
    published = line.printed.numbers() if line.printed and protocol == "paper" else {}
    for metric, region in columns:
        mean, n, undefined = means.cells.get((line.id, metric, region), (np.nan, 0, 0))
        number = published.get((metric, region))
        record |= {
            f"{metric}_{region}": mean,
            f"{metric}_{region}_published": np.nan if number is None else number,
            f"{metric}_{region}_n": n,
            f"{metric}_{region}_undefined": undefined,
            f"{metric}_{region}_one_empty": means.one_empty.get((line.id, metric, region), 0),
        }
    return record


def write_table(
    folder: Path,
    name: str,
    published: Published,
    scores: pd.DataFrame,
    systems: Sequence[System],
    cohort: str,
    protocols: Sequence[str] = PROTOCOLS,
) -> list[Path]:
    """Writes one of the paper's tables as <name>.csv, .md and .tex; the paths are returned.

    `cohort` says who was measured. It stands in the title, the captions and a column of the CSV,
    so that no copy of a table loses it.
    """
    printed = published.table(name)
    frames = {protocol: table(published, name, scores, systems, protocol) for protocol in protocols}
    blocks = [_block(printed, protocol, frame) for protocol, frame in frames.items()]
    notes = _notes(published, name, pd.concat(frames.values(), ignore_index=True), blocks)
    title = f"Table {printed.number}. {printed.title}: {cohort.rstrip('.')}."
    sheet = Sheet(name, title, blocks, notes)
    return write_sheet(folder, sheet, stacked(frames, "protocol", cohort))


def _block(printed: Table, protocol: str, frame: pd.DataFrame) -> Block:
    columns = _columns(printed, protocol)
    best = {column: _best(frame, *column) for column in columns}
    rows = []
    for index, row in frame.iterrows():
        if row["status"] != "quoted":
            means = [_mean_cell(row, *column, bold=index in best[column]) for column in columns]
            n = count_cell(row["patients"], frame["patients"].max(), row["status"])
            rows.append([label_cell(row), n, *means])
        if row["in_paper"] and protocol == "paper":
            rows.append(_published_cells(row, columns))
    header = ["", "n", *(_title(metric, region) for metric, region in columns)]
    return Block(protocol, _heading(protocol, printed.task), header, rows)


def _heading(protocol: str, task: str) -> str:
    slices = {"tumour": "slices with tumour", "all": "whole volumes"}
    where = slices[load_protocol(protocol).slices]
    kept = ", largest component of the prediction" if POSTPROCESSING[task] == "lcc" else ""
    return f"Protocol {protocol}: {where}{kept}, mean over patients."


def _title(metric: str, region: str) -> str:
    arrow = {"higher": "↑", "lower": "↓"}[METRICS[metric].better]
    return f"{METRICS[metric].title} {region.upper() if region in ABBREVIATED else region} {arrow}"


def _mean_cell(row: pd.Series, metric: str, region: str, bold: bool) -> str:
    text = _number(row[f"{metric}_{region}"], metric)
    if row[f"{metric}_{region}_n"] < row["patients"]:
        text += f" [{row[f'{metric}_{region}_n']}]"
    # A Dice of 0 speaks for itself; the length that stands for a missed region does not.
    if METRICS[metric].unit == "mm" and (charged := row[f"{metric}_{region}_one_empty"]):
        text += f" {{{charged}}}"
    return Bold(text) if bold else text


def _published_cells(row: pd.Series, columns: Sequence[tuple[str, str]]) -> list[str]:
    label = f"{row['label']} (published)" if row["status"] == "quoted" else "(published)"
    numbers = [(metric, row[f"{metric}_{region}_published"]) for metric, region in columns]
    return [label, "", *(_published_number(number, metric) for metric, number in numbers)]


def _published_number(number: float, metric: str) -> str:
    """At least as many digits as ours, and all that the paper prints."""
    if np.isnan(number):
        return "n/a"
    ours = _number(number, metric)
    return ours if float(ours) == number else repr(float(number))


def _number(value: float, metric: str) -> str:
    if np.isnan(value):
        return "–"
    return "∞" if np.isposinf(value) else f"{value:.{METRICS[metric].digits}f}"


def _best(frame: pd.DataFrame, metric: str, region: str) -> set[int]:
    """The entries with the best mean as printed, among those whose mean is of the most patients.

    A mean of fewer patients may have been spared the difficult ones.
    """
    entries = frame[frame["role"] == "entry"]
    counts = entries[f"{metric}_{region}_n"]
    means = entries[counts == counts.max()][f"{metric}_{region}"].dropna()
    if means.empty:
        return set()
    best = means.max() if METRICS[metric].better == "higher" else means.min()
    alike = means.map(lambda mean: _number(mean, metric) == _number(best, metric))
    return set(means[alike].index)


def _notes(published: Published, name: str, rows: pd.DataFrame, blocks: list[Block]) -> list[str]:
    printed = published.table(name)
    shown = "".join(cell for block in blocks for row in block.rows for cell in row[2:])
    quoted = ", ".join(rows[rows["status"] == "quoted"]["label"].unique())
    notes = {
        "n: patients scored. Bold: the best entry of those whose mean is of the most patients. "
        f"↑ higher is better, ↓ lower is better.{_units(printed.metrics)}": True,
        f"(published): what the paper prints, of its own split of {published.paper.dataset}; "
        "n/a where we could not read it (see benchmarks/published.yaml). It has no numbers for the "
        "strict protocol.": True,
        f"Quoted from the paper, not trained here: {quoted.rstrip('.')}.": quoted,
        printed.note: printed.note,
        "floor: no synthesis; ceiling: the real T1ce, as if synthesis were perfect. "
        "Neither is ranked.": (rows["role"] != "entry").any(),
        "[k]: mean over k patients; the others have no value.": "[" in shown,
        "{k}: k of the patients have the region in the reference or in the prediction only and are "
        "charged the volume's diagonal (373.13 mm for BraTS).": "{" in shown,
        "∞: at least one slice equals its reference.": "∞" in shown,
        "A patient's value is the mean over the seeds that have one.": (rows["seeds"] > 1).any(),
    }
    return [*(note for note, applies in notes.items() if applies), *notes_on_rows(rows)]


def _units(metrics: Sequence[str]) -> str:
    with_unit = [METRICS[name] for name in metrics if METRICS[name].unit]
    return "".join(f" {metric.title} in {metric.unit}." for metric in with_unit)
