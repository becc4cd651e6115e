"""The paper's tables as printed, read from `published.yaml` and checked."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from benchmarks import plain_yaml

PUBLISHED = Path(__file__).parents[1] / "published.yaml"

Fraction = Annotated[float, Field(ge=0, le=1)]
Millimetres = Annotated[float, Field(ge=0)]
_NAME = r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?"
RunId = Annotated[str, StringConstraints(pattern=rf"^{_NAME}(\+{_NAME})?$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Paper(_Strict):
    title: str
    arxiv: str
    dataset: str
    patients: int


class DiceByRegion(_Strict):
    wt: Fraction
    et: Fraction
    tc: Fraction


class AssdByRegion(_Strict):
    wt: Millimetres
    et: Millimetres
    tc: Millimetres


class PublishedRow(_Strict):
    """A row of a table: a label, the run that reproduces it, where it is printed, its numbers.

    The numbers of a `quoted` row are those of another paper, of other patients; its run, if it has
    one, is the suite's reading of that method. `t1ce` is what it was trained on, in a table that
    groups its rows by that.
    """

    label: str
    run: RunId | None
    quoted: bool
    where: str
    t1ce: Literal["paired", "unpaired"] = None
    # None without the key alone: a null in the file is refused.
    ssim: Annotated[float, Field(ge=-1, le=1)] = None
    psnr: Annotated[float, Field(gt=0)] = None
    dice: DiceByRegion = None
    assd: AssdByRegion = None

    @model_validator(mode="after")
    def _has_a_run_or_is_quoted(self):
        if self.run is None and not self.quoted:
            raise ValueError("a row without a run must be `quoted: true`")
        return self

    def numbers(self) -> dict[tuple[str, str], float]:
        """Return the row's numbers by (metric, region)."""
        whole = {("ssim", "whole"): self.ssim, ("psnr", "whole"): self.psnr}
        regions = {"dice": self.dice or (), "assd": self.assd or ()}
        inside = {(metric, region): x for metric, of in regions.items() for region, x in of}
        return {column: number for column, number in whole.items() if number is not None} | inside


class Table(_Strict):
    """A table. With `others`, methods that the paper has no row for get one here."""

    number: Literal["I", "II", "III"]
    title: str
    note: str = ""
    others: bool = True
    task: Literal["synthesis", "segmentation"]
    rows: list[PublishedRow]

    @model_validator(mode="after")
    def _rows_have_the_same_numbers(self):
        columns = [row.numbers().keys() for row in self.rows]
        if not columns[0] or any(other != columns[0] for other in columns):
            raise ValueError("each row has the same numbers: ssim and psnr, dice, or dice and assd")
        if len({row.t1ce is None for row in self.rows}) > 1:
            raise ValueError("write `t1ce` in each row of a table, or in none")
        return self

    @property
    def grouped(self) -> bool:
        """Whether the rows are grouped by the T1ce that they were trained on."""
        return self.rows[0].t1ce is not None

    @property
    def metrics(self) -> list[str]:
        """The metrics that the table prints, in its order."""
        return list(dict.fromkeys(metric for row in self.rows for metric, _ in row.numbers()))

    @property
    def regions(self) -> list[str]:
        """The regions that the table prints, in its order."""
        return list(dict.fromkeys(region for row in self.rows for _, region in row.numbers()))

    @property
    def runs(self) -> list[str]:
        """The runs that reproduce the table's rows."""
        return [row.run for row in self.rows if row.run]


class Tables(_Strict):
    table1_ablation: Table
    table2_synthesis: Table
    table3_segmentation: Table


class Published(_Strict):
    paper: Paper
    tables: Tables

    def table(self, name: str) -> Table:
        """Return the table of that key of the file."""
        return getattr(self.tables, name)

    def names(self) -> list[str]:
        """Return the tables' keys, in the paper's order."""
        return list(Tables.model_fields)

    @property
    def methods(self) -> set[str]:
        """The methods and variants that the tables name, without their segmentors."""
        runs = {run for name in self.names() for run in self.table(name).runs}
        return {run.partition("+")[0] for run in runs}


@cache
def read_published(path: Path = PUBLISHED) -> Published:
    """Read and check the file; an InputError names file, line and each wrong key."""
    return plain_yaml.Document(path).validated(Published)
