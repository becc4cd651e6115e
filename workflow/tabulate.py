"""The commands that bring all scores together: tabulate, show."""

import sys
from dataclasses import replace

from benchmarks.cohorts.split import read_split
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from benchmarks.reporting.comparison import NAME as STATISTICS
from benchmarks.reporting.comparison import write_comparison_table
from benchmarks.reporting.conventions import NAME as CONVENTIONS
from benchmarks.reporting.conventions import write_conventions_table
from benchmarks.reporting.cost import NAME as COST
from benchmarks.reporting.cost import read_costs, write_cost_table
from benchmarks.reporting.published import read_published
from benchmarks.reporting.reproduced import NAME as REPRODUCED
from benchmarks.reporting.reproduced import write_reproduced_table
from benchmarks.reporting.tables import System, read_scores, write_table
from workflow.failures import NOT_RUN, explain
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.score import is_scored

SCORE_TABLES = ("table1_ablation", "table2_synthesis", "table3_segmentation")
TABLES = (*SCORE_TABLES, COST, STATISTICS, REPRODUCED, CONVENTIONS)

Pair = tuple[Run, int]
"""A run and one of its seeds."""


def run_tabulate(benchmark: Benchmark) -> None:
    """Write the long score table and the paper's tables.

    A run without scores of today's settings, code and patients becomes a row that says why. The
    long table is then left out: Snakemake, which waits for it, writes all anew once the rest is
    there.
    """
    layout, plan, published = Layout(benchmark.name), Plan(benchmark), read_published()
    scored, reasons = standing(plan)
    if not scored:
        raise InputError(f"No run of benchmark `{benchmark.name}` has been scored yet.")
    for (run, seed), why in reasons.items():
        print(f"{run.name}, seed {seed}, has no scores: {why}", file=sys.stderr)
    systems = with_reasons(plan, reasons)
    scores = read_scores(layout.scores(run.name, seed) for run, seed in scored)
    cohort = describe_cohort(benchmark)
    for name in SCORE_TABLES:
        protocols = benchmark.results.protocols
        write_table(layout.tables, name, published, scores, systems, cohort, protocols)
    costs = read_costs(layout.cost(run.name, seed) for run, seed in scored if run.trained)
    write_cost_table(layout.tables, published, costs, systems, plan.trainings(), cohort)
    write_comparison_table(layout.tables, published, scores, systems, cohort)
    simulated = benchmark.cohort.source == "phantom"
    write_reproduced_table(layout.tables, published, scores, systems, cohort, simulated)
    write_conventions_table(layout.tables, scores, systems, cohort)
    long = layout.tables / "scores.csv"
    if reasons:
        long.unlink(missing_ok=True)
        return
    with write_atomically(long) as file:
        file.write(scores.to_csv(index=False, lineterminator="\n").encode())


def standing(plan: Plan) -> tuple[list[Pair], dict[Pair, str]]:
    """The runs and seeds that are scored, and of the others the reason why not."""
    seeds = plan.benchmark.results.seeds
    pairs = [(run, seed) for run in plan.runs.values() for seed in seeds]
    scored = [pair for pair in pairs if is_scored(plan, *pair)]
    return scored, {pair: explain(plan, *pair) for pair in pairs if pair not in scored}


def with_reasons(plan: Plan, reasons: dict[Pair, str]) -> list[System]:
    """The rows of the tables, with the reason where a run, or one of its seeds, failed."""
    failed: dict[str, str] = {}
    for (run, _), why in reasons.items():
        if why != NOT_RUN:
            failed.setdefault(run.name, why)
    return [replace(system, failure=failed.get(system.id, "")) for system in plan.systems()]


def describe_cohort(benchmark: Benchmark) -> str:
    """Who was measured, for the titles."""
    splits = [row.split for row in read_split(Layout(benchmark.name).split)]
    counts = f"{len(splits)} patients, {splits.count('test')} of them test"
    slices = benchmark.results.slices
    grid = f"{slices.crop} x {slices.crop} pixels of {slices.downsample} mm"
    if benchmark.cohort.source == "phantom":
        return (
            f"{benchmark.title}, {counts}, {grid}. SIMULATED patients: these numbers can neither "
            "reproduce nor refute a number measured on BraTS"
        )
    return f"{benchmark.title}, {counts}, {grid}"


def run_show(benchmark: Benchmark) -> None:
    """Print the tables."""
    for name in TABLES:
        print((Layout(benchmark.name).tables / f"{name}.md").read_text())
