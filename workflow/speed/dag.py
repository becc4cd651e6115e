"""Measure what Snakemake and the start of its jobs add to the jobs' own work."""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workflow.__main__ import VERBS
from workflow.speed.processes import ROOT
from workflow.speed.settings import Settings


def measure(settings: Settings) -> list[dict]:
    """Planning, and the start of a job.

    Returns
    -------
    `seconds` of a plan, and of the start-up of a job by its verb.

    Raises
    ------
    ModuleNotFoundError : there is no Snakemake.
    """
    importlib.import_module("snakemake")
    name = f"planning for {settings.patients} patients"
    rows = [{"name": name, "seconds": planning_seconds(settings.patients)}]
    costs = start_up()
    rows += [{"name": f"start of `{verb}`", "seconds": took} for verb, took in costs.items()]
    return rows


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
