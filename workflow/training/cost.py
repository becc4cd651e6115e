"""What a training takes: updates, images, time, memory; summed over the processes it was split in.

A process that is killed leaves its cost as of its last checkpoint, like its weights.
"""

import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.files import write_csv
from methods.contract import Entry


@dataclass(frozen=True)
class Cost:
    """What a training took so far.

    Attributes
    ----------
    updates : training steps, one update of the generator or the segmentor each.
    images : slices handed to them.
    wall_seconds, core_seconds : of training and validation; a core's also in loader processes.
    memory_bytes : the peak of all tensors on the GPU where one computes, else of the process.
    device : `CPU` or the GPU's name; several, where it was resumed on another, joined by ` + `.
    """

    updates: int = 0
    images: int = 0
    wall_seconds: float = 0.0
    core_seconds: float = 0.0
    memory_bytes: int = 0
    device: str = ""


class Meter:
    """Adds what this process takes, from now on, to what those before it took."""

    def __init__(self, device: torch.device, before: Cost):
        self.device, self.before = device, before
        self.updates = self.images = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.wall, self.cores = time.monotonic(), _core_seconds()

    def step(self, images: int) -> None:
        """After a training step on so many images."""
        self.updates += 1
        self.images += images

    def read(self) -> Cost:
        """The whole training's cost so far."""
        before, devices = self.before, self.before.device.split(" + ")
        return Cost(
            updates=before.updates + self.updates,
            images=before.images + self.images,
            wall_seconds=before.wall_seconds + time.monotonic() - self.wall,
            core_seconds=before.core_seconds + _core_seconds() - self.cores,
            memory_bytes=max(before.memory_bytes, _peak_memory(self.device)),
            device=" + ".join(dict.fromkeys([*filter(None, devices), _name(self.device)])),
        )


def write_cost(path: Path, system: str, seed: int, cost: Cost, entry: Entry) -> None:
    """Write a header and a line."""
    took = asdict(cost)
    for seconds in ("wall_seconds", "core_seconds"):
        took[seconds] = round(took[seconds], 3)
    line = {"system": system, "seed": seed} | took | {"parameters": count_parameters(entry)}
    write_csv(path, list(line), [list(line.values())])


def _core_seconds() -> float:
    """Of this process and of those that it waited for, such as an epoch's loaders."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Linux counts in kilobytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def count_parameters(entry: Entry) -> int:
    """Of all networks; one that two of them share counts once."""
    distinct = {id(p): p.numel() for x in entry.networks.values() for p in x.parameters()}
    return sum(distinct.values())
