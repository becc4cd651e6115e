"""Print what is done, running, failed and waiting."""

from benchmarks.config import Benchmark
from benchmarks.reporting import terminal
from workflow.overview import overview, report
from workflow.plan import Plan


def run(benchmark: Benchmark) -> None:
    """Print one line per run that is running or has failed; the others are listed by name."""
    lines = report(overview(Plan(benchmark)), benchmark.name, terminal.width())
    terminal.write("\n".join(lines))
