"""Which measurements there are, and how their numbers are shown."""

import pkgutil

from tabulate import tabulate

from workflow.speed.processes import ProcessError, call
from workflow.speed.settings import Settings

# By name: a title, and the function from `Settings` to rows, imported when it is called. A row is a
# dict: `name`, and numbers by the keys of `QUANTITIES`; or `failed`, the reason.
MEASUREMENTS = {
    "steps": ("A training step", "stages:measure_steps"),
    "profile": ("Where a training step's time goes", "profiling:measure"),
    "budget": ("All trainings of the benchmark, counted", "stages:measure_budget"),
    "pipeline": ("The input pipeline alone", "stages:measure_pipeline"),
    "prediction": ("A patient's volume", "stages:measure_prediction"),
    "prepare": ("Preparing a patient", "stages:measure_prepare"),
    "scoring": ("Scoring a patient", "scoring:measure"),
    "dag": ("The DAG's own overhead", "dag:measure"),
    "packing": ("Trainings that share a device", "packing:measure"),
    "growth": ("Growth with patients, methods and seeds", "growth:measure"),
    "official": ("A training step beside the official code", "official:measure"),
}

# By the key of a number, in the order of columns: its heading, and the unit that it is divided by.
QUANTITIES = {
    "steps_per_second_of": ("steps/s of 1 / 2 / 4", 1), "gain_of": ("gain", 1),
    "jobs": ("jobs", 1), "sizes": ("sizes", 1), "side": ("px", 1),
    "core_seconds_at": ("core ms at each", 1e-3), "time_exponent": ("exponent", 1),
    "memory_bytes_at": ("MB at each", 1e6), "memory_exponent": ("exponent", 1),
    "images_per_second": ("images/s", 1), "slices_per_second": ("slices/s", 1),
    "seconds": ("s", 1), "core_seconds": ("core s", 1), "ratio": ("of reading", 1),
    "overhead": ("% of the jobs' work", 1e-2),  # waits per second of jobs without their start
    "seconds_per_step": ("ms a step", 1e-3), "core_seconds_per_step": ("core ms a step", 1e-3),
    "official_seconds_per_step": ("official ms", 1e-3),
    "speedup": ("official / ours", 1), "core_speedup": ("in core time", 1),
    "seconds_per_batch": ("ms a batch", 1e-3), "seconds_per_volume": ("s a volume", 1),
    # Multiplications and additions of convolutions and matrix products, forward and backward; days
    # if each step reaches the speed of a matrix product here, the least that is possible.
    "flops_per_step": ("GFLOP a step", 1e9), "steps": ("steps", 1), "flops": ("PFLOP", 1e15),
    "days": ("days at peak", 1), "flops_per_second": ("GFLOP/s", 1e9),
    "share_convolution": ("convolution, %", 1e-2), "share_matrix_product": ("matrix product", 1e-2),
    "share_norm": ("norm", 1e-2), "share_padding": ("padding", 1e-2),
    "share_activation": ("activation", 1e-2), "share_optimiser": ("optimiser", 1e-2),
    "share_rest": ("rest", 1e-2),
    # The speed of the whole step, as a share of what a convolution alone reaches there.
    "share_of_convolution": ("% of a convolution's speed", 1e-2),
    "share_of_peak": ("% of peak", 1e-2), "memory_bytes": ("memory GB", 1e9),
    "official_memory_bytes": ("official GB", 1e9), "memory_ratio": ("ours / official", 1),
    "largest_difference": ("largest difference, 1e-12", 1e-12), "parameters": ("parameters M", 1e6),
}  # fmt: skip


def measure(name: str, settings: Settings) -> dict:
    """Measure in a process of its own; return the `rows`, or why it was `skipped`."""
    try:
        return call(f"{__name__}:measured", name, settings)
    except ProcessError as error:
        return {"skipped": str(error)}


def measured(name: str, settings: dict) -> dict:
    """Measure in this process; a measurement whose packages are missing is skipped."""
    try:
        function = pkgutil.resolve_name(f"workflow.speed.{MEASUREMENTS[name][1]}")
        return {"rows": function(Settings(**settings))}
    except ModuleNotFoundError as error:
        return {"skipped": f"{error.name} is not installed"}


def table(rows: list[dict]) -> str:
    """Return the rows in Markdown, and below them the reasons of those that failed."""
    done = [row for row in rows if "failed" not in row]
    keys = [key for key in QUANTITIES if any(key in row for row in done)]
    cells = [[row["name"], *(_shown(key, row.get(key)) for key in keys)] for row in done]
    headings = ["", *(QUANTITIES[key][0] for key in keys)]
    aligned = ["left", *["right"] * len(keys)]
    shown = tabulate(cells, headings, "pipe", colalign=aligned, disable_numparse=True)
    failed = [f"{row['name']}: {row['failed']}" for row in rows if "failed" in row]
    return "\n".join([shown] * bool(done) + failed)


def _shown(key: str, value: float | list[float] | None) -> str:
    """Write a number with three significant digits or two decimals."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " / ".join(_shown(key, one) for one in value)
    unit = QUANTITIES[key][1]
    whole = isinstance(value, int) and unit == 1
    value /= unit
    digits = 0 if whole else sum(abs(value) < bound for bound in (100, 10))
    return f"{value:,.{digits}f}"
