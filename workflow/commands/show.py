"""Print the headline, one table, or all of them."""

import json
import sys
import textwrap
from pathlib import Path

from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.reporting import terminal
from benchmarks.reporting.catalogue import Item, tables
from workflow.layout import Layout
from workflow.verbs import VERBS

HEADLINE = "table0_gap"
ALL = "all"


def run(benchmark: Benchmark, table: str) -> None:
    """Print a table by its name or number, `all`, or else the headline and what to open.

    Raises
    ------
    InputError : there is no such table, or it was not written yet.
    """
    layout, columns, letters = Layout(benchmark.name), terminal.width(), sys.stdout.encoding
    items = {item.name: item for item in tables(benchmark.conditions)}
    if table:
        chosen = list(items.values()) if table == ALL else [_find(table, items)]
        texts = [terminal.table(_read(layout, item), columns, letters) for item in chosen]
    else:
        texts = [
            terminal.headline(_read(layout, items[HEADLINE]), columns, letters),
            _next(layout, items, columns),
        ]
    terminal.write("\n\n".join(texts))


def _find(table: str, items: dict[str, Item]) -> Item:
    for name, item in items.items():
        if table in (name, name.partition("_")[0].removeprefix("table")):
            return item
    raise InputError(f"There is no table {table}. Write a number or one of {', '.join(items)}.")


def _read(layout: Layout, item: Item) -> dict:
    path = layout.tables / f"{item.name}.json"
    if not path.is_file():
        name = layout.tables.name
        raise InputError(
            f"There is no {path}. Run `snakemake` on benchmark `{name}` first, or, if all of its "
            "runs are scored, `python -m workflow tabulate`. `python -m workflow status` says how "
            "far it is."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def _next(layout: Layout, items: dict[str, Item], columns: int) -> str:
    last = list(items)[-1].partition("_")[0].removeprefix("table")
    same = "" if layout.benchmark == VERBS["show"].benchmark else " with the same --benchmark"
    page = Path(layout.page)
    lines = [
        ("Open", page.resolve().as_uri() if page.is_file() else f"{page}, once it is written"),
        ("Tables", f"{layout.tables}/ (python -m workflow show 0 ... {last}{same})"),
        ("Next", "your method: python -m methods new NAME"),
        ("", "your patients: python -m workflow check --data FOLDER"),
    ]
    return "\n".join(
        textwrap.fill(
            f"{name:8}{text}",
            columns,
            subsequent_indent=" " * 8,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in lines
    )
