"""Measure what Snakemake and the start of its jobs add to the jobs' own work."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from benchmarks.errors import InputError
from workflow.__main__ import VERBS
from workflow.speed.processes import ROOT
from workflow.speed.settings import Settings

SMALL = ROOT / "workflow" / "speed" / "small_phantom.yaml"
STAMP = "%Y-%m-%dT%H%M%S.%f.snakemake.log"
"""How Snakemake names its logs: by when it began, in local time."""

START = "from workflow.__main__ import import_module; import_module({!r})"
"""A job that does nothing with what it imports."""

Job = tuple[str, float, float]
"""Its rule, its start and its end in seconds."""


def measure(settings: Settings) -> list[dict]:
    """Planning, the start of a job, and what a DAG takes beyond its jobs.

    The DAG is `settings.finished`, a folder in which Snakemake has run; without one, that of a
    small phantom is run, a job at a time, which takes minutes.

    Returns
    -------
    `seconds` of a plan, of the start-up of a job by its verb, and of the DAG's `jobs` together, in
    which that start-up is. Then the seconds in which a core waited for Snakemake, and, as
    `overhead`, their share of the jobs' seconds without start-up.

    Raises
    ------
    ModuleNotFoundError : there is no Snakemake.
    InputError : no DAG was finished in that folder.
    """
    importlib.import_module("snakemake")
    name = f"planning for {settings.patients} patients"
    rows = [{"name": name, "seconds": planning_seconds(settings.patients)}]
    costs = start_up(settings.repeats)
    rows += [{"name": f"start of `{verb}`", "seconds": took} for verb, took in costs.items()]
    if settings.finished is None:
        dag = run_small(Path(settings.folder) / "dag")
    else:
        dag = finished(Path(settings.finished))
    return rows + overhead(*dag, costs)


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


def start_up(repeats: int) -> dict[str, float]:
    """Seconds of a process that imports a verb's module and ends, by verb; the least of some."""
    took = {
        module: min(_seconds([sys.executable, "-c", START.format(module)]) for _ in range(repeats))
        for module in dict.fromkeys(module for module, _ in VERBS.values())
    }
    return {verb: took[module] for verb, (module, _) in VERBS.items()}


def run_small(folder: Path) -> tuple[list[Job], float, float]:
    """Run the DAG of a small phantom in `folder`, a job at a time.

    Returns
    -------
    Its jobs, and when Snakemake was called and had ended.
    """
    folder.mkdir()
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--quiet", "all", "--cores", "1", "--config", f"benchmark={SMALL}"]
    began = time.time()
    subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return jobs_of(folder), began, time.time()


def finished(folder: Path) -> tuple[list[Job], float, float]:
    """The jobs of a DAG that was run in `folder`, and when Snakemake began and ended.

    Of several runs, that of the most jobs counts. It begins when Snakemake opens its log, a second
    after it was called.

    Raises
    ------
    InputError : there is none.
    """
    jobs, dags = jobs_of(folder), []
    for log in (folder / ".snakemake" / "log").glob("*.log"):
        began = datetime.strptime(log.name, STAMP).timestamp()
        ended = log.stat().st_mtime
        dags.append(([job for job in jobs if began <= job[1] < ended], began, ended))
    best = max(dags, key=lambda dag: len(dag[0]), default=([], 0, 0))
    if not best[0]:
        raise InputError(f"--finished {folder}: no DAG was run there. Say `snakemake` there first.")
    return best


def jobs_of(folder: Path) -> list[Job]:
    """All jobs of which Snakemake keeps a record in `folder`, by their start."""
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for path in (folder / ".snakemake" / "metadata").rglob("*"):
        if path.is_file():
            kept = json.loads(path.read_text())
            if kept.get("starttime") and kept.get("endtime"):
                job = kept["rule"], kept["shellcmd"]
                times.setdefault(job, []).append((kept["starttime"], kept["endtime"]))
    # A job of several files has a record of each, whose times differ a little.
    found = [
        (rule, min(began for began, _ in of), max(ended for _, ended in of))
        for (rule, _), of in times.items()
    ]
    return sorted(found, key=lambda job: job[1])


def overhead(jobs: list[Job], began: float, ended: float, costs: dict[str, float]) -> list[dict]:
    """Rows of what the jobs took, and of what Snakemake took beyond.

    A core waits for Snakemake from the end of a job, or from Snakemake's own start, to the start of
    the next job. With one core, all waits together are the time in which no job is at work.
    """
    before, between = 0.0, 0.0
    for _, start, _ in jobs:
        free = max((end for _, _, end in jobs if end <= start), default=None)
        if free is None:
            before += start - began
        else:
            between += start - free
    after = max(0.0, ended - max(end for _, _, end in jobs))
    together = sum(end - start for _, start, end in jobs)
    starting = sum(costs.get(rule, 0.0) for rule, _, _ in jobs)
    own = before + between + after
    return [
        {"name": "the DAG's jobs", "jobs": len(jobs), "seconds": together},
        {"name": "their start-up, in that", "seconds": starting},
        {"name": "Snakemake before the first", "seconds": before},
        {"name": "Snakemake between jobs", "seconds": between},
        {"name": "Snakemake after the last", "seconds": after},
        {"name": "Snakemake", "seconds": own, "overhead": own / (together - starting)},
    ]


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
