"""A logger for Snakemake: one line per finished piece of work, with the time that is left.

`PYTHONPATH=workflow/plugins snakemake --logger progress ...`. Snakemake's own log, in
`.snakemake/log`, keeps everything.
"""

import logging
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

# Seconds of a job of the demo on one of two busy cores. A rule's own jobs replace them as they end.
USUAL = {
    "simulate": 6.8, "prepare": 0.9, "train": 42.0, "synthesize": 6.6, "segment": 6.8,
    "ingest": 5.0, "score": 2.0, "export": 0.6, "tabulate": 12.0, "draw": 29.0, "manifest": 2.0,
    "page": 7.0,
}  # fmt: skip
OTHER = 0.5
DEMO = "phantom"
# What Snakemake says besides that a user must see; after Ctrl-C and SIGTERM it is silent otherwise.
PASSED_ON = ("Nothing to be done", "Terminating processes", "Will exit after finishing")
# The job's own error follows, with its reason and its log.
FAILED_COMMAND = "returned non-zero exit status"
# How a line of a training's log ends.
_LEFT = re.compile(r"  left (\d+):(\d\d):(\d\d)$")
# What has been done once the last job of a rule has ended; a training has a line of its own.
DONE = {
    "simulate": "patients simulated", "prepare": "patients prepared", "cohort": "cohort checked",
    "split": "splits", "synthesize": "T1ce predicted", "segment": "segmentations predicted",
    "ingest": "predictions of others read", "score": "runs scored", "export": "runs exported",
    "tabulate": "tables", "draw": "figures", "manifest": "manifest", "page": "page",
}  # fmt: skip


@dataclass
class Job:
    """A job that was started, at `began` seconds."""

    rule: str
    name: str
    log: str
    began: float


@dataclass
class Report:
    """Writes the lines. Time is that of `clock`, in seconds."""

    out: TextIO
    clock: Callable[[], float] = time.monotonic
    planned: Counter = field(default_factory=Counter)  # jobs by rule
    ended: Counter = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # of ended jobs
    jobs: dict[int, Job] = field(default_factory=dict)
    demo: bool = True  # until a job of another benchmark starts, whose trainings may take days

    def plan(self, counts: Mapping[str, int]) -> None:
        """Say what will be done, given the number of jobs by rule."""
        self.began = self.clock()
        self.planned = Counter(
            {rule: n for rule, n in counts.items() if rule not in ("all", "total")}
        )
        jobs, trainings = self.planned.total(), self.planned["train"]
        of = f", {trainings} of them training{'s' * (trainings != 1)}" if trainings else ""
        self._write(
            f"{jobs} job{'s' * (jobs != 1)}{of}. Ctrl-C is safe: the same command resumes. "
            "Details: .snakemake/log"
        )

    def start(self, number: int, rule: str, wildcards: Mapping[str, str], log: str) -> None:
        parts = (wildcards.get(name) for name in ("run", "replicate", "patient", "kind"))
        name = ", ".join(filter(None, parts)) or rule
        self.jobs[number] = Job(rule, name, log, self.clock())
        results, logs, benchmark = (*Path(log).parts, "", "", "")[:3]  # see `workflow.layout`
        self.demo &= (results, logs) != ("results", "logs") or benchmark == DEMO

    def end(self, number: int) -> None:
        """Note that a job ended well, and say so if it was a training or the last of its rule."""
        if (job := self.jobs.pop(number, None)) is None:
            return
        took = self.clock() - job.began
        self.ended[job.rule] += 1
        self.seconds[job.rule] += took
        if job.rule == "train":
            self._line(f"{job.name:34} {took:6.0f} s  {last_words(Path(job.log))}")
        elif job.rule in DONE and self.ended[job.rule] == self.planned[job.rule]:
            count = self.ended[job.rule]
            counted = f"{count} {DONE[job.rule]}" if count > 1 else DONE[job.rule]
            self._line(f"{counted:34} {self.seconds[job.rule]:6.0f} s")

    def fail(self, number: int, rule: str, log: str) -> None:
        """Say that a job failed, its reason and where its log is."""
        job = self.jobs.pop(number, None) or Job(rule, rule, log, self.clock())
        self.ended[rule] += 1
        self._line(f"{job.name:34}  FAILED  {rule}")
        if reason := failure(Path(log)):
            self._write(f"{'':22}{reason}")
        self._write(f"{'':22}log: {log}")

    def say(self, text: str) -> None:
        """Pass on what Snakemake says besides."""
        self._write(text)

    @property
    def left(self) -> float:
        """The seconds of all jobs that have not ended, one after the other."""
        running = Counter(job.rule for job in self.jobs.values())
        waiting = {rule: n - self.ended[rule] - running[rule] for rule, n in self.planned.items()}
        remaining = sum(self._remaining(job) for job in self.jobs.values())
        return remaining + sum(max(0, n) * self._usual(rule) for rule, n in waiting.items())

    def _remaining(self, job: Job) -> float:
        if (left := _seconds_left(job)) is not None:
            return left
        return max(0.0, self._usual(job.rule) - (self.clock() - job.began))

    def _usual(self, rule: str) -> float:
        if n := self.ended[rule]:
            return self.seconds[rule] / n
        if rule == "train" and (estimates := self._estimates()):
            return sum(estimates) / len(estimates)
        return USUAL.get(rule, OTHER)

    def _estimates(self) -> list[float]:
        """Return what the trainings that run will have taken, by the time left in their logs."""
        left = ((job, _seconds_left(job)) for job in self.jobs.values())
        return [self.clock() - job.began + one for job, one in left if one is not None]

    @property
    def is_known(self) -> bool:
        """Whether the time left can be told: not from the demo's trainings for others."""
        trains = self.planned["train"] > self.ended["train"]
        return bool(self.demo or not trains or self.ended["train"] or self._estimates())

    def _line(self, text: str) -> None:
        elapsed, done = self.clock() - self.began, sum(self.seconds.values())
        share = done / (done + self.left) if done else 0.0
        # So many jobs ran at a time until now.
        abreast = max(1.0, done / elapsed) if elapsed else 1.0
        minutes = self.left / abreast / 60
        left = f"{max(1, round(minutes)):4} min left" if minutes >= 0.5 else "  almost done"
        percent = f"{100 * share:3.0f}"
        if not self.is_known:
            left, percent = f"{'?':>4} min left", "  ?"
        whole, seconds = divmod(round(elapsed), 60)
        self._write(f"{whole:3}:{seconds:02} {percent} % {left}  {text.rstrip()}")

    def _write(self, text: str) -> None:
        self.out.write(f"{text}\n")
        self.out.flush()


