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

# Each verb's module is imported when it is asked for: preparing a patient needs no torch.
VERBS = {
    "simulate": ("workflow.cohort", ["patient"]),
    "prepare": ("workflow.cohort", ["patient"]),
    "split": ("workflow.cohort", []),
    "train": ("workflow.train", ["run", "seed"]),
    "synthesize": ("workflow.predict", ["run", "seed"]),
    "segment": ("workflow.predict", ["run", "seed"]),
    "score": ("workflow.score", ["run", "seed"]),
    "export": ("workflow.predict", ["run", "seed"]),
    "tabulate": ("workflow.tabulate", []),
    "draw": ("workflow.draw", []),
    "manifest": ("workflow.manifest", []),
    "page": ("workflow.page", []),
    "show": ("workflow.tabulate", []),
}
HELP = {
    "patient": "the patient's name, as its folder has it",
    "run": "e.g. cutgan, maf_net.joint, or cutgan+unet for the segmentor behind cutgan",
    "seed": "one of the benchmark's seeds",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one verb.

    Returns 0 if all went well, 2 if what the user gave is at fault, 128 and the signal's number
    after Ctrl-C or SIGTERM.
    """
    chosen = vars(_parser().parse_args(arguments))
    # What a cluster sends before it kills: end as after Ctrl-C, with everything tidied up.
    signal.signal(signal.SIGTERM, _interrupted)
    verb = chosen.pop("verb")
    try:
        benchmark = load(chosen.pop("benchmark"), chosen.pop("data"), chosen.pop("scale"))
        module, names = VERBS[verb]
        function = getattr(import_module(module), f"run_{verb}")
        values = {name: chosen[name] for name in names}
        if "seed" in values and values["seed"] not in benchmark.results.seeds:
            seeds = ", ".join(map(str, benchmark.results.seeds))
            where = benchmark.where("results", "seeds")
            raise InputError(f"{where}: {values['seed']} is none of the seeds, {seeds}.")
        with _watched(benchmark, verb, **values) if "run" in values else nullcontext():
            function(benchmark, **values)
    except KeyboardInterrupt as interrupt:
        print("\nInterrupted. The same command again goes on from here.\n", file=sys.stderr)
        return 128 + (interrupt.args or (signal.SIGINT,))[0]
    except Exception as error:
        if not _is_users(error):
            raise
        print(f"\n{error}\n", file=sys.stderr)
        return 2
    return 0


def import_module(module: str) -> ModuleType:
    """Import a module whose objects Python never searches for garbage.

    All of torch's take a tenth of a second at a time, half a second at the end of the process, and
    while they are imported half as long again.
    """
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt(number)


def _watched(benchmark: Benchmark, verb: str, run: str, seed: int) -> AbstractContextManager:
    """Around all that a row of a table depends on."""
    from workflow import failures

    if verb not in failures.VERBS:
        return nullcontext()
    return failures.noted(benchmark, verb, run, seed)


def _is_users(error: Exception) -> bool:
    """Whether the message says all there is to know. Named, not imported: torch takes seconds."""
    return isinstance(error, InputError) or type(error).__name__ in ("MethodError", "TrainingError")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workflow", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, (_, names) in VERBS.items():
        one = verbs.add_parser(verb)
        one.add_argument("--benchmark", default="phantom", help="a name, or the path of a .yaml")
        one.add_argument("--data", help="the BraTS folder")
        one.add_argument("--scale", help="a name below benchmarks/scales, for smaller machines")
        for name in names:
            kind = int if name == "seed" else str
            one.add_argument(f"--{name}", required=True, type=kind, help=HELP[name])
    return parser


if __name__ == "__main__":
    sys.exit(main())
