"""**What each training took.** Time, memory and size. A run that continues another one includes the
cost of that one."""

import numpy as np
import pandas as pd

from benchmarks.reporting.costs import BLOCKS, cost_table
from benchmarks.reporting.formatting import MISSING
from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Column, Sheet, stacked
from benchmarks.reporting.tables._rows import applying, block_row, notes_on_rows

NEEDS = ("costs",)
ORDER = 4

_HEADINGS = {
    "generators": "Generators: they synthesise T1ce.",
    "segmentors": "Segmentors: they segment behind a generator, or alone.",
}
_COLUMNS = [
    Column(title)
    for title in (
        "seeds", "updates", "images", "device", "GPU or core h", "memory GB", "parameters M",
    )
]  # fmt: skip


def table(results: Results) -> Sheet:
    frames = {block: cost_table(results, block) for block in BLOCKS}
    expected = results.costs["seed"].nunique()
    blocks = [
        Block(name, _HEADINGS[name], _COLUMNS, [_row(row, expected) for _, row in frame.iterrows()])
        for name, frame in frames.items()
    ]
    return Sheet(
        f"Table IV. Cost of training: {results.cohort.description}.",
        blocks,
        _notes(frames, results),
        stacked(frames, "block", results.cohort.description),
    )


def _row(row: pd.Series, expected: int) -> BlockRow:
    cells = [Cell(MISSING)] * (len(_COLUMNS) - 1)
    if row["seeds"]:
        hours = float(row["device_seconds"] / 3600)
        memory, parameters = row["memory_bytes"] / 1e9, row["parameters"] / 1e6
        cells = [
            Cell(f"{row['updates']:,}", int(row["updates"])),
            Cell(f"{row['images']:,}", int(row["images"])),
            Cell(row["device"]),
            Cell(_three_digits(hours), hours),
            Cell(f"{memory:.2f}", memory),
            Cell(f"{parameters:.2f}", parameters),
        ]
    return block_row(row, cells, expected, "seeds")


def _three_digits(hours: float) -> str:
    """Three significant digits: a demo takes seconds, a paper days."""
    return f"{hours:#.3g}".rstrip(".") if hours < 1000 else f"{hours:,.0f}"


def _notes(frames: dict[str, pd.DataFrame], results: Results) -> list[str]:
    rows = pd.concat(frames.values(), ignore_index=True)
    labels = dict(zip(rows["run"], rows["label"], strict=True))
    joint = [labels[row.run] for row in results.rows if row.kind == "joint"]
    continued = [
        f"{labels[row.run]} continues {labels.get(row.continues, row.continues)}, whose cost is "
        "included."
        for row in results.rows
        if row.continues
    ]
    notes = {
        "updates: training steps; each is one update of the generator, or of the segmentor. "
        "images: slices that they were given. h: of the GPU, or of the cores where the CPU "
        "computed, for training and validation, not for prediction. memory: the peak of all "
        "tensors on the GPU, or of the process on the CPU. parameters: of all networks, "
        "discriminators too.": True,
        "Equal budgets: every generator gets the same patients, the same pool of T1ce and the same "
        "number of updates; a training that continues another has its own in addition.": True,
        **dict.fromkeys(_several_batches(frames["generators"]), True),
        **dict.fromkeys(continued, True),
        f"The segmentor of {', '.join(joint)} is trained along: it has no row of its own.": joint,
        "floor: no synthesis; ceiling: the real T1ce, as if synthesis were perfect.": (
            (rows["role"] != "method").any()
        ),
        "seeds: trainings; hours are their mean, memory is their highest.": (
            (rows["seeds"] > 1).any()
        ),
    }
    return [*applying(notes), *notes_on_rows(rows)]


def _several_batches(generators: pd.DataFrame) -> list[str]:
    """Name the generators that see more than one batch per update; the fewest images are one."""
    trained = generators[generators["seeds"] > 0]
    images = (trained["images"] / trained["updates"]).astype(float)
    batches = np.rint(images / images.min()).astype(int)
    return [
        f"{label}: each update takes {count} batches."
        for label, count in zip(trained["label"], batches, strict=True)
        if count > 1
    ]
