"""From scores to the paper's tables: our means beside the published numbers.

A score is one value of one patient. Seeds are averaged within a patient first, then patients are
averaged, so that a patient counts once however often a system was trained.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from benchmarks.reporting.published import Published, Row, Table
from benchmarks.reporting.typesetting import Block, Bold, Sheet, latex, markdown
from benchmarks.scoring.protocol import METRICS, load_protocol

KEY = ["system", "seed", "patient", "protocol", "region", "metric", "postprocessing"]
"""What names a score; no two scores may share it."""

COLUMNS = [
    "system", "seed", "patient", "grade", "protocol", "task",
    "region", "metric", "postprocessing", "value", "note",
]  # fmt: skip
"""The columns of a score table."""

PROTOCOLS = ("paper", "strict")
POSTPROCESSING = {"synthesis": "", "segmentation": "lcc"}
"""Which of a task's post-processings the tables show."""

ABBREVIATED = ("wt", "et", "tc")
ONE_EMPTY = ("reference empty", "prediction empty")
"""The notes of scores that follow from a protocol's rule for one empty mask."""


@dataclass(frozen=True)
class System:
    """Something that was, or should have been, scored."""

    id: str
    label: str
    role: Literal["floor", "oracle", "entry"]
    failure: str = ""
    """Why it has no scores, or not all of them."""
    tasks: tuple[str, ...] = ()
    """Whose tables list it even where it has no score; none given: every task's, if it failed."""


@dataclass(frozen=True)
class _Line:
    """A row of a table before its numbers."""

    label: str
    id: str
    role: str
    failure: str
    printed: Row | None

    @property
    def quoted(self) -> bool:
        return self.printed is not None and self.printed.quoted


def read_scores(paths: Iterable[Path]) -> pd.DataFrame:
    """Reads score files into one table.

    Raises InputError, naming file and line, for other columns than COLUMNS, a value or a seed that
    is not a number, and a score that occurs twice.
    """
    files = [_read_file(Path(path)) for path in paths]
    if not files:
        raise InputError("No score files were given: score a system first.")
    scores = pd.concat(files, ignore_index=True)
    _refuse_duplicates(scores)
    return scores[COLUMNS]


def _read_file(path: Path) -> pd.DataFrame:
    try:
        scores = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a score table ({error}).") from error
    if sorted(scores.columns) != sorted(COLUMNS):
        missing = sorted(set(COLUMNS) - set(scores.columns)) or "none"
        unknown = sorted(set(scores.columns) - set(COLUMNS)) or "none"
        raise InputError(f"{path}, line 1: columns missing: {missing}, unknown: {unknown}.")
    # The header is line 1.
    scores["origin"] = [f"{path}, line {line}" for line in range(2, len(scores) + 2)]
    scores["value"] = _numbers(scores, "value", empty=np.nan)
    scores["seed"] = _numbers(scores, "seed", empty=None).astype(int)
    return scores


def _numbers(scores: pd.DataFrame, column: str, empty: float | None) -> pd.Series:
    """A column as floats; an empty cell is `empty`, or an error where that is None."""
    texts = scores[column].str.strip()
    numbers = pd.to_numeric(texts, errors="coerce")
    undefined = texts.str.lower().isin(["", "nan"]) & (empty is not None)
    wrong = numbers.isna() & ~undefined
    if wrong.any():
        first = scores[wrong].iloc[0]
        raise InputError(f"{first.origin}: {column} is {first[column]!r}, which is not a number.")
    return numbers.astype(float)


def _refuse_duplicates(scores: pd.DataFrame) -> None:
    again = scores.duplicated(KEY)
    if not again.any():
        return
    second = scores[again].iloc[0]
    first = scores[(scores[KEY] == second[KEY]).all(axis=1)].iloc[0]
    named = ", ".join(f"{column} {second[column]}" for column in KEY if second[column] != "")
    raise InputError(
        f"{second.origin}: the score of {named} is already in {first.origin}. Remove one of them."
    )


