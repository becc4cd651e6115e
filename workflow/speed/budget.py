"""Count what all trainings of a benchmark compute, without computing any of it."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.config import Benchmark
from workflow.plan import Plan, Run
from workflow.speed.measuring import matrix_product
from workflow.speed.settings import Settings
from workflow.speed.steps import count_flops, random_batch
from workflow.training.devices import device
from workflow.training.machine import Machine

TUMOUR_SLICES = 60
"""Of a patient, who has 155: the mean of 17 patients of BraTS 2018, of whom one has 40, one 75."""


def measure(settings: Settings) -> list[dict]:
    """Every training of the benchmark with one seed, and their sum.

    The phantom has as many patients as its file says, BraTS `settings.patients`.

    Returns
    -------
    `flops_per_step` and `flops` of a training, `steps`, and the `days` that it takes where each
    step reaches the speed of a matrix product here: less no code can take at this precision.
    """
    benchmark = settings.load()
    plan = Plan(benchmark)
    of_brats = benchmark.cohort.source == "brats"
    patients = settings.patients if of_brats else benchmark.cohort.patients
    steps = steps_per_epoch(benchmark, patients)
    with device(benchmark.speed) as where:
        precision = benchmark.speed.precision if where.type == "cuda" else "float32"
        peak = matrix_product(where, precision)
    rows = []
    for run in plan.runs.values():
        if run.trained:
            count = steps * plan.epochs(run)
            flops = flops_per_step(run, benchmark)
            rows.append(_row(run.name, count, count * flops, peak) | {"flops_per_step": flops})
    totals = (sum(row[key] for row in rows) for key in ("steps", "flops"))
    return [*rows, _row("all trainings", *totals, peak)]


def steps_per_epoch(benchmark: Benchmark, patients: int) -> int:
    """As many as there are whole batches of slices with tumour, or as the benchmark allows."""
    results = benchmark.results
    fractions, training = results.split.fractions, results.training
    learning = round(patients * fractions[0] / sum(fractions))
    steps = learning * TUMOUR_SLICES // results.slices.step // training.batch
    return min(steps, training.steps_per_epoch or steps)


def flops_per_step(run: Run, benchmark: Benchmark) -> int:
    """Of a training step, forward and backward; convolutions and matrix products alone."""
    # Tensors of this mode have shapes and no content: full size takes no memory and no time.
    with FakeTensorMode():
        entry = run.entry().training(True)
        machine = Machine(torch.device("cpu"))
        return count_flops(entry, random_batch(entry, benchmark), machine)


def _row(name: str, steps: int, flops: float, peak: float) -> dict:
    return {"name": name, "steps": steps, "flops": flops, "days": flops / peak / 86400}
