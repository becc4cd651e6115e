"""Where to compute: the CPU, or a GPU of this machine with a slot that nobody else of us has.

Snakemake's resource `gpu` bounds how many GPU jobs run at a time, but never says which GPU is
whose. File locks do, `slots_per_gpu` of them a GPU.
"""

import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

import torch

from benchmarks.config import Speed
from benchmarks.errors import InputError

LOCKS = Path(tempfile.gettempdir()) / f"t1ce-benchmark-gpus-{os.getuid()}"
# One of them is set in every SLURM job that was given a GPU.
GIVEN = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")

# Of glibc's mallopt: from how many free bytes on memory goes back to the system, and how large a
# block is mapped on its own. Setting one fixes the other, so both are set, to their largest.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = (-1, 2**31 - 1), (-3, 32 * 2**20)


def count_gpus() -> int:
    """The GPUs that this process may use, without starting CUDA."""
    if _withheld():
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([x for x in visible.split(",") if x.strip() not in ("", "-1")])
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


@contextmanager
def device(speed: Speed) -> Iterator[torch.device]:
    """The device to compute on; a slot of a GPU is this process's own until the block ends.

    Raises
    ------
    InputError : the benchmark asks for `device: cuda` and there is none, or the block ran out of
        the GPU's memory.
    """
    use_cpu(speed.threads)
    _repeat_exactly(speed.deterministic)
    try:
        with _slot(speed) as index:
            yield torch.device("cpu") if index is None else torch.device("cuda", index)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        raise InputError(_what_to_change(error, speed)) from None


def _repeat_exactly(wanted: bool) -> None:
    """Let torch take deterministic kernels, or whichever are fastest."""
    if wanted:
        # cuBLAS reads it when it starts; without it, its sums take whatever order comes.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    torch.backends.cudnn.deterministic = wanted


def use_cpu(threads: int) -> None:
    """Set how this process computes on the CPU: its threads, and that it keeps memory it frees.

    Every page that a step gives back to the system costs the next one a fault: a thirtieth of the
    time of CycleGAN's step. The peak is the same.
    """
    torch.set_num_threads(threads)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(*M_TRIM_THRESHOLD)
        libc.mallopt(*M_MMAP_THRESHOLD)


def _slot(speed: Speed) -> contextmanager:
    """Around what computes: the index of its GPU, None for the CPU."""
    if speed.device == "cpu":
        return nullcontext()
    if not torch.cuda.is_available() or _withheld():
        if speed.device == "cuda":
            raise InputError(
                f"speed.device is `cuda`, but {_why_none()}; write `auto` or `cpu`, or run this "
                "where there is a GPU."
            )
        print(f"No GPU: {_why_none()}. Computing on the CPU.", file=sys.stderr, flush=True)
        return nullcontext()
    gpus = [str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())]
    if len(gpus) == 1 and "SLURM_JOB_ID" in os.environ:
        # SLURM gave it; jobs that share it by SLURM's leave must not wait for each other.
        return nullcontext(0)
    return gpu_slot(gpus, speed.slots_per_gpu)


def _withheld() -> bool:
    """Whether this is a SLURM job without a GPU; it may see those of others nonetheless."""
    return "SLURM_JOB_ID" in os.environ and not any(name in os.environ for name in GIVEN)


def _why_none() -> str:
    if _withheld():
        return "SLURM gave this job none"
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built for the CPU alone"
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return f"torch sees none, CUDA_VISIBLE_DEVICES is `{os.environ['CUDA_VISIBLE_DEVICES']}`"
    return "torch sees none here"


@contextmanager
def gpu_slot(
    gpus: Sequence[str], slots: int = 1, locks: Path = LOCKS, wait: float = 1.0
) -> Iterator[int]:
    """Hold a slot; waits, looking every `wait` seconds, while all are held.

    The lock dies with its process, however that ends.

    Parameters
    ----------
    gpus : the GPUs' UUIDs. Their indices differ with CUDA_VISIBLE_DEVICES, and are the same on all
        machines that share a folder of locks.
    slots : how many may hold one GPU at a time.

    Returns
    -------
    The index into `gpus` of the one with the most free slots, the first of several.
    """
    locks.mkdir(parents=True, exist_ok=True)
    while (taken := _take(gpus, slots, locks)) is None:
        time.sleep(wait)
    index, lock = taken
    with lock:
        yield index


def _take(gpus: Sequence[str], slots: int, locks: Path) -> tuple[int, IO] | None:
    """Lock the first free slot of the GPU that has the most of them; None if there is none."""
    # One process looks at a time: to look is to lock, and would make free slots look held.
    with (locks / "looking").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        files = [[(locks / f"{gpu}-{slot}").open("w") for slot in range(slots)] for gpu in gpus]
        free = [[file for file in files_of_gpu if _lock(file)] for files_of_gpu in files]
        index = max(range(len(gpus)), key=lambda i: len(free[i]))
        taken = free[index][0] if free[index] else None
        for file in (file for files_of_gpu in files for file in files_of_gpu):
            if file is not taken:
                file.close()
    return None if taken is None else (index, taken)


def _lock(file: IO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_out_of_memory(error: RuntimeError) -> bool:
    # A GPU that others have filled fails before torch's allocator has a say.
    return isinstance(error, torch.OutOfMemoryError) or "CUDA error: out of memory" in str(error)


def _what_to_change(error: RuntimeError, speed: Speed) -> str:
    shared = speed.slots_per_gpu
    advice = [
        f"lower `speed.slots_per_gpu` (it is {shared})" if shared > 1 else None,
        "set `speed.precision: bf16`" if speed.precision == "float32" else None,
        f"in prediction lower `speed.inference_batch` (it is {speed.inference_batch})",
        "in training lower `results.training.batch` or the entry's `width` in `results.params`, "
        "which changes the numbers",
    ]
    first = str(error).splitlines()[0].split(". ")
    said = ". ".join(part for part in first[:3] if part).rstrip(".")
    return f"The GPU's memory is too small: {said}. What helps: {'; '.join(filter(None, advice))}."
