"""**How much each number depends on the scoring convention.** Means and ranks under the protocol
`strict`, and under it with one setting changed to what others use: normalisation, region, slices or
volumes, the definition of ASSD, empty cases."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.reporting.conventions import convention_table, heading
from benchmarks.reporting.formatting import MISSING, number, title
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Column, Sheet, stacked
from benchmarks.reporting.tables._rows import applying, block_row, notes_on_rows
from benchmarks.scoring.conventions import BASE, Convention
from benchmarks.scoring.metric import read_metrics

ORDER = 7

AGREEMENT = f"tau with {BASE}"


def table(results: Results) -> Sheet:
    cells, cohort = convention_table(results), results.cohort.description
    blocks = [
        _block(metric, region, frame)
        for (metric, region), frame in cells[~cells["alike"]].groupby(
            ["metric", "region"], sort=False
        )
    ]
    return Sheet(
        f"Table VII. How much each number depends on the scoring convention: {cohort}.",
        blocks,
        [*results.cohort.notes, *_notes(results, cells, blocks)],
        stacked({BASE: cells}, "base", results.cohort.name),
    )


def _block(metric: str, region: str, frame: pd.DataFrame) -> Block:
    columns = [column for _, column in frame.groupby("convention", sort=False)]
    expected = frame["patients"].max()
    rows = [
        block_row(columns[0].iloc[place], [_cell(of.iloc[place]) for of in columns], expected)
        for place in range(len(columns[0]))
    ]
    taus = [column["tau"].iloc[0] for column in columns]
    agreement = [Cell(MISSING) if np.isnan(tau) else Cell(f"{tau:.2f}", float(tau)) for tau in taus]
    return Block(
        f"{metric}_{region}",
        f"{heading(metric, region)}: mean over patients (rank among the methods).",
        [Column("n"), *(Column(column["title"].iloc[0]) for column in columns)],
        [*rows, BlockRow(AGREEMENT, [Cell(""), *agreement], role="")],
    )


def _cell(cell: pd.Series) -> Cell:
    text = number(cell["mean"], cell["metric"])
    if np.isnan(cell["mean"]):
        return Cell(text)
    if 0 < cell["n"] < cell["patients"]:
        text += f" [{cell['n']:.0f}]"
    if not np.isnan(cell["rank"]):
        text += f" ({cell['rank']:.0f})"
    return Cell(text, float(cell["mean"]), n=int(cell["n"]), best=bool(cell["rank"] == 1))


def _notes(results: Results, cells: pd.DataFrame, blocks: Sequence[Block]) -> list[str]:
    conventions = results.conventions
    shown = "".join(cell.text for block in blocks for row in block.rows for cell in row.cells[1:])
    scored, printed = (set(of["convention"]) for of in (cells, cells[~cells["alike"]]))
    alike = [
        f"{of['title'].iloc[0]} ({title(metric, region)})"
        for (metric, region, _), of in cells[cells["alike"]].groupby(
            ["metric", "region", "convention"], sort=False
        )
    ]
    absent = [c.title for c in conventions if c.name not in scored]
    notes = {
        f"{BASE}: the whole volume at once for SSIM and PSNR; whole volumes and the prediction's "
        "largest component for Dice and ASSD (benchmarks/protocols/strict.yaml), Dice over the "
        "patients who have the region, ASSD over those in whom it is found. Each further column "
        "but paper changes one setting.": True,
        "(k): rank among the methods that have a mean, even if over fewer patients, as a paper "
        "would rank them. Bold: the first. Floor and ceiling are not ranked.": True,
        f"{AGREEMENT}: Kendall's tau-b of the two orders of the methods; 1: the same, 0: "
        "unrelated, -1: reversed. It counts every difference of means, however small.": True,
        "[k]: mean over k patients; the others have no value.": "[" in shown,
        "∞: at least one slice, or volume, equals its reference.": "∞" in shown,
        **{_explained(c): c.name in printed for c in conventions},
        f"The numbers of {BASE} in every row, so without a column: {'; '.join(alike)}.": alike,
        f"Without scores here, so without a column: {'; '.join(dict.fromkeys(absent))}. "
        "`results.conventions: true` and both `results.protocols` score them.": absent,
        "The CSV has one row per metric, convention and run.": True,
    }
    return [*applying(notes), *(notes_on_rows(results, cells) if len(cells) else [])]


def _explained(convention: Convention) -> str:
    metrics = ", ".join(read_metrics()[metric].title for metric in convention.metrics)
    return f"{convention.title} ({metrics}): {' '.join(convention.why.split())}"
