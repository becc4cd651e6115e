"""What a training costs: updates, images, time and memory, over all its processes.

A killed process counts up to its last checkpoint, like its weights.
"""

import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.cohorts.replicate import Replicate
from benchmarks.files import write_csv
from methods.contract import Model


@dataclass(frozen=True)
class Cost:
    """The cost of a training so far, its validation included."""

    updates: int = 0  # training steps; each updates the generator or the segmentor once
    images: int = 0  # slices given to these steps
    wall_seconds: float = 0.0
    core_seconds: float = 0.0  # of the loaders too
    memory_bytes: int = 0  # the peak of all tensors on a GPU; on the CPU, of the process
    device: str = ""  # `CPU` or the GPU's name; joined by ` + ` if resumed on another device


class Meter:
    """Measures what this process takes from now on, and adds it to the cost before."""

    def __init__(self, device: torch.device, before: Cost):
        self.device, self.before = device, before
        self.updates = self.images = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.wall, self.cores = time.monotonic(), _core_seconds()

    def step(self, images: int) -> None:
        """Count one training step."""
        self.updates += 1
        self.images += images

    def read(self) -> Cost:
        """Return the cost of the whole training so far."""
        before, on_gpu = self.before, self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if on_gpu else "CPU"
        return Cost(
            updates=before.updates + self.updates,
            images=before.images + self.images,
            wall_seconds=before.wall_seconds + time.monotonic() - self.wall,
            core_seconds=before.core_seconds + _core_seconds() - self.cores,
            memory_bytes=max(before.memory_bytes, _peak_memory(self.device)),
            device=" + ".join(dict.fromkeys([*filter(None, before.device.split(" + ")), name])),
        )


def write_cost(path: Path, run: str, replicate: Replicate, cost: Cost, model: Model) -> None:
    """Write a CSV file of one row."""
    row = {"run": run} | replicate.numbers | asdict(cost) | {"parameters": count_parameters(model)}
    row |= {key: round(row[key], 3) for key in ("wall_seconds", "core_seconds")}
    write_csv(path, list(row), [list(row.values())])


def _core_seconds() -> float:
    """Core seconds of this process and of ended children, such as an epoch's loaders."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux gives kilobytes


def count_parameters(model: Model) -> int:
    """Count the parameters of all networks; shared ones count once."""
    distinct = {id(p): p.numel() for x in model.networks.values() for p in x.parameters()}
    return sum(distinct.values())