def table(
    published: Published,
    name: str,
    scores: pd.DataFrame,
    systems: Sequence[System],
    protocol: str,
) -> pd.DataFrame:
    """One of the paper's tables under one protocol, a row for each of its rows.

    Floors come first, then the paper's rows in the paper's order, other entries and ceilings. An
    entry that another of the paper's tables has a row for is left to that table. For each metric
    and region, `dice_wt` is our mean over patients, `dice_wt_published` what the paper prints,
    `dice_wt_n` how many patients the mean is of, `dice_wt_undefined` how many had no value,
    `dice_wt_one_empty` how many have one by rule since reference or prediction is empty.
    Published numbers stand in the paper's protocol only: they are no measurement of the other.
    """
    printed = published.table(name)
    task_scores = scores[
        (scores["task"] == printed.task)
        & (scores["postprocessing"] == POSTPROCESSING[printed.task])
    ]
    lines = _lines(published, name, task_scores, systems)
    columns = _columns(printed, protocol)
    means = _means(task_scores[task_scores["protocol"] == protocol])
    return pd.DataFrame([_record(line, means, columns, protocol) for line in lines])


def _columns(printed: Table, protocol: str) -> list[tuple[str, str]]:
    regions = getattr(load_protocol(protocol), printed.task).regions
    return [(metric, region) for metric in printed.metrics for region in regions]


def _lines(
    published: Published, name: str, scores: pd.DataFrame, systems: Sequence[System]
) -> list[_Line]:
    printed = published.table(name)
    known = {system.id: system for system in systems}
    scored = set(scores["system"])
    if strangers := sorted(scored - set(known)):
        raise InputError(
            f"There are {printed.task} scores of {', '.join(strangers)}, which this benchmark "
            "does not list. Remove those score files or list the systems."
        )
    listed = [_printed_line(row, known) for row in printed.rows]
    omitted = set(printed.systems) | published.elsewhere(name)
    others = [
        _Line(system.label, system.id, system.role, system.failure, None)
        for system in systems
        if system.id not in omitted and _belongs(system, printed.task, scored)
    ]
    floors, entries, ceilings = (
        [line for line in others if line.role == role] for role in ("floor", "entry", "oracle")
    )
    return floors + listed + entries + ceilings


def _printed_line(row: Row, known: dict[str, System]) -> _Line:
    system = known.get(row.system)
    return _Line(row.label, row.system or "", "entry", system.failure if system else "", row)


def _belongs(system: System, task: str, scored: set[str]) -> bool:
    if system.id in scored or task in system.tasks:
        return True
    # A failure with no table to go to would leave a hole, so it is shown in every one.
    return bool(system.failure) and not system.tasks


@dataclass(frozen=True)
class _Means:
    """Mean and counts of every (system, metric, region), seeds and patients of every system."""

    cells: dict[tuple[str, str, str], tuple[float, int, int]]
    one_empty: dict[tuple[str, str, str], int]
    """How many patients have a value by rule, since the region is on one side only."""
    seeds: dict[str, int]
    patients: dict[str, int]


def _means(scores: pd.DataFrame) -> _Means:
    by_patient = scores.groupby(["system", "metric", "region", "patient"])["value"].mean()
    by_cell = by_patient.groupby(["system", "metric", "region"]).agg(["mean", "count", "size"])
    cells = {
        cell: (mean, int(count), int(size - count))
        for cell, mean, count, size in by_cell.itertuples(name=None)
    }
    ruled = scores[scores["note"].isin(ONE_EMPTY) & scores["value"].notna()]
    one_empty = ruled.groupby(["system", "metric", "region"])["patient"].nunique()
    by_system = scores.groupby("system")
    seeds, patients = by_system["seed"].nunique(), by_system["patient"].nunique()
    return _Means(cells, one_empty.to_dict(), seeds.to_dict(), patients.to_dict())


