"""What is done, running, failed and waiting, from the files of the results alone.

So it is the same beside a running Snakemake, on a cluster, and after a crash.
"""

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

_PROGRESS = re.compile(r"(epoch \d+/\d+)  step \S+  (.*)  left (\S+)$")
_LOSSES = 3  # that one line has room for


@dataclass(frozen=True)
class Work:
    """A run and replicate, and how far it is.

    Attributes
    ----------
    verb : the command that is running, failed, or comes next; "" if all are done.
    detail : of a training its epoch, losses and time left; of a failure its reason.
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
        else _unfinished(layout, run, replicate)
        for run, replicate in plan.pairs
    ]
    return sorted(works, key=lambda work: STATES.index(work.state))


def _unfinished(layout: Layout, run: Run, replicate: Replicate) -> Work:
    folder = layout.run(run.name, replicate)
    waits_for = ""
    for verb, *rest in jobs(run, replicate):
        log = layout.log(verb, *rest)
        for path in folder.failures(verb):
            reason = path.read_text(encoding="utf-8")
            state, detail = "failed", reason
            if reason == BEGUN and (is_held(folder.lock(verb)) or _grows(log)):
                state, detail = "running", _progress(log)
            return Work(run.name, replicate, state, verb, detail, str(log))
        if not waits_for and not layout.record(verb, *rest).exists():
            waits_for = verb
    return Work(run.name, replicate, "waiting", waits_for or "score")


def _grows(log: Path) -> bool:
    """Whether a job has written to its log lately: of another machine's job no lock is seen."""
    return log.is_file() and time.time() - log.stat().st_mtime < QUIET


def _progress(log: Path) -> str:
    """Return the epoch, some losses and the time left that the last line of a log has."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.is_file() else []
    for line in reversed(lines):
        if found := _PROGRESS.search(line.rpartition("\r")[2]):
            epoch, losses, left = found.groups()
            chosen = re.findall(r"\S+ [-\d.e+]+", losses)
            # The validation Dice is last, and says more than a loss.
            shown = chosen[-1:] if "val_dice" in losses else chosen[:_LOSSES]
            return f"{epoch}, {left} left, {', '.join(shown)}"
    return ""


def report(works: list[Work], name: str, columns: int) -> Iterator[str]:
    """Yield the lines that `python -m workflow status` prints, `columns` wide but for reasons."""
    by_state = {state: [work for work in works if work.state == state] for state in STATES}
    counts = ", ".join(f"{len(some)} {state}" for state, some in by_state.items() if some)
    yield f"{name}: {len(works)} runs, {counts}."
    once = len({work.replicate for work in works}) == 1
    names = {work: work.run if once else f"{work.run}, {work.replicate.title}" for work in works}
    for state in ("running", "failed"):
        some = by_state[state]
        yield from ["", state] if some else []
        width = max((len(names[work]) for work in some), default=0)
        for work in some:
            yield f"  {names[work]:{width}}  {work.verb:10}  {work.detail}".rstrip()
            if state == "failed":
                yield f"  {'':{width}}  log: {work.log}"
    for state in ("waiting", "done"):
        if by_state[state]:
            listed = "; ".join(names[work] for work in by_state[state])
            yield f"\n{textwrap.fill(f'{state}: {listed}', columns, subsequent_indent='  ')}"
