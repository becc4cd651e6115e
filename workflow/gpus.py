"""Count the GPUs that this process may use, without importing torch."""

import os
import shutil
import subprocess

# SLURM sets one of them in every job that it gives a GPU.
GIVEN = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")


def count_gpus() -> int:
    """Count the GPUs that this process may use, without starting CUDA."""
    if is_withheld():
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([x for x in visible.split(",") if x.strip() not in ("", "-1")])
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, encoding="utf-8")
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def is_withheld() -> bool:
    """Whether this is a SLURM job without a GPU. It may still see the GPUs of other jobs."""
    return "SLURM_JOB_ID" in os.environ and not any(name in os.environ for name in GIVEN)
