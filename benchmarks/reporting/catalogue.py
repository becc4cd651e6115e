"""The catalogue of tables and figures: every file in `tables/` and `figures/` is one.

A table is a file `tables/<name>.py` with a function `table(results) -> Sheet`, a figure is a file
`figures/<name>.py` with a function `figure(results) -> matplotlib.figure.Figure`. The first
paragraph of its docstring is its caption in Snakemake's report and, of a table, on the page; a
figure drawn on a `Canvas` has a caption of its own, to be printed. Three literals are optional:

`NEEDS`  a tuple of `INPUTS` that it is made from; ("scores",) by default
`ORDER`  its place among the others; the lowest comes first
`ONLY`   "conditions" leaves it out of a benchmark that has none

Planning reads the catalogue without importing the files, so it needs no pandas and no matplotlib.
"""

import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from benchmarks.declarations import Declaration, declarations
from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from benchmarks.reporting.caption import Caption

FOLDER = Path(__file__).parent
INPUTS = (
    "scores", "costs", "prediction_costs", "histories", "patients", "predictions", "attention",
)  # fmt: skip
ENDINGS = {
    "table": (".csv", ".json", ".md", ".tex", ".rst"),
    "figure": (".png", ".pdf", ".md", ".tex", ".rst"),
}


@dataclass(frozen=True)
class Item:
    """A table or a figure.

    Attributes
    ----------
    caption : the first paragraph of its file's docstring, in reStructuredText.
    needs : what it is made from, see `INPUTS`.
    only : "conditions" if only benchmarks with conditions have it, else "".
    """

    name: str
    kind: Literal["table", "figure"]
    caption: str
    needs: tuple[str, ...]
    order: int
    only: Literal["", "conditions"] = ""

    @property
    def function(self) -> Callable:
        """The function of the file, which is imported at the first use."""
        module = importlib.import_module(f"benchmarks.reporting.{self.kind}s.{self.name}")
        return getattr(module, self.kind)

    @property
    def files(self) -> list[str]:
        return [f"{self.name}{ending}" for ending in ENDINGS[self.kind]]

    def write_caption(self, folder: Path) -> Path:
        """Write `<name>.rst` for Snakemake's report, which includes `<name>.md`."""
        # The report is written from the repository, where results have these paths.
        included = f".. include:: {folder / self.name}.md\n   :literal:\n   :encoding: utf-8\n"
        return _write(folder / f"{self.name}.rst", f"{self.caption}\n\n{included}")

    def write_figure_captions(self, folder: Path, printed: Caption | None) -> list[Path]:
        """Write `<name>.md` and `<name>.tex`, to be printed below the figure, and `<name>.rst`.

        A figure that is not drawn on a `Canvas` has no caption of its own but its docstring's.
        """
        printed = printed or Caption(self.caption.replace("**", "").removesuffix("."))
        return [
            _write(folder / f"{self.name}.md", printed.markdown()),
            _write(folder / f"{self.name}.tex", printed.latex(self.name)),
            self.write_caption(folder),
        ]


def _write(path: Path, text: str) -> Path:
    with write_atomically(path) as file:
        file.write(text.encode())
    return path


@cache
def catalogue(folder: Path = FOLDER) -> tuple[Item, ...]:
    """Return all tables, then all figures, in the order in which readers meet them.

    Raises
    ------
    InputError : a file has no caption, lacks its function, has an unknown need, or the name of
        another one; names file and line.
    """
    items: dict[str, Item] = {}
    for kind in ("table", "figure"):
        found = [_item(kind, one) for one in declarations(folder / f"{kind}s")]
        for item in sorted(found, key=lambda item: (item.order, item.name)):
            if item.name in items:
                raise InputError(
                    f"{folder}/{kind}s/{item.name}.py: there is a {items[item.name].kind} of that "
                    "name. Rename the file."
                )
            items[item.name] = item
    return tuple(items.values())


def catalogue_for(conditions: Collection[str]) -> list[Item]:
    """Return the catalogue of a benchmark with these conditions."""
    return [item for item in catalogue() if conditions or item.only != "conditions"]


def tables(conditions: Collection[str] = ()) -> list[Item]:
    return [item for item in catalogue_for(conditions) if item.kind == "table"]


def figures(conditions: Collection[str] = ()) -> list[Item]:
    return [item for item in catalogue_for(conditions) if item.kind == "figure"]


def _item(kind: Literal["table", "figure"], file: Declaration) -> Item:
    file.function(kind, arguments=1)
    caption = " ".join(file.docstring.partition("\n\n")[0].split())
    if not caption:
        raise file.fault(1, "there is no docstring; its first paragraph is the caption")
    needs, order = file.value("NEEDS", ("scores",)), file.value("ORDER", 1000)
    line = getattr(file.assigned("NEEDS"), "lineno", 1)
    if not isinstance(needs, tuple) or not needs or set(needs) - set(INPUTS):
        raise file.fault(line, f"NEEDS is {needs!r}; write a tuple of {', '.join(INPUTS)}")
    if not isinstance(order, int):
        raise file.fault(file.assigned("ORDER").lineno, f"ORDER is {order!r}; write an integer")
    if (only := file.value("ONLY", "")) not in ("", "conditions"):
        text = f'ONLY is {only!r}; write "conditions", or remove it'
        raise file.fault(file.assigned("ONLY").lineno, text)
    return Item(file.name, kind, caption, needs, order, only)
