"""**What may be claimed of each pair of rows.** The difference of every row from the ceiling, the
floor, the best method and the segmentor without T1ce, whether it would be seen again, and what
varies in each row: patients, seeds or splits."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.reporting.claims import (
    MAYBE,
    SPREADS,
    TOO_FEW,
    Compared,
    against,
    between_text,
    claims,
    compared_columns,
    difference_text,
    probability_text,
    references,
    variation,
)
from benchmarks.reporting.formatting import MISSING, number, title
from benchmarks.reporting.marks import ARROWS
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import marked
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Column, Sheet, stacked
from benchmarks.reporting.tables._rows import applying, block_row, notes_on_rows
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.statistics import ALPHA, MEANINGFUL

ORDER = 10

NAMES = {"ceiling": "the ceiling", "floor": "the floor", "best": "the best method",
         "no T1ce": "the segmentor without T1ce"}  # fmt: skip

_HEADS = [
    Column(title)
    for title in ("B", "difference", "p", "P(A beats B)", "P(false claim)", "n", "verdict")
]
_SPREADS = dict(zip(SPREADS, ("patients", "seeds", "splits", "residual"), strict=True))


def table(results: Results) -> Sheet:
    cohort, columns = results.cohort.description, compared_columns(results)
    pairs, rows = claims(results), variation(results)
    blocks = [_pairs_block(results, column, column.of(pairs)) for column in columns]
    for utility in dict.fromkeys(column.utility for column in columns):
        of = [column for column in columns if column.utility == utility]
        blocks.append(_variation_block(of, rows[rows["utility"] == utility]))
    return Sheet(
        f"Table X. What may be claimed: {cohort}.",
        blocks,
        _notes(results, pairs, rows) if blocks else [],
        stacked(
            {"claims": pairs, "variation": rows} if blocks else {}, "block", results.cohort.name
        ),
    )


def _pairs_block(results: Results, column: Compared, pairs: pd.DataFrame) -> Block:
    """Return the pairs of a column that are printed, one reference below the other."""
    roles = {row.run: row.role for row in results.whole.rows}
    rows = []
    for name, run in references(results, column).items():
        turned = against(pairs, run).set_index("a")
        shown = turned.reindex([one for one in column.runs if one in turned.index])
        rows += [_row(a, pair, name, roles[a]) for a, pair in shown.iterrows()]
    arrow = ARROWS[read_metrics()[column.metric].better]
    heading = f"{column.title} {arrow}: row A against B. Protocol {column.protocol}."
    return Block(column.name, heading, _HEADS, rows)


def _row(run: str, pair: pd.Series, reference: str, role: str) -> BlockRow:
    n, between = int(pair["pairs"]), between_text(pair)
    difference = float(pair["difference"])
    known = (float(pair["low"]), float(pair["high"])) if between else None
    text = difference_text(pair) + (f" [{between}]" if between else "")
    p = pair["p_corrected"]
    cells = [
        Cell(reference),
        Cell(text, None if np.isnan(difference) else difference, known, n=n),
        _probability(p, "<0.001" if p < 0.001 else f"{p:.3f}", pair["verdict"] == TOO_FEW),
        *(
            _probability(pair[name], probability_text(pair[name]))
            for name in ("beats", "false_claim")
        ),
        Cell(f"{n}", n),
        Cell(pair["verdict"]),
    ]
    return BlockRow(marked(pair["a_label"], role), cells, run, role)


def _probability(value: float, text: str, hidden: bool = False) -> Cell:
    return Cell(MISSING) if np.isnan(value) or hidden else Cell(text, float(value))


def _variation_block(columns: Sequence[Compared], rows: pd.DataFrame) -> Block:
    """Return one row per run, and per column of a utility its spreads and its ranks."""
    present = {name: text for name, text in _SPREADS.items() if rows[name].notna().any()}
    heads, frames = [Column("n")], []
    for column in columns:
        named = title(column.metric, column.region)
        heads += [Column(f"{named}: {text}") for text in present.values()] + [Column("rank")]
        frames.append(column.of(rows).set_index("run", drop=False))
    runs = dict.fromkeys(run for frame in frames for run in frame.index)
    lines = []
    for run in runs:
        of = [frame.loc[run] if run in frame.index else None for frame in frames]
        cells = [cell for one in of for cell in _spreads(one, present)]
        first = next(one for one in of if one is not None)
        lines.append(block_row(first, cells, rows["n"].max(), "n"))
    of = f", {columns[0].utility} segmentors" if columns[0].utility else ""
    heading = f"What varies{of}: standard deviations. Protocol {columns[0].protocol}."
    return Block(f"variation_{columns[0].utility or 'synthesis'}", heading, heads, lines)


def _spreads(row: pd.Series | None, present: dict[str, str]) -> list[Cell]:
    if row is None:
        return [Cell(MISSING)] * (len(present) + 1)
    cells = [
        Cell(number(row[name], row["metric"]), None if np.isnan(row[name]) else float(row[name]))
        for name in present
    ]
    if np.isnan(row["first"]):
        return [*cells, Cell(MISSING)]
    low, high = int(row["rank_low"]), int(row["rank_high"])
    span = f"{low}" if low == high else f"{low}–{high}"
    return [*cells, Cell(f"{span} ({row['first']:.0%})", -float(row["first"]), (low, high))]


def _notes(results: Results, pairs: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    shown = [references(results, column) for column in compared_columns(results)]
    named = [text for name, text in NAMES.items() if any(name in of for of in shown)]
    several = (pairs["trainings"] > 1).any()
    verdicts = set(pairs["verdict"])
    notes = {
        f"Printed are the pairs with {', '.join(named)} as B. The CSV has all pairs, each with a "
        "sentence, and so has the page.": True,
        "difference: mean of A less that of B over the n patients whom both have, with its 95 % "
        "interval.": True,
        "p: two-sided Wilcoxon signed-rank test over patients, or of several trainings t test over "
        "patients and trainings; Holm-corrected for all pairs of the column, which is stricter "
        "than Table V.": True,
        "P(A beats B): the probability that A has the better mean in another study, of one new "
        "training of each and n new patients. P(false claim): the probability that the row with "
        "the better mean is not the better one.": True,
        f"A is better: p < {ALPHA} and P(A beats B) of at least {MEANINGFUL}; B likewise.": True,
        f"A may be better: p < {ALPHA}, but the probability of leading again is lower.": (
            MAYBE in verdicts
        ),
        "cannot be told apart: neither is claimed. It does not mean that they are equal.": True,
        f"too few patients: whatever the scores, p cannot fall below {ALPHA}.": TOO_FEW in verdicts,
        "One training of each: intervals, verdicts and probabilities do not cover another seed.": (
            (pairs["trainings"] == 1).any()
        ),
        "One split: another division of the patients into training and test is not covered.": (
            several and (rows[["repeats", "folds"]].max(axis=None) == 1)
        ),
        "Standard deviations, in the metric's unit: patients, of one training's patients; seeds, "
        "of trainings on the same patients; splits, of folds and repeats; residual, of a patient "
        "from training to training beside these. 0 where the estimate is negative.": True,
        "Of one training, patients and residual cannot be separated.": not several,
        "rank: as in Table V.": True,
    }
    return [*applying(notes), *results.cohort.notes, *notes_on_rows(results, rows)]
