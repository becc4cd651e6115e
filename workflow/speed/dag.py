"""Measure how long Snakemake takes to plan the paper's benchmark on 369 patients.

    python -m workflow.speed.dag [--patients 369]

The patients are empty files under BraTS2020's names: planning opens none of them.
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workflow.speed.processes import ROOT
from workflow.speed.settings import Settings


def measure(settings: Settings) -> list[dict]:
    """One row with the `seconds` that a plan takes.

    Raises
    ------
    ModuleNotFoundError : there is no Snakemake.
    """
    importlib.import_module("snakemake")
    name = f"planning for {settings.patients} patients"
    return [{"name": name, "seconds": planning_seconds(settings.patients)}]


def planning_seconds(patients: int) -> float:
    """How long a dry run takes when nothing has been made yet."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, patients + 1):
            patient = Path(folder) / f"BraTS20_Training_{number:03}"
            patient.mkdir()
            for kind in ("t1", "t2", "flair", "t1ce", "seg"):
                (patient / f"{patient.name}_{kind}.nii.gz").touch()
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "--cores", "2"]
        command += ["--config", "benchmark=brats2020", f"data={folder}"]
        began = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=369)
    patients = parser.parse_args().patients
    print(f"{patients} patients: {planning_seconds(patients):.1f} s")


if __name__ == "__main__":
    main()
