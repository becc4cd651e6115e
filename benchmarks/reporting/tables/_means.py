"""Blocks of means beside published numbers, and the paper's Tables I to III, made of them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from benchmarks.reporting.denominators import of_the_same
from benchmarks.reporting.formatting import MISSING, interval, number, published_number, title
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
    ranked_cells,
)
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, Cell, Sheet
from benchmarks.reporting.sheet import Column as Head
from benchmarks.reporting.tables._rows import (
    applying,
    block_row,
    invented_cell,
    invented_head,
    notes_on_left_out,
    notes_on_rows,
)
from benchmarks.reporting.utilities import UTILITIES, frozen_lines
from benchmarks.scoring.metric import Metric, read_metrics
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.statistics import ALPHA

# The heading of blocks of the second utility.
FROZEN = "Frozen segmentor: trained on the real T1ce, and given the synthesised one."

WHERE_FOUND = "where found"

Count = tuple[Head, Callable[[pd.Series], Cell]]  # the head and the cells of a column

_SHARED = [
    "protocol", "utility", "group", "label", "run", "role", "in_paper", "status",
    "seeds", "repeats", "folds", "patients",
]  # fmt: skip
_COUNTED = ["published", "n", "undefined", "one_empty"]
_INVENTED = ["without", "invented", "invented_ml"]
_INFERRED = ["low", "high", "p", "effect"]


def paper_table(results: Results, name: str) -> Sheet:
    """Return one of the paper's tables: a block per protocol, our means beside the paper's numbers.

    Table III has a second block per protocol, of the frozen segmentors.

    Its CSV has one row per row of the table. For each metric and region, `dice_wt` is our mean over
    patients; `dice_wt_published`, `_n`, `_undefined`, `_one_empty` and, under the protocol of
    statistics, `_low`, `_high`, `_p` and `_effect` are as in `measure_columns`, as are
    `dice_et_without`, `_invented` and `_invented_ml` where any patient lacks the region.
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
        blocks.append(means_block(block, heading, cells, columns, printed.grouped))
        frames.append(cells)
    caption = f"Table {printed.number}. {printed.title}: {cohort}."
    if not frames:
        return Sheet(caption, [], [], pd.DataFrame(columns=["cohort", "protocol"]))
    notes = _paper_notes(results, name, pd.concat(frames, ignore_index=True), blocks)
    csv = pd.concat(map(_widened, frames), ignore_index=True)
    csv.insert(0, "cohort", results.cohort.name)
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
            more = _INVENTED if cells["without"].any() and cell["metric"] == "dice" else []
            row |= {f"{column}_{name}": cell[name] for name in [*_COUNTED, *more, *_INFERRED]}
        rows.append(row)
    return pd.DataFrame(rows)


def means_block(
    name: str, heading: str, cells: pd.DataFrame, columns: Sequence[Column], grouped: bool = False
) -> Block:
    """Return a block of `measure_columns`' cells: one row per line, the best method in bold.

    Beside a mean stands in how many patients the region was found, or invented where they lack it.
    Quoted rows are in it where the cells hold published numbers; `grouped` names the groups of
    rows.
    """
    expected = cells["patients"].max()
    leading = {column: leaders(cells, column) for column in columns}
    shows_published = cells["published"].notna().any()
    shown = [_of_column(cells, column) for column in columns]
    beside = _once([_beside(of) for of in shown])
    rows = []
    for place, line in cells.groupby("line"):
        if shows_published or line["status"].iloc[0] != "quoted":
            with_interval = line["low"].notna().any()
            printed = []
            for column, of, more in zip(columns, shown, beside, strict=True):
                cell = of.loc[place]
                printed.append(mean_cell(cell, with_interval, place in leading[column]))
                printed += [count(cell) for _, count in more]
            row = block_row(line.iloc[0], printed, expected)
            rows.append(replace(row, group=line["group"].iloc[0]) if grouped else row)
    heads = [Head("n")]
    for column, of, more in zip(columns, shown, beside, strict=True):
        heads += [_head(column, of, expected), *(head for head, _ in more)]
    return Block(name, heading, heads, rows)


def _of_column(cells: pd.DataFrame, column: Column) -> pd.DataFrame:
    metric, region = column
    return cells[(cells["metric"] == metric) & (cells["region"] == region)].set_index("line")


def _head(column: Column, cells: pd.DataFrame, expected: int) -> Head:
    """Return the head of a mean, with the number of its patients where it is not that of the row.

    Where rows miss a region, that number is in a column of its own.
    """
    text, of = title(*column), cells["eligible"].max()
    if _misses(cells):
        text += f" {WHERE_FOUND}"
    elif of < expected:
        text += f", n = {of}"
    return Head(text, read_metrics()[column[0]].better)


