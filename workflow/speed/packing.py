"""Measure how many steps per second several trainings take that share one device.

With NVIDIA's multi-process service, `nvidia-cuda-mps-control -d`, their kernels run side by side;
without it they take turns. Start it first, or not, and compare.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from operator import call

import torch

from workflow.plan import Plan
from workflow.speed.processes import ProcessError, process
from workflow.speed.settings import Settings
from workflow.speed.stages import distinct, random_batch, ready
from workflow.training.devices import claim_device
from workflow.training.setup import make_machine

COUNTS = (1, 2, 4)  # trainings that share the device
SECONDS = 2.0  # of training per number


def measure(settings: Settings) -> list[dict]:
    """Measure each run beside copies of itself."""
    return [measure_run(run.name, settings) for run in distinct(Plan(settings.load()))]


def measure_run(name: str, settings: Settings, seconds: float = SECONDS) -> dict:
    """Return the row of one run: steps per second of all together, and their gain over one."""
    with ExitStack() as stack, ThreadPoolExecutor(max(COUNTS)) as threads:
        training = partial(process, f"{__name__}:_rates", name, settings, seconds)
        trainings = [stack.enter_context(training()) for _ in range(max(COUNTS))]
        try:
            list(threads.map(call, trainings))  # all are ready
            rates = [sum(threads.map(call, trainings[:count])) for count in COUNTS]
        except ProcessError as error:
            return {"name": name, "failed": str(error)}
    return {"name": name, "steps_per_second_of": rates, "gain_of": [x / rates[0] for x in rates]}


def _rates(name: str, settings: dict, seconds: float) -> Iterator[float]:
    """Yield 0 when ready to train, then the steps per second of so many seconds."""
    benchmark = Settings(**settings).load()
    speed = benchmark.speed.model_copy(update={"slots_per_gpu": max(COUNTS)})
    with claim_device(speed) as device:
        machine = make_machine(speed, device)
        model = ready(Plan(benchmark)[name], machine)
        batch = random_batch(model, benchmark).to(device)
        for _ in range(3):
            machine.step(model, batch)
        rate = 0.0
        while True:
            yield rate
            steps, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                machine.step(model, batch)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                steps += 1
            rate = steps / (time.perf_counter() - began)
