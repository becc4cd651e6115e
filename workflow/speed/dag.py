"""Measure what Snakemake takes beside its jobs, and what starting their processes costs.

    python -m workflow.speed.dag [--patients 369] [--run /path/to/a/finished/folder]

First, how long it takes to plan the paper's benchmark. The patients are empty files under
BraTS2020's names: planning opens none of them. Then, of the `run`, a folder in which Snakemake was
run once and to its end, how long its jobs worked and how long none did, from the times that
Snakemake keeps in .snakemake/metadata.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from workflow.__main__ import VERBS

ROOT = Path(__file__).parents[2]


def planning(patients: int) -> float:
    """Seconds of `snakemake -n` for so many patients."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, patients + 1):
            patient = Path(folder) / f"BraTS20_Training_{number:03}"
            patient.mkdir()
            for kind in ("t1", "t2", "flair", "t1ce", "seg"):
                (patient / f"{patient.name}_{kind}.nii.gz").touch()
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "--cores", "2"]
        command += ["--config", "benchmark=brats2020", f"data={folder}"]
        return _seconds(command)


def start_up() -> dict[str, float]:
    """Seconds from calling Python until a verb's module is there, by verb; the least of three."""
    took = {
        module: min(_seconds([sys.executable, "-c", f"import {module}"]) for _ in range(3))
        for module in dict.fromkeys(module for module, _ in VERBS.values())
    }
    return {verb: took[module] for verb, (module, _) in VERBS.items()}


def finished_jobs(run: Path) -> list[tuple[str, float, float]]:
    """Each job's rule, start and end in seconds, by start; a job of several files counts once."""
    found = set()
    for path in (run / ".snakemake" / "metadata").rglob("*"):
        if path.is_file():
            kept = json.loads(path.read_text())
            if kept.get("starttime") and kept.get("endtime"):
                job = (kept["rule"], kept["shellcmd"], kept["starttime"], kept["endtime"])
                found.add(job)
    return sorted(((rule, began, ended) for rule, _, began, ended in found), key=lambda x: x[1])


def overhead(jobs: list[tuple[str, float, float]]) -> dict[str, float]:
    """Seconds that the jobs took together, that any was at work, and that none was.

    `share` is the last of these over the one before.
    """
    busy, idle, until = 0.0, 0.0, jobs[0][1]
    for _, began, ended in jobs:
        idle += max(0.0, began - until)
        busy += max(0.0, ended - max(began, until))
        until = max(until, ended)
    together = sum(ended - began for _, began, ended in jobs)
    return {"jobs": together, "busy": busy, "idle": idle, "share": idle / busy if busy else 0.0}


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=369)
    parser.add_argument("--run", type=Path, help="a folder that holds .snakemake of a finished run")
    options = parser.parse_args()
    print(f"planning {options.patients} patients: {planning(options.patients):.1f} s")
    costs = start_up()
    print("start-up of a job: " + ", ".join(f"{verb} {s:.2f} s" for verb, s in costs.items()))
    if options.run is None:
        return
    jobs = finished_jobs(options.run)
    if not jobs:
        parser.error(f"{options.run} holds no finished jobs in .snakemake/metadata: run it first")
    counts, took = Counter(rule for rule, _, _ in jobs), overhead(jobs)
    starting = sum(costs.get(rule, 0) * count for rule, count in counts.items())
    print(f"{len(jobs)} jobs took {took['jobs']:.1f} s together, {starting:.1f} s of it start-up")
    print(f"a job was at work for {took['busy']:.1f} s, none for {took['idle']:.1f} s")
    print(f"overhead: {100 * took['share']:.1f} %")


if __name__ == "__main__":
    main()
