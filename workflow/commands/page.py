"""Write a benchmark's page."""

from benchmarks.config import Benchmark
from benchmarks.manifest import read_manifest
from benchmarks.reporting.catalogue import catalogue_for
from benchmarks.reporting.page.write import write_page
from workflow.layout import Layout
from workflow.records import Record, checksums
from workflow.results import read_results


def run(benchmark: Benchmark) -> list[Record]:
    """Write the page of all results that exist; failed runs are shown with their reasons."""
    layout = Layout(benchmark.name)
    manifest = read_manifest(layout.manifest)
    results = read_results(benchmark)
    write_page(
        layout.page.parent,
        results,
        manifest,
        layout.tables,
        layout.figures,
        settings=benchmark.page,
        cases=layout.cases,
    )
    folders = {"table": layout.tables, "figure": layout.figures}
    items = catalogue_for(benchmark.conditions)
    shown = [folders[item.kind] / name for item in items for name in item.files]
    return [
        Record(
            f"page {benchmark.name}",
            checksums([layout.manifest, *(path for path in shown if path.is_file())]),
            checksums([layout.page, layout.page_checksums]),
        )
    ]
