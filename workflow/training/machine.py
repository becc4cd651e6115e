"""How one process computes: its device, precision, memory format and generated kernels."""

import contextlib
import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from methods.contract import Batch, Entry

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}

VERSIONS = 64
"""Of a network's kernels, at most: one for each shape, and each choice of what gets a gradient."""


@dataclass(frozen=True)
class Machine:
    """Where and how to compute; none of it is meant to change a result beyond rounding.

    What a setting means, `benchmarks.config.Speed` says.
    """

    device: torch.device
    precision: str = "float32"
    workers: int = 0
    inference_batch: int = 32
    slots_per_gpu: int = 1
    resident: str = "auto"
    channels_last: bool = False
    compile: str = "none"

    def autocast(self) -> contextlib.AbstractContextManager:
        dtype = PRECISIONS.get(self.precision)
        if dtype is None or self.device.type == "cpu":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype)

    def scaler(self) -> torch.amp.GradScaler | None:
        wanted = self.precision == "fp16" and self.device.type == "cuda"
        return torch.amp.GradScaler(self.device.type) if wanted else None

    def place(self, entry: Entry) -> Entry:
        """Make an entry ready to train here.

        Its networks keep their names and weights, so that checkpoints fit under any setting.

        Raises
        ------
        InputError : kernels are to be generated, and this machine lacks what that takes.
        """
        turned = self.channels_last and not _has_instance_norm(entry)
        entry.to(self.device, torch.channels_last if turned else torch.preserve_format)
        entry.scaler = self.scaler()
        if self.compile != "none":
            _check_compiler(self.device, self.compile)
            options = {
                # Dropout draws what it would draw without.
                "fallback_random": True,
                "triton.cudagraphs": self.compile == "graphs",
                "compile_threads": torch.get_num_threads(),
            }
            for network in entry.networks.values():
                for part in _called(network):
                    # Not `part.compile()`, which leaves torch's own containers as they are.
                    part.forward = torch.compile(
                        part.forward,
                        dynamic=False,
                        options=options,
                        recompile_limit=VERSIONS,
                        isolate_recompiles=True,
                    )
        return entry

    def step(self, entry: Entry, batch: Batch) -> dict[str, Tensor]:
        """One training step; its losses."""
        if self.compile == "graphs":
            # What a step before this one has left in a graph's memory may be written over.
            torch.compiler.cudagraph_mark_step_begin()
        with self.autocast():
            return entry.train_step(batch)


def _has_instance_norm(entry: Entry) -> bool:
    """Whether it would undo channels-last at every layer.

    On a CPU it would also be wrong: given a gradient in that format, torch 2.13 computes another
    one for a single image.
    """
    layers = (layer for network in entry.networks.values() for layer in network.modules())
    return any(isinstance(layer, nn.InstanceNorm2d) for layer in layers)


def _called(network: nn.Module) -> Iterator[nn.Module]:
    """The outermost modules that are called: of a list, which cannot be, those in it."""
    if type(network).forward is nn.Module.forward:
        for part in network.children():
            yield from _called(part)
    else:
        yield network


def _check_compiler(device: torch.device, wanted: str) -> None:
    """Raise InputError unless torch can generate kernels for the device."""
    if device.type == "cuda":
        compilers = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
        lacking = {"Triton": importlib.util.find_spec("triton") is None}
    else:
        compilers = [os.environ.get("CXX", "g++")]
        lacking = {}
    lacking["a compiler (of C or C++)"] = not any(map(shutil.which, filter(None, compilers)))
    header = Path(sysconfig.get_path("include")) / "Python.h"
    lacking[f"Python's headers ({header})"] = not header.is_file()
    if missing := ", ".join(name for name, is_lacking in lacking.items() if is_lacking):
        raise InputError(
            f"speed.compile is `{wanted}`, but what torch needs for it is not installed here: "
            f"{missing}. Install it, or write `none`."
        )
