"""Conventions: the strict protocol with one thing done as others do it, as data.

Papers seldom state which of them their numbers follow; Table VII shows how much each matters.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from benchmarks.errors import InputError
from benchmarks.plain_yaml import Document, KeyedError, Settings, faults
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.protocol import PROTOCOLS, Protocol, ProtocolName, load_protocol
from benchmarks.scoring.regions import TASK_REGIONS

CONVENTIONS = Path(__file__).resolve().parent.parent / "conventions.yaml"
BASE = "strict"  # the protocol that is changed
SYNTHESIS_REGION = "whole"  # scored by changed conventions, as by most papers
POSTPROCESSING = "lcc"  # the prediction that changed conventions score
# Keys of a protocol below which a change names some of the keys; others it replaces.
_SECTIONS = ("synthesis", "segmentation", "metrics")


def _base_metric(name: str) -> str:
    base = load_protocol(BASE)
    known = (*base.synthesis.metrics, *base.segmentation.metrics)
    if name not in known:
        raise ValueError(f"`{BASE}` does not score it; write one of: {', '.join(known)}")
    return name


BaseMetric = Annotated[str, AfterValidator(_base_metric)]


class Selection(Settings):
    """Existing scores that a convention shows; keys replace the metric's own region, the metric
    itself, the largest component, and the patients that tables average.
    """

    protocol: ProtocolName = BASE
    region: Literal[TASK_REGIONS["synthesis"]] | None = None
    metric: BaseMetric | None = None
    postprocessing: Literal["none"] | None = None
    patients: Literal["all"] | None = None


class Convention(Settings):
    """An item of benchmarks/conventions.yaml; the file says what the keys mean."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str = Field(min_length=1, max_length=20)
    why: str = Field(min_length=1)
    metrics: tuple[BaseMetric, ...] = Field(min_length=1)
    change: dict[str, Any] | None = None
    select: Selection | None = None

    @model_validator(mode="after")
    def _is_scored_or_selected(self) -> Self:
        if (self.change is None) == (self.select is None):
            raise KeyedError((), "write either `change` or `select`")
        if self.change is not None:
            if (PROTOCOLS / f"{self.name}.yaml").exists():
                raise KeyedError(["name"], f"{self.name} is a protocol's name; write another")
            try:
                self.protocol()
            except ValidationError as error:
                keys, text = faults(error, Protocol)[0]
                raise KeyedError(("change", *keys), text) from None
        return self

    def protocol(self) -> Protocol:
        """Return the base with the change, and without the metrics that it does not touch.

        Raises
        ------
        KeyedError : the change names a key that the base does not have, or its present value.
        ValidationError : the change is no protocol.
        """
        base = load_protocol(BASE).model_dump(mode="json") | {"name": self.name}
        synthesis, overlap = base["synthesis"], base["segmentation"]
        synthesis["metrics"] = [m for m in self.metrics if m in synthesis["metrics"]]
        synthesis["regions"] = [SYNTHESIS_REGION]
        rules = overlap["metrics"]
        overlap["metrics"] = {m: rules[m] for m in self.metrics if m in rules}
        overlap["postprocessing"] = [POSTPROCESSING]
        for task in ("synthesis", "segmentation"):
            if not base[task]["metrics"]:
                base[task] = None
        return Protocol.model_validate(_changed(base, self.change, ("change",)))


def _changed(base: dict[str, Any], change: dict[str, Any], above: tuple[str, ...]) -> dict:
    """The base with other values, each for a key that it has."""
    content = dict(base)
    for key, value in change.items():
        if base.get(key) is None:
            known = ", ".join(name for name, old in base.items() if old is not None)
            raise KeyedError((*above, key), f"there is nothing to change; write one of: {known}")
        if base[key] == value:
            text = f"found {value!r}, as `{BASE}` has it already; write another value"
            raise KeyedError((*above, key), text)
        nested = isinstance(value, dict) and isinstance(base[key], dict) and key in _SECTIONS
        content[key] = _changed(base[key], value, (*above, key)) if nested else value
    return content


@cache
def read_conventions(path: Path = CONVENTIONS) -> tuple[Convention, ...]:
    """Read and check the conventions, in the table's order.

    Raises
    ------
    InputError : a wrong key or value, or a name or a column's title occurs twice; with file, line.
    """
    document = Document(path)
    conventions = document.validated(tuple[Convention, ...])
    seen: set[tuple[str, ...]] = {("name", BASE)}
    for index, convention in enumerate(conventions):
        titles = [("title", metric, convention.title) for metric in convention.metrics]
        for key in [("name", convention.name), *titles]:
            if key in seen:
                text = f"{key[-1]} occurs twice; write another {key[0]}"
                raise InputError(f"{document.where([index, key[0]])}: {text}.")
            seen.add(key)
    return conventions


def compared_metrics() -> dict[str, str]:
    """Return the task of each metric that a convention names, in metric order."""
    named = {metric for convention in read_conventions() for metric in convention.metrics}
    return {name: metric.task for name, metric in read_metrics().items() if name in named}
