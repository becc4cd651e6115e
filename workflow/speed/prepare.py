"""Measure preparing a patient against merely reading the same five files.

    python -m workflow.speed.prepare --data /path/to/BraTS [--repeats 5]

Both sides take turns in one process. Prints the median times, their ratio, the peak memory of the
process and the size on disk, and what 369 patients of that size would take.
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


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of BraTS patients")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cohort = find_patients(options.data)
    ratios, reading, preparing, sizes = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        for files in cohort:
            for path in files.all_files.values():
                path.read_bytes()  # so that neither side waits for the disk
            for _ in range(options.repeats):
                reading.append(seconds(partial(read, files)))
                preparing.append(seconds(partial(prepare, files, store, Grid())))
                ratios.append(preparing[-1] / reading[-1])
            sizes.append((store / f"{files.patient}.npy").stat().st_size / 1e6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"patients            {len(cohort)}, {options.repeats} times each")
    print(f"reading             {statistics.median(reading):.3f} s (median)")
    print(f"preparing           {statistics.median(preparing):.3f} s (median)")
    print(
        f"ratio               {statistics.median(ratios):.2f} (median), {max(ratios):.2f} (worst)"
    )
    print(f"peak memory         {peak:.2f} GB")
    print(f"on disk             {statistics.mean(sizes):.1f} MB a patient")
    print(f"369 patients        {369 * statistics.mean(sizes) / 1e3:.1f} GB")


if __name__ == "__main__":
    main()
