"""`python -m methods list` lists the methods, `python -m methods new NAME` creates one."""

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path

from methods.errors import MethodError
from methods.external import KINDS, PATIENT, fault_of, guess_patterns, kind_of
from methods.registry import FOLDER, NAME, discover

NEXT = """\
Created {folder}, a method that runs as it is:
  method.yaml   its title, its kind, its parameters
  method.py     its networks, one training step, one prediction

Next:
  {python} -m pytest tests/test_contract.py -k {name}   # run the contract tests
  {snakemake} --cores 2   # its rows in results/tables/phantom/
methods/README.md is the guide."""

NEXT_EXTERNAL = """\
Created {folder}/method.yaml, an entry of volumes that were made elsewhere:
{patterns}
If a file's name is not what it says, correct it there. Then:
  write the patients that the method was trained on into `learned_from`
  {snakemake} --cores 2{config}   # checks the files first, then its rows
methods/README.md says what is checked."""


def new(name: str, folder: Path = FOLDER) -> Path:
    """Copy the template to a new folder below `folder`, and return it.

    Raises
    ------
    MethodError : the name cannot be a Python module's, or is taken.
    """
    target = _new_folder(name, folder)
    words = name.split("_")
    replaced = {"TITLE": _title(name), "Template": "".join(map(str.title, words))}
    for source in sorted((FOLDER / "_template").glob("method.*")):
        text = source.read_text(encoding="utf-8")
        for placeholder, word in replaced.items():
            text = text.replace(placeholder, word)
        (target / source.name).write_text(text, encoding="utf-8")
    return target


def new_external(
    name: str,
    path: str,
    kind: str | None = None,
    values: str | None = None,
    patients: str = "test",
    benchmark: str | None = None,
    folder: Path = FOLDER,
) -> dict[str, str]:
    """Write the `method.yaml` of volumes that were made elsewhere.

    Parameters
    ----------
    path : a pattern, see `methods.external.Pattern`, or the folder of the files.
    kind : of the volumes; by None their names tell.
    values : the `range` of the T1ce.

    Returns
    -------
    The pattern by kind.

    Raises
    ------
    MethodError : the name is taken or cannot be a module's; the files cannot be told from the path;
        or they are T1ce, and `values` is missing.
    """
    if PATIENT in path:
        absolute = str(Path(path).expanduser().absolute())
        patterns = {kind or kind_of(path): absolute}
    else:
        patterns = guess_patterns(Path(path).expanduser(), kind)
    for text in patterns.values():
        if fault := fault_of(text):
            raise MethodError(f"{text}: {fault}.")
    if "t1ce" in patterns and values is None:
        raise MethodError(
            f"{patterns['t1ce']} is T1ce: add --range scanner (in the units of the patients' own "
            "files), --range unit ([0, 1]) or --range signed ([-1, 1]). For segmentations, add "
            "--kind seg."
        )
    target = _new_folder(name, folder)
    replaced = {
        "TITLE": _title(name),
        "T1CE": json.dumps(patterns.get("t1ce"), ensure_ascii=False),
        "SEG": json.dumps(patterns.get("seg"), ensure_ascii=False),
        "RANGE": values or "null",
        "PATIENTS": patients if "t1ce" in patterns else "null",
        "BENCHMARKS": json.dumps(benchmark and [benchmark]),
    }
    text = (FOLDER / "_external" / "method.yaml").read_text(encoding="utf-8")
    for placeholder, word in replaced.items():
        text = re.sub(rf"\b{placeholder}\b", lambda _, word=word: word, text)
    # Without a key that is not set, and without what explains it.
    unset = tuple(f"{key}: null" for key in (*KINDS, "range", "patients"))
    paragraphs = [part for part in text.split("\n\n") if part.splitlines()[-1] not in unset]
    (target / "method.yaml").write_text("\n\n".join(paragraphs), encoding="utf-8")
    return patterns


def _new_folder(name: str, folder: Path) -> Path:
    if not re.fullmatch(NAME, name):
        raise MethodError(
            f"`{name}` cannot be a method's name: write lower_case letters, digits and "
            "underscores, such as my_method."
        )
    target = folder / name
    if target.exists():
        raise MethodError(f"{target} exists already: choose another name, or edit that method.")
    target.mkdir()
    return target


def _title(name: str) -> str:
    return " ".join(name.split("_")).capitalize()


def _commands() -> dict[str, str]:
    """Return how to run this environment's Python and Snakemake from the current folder."""
    commands = {}
    for name in ("python", "snakemake"):
        path = Path(sys.executable).with_name(name)
        if path.is_relative_to(Path.cwd()):
            commands[name] = os.path.relpath(path)
        else:
            commands[name] = name if shutil.which(name) == str(path) else str(path)
    return commands


def _list() -> None:
    for method in discover().values():
        description = method.description
        print(f"{method.name:12} {description.title}, {description.kind}: {description.summary}")
        for name, variant in description.variants.items():
            print(f"  {method.name}.{name}: {variant.summary}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m methods", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    listing = "List the methods and their variants."
    verbs.add_parser("list", help=listing, description=listing)
    creating = "Create a method from the template, or an entry of predictions made elsewhere."
    create = verbs.add_parser("new", help=creating, description=creating)
    create.add_argument("name", help="of its folder below methods/, such as my_method")
    files = create.add_argument_group("volumes that were made elsewhere")
    files.add_argument("--external", metavar="PATH", help=f"their folder, or a path with {PATIENT}")
    files.add_argument("--kind", choices=KINDS, help="of the volumes; else their names tell")
    files.add_argument("--range", choices=("scanner", "unit", "signed"), help="of their T1ce")
    files.add_argument(
        "--patients", choices=("test", "all"), default="test", help="which patients have it"
    )
    files.add_argument("--benchmark", metavar="NAME", help="the one whose patients they are of")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "list":
            _list()
            return 0
        if chosen.external is not None:
            patterns = new_external(
                chosen.name,
                chosen.external,
                chosen.kind,
                chosen.range,
                chosen.patients,
                chosen.benchmark,
            )
            print(
                NEXT_EXTERNAL.format(
                    folder=f"methods/{chosen.name}",
                    patterns="\n".join(f"  {kind}: {text}" for kind, text in patterns.items()),
                    **_commands(),
                    config=f" --config benchmark={chosen.benchmark}" if chosen.benchmark else "",
                )
            )
        else:
            new(chosen.name)
            print(NEXT.format(folder=f"methods/{chosen.name}", name=chosen.name, **_commands()))
    except MethodError as error:
        print(f"\n{error}\n", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # what the locale has no bytes for
    sys.exit(main())
