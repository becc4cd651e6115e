"""Measure how fast everything is on this machine, and print it.

    python -m workflow.speed [--benchmark phantom] [--only steps,pipeline] [--json FILE]
    python -m workflow.speed --benchmark brats2020
    python -m workflow.speed --official cyclegan=PATH --official drit=PATH
    python -m workflow.speed --only dag [--finished FOLDER]
    python -m workflow.speed --only growth --benchmark brats2020 --scale two_cores --data FOLDER

Sizes are those of the benchmark file: `brats2020` has the paper's, which need a GPU. `--size`,
`--batch` and `--width` replace them. Each `--official` times our step beside that of the official
code in PATH, your checkout of it, which is not changed. `dag` runs a small phantom's DAG, which
takes two minutes, or looks at one that has run. `growth` takes ten minutes, `packing`
(trainings that share a GPU) three, `profile` (a step's time by kind of operation) one; these must
be named.

The JSON describes machine and code (`dirty`: files differ from `commit`), and under `pieces` holds
for each measurement its `rows`, or why it was `skipped`, and the `seconds` that it took.
"""

import argparse
import importlib.metadata
import json
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from methods.errors import MethodError
from workflow.machine import describe_machine, git_state
from workflow.speed.dag import finished
from workflow.speed.measurements import MEASUREMENTS, measure, table
from workflow.speed.processes import ROOT
from workflow.speed.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; return 0 if all went well, 2 if the user's input is invalid."""
    chosen = vars(_parser().parse_args(arguments))
    only, file = chosen.pop("only"), chosen.pop("json")
    try:
        chosen["official"] = _official(chosen["official"])
        names = _names(only, chosen["official"])
        for option in ("figure", "finished"):  # the processes that measure have another folder
            chosen[option] = chosen[option] and str(Path(chosen[option]).absolute())
        if chosen["finished"]:
            finished(Path(chosen["finished"]))  # complain now
        if chosen["repeats"] < 1:
            raise InputError(f"--repeats {chosen['repeats']}: write at least 1.")
        with tempfile.TemporaryDirectory() as folder:
            _measure_all(names, Settings(folder=folder, **chosen), file)
    except (InputError, MethodError) as error:
        print(f"\n{error}\n", file=sys.stderr)
        return 2
    return 0


def _measure_all(names: list[str], settings: Settings, file: Path | None) -> None:
    benchmark = settings.load()  # complain now
    results, machine, code = benchmark.results, describe_machine(), git_state(ROOT)
    commit = (code.commit or "unknown")[:8]
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": code.commit,
        "dirty": code.dirty,
        "machine": machine,
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "threads": benchmark.speed.threads,
        "settings": {k: v for k, v in asdict(settings).items() if k != "folder"},
        "pieces": {},
    }
    print(
        f"{report['date']}, commit {commit}{' and edits' * bool(code.dirty)}\n"
        f"{machine['cpu']}, {machine['cores']} cores; {', '.join(machine['gpus']) or 'no GPU'}\n"
        f"torch {report['torch']}, {report['threads']} threads; benchmark {benchmark.name}: "
        f"{results.slices.crop} px, batch {results.training.batch}"
        f"{f', width {settings.width}' if settings.width else ''}"
    )
    for name in names:
        began = time.monotonic()
        piece = measure(name, settings)
        report["pieces"][name] = piece | {"seconds": round(time.monotonic() - began, 1)}
        shown = table(piece["rows"]) if "rows" in piece else f"skipped: {piece['skipped']}"
        print(f"\n**{MEASUREMENTS[name][0]}** ({name})\n\n{shown}", flush=True)
    if file is not None:
        with write_atomically(file) as out:
            out.write(json.dumps(report, indent=1).encode())


def _names(only: str | None, official: dict[str, str]) -> list[str]:
    """Return what to measure: without `--only` all but what must be named."""
    names = [
        name for name in MEASUREMENTS if name not in ("growth", "packing", "profile", "official")
    ]
    names = names if only is None else only.split(",")
    if unknown := ", ".join(name for name in names if name not in MEASUREMENTS):
        known = ", ".join(MEASUREMENTS)
        raise InputError(f"--only {only}: there is no {unknown}. Write some of {known}.")
    if "official" in names and not official:
        raise InputError("--only official: with what? Add --official NAME=PATH.")
    return list(dict.fromkeys([*names, *["official"] * bool(official)]))


def _official(given: list[str]) -> dict[str, str]:
    """Return the paths of NAME=PATH by name, each checked to be a checkout of it."""
    if not given:
        return {}
    from workflow.speed.official import OFFICIAL

    paths = {}
    for item in given:
        name, _, path = item.partition("=")
        if not path or name not in OFFICIAL:
            known = ", ".join(OFFICIAL)
            raise InputError(f"--official {item}: write NAME=PATH, NAME one of {known}.")
        OFFICIAL[name].check(name, path)
        paths[name] = path
    return paths


def _parser() -> argparse.ArgumentParser:
    shown = {"description": __doc__, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser("python -m workflow.speed", **shown)
    add = parser.add_argument
    add("--benchmark", default="phantom", help="a name, or the path of a .yaml")
    add("--scale", help="a name below benchmarks/scales")
    add("--data", help="a folder of BraTS patients; without one, a phantom is simulated")
    add("--only", metavar="PIECE,...", help=f"of {', '.join(MEASUREMENTS)}")
    add("--json", type=Path, metavar="FILE", help="write everything there too")
    add("--official", action="append", default=[], metavar="NAME=PATH", help="may be repeated")
    add("--size", type=int, help="side of the slices in px, a multiple of 16")
    add("--batch", type=int, help="slices")
    add("--width", type=int, help="of all networks, parameters `width` and `..._width`")
    add("--device", choices=["auto", "cpu", "cuda"])
    add("--precision", choices=["float32", "bf16", "fp16"], help="as speed.precision")
    add("--compile", choices=["none", "kernels", "graphs"], help="as speed.compile")
    add("--channels-last", action=argparse.BooleanOptionalAction, help="as speed.channels_last")
    add("--threads", type=int, help="of the CPU")
    add("--repeats", type=int, default=5, help="how often each thing is timed; the median counts")
    add("--patients", type=int, default=369, help="that the DAG is planned for")
    add("--finished", metavar="FOLDER", help="look at the DAG that was run there")
    add("--figure", metavar="FILE", help="draw the curves of growth there, as PNG")
    return parser


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # what the locale has no bytes for
    sys.exit(main())
