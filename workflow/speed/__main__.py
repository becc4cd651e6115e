"""Measure how fast everything is on this machine, and print it.

    python -m workflow.speed [--benchmark phantom] [--only steps,pipeline] [--json FILE]
    python -m workflow.speed --benchmark brats2020
    python -m workflow.speed --official cyclegan=PATH --official drit=PATH
    python -m workflow.speed --only dag [--finished FOLDER]
    python -m workflow.speed --only growth --benchmark brats2020 --scale two_cores --data FOLDER

Sizes are those of the benchmark file: `brats2020` has the paper's, which want a GPU. `--size`,
`--batch` and `--width` replace them. Each `--official` times our step beside that of the official
code in PATH, a checkout that the user has; nothing in it is changed. `dag` runs a small phantom's
DAG, two minutes, or looks at one that has run. `growth` takes ten minutes, and only by its name.

The JSON holds `date`, `commit`, `dirty` (whether files differ from it), `machine`, `python`,
`torch`, `threads`, `settings`, and `pieces`: by name the `rows` of `workflow.speed.pieces`, or why
it was `skipped`, and the `seconds` that measuring it took.
"""

import argparse
import importlib.metadata
import json
import platform
import sys
import tempfile
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from workflow.machine import describe_machine, git_state
from workflow.speed.dag import finished
from workflow.speed.pieces import PIECES, measure, table
from workflow.speed.processes import ROOT
from workflow.speed.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 0 if all went well, 2 if what the user gave is at fault."""
    parser = _parser()
    chosen = vars(parser.parse_args(arguments))
    names, file = chosen.pop("only"), chosen.pop("json")
    try:
        official = _official(chosen.pop("official"))
        names = _names(names, official)
        for option in ("figure", "finished"):  # the processes that measure lie elsewhere
            chosen[option] = chosen[option] and str(Path(chosen[option]).absolute())
        if chosen["finished"]:
            finished(Path(chosen["finished"]))  # complain now
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(folder=folder, official=official, **chosen)
            _measure_all(names, settings, file)
    except InputError as error:
        print(f"\n{error}\n", file=sys.stderr)
        return 2
    return 0


def _measure_all(names: list[str], settings: Settings, file: Path | None) -> None:
    if settings.repeats < 1:
        raise InputError(f"--repeats {settings.repeats}: write at least 1.")
    # Complain now; widths, which no file can get wrong, would need torch.
    benchmark = replace(settings, width=None).load()
    code = git_state(ROOT)
    told = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": code.commit,
        "dirty": code.dirty,
        "machine": describe_machine(),
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "threads": benchmark.speed.threads,
        "settings": {k: v for k, v in asdict(settings).items() if k != "folder"},
        "pieces": {},
    }
    results = benchmark.results
    machine = told["machine"]
    print(
        f"{told['date']}, commit {(code.commit or 'unknown')[:8]}{' and edits' * bool(code.dirty)}"
        f"\n{machine['cpu']}, {machine['cores']} cores; {', '.join(machine['gpus']) or 'no GPU'}"
        f"\ntorch {told['torch']}, {told['threads']} threads; benchmark {benchmark.name}: "
        f"{results.slices.crop} px, batch {results.training.batch}"
        + (f", width {settings.width}" if settings.width else "")
    )
    for name in names:
        began = time.monotonic()
        found = measure(name, settings)
        found["seconds"] = round(time.monotonic() - began, 1)
        told["pieces"][name] = found
        print(f"\n**{PIECES[name].title}** ({name})\n")
        print(table(found["rows"]) if "rows" in found else f"skipped: {found['skipped']}")
        sys.stdout.flush()
    if file is not None:
        with write_atomically(file) as out:
            out.write(json.dumps(told, indent=1).encode())


def _names(only: str | None, official: dict[str, str]) -> list[str]:
    """The pieces to measure: `growth`, which takes long, only where it is asked for, and `official`
    whenever there is something to compare with."""
    every = [name for name in PIECES if name not in ("growth", "official")]
    names = every if only is None else only.split(",")
    if unknown := ", ".join(name for name in names if name not in PIECES):
        raise InputError(f"--only {only}: there is no {unknown}. There are {', '.join(PIECES)}.")
    if "official" in names and not official:
        raise InputError("--only official: with what? Add --official NAME=PATH.")
    return list(dict.fromkeys([*names, *["official"] * bool(official)]))


def _official(given: list[str]) -> dict[str, str]:
    """NAME=PATH -> the path by its name; each is seen to be a checkout of what it says."""
    if not given:
        return {}
    from workflow.speed.official import OFFICIAL

    known = ", ".join(OFFICIAL)
    found = {}
    for item in given:
        name, equals, path = item.partition("=")
        if not equals:
            raise InputError(f"--official {item}: write NAME=PATH, NAME one of {known}.")
        if name not in OFFICIAL:
            raise InputError(f"--official {item}: there is no {name}. There are {known}.")
        OFFICIAL[name].check(name, path)
        found[name] = path
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workflow.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--benchmark", default="phantom", help="a name, or the path of a .yaml")
    add("--scale", help="a name below benchmarks/scales")
    add("--data", help="a folder of BraTS patients; without one, a phantom is simulated")
    add("--only", metavar="PIECE,...", help=f"of {', '.join(PIECES)}")
    add("--json", type=Path, metavar="FILE", help="write everything there too")
    add("--official", action="append", default=[], metavar="NAME=PATH", help="may be repeated")
    add("--size", type=int, help="side of the slices in px, a multiple of 16")
    add("--batch", type=int, help="slices")
    add("--width", type=int, help="of all networks; the paper's is 64")
    add("--device", choices=["auto", "cpu", "cuda"])
    add("--precision", choices=["float32", "bf16", "fp16"], help="on a GPU")
    add("--compile", choices=["none", "kernels", "graphs"], help="as speed.compile")
    add("--channels-last", action=argparse.BooleanOptionalAction, help="as speed.channels_last")
    add("--threads", type=int, help="of the CPU")
    add("--repeats", type=int, default=5, help="how often each thing is timed; the median counts")
    add("--patients", type=int, default=369, help="that the DAG is planned for")
    add("--finished", metavar="FOLDER", help="look at the DAG that was run there")
    add("--figure", metavar="FILE", help="draw the curves of growth there, as PNG")
    return parser


if __name__ == "__main__":
    sys.exit(main())
