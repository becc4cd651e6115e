"""A metric: what tables must know of it, and the function that measures it.

Each file of `metrics/` is one metric: it declares `METRIC` and defines `measure`. Protocols name it
by the file's name. Planning reads `METRIC` without running the file, which needs numpy.
"""

import ast
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from benchmarks.declarations import Declaration, declarations
from benchmarks.plain_yaml import KeyedError, Settings, faults
from benchmarks.scoring.regions import TASK_REGIONS

METRICS = Path(__file__).parent / "metrics"


class Metric(Settings):
    """A metric's place in protocols, and how tables and figures show it.

    Attributes
    ----------
    name : the file's; written in protocols and in the column `metric` of scores.csv.
    task : what it scores. `measure` takes `similarity.Voxels` and `SynthesisRules`, or
        `overlap.Masks` and `SegmentationRules`, and returns a float, NaN where it has no value.
    unit : empty for a pure number.
    bounds : smallest and largest possible value; write None where there is no largest.
    digits : after the point in tables.
    source : who defined it, and whose definition is taken where several exist.
    shown : regions that the suite's own tables, figures and page show, in this order.
    postprocessing : of a segmentation, the prediction that tables show: its largest component
        (`lcc`) or all of it (`none`). Empty for a synthesis.
    measures_empty : whether it has a value where the reference, the prediction or both lack the
        region. A protocol may then write `measured` for these cases.
    order : place in tables; metrics of one order go by name.
    """

    name: str = Field(default="", pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1, max_length=20)
    task: Literal["synthesis", "segmentation"]
    unit: Literal["", "dB", "mm", "ml"] = ""
    better: Literal["higher", "lower"]
    bounds: tuple[float, float]
    digits: int = Field(default=3, ge=0, le=6)
    source: str = Field(min_length=1)
    shown: tuple[str, ...]
    postprocessing: Literal["lcc", "none", ""] = "lcc"
    measures_empty: bool = False
    order: int = 1000

    @field_validator("bounds", mode="before")
    @classmethod
    def _without_a_largest(cls, bounds: Any) -> Any:
        if isinstance(bounds, tuple | list) and len(bounds) == 2 and bounds[1] is None:
            return bounds[0], math.inf
        return bounds

    @model_validator(mode="before")
    @classmethod
    def _synthesis_has_no_postprocessing(cls, content: Any) -> Any:
        if content.get("task") != "synthesis":
            return content
        for key in ("postprocessing", "measures_empty"):
            if content.get(key):
                raise KeyedError([key], "a metric of synthesis has none; remove the key")
        return content | {"postprocessing": ""}

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        low, high = self.bounds
        if not low < high:
            raise KeyedError(["bounds"], f"found {self.bounds}; write the smaller bound first")
        for region in self.shown:
            if region not in (regions := TASK_REGIONS[self.task]):
                text = f"found {region!r}; regions of {self.task} are: {', '.join(regions)}"
                raise KeyedError(["shown"], text)
        return self

    @property
    def module(self) -> str:
        """The module's name: what a fingerprint of scoring must follow."""
        return f"benchmarks.scoring.metrics.{self.name}"

    @property
    def measure(self) -> Callable[[Any, Any], float]:
        """The function `measure` of the file, which is imported on first use."""
        return import_module(self.module).measure


@cache
def read_metrics(folder: Path = METRICS) -> dict[str, Metric]:
    """Return all metrics by name, in the order of tables, without importing them.

    Raises
    ------
    InputError : a file is not Python, its `METRIC` is missing, wrong or has another's title, or
        `measure` does not take two arguments; names file, line, key, what was found.
    """
    by_title: dict[str, Metric] = {}
    for file in declarations(folder):
        content, lines = _arguments(file)
        try:
            metric = Metric.model_validate({"name": file.name} | content)
        except ValidationError as error:
            (key, *_), text = faults(error, Metric)[0]
            raise file.fault(lines[key], f"`{key}`: {text}") from None
        file.function("measure", 2)
        if other := by_title.get(metric.title):
            text = f"found {metric.title!r}, as in {other.name}.py; write another"
            raise file.fault(lines["title"], f"`title`: {text}")
        by_title[metric.title] = metric
    ordered = sorted(by_title.values(), key=lambda metric: (metric.order, metric.name))
    return {metric.name: metric for metric in ordered}


def _arguments(file: Declaration) -> tuple[dict[str, Any], Mapping[str, int]]:
    """The arguments of `Metric`, and their lines: the call's for one that it lacks."""
    call = file.assigned("METRIC")
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "Metric" or call.args:
        text = "write `METRIC = Metric(title=..., task=..., ...)`, with each argument by its name"
        raise file.fault(call.lineno if call else 1, text)
    content = {}
    for keyword in call.keywords:
        try:
            content[str(keyword.arg)] = ast.literal_eval(keyword.value)
        except ValueError:
            text = f"found {ast.unparse(keyword.value)}; write a literal, since the file is not run"
            raise file.fault(keyword.value.lineno, f"`{keyword.arg}`: {text}") from None
    lines = {str(keyword.arg): keyword.lineno for keyword in call.keywords}
    return content, defaultdict(lambda: call.lineno, lines)
