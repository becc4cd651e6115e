"""**Two utilities of each synthesis, and what similarity says of them.** The Dice of a segmentor
that was retrained on the synthesised T1ce beside that of the real T1ce's, which is frozen; then the
rank correlation of every similarity metric with both."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.reporting.formatting import MISSING, title
from benchmarks.reporting.measures import notes_on_intervals, notes_on_marks
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Sheet, stacked
from benchmarks.reporting.sheet import Column as Head
from benchmarks.reporting.tables._means import (
    heading_of,
    leaders,
    mean_cell,
    metrics_of,
    notes_on_means,
)
from benchmarks.reporting.tables._rows import applying, block_row, notes_on_rows
from benchmarks.reporting.utilities import (
    AIMS,
    DICE,
    UTILITIES,
    Judged,
    agreements,
    correlations,
    dice_cells,
    judged,
    segmentors,
)
from benchmarks.scoring.statistics import FEWEST_ROWS

ORDER = 9

_COLUMNS = [
    "label", "utility", "run", "role", "status", "seeds", "repeats", "folds", "patients",
    "metric", "region",
    "mean", "low", "high", "n", "undefined", "p", "effect",
]  # fmt: skip


def table(results: Results) -> Sheet:
    cohort = results.cohort.description
    blocks, frames, measured = [], {}, []
    for segmentor, name in segmentors(results).items():
        rows = judged(results, segmentor)
        cells = {utility: dice_cells(results, rows, utility) for utility in UTILITIES}
        if not any(of["n"].any() for of in cells.values()):
            continue
        blocks.append(_dice_block(results, segmentor, name, rows, cells))
        frames[f"dice_{segmentor}"] = _long(rows, cells)
        measured += cells.values()
        found = correlations(results)
        found = found[found["segmentor"] == segmentor]
        if len(found):
            blocks.append(_correlation_block(results, segmentor, name, found))
            frames[f"correlation_{segmentor}"] = found
    if blocks:
        agreement = agreements(results)
        blocks.append(_agreement_block(segmentors(results), agreement))
        frames["agreement"] = agreement
    notes = _notes(results, pd.concat(measured, ignore_index=True), blocks) if blocks else []
    return Sheet(
        f"Table IX. Two utilities of each synthesis: {cohort}.",
        blocks,
        notes,
        stacked(frames, "block", results.cohort.name),
    )


def _dice_block(
    results: Results,
    segmentor: str,
    name: str,
    rows: Sequence[Judged],
    cells: dict[str, pd.DataFrame],
) -> Block:
    """Return both utilities of a segmentor beside each other, one row per synthesis."""
    best = {
        (utility, column): leaders(of, column) for utility, of in cells.items() for column in DICE
    }
    lines = {utility: dict(list(of.groupby("line"))) for utility, of in cells.items()}
    expected = max(of["patients"].max() for of in cells.values())
    shown = []
    for place, one in enumerate(rows):
        sides = [lines[utility][place] for utility in UTILITIES]
        numbers = [
            mean_cell(side.iloc[number], True, place in best[utility, column])
            for number, column in enumerate(DICE)
            for utility, side in zip(UTILITIES, sides, strict=True)
        ]
        # The frozen segmentor is all that a synthesis of the test patients alone has.
        first = sides[0] if one.retrained or not one.frozen else sides[1]
        row = block_row(first.iloc[0], numbers, expected)
        shown.append(BlockRow(one.synthesis.title, row.cells, "", row.role, row.status))
    heads = [Head(f"{title(*c)} {utility}", "higher") for c in DICE for utility in UTILITIES]
    heading = f"{name}, retrained and frozen. {heading_of(results.protocol, DICE)}"
    return Block(f"dice_{segmentor}", heading, [Head("n"), *heads], shown)


def _long(rows: Sequence[Judged], cells: dict[str, pd.DataFrame]) -> pd.DataFrame:
    labels = [one.synthesis.label for one in rows]
    sides = [
        of.assign(utility=utility, label=of["line"].map(dict(enumerate(labels))))
        for utility, of in cells.items()
    ]
    return pd.concat(sides).sort_values("line", kind="stable")[_COLUMNS]


def _correlation_block(results: Results, segmentor: str, name: str, found: pd.DataFrame) -> Block:
    """Return one row per similarity metric and region, one column per utility and aim."""
    rows = []
    for (protocol, metric, region), of in found.groupby(
        ["protocol", "metric", "region"], sort=False
    ):
        label = title(metric, region)
        if protocol != results.protocol:
            label += f", {protocol}"
        rows.append(_correlated(label, [row for _, row in of.iterrows()]))
    heads = [Head(f"{utility}: {aim}") for utility in UTILITIES for aim in AIMS]
    heading = f"{name}: rank correlation of the methods' similarity with their utility."
    counts = [Head("methods"), Head("patients")]
    return Block(f"correlation_{segmentor}", heading, [*counts, *heads], rows)


def _agreement_block(names: dict[str, str], found: pd.DataFrame) -> Block:
    """Return one row per segmentor, one column per aim."""
    rows = [
        _correlated(names[segmentor], [row for _, row in of.iterrows()])
        for segmentor, of in found.groupby("segmentor", sort=False)
    ]
    heading = "Rank correlation of the methods' frozen utility with their retrained one."
    return Block("agreement", heading, [*map(Head, ["methods", "patients", *AIMS])], rows)


def _correlated(label: str, cells: Sequence[pd.Series]) -> BlockRow:
    methods, patients = (max(int(cell[name]) for cell in cells) for name in ("methods", "patients"))
    shown = [_coefficient(cell, methods) for cell in cells]
    return BlockRow(
        label, [Cell(f"{methods}", methods), Cell(f"{patients}", patients), *shown], role=""
    )


def _coefficient(cell: pd.Series, methods: int) -> Cell:
    rho, low, high = float(cell["rho"]), float(cell["low"]), float(cell["high"])
    if np.isnan(rho):
        return Cell(MISSING)
    text = f"{rho:.2f}" if cell["methods"] == methods else f"{rho:.2f} ({cell['methods']})"
    if np.isnan(low):
        return Cell(text, rho, n=int(cell["patients"]))
    between = f"{low:.2f} to {high:.2f}"
    return Cell(text, rho, (low, high), n=int(cell["patients"]), interval_text=between)


def _notes(results: Results, cells: pd.DataFrame, blocks: Sequence[Block]) -> list[str]:
    dice = [block for block in blocks if block.name.startswith("dice_")]
    coefficients = [
        cell
        for block in blocks
        if block not in dice
        for row in block.rows
        for cell in row.cells[2:]
    ]
    own = [
        row.label
        for row in results.rows
        if row.role == "method" and {"synthesis", "segmentation"} <= set(row.tasks)
    ]
    notes = {
        "retrained: the segmentor is trained on T1, T2, FLAIR and the synthesised T1ce. frozen: it "
        "is the ceiling's, trained on the real T1ce, and is given the synthesised one in its "
        "place.": True,
        f"Segmented by its own network in place of a retrained one: {', '.join(own)}.": own,
        "Rank correlation: Spearman's, of the means over patients, over the methods without floors "
        "and ceilings. Its sign is turned so that 1 means: the more similar, the more useful. ET: "
        f"mean Dice ET. Dice is of the protocol {results.protocol}; so is a similarity without the "
        "name of another protocol.": True,
        "Interval of a rank correlation: percentile bootstrap over patients, the same resample for "
        "both means. It says what other patients would change, not what other methods would.": any(
            cell.interval for cell in coefficients
        ),
        "(k): over k methods; the others lack a mean.": any("(" in c.text for c in coefficients),
        f"{MISSING}: over fewer than {FEWEST_ROWS} methods, or all are equal.": any(
            cell.text == MISSING for cell in coefficients
        ),
    }
    first, *others = applying(notes_on_means(cells, dice, metrics_of(DICE)))
    return [
        first,
        *applying(notes),
        *others,
        *notes_on_intervals(cells),
        *notes_on_marks(cells),
        *results.cohort.notes,
        *notes_on_rows(results, cells),
        "The CSV names the run of every Dice.",
    ]
