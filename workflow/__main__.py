"""`python -m workflow VERB`: what every rule of the DAG runs, with or without Snakemake."""

import argparse
import gc
import importlib
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType

from benchmarks.config import Benchmark, load
from benchmarks.errors import InputError
from workflow.layout import Layout
from workflow.records import write_records
from workflow.verbs import ARGUMENTS, VERBS, module


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
        benchmark = load(chosen.pop("benchmark"), chosen.pop("data"), chosen.pop("scale"))
        function = import_module(module(verb)).run
        if "seed" in chosen and chosen["seed"] not in benchmark.results.seeds:
            seeds = ", ".join(map(str, benchmark.results.seeds))
            place = benchmark.where("results", "seeds")
            raise InputError(f"{place}: {chosen['seed']} is none of the seeds, {seeds}.")
        with _recorded_failure(benchmark, verb, **chosen):
            records = function(benchmark, **chosen)
            if records:
                # A job's record is named by what it was asked for: `train/cutgan/seed0`.
                parts = [f"seed{x}" if key == "seed" else x for key, x in chosen.items()]
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


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt(number)


def _recorded_failure(
    benchmark: Benchmark, verb: str, run: str = "", seed: int = 0, patient: str = ""
) -> AbstractContextManager:
    """Return what surrounds a verb on which a row of a table depends."""
    if not VERBS[verb].shown:
        return nullcontext()
    from workflow.plan import Plan
    from workflow.status import record_failure

    known = Plan(benchmark)[run]  # an unknown name gets no folder
    return record_failure(Layout(benchmark.name).run(known.name, seed).failure(verb))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workflow", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, verb in VERBS.items():
        one = verbs.add_parser(name, help=verb.help, description=verb.help)
        one.add_argument("--benchmark", default="phantom", help="a name, or the path of a .yaml")
        one.add_argument("--data", help="the BraTS folder")
        one.add_argument("--scale", help="a name below benchmarks/scales, for smaller machines")
        for argument in verb.arguments:
            kind = int if argument == "seed" else str
            one.add_argument(f"--{argument}", required=True, type=kind, help=ARGUMENTS[argument])
    return parser


if __name__ == "__main__":
    sys.exit(main())
