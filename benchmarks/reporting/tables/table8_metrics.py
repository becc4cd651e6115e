"""**Every metric.** All metrics of the suite, beside those that the paper prints: one column per
metric and region, with intervals over patients."""

import pandas as pd

from benchmarks.reporting.measures import (
    COMPLETE,
    Column,
    lines_of,
    measure_columns,
    notes_on_intervals,
    notes_on_marks,
    postprocessing_of,
)
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, Sheet, stacked
from benchmarks.reporting.tables._means import (
    heading_of,
    means_block,
    metrics_of,
    notes_on_means,
    notes_on_protocols,
)
from benchmarks.reporting.tables._rows import applying, notes_on_rows
from benchmarks.scoring.metric import Metric, read_metrics

ORDER = 8


def table(results: Results) -> Sheet:
    protocol, cohort = results.protocol, results.cohort.description
    frames, blocks, metrics = {}, [], []
    for task, name in COMPLETE.items():
        if not (columns := scored_columns(results, task)):
            continue
        lines = [line for line in lines_of(results, name) if not line.quoted]
        cells = measure_columns(results, task, lines, columns, protocol)
        heading = f"{task.capitalize()}. {heading_of(protocol, columns)}"
        blocks.append(means_block(task, heading, cells, columns))
        frames[task] = cells.drop(columns=["line", "in_paper", "published"])
        metrics += metrics_of(columns)
    return Sheet(
        f"Table VIII. Every metric: {cohort}.",
        blocks,
        [*results.cohort.notes, *_notes(results, frames, blocks, metrics)] if blocks else [],
        stacked(frames, "task", results.cohort.name),
    )


def scored_columns(results: Results, task: str) -> list[Column]:
    """Return the (metric, region) of a task that metrics say to show, and that have scores."""
    scores = results.scores[results.scores["protocol"] == results.protocol]
    scored = set(zip(scores["metric"], scores["region"], strict=True))
    return [
        (metric.name, region)
        for metric in read_metrics().values()
        if metric.task == task
        for region in metric.shown
        if (metric.name, region) in scored
    ]


def _notes(
    results: Results,
    frames: dict[str, pd.DataFrame],
    blocks: list[Block],
    metrics: list[Metric],
) -> list[str]:
    cells = pd.concat(frames.values(), ignore_index=True)
    whole = ", ".join(
        metric.title for metric in metrics if postprocessing_of(metric, results.protocol) == "none"
    )
    notes = notes_on_means(cells, blocks, metrics) | {
        f"Of the whole prediction, not of its largest component: {whole}.": bool(whole),
        "Definitions of the metrics and their sources: benchmarks/scoring/metrics.": True,
    }
    return [
        *applying(notes),
        *notes_on_protocols([results.protocol]),
        *notes_on_intervals(cells),
        *notes_on_marks(cells),
        *notes_on_rows(results, cells),
    ]
