"""Where to compute: the CPU, or one GPU of this machine that nobody else of us has.

Snakemake's resource `gpu` bounds how many GPU jobs run at a time, but never says which GPU is
whose. A file lock a GPU does.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmarks.config import Speed
from benchmarks.errors import InputError

LOCKS = Path(tempfile.gettempdir()) / f"t1ce-benchmark-gpus-{os.getuid()}"


def count_gpus() -> int:
    """The GPUs that this process may use, without starting CUDA."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([x for x in visible.split(",") if x.strip() not in ("", "-1")])
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


@contextmanager
def device(speed: Speed) -> Iterator[torch.device]:
    """The device to compute on; a GPU is this process's own until the block ends.

    Raises
    ------
    InputError : the benchmark asks for `device: cuda` and there is none.
    """
    torch.set_num_threads(speed.threads)
    wanted = speed.device != "cpu"
    if wanted and torch.cuda.is_available():
        with gpu_slot(torch.cuda.device_count()) as index:
            yield torch.device("cuda", index)
    elif speed.device == "cuda":
        raise InputError(
            "speed.device is `cuda`, but torch sees no GPU here; write `auto` or `cpu`."
        )
    else:
        yield torch.device("cpu")


@contextmanager
def gpu_slot(gpus: int, locks: Path = LOCKS, wait: float = 1.0) -> Iterator[int]:
    """Hold one of `gpus` indices; waits, looking every `wait` seconds, while all are held.

    The lock dies with its process, however that ends.
    """
    locks.mkdir(parents=True, exist_ok=True)
    while True:
        for index in range(gpus):
            # The index counts visible devices, so machines shared by CUDA_VISIBLE_DEVICES differ.
            name = f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'all')}-{index}"
            with (locks / name.replace("/", "_")).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield index
                return
        time.sleep(wait)
