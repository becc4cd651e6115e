"""Blocks of means beside published numbers, and the paper's Tables I to III, made of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.reporting.formatting import interval, number, published_number, title
from benchmarks.reporting.measures import (
    Column,
    best,
    columns_of,
    measure,
    notes_on_intervals,
    notes_on_marks,
    ranked,
)
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, Cell, Sheet, stacked
from benchmarks.reporting.sheet import Column as Head
from benchmarks.reporting.tables._rows import applying, block_row, notes_on_rows
from benchmarks.scoring.metric import Metric, read_metrics
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.statistics import ALPHA

_SHARED = ["label", "run", "role", "in_paper", "status", "seeds", "patients"]
_COUNTED = ["published", "n", "undefined", "one_empty"]
_INFERRED = ["low", "high", "p", "effect"]


def paper_table(results: Results, name: str) -> Sheet:
    """Return one of the paper's tables: a block per protocol, our means beside the paper's numbers.

    Its CSV has one row per row of the table. For each metric and region, `dice_wt` is our mean over
    patients; `dice_wt_published`, `_n`, `_undefined`, `_one_empty` and, under the protocol of
    statistics, `_low`, `_high`, `_p` and `_effect` are as in `measure_columns`.
    """
    printed, cohort = results.published.table(name), results.cohort.description
    blocks, frames = [], {}
    for protocol in results.protocols:
        cells = measure(results, name, protocol)
        if protocol != results.protocol:
            cells = cells.assign(**dict.fromkeys(_INFERRED, np.nan))
        columns = columns_of(printed, protocol)
        blocks.append(means_block(protocol, heading_of(protocol, columns), cells, columns))
        frames[protocol] = cells
    return Sheet(
        f"Table {printed.number}. {printed.title}: {cohort}.",
        blocks,
        _paper_notes(results, name, pd.concat(frames.values(), ignore_index=True), blocks),
        stacked({one: _widened(cells) for one, cells in frames.items()}, "protocol", cohort),
    )


def _widened(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of a line beside each other."""
    rows = []
    for _, line in cells.groupby("line"):
        row = line.iloc[0][_SHARED].to_dict()
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
    leading = {column: _best(cells, column) for column in columns}
    shows_published = cells["published"].notna().any()
    rows = []
    for place, line in cells.groupby("line"):
        if shows_published or line["status"].iloc[0] != "quoted":
            with_interval = line["low"].notna().any()
            shown = [
                _mean_cell(cell, with_interval, place in leading[cell["metric"], cell["region"]])
                for _, cell in line.iterrows()
            ]
            rows.append(block_row(line.iloc[0], shown, expected))
    heads = [Head(title(*column), read_metrics()[column[0]].better) for column in columns]
    return Block(name, heading, [Head("n"), *heads], rows)


def heading_of(protocol: str, columns: Sequence[Column]) -> str:
    """Return the protocol and what the metrics of one task's columns are of."""
    slices = {"tumour": "slices with tumour", "all": "whole volumes"}
    parts = [f"Protocol {protocol}: {slices[load_protocol(protocol).slices]}"]
    if any(metric.postprocessing == "lcc" for metric in metrics_of(columns)):
        parts.append("largest component of the prediction")
    return f"{', '.join(parts)}, mean over patients."


def metrics_of(columns: Sequence[Column]) -> list[Metric]:
    """Return the metrics of some columns, each once."""
    return [read_metrics()[name] for name in dict.fromkeys(name for name, _ in columns)]


def _mean_cell(cell: pd.Series, with_interval: bool, bold: bool) -> Cell:
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


def _best(cells: pd.DataFrame, column: Column) -> set[int]:
    """The lines of the methods with the best mean as printed, among those that are ranked."""
    metric, region = column
    of = cells[(cells["metric"] == metric) & (cells["region"] == region)].set_index("line")
    means = ranked(of["role"], of["n"], of["mean"])
    leader = number(best(means, metric), metric)
    return {line for line, mean in means.items() if number(mean, metric) == leader}


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
        "A patient's value is the mean over the seeds that have one.": (cells["seeds"] > 1).any(),
    }


def _paper_notes(
    results: Results, name: str, cells: pd.DataFrame, blocks: Sequence[Block]
) -> list[str]:
    printed = results.published.table(name)
    quoted = ", ".join(cells[cells["status"] == "quoted"]["label"].unique())
    metrics = [read_metrics()[metric] for metric in printed.metrics]
    first, *others = applying(notes_on_means(cells, blocks, metrics))
    about_paper = {
        f"(published): the paper's number, of its own split of {results.published.paper.dataset}. "
        "It has none for the protocol strict.": "paper" in results.protocols,
        f"Quoted from the paper, not trained here: {quoted.rstrip('.')}.": quoted,
        printed.note: printed.note,
    }
    inferred = measure(results, name, results.protocol)
    return [
        first,
        *applying(about_paper),
        *others,
        *notes_on_intervals(inferred),
        *notes_on_marks(inferred),
        *results.cohort.notes,
        *notes_on_rows(cells),
    ]
