"""Write the tables."""

import sys

from benchmarks.config import Benchmark
from benchmarks.files import write_atomically
from benchmarks.reporting.catalogue import tables
from benchmarks.reporting.conditions import all_scores
from benchmarks.reporting.sheet import write_sheet
from benchmarks.reporting.subgroups import with_et_groups
from workflow.layout import Layout
from workflow.plan import Plan
from workflow.records import Record, checksums
from workflow.results import Inputs, read_results
from workflow.status import run_status


def run(benchmark: Benchmark) -> list[Record]:
    """Write every table, its caption, and the long table of all scores.

    A run without scores of today's settings, code and patients becomes a row with the reason. The
    long table is then left out, so that Snakemake, which waits for it, writes all tables again once
    every run is scored.
    """
    layout, plan = Layout(benchmark.name), Plan(benchmark)
    results, status = read_results(benchmark), run_status(plan)
    for (one, replicate), reason in status.reasons.items():
        print(f"{one.name}, {replicate.title}, has no scores: {reason}", file=sys.stderr)
    inputs, records = Inputs(plan, status), []
    for item in tables(benchmark.conditions):
        sheet = item.function(results)
        paths = write_sheet(layout.tables, item.name, sheet)
        makes = checksums([*paths, item.write_caption(layout.tables)])
        records.append(Record(f"tabulate {item.name}", inputs.of(item, sheet.runs), makes))
    if status.reasons:
        layout.long_table.unlink(missing_ok=True)
        return records
    scores = with_et_groups(all_scores(results), results)
    with write_atomically(layout.long_table) as file:
        file.write(scores.to_csv(index=False, lineterminator="\n").encode())
    return [*records, Record("tabulate scores", inputs.scores(), checksums([layout.long_table]))]
