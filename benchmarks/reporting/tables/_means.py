"""Blocks of means beside published numbers, and the paper's Tables I to III, made of them."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from benchmarks.reporting.formatting import interval, number, published_number, title
from benchmarks.reporting.measures import (
    COMPLETE,
    Column,
    best,
    columns_of,
    measure,
    measure_columns,
    notes_on_intervals,
    notes_on_marks,
    postprocessing_of,
    ranked,
)
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, Cell, Sheet
from benchmarks.reporting.sheet import Column as Head
from benchmarks.reporting.tables._rows import (
    applying,
    block_row,
    notes_on_left_out,
    notes_on_rows,
)
from benchmarks.reporting.utilities import UTILITIES, frozen_lines
from benchmarks.scoring.metric import Metric, read_metrics
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.statistics import ALPHA

# The heading of blocks of the second utility.
FROZEN = "Frozen segmentor: trained on the real T1ce, and given the synthesised one."

_SHARED = [
    "protocol", "utility", "label", "run", "role", "in_paper", "status",
    "seeds", "repeats", "folds", "patients",
]  # fmt: skip
_COUNTED = ["published", "n", "undefined", "one_empty"]
_INFERRED = ["low", "high", "p", "effect"]


def paper_table(results: Results, name: str) -> Sheet:
    """Return one of the paper's tables: a block per protocol, our means beside the paper's numbers.

    Table III has a second block per protocol, of the frozen segmentors.

    Its CSV has one row per row of the table. For each metric and region, `dice_wt` is our mean over
    patients; `dice_wt_published`, `_n`, `_undefined`, `_one_empty` and, under the protocol of
    statistics, `_low`, `_high`, `_p` and `_effect` are as in `measure_columns`.
    """
    printed, cohort = results.published.table(name), results.cohort.description
    blocks, frames = [], []
    for utility, protocol in product(_utilities(results, name), results.protocols):
        if not (columns := columns_of(printed, protocol)):
            continue
        cells = _measured(results, name, utility, protocol)
        block, heading = protocol, heading_of(protocol, columns)
        if utility == "frozen":
            block, heading = f"{protocol}_frozen", f"{FROZEN} {heading}"
        blocks.append(means_block(block, heading, cells, columns))
        frames.append(cells)
    caption = f"Table {printed.number}. {printed.title}: {cohort}."
    if not frames:
        return Sheet(caption, [], [], pd.DataFrame(columns=["cohort", "protocol"]))
    notes = _paper_notes(results, name, pd.concat(frames, ignore_index=True), blocks)
    csv = pd.concat(map(_widened, frames), ignore_index=True)
    csv.insert(0, "cohort", cohort)
    return Sheet(caption, blocks, notes, csv)


def _utilities(results: Results, name: str) -> tuple[str, ...]:
    """The utilities that a table of the paper has blocks of."""
    both = name == COMPLETE["segmentation"] and results.frozen
    return UTILITIES if both else UTILITIES[:1]


def _measured(results: Results, name: str, utility: str, protocol: str) -> pd.DataFrame:
    """The cells of a block with its protocol and, of segmentations, its utility."""
    printed = results.published.table(name)
    if utility == "frozen":
        lines, columns = frozen_lines(results), columns_of(printed, protocol)
        cells = measure_columns(results.frozen, printed.task, lines, columns, protocol)
    else:
        cells = measure(results, name, protocol)
    if protocol != results.protocol:
        cells = cells.assign(**dict.fromkeys(_INFERRED, np.nan))
    known = {"protocol": protocol}
    if printed.task == "segmentation":
        known["utility"] = utility
    return cells.assign(**known)


def _widened(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of a line beside each other."""
    rows = []
    for _, line in cells.groupby("line"):
        row = {name: line.iloc[0][name] for name in _SHARED if name in line}
        for cell in line.to_dict("records"):
            column = f"{cell['metric']}_{cell['region']}"
            row[column] = cell["mean"]
            row |= {f"{column}_{name}": cell[name] for name in [*_COUNTED, *_INFERRED]}
        rows.append(row)
    return pd.DataFrame(rows)


def means_block(name: str, heading: str, cells: pd.DataFrame, columns: Sequence[Column]) -> Block:
    """Return a block of `measure_columns`' cells: one row per line, the best method in bold.

    Quoted rows are in it where the cells hold published numbers.
    """
    expected = cells["patients"].max()
    leading = {column: leaders(cells, column) for column in columns}
    shows_published = cells["published"].notna().any()
    rows = []
    for place, line in cells.groupby("line"):
        if shows_published or line["status"].iloc[0] != "quoted":
            with_interval = line["low"].notna().any()
            shown = [
                mean_cell(cell, with_interval, place in leading[cell["metric"], cell["region"]])
                for _, cell in line.iterrows()
            ]
            rows.append(block_row(line.iloc[0], shown, expected))
    heads = [Head(title(*column), read_metrics()[column[0]].better) for column in columns]
    return Block(name, heading, [Head("n"), *heads], rows)


