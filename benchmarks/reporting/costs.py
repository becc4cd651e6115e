"""What trainings took: how cost files are read, and the cost of a run over its seeds."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from benchmarks.reporting.measures import COMPLETE
from benchmarks.reporting.reading import read_files
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, line_up, refuse_unknown_runs

COLUMNS = [
    "run", "seed", "updates", "images", "wall_seconds", "core_seconds",
    "memory_bytes", "device", "parameters",
]  # fmt: skip

# By block of Table IV, the task whose rows it has.
BLOCKS = {"generators": "synthesis", "segmentors": "segmentation"}

_WHOLE = ["updates", "images", "memory_bytes", "parameters"]
_SECONDS = ["wall_seconds", "core_seconds", "device_seconds"]
_TOOK = ["seeds", "updates", "images", "device", *_SECONDS, "memory_bytes", "parameters"]


def read_costs(paths: Iterable[Path]) -> pd.DataFrame:
    """Read cost files into one table of the columns `COLUMNS`; see `read_files`."""
    numbers = dict.fromkeys(["seed", *_WHOLE], "whole") | dict.fromkeys(_SECONDS[:2], "real")
    return read_files(paths, "cost", COLUMNS, ["run", "seed"], numbers)


def cost_table(results: Results, block: str) -> pd.DataFrame:
    """Return one row per run of a block, in the order of the paper's table with the same rows.

    `device_seconds` are the GPU's seconds, or the cores' where the CPU computed. A run that
    continues another includes that one's cost. Seconds are means over seeds, memory is the highest.

    Raises
    ------
    InputError : there are costs of a run that is not among the rows.
    """
    refuse_unknown_runs(results.costs["run"], results.rows, "cost files")
    known = {row.run: row for row in results.rows}
    rows = [row for row in results.rows if (row.kind == "segmentation") == (block == "segmentors")]
    of_block = {row.run for row in rows}
    on_cpu = results.costs["device"] == "CPU"
    costs = results.costs.assign(
        device_seconds=results.costs["core_seconds"].where(on_cpu, results.costs["wall_seconds"])
    )
    records = []
    for line in line_up(results.published.table(COMPLETE[BLOCKS[block]]), rows):
        if line.run in of_block:
            row = known[line.run]
            took = _took(_chain(row, known), costs) if row.trained else {"seeds": 0}
            status = line.status(measured=took["seeds"] > 0)
            if not row.trained and not line.failure:
                status = "not trained"
            records.append([line.label, line.run, line.role, status, *map(took.get, _TOOK)])
    frame = pd.DataFrame(records, columns=["label", "run", "role", "status", *_TOOK])
    return frame.astype(dict.fromkeys(_WHOLE, "Int64") | dict.fromkeys(_SECONDS, float))


def hours(results: Results) -> dict[str, float]:
    """Return by run the GPU or core hours of all trainings it needs, its generator's too.

    A run lacks an entry if the cost of one of them is missing. Without training it takes none.
    """
    table = pd.concat([cost_table(results, block) for block in BLOCKS])
    own = dict(zip(table["run"], table["device_seconds"] / 3600, strict=True))
    own |= {row.run: 0.0 for row in results.rows if not row.trained}
    generators = {row.run: row.upstream for row in results.rows if row.upstream}
    total = {
        run: value + (own.get(generators[run], float("nan")) if run in generators else 0)
        for run, value in own.items()
    }
    return {run: value for run, value in total.items() if pd.notna(value)}


def _chain(row: Row, known: Mapping[str, Row]) -> list[str]:
    """The run and those that it continues, the first of them first."""
    before = known.get(row.continues) if row.continues else None
    return [*(_chain(before, known) if before and before.trained else []), row.run]


def _took(chain: list[str], costs: pd.DataFrame) -> dict[str, object]:
    """What all of the chain took, over the seeds for which all of it exists."""
    parts = costs[costs["run"].isin(chain)]
    sizes = parts.groupby("seed")["run"].nunique()
    parts = parts[parts["seed"].isin(sizes[sizes == len(chain)].index)]
    if parts.empty:
        return {"seeds": 0}
    by_seed = parts.groupby("seed")
    sums = by_seed[["updates", "images", *_SECONDS]].sum()
    # The networks are those of the last of the chain, which is the run itself.
    last = parts[parts["run"] == chain[-1]]
    order = parts.assign(place=parts["run"].map(chain.index)).sort_values(["place", "seed"])
    return {
        "seeds": len(sums),
        "updates": sums["updates"].max(),
        "images": sums["images"].max(),
        "device": " + ".join(dict.fromkeys(" + ".join(order["device"]).split(" + "))),
        **sums[_SECONDS].mean(),
        "memory_bytes": parts["memory_bytes"].max(),
        "parameters": last["parameters"].max(),
    }
