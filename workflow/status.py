"""Which runs are scored, and why the others are not: tables show the reason of a failure."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cohorts.replicate import Replicate
from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from benchmarks.reporting.rows import Row
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.predictions import VERBS as PREDICT
from workflow.records import verify_made
from workflow.stored import with_cohort
from workflow.verbs import VERBS

NOT_RUN = "it has not been run yet"
# A process that is killed, as for want of memory, cannot report.
BEGUN = "it has begun, but not ended; killed, out of memory, or still running"

Pair = tuple[Run, Replicate]


@dataclass(frozen=True)
class Status:
    """Which pairs have scores of today's settings, code and patients, and why others have none."""

    scored: Sequence[Pair]
    reasons: dict[Pair, str]


def run_status(plan: Plan) -> Status:
    """Return which runs are scored, and why the others are not."""
    scored = [pair for pair in plan.pairs if _is_scored(plan, *pair)]
    return Status(scored, {pair: _reason(plan, *pair) for pair in plan.pairs if pair not in scored})


def verify_scored(plan: Plan, status: Status) -> None:
    """Compare the losses, costs, indices and scores of scored runs with the jobs' records.

    Raises
    ------
    InputError : a file was damaged or edited since its job wrote it; or the cost of a prediction is
        missing, as in results of an older version.
    """
    layout = Layout(plan.benchmark.name)
    for run, replicate in status.scored:
        cost = layout.run(run.name, replicate).prediction_cost
        if run.synthesizes and not cost.is_file():
            raise InputError(
                f"There is no {cost}, which Table IV needs. Run the same `snakemake` command "
                f"again, or `python -m workflow synthesize --run {run.name} {replicate.arguments}`."
            )
        for job in jobs(run, replicate):
            verify_made(layout.record(*job))


def jobs(run: Run, replicate: Replicate) -> list[tuple[str, ...]]:
    """Return the jobs that make a run's scores, in their order, as their records are named."""
    pair = (run.name, str(replicate))
    if run.kind == "external":
        made = [("ingest", run.name, kind, str(replicate)) for kind in run.makes]
    else:
        made = [(PREDICT[kind], *pair) for kind in run.makes]
    return [*([("train", *pair)] if run.trained else []), *made, ("score", *pair)]


def mark_failed(rows: Sequence[Row], status: Status) -> list[Row]:
    """Return the rows with the reason where a run, or one of its replicates, failed."""
    failed: dict[str, str] = {}
    for (run, _), reason in status.reasons.items():
        if reason != NOT_RUN:
            failed.setdefault(run.name, reason)
    return [replace(row, failure=failed.get(row.run, "")) for row in rows]


@contextmanager
def record_failure(path: Path) -> Iterator[None]:
    """Write the reason to `path`, unless the block ends well.

    A first reason is written at the start (see `BEGUN`).
    """
    _write(path, BEGUN)
    try:
        yield
    except KeyboardInterrupt:
        _write(path, "it was interrupted")
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        # Our own messages are complete; others need the exception's type.
        ours = type(error).__module__.split(".")[0] in ("benchmarks", "methods", "workflow")
        _write(path, text if ours else f"{type(error).__name__}: {text}")
        raise
    path.unlink(missing_ok=True)


def write_scores_digest(plan: Plan, run: Run, replicate: Replicate) -> None:
    """Record that a run's scores are of today's settings, code and patients."""
    folder = Layout(plan.benchmark.name).run(run.name, replicate)
    _write(folder.scores_digest, _scores_digest(plan, run, replicate))


def _write(path: Path, text: str) -> None:
    with write_atomically(path) as file:
        file.write(text.encode())


def _is_scored(plan: Plan, run: Run, replicate: Replicate) -> bool:
    folder = Layout(plan.benchmark.name).run(run.name, replicate)
    written = folder.scores.exists() and folder.scores_digest.exists()
    digest = _scores_digest(plan, run, replicate)
    return written and folder.scores_digest.read_bytes().decode() == digest


def _scores_digest(plan: Plan, run: Run, replicate: Replicate) -> str:
    """Hash everything that a run's scores follow from."""
    parts = [
        with_cohort(plan.digest(run, replicate.seed), plan.benchmark, replicate.place),
        [protocol.model_dump(mode="json") for protocol in plan.protocols],
        plan.held_out(),
        plan.code("score"),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _reason(plan: Plan, run: Run, replicate: Replicate) -> str:
    """Why `run` has no scores: its own reason, or that of a run that it builds on."""
    folder = Layout(plan.benchmark.name).run(run.name, replicate)
    for verb in (name for name, verb in VERBS.items() if verb.shown):
        for path in folder.failures(verb):
            return f"{verb}: {path.read_text(encoding='utf-8')}"
    for name in run.builds_on:
        if _reason(plan, plan[name], replicate) != NOT_RUN:
            return f"it builds on {name}, which failed"
    return NOT_RUN
