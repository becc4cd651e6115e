"""Print the tables."""

from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.reporting.catalogue import tables
from workflow.layout import Layout


def run(benchmark: Benchmark) -> None:
    """Print the tables as Markdown."""
    for item in tables(benchmark.conditions):
        path = Layout(benchmark.name).tables / f"{item.name}.md"
        if not path.is_file():
            raise InputError(f"There is no {path}. Write the tables with tabulate.")
        print(path.read_text(encoding="utf-8"))
