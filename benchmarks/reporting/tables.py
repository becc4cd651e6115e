"""From scores to the paper's tables: our means beside the published numbers.

A score is one value of one patient. Seeds are averaged within a patient first, then patients are
averaged, so that a patient counts once however often a system was trained.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from benchmarks.reporting.measures import (
    POSTPROCESSING,
    best,
    columns_of,
    measure,
    notes_on_intervals,
    notes_on_marks,
    ranked,
)
from benchmarks.reporting.published import Published, Table
from benchmarks.reporting.reading import Format, read_files
from benchmarks.reporting.rows import System, count_cell, label_cell, notes_on_rows
from benchmarks.reporting.typesetting import Block, Bold, Sheet, stacked, write_sheet
from benchmarks.scoring.protocol import METRICS, load_protocol
from benchmarks.scoring.statistics import ALPHA

KEY = ["system", "seed", "patient", "protocol", "region", "metric", "postprocessing"]
"""What names a score; no two scores may share it."""

COLUMNS = [
    "system", "seed", "patient", "grade", "protocol", "task",
    "region", "metric", "postprocessing", "value", "note",
]  # fmt: skip
"""The columns of a score table."""

_FORMAT = Format("score", COLUMNS, KEY, {"value": "optional", "seed": "whole"})
PROTOCOLS = ("paper", "strict")
PUBLISHED, INTERVAL = "(published)", "(95 % interval)"
"""The first cells of the rows that belong to the row above them."""
_SHARED = ["label", "system", "role", "in_paper", "status", "seeds", "patients"]
"""What all cells of a line have in common."""
ABBREVIATED = ("wt", "et", "tc")


def read_scores(paths: Iterable[Path]) -> pd.DataFrame:
    """Reads score files into one table.

    Raises InputError, naming file and line, for other columns than COLUMNS, a value that is
    not a number, a seed that is not a whole one, and a score that occurs twice; naming the system,
    for a metric that there is not, and a value that it cannot have.
    """
    if not (files := list(paths)):
        raise InputError("No score files were given: score a system first.")
    scores = read_files(files, _FORMAT)
    for metric, lines in scores.groupby("metric"):
        _check_possible(metric, lines)
    return scores


def _check_possible(metric: str, lines: pd.DataFrame) -> None:
    first = lines.iloc[0]
    if metric not in METRICS:
        raise InputError(
            f"The scores of {first.system}, seed {first.seed}, name a metric {metric!r}; there are "
            f"{', '.join(METRICS)}. Score the system again."
        )
    low, high = METRICS[metric].bounds
    # Sums over voxels round.
    wrong = lines[(lines["value"] < low - 1e-6) | (lines["value"] > high + 1e-6)]
    if len(wrong):
        first = wrong.iloc[0]
        raise InputError(
            f"The scores of {first.system}, seed {first.seed}, give patient {first.patient} a "
            f"{metric} of {first.value}, but it is in [{low}, {high}]. Score the system again."
        )


def table(
    published: Published,
    name: str,
    scores: pd.DataFrame,
    systems: Sequence[System],
    protocol: str,
) -> pd.DataFrame:
    """One of the paper's tables under one protocol, a row for each of its rows (see `measure`).

    For each metric and region, `dice_wt` is our mean over patients, `dice_wt_published` what the
    paper prints, `dice_wt_n` how many patients the mean is of, `dice_wt_undefined` how many had no
    value, `dice_wt_one_empty` how many have one by rule since reference or prediction is empty.
    Under the strict protocol, `dice_wt_low` and `dice_wt_high` are the mean's 95 % interval,
    `dice_wt_p` and `dice_wt_effect` compare the row with the best entry.
    """
    return _widened(measure(published, name, scores, systems, protocol), protocol)


def _widened(cells: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """The cells of a line beside each other."""
    inferred = ["low", "high", "p", "effect"]
    if protocol != "strict":
        cells = cells.assign(**dict.fromkeys(inferred, np.nan))
    rows = []
    for _, line in cells.groupby("line"):
        row = line.iloc[0][_SHARED].to_dict()
        for cell in line.to_dict("records"):
            column = f"{cell['metric']}_{cell['region']}"
            row[column] = cell["mean"]
            row |= {
                f"{column}_{name}": cell[name]
                for name in ("published", "n", "undefined", "one_empty", *inferred)
            }
        rows.append(row)
    return pd.DataFrame(rows)


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
    cells = {
        protocol: measure(published, name, scores, systems, protocol) for protocol in protocols
    }
    frames = {protocol: _widened(cells[protocol], protocol) for protocol in protocols}
    blocks = [_block(printed, protocol, frame) for protocol, frame in frames.items()]
    notes = _notes(published, name, cells, blocks)
    headline = f"Table {printed.number}. {printed.title}: {cohort.rstrip('.')}."
    sheet = Sheet(name, headline, blocks, notes)
    return write_sheet(folder, sheet, stacked(frames, "protocol", cohort))


def _block(printed: Table, protocol: str, frame: pd.DataFrame) -> Block:
    columns = columns_of(printed, protocol)
    leading = {column: _best(frame, *column) for column in columns}
    rows = []
    for index, row in frame.iterrows():
        if row["status"] != "quoted":
            means = [_mean_cell(row, *column, bold=index in leading[column]) for column in columns]
            n = count_cell(row["patients"], frame["patients"].max(), row["status"])
            rows.append([label_cell(row), n, *means])
        if row["in_paper"] and protocol == "paper":
            rows.append(_published_cells(row, columns))
        if any(pd.notna(row[f"{metric}_{region}_low"]) for metric, region in columns):
            rows.append(_interval_cells(row, columns))
    header = ["", "n", *(_title(*column) for column in columns)]
    return Block(protocol, _heading(protocol, printed.task), header, rows)


def _heading(protocol: str, task: str) -> str:
    slices = {"tumour": "slices with tumour", "all": "whole volumes"}
    where = slices[load_protocol(protocol).slices]
    kept = ", largest component of the prediction" if POSTPROCESSING[task] == "lcc" else ""
    return f"Protocol {protocol}: {where}{kept}, mean over patients."


def _title(metric: str, region: str) -> str:
    arrow = {"higher": "↑", "lower": "↓"}[METRICS[metric].better]
    return f"{title(metric, region)} {arrow}"


def _mean_cell(row: pd.Series, metric: str, region: str, bold: bool) -> str:
    text = number(row[f"{metric}_{region}"], metric)
    if row[f"{metric}_{region}_p"] < ALPHA:
        text += "*"
    if row[f"{metric}_{region}_n"] < row["patients"]:
        text += f" [{row[f'{metric}_{region}_n']}]"
    # A Dice of 0 speaks for itself; the length that stands for a missed region does not.
    if METRICS[metric].unit == "mm" and (charged := row[f"{metric}_{region}_one_empty"]):
        text += f" {{{charged}}}"
    return Bold(text) if bold else text


def _published_cells(row: pd.Series, columns: Sequence[tuple[str, str]]) -> list[str]:
    label = f"{row['label']} {PUBLISHED}" if row["status"] == "quoted" else PUBLISHED
    printed = [(row[f"{metric}_{region}_published"], metric) for metric, region in columns]
    return [label, "", *(published_number(*pair) for pair in printed)]


def _interval_cells(row: pd.Series, columns: Sequence[tuple[str, str]]) -> list[str]:
    ends = [
        (row[f"{metric}_{region}_low"], row[f"{metric}_{region}_high"], metric)
        for metric, region in columns
    ]
    return [INTERVAL, "", *(interval(*pair) for pair in ends)]


def title(metric: str, region: str) -> str:
    """What a table calls a metric of a region."""
    return f"{METRICS[metric].title} {region.upper() if region in ABBREVIATED else region}"


def number(value: float, metric: str, digits: int | None = None) -> str:
    """A value of a metric as tables print it: with the metric's digits, or with others."""
    if np.isnan(value):
        return "–"
    digits = METRICS[metric].digits if digits is None else digits
    return "∞" if np.isposinf(value) else f"{value:.{digits}f}"