def _record(
    line: _Line, means: _Means, columns: Sequence[tuple[str, str]], protocol: str
) -> dict[str, object]:
    patients = means.patients.get(line.id, 0)
    record = {
        "label": line.label,
        "system": line.id,
        "role": line.role,
        "in_paper": line.printed is not None,
        "status": _status(line, patients),
        "seeds": means.seeds.get(line.id, 0),
        "patients": patients,
    }
    published = line.printed.numbers() if line.printed and protocol == "paper" else {}
    for metric, region in columns:
        mean, n, undefined = means.cells.get((line.id, metric, region), (np.nan, 0, 0))
        number = published.get((metric, region))
        record |= {
            f"{metric}_{region}": mean,
            f"{metric}_{region}_published": np.nan if number is None else number,
            f"{metric}_{region}_n": n,
            f"{metric}_{region}_undefined": undefined,
            f"{metric}_{region}_one_empty": means.one_empty.get((line.id, metric, region), 0),
        }
    return record


def _status(line: _Line, patients: int) -> str:
    if line.quoted:
        return "quoted"
    if line.failure:
        return f"failed: {line.failure}"
    return "" if patients else "not run here"


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
    frames = {protocol: table(published, name, scores, systems, protocol) for protocol in protocols}
    blocks = [_block(printed, protocol, frame) for protocol, frame in frames.items()]
    notes = _notes(published, name, pd.concat(frames.values(), ignore_index=True), blocks)
    title = f"Table {printed.number}. {printed.title}: {cohort.rstrip('.')}."
    sheet = Sheet(name, title, blocks, notes)
    texts = {".csv": _csv(frames, cohort), ".md": markdown(sheet), ".tex": latex(sheet)}
    for suffix, text in texts.items():
        with write_atomically(folder / f"{name}{suffix}") as file:
            file.write(text.encode())
    return [folder / f"{name}{suffix}" for suffix in texts]


def _csv(frames: dict[str, pd.DataFrame], cohort: str) -> str:
    parts = [
        frame.assign(protocol=protocol, cohort=cohort)[["cohort", "protocol", *frame.columns]]
        for protocol, frame in frames.items()
    ]
    together = pd.concat(parts, ignore_index=True)
    return together.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _block(printed: Table, protocol: str, frame: pd.DataFrame) -> Block:
    columns = _columns(printed, protocol)
    best = {column: _best(frame, *column) for column in columns}
    rows = []
    for index, row in frame.iterrows():
        if row["status"] != "quoted":
            means = [_mean_cell(row, *column, bold=index in best[column]) for column in columns]
            rows.append([_label(row), _n_cell(row, frame["patients"].max()), *means])
        if row["in_paper"] and protocol == "paper":
            rows.append(_published_cells(row, columns))
    header = ["", "n", *(_title(metric, region) for metric, region in columns)]
    return Block(protocol, _heading(protocol, printed.task), header, rows)


def _heading(protocol: str, task: str) -> str:
    slices = {"tumour": "slices with tumour", "all": "whole volumes"}
    where = slices[load_protocol(protocol).slices]
    kept = ", largest component of the prediction" if POSTPROCESSING[task] == "lcc" else ""
    return f"Protocol {protocol}: {where}{kept}, mean over patients."


def _title(metric: str, region: str) -> str:
    arrow = {"higher": "↑", "lower": "↓"}[METRICS[metric].better]
    return f"{METRICS[metric].title} {region.upper() if region in ABBREVIATED else region} {arrow}"


def _label(row: pd.Series) -> str:
    return {"floor": "floor: ", "entry": "", "oracle": "ceiling: "}[row["role"]] + row["label"]


def _n_cell(row: pd.Series, cohort_size: int) -> str:
    """How many patients were scored, or why none was."""
    status = row["status"].partition(":")[0]
    if not row["patients"]:
        return status
    count = f"{row['patients']}"
    if row["patients"] < cohort_size:
        count += f" of {cohort_size}"
    return f"{count} {status}".strip()


