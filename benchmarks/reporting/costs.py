"""What trainings and syntheses took: how cost files are read, and the cost over replicates."""

from collections.abc import Iterable, Mapping
from math import nan
from pathlib import Path

import pandas as pd

from benchmarks.reporting.measures import COMPLETE
from benchmarks.reporting.reading import read_files
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, line_up, refuse_unknown_runs
from benchmarks.reporting.scores import REPLICATE

COLUMNS = [
    "run", *REPLICATE, "updates", "images", "wall_seconds", "core_seconds",
    "memory_bytes", "device", "parameters",
]  # fmt: skip
PREDICTION_COLUMNS = [
    "run", *REPLICATE, "volumes", "slices", "seconds",
    "memory_bytes", "device", "threads", "inference_batch",
]  # fmt: skip

# By block of Table IV, the task whose rows it has.
BLOCKS = {"generators": "synthesis", "segmentors": "segmentation"}

_WHOLE = ["updates", "images", "memory_bytes", "parameters"]
_SECONDS = ["wall_seconds", "core_seconds", "device_seconds"]
_TOOK = ["trainings", "updates", "images", "device", *_SECONDS, "memory_bytes", "parameters"]
# Of generators alone.
_PREDICTED = ["volumes", "slices", "volume_seconds", "prediction_memory_bytes", "predicted_on"]


def read_costs(paths: Iterable[Path]) -> pd.DataFrame:
    """Read cost files into one table of the columns `COLUMNS`; see `read_files`."""
    numbers = dict.fromkeys([*REPLICATE, *_WHOLE], "whole") | dict.fromkeys(_SECONDS[:2], "real")
    return read_files(paths, "cost", COLUMNS, ["run", *REPLICATE], numbers)


def read_prediction_costs(paths: Iterable[Path]) -> pd.DataFrame:
    """Read what syntheses took into one table of the columns `PREDICTION_COLUMNS`."""
    whole = [*REPLICATE, "volumes", "slices", "memory_bytes", "threads", "inference_batch"]
    numbers = dict.fromkeys(whole, "whole") | {"seconds": "real"}
    return read_files(paths, "prediction cost", PREDICTION_COLUMNS, ["run", *REPLICATE], numbers)


def cost_table(results: Results, block: str) -> pd.DataFrame:
    """Return one row per run of a block, in the order of the paper's table with the same rows.

    `device_seconds` are the GPU's seconds, or the cores' where the CPU computed. A run that
    continues another includes that one's training, but predicts alone. Seconds are means over
    trainings, memory is the highest. A frozen segmentor has no row, since its training has one.

    Generators also have `volume_seconds`, the wall time of synthesising the median volume, and
    `predicted_on`, the device with its settings.

    Raises
    ------
    InputError : there are costs of a run that is not among the rows.
    """
    for measured in (results.costs, results.prediction_costs):
        refuse_unknown_runs(measured["run"], results.rows, "cost files")
    known = {row.run: row for row in results.rows}
    rows = [row for row in results.rows if not row.frozen and _block(row) == block]
    of_block = {row.run for row in rows}
    predicted = _PREDICTED if block == "generators" else []
    on_cpu = results.costs["device"] == "CPU"
    costs = results.costs.assign(
        device_seconds=results.costs["core_seconds"].where(on_cpu, results.costs["wall_seconds"])
    )
    records = []
    for line in line_up(results.published.table(COMPLETE[BLOCKS[block]]), rows):
        if line.run in of_block:
            row = known[line.run]
            chain = _chain(row, known)
            took = _took(chain, costs) if chain else {"trainings": 0}
            status = line.status(measured=took["trainings"] > 0)
            if not chain and not line.failure:
                status = "trained elsewhere" if row.kind == "external" else "not trained"
            took |= _predicted(row.run, results.prediction_costs) if predicted else {}
            numbers = map(took.get, [*_TOOK, *predicted])
            records.append([line.label, line.run, line.role, status, *numbers])
    frame = pd.DataFrame(records, columns=["label", "run", "role", "status", *_TOOK, *predicted])
    types = dict.fromkeys([*_WHOLE, "volumes", "slices", "prediction_memory_bytes"], "Int64")
    types |= dict.fromkeys([*_SECONDS, "volume_seconds"], float)
    return frame.astype({column: types[column] for column in frame if column in types})