def _beside(cells: pd.DataFrame) -> list[Count]:
    """Return the counts that stand beside a column of means: their heads, and their cells."""
    region = cells["region"].iloc[0]
    beside = []
    if (without := cells["without"].max()) > 0:
        volume = cells["invented_ml"].notna().any()
        beside.append((invented_head(region, without, volume), invented_cell))
    if _misses(cells):
        head = Head(f"found {region.upper()} of {cells['eligible'].max()}", "higher")
        beside.append((head, _found_cell))
    return beside


def _once(beside: Sequence[list[Count]]) -> list[list[Count]]:
    """Return the counts without those that an earlier column has, as of HD95 beside ASSD."""
    known: set[Head] = set()
    kept = []
    for counts in beside:
        kept.append([(head, cell) for head, cell in counts if head not in known])
        known |= {head for head, _ in counts}
    return kept


def _misses(cells: pd.DataFrame) -> bool:
    """Return whether a mean is of those in whom a region was found, which is not everyone."""
    return (cells["where_found"] & (cells["undefined"] > 0)).any()


def _found_cell(cell: pd.Series) -> Cell:
    found, of = int(cell["n"]), int(cell["eligible"])
    return Cell(f"{found}", found, n=of) if of else Cell(MISSING)


def heading_of(protocol: str, columns: Sequence[Column]) -> str:
    """Return the protocol and what the metrics of one task's columns are of."""
    slices = {"tumour": "slices with tumour", "all": "whole volumes", "held_out": "held-out slices"}
    rules, parts = load_protocol(protocol), []
    parts.append(f"Protocol {protocol}: {slices[rules.slices]}")
    shown = {postprocessing_of(metric, protocol) for metric in metrics_of(columns)}
    if "lcc" in shown:
        parts.append("largest component of the prediction")
    elif "none" in shown:
        parts.append("all of the prediction")
    return f"{', '.join(parts)}, {mean_over(columns, protocol)}."


def mean_over(columns: Sequence[Column], protocol: str) -> str:
    """Return whom the means of one task's columns are over."""
    segmented = {metric.name for metric in metrics_of(columns) if metric.task == "segmentation"}
    same = segmented & of_the_same(load_protocol(protocol))
    return f"mean over patients{' who have the region' if same else ''}"


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
    # In how many patients a region was found stands in a column beside it.
    if cell["n"] < cell["eligible"] and not cell["where_found"]:
        text += f" [{cell['n']}]"
    # A Dice of 0 speaks for itself; a length that stands for a missed region does not.
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
    of = _of_column(cells, column)
    means = ranked_cells(of)
    leader = number(best(means, column[0]), column[0])
    return {line for line, mean in means.items() if number(mean, column[0]) == leader}


def notes_on_protocols(protocols: Sequence[str]) -> list[str]:
    """Return what the files of protocols say that readers must know."""
    notes = {name: load_protocol(name).note for name in protocols}
    return [f"{name}: {note}" for name, note in notes.items() if note]


def notes_on_means(
    cells: pd.DataFrame, blocks: Sequence[Block], metrics: Sequence[Metric]
) -> dict[str, bool]:
    """Return the notes that blocks of means may need, each with whether it applies."""
    shown = "".join(cell.text for block in blocks for row in block.rows for cell in row.cells[1:])
    heads = " ".join(column.title for block in blocks for column in block.columns)
    units = "".join(f" {metric.title} in {metric.unit}." for metric in metrics if metric.unit)
    of_its_own = "; where a column has an n of its own, those of them who have the region in the "
    of_its_own = f"{of_its_own}reference, the same in all rows" if ", n = " in heads else ""
    several = (cells[["seeds", "repeats"]] > 1).any(axis=None)
    any_training = ", in any training," if several else ""
    return {
        f"n: patients scored{of_its_own}. Bold: the best method of those whose mean is of the most "
        f"patients. ↑ higher is better, ↓ lower is better.{units}": True,
        "floor: no synthesis; ceiling: the real T1ce, as if synthesis were perfect. "
        "Neither is ranked.": (cells["role"] != "method").any(),
        f"{WHERE_FOUND}: mean over the patients in whom the row{any_training} predicts the region; "
        "the column found, beside it, counts them. A row that finds the easy ones alone looks "
        "better, so where the methods differ in this number none is bold, ranked or tested. Table "
        "VII has the mean with a fixed length for a missed region.": WHERE_FOUND in heads,
        "invented: in how many of the patients without the region in the reference the "
        f"row{any_training} predicts some, and its mean volume over all of them. They have no "
        "Dice.": "invented" in heads,
        "[k]: mean over k patients; the others have no value.": "[" in shown,
        "{k}: k of the patients have the region in the reference or in the prediction only and "
        "score a fixed length.": "{" in shown,
        "∞: at least one slice, or volume, equals its reference.": "∞" in shown,
        "A patient's value is the mean over the trainings that tested the patient and have one.": (
            several
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