def heading_of(protocol: str, columns: Sequence[Column]) -> str:
    """Return the protocol and what the metrics of one task's columns are of."""
    slices = {"tumour": "slices with tumour", "all": "whole volumes", "held_out": "held-out slices"}
    parts = [f"Protocol {protocol}: {slices[load_protocol(protocol).slices]}"]
    shown = {postprocessing_of(metric, protocol) for metric in metrics_of(columns)}
    if "lcc" in shown:
        parts.append("largest component of the prediction")
    elif "none" in shown:
        parts.append("all of the prediction")
    return f"{', '.join(parts)}, mean over patients."


def metrics_of(columns: Sequence[Column]) -> list[Metric]:
    """Return the metrics of some columns, each once."""
    return [read_metrics()[name] for name in dict.fromkeys(name for name, _ in columns)]


def mean_cell(cell: pd.Series, with_interval: bool, bold: bool) -> Cell:
    """Return our mean with its marks, its interval and the published number."""
    metric, mean, low, high, published = cell[["metric", "mean", "low", "high", "published"]]
    printed = {
        "published": None if np.isnan(published) else published,
        "published_text": published_number(published, metric),
    }
    if cell["status"] == "quoted":
        return Cell("", **printed)
    text = number(mean, metric)
    if cell["p"] < ALPHA:
        text += "*"
    if cell["n"] < cell["patients"]:
        text += f" [{cell['n']}]"
    # A Dice of 0 speaks for itself; the length that stands for a missed region does not.
    if read_metrics()[metric].unit == "mm" and cell["one_empty"]:
        text += f" {{{cell['one_empty']}}}"
    return Cell(
        text,
        value=None if np.isnan(mean) else mean,
        interval=None if np.isnan(low) else (low, high),
        n=int(cell["n"]),
        best=bold,
        interval_text=interval(low, high, metric) if with_interval else "",
        **printed,
    )


def leaders(cells: pd.DataFrame, column: Column) -> set[int]:
    """Return the lines of the methods with the best mean as printed, among those ranked."""
    metric, region = column
    of = cells[(cells["metric"] == metric) & (cells["region"] == region)].set_index("line")
    means = ranked(of["role"], of["n"], of["mean"])
    leader = number(best(means, metric), metric)
    return {line for line, mean in means.items() if number(mean, metric) == leader}


def notes_on_protocols(protocols: Sequence[str]) -> list[str]:
    """Return what the files of protocols say that readers must know."""
    notes = {name: load_protocol(name).note for name in protocols}
    return [f"{name}: {note}" for name, note in notes.items() if note]


def notes_on_means(
    cells: pd.DataFrame, blocks: Sequence[Block], metrics: Sequence[Metric]
) -> dict[str, bool]:
    """Return the notes that blocks of means may need, each with whether it applies."""
    shown = "".join(cell.text for block in blocks for row in block.rows for cell in row.cells[1:])
    units = "".join(f" {metric.title} in {metric.unit}." for metric in metrics if metric.unit)
    return {
        "n: patients scored. Bold: the best method of those whose mean is of the most patients. "
        f"↑ higher is better, ↓ lower is better.{units}": True,
        "floor: no synthesis; ceiling: the real T1ce, as if synthesis were perfect. "
        "Neither is ranked.": (cells["role"] != "method").any(),
        "[k]: mean over k patients; the others have no value.": "[" in shown,
        "{k}: k of the patients have the region in the reference or in the prediction only and "
        "score a fixed length, such as the volume's diagonal (373.13 mm for BraTS).": "{" in shown,
        "∞: at least one slice, or volume, equals its reference.": "∞" in shown,
        "A patient's value is the mean over the trainings that tested the patient and have one.": (
            (cells[["seeds", "repeats"]] > 1).any(axis=None)
        ),
    }


def _paper_notes(
    results: Results, name: str, cells: pd.DataFrame, blocks: Sequence[Block]
) -> list[str]:
    printed = results.published.table(name)
    quoted = ", ".join(cells[cells["status"] == "quoted"]["label"].unique())
    columns = [column for one in results.protocols for column in columns_of(printed, one)]
    metrics = metrics_of(columns)
    first, *others = applying(notes_on_means(cells, blocks, metrics))
    about_paper = {
        f"(published): the paper's number, of its own split of {results.published.paper.dataset}. "
        "It has none for the protocol strict.": "paper" in results.protocols,
        f"Quoted from the paper, not trained here: {quoted.rstrip('.')}.": quoted,
        printed.note: printed.note,
    }
    inferred = cells[cells["protocol"] == results.protocol]
    return [
        first,
        *applying(about_paper),
        *notes_on_protocols(results.protocols),
        *others,
        *notes_on_intervals(inferred),
        *notes_on_marks(inferred),
        *results.cohort.notes,
        *filter(None, [results.cohort.note]),
        *(notes_on_left_out(results) if printed.others else []),
        *notes_on_rows(results, cells),
    ]
