"""Conventions: the strict protocol with one thing done as others do it, as data.

What a number of a paper hides is which of them it follows; Table VII shows what each is worth.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from benchmarks import plain_yaml
from benchmarks.errors import InputError
from benchmarks.scoring.protocol import PROTOCOLS, Protocol, describe, load_protocol
from benchmarks.scoring.regions import TASK_REGIONS

BASE = "strict"
"""The protocol that is changed."""
CONVENTIONS = Path(__file__).resolve().parent.parent / "conventions.yaml"
METRIC_TASKS = {"ssim": "synthesis", "psnr": "synthesis", "dice": "segmentation",
                "assd": "segmentation"}  # fmt: skip
"""The metrics whose conventions are compared, with the task of each."""
SYNTHESIS_REGION = "whole"
"""Where changed conventions score a synthesis: where most papers do."""
POSTPROCESSING = "lcc"
"""After what changed conventions score a segmentation, as the tables do."""


class Selection(BaseModel):
    """Which scores of a protocol, of those that are there anyway, a convention shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["paper", "strict"] = BASE
    region: Literal[*TASK_REGIONS["synthesis"]] | None = None
    """Instead of the metric's own region."""
    metric: Literal["dice_brats"] | None = None
    """Instead of the metric itself."""
    postprocessing: Literal["none"] | None = None
    """Instead of the largest component."""


class Convention(BaseModel):
    """An item of benchmarks/conventions.yaml; the file says what the keys mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
    title: str = Field(min_length=1, max_length=20)
    why: str = Field(min_length=1)
    metrics: tuple[Literal[*METRIC_TASKS], ...] = Field(min_length=1)
    change: dict[str, Any] | None = None
    select: Selection | None = None

    @model_validator(mode="after")
    def _is_scored_or_selected(self) -> Self:
        if (self.change is None) == (self.select is None):
            raise ValueError("write either `change` or `select`")
        if self.change is not None:
            if (PROTOCOLS / f"{self.name}.yaml").exists():
                raise ValueError(f"{self.name} is a protocol's name, so scores would be mistaken")
            self.protocol()
        return self

    def protocol(self) -> Protocol:
        """The base with the change, and without whatever the convention does not touch.

        Raises ValueError, naming the key, for a change that the protocol has no key for.
        """
        base = _base().model_dump(mode="json")
        base["name"] = self.name
        base["synthesis"] |= {
            "metrics": [m for m in self.metrics if METRIC_TASKS[m] == "synthesis"],
            "regions": [SYNTHESIS_REGION],
        }
        overlap = base["segmentation"]["metrics"]
        base["segmentation"] |= {
            "metrics": {m: overlap[m] for m in self.metrics if METRIC_TASKS[m] == "segmentation"},
            "postprocessing": [POSTPROCESSING],
        }
        base |= {task: None for task in set(METRIC_TASKS.values()) if not base[task]["metrics"]}
        return Protocol.model_validate(_changed(base, self.change, ()))


@cache
def _base() -> Protocol:
    return load_protocol(BASE)


def _changed(base: dict[str, Any], change: dict[str, Any], above: tuple[str, ...]) -> dict:
    """The base with other values; what a change names has to be there."""
    content = dict(base)
    for key, value in change.items():
        place = ".".join((*above, key))
        if base.get(key) is None:
            known = ", ".join(name for name, old in base.items() if old is not None)
            raise ValueError(f"`change` says {place}, but what is scored has {known}")
        if base[key] == value:
            raise ValueError(f"`change` says {place}: {value!r}, as `{BASE}` does already")
        nested = isinstance(value, dict) and isinstance(base[key], dict) and key in _SECTIONS
        content[key] = _changed(base[key], value, (*above, key)) if nested else value
    return content


_SECTIONS = ("synthesis", "segmentation", "metrics")
"""Keys of a protocol below which a change names some of the keys; others it replaces."""


@cache
def read_conventions(path: Path = CONVENTIONS) -> tuple[Convention, ...]:
    """Read and check the conventions, in the table's order.

    Raises InputError naming the file, each wrong key, what it holds and what is allowed, and for
    two conventions of one name or one column's title.
    """
    try:
        conventions = _LIST.validate_python(plain_yaml.read(path)[1])
    except ValidationError as error:
        raise InputError(f"{path} is no list of conventions: {describe(error)}.") from error
    except plain_yaml.NotPlain as error:
        raise InputError(f"{path} is not YAML as we take it: {error}.") from error
    names = [convention.name for convention in conventions]
    columns = [(metric, x.title) for x in conventions for metric in x.metrics]
    for what, found in {"name": [*names, BASE], "title": columns}.items():
        if twice := sorted({str(one) for one in found if found.count(one) > 1}):
            raise InputError(f"{path}: {what} {twice[0]} occurs twice; give one of them another.")
    return conventions


_LIST = TypeAdapter(tuple[Convention, ...])
