"""Score tables made up for tests, and what every table's LaTeX has to keep."""

import re
from collections.abc import Sequence

import pandas as pd

from benchmarks.reporting.tables import COLUMNS

COHORT = "simulated phantom, 20 patients, 4 test; NOT real patients"


def frame(*scores: Sequence[list]) -> pd.DataFrame:
    """A score table of the rows of several systems."""
    return pd.DataFrame([row for rows in scores for row in rows], columns=COLUMNS)


def check_latex(text: str, tables: int) -> None:
    """So many tables, each row of which has a cell for each column, in ASCII."""
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == tables
    for columns, body in re.findall(r"\\begin\{tabular\}\{(lr*)\}(.*?)\\end", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r" \\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}
    assert text.isascii()
