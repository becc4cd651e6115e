"""**What each training took, and each synthesis.** Time, memory and size. A run that continues
another one includes the training of that one."""

import numpy as np
import pandas as pd

from benchmarks.reporting.costs import BLOCKS, cost_table
from benchmarks.reporting.formatting import MISSING
from benchmarks.reporting.results import Results
from benchmarks.reporting.scores import REPLICATE
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Column, Sheet, stacked
from benchmarks.reporting.tables._rows import (
    applying,
    block_row,
    notes_on_left_out,
    notes_on_rows,
)

NEEDS = ("costs", "prediction_costs")
ORDER = 4

_HEADINGS = {
    "generators": "Generators: they synthesise T1ce.",
    "segmentors": "Segmentors: they segment behind a generator, or alone.",
}
_TRAINING = [
    Column(title)
    for title in (
        "trainings", "updates", "images", "device", "GPU or core h", "memory GB", "parameters M",
    )
]  # fmt: skip
_PREDICTION = [Column("s per volume"), Column("prediction memory GB")]
_COLUMNS = {"generators": [*_TRAINING, *_PREDICTION], "segmentors": _TRAINING}


def table(results: Results) -> Sheet:
    frames = {block: cost_table(results, block) for block in BLOCKS}
    expected = len(results.costs[REPLICATE].drop_duplicates())
    blocks = [
        Block(
            name,
            _HEADINGS[name],
            _COLUMNS[name],
            [_row(row, name, expected) for _, row in frame.iterrows()],
        )
        for name, frame in frames.items()
    ]
    return Sheet(
        f"Table IV. Cost of training and of synthesis: {results.cohort.description}.",
        blocks,
        _notes(frames, results),
        stacked(frames, "block", results.cohort.name),
    )


def _row(row: pd.Series, block: str, expected: int) -> BlockRow:
    cells = [*_trained(row), *(_predicted(row) if block == "generators" else [])]
    return block_row(row, cells, expected, "trainings")


def _trained(row: pd.Series) -> list[Cell]:
    cells = [Cell(MISSING)] * (len(_TRAINING) - 1)
    if row["trainings"]:
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
    return cells


def _predicted(row: pd.Series) -> list[Cell]:
    if pd.isna(row["volume_seconds"]):
        return [Cell(MISSING)] * len(_PREDICTION)
    seconds, memory = float(row["volume_seconds"]), row["prediction_memory_bytes"] / 1e9
    return [Cell(_three_digits(seconds), seconds), Cell(f"{memory:.2f}", memory)]


def _three_digits(value: float) -> str:
    """Three significant digits: a demo takes seconds, a paper days."""
    return f"{value:#.3g}".rstrip(".") if value < 1000 else f"{value:,.0f}"


def _notes(frames: dict[str, pd.DataFrame], results: Results) -> list[str]:
    rows = pd.concat(frames.values(), ignore_index=True)
    labels = dict(zip(rows["run"], rows["label"], strict=True))
    joint = [labels[row.run] for row in results.rows if row.kind == "joint"]
    continued = [
        f"{labels[row.run]} continues {labels.get(row.continues, row.continues)}, whose training "
        "is included."
        for row in results.rows
        if row.continues
    ]
    borrowed = [
        f"{labels[row.run]} predicts with the weights of "
        f"{labels.get(row.predicts_with, row.predicts_with)}, whose training is shown again."
        for row in results.rows
        if row.predicts_with and not row.frozen
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
        **dict.fromkeys([*continued, *borrowed], True),
        f"The segmentor of {', '.join(joint)} is trained along: it has no row of its own.": joint,
        "A frozen segmentor is the ceiling's: it has no row of its own.": (
            results.frozen is not None
        ),
        "floor: no synthesis; ceiling: the real T1ce, as if synthesis were perfect.": (
            (rows["role"] != "method").any()
        ),
        **dict.fromkeys(_on_predictions(frames["generators"]), True),
        "trainings: of seeds and folds; hours and seconds are their mean, memory the highest.": (
            (rows["trainings"] > 1).any()
        ),
    }
    return [*applying(notes), *notes_on_left_out(results), *notes_on_rows(results, rows)]


def _on_predictions(generators: pd.DataFrame) -> list[str]:
    """Say what was measured of syntheses, and on which device."""
    measured = generators.dropna(subset="volume_seconds")
    if measured.empty:
        return []
    each = (measured["slices"] / measured["volumes"]).astype(float)
    slices = " to ".join(dict.fromkeys(f"{count:.4g}" for count in (each.min(), each.max())))
    places = measured.groupby("predicted_on", sort=False)["label"].agg(", ".join)
    alone = len(places) == 1
    where = [f"{'all' if alone else labels} on {place}" for place, labels in places.items()]
    return [
        f"s per volume: wall seconds of synthesising the median volume, of {slices} slices, from "
        "reading its inputs to its T1ce in main memory. prediction memory: its peak, measured as "
        "that of the training.",
        f"Syntheses: {'; '.join(where)}.",
    ]


def _several_batches(generators: pd.DataFrame) -> list[str]:
    """Name the generators that see more than one batch per update; the fewest images are one."""
    trained = generators[generators["trainings"] > 0]
    images = (trained["images"] / trained["updates"]).astype(float)
    batches = np.rint(images / images.min()).astype(int)
    return [
        f"{label}: each update takes {count} batches."
        for label, count in zip(trained["label"], batches, strict=True)
        if count > 1
    ]
