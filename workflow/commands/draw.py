"""Draw the figures."""

from benchmarks.config import Benchmark
from benchmarks.reporting.catalogue import figures
from benchmarks.reporting.drawing.canvas import save
from workflow.layout import Layout
from workflow.plan import Plan
from workflow.records import Record, checksums
from workflow.results import Inputs, read_results
from workflow.status import run_status


def run(benchmark: Benchmark) -> list[Record]:
    """Write every figure as PNG and PDF, and its caption, which names runs without scores."""
    layout, plan = Layout(benchmark.name), Plan(benchmark)
    results = read_results(benchmark)
    inputs, records = Inputs(plan, run_status(plan)), []
    for item in figures(benchmark.conditions):
        figure = item.function(results)
        paths = save(figure, layout.figures, item.name)
        captions = item.write_figure_captions(layout.figures, getattr(figure, "caption", None))
        makes = checksums([*paths, *captions])
        records.append(Record(f"draw {item.name}", inputs.of(item), makes))
    return records
