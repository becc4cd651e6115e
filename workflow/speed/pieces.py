"""What `python -m workflow.speed` measures, piece by piece, and how a number is shown.

    python -m workflow.speed.pieces NAME SETTINGS

measures one piece in this process. Nothing that a piece needs is imported before it is measured,
so that one whose packages are absent is skipped, and the others are not.
"""

import importlib
import json
import sys
from dataclasses import dataclass

from workflow.speed.processes import ProcessError, answering, ask
from workflow.speed.settings import Settings


@dataclass(frozen=True)
class Piece:
    """Measured by the function `measure` of its module, from `Settings` to a list of rows.

    A row is a dict: `name`, and numbers by the keys of `QUANTITIES`; or `failed`, the reason.
    """

    title: str
    module: str


PIECES = {
    "steps": Piece("A training step", "workflow.speed.steps"),
    "budget": Piece("All trainings of the benchmark, counted", "workflow.speed.budget"),
    "pipeline": Piece("The input pipeline alone", "workflow.speed.pipeline"),
    "prediction": Piece("A patient's volume", "workflow.speed.prediction"),
    "prepare": Piece("Preparing a patient", "workflow.speed.prepare"),
    "scoring": Piece("Scoring a patient", "workflow.speed.scoring"),
    "dag": Piece("The DAG's own overhead", "workflow.speed.dag"),
    "growth": Piece("Growth with patients, entries and seeds", "workflow.speed.growth"),
    "official": Piece("A training step beside the official code", "workflow.speed.comparison"),
}


@dataclass(frozen=True)
class Quantity:
    """How a number is shown: divided by `unit`, under `heading`."""

    heading: str
    unit: float = 1


QUANTITIES = {
    "jobs": Quantity("jobs"),
    "sizes": Quantity("sizes"),
    "core_seconds_at": Quantity("core ms at each", 1e-3),
    "time_exponent": Quantity("exponent"),
    "memory_bytes_at": Quantity("MB at each", 1e6),
    "memory_exponent": Quantity("exponent"),
    "side": Quantity("px"),
    "images_per_second": Quantity("images/s"),
    "slices_per_second": Quantity("slices/s"),
    "seconds": Quantity("s"),
    "core_seconds": Quantity("core s"),
    "ratio": Quantity("of reading"),
    "overhead": Quantity("% of the jobs' work", 1e-2),
    "seconds_per_step": Quantity("ms a step", 1e-3),
    "core_seconds_per_step": Quantity("core ms a step", 1e-3),
    "official_seconds_per_step": Quantity("official ms", 1e-3),
    "speedup": Quantity("official / ours"),
    "core_speedup": Quantity("in core time"),
    "seconds_per_batch": Quantity("ms a batch", 1e-3),
    "seconds_per_volume": Quantity("s a volume"),
    "flops_per_step": Quantity("GFLOP a step", 1e9),
    "steps": Quantity("steps"),
    "flops": Quantity("PFLOP", 1e15),
    "days": Quantity("days at peak"),
    "flops_per_second": Quantity("GFLOP/s", 1e9),
    "share_of_peak": Quantity("% of peak", 1e-2),
    "memory_bytes": Quantity("memory GB", 1e9),
    "official_memory_bytes": Quantity("official GB", 1e9),
    "memory_ratio": Quantity("ours / official"),
    "largest_difference": Quantity("largest difference, 1e-12", 1e-12),
    "parameters": Quantity("parameters M", 1e6),
}


def measure(name: str, settings: Settings) -> dict:
    """What measuring a piece in a process of its own gave: its `rows`, or why it was `skipped`."""
    try:
        return ask(__name__, name, str(settings))
    except ProcessError as error:
        return {"skipped": str(error)}


def table(rows: list[dict]) -> str:
    """The rows in Markdown, three significant digits or two decimals; those that failed below."""
    done = [row for row in rows if "failed" not in row]
    keys = [key for key in QUANTITIES if any(key in row for row in done)]
    cells = [["", *(QUANTITIES[key].heading for key in keys)]]
    cells += [[row["name"], *(_shown(key, row.get(key)) for key in keys)] for row in done]
    widths = [max(3, *(len(line[column]) for line in cells)) for column in range(len(keys) + 1)]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    lines = [
        "| " + " | ".join([_fit(line[0], widths[0], left=True), *map(_fit, line[1:], widths[1:])])
        for line in cells
    ]
    failed = [f"{row['name']}: {row['failed']}" for row in rows if "failed" in row]
    return "\n".join([f"{line} |" for line in lines] * bool(done) + failed)


def _fit(text: str, width: int, left: bool = False) -> str:
    return text.ljust(width) if left else text.rjust(width)


def _shown(key: str, value: float | list[float] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " / ".join(_shown(key, one) for one in value)
    unit = QUANTITIES[key].unit
    whole = isinstance(value, int) and unit == 1
    value /= unit
    digits = 0 if whole else sum(abs(value) < bound for bound in (100, 10))
    return f"{value:,.{digits}f}"


def main() -> None:
    """Write what measuring a piece gave."""
    name, settings = sys.argv[1], Settings.parse(sys.argv[2])
    with answering() as answers:
        try:
            rows = importlib.import_module(PIECES[name].module).measure(settings)
            found = {"rows": rows}
        except ModuleNotFoundError as error:
            found = {"skipped": f"{error.name} is not installed"}
        print(json.dumps(found), file=answers)


if __name__ == "__main__":
    main()
