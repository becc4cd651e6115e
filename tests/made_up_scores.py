"""Results made up for tests, and what every table's LaTeX must keep."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.reporting import costs as cost_files
from benchmarks.reporting import scores as score_files
from benchmarks.reporting.published import Published, read_published
from benchmarks.reporting.results import Attention, Cohort, Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.sheet import Sheet, write_sheet
from benchmarks.scoring.conventions import read_conventions

COHORT = "simulated phantom, 20 patients, 4 test; NOT real patients"


def frame(*scores: Sequence[list]) -> pd.DataFrame:
    """Return a score table of the rows of several runs; each patient is one subject.

    A row has all columns but subject, repeat and fold; its seed may be a `Replicate`.
    """
    rows = [row for rows in scores for row in rows]
    given = {"subject", "repeat", "fold"}
    table = pd.DataFrame(rows, columns=[name for name in score_files.COLUMNS if name not in given])
    ones = [_replicate(one) for one in table["seed"]]
    numbers = pd.DataFrame([one.numbers for one in ones], columns=score_files.REPLICATE)
    table = table.assign(subject=table["patient"], **numbers)
    return table.astype(dict.fromkeys(score_files.REPLICATE, int))[score_files.COLUMNS]


def _replicate(one: int | Replicate) -> Replicate:
    return one if isinstance(one, Replicate) else Replicate(int(one))


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
    histories: Mapping[tuple[str, int | Replicate], pd.DataFrame] | None = None,
    published: Published | None = None,
    patients: Mapping[str, object] | None = None,
    read_prediction: Callable[..., np.ndarray] = _no_prediction,
    read_attention: Callable[..., Attention | None] = lambda run, seed, patient: None,
    left_out: Sequence[str] = (),
) -> Results:
    """Return results of these scores and rows; replicates and test patients are those scored."""
    scores = frame() if scores is None else scores
    names = patients if patients is not None else scores["patient"].unique()
    subjects = dict(zip(scores["patient"], scores["subject"], strict=True))
    test = {name: subjects.get(name, name) for name in sorted(names)}
    replicates, tested = defaultdict(set), defaultdict(set)
    folds = (scores["fold"] > 0).any()
    for run, patient, seed, repeat, fold in scores[
        ["run", "patient", *score_files.REPLICATE]
    ].itertuples(index=False):
        place = Place(repeat, fold if folds else None)
        replicates[run].add(Replicate(seed, place))
        tested[place].add(patient)
    return Results(
        cohort=Cohort(title, description, simulated, test),
        rows=tuple(rows),
        protocols=tuple(protocols),
        scores=scores,
        costs=cost_frame() if costs is None else costs,
        prediction_costs=(
            prediction_cost_frame() if prediction_costs is None else prediction_costs
        ),
        histories={(run, _replicate(one)): of for (run, one), of in (histories or {}).items()},
        published=published or read_published(),
        conventions=read_conventions(),
        replicates={run: tuple(sorted(ones)) for run, ones in replicates.items()},
        tested={place: tuple(sorted(names)) for place, names in tested.items()}
        or {Place(): tuple(test)},
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
    """So many tables, each row of which has a cell for each column, in ASCII.

    A wide one is cut into parts, whose captions say so.
    """
    later = re.findall(r"Part (\d+) of \d+\.", text)
    later = len(later) - later.count("1")
    begun = re.findall(r"\\begin\{(table\*?)\}", text)
    assert begun == re.findall(r"\\end\{(table\*?)\}", text) and len(begun) - later == tables
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == len(labels) == len(begun)
    for form, body in re.findall(
        r"\\begin\{tabularx\}\{\\linewidth\}\{([^\n]*)\}\n(.*?)\\end\{tabularx\}", text, re.DOTALL
    ):
        columns = re.findall("[Xrl]", re.sub(r"\\[a-z]+", "", form))
        lines = [line for line in body.splitlines() if line.endswith(r" \\")]
        groups = [line for line in lines if line.startswith(rf"\multicolumn{{{len(columns)}}}")]
        rows = [line for line in lines if line not in groups]
        for row in rows:
            cells = len(re.findall(r"(?<!\\)&", row)) + 1 + row.count(r"\multicolumn{2}")
            assert cells == len(columns), row
    assert text.isascii()
