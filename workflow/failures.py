"""What became of a job that did not end well: tables show the reason in place of numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.config import Benchmark
from benchmarks.files import write_atomically
from workflow.layout import Layout
from workflow.plan import Plan, Run

VERBS = ("train", "synthesize", "segment", "score")
NOT_RUN = "it has not been run yet"


@contextmanager
def noted(benchmark: Benchmark, verb: str, run: str, seed: int) -> Iterator[None]:
    """Leave a note of the reason, unless the block ends well.

    The note is there from the start, since a process that is killed, as for want of memory, says
    nothing any more.
    """
    known = Plan(benchmark)[run]  # a name that is mistyped gets no folder
    path = Layout(benchmark.name).failure(known.name, seed, verb)
    _write(path, "it has begun, but not ended; killed, out of memory, or still running")
    try:
        yield
    except KeyboardInterrupt:
        _write(path, "it was interrupted")
        raise
    except Exception as error:
        _write(path, reason(error))
        raise
    path.unlink()


def _write(path: Path, text: str) -> None:
    with write_atomically(path) as file:
        file.write(text.encode())


def reason(error: Exception) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    # Messages of our own say all there is to know; of others', the type does half of it.
    if type(error).__module__.split(".")[0] not in ("benchmarks", "methods", "workflow"):
        return f"{type(error).__name__}: {text}"
    return text


def explain(plan: Plan, run: Run, seed: int) -> str:
    """Why `run` has no scores: its own reason, or that of a run that it builds on."""
    layout = Layout(plan.benchmark.name)
    for verb in VERBS:
        path = layout.failure(run.name, seed, verb)
        if path.exists():
            return f"{verb}: {path.read_text()}"
    for name in run.builds_on:
        if explain(plan, plan[name], seed) != NOT_RUN:
            return f"it builds on {name}, which failed"
    return NOT_RUN
