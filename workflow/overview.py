"""What is done, running, failed and waiting, from the files of the results alone.

So it is the same beside a running Snakemake, on a cluster, and after a crash.
"""

import csv
import re
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cohorts.replicate import Replicate
from workflow.layout import Layout
from workflow.locks import is_held
from workflow.plan import Plan, Run
from workflow.status import BEGUN, jobs, run_status

STATES = ("running", "failed", "waiting", "done")
QUIET = 600  # seconds after which a log that does not grow belongs to a job that was killed

OUTDATED = "outdated"
_LEFT = re.compile(r"  left (\S+)$")
_LOSSES = 3  # that one line has room for


@dataclass(frozen=True)
class Work:
    """A run and replicate, and how far it is.

    Attributes
    ----------
    verb : the command that is running, failed, or comes next; "" if all are done.
    detail : of a training its epoch, losses and time left; of a failure its reason; of a run that
        waits OUTDATED, if it has scores that are not of today's settings, code and patients.
    log : of the command, "" where there is none.
    """

    run: str
    replicate: Replicate
    state: str
    verb: str = ""
    detail: str = ""
    log: str = ""


def overview(plan: Plan) -> list[Work]:
    """Return every run and replicate of a benchmark, in the order of `STATES`."""
    layout = Layout(plan.benchmark.name)
    # Before the patients are prepared, nothing can be scored.
    scored = set(run_status(plan).scored) if layout.input_checksums.is_file() else set()
    works = [
        Work(run.name, replicate, "done")
        if (run, replicate) in scored
        else _unfinished(plan, run, replicate)
        for run, replicate in plan.pairs
    ]
    return sorted(works, key=lambda work: STATES.index(work.state))


def _unfinished(plan: Plan, run: Run, replicate: Replicate) -> Work:
    layout = Layout(plan.benchmark.name)
    folder = layout.run(run.name, replicate)
    waits_for = ""
    for verb, *rest in jobs(run, replicate):
        log = layout.log(verb, *rest)
        for path in folder.failures(verb):
            reason = path.read_text(encoding="utf-8")
            state, detail = "failed", reason
            if reason == BEGUN and (is_held(folder.lock(verb)) or _grows(log)):
                epochs = plan.epochs(run) if verb == "train" else 0
                state, detail = "running", _progress(folder.growing_history, epochs, log)
            return Work(run.name, replicate, state, verb, detail, str(log))
        if not waits_for and not layout.record(verb, *rest).exists():
            waits_for = verb
    detail = OUTDATED if folder.scores.exists() else ""
    return Work(run.name, replicate, "waiting", waits_for or "score", detail)


def _grows(log: Path) -> bool:
    """Whether a job has written to its log lately: of another machine's job no lock is seen."""
    return log.is_file() and time.time() - log.stat().st_mtime < QUIET


def _progress(history: Path, epochs: int, log: Path) -> str:
    """Return of a training that is running how many epochs have ended, the time left, some losses.

    The losses are those of the last epoch that has ended. Only a log has the time left.
    """
    if not epochs:
        return ""
    *_, last = {"epoch": "0"}, *csv.DictReader(_lines(history))
    ended, losses = last.pop("epoch"), list(last)
    # The validation Dice is last, and says more than a loss.
    shown = losses[-1:] if "val_dice" in losses else losses[:_LOSSES]
    values = [f"{name} {float(last[name]):.3f}" for name in shown]
    return ", ".join([f"epoch {ended}/{epochs}", *_time_left(log), *values])


def _time_left(log: Path) -> list[str]:
    found = (found for line in reversed(_lines(log)) if (found := _LEFT.search(line)))
    return [f"{one.group(1)} left" for one in found][:1]


def _lines(path: Path) -> list[str]:
    """Return the lines of a file that may vanish at any time, as when a training ends."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def report(works: list[Work], name: str, columns: int) -> Iterator[str]:
    """Yield the lines that `python -m workflow status` prints, `columns` wide but for paths."""
    by_state = {state: [work for work in works if work.state == state] for state in STATES}
    counts = ", ".join(f"{len(some)} {state}" for state, some in by_state.items() if some)
    yield _filled(f"{name}: {len(works)} runs, {counts}.", columns, "  ")
    if old := sum(work.detail == OUTDATED for work in by_state["waiting"]):
        text = (
            "waiting have scores of other settings, code or patients, which `snakemake` replaces."
        )
        yield _filled(f"{old} of those {text}", columns, "  ")
    once = len({work.replicate for work in works}) == 1
    names = {work: work.run if once else f"{work.run}, {work.replicate.title}" for work in works}
    for state in ("running", "failed"):
        some = by_state[state]
        yield from ["", state] if some else []
        width = min(max((len(names[work]) for work in some), default=0), columns - 14)
        for work in some:
            line = f"  {names[work]:{width}}  {work.verb:10}"
            if state == "running":
                yield _filled(f"{line}  {work.detail}".rstrip(), columns, " " * 6)
            else:
                yield line.rstrip()
                yield _filled(f"      {work.detail}", columns, " " * 6)
                yield f"      log: {work.log}"
    for state in ("waiting", "done"):
        if by_state[state]:
            listed = "; ".join(names[work] for work in by_state[state])
            yield f"\n{_filled(f'{state}: {listed}', columns, '  ')}"


def _filled(text: str, columns: int, indent: str) -> str:
    """Wrap a text between words, and never within a path or a command."""
    return textwrap.fill(
        text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
