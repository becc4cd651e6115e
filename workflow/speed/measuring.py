"""Seconds, bytes and FLOP/s, as the process that asks sees them."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

SIDES = {"cpu": 1024, "cuda": 8192}
"""Of the matrices whose product is a machine's peak: large enough to be bound by arithmetic."""

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def seconds(work: Callable[[], object], where: torch.device) -> float:
    """How long `work` takes, all that it starts on a GPU included."""
    _wait(where)
    began = time.perf_counter()
    work()
    _wait(where)
    return time.perf_counter() - began


def wall_and_core_seconds(work: Callable[[], object], where: torch.device) -> tuple[float, float]:
    """How long `work` takes, and how long the cores of this process worked for it.

    Other processes on the machine lengthen the first, and hardly the second.
    """
    began = time.process_time()
    wall = seconds(work, where)
    return wall, time.process_time() - began


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize(where)


def peak_memory(where: torch.device) -> int:
    """In bytes: of all tensors on a GPU, on a CPU of the whole process."""
    return torch.cuda.max_memory_allocated(where) if where.type == "cuda" else resident_peak()


def resident_peak() -> int:
    """The most memory in bytes that this process has had, since it is this program."""
    # getrusage's ru_maxrss would also count what the process that started this one had.
    return _status("VmHWM")


def resident() -> int:
    """The memory in bytes that this process has now."""
    return _status("VmRSS")


def _status(key: str) -> int:
    return 1024 * int(Path("/proc/self/status").read_text().split(f"{key}:")[1].split()[0])


def matrix_product(where: torch.device, precision: str) -> float:
    """FLOP/s of one product of two square matrices.

    Parameters
    ----------
    precision : of `speed.precision`. In float32 a GPU may use TF32 exactly where its convolutions
        may, so that they are held to what they could reach.
    """
    side = SIDES[where.type]
    a, b = torch.rand(2, side, side, device=where, dtype=DTYPES[precision]).unbind()
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        torch.mm(a, b)  # the first one sets up the library
        took = seconds(lambda: torch.mm(a, b), where)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * side**3 / took


def noise(count: int, channels: int, side: int) -> torch.Tensor:
    """Images (count, channels, side, side) in [-1, 1], the same at every call."""
    draw = torch.Generator().manual_seed(0)
    return torch.rand(count, channels, side, side, generator=draw) * 2 - 1
