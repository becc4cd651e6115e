"""Read CSV files of one kind into one table; errors name file and line."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from benchmarks.errors import InputError

Numbers = Mapping[str, Literal["whole", "real", "optional"]]


def read_files(
    paths: Iterable[Path],
    noun: str,
    columns: Sequence[str],
    key: list[str],
    numbers: Numbers,
    unread: Sequence[str] = (),
) -> pd.DataFrame:
    """Read files of one kind into one table; no file gives a table without rows.

    Parameters
    ----------
    noun : what a line is called in messages, e.g. `score`.
    columns : all of them, in the order of the table that is read.
    key : the columns that name a line; no two lines may share them.
    numbers : the columns of numbers; an empty cell of an `optional` one is NaN.
    unread : columns that a file may have beside `columns`.

    Raises
    ------
    InputError : other columns, a number that is not one, or a line whose key occurs twice; names
        file and line.
    """
    files = [_read_file(Path(path), noun, columns, numbers, unread) for path in paths]
    if not files:
        return pd.DataFrame(columns=columns)
    lines = pd.concat(files, ignore_index=True)
    again = lines[lines.duplicated(key)]
    if len(again):
        second = again.iloc[0]
        first = lines[(lines[key] == second[key]).all(axis=1)].iloc[0]
        named = ", ".join(f"{column} {second[column]}" for column in key if second[column] != "")
        twice = f"the {noun} of {named} is already in {first.origin}"
        raise InputError(f"{second.origin}: {twice}. Remove one of them.")
    return lines[columns]


def _read_file(
    path: Path, noun: str, columns: Sequence[str], numbers: Numbers, unread: Sequence[str]
) -> pd.DataFrame:
    # Pandas would fill up a line that was cut short.
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader)
            rows = [[f"{path}, line {reader.line_num}", *cells] for cells in reader if cells]
    except (OSError, ValueError, StopIteration, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a {noun} table ({error}).") from error
    for origin, *cells in rows:
        if len(cells) != len(header):
            raise InputError(
                f"{origin}: found {len(cells)} cells instead of {len(header)}. Was the file cut "
                f"short? Delete it and make the {noun} again."
            )
    if sorted(name for name in header if name not in unread) != sorted(columns):
        missing = sorted(set(columns) - set(header)) or "none"
        unknown = sorted(set(header) - {*columns, *unread}) or "none"
        raise InputError(f"{path}, line 1: columns missing: {missing}, unknown: {unknown}.")
    lines = pd.DataFrame(rows, columns=["origin", *header], dtype=str)
    for column, sort in numbers.items():
        texts = lines[column].str.strip()
        values = pd.to_numeric(texts, errors="coerce").astype(float)
        wrong = values.isna()
        if sort == "optional":
            wrong &= ~texts.str.lower().isin(["", "nan"])
        if sort == "whole":
            wrong |= (values % 1 != 0) | (values.abs() >= 2**53)
        if wrong.any():
            first = lines[wrong].iloc[0]
            number = "a whole number" if sort == "whole" else "a number"
            fault = f"{column} is {first[column]!r}, which is not {number}"
            raise InputError(f"{first.origin}: {fault}.")
        lines[column] = values.astype(int) if sort == "whole" else values
    return lines
