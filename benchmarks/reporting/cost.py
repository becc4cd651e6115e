"""What each training took, beside what it achieved: a table that the paper does not have."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.reporting.published import Published
from benchmarks.reporting.reading import Format, read_files
from benchmarks.reporting.rows import (
    Line,
    System,
    count_cell,
    label_cell,
    line_up,
    notes_on_rows,
    refuse_strangers,
)
from benchmarks.reporting.systems import Training
from benchmarks.reporting.typesetting import Block, Sheet, stacked, write_sheet

NAME = "table4_cost"
COLUMNS = [
    "system", "seed", "updates", "images", "wall_seconds", "core_seconds",
    "memory_bytes", "device", "parameters",
]  # fmt: skip
"""The columns of a cost table."""

_WHOLE = ["updates", "images", "memory_bytes", "parameters"]
_SECONDS = ["wall_seconds", "core_seconds", "device_seconds"]
_TOOK = ["updates", "images", "device", *_SECONDS, "memory_bytes", "parameters"]
_FORMAT = Format(
    "cost",
    COLUMNS,
    ["system", "seed"],
    dict.fromkeys(["seed", *_WHOLE], "whole")
    | dict.fromkeys(["wall_seconds", "core_seconds"], "real"),
)
_HEADER = [
    "", "seeds", "updates", "images", "device", "GPU or core h", "memory GB", "parameters M",
]  # fmt: skip
_BLOCKS = {
    "generators": ("table2_synthesis", "Generators: what synthesises T1ce."),
    "segmentors": (
        "table3_segmentation",
        "Segmentors: what segments behind a generator, or alone.",
    ),
}
"""A block -> the paper's table that has the same rows, and the block's heading."""


def read_costs(paths: Iterable[Path]) -> pd.DataFrame:
    """Reads cost files into one table; no file gives a table without rows.

    Raises InputError, naming file and line, for other columns than COLUMNS, what should be a number
    and is none, and a training that occurs twice.
    """
    return read_files(paths, _FORMAT)


def cost_table(
    published: Published,
    block: str,
    costs: pd.DataFrame,
    systems: Sequence[System],
    trainings: Sequence[Training],
) -> pd.DataFrame:
    """One block of the table, in the order of the paper's table with the same rows.

    `device_seconds` are the GPU's seconds, or the cores' where the CPU computed. A run that goes on
    from another counts that one's too. Seconds are means over seeds, memory is the highest.
    """
    refuse_strangers(costs["system"], [training.system for training in trainings], "cost files")
    by_system = {training.system: training for training in trainings}
    rows = {training.system for training in trainings if training.block == block}
    ours = [system for system in systems if system.id in rows]
    lines = line_up(published.table(_BLOCKS[block][0]), ours)
    on_cpu = costs["device"] == "CPU"
    costs = costs.assign(device_seconds=costs["core_seconds"].where(on_cpu, costs["wall_seconds"]))
    records = [_record(line, by_system, costs) for line in lines if line.id in rows]
    frame = pd.DataFrame(records, columns=["label", "system", "role", "status", "seeds", *_TOOK])
    return frame.astype(dict.fromkeys(_WHOLE, "Int64") | dict.fromkeys(_SECONDS, float))


def _record(line: Line, trainings: dict[str, Training], costs: pd.DataFrame) -> dict[str, object]:
    training = trainings[line.id]
    took = _took(_chain(training, trainings), costs) if training.trained else {"seeds": 0}
    status = line.status(measured=took["seeds"] > 0)
    if not training.trained and not line.failure:
        status = "not trained"
    return {"label": line.label, "system": line.id, "role": line.role, "status": status} | took


def _chain(training: Training, trainings: dict[str, Training]) -> list[str]:
    """The training and those that it goes on from, the first of them first."""
    before = trainings.get(training.continues)
    return [*(_chain(before, trainings) if before and before.trained else []), training.system]


def _took(chain: list[str], costs: pd.DataFrame) -> dict[str, object]:
    """What all of the chain took, over the seeds of which all of it is there."""
    parts = costs[costs["system"].isin(chain)]
    sizes = parts.groupby("seed")["system"].nunique()
    parts = parts[parts["seed"].isin(sizes[sizes == len(chain)].index)]
    if parts.empty:
        return {"seeds": 0}
    by_seed = parts.groupby("seed")
    sums = by_seed[["updates", "images", *_SECONDS]].sum()
    # The last of a chain is the run itself, whose networks count.
    own = parts[parts["system"] == chain[-1]]
    order = parts.assign(place=parts["system"].map(chain.index)).sort_values(["place", "seed"])
    return {
        "seeds": len(sums),
        "updates": sums["updates"].max(),
        "images": sums["images"].max(),
        "device": " + ".join(dict.fromkeys(" + ".join(order["device"]).split(" + "))),
        **sums[_SECONDS].mean(),
        "memory_bytes": parts["memory_bytes"].max(),
        "parameters": own["parameters"].max(),
    }


def write_cost_table(
    folder: Path,
    published: Published,
    costs: pd.DataFrame,
    systems: Sequence[System],
    trainings: Sequence[Training],
    cohort: str,
) -> list[Path]:
    """Writes table4_cost.csv, .md and .tex; the paths are returned."""
    frames = {block: cost_table(published, block, costs, systems, trainings) for block in _BLOCKS}
    expected = costs["seed"].nunique()
    blocks = [_block(name, frame, expected) for name, frame in frames.items()]
    title = f"Table IV. Cost of training: {cohort.rstrip('.')}."
    sheet = Sheet(NAME, title, blocks, _notes(frames, trainings))
    return write_sheet(folder, sheet, stacked(frames, "block", cohort))


def _block(name: str, frame: pd.DataFrame, expected: int) -> Block:
    rows = [_cells(row, expected) for _, row in frame.iterrows()]
    return Block(name, _BLOCKS[name][1], _HEADER, rows)


def _cells(row: pd.Series, expected: int) -> list[str]:
    label, seeds = label_cell(row), count_cell(row["seeds"], expected, row["status"])
    if not row["seeds"]:
        return [label, seeds, *["–"] * (len(_HEADER) - 2)]
    return [
        label,
        seeds,
        f"{row['updates']:,}",
        f"{row['images']:,}",
        row["device"],
        _hours(row["device_seconds"]),
        f"{row['memory_bytes'] / 1e9:.2f}",
        f"{row['parameters'] / 1e6:.2f}",
    ]


def _hours(seconds: float) -> str:
    """Three digits that count: a demo takes seconds, a paper days."""
    hours = seconds / 3600
    return f"{hours:#.3g}".rstrip(".") if hours < 1000 else f"{hours:,.0f}"


def _notes(frames: dict[str, pd.DataFrame], trainings: Sequence[Training]) -> list[str]:
    rows = pd.concat(frames.values(), ignore_index=True)
    labels = dict(zip(rows["system"], rows["label"], strict=True))
    joint = [labels[training.system] for training in trainings if training.kind == "joint"]
    notes = {
        "updates: training steps; each is one update of the generator, or of the segmentor. "
        "images: slices that they were given. h: of the GPU, or of the cores where the CPU "
        "computed, for training and validation, not for prediction. memory: the peak of all "
        "tensors on the GPU, or of the process on the CPU. parameters: of all networks, "
        "discriminators too.": True,
        "Equal budgets: every generator gets the same patients, the same pool of T1ce and the same "
        "number of updates; a training that goes on from another has its own besides.": True,
        **dict.fromkeys(_several_batches(frames["generators"]), True),
        **{
            f"{labels[training.system]} goes on from "
            f"{labels.get(training.continues, training.continues)}: what that took is included.": (
                True
            )
            for training in trainings
            if training.continues
        },
        f"The segmentor of {', '.join(joint)} is trained along: it has no row of its own.": joint,
        "floor: no synthesis; ceiling: the real T1ce, as if synthesis were perfect.": (
            (rows["role"] != "entry").any()
        ),
        "seeds: trainings; hours are their mean, memory is their highest.": (
            (rows["seeds"] > 1).any()
        ),
    }
    return [*(note for note, applies in notes.items() if applies), *notes_on_rows(rows)]


def _several_batches(generators: pd.DataFrame) -> list[str]:
    """Which generators see more than a batch an update, the smallest seen being one."""
    trained = generators[generators["seeds"] > 0]
    images = (trained["images"] / trained["updates"]).astype(float)
    batches = np.rint(images / images.min()).astype(int)
    return [
        f"{label}: each update takes {count} batches."
        for label, count in zip(trained["label"], batches, strict=True)
        if count > 1
    ]
