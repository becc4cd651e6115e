"""Reads CSV files of one kind into one table, naming file and line of whatever is wrong."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from benchmarks.errors import InputError


@dataclass(frozen=True)
class Format:
    """What the files of a kind look like.

    Attributes
    ----------
    noun : what a line is called in messages, e.g. `score`.
    columns : all of them, in the order of the table that is read.
    key : the columns that name a line; no two lines may share them.
    numbers : the columns of numbers; where a cell of an `optional` one is empty, there is none.
    """

    noun: str
    columns: Sequence[str]
    key: Sequence[str]
    numbers: Mapping[str, Literal["whole", "real", "optional"]]


def read_files(paths: Iterable[Path], kind: Format) -> pd.DataFrame:
    """Reads files of that kind into one table; no file gives a table without rows.

    Raises InputError, naming file and line, for other columns, a number that is none, and a line
    whose key occurs twice.
    """
    files = [_read_file(Path(path), kind) for path in paths]
    if not files:
        return pd.DataFrame(columns=kind.columns)
    together = pd.concat(files, ignore_index=True)
    _refuse_duplicates(together, kind)
    return together[kind.columns]


def _read_file(path: Path, kind: Format) -> pd.DataFrame:
    # Pandas would fill up a line that was cut short.
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            header, *rows = [[reader.line_num, *cells] for cells in reader if cells]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a {kind.noun} table ({error}).") from error
    for line, *cells in rows:
        if len(cells) != len(header) - 1:
            raise InputError(
                f"{path}, line {line}: found {len(cells)} cells instead of {len(header) - 1}. Was "
                f"the file cut short? Delete it and make the {kind.noun} again."
            )
    lines = pd.DataFrame(rows, columns=["line", *header[1:]], dtype=str)
    origin = f"{path}, line " + lines.pop("line")
    if sorted(lines.columns) != sorted(kind.columns):
        missing = sorted(set(kind.columns) - set(lines.columns)) or "none"
        unknown = sorted(set(lines.columns) - set(kind.columns)) or "none"
        raise InputError(f"{path}, line 1: columns missing: {missing}, unknown: {unknown}.")
    lines["origin"] = origin
    for column, sort in kind.numbers.items():
        lines[column] = _numbers(lines, column, sort)
    return lines


def _numbers(lines: pd.DataFrame, column: str, sort: str) -> pd.Series:
    texts = lines[column].str.strip()
    numbers = pd.to_numeric(texts, errors="coerce").astype(float)
    wrong = numbers.isna()
    if sort == "optional":
        wrong &= ~texts.str.lower().isin(["", "nan"])
    if sort == "whole":
        wrong |= (numbers % 1 != 0) | (numbers.abs() >= 2**53)
    if wrong.any():
        first = lines[wrong].iloc[0]
        a_number = "a whole number" if sort == "whole" else "a number"
        raise InputError(f"{first.origin}: {column} is {first[column]!r}, which is not {a_number}.")
    return numbers.astype(int) if sort == "whole" else numbers


def _refuse_duplicates(lines: pd.DataFrame, kind: Format) -> None:
    key = list(kind.key)
    again = lines.duplicated(key)
    if not again.any():
        return
    second = lines[again].iloc[0]
    first = lines[(lines[key] == second[key]).all(axis=1)].iloc[0]
    named = ", ".join(f"{column} {second[column]}" for column in key if second[column] != "")
    raise InputError(
        f"{second.origin}: the {kind.noun} of {named} is already in {first.origin}. "
        "Remove one of them."
    )
