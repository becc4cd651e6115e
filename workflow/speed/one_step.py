"""Take one step of a benchmark in the current folder, and answer with what it takes.

    python -m workflow.speed.one_step STEP REPEATS

The folder is a copy of this repository that `workflow.speed.growth` has made, where `FILE` is the
benchmark and `DATA` its patients.
"""

import gc
import importlib
import json
import multiprocessing
import multiprocessing.connection
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.cohorts.brats import find_patients
from benchmarks.config import load
from workflow.__main__ import VERBS
from workflow.__main__ import main as command
from workflow.speed.measuring import resident, resident_peak
from workflow.speed.processes import answering

FILE, DATA = "growth.yaml", "data"
PREPARED = "prepared"
"""The folder, beside this one, of the patients that all others are copies of."""
PATIENT, ENTRY = "Growth_0001", "pix2pix"
"""Who is prepared, and what is trained and scored."""
ENOUGH = 4.0
"""Seconds after which a step is not taken again."""
OPTIONS = {"prepare": ["--patient", PATIENT], "score": ["--run", ENTRY, "--seed", "0"]}


def work_of(step: str) -> Callable[[], object]:
    """A step, with all that it imports already there."""
    arguments = ["--benchmark", FILE, "--data", DATA]
    if step in VERBS:
        importlib.import_module(VERBS[step][0])
        if step in ("draw", "page"):
            importlib.import_module("benchmarks.reporting.figures")
        return partial(_checked, command, [step, *arguments, *OPTIONS.get(step, [])])
    if step == "find patients":
        return partial(find_patients, Path(DATA))
    if step == "verify":
        from benchmarks.__main__ import main as verify

        # That patients share their images it says, and is right: they are a few under many names.
        return partial(_checked, verify, ["verify"], allowed=(0, 1))
    if step == "snakemake -n":
        return _dry_run()
    benchmark = load(FILE, DATA)
    if step == "build the DAG":
        from workflow.dag import Dag

        return partial(Dag, {"benchmark": FILE, "data": DATA})
    from workflow.plan import Plan
    from workflow.train import make_job
    from workflow.training.data import plan_epoch
    from workflow.training.seeding import generator

    def begin_training() -> None:
        plan = Plan(benchmark)
        job = make_job(plan, plan[ENTRY], seed=0)
        plan_epoch(job.train, job.pairing, job.batch, generator(0))

    return begin_training


def _checked(
    command: Callable[[list[str]], int], arguments: list[str], allowed: tuple[int, ...] = (0,)
) -> None:
    if (code := command(arguments)) not in allowed:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {code}")


def _dry_run() -> Callable[[], None]:
    from snakemake.cli import main as snakemake

    def plan() -> None:
        arguments = ["-n", "--quiet", "--cores", "1", "--config"]
        try:
            snakemake([*arguments, f"benchmark={FILE}", f"data={DATA}"])
        except SystemExit as end:
            if end.code:
                raise RuntimeError("snakemake -n failed") from end

    # What the Snakefile imports takes the same time whatever the sizes.
    importlib.import_module("workflow.dag")
    return plan


def measured(work: Callable[[], object]) -> dict:
    """What some work takes, in a process that begins where this one is."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_report, args=(work, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def _report(work: Callable[[], object], pipe: multiprocessing.connection.Connection) -> None:
    began, held = time.process_time(), resident()
    work()
    seconds = time.process_time() - began
    pipe.send({"core_seconds": seconds, "memory_bytes": resident_peak() - held})


def main() -> None:
    """Write the least that the step takes in so many repeats."""
    step, repeats = sys.argv[1:]
    with answering() as answers:
        work = work_of(step)
        gc.freeze()  # as `import_module` does
        took = [measured(work)]
        while len(took) < int(repeats) and sum(each["core_seconds"] for each in took) < ENOUGH:
            took.append(measured(work))
        print(json.dumps({key: min(each[key] for each in took) for key in took[0]}), file=answers)


if __name__ == "__main__":
    main()