def _mean_cell(row: pd.Series, metric: str, region: str, bold: bool) -> str:
    text = _number(row[f"{metric}_{region}"], metric)
    if row[f"{metric}_{region}_n"] < row["patients"]:
        text += f" [{row[f'{metric}_{region}_n']}]"
    # A Dice of 0 speaks for itself; the length that stands for a missed region does not.
    if METRICS[metric].unit == "mm" and (charged := row[f"{metric}_{region}_one_empty"]):
        text += f" {{{charged}}}"
    return Bold(text) if bold else text


def _published_cells(row: pd.Series, columns: Sequence[tuple[str, str]]) -> list[str]:
    label = f"{row['label']} (published)" if row["status"] == "quoted" else "(published)"
    numbers = [(metric, row[f"{metric}_{region}_published"]) for metric, region in columns]
    return [label, "", *(_published_number(number, metric) for metric, number in numbers)]


def _published_number(number: float, metric: str) -> str:
    """At least as many digits as ours, and all that the paper prints."""
    if np.isnan(number):
        return "n/a"
    ours = _number(number, metric)
    return ours if float(ours) == number else repr(float(number))


def _number(value: float, metric: str) -> str:
    if np.isnan(value):
        return "–"
    return "∞" if np.isposinf(value) else f"{value:.{METRICS[metric].digits}f}"


def _best(frame: pd.DataFrame, metric: str, region: str) -> set[int]:
    """The entries with the best mean as printed, among those whose mean is of the most patients.

    A mean of fewer patients may have been spared the difficult ones.
    """
    entries = frame[frame["role"] == "entry"]
    counts = entries[f"{metric}_{region}_n"]
    means = entries[counts == counts.max()][f"{metric}_{region}"].dropna()
    if means.empty:
        return set()
    best = means.max() if METRICS[metric].better == "higher" else means.min()
    alike = means.map(lambda mean: _number(mean, metric) == _number(best, metric))
    return set(means[alike].index)


def _notes(published: Published, name: str, rows: pd.DataFrame, blocks: list[Block]) -> list[str]:
    printed = published.table(name)
    shown = "".join(cell for block in blocks for row in block.rows for cell in row[2:])
    run = rows[rows["system"] != ""].drop_duplicates("system")
    failed = run[run["status"].str.startswith("failed")]
    notes = {
        "n: patients scored. Bold: the best entry of those whose mean is of the most patients. "
        f"↑ higher is better, ↓ lower is better.{_units(printed.metrics)}": True,
        f"(published): what the paper prints, of its own split of {published.paper.dataset}; "
        "n/a where we could not read it (see benchmarks/published.yaml). It has no numbers for the "
        "strict protocol.": True,
        printed.note: printed.note,
        "A row of published numbers alone is quoted: the suite does not run that system.": (
            (rows["status"] == "quoted").any()
        ),
        "floor: no synthesis; ceiling: the real T1ce, as if synthesis were perfect. "
        "Neither is ranked.": (rows["role"] != "entry").any(),
        "[k]: mean over k patients; the others have no value.": "[" in shown,
        "{k}: k of the patients have the region in the reference or in the prediction only and are "
        "charged the volume's diagonal (373.13 mm for BraTS).": "{" in shown,
        "∞: at least one slice equals its reference.": "∞" in shown,
        "A patient's value is the mean over the seeds that have one.": (rows["seeds"] > 1).any(),
    }
    return [
        *(note for note, applies in notes.items() if applies),
        *(f"{row.label} {row.status.rstrip('.')}." for row in failed.itertuples()),
        f"Systems: {'; '.join(f'{row.label} = {row.system}' for row in run.itertuples())}.",
    ]


def _units(metrics: Sequence[str]) -> str:
    with_unit = [METRICS[name] for name in metrics if METRICS[name].unit]
    return "".join(f" {metric.title} in {metric.unit}." for metric in with_unit)
