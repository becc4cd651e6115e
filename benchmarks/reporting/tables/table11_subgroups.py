"""**Scores by subgroup.** Means of the test patients of high and of low grade, and of those with
little and with much enhancing tumour (ET), with intervals."""

from collections.abc import Sequence

import pandas as pd

from benchmarks.reporting.formatting import title
from benchmarks.reporting.measures import Column, notes_on_intervals
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, Sheet, stacked
from benchmarks.reporting.sheet import Column as Head
from benchmarks.reporting.subgroups import KINDS, THIRDS, Subgroup, by_subgroup, subgroups
from benchmarks.reporting.tables._means import (
    leaders,
    mean_cell,
    mean_over,
    metrics_of,
    notes_on_means,
)
from benchmarks.reporting.tables._rows import applying, block_row, notes_on_rows
from benchmarks.scoring.metric import read_metrics

NEEDS = ("scores", "patients")
ORDER = 11

# By utility, the columns that are printed; the CSV has all.
MAIN: dict[str, list[Column]] = {
    "": [("psnr", "brain")],
    "retrained": [("dice", "wt"), ("dice", "tc"), ("dice", "et")],
    "frozen": [("dice", "et")],
}

_COLUMNS = [
    "subgroup", "utility", "label", "run", "role", "status", "seeds", "repeats", "folds",
    "patients", "metric", "region", "mean", "low", "high", "n", "undefined",
]  # fmt: skip


def table(results: Results) -> Sheet:
    cells, cohort = by_subgroup(results), results.cohort.description
    blocks = []
    for kind in dict.fromkeys(cells["kind"]):
        groups = [group for group in subgroups(results) if group.kind == kind]
        for utility, columns in MAIN.items():
            of = cells[(cells["kind"] == kind) & (cells["utility"] == utility)]
            for column in columns:
                shown = of[(of["metric"] == column[0]) & (of["region"] == column[1])]
                if shown["n"].any():
                    blocks.append(_block(groups, utility, column, shown, results.protocol))
    csv = stacked(
        {kind: of[_COLUMNS] for kind, of in cells.groupby("kind")}, "kind", results.cohort.name
    )
    return Sheet(
        f"Table XI. Scores by subgroup: {cohort}.",
        blocks,
        _notes(results, cells, blocks),
        csv,
    )


def _block(
    groups: Sequence[Subgroup], utility: str, column: Column, cells: pd.DataFrame, protocol: str
) -> Block:
    """Return one row per row of the cells, one column per subgroup that has a value."""
    valued = set(cells.loc[cells["n"] > 0, "subgroup"])
    groups = [group for group in groups if group.name in valued]
    frames = {group.name: cells[cells["subgroup"] == group.name] for group in groups}
    cells = cells[cells["subgroup"].isin(valued)]
    leading = {name: leaders(of, column) for name, of in frames.items()}
    rows = []
    for place, of in cells.groupby("line"):
        by_group = of.set_index("subgroup")
        shown = [mean_cell(by_group.loc[x], True, place in leading[x]) for x in frames]
        line = of.iloc[0].copy()
        line["patients"] = of["patients"].sum()
        rows.append(block_row(line, shown, sum(len(group.subjects) for group in groups)))
    heads = [Head(group.heading, read_metrics()[column[0]].better) for group in groups]
    name = "_".join(filter(None, (groups[0].kind, *column, utility)))
    heading = " ".join(filter(None, (title(*column), utility)))
    return Block(
        name,
        f"{KINDS[groups[0].kind]}: {heading}, {mean_over([column], protocol)}.",
        [Head("n"), *heads],
        rows,
    )


def _notes(results: Results, cells: pd.DataFrame, blocks: Sequence[Block]) -> list[str]:
    kinds = {group.kind for group in subgroups(results)}
    absent = {
        "No subgroups by grade: the grade is known of no test patient.": "grade" not in kinds,
        f"No subgroups by the volume of the ET: fewer than {len(THIRDS)} test patients have any.": (
            "et" not in kinds
        ),
    }
    if not blocks:
        return applying(absent)
    metrics = metrics_of([column for columns in MAIN.values() for column in columns])
    notes = notes_on_means(cells, blocks, metrics) | {
        "Subgroups follow from the patients alone. They are described, not compared by a test: of "
        "so few patients each, the best of a subgroup may be so by chance.": True,
        "Volume of the enhancing tumour: in the truth, on the benchmark's grid; thirds are of the "
        "patients that have any.": "et" in kinds,
        "A mean of one patient has no interval.": (cells["n"] == 1).any(),
    }
    return [
        f"Protocol {results.protocol}.",
        *applying(notes),
        *applying(absent),
        *notes_on_intervals(cells),
        *results.cohort.notes,
        *notes_on_rows(results, cells),
        "The CSV has more columns, and the frozen segmentors' Dice of WT and TC.",
    ]
