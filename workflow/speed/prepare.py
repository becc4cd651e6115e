"""Measure preparing a patient against merely reading the same five files.

    python -m workflow.speed.prepare --data /path/to/BraTS [--repeats 5]

Both sides take turns in one process, on one thread. Prints the median times, their ratio, that of
the processor times, which other work on the machine hardly moves, the peak memory of the process
and the size on disk, and what 369 patients of that size would take.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.cohorts.brats import PatientFiles, find_patients
from benchmarks.cohorts.store import Grid, prepare


def read(files: PatientFiles) -> None:
    """What anybody does who wants the voxels."""
    for path in files.all_files.values():
        np.asanyarray(nib.load(path).dataobj)


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - began_cpu


def measure(data: Path, repeats: int = 5) -> dict[str, float]:
    """Medians over all patients and turns: seconds, their ratios, GB of memory, MB of disk."""
    cohort = find_patients(data)
    turns, sizes = [], []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        for files in cohort:
            for path in files.all_files.values():
                path.read_bytes()  # so that neither side waits for the disk
            for _ in range(repeats):
                reading = seconds(partial(read, files))
                turns.append((reading, seconds(partial(prepare, files, store, Grid()))))
            sizes.append((store / f"{files.patient}.npy").stat().st_size / 1e6)
    ratios = [preparing[0] / reading[0] for reading, preparing in turns]
    return {
        "patients": len(cohort),
        "reading_seconds": statistics.median(reading[0] for reading, _ in turns),
        "preparing_seconds": statistics.median(preparing[0] for _, preparing in turns),
        "ratio": statistics.median(ratios),
        "worst_ratio": max(ratios),
        "cpu_ratio": statistics.median(preparing[1] / reading[1] for reading, preparing in turns),
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "mb_a_patient": statistics.mean(sizes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of BraTS patients")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    found = measure(options.data, options.repeats)
    print(f"patients            {found['patients']}, {options.repeats} times each")
    print(f"reading             {found['reading_seconds']:.3f} s (median)")
    print(f"preparing           {found['preparing_seconds']:.3f} s (median)")
    print(f"ratio               {found['ratio']:.2f} (median), {found['worst_ratio']:.2f} (worst)")
    print(f"ratio of processor  {found['cpu_ratio']:.2f} (median)")
    print(f"peak memory         {found['peak_gb']:.2f} GB")
    print(f"on disk             {found['mb_a_patient']:.1f} MB a patient")
    print(f"369 patients        {369 * found['mb_a_patient'] / 1e3:.1f} GB")


if __name__ == "__main__":
    main()