def hours(results: Results) -> dict[str, float]:
    """Return by run the GPU or core hours of all trainings it needs, its generator's too.

    A run lacks an entry if the cost of one of them is missing, as an external method's always is.
    Without training it takes none.
    """
    table = pd.concat([cost_table(results, block) for block in BLOCKS])
    own = dict(zip(table["run"], table["device_seconds"] / 3600, strict=True))
    known = {row.run: row for row in results.rows}
    untrained = [row for row in results.rows if not _chain(row, known)]
    own |= {row.run: 0.0 for row in untrained if row.kind != "external"}
    own |= {row.run: own.get(row.predicts_with, nan) for row in results.rows if row.frozen}
    generators = {row.run: row.upstream for row in results.rows if row.upstream}
    total = {
        run: value + (own.get(generators[run], nan) if run in generators else 0)
        for run, value in own.items()
    }
    return {run: value for run, value in total.items() if pd.notna(value)}


def hours_unit(results: Results) -> str:
    """Return what `hours` are of: "GPU hours", "core hours", or both where trainings differ."""
    devices = {name for one in results.costs["device"] for name in one.split(" + ")}
    if devices == {"CPU"}:
        return "core hours"
    return "GPU or core hours" if "CPU" in devices else "GPU hours"


def _block(row: Row) -> str:
    """The block that has the row; an external method's is that of what its volumes are."""
    external = row.kind == "external" and "synthesis" not in row.tasks
    return "segmentors" if external or row.kind == "segmentation" else "generators"


def _chain(row: Row, known: Mapping[str, Row]) -> list[str]:
    """The trainings behind a run's weights, the first of them first."""
    before = known.get(row.predicts_with or row.continues or "")
    return [*(_chain(before, known) if before else []), *([row.run] if row.trained else [])]


def _took(chain: list[str], costs: pd.DataFrame) -> dict[str, object]:
    """What all of the chain took, over the replicates for which all of it exists."""
    parts = costs[costs["run"].isin(chain)]
    complete = parts.groupby(REPLICATE)["run"].transform("nunique") == len(chain)
    parts = parts[complete]
    if parts.empty:
        return {"trainings": 0}
    sums = parts.groupby(REPLICATE)[["updates", "images", *_SECONDS]].sum()
    # The networks are those of the last of the chain.
    last = parts[parts["run"] == chain[-1]]
    order = parts.assign(place=parts["run"].map(chain.index)).sort_values(["place", *REPLICATE])
    return {
        "trainings": len(sums),
        "updates": sums["updates"].max(),
        "images": sums["images"].max(),
        "device": " + ".join(dict.fromkeys(" + ".join(order["device"]).split(" + "))),
        **sums[_SECONDS].mean(),
        "memory_bytes": parts["memory_bytes"].max(),
        "parameters": last["parameters"].max(),
    }


def _predicted(run: str, costs: pd.DataFrame) -> dict[str, object]:
    """What the run's own syntheses took, over its replicates."""
    parts = costs[costs["run"] == run]
    if parts.empty:
        return {}
    settings = "{device} (threads: {threads}, inference_batch: {inference_batch})"
    predicted_on = [settings.format(**one) for one in parts.to_dict("records")]
    return {
        "volumes": parts["volumes"].max(),
        "slices": parts["slices"].max(),
        "volume_seconds": parts["seconds"].mean(),
        "prediction_memory_bytes": parts["memory_bytes"].max(),
        "predicted_on": " + ".join(dict.fromkeys(predicted_on)),
    }
