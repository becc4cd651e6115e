"""Measure what Snakemake and the start of its jobs add to the jobs' own work."""

import csv
import importlib
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from benchmarks.errors import InputError
from workflow.layout import RESULTS
from workflow.speed.processes import ROOT
from workflow.speed.settings import Settings
from workflow.verbs import VERBS, module

SMALL = ROOT / "workflow" / "speed" / "small_phantom.yaml"
STAMP = "%Y-%m-%dT%H%M%S.%f.snakemake.log"  # a log's name: when Snakemake began, in local time
# A job that does nothing with what it imports.
START = "from workflow.__main__ import import_module; import_module({!r})"
RUN = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--quiet", "all"]

Job = tuple[str, float, float]  # its rule, its start and its end in seconds


def measure(settings: Settings) -> list[dict]:
    """Measure planning, the start of a job, and what a DAG takes beyond its jobs.

    The DAG is that of `settings.finished`, else a small phantom's, which takes minutes.
    """
    importlib.import_module("snakemake")  # raises ModuleNotFoundError
    seconds = {f"planning for {settings.patients} patients": planning_seconds(settings.patients)}
    starts = {}
    for verb in VERBS:
        command = [sys.executable, "-c", START.format(module(verb))]
        starts[verb] = min(_seconds(command) for _ in range(settings.repeats))
        seconds[f"start of `{verb}`"] = starts[verb]
    rows = [{"name": name, "seconds": took} for name, took in seconds.items()]
    given = settings.finished
    return rows + overhead(*(finished(Path(given)) if given else run_small(settings)), starts)


def planning_seconds(patients: int) -> float:
    """Return the seconds of a dry run when nothing has been made yet."""
    with tempfile.TemporaryDirectory() as folder:
        for patient in (f"BraTS20_Training_{number:03}" for number in range(1, patients + 1)):
            (Path(folder) / patient).mkdir()
            for kind in ("t1", "t2", "flair", "t1ce", "seg"):
                (Path(folder) / patient / f"{patient}_{kind}.nii.gz").touch()
        options = ["-n", "--cores", "2", "--config", "benchmark=brats2020", f"data={folder}"]
        return _seconds([*RUN, *options])


def _seconds(command: list[str], cwd: Path = ROOT) -> float:
    began = time.perf_counter()
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths}
    subprocess.run(command, cwd=cwd, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def run_small(settings: Settings) -> tuple[list[Job], float, float]:
    """Run a small phantom's DAG, one job at a time; return what `finished` does."""
    folder, began = Path(settings.folder) / "dag", time.time()
    folder.mkdir()
    seconds = _seconds([*RUN, "--cores", "1", "--config", f"benchmark={SMALL}"], folder)
    return jobs_of(folder), began, began + seconds


def finished(folder: Path) -> tuple[list[Job], float, float]:
    """Return the jobs of the largest DAG that was run in `folder`, its start and its end.

    It begins when Snakemake opens its log, a second after the call. InputError if there is none.
    """
    jobs, dags = jobs_of(folder), []
    for log in (folder / ".snakemake" / "log").glob("*.log"):
        began, ended = datetime.strptime(log.name, STAMP).timestamp(), log.stat().st_mtime
        dags.append(([job for job in jobs if began <= job[1] < ended], began, ended))
    best = max(dags, key=lambda dag: len(dag[0]), default=([], 0, 0))
    if not best[0]:
        raise InputError(f"--finished {folder}: no DAG was run there. Run `snakemake` there first.")
    return best


def jobs_of(folder: Path) -> list[Job]:
    """Return the jobs whose times Snakemake measured in `folder` (`benchmark:`), by their start."""
    jobs, logs = [], folder / RESULTS / "logs"
    for path in logs.glob("*/**/*.tsv"):
        with path.open(newline="") as file:
            seconds = float(next(csv.DictReader(file, delimiter="\t"))["s"])
        # <benchmark>/<rule>/..., or <benchmark>/<rule>.tsv where a rule has one job
        rule = path.relative_to(logs).parts[1].removesuffix(".tsv")
        end = path.stat().st_mtime  # written when the job ends
        jobs.append((rule, end - seconds, end))
    return sorted(jobs, key=lambda job: job[1])


def overhead(jobs: list[Job], began: float, ended: float, starts: dict[str, float]) -> list[dict]:
    """Return rows of what the jobs took, and of what Snakemake took beyond.

    A core waits for Snakemake from the end of a job, or from Snakemake's start, to the next job.
    """
    free = [max((end for _, _, end in jobs if end <= start), default=None) for _, start, _ in jobs]
    both = list(zip(jobs, free, strict=True))
    waits = {
        "before the first": sum(start - began for (_, start, _), end in both if end is None),
        "between jobs": sum(start - end for (_, start, _), end in both if end is not None),
        "after the last": max(0.0, ended - max(end for _, _, end in jobs)),
    }
    together, waited = sum(end - start for _, start, end in jobs), sum(waits.values())
    starting = sum(starts.get(rule, 0.0) for rule, _, _ in jobs)
    return [
        {"name": "the DAG's jobs", "jobs": len(jobs), "seconds": together},
        {"name": "their start, in that", "seconds": starting},
        *({"name": f"Snakemake {when}", "seconds": seconds} for when, seconds in waits.items()),
        {"name": "Snakemake", "seconds": waited, "overhead": waited / (together - starting)},
    ]
