"""How one process computes: its device, precision, memory format and generated kernels."""

import contextlib
import importlib.util
import inspect
import os
import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.errors import InputError
from methods.contract import Batch, Model

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")  # of CPUs; others would emulate bf16, slowly

# The most versions of a compiled network: one per shape, and per choice of what gets a gradient.
# Older versions of torch have one limit for all networks, and lack these arguments.
LIMITS = {
    name: value
    for name, value in {"recompile_limit": 64, "isolate_recompiles": True}.items()
    if name in inspect.signature(torch.compile).parameters
}


@dataclass(frozen=True)
class Machine:
    """Where and how to compute (see `config.Speed`). No setting changes more than rounding."""

    device: torch.device
    precision: str = "float32"
    workers: int = 0
    inference_batch: int = 32
    slots_per_gpu: int = 1
    resident: str = "auto"
    channels_last: bool = False
    compile: str = "none"

    @property
    def dtype(self) -> torch.dtype:
        """What training steps compute in: as `precision` says where the device is fast at it."""
        dtype = PRECISIONS[self.precision]
        if self.device.type == "cpu" and not (dtype == torch.bfloat16 and _has_bf16()):
            return torch.float32
        return dtype

    def autocast(self) -> contextlib.AbstractContextManager:
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def prepare(self, model: Model) -> Model:
        """Make a model ready to train on this machine, in place.

        Its networks keep their names and weights, so that checkpoints fit under any setting.

        Raises
        ------
        InputError : `compile` needs a compiler that this machine lacks.
        """
        channels_last = self.channels_last and not _has_instance_norm(model)
        model.to(self.device, torch.channels_last if channels_last else torch.preserve_format)
        scaled = self.dtype == torch.float16
        model.scaler = torch.amp.GradScaler(self.device.type) if scaled else None
        # A CPU has no graphs to replay.
        if self.compile == "kernels" or (self.compile, self.device.type) == ("graphs", "cuda"):
            settings = self._compilation()
            for network in model.networks.values():
                for part in _called(network):
                    # Not `part.compile()`, which does nothing for torch's own containers.
                    part.forward = torch.compile(part.forward, dynamic=False, **settings)
        return model

    def _compilation(self) -> dict:
        if self.compile == "graphs":
            return LIMITS | {"backend": "cudagraphs"}
        _check_compiler(self.device)
        options = {
            # Dropout draws the same numbers as without compilation.
            "fallback_random": True,
            # Without graphs a GPU waits for launches, so generated kernels alone gain nothing.
            "triton.cudagraphs": self.device.type == "cuda",
            "compile_threads": torch.get_num_threads(),
        }
        return LIMITS | {"options": options}

    def step(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Take one training step and return its losses."""
        if self.compile != "none":
            # The memory of the previous step's graphs may be overwritten.
            torch.compiler.cudagraph_mark_step_begin()
        with self.autocast():
            return model.train_step(batch)


def _has_bf16() -> bool:
    """Whether this CPU computes in bf16."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BF16_INSTRUCTIONS)


def _has_instance_norm(model: Model) -> bool:
    """Whether an instance norm would undo channels-last at every layer.

    On a CPU, of a channels-last gradient of a single image, torch 2.13 even computes another one.
    """
    layers = (layer for network in model.networks.values() for layer in network.modules())
    return any(isinstance(layer, nn.InstanceNorm2d) for layer in layers)


def _called(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost modules that are called; a list is not called, but its items are."""
    if type(network).forward is nn.Module.forward:
        for part in network.children():
            yield from _called(part)
    else:
        yield network


def _check_compiler(device: torch.device) -> None:
    """Raise InputError unless torch can generate kernels for the device."""
    on_gpu, header = device.type == "cuda", Path(sysconfig.get_path("include")) / "Python.h"
    c_compilers = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    compilers = c_compilers if on_gpu else [os.environ.get("CXX", "g++")]
    installed = {
        "Triton": not on_gpu or importlib.util.find_spec("triton"),
        "a compiler (of C or C++)": any(map(shutil.which, filter(None, compilers))),
        f"Python's headers ({header})": header.is_file(),
    }
    if missing := ", ".join(name for name, there in installed.items() if not there):
        raise InputError(
            f"speed.compile is `kernels`, but torch needs for it what is not installed here: "
            f"{missing}. Install it, or write `none`, or `graphs` on a GPU."
        )
