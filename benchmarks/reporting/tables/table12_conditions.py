"""**What the conditions change.** Means of each row under every condition of the benchmark; of two
conditions also the difference, over the same patients and trainings, with its interval."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.reporting.conditions import (
    MEAN,
    all_results,
    by_condition,
    in_print,
    pairing_leads,
)
from benchmarks.reporting.formatting import MISSING, title
from benchmarks.reporting.measures import notes_on_intervals
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Sheet, stacked
from benchmarks.reporting.sheet import Column as Head
from benchmarks.reporting.tables._means import leaders, mean_cell, mean_over, notes_on_means
from benchmarks.reporting.tables._rows import applying, block_row, notes_on_rows
from benchmarks.scoring.metric import read_metrics

ORDER = 12
ONLY = "conditions"

SAME = "="  # in place of a number that a condition does not change

_COLUMNS = [
    "condition", "settings", "utility", "label", "row", "run", "role", "status", "shared",
    "seeds", "repeats", "folds", "patients", "metric", "region", "mean", "low", "high", "n",
    "undefined", "pairs", "trainings", "change", "change_low", "change_high",
]  # fmt: skip


def table(results: Results) -> Sheet:
    cells, cohort = by_condition(results), results.cohort.description
    measured = cells[cells["row"] != MEAN]
    titles = {name: of.condition.title for name, of in all_results(results).items()}
    titles = {name: titles[name] for name in in_print(results)}
    blocks = []
    for (utility, metric, region), of in measured.groupby(
        ["utility", "metric", "region"], sort=False
    ):
        if of["n"].any():
            blocks.append(_block(titles, utility, (metric, region), of, results.protocol))
    others = [name for name in titles if name != results.condition.name]
    if len(others) == 1:
        heading = f"{titles[others[0]]} minus {results.condition.title}"
        changed = cells[(cells["condition"] == others[0]) & (cells["pairs"] > 0)]
        for utility, of in changed.groupby("utility", sort=False):
            blocks.append(_difference_block(heading, utility, of))
    long = cells.assign(settings=cells["condition"].map(_settings(results)))
    return Sheet(
        f"Table XII. What the conditions change: {cohort}.",
        blocks,
        _notes(results, cells, measured, blocks) if blocks else [],
        stacked(
            {"means": long[_COLUMNS], "paired_minus_unpaired": pairing_leads(results)},
            "block",
            results.cohort.name,
        ),
    )


def _settings(results: Results) -> dict[str, str]:
    """Return by condition its values of the settings that conditions change."""
    return {
        name: "; ".join(
            f"{key}={'null' if value is None else value}"
            for key, value in of.condition.settings.items()
        )
        for name, of in all_results(results).items()
    }


def _block(
    titles: dict[str, str],
    utility: str,
    column: tuple[str, str],
    cells: pd.DataFrame,
    protocol: str,
) -> Block:
    """Return one row per row of the cells, one column per condition."""
    cells = cells.assign(published=np.nan, p=np.nan)
    frames = {name: cells[cells["condition"] == name] for name in titles}
    leading = {name: leaders(of, column) for name, of in frames.items()}
    rows = []
    for _, of in cells.groupby("row", sort=False):
        by_name, shown = of.set_index("condition"), []
        for name in titles:
            cell = by_name.loc[name]
            if cell["shared"] and cell["n"]:
                shown.append(Cell(SAME, value=float(cell["mean"]), n=int(cell["n"])))
            else:
                shown.append(mean_cell(cell, True, cell["line"] in leading[name]))
        fewest = of.loc[of["patients"].idxmin()]
        row = block_row(fewest, shown, cells["patients"].max())
        # Several runs are in it.
        rows.append(BlockRow(row.label, row.cells, "", row.role, row.status))
    heads = [Head(text, read_metrics()[column[0]].better) for text in titles.values()]
    name = "_".join(filter(None, (*column, utility)))
    heading = " ".join(filter(None, (title(*column), utility)))
    heading = f"{heading}, {mean_over([column], protocol)}."
    return Block(name, heading, [Head("n"), *heads], rows)


def _difference_block(heading: str, utility: str, cells: pd.DataFrame) -> Block:
    columns = list(dict.fromkeys(zip(cells["metric"], cells["region"], strict=True)))
    rows = []
    order = sorted(cells.groupby("row", sort=False), key=lambda pair: pair[0] == MEAN)
    for _, of in order:
        by_column = of.set_index(["metric", "region"])
        shown = [
            _change(by_column.loc[column], column[0])
            if column in by_column.index
            else Cell(MISSING)
            for column in columns
        ]
        count = int(of["pairs"].max())
        first = of.iloc[0]
        rows.append(BlockRow(first["label"], [Cell(f"{count}", count), *shown], "", first["role"]))
    of = f"Segmentors, {utility}" if utility else "Syntheses"
    heads = [Head("n"), *(Head(title(*column)) for column in columns)]
    name = f"difference_{utility or 'synthesis'}"
    return Block(name, f"{of}: difference, {heading}.", heads, rows)


def _change(cell: pd.Series, metric: str) -> Cell:
    digits, (change, low, high) = (
        read_metrics()[metric].digits,
        cell[["change", "change_low", "change_high"]].astype(float),
    )
    if np.isnan(change):
        return Cell(MISSING)
    text = f"{change:+.{digits}f}"
    if np.isnan(low):
        return Cell(text, change, n=int(cell["pairs"]))
    between = f"{low:+.{digits}f} to {high:+.{digits}f}"
    return Cell(text, change, (low, high), n=int(cell["pairs"]), interval_text=between)


def _notes(
    results: Results, cells: pd.DataFrame, measured: pd.DataFrame, blocks: Sequence[Block]
) -> list[str]:
    settings = _settings(results)
    titles = {name: of.condition.title for name, of in all_results(results).items()}
    metrics = [read_metrics()[name] for name in dict.fromkeys(measured["metric"])]
    differences = any(block.name.startswith("difference_") for block in blocks)
    notes = {
        f"{SAME}: the condition does not change how this row is trained, so that it is the same run"
        f" as under {results.condition.title}.": measured["shared"].any(),
        f"{MEAN}: of those that the condition changes, over the patients and trainings that all of "
        "them have.": differences and (cells["row"] == MEAN).any(),
        "Difference: over the same patients and trainings, with its 95 % interval; of Dice and "
        "SSIM 0.01 is one point.": differences,
        "The CSV has the differences from "
        f"{results.condition.title} of every condition.": not differences,
    }
    named = measured.assign(
        label=[
            label if shared or name == results.condition.name else f"{label} ({titles[name]})"
            for label, name, shared in zip(
                measured["label"], measured["condition"], measured["shared"], strict=True
            )
        ]
    )
    return [
        f"Protocol {results.protocol}. Conditions: "
        f"{'; '.join(f'{titles[name]}: {settings[name]}' for name in in_print(results))}.",
        *applying(notes_on_means(measured.assign(p=np.nan), blocks, metrics)),
        *applying(notes),
        *notes_on_intervals(measured),
        *results.cohort.notes,
        *notes_on_rows(results, named),
    ]
