"""Choose the device: the CPU, or a GPU with a free slot (one lock file per slot).

Snakemake's resource `gpu` limits how many GPU jobs run at a time, but assigns no GPUs to them.
"""

import ctypes
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import IO

import torch

from benchmarks.config import Speed
from benchmarks.errors import InputError
from workflow.gpus import count_gpus, is_withheld
from workflow.locks import try_lock

# glibc's mallopt: the free bytes above which memory returns to the system, and the size from which
# a block is mapped separately. Setting one stops glibc from tuning the other, so both are set, to
# their maximum.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = (-1, 2**31 - 1), (-3, 32 * 2**20)


@contextmanager
def claim_device(speed: Speed) -> Iterator[torch.device]:
    """Yield the device to compute on; a slot of a GPU is held until the block ends.

    Raises
    ------
    InputError : `device: cuda` without a GPU, or the block ran out of the GPU's memory.
    """
    use_cpu(speed.threads)
    if speed.deterministic:
        # cuBLAS reads it when it starts; without it, the order of its sums varies.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if speed.deterministic != torch.are_deterministic_algorithms_enabled():
        # Called only where it changes something, since it imports torch's compiler: a second.
        torch.use_deterministic_algorithms(speed.deterministic, warn_only=True)
    torch.backends.cudnn.deterministic = speed.deterministic
    try:
        with _slot(speed) as index:
            yield torch.device("cpu") if index is None else torch.device("cuda", index)
    except RuntimeError as error:
        # On a GPU filled by other processes, CUDA fails before torch's allocator does.
        full = "CUDA error: out of memory" in str(error)
        if not (full or isinstance(error, torch.OutOfMemoryError)):
            raise
        raise InputError(_what_to_change(error, speed)) from None


def use_cpu(threads: int) -> None:
    """Set the number of CPU threads, and keep freed memory in this process, up to the same peak.

    A page returned to the system costs the next step a page fault; in CycleGAN, 3 % of a step.
    """
    torch.set_num_threads(threads)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(*M_TRIM_THRESHOLD)
        libc.mallopt(*M_MMAP_THRESHOLD)


def _slot(speed: Speed) -> contextmanager:
    """Hold a GPU while the block runs: its index, or None for the CPU."""
    if speed.device == "cpu":
        return nullcontext()
    if not torch.cuda.is_available() or is_withheld():
        if speed.device == "cuda":
            raise InputError(
                f"speed.device is `cuda`, but {_why_none()}; write `auto` or `cpu`, or run this "
                "where there is a GPU."
            )
        print(f"No GPU: {_why_none()}. Computing on the CPU.", file=sys.stderr, flush=True)
        return nullcontext()
    gpus = [str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())]
    if len(gpus) == 1 and "SLURM_JOB_ID" in os.environ:
        # SLURM assigned it; jobs that share it must not wait for each other.
        return nullcontext(0)
    return gpu_slot(gpus, speed.slots_per_gpu)


def _why_none() -> str:
    if is_withheld():
        return "SLURM gave this job none"
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built for the CPU alone"
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return f"torch sees none, CUDA_VISIBLE_DEVICES is `{os.environ['CUDA_VISIBLE_DEVICES']}`"
    if count_gpus():
        try:
            torch.cuda.init()
        except RuntimeError as error:  # above all, a driver older than this build of torch needs
            reason = str(error).split(". ")[0]
            return f"nvidia-smi lists some, but torch {torch.__version__} cannot use them: {reason}"
    return "torch sees none here"


@contextmanager
def gpu_slot(
    gpus: Sequence[str], slots: int = 1, locks: Path | None = None, wait: float = 1.0
) -> Iterator[int]:
    """Hold one of each GPU's `slots`; while all are held, try again every `wait` seconds.

    `gpus` are UUIDs: indices would differ with CUDA_VISIBLE_DEVICES, and be the same on all
    machines that share a folder of locks. A lock ends with its process.

    Yields
    ------
    The index into `gpus` of the one with the most free slots, the first of several.
    """
    locks = locks or lock_folder()
    while (held := _take(gpus, slots, locks)) is None:
        time.sleep(wait)
    index, lock = held
    with lock:
        yield index


def _take(gpus: Sequence[str], slots: int, locks: Path) -> tuple[int, IO] | None:
    """Lock the first free slot of the GPU that has the most of them; None if no slot is free."""
    # One process looks at a time: looking locks slots, so that free slots would seem held.
    with _opened(locks / "looking") as turn:
        while not try_lock(turn):
            time.sleep(0.01)
        files = [[_opened(locks / f"{gpu}-{slot}") for slot in range(slots)] for gpu in gpus]
        free = [[file for file in files_of_gpu if try_lock(file)] for files_of_gpu in files]
        index = max(range(len(gpus)), key=lambda i: len(free[i]))
        taken = free[index][0] if free[index] else None
        for file in chain(*files):
            if file is not taken:
                file.close()
    return None if taken is None else (index, taken)


def _opened(path: Path) -> IO:
    """Open a lock file: no link is followed, and nothing in it changes."""
    return open(path, "ab", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600))


def lock_folder() -> Path:
    """Return the folder of the lock files, which all jobs of a user on this machine share.

    Below /tmp another user may have made it first, so it must be of this user alone.

    Raises
    ------
    InputError : there is no such folder, and none can be made.
    """
    name = f"t1ce-benchmark-gpus-{os.getuid()}"
    places = (
        tempfile.gettempdir(),
        os.environ.get("XDG_RUNTIME_DIR", ""),
        os.path.expanduser("~/.cache"),  # stays "~/.cache" if there is no home
    )
    folders = [Path(place) / name for place in places if os.path.isabs(place)]
    for folder in folders:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:  # a file or a dangling link has the name, or the place is read-only
            continue
        if _is_private(folder):
            return folder
    raise InputError(
        f"No folder for the locks of the GPUs: {' and '.join(map(str, folders))} cannot be made, "
        "or others can write to them. Set TMPDIR to a folder of your own."
    )


def _is_private(folder: Path) -> bool:
    found = folder.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return mine and not stat.S_IMODE(found.st_mode) & 0o077


def _what_to_change(error: RuntimeError, speed: Speed) -> str:
    shared = speed.slots_per_gpu
    advice = [f"lower `speed.slots_per_gpu` (it is {shared})"] * (shared > 1)
    advice += ["set `speed.precision: bf16`"] * (speed.precision == "float32")
    advice += [
        f"in prediction lower `speed.inference_batch` (it is {speed.inference_batch})",
        "in training lower `results.training.batch` or the method's `width` in `results.params`, "
        "which changes the numbers",
    ]
    sentences = str(error).splitlines()[0].split(". ")
    cause = ". ".join(sentence for sentence in sentences[:3] if sentence).rstrip(".")
    return f"The GPU's memory is too small: {cause}. To fix: {'; '.join(advice)}."
