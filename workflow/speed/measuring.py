"""Seconds and bytes, as this process sees them."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from workflow.speed.processes import resident

CPU = torch.device("cpu")


class Took(NamedTuple):
    """Seconds on the wall, and of this process's cores, which other processes hardly lengthen."""

    wall: float
    core: float


def timed(work: Callable[[], object], device: torch.device = CPU) -> Took:
    """Return how long `work` takes, with all that it starts on a GPU."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda _: None
    wait(device)
    wall, core = time.perf_counter(), time.process_time()
    work()
    wait(device)
    return Took(time.perf_counter() - wall, time.process_time() - core)


def take_turns(
    repeats: int, *works: Callable[[], object], device: torch.device = CPU, warm_up: bool = True
) -> list[list[Took]]:
    """Time several works in turn, so that whatever else the machine does hits all alike.

    `warm_up` does each once before, which sets libraries up and is not counted.
    """
    rounds = [[timed(work, device) for work in works] for _ in range(repeats + warm_up)]
    return [list(each) for each in zip(*rounds[warm_up:], strict=True)]


def median(took: list[Took]) -> Took:
    return Took(*map(statistics.median, zip(*took, strict=True)))


def peak_memory(device: torch.device = CPU) -> int:
    """Return the peak in bytes: of all tensors on a GPU, on a CPU of this process."""
    on_gpu = device.type == "cuda"
    return torch.cuda.max_memory_allocated(device) if on_gpu else resident("VmHWM")


def noise(count: int, channels: int, side: int) -> torch.Tensor:
    """Return images (count, channels, side, side) in [-1, 1], the same at every call."""
    draw = torch.Generator().manual_seed(0)
    return torch.rand(count, channels, side, side, generator=draw) * 2 - 1
