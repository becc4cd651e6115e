"""The paper's tables as printed, read from `published.yaml` and checked."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from benchmarks import plain_yaml
from benchmarks.errors import InputError

PUBLISHED = Path(__file__).parents[1] / "published.yaml"

Fraction = Annotated[float, Field(ge=0, le=1)]
Millimetres = Annotated[float, Field(ge=0)]
_NAME = r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?"
SystemId = Annotated[str, StringConstraints(pattern=rf"^{_NAME}(\+{_NAME})?$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Paper(_Strict):
    title: str
    arxiv: str
    dataset: str
    patients: int


class DiceByRegion(_Strict):
    wt: Fraction | None
    et: Fraction | None
    tc: Fraction | None


class AssdByRegion(_Strict):
    wt: Millimetres | None
    et: Millimetres | None
    tc: Millimetres | None


class Row(_Strict):
    """What rows of every table have: a label, the system that reproduces it, a source."""

    label: str
    system: SystemId | None
    quoted: bool
    where: str | None = None

    @model_validator(mode="after")
    def _check(self):
        if self.quoted == (self.system is not None):
            raise ValueError("a row has either a system or quoted: true, and not both")
        if self.where is None and any(number is not None for number in self.numbers().values()):
            raise ValueError("the row holds a number but no `where`: say where it was read")
        return self

    def numbers(self) -> dict[tuple[str, str], float | None]:
        """The row's printed numbers by (metric, region), None where one could not be read."""
        raise NotImplementedError


class SynthesisRow(Row):
    ssim: Annotated[float, Field(ge=-1, le=1)] | None
    psnr: Annotated[float, Field(gt=0)] | None

    def numbers(self) -> dict[tuple[str, str], float | None]:
        return {("ssim", "whole"): self.ssim, ("psnr", "whole"): self.psnr}


class SegmentationRow(Row):
    dice: DiceByRegion
    assd: AssdByRegion | None = None

    def numbers(self) -> dict[tuple[str, str], float | None]:
        by_metric = {"dice": self.dice} | ({"assd": self.assd} if self.assd else {})
        return {
            (metric, region): number
            for metric, regions in by_metric.items()
            for region, number in regions
        }


class Table(_Strict):
    """What every table has; `rows` differ by task.

    Attributes
    ----------
    others : whether entries that the paper has no row for get one here.
    """

    number: Literal["I", "II", "III"]
    title: str
    page: int | None
    note: str = ""
    others: bool = True

    @property
    def metrics(self) -> list[str]:
        """The metrics that the table prints, in its order."""
        return list(dict.fromkeys(metric for row in self.rows for metric, _ in row.numbers()))

    @property
    def systems(self) -> list[str]:
        """The ids of the systems that reproduce the table's rows."""
        return [row.system for row in self.rows if row.system]


class SynthesisTable(Table):
    task: Literal["synthesis"]
    rows: list[SynthesisRow]


class SegmentationTable(Table):
    task: Literal["segmentation"]
    rows: list[SegmentationRow]


class Tables(_Strict):
    table1_ablation: SegmentationTable
    table2_synthesis: SynthesisTable
    table3_segmentation: SegmentationTable


class Published(_Strict):
    paper: Paper
    tables: Tables

    def table(self, name: str) -> Table:
        """The table of that key of the file."""
        return getattr(self.tables, name)

    def names(self) -> list[str]:
        """The tables' keys, in the paper's order."""
        return list(Tables.model_fields)


def read_published(path: Path = PUBLISHED) -> Published:
    """Reads and checks the file; an InputError names the file and each wrong key."""
    try:
        return Published.model_validate(plain_yaml.read(path)[1])
    except plain_yaml.NotPlain as error:
        raise InputError(f"{path} is not YAML as we take it: {error}.") from error
    except ValidationError as error:
        lines = [f"{path}: {_describe(problem)}" for problem in error.errors()]
        raise InputError("\n".join(lines)) from error


def _describe(problem: dict) -> str:
    """One pydantic error as `key: what is wrong`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]]
    key = "".join(parts).lstrip(".") or "the file"
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; correct its spelling or remove it."
    if problem["type"] == "missing":
        return f"{key}: missing; add it, with null for a number that could not be read."
    return f"{key}: {problem['msg']} (found {problem['input']!r})."
