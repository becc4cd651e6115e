"""`python -m workflow VERB`: what every rule of the DAG runs, with or without Snakemake."""

import argparse
import gc
import importlib
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.config import Benchmark, load
from benchmarks.errors import InputError
from workflow.layout import Layout
from workflow.locks import exclusive
from workflow.records import write_records
from workflow.verbs import ARGUMENTS, CONFIG, VERBS, module

if TYPE_CHECKING:
    from workflow.plan import Plan


def main(arguments: list[str] | None = None) -> int:
    """Run one verb, then write down what it took and made.

    Returns
    -------
    0 if all went well, 2 if the user's input is invalid, 128 and the signal's number after Ctrl-C
    or SIGTERM.
    """
    chosen = vars(_parser().parse_args(arguments))
    # What a cluster sends before it kills: end as after Ctrl-C, with everything tidied up.
    signal.signal(signal.SIGTERM, _interrupted)
    verb = chosen.pop("verb")
    try:
        benchmark = load(**{key: chosen.pop(key) for key in CONFIG})
        function = import_module(module(verb)).run
        if "repeat" in chosen:
            chosen["place"] = _place(benchmark, chosen.pop("repeat"), chosen.pop("fold"))
        if "seed" in chosen:
            chosen["replicate"] = _replicate(benchmark, chosen.pop("seed"), chosen.pop("place"))
        subject = _plan(benchmark, chosen["run"]) if "run" in chosen else benchmark
        with _alone(benchmark, verb, **chosen):
            records = function(subject, **chosen)
            if records:
                # A job's record is named by what it was asked for: `train/cutgan/seed0`.
                parts = filter(None, map(str, chosen.values()))
                write_records(Layout(benchmark.name).record(verb, *parts), records)
    except KeyboardInterrupt as interrupt:
        print("\nInterrupted. Run the same command again to resume.\n", file=sys.stderr)
        return 128 + (interrupt.args or (signal.SIGINT,))[0]
    except Exception as error:
        # By name, since importing TrainingError would import torch.
        if type(error).__name__ not in ("InputError", "MethodError", "TrainingError"):
            raise
        print(f"\n{error}\n", file=sys.stderr)
        return 2
    return 0


def import_module(name: str) -> ModuleType:
    """Import a module whose objects Python never searches for garbage.

    All of torch's take a tenth of a second at a time, half a second at the end of the process, and
    while they are imported half as long again.
    """
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _plan(benchmark: Benchmark, run: str) -> "Plan":
    """Return the plan once it has the run: an unknown name gets no folder."""
    from workflow.plan import Plan

    plan = Plan(benchmark)
    plan[run]
    return plan


def _place(benchmark: Benchmark, repeat: int, fold: int | None) -> Place:
    """Return a repeat and fold of the split, once the benchmark has them."""
    place, split = Place(repeat, fold), benchmark.results.split
    if place not in split.places:
        where = benchmark.where("results", "split")
        have = "; ".join(one.arguments.strip() or "neither of the two" for one in split.places)
        found = place.arguments.strip() or "neither --repeat nor --fold"
        raise InputError(f"{where}: found {found}; write {have}.")
    return place


def _replicate(benchmark: Benchmark, seed: int, place: Place) -> Replicate:
    if seed not in benchmark.results.seeds:
        seeds = ", ".join(map(str, benchmark.results.seeds))
        where = benchmark.where("results", "seeds")
        raise InputError(f"{where}: {seed} is none of the seeds, {seeds}.")
    return Replicate(seed, place)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt(number)


@contextmanager
def _alone(
    benchmark: Benchmark,
    verb: str,
    run: str = "",
    replicate: Replicate | None = None,
    kind: str = "",
    **others: object,
) -> Iterator[None]:
    """Let one process at a time do a verb on which a row depends, and record its failure.

    A second process waits, e.g. for a job that outlived its Snakemake.
    """
    if not VERBS[verb].shown:
        yield
        return
    from workflow.status import record_failure

    folder = Layout(benchmark.name).run(run, replicate)
    with (
        exclusive(folder.lock(verb), f"running `{verb}` in {folder.path}"),
        record_failure(folder.failure(verb, kind)),
    ):
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workflow", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, verb in VERBS.items():
        one = verbs.add_parser(name, help=verb.help, description=verb.help)
        for key, text in CONFIG.items():
            default = verb.benchmark if key == "benchmark" else None
            one.add_argument(f"--{key}", default=default, help=text)
        for argument in verb.arguments:
            if argument == "table":
                one.add_argument(argument, nargs="?", default="", help=ARGUMENTS[argument])
                continue
            kind = int if argument in ("seed", "repeat", "fold") else str
            default = {"repeat": {"default": 0}, "fold": {}}.get(argument, {"required": True})
            one.add_argument(f"--{argument}", type=kind, help=ARGUMENTS[argument], **default)
    return parser


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # what the locale has no bytes for
    sys.exit(main())
