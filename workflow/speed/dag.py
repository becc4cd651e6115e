"""Measure how long Snakemake takes to plan the paper's benchmark on 369 patients.

    python -m workflow.speed.dag [--patients 369]

The patients are empty files under BraTS2020's names: planning opens none of them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=369)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, options.patients + 1):
            patient = Path(folder) / f"BraTS20_Training_{number:03}"
            patient.mkdir()
            for kind in ("t1", "t2", "flair", "t1ce", "seg"):
                (patient / f"{patient.name}_{kind}.nii.gz").touch()
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "--cores", "2"]
        command += ["--config", "benchmark=brats2020", f"data={folder}"]
        began = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        print(f"{options.patients} patients: {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