def published_number(value: float, metric: str) -> str:
    """At least as many digits as ours, and all that the paper prints."""
    if np.isnan(value):
        return "n/a"
    ours = number(value, metric)
    return ours if float(ours) == value else repr(float(value))


def interval(low: float, high: float, metric: str, digits: int | None = None) -> str:
    """The ends of an interval as tables print them."""
    if np.isnan(low):
        return "–"
    return f"{number(low, metric, digits)}–{number(high, metric, digits)}"


def _best(frame: pd.DataFrame, metric: str, region: str) -> set[int]:
    """The entries with the best mean as printed, among those that are ranked."""
    column = f"{metric}_{region}"
    means = ranked(frame["role"], frame[f"{column}_n"], frame[column])
    return {
        row
        for row, mean in means.items()
        if number(mean, metric) == number(best(means, metric), metric)
    }


def _notes(
    published: Published, name: str, cells: dict[str, pd.DataFrame], blocks: list[Block]
) -> list[str]:
    printed = published.table(name)
    rows = pd.concat(cells.values(), ignore_index=True)
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
    inferred = []
    if "strict" in cells:
        inferred = notes_on_intervals(cells["strict"]) + notes_on_marks(cells["strict"])
    applying = [note for note, applies in notes.items() if applies]
    return [*applying, *inferred, *notes_on_rows(rows)]


def _units(metrics: Sequence[str]) -> str:
    with_unit = [METRICS[name] for name in metrics if METRICS[name].unit]
    return "".join(f" {metric.title} in {metric.unit}." for metric in with_unit)
