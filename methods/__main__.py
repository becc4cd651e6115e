"""`python -m methods list` lists the methods, `python -m methods new NAME` creates one."""

import argparse
import os
import re
import sys
from pathlib import Path

from methods.errors import MethodError
from methods.registry import FOLDER, NAME, discover

NEXT = """\
Created {folder}, a method that runs as it is:
  method.yaml   its title, its kind, its parameters
  method.py     its networks, one training step, one prediction

Next:
  {python} -m pytest tests/test_contract.py -k {name}   # run the contract tests
  {python} -m snakemake --cores 2   # its rows in results/tables/phantom/
methods/README.md is the guide."""


def new(name: str, folder: Path = FOLDER) -> Path:
    """Copy the template to a new folder below `folder`, and return it.

    Raises
    ------
    MethodError : the name cannot be a Python module's, or is taken.
    """
    if not re.fullmatch(NAME, name):
        raise MethodError(
            f"`{name}` cannot be a method's name: write lower_case letters, digits and "
            "underscores, such as my_method."
        )
    target = folder / name
    if target.exists():
        raise MethodError(f"{target} exists already: choose another name, or edit that method.")
    words = name.split("_")
    replaced = {"TITLE": " ".join(words).capitalize(), "Template": "".join(map(str.title, words))}
    target.mkdir()
    for source in sorted((FOLDER / "_template").glob("method.*")):
        text = source.read_text(encoding="utf-8")
        for placeholder, word in replaced.items():
            text = text.replace(placeholder, word)
        (target / source.name).write_text(text, encoding="utf-8")
    return target


def _list() -> None:
    for method in discover().values():
        description = method.description
        print(f"{method.name:12} {description.title}, {description.kind}: {description.summary}")
        for name, variant in description.variants.items():
            print(f"  {method.name}.{name}: {variant.summary}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m methods", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="the methods and their variants")
    verbs.add_parser("new", help="create a method from the template").add_argument("name")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "list":
            _list()
        else:
            new(chosen.name)
            python = os.path.relpath(sys.executable)
            print(NEXT.format(folder=f"methods/{chosen.name}", name=chosen.name, python=python))
    except MethodError as error:
        print(f"\n{error}\n", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # what the locale has no bytes for
    sys.exit(main())