def last_words(log: Path) -> str:
    """Return the validation Dice that the log of a training ends with, "" if it has none."""
    words = next((line.split() for line in _last_lines(log) if " val_dice " in line), [])
    return f"validation Dice {words[words.index('val_dice') + 1]}" if words else ""


def failure(log: Path) -> str:
    """Return the last line of a failed job's log, which is its reason; "" if there is none."""
    return next((line.strip() for line in _last_lines(log) if line.strip()), "")


def _seconds_left(job: Job) -> int | None:
    """Return the time left in the log of a training; None of other jobs, and in the first epoch."""
    lines = _last_lines(Path(job.log)) if job.rule == "train" else []
    found = next((found for line in lines if (found := _LEFT.search(line))), None)
    if found is None:
        return None
    hours, minutes, seconds = map(int, found.groups())
    return 3600 * hours + 60 * minutes + seconds


def _last_lines(log: Path) -> list[str]:
    """Return the lines of a log, the last one first; none of a file that cannot be read."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").split("\n")[::-1]
    except OSError:
        return []


class LogHandler(LogHandlerBase):
    """Turns Snakemake's records into the report's lines, on standard error."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.report = Report(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.report.plan(record.stats)
        elif event == LogEvent.JOB_INFO:
            log = next(iter(record.log or ()), "")
            self.report.start(record.jobid, record.rule_name, record.wildcards or {}, log)
        elif event == LogEvent.JOB_FINISHED:
            self.report.end(record.job_id)
        elif event == LogEvent.JOB_ERROR:
            log = next(iter(record.log or ()), "")
            self.report.fail(record.jobid, record.rule_name, log)
        elif _matters(record, event):
            self.report.say(record.getMessage())


def _matters(record: logging.LogRecord, event: LogEvent | None) -> bool:
    text = record.getMessage()
    if event == LogEvent.ERROR:
        return FAILED_COMMAND not in text
    if event is not None:
        return False
    return record.levelno >= logging.WARNING or text.startswith(PASSED_ON)
