"""Measure a training step of every entry on random images, each entry in a process of its own."""

import json
import statistics
import sys
from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.config import Benchmark
from methods.contract import CLASSES, Batch, Entry, MethodError
from workflow.plan import Plan, Run
from workflow.speed.measuring import matrix_product, noise, peak_memory, wall_and_core_seconds
from workflow.speed.processes import ProcessError, answering, ask
from workflow.speed.settings import Settings
from workflow.train import make_machine
from workflow.training.cost import count_parameters
from workflow.training.devices import device
from workflow.training.machine import Machine
from workflow.training.seeding import seed_torch


def measure(settings: Settings) -> list[dict]:
    """A row a training, save those of a segmentor behind a synthesis, which cost what it does.

    Returns
    -------
    `seconds_per_step` and `core_seconds_per_step`, what the cores worked (medians),
    `images_per_second`, `flops_per_step` (multiplications and additions of convolutions and matrix
    products, forward and backward), `flops_per_second`, `share_of_peak` (of a matrix product that
    took turns with the steps), `memory_bytes` and `parameters`; or why it `failed`.
    """
    rows = []
    for run in Plan(settings.load()).runs.values():
        if run.trained and not run.upstream:
            try:
                rows.append(ask(__name__, run.name, str(settings)))
            except ProcessError as error:
                rows.append({"name": run.name, "failed": str(error)})
    return rows


def measure_run(settings: Settings, name: str) -> dict:
    """The row of one training."""
    benchmark = settings.load()
    run = Plan(benchmark)[name]
    speed = benchmark.speed
    with device(speed) as where:
        machine = make_machine(speed, where)
        entry = ready(run, machine)
        batch = random_batch(entry, benchmark).to(where)
        machine.step(entry, batch)  # the first one sets libraries up
        took, peaks = [], []
        precision = speed.precision if where.type == "cuda" else "float32"
        for _ in range(settings.repeats):
            took.append(wall_and_core_seconds(lambda: machine.step(entry, batch), where))
            peaks.append(matrix_product(where, precision))
        memory = peak_memory(where)
        # Of generated kernels torch does not know what they compute.
        plain = replace(machine, compile="none")
        flops = count_flops(ready(run, plain), batch, plain)
    median, core = (statistics.median(each) for each in zip(*took, strict=True))
    images = len(batch.inputs)
    return {
        "name": name,
        "seconds_per_step": median,
        "core_seconds_per_step": core,
        "images_per_second": images / median,
        "flops_per_step": flops,
        "flops_per_second": flops / median,
        "share_of_peak": flops / median / statistics.median(peaks),
        "memory_bytes": memory,
        "parameters": count_parameters(entry),
    }


def ready(run: Run, machine: Machine) -> Entry:
    """The run's entry with random weights, ready to train on the machine's device."""
    seed_torch(0)
    entry = run.entry()
    return machine.place(entry).training(True)


def random_batch(entry: Entry, benchmark: Benchmark) -> Batch:
    """What a training step of `entry` gets in this benchmark; noise."""
    count = entry.batches_per_step * benchmark.results.training.batch
    crop = benchmark.results.slices.crop
    images = noise(count, entry.channels + 1, crop)
    labels = torch.randint(CLASSES, (count, crop, crop))
    return Batch(images[:, :-1], images[:, -1:], labels)


def count_flops(entry: Entry, batch: Batch, machine: Machine) -> int:
    """Of one step, forward and backward; convolutions and matrix products alone."""
    with FlopCounterMode(display=False) as counter:
        machine.step(entry, batch)
    return counter.get_total_flops()


def main() -> None:
    """Write the row of the run that the first argument names, at the second's settings."""
    name, settings = sys.argv[1:]
    with answering() as answers:
        try:
            row = measure_run(Settings.parse(settings), name)
        except MethodError as error:
            row = {"name": name, "failed": str(error)}
        print(json.dumps(row), file=answers)


if __name__ == "__main__":
    main()
