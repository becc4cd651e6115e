"""Kills the real DAG at random moments until it ends, again and again, and compares its tables.

    python tests/kills.py --kills 200 > tests/kills.txt

A round begins with nothing made. Snakemake is started, something of it is killed after a random
time, and the same command is given again, until it ends well. Then every table must be, byte for
byte, that of a run that nobody disturbed. Only what trainings and syntheses took, in seconds and in
memory, may differ: of Table IV what counts is compared.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psutil
from repository import ROOT, copy_repository

SMALL = "workflow/speed/small_phantom.yaml"
COST = "table4_cost"
COUNTED = ["run", "updates", "images", "parameters"]


def main() -> int:
    """0 if all rounds ended in the same tables, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="at least so many")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and of the victims")
    parser.add_argument("--most", type=int, default=25, help="of them in a round, so that it ends")
    parser.add_argument("--mean", type=float, default=8, help="seconds before a kill")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), random.Random(chosen.seed), chosen.mean)
        began = time.monotonic()
        while sum(trial.killed.values()) < chosen.kills:
            trial.round(chosen.most)
            print(trial.rounds[-1], file=sys.stderr, flush=True)
        print(trial.summary(time.monotonic() - began))
        return int(not trial.all_equal)


class Trial:
    """A copy of the repository whose DAG is run, and what became of it.

    Attributes
    ----------
    expected : the tables of the undisturbed run.
    killed : how often what was killed, and how.
    struck : which jobs were at work then.
    rounds : a sentence a round.
    """

    def __init__(self, folder: Path, chance: random.Random, mean: float):
        self.folder = copy_repository(folder)
        self.chance, self.mean, self.pause = chance, mean, mean
        self.killed: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.rounds: list[str] = []
        self.all_equal = True
        if self._start().wait():
            raise RuntimeError(f"the undisturbed run failed:\n{self._said()}")
        self.expected = self._tables()

    def round(self, most: int) -> None:
        """From nothing to the tables, with at most so many kills."""
        self._clear()
        # Now in short order, so that jobs are hit at their start, now late, in the longer ones.
        self.pause = self.mean * self.chance.choice([0.5, 1, 2])
        kills, code = 0, None
        while code != 0:
            running, struck = self._start(), False
            while (code := running.poll()) is None:
                if kills == most:
                    running.wait()
                elif self._strike(running):
                    kills, struck = kills + 1, True
            if code != 0 and not struck:
                raise RuntimeError(f"it fails, though nobody disturbs it:\n{self._said()}")
        self._wait_for_orphans()
        faults = self._differing()
        for pattern in ("results/**/.*.tmp", "results/**/failed-*"):
            faults += sorted(path.name for path in self.folder.glob(pattern))
        self.all_equal &= not faults
        verdict = f"DIFFERENT: {faults}" if faults else "equal"
        self.rounds.append(f"round {len(self.rounds) + 1}: {kills} kills, tables {verdict}")

    def summary(self, seconds: float) -> str:
        """What happened, for people."""
        kills = sum(self.killed.values())
        verdict = "all tables byte for byte equal" if self.all_equal else "NOT ALL EQUAL"
        lines = [
            f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}, {os.cpu_count()} cores",
            f"{kills} kills in {len(self.rounds)} rounds, {seconds / 60:.0f} min: {verdict}",
            f"({len(self.expected)} files compared a round)",
            "",
            "what was killed, and by which signal",
            *(f"{count:5} {what}" for what, count in self.killed.most_common()),
            "",
            "which jobs were at work at that moment",
            *(f"{count:5} {what}" for what, count in self.struck.most_common()),
            "",
            *self.rounds,
        ]
        return "\n".join(lines)

    def _start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "snakemake", "--cores", "2"]
        # A file, not a pipe: jobs that outlive their Snakemake must not hold up the next one.
        with (self.folder / "said").open("wb") as said:
            return subprocess.Popen(
                [*command, "--config", f"benchmark={SMALL}"],
                cwd=self.folder,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.folder)},
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _said(self) -> str:
        return (self.folder / "said").read_text()[-3000:]

    def _strike(self, running: subprocess.Popen) -> bool:
        """Kill something of it at a random moment; False if it had ended by then."""
        try:
            running.wait(self.chance.expovariate(1 / self.pause))
            return False
        except subprocess.TimeoutExpired:
            jobs = _jobs(running.pid)
        kind = self.chance.choice(["all", "all", "snakemake", "job"])
        number = self.chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        if kind == "job" and not jobs:
            kind = "all"
        try:
            if kind == "all":
                os.killpg(running.pid, number)
            elif kind == "snakemake":
                # Alone: its jobs live on, and meet those of the next one.
                os.kill(running.pid, number)
            else:
                self.chance.choice(sorted(jobs, key=lambda job: job.pid)).send_signal(number)
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False
        self.killed[f"{kind}, {number.name}"] += 1
        self.struck.update(jobs.values() or ["none"])
        return True

    def _wait_for_orphans(self) -> None:
        while any(_verb(process, self.folder) for process in psutil.process_iter()):
            time.sleep(0.2)

    def _clear(self) -> None:
        self._wait_for_orphans()
        for name in ("results", ".snakemake"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _tables(self) -> dict[str, bytes]:
        found = sorted((self.folder / "results/tables/small_phantom").iterdir())
        tables = {path.name: path.read_bytes() for path in found if path.stem != COST}
        counted = pd.read_csv(self.folder / f"results/tables/small_phantom/{COST}.csv")[COUNTED]
        return tables | {COST: counted.to_csv().encode()}

    def _differing(self) -> list[str]:
        found = self._tables()
        names = sorted(found.keys() | self.expected.keys())
        return [name for name in names if found.get(name) != self.expected.get(name)]


def _jobs(pid: int) -> dict[psutil.Process, str]:
    """The jobs that a Snakemake runs just now, and what each does."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return {}
    return {process: verb for process in below if (verb := _verb(process))}


def _verb(process: psutil.Process, folder: Path | None = None) -> str:
    """What a process does if it is a job, and one that works in `folder`; else nothing."""
    try:
        words = process.cmdline()
        if words[1:3] != ["-m", "workflow"] or folder not in (None, Path(process.cwd())):
            return ""
        return words[3]
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return ""


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
