"""Results made up for tests, and what every table's LaTeX must keep."""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.reporting import costs as cost_files
from benchmarks.reporting import scores as score_files
from benchmarks.reporting.published import Published, read_published
from benchmarks.reporting.results import Attention, Cohort, Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.sheet import Sheet, write_sheet
from benchmarks.scoring.conventions import read_conventions

COHORT = "simulated phantom, 20 patients, 4 test; NOT real patients"


def frame(*scores: Sequence[list]) -> pd.DataFrame:
    """Return a score table of the rows of several runs; each patient is one subject."""
    rows = [row for rows in scores for row in rows]
    columns = [column for column in score_files.COLUMNS if column != "subject"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(subject=table["patient"])[score_files.COLUMNS]


def cost_frame(*costs: list) -> pd.DataFrame:
    """Return a cost table of these rows."""
    return pd.DataFrame(list(costs), columns=cost_files.COLUMNS)


def prediction_cost_frame(*costs: list) -> pd.DataFrame:
    """Return a table of what syntheses took of these rows."""
    return pd.DataFrame(list(costs), columns=cost_files.PREDICTION_COLUMNS)


def _no_prediction(run: str, seed: int, kind: str, patient: object) -> np.ndarray:
    raise AssertionError(f"nothing was made up for the {kind} of {run}, seed {seed}")


def made_up_results(
    scores: pd.DataFrame | None = None,
    rows: Sequence[Row] = (),
    *,
    description: str = COHORT,
    title: str = "made-up cohort",
    simulated: bool = False,
    protocols: Sequence[str] = ("paper", "strict"),
    costs: pd.DataFrame | None = None,
    prediction_costs: pd.DataFrame | None = None,
    histories: Mapping[tuple[str, int], pd.DataFrame] | None = None,
    published: Published | None = None,
    patients: Mapping[str, object] | None = None,
    read_prediction: Callable[..., np.ndarray] = _no_prediction,
    read_attention: Callable[..., Attention | None] = lambda run, seed, patient: None,
    left_out: Sequence[str] = (),
) -> Results:
    """Return results of these scores and rows; seeds and test patients are those of the scores."""
    scores = frame() if scores is None else scores
    names = patients if patients is not None else scores["patient"].unique()
    subjects = dict(zip(scores["patient"], scores["subject"], strict=True))
    test = {name: subjects.get(name, name) for name in sorted(names)}
    return Results(
        cohort=Cohort(title, description, simulated, test),
        rows=tuple(rows),
        protocols=tuple(protocols),
        scores=scores,
        costs=cost_frame() if costs is None else costs,
        prediction_costs=(
            prediction_cost_frame() if prediction_costs is None else prediction_costs
        ),
        histories=histories or {},
        published=published or read_published(),
        conventions=read_conventions(),
        seeds={run: tuple(sorted(of["seed"].unique())) for run, of in scores.groupby("run")},
        patients=patients or {},
        read_prediction=read_prediction,
        read_attention=read_attention,
        left_out=tuple(left_out),
    ).with_frozen_apart()


def sheet_of(name: str, results: Results) -> Sheet:
    """Return the table of a file in benchmarks/reporting/tables."""
    return import_module(f"benchmarks.reporting.tables.{name}").table(results)


def write_table(folder: Path, name: str, results: Results) -> dict[str, str]:
    """Write a table and return the text of its files by their ending."""
    paths = write_sheet(folder, name, sheet_of(name, results))
    assert {path.stem for path in paths} == {name}
    return {path.suffix: path.read_text(encoding="utf-8") for path in paths}


def check_latex(text: str, tables: int) -> None:
    """So many tables, each row of which has a cell for each column, in ASCII."""
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == tables
    for columns, body in re.findall(r"\\begin\{tabular\}\{(lr*)\}(.*?)\\end", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r" \\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}
    assert text.isascii()
