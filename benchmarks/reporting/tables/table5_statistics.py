"""**Which differences are more than chance.** Each row's difference from the best one over the same
patients, with the interval and the test behind it."""

import pandas as pd

from benchmarks.reporting.formatting import MISSING, title
from benchmarks.reporting.measures import TEST, measure
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, Cell, Column, Sheet, stacked
from benchmarks.reporting.tables._rows import applying, block_row, notes_on_rows
from benchmarks.scoring.statistics import ALPHA

ORDER = 5

# The columns of a task's tables that are printed; the CSV has all.
MAIN = {
    "synthesis": [("ssim", "brain"), ("psnr", "brain")],
    "segmentation": [("dice", "wt"), ("dice", "tc"), ("dice", "et")],
}

TOO_FEW = MISSING

_COLUMNS = [
    "label", "run", "role", "status", "seeds", "repeats", "folds", "patients", "metric", "region",
    "mean", "low", "high", "n", "undefined",
    "best", "pairs", "trainings", "difference", "difference_low", "difference_high",
    "effect", "p", "too_few", "beats", "false_claim", "rank_low", "rank_high", "first",
]  # fmt: skip


def table(results: Results) -> Sheet:
    cohort = results.cohort.description
    frames = {name: comparison_table(results, name) for name in results.published.names()}
    return Sheet(
        f"Table V. Which differences are more than chance: {cohort}.",
        [_block(results, name, frame) for name, frame in frames.items()],
        [*results.cohort.notes, *_notes(results, frames)],
        stacked(
            {name: frame[_COLUMNS] for name, frame in frames.items()}, "table", results.cohort.name
        ),
    )


def comparison_table(results: Results, name: str) -> pd.DataFrame:
    """Return the cells of one of the paper's tables (see `measure`), one row each.

    Rows that are quoted from the paper have no values to compare, so they are left out.
    """
    cells = measure(results, name, results.protocol)
    return cells[cells["status"] != "quoted"].reset_index(drop=True)


def _block(results: Results, name: str, frame: pd.DataFrame) -> Block:
    printed, expected = results.published.table(name), frame["patients"].max()
    present = set(zip(frame["metric"], frame["region"], strict=True))
    columns = [column for column in MAIN[printed.task] if column in present]
    heads = [Column("n")]
    for column in columns:
        heads += [Column(f"{title(*column)}: p"), Column("effect"), Column("rank")]
    rows = []
    for _, line in frame.groupby("line"):
        shown = line.set_index(["metric", "region"]).loc[columns]
        cells = [cell for _, one in shown.iterrows() for cell in _compared(one)]
        rows.append(block_row(line.iloc[0], cells, expected))
    heading = f"Table {printed.number}. {printed.title}. Protocol {results.protocol}."
    return Block(name, heading, heads, rows)


def _compared(cell: pd.Series) -> list[Cell]:
    """The p-value, the effect, and the rank with how often it is the first."""
    rank = Cell(MISSING)
    if pd.notna(cell["first"]):
        low, high = int(cell["rank_low"]), int(cell["rank_high"])
        span = f"{low}" if low == high else f"{low}–{high}"
        rank = Cell(f"{span} ({cell['first']:.0%})", -cell["first"], (low, high), n=int(cell["n"]))
    if cell["best"]:
        return [Cell("best", best=True), Cell(""), rank]
    if not cell["pairs"]:
        return [Cell(MISSING), Cell(MISSING), rank]
    pairs, p = int(cell["pairs"]), cell["p"]
    return [
        Cell(_p(p, cell["too_few"]), None if pd.isna(p) else float(p), n=pairs),
        Cell(f"{cell['effect']:+.2f}", float(cell["effect"]), n=pairs),
        rank,
    ]


def _p(p: float, too_few: bool) -> str:
    if too_few:
        return TOO_FEW
    text = "<0.001" if p < 0.001 else f"{p:.3f}"
    return text + "*" if p < ALPHA else text


def _notes(results: Results, frames: dict[str, pd.DataFrame]) -> list[str]:
    cells = pd.concat(frames.values(), ignore_index=True)
    notes = {
        f"p: {TEST}, each row against the best method, the one with the best mean of the most "
        "patients. It was chosen on these patients, which favours it.": True,
        f"*: p < {ALPHA}.": (cells["p"] < ALPHA).any(),
        "effect: matched-pairs rank-biserial correlation, from -1, where the row has the lower "
        "value in every patient, to +1, where it has the higher.": True,
        "rank: the 95 % interval of the method's place in resamples of the patients, and of the "
        "trainings if there are several, the same for all methods; in brackets how often it is the "
        "first. Methods whose mean is of fewer patients have no rank.": True,
        f"{TOO_FEW} for p: whatever the values, so few patients cannot bring p, corrected for the "
        f"rows of the column, below {ALPHA}; the effect is all that they give.": (
            cells["too_few"].any()
        ),
        "The CSV has every metric and region, with means, intervals and differences.": True,
    }
    return [*applying(notes), *notes_on_rows(results, cells)]
