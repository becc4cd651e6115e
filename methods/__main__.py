"""`python -m methods list` shows the entries, `python -m methods new NAME` makes a new one."""

import argparse
import os
import re
import sys
from pathlib import Path

from methods.contract import MethodError
from methods.registry import FOLDER, NAME, discover

NEXT = """\
Made {folder}, an entry that runs as it is:
  method.yaml   what it is called, and what it is
  method.py     its networks, one training step, one prediction

Next:
  {python} -m pytest tests/test_contract.py -k {name}   # does it keep the contract?
  {python} -m snakemake --cores 2   # its rows in results/tables/phantom/
methods/README.md is the guide."""


def new(name: str, folder: Path = FOLDER) -> Path:
    """Copy the template to a folder of the entry's own.

    Raises
    ------
    MethodError : the name is no name for a Python module, or is taken.
    """
    if not re.fullmatch(NAME, name):
        raise MethodError(
            f"`{name}` cannot be an entry's name: write lower_case letters, digits and "
            "underscores, such as my_method."
        )
    made = folder / name
    if made.exists():
        raise MethodError(f"{made} is there already: choose another name, or edit that one.")
    words = name.split("_")
    words_of = {"TITLE": " ".join(words).capitalize(), "Template": "".join(map(str.title, words))}
    made.mkdir()
    for source in sorted((FOLDER / "_template").glob("method.*")):
        text = source.read_text()
        for placeholder, word in words_of.items():
            text = text.replace(placeholder, word)
        (made / source.name).write_text(text)
    return made


def _list() -> None:
    for method in discover().values():
        description = method.description
        print(f"{method.name:12} {description.title}, {description.kind}: {description.summary}")
        for name, variant in description.variants.items():
            print(f"  {method.name}.{name}: {variant.summary}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m methods", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="the entries and their variants")
    verbs.add_parser("new", help="make an entry from the template").add_argument("name")
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
    sys.exit(main())
