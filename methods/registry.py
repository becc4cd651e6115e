"""Finds the entries: every folder beside this file that holds a `method.yaml` is one."""

import importlib
import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from methods.contract import Control, Entry, MethodError, Params, Segmentor, Synthesizer

Kind = Literal["synthesis", "joint", "segmentation", "control"]
Modality = Literal["t1", "t2", "flair", "t1ce"]
FOLDER = Path(__file__).parent
BASES: dict[str, type[Entry]] = {
    "synthesis": Synthesizer,
    "joint": Synthesizer,
    "segmentation": Segmentor,
    "control": Control,
}


class Variant(BaseModel):
    """An ablation: the entry under other parameters.

    Attributes
    ----------
    params : what it overrides.
    kind : where it differs from the entry's.
    continues : the variant (or `base`) whose final weights it starts from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    summary: str
    params: dict[str, Any] = {}
    kind: Kind | None = None
    continues: str | None = None


class Description(BaseModel):
    """The content of a `method.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    summary: str
    kind: Kind
    pairing: Literal["paired", "unpaired"] = "paired"
    inputs: tuple[Modality, ...] = ("t1", "t2", "flair")
    reference: str | None = None
    variants: dict[str, Variant] = {}
    deviations: list[str] = []

    @model_validator(mode="after")
    def _only_controls_see_t1ce(self) -> "Description":
        if "t1ce" in self.inputs and self.kind != "control":
            raise ValueError("inputs: only an entry of kind `control` may read t1ce; drop it")
        return self

    @model_validator(mode="after")
    def _variants_continue_known_ones(self) -> "Description":
        for name, variant in self.variants.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "base":
                raise ValueError(f"variants: `{name}` must be lower_case, and not `base`")
            if variant.continues not in (None, "base", *self.variants):
                raise ValueError(
                    f"variants.{name}.continues: no variant `{variant.continues}`; "
                    f"there are {', '.join(['base', *self.variants])}"
                )
        return self


class Method:
    """An entry as found on disk.

    Attributes
    ----------
    name : the folder's name.
    description : its `method.yaml`.
    entry : its class; the module is imported at the first use.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.name = folder.name
        self.description = _read(folder / "method.yaml")

    @cached_property
    def entry(self) -> type[Entry]:
        module = importlib.import_module(f"methods.{self.name}.method")
        base = BASES[self.description.kind]
        found = [
            x
            for x in vars(module).values()
            if isinstance(x, type) and issubclass(x, Entry) and x.__module__ == module.__name__
        ]
        if len(found) != 1 or not issubclass(found[0], base):
            raise MethodError(
                f"methods/{self.name}/method.py holds {len(found)} entries of its own; "
                f"kind `{self.description.kind}` asks for exactly one subclass of {base.__name__}."
            )
        joint = [v for v in self.variants if self.kind(v) == "joint"]
        if joint and not hasattr(found[0], "segment"):
            raise MethodError(
                f"methods/{self.name}/method.py: variant `{joint[0]}` is of kind `joint`, but "
                f"{found[0].__name__} has no method `segment`."
            )
        return found[0]

    @property
    def variants(self) -> tuple[str, ...]:
        return ("base", *self.description.variants)

    def variant(self, name: str) -> Variant:
        if name == "base":
            return Variant(summary=self.description.summary)
        if name not in self.description.variants:
            raise MethodError(
                f"methods/{self.name} has no variant `{name}`; it has {', '.join(self.variants)}."
            )
        return self.description.variants[name]

    def kind(self, variant: str) -> Kind:
        return self.variant(variant).kind or self.description.kind

    def params(self, variant: str, overrides: dict[str, Any]) -> Params:
        """The entry's defaults, with the benchmark's overrides, with the variant's over these."""
        values = overrides | self.variant(variant).params
        try:
            return self.entry.Params(**values)
        except ValidationError as error:
            known = ", ".join(self.entry.Params.model_fields) or "none"
            raise MethodError(
                f"methods/{self.name}, variant `{variant}`: {_first(error)}. "
                f"Its parameters: {known}."
            ) from None


def discover(folder: Path = FOLDER) -> dict[str, Method]:
    """All entries by name, in alphabetical order. No entry's code is imported yet."""
    files = sorted(folder.glob("*/method.yaml"))
    return {f.parent.name: Method(f.parent) for f in files if not f.parent.name.startswith("_")}


def _read(path: Path) -> Description:
    where = f"methods/{path.parent.name}/method.yaml"
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise MethodError(f"{where} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise MethodError(f"{where}: expected keys such as `title` and `kind`, found {content!r}.")
    try:
        return Description(**content)
    except ValidationError as error:
        raise MethodError(f"{where}: {_first(error)}.") from None


def _first(error: ValidationError) -> str:
    """The first fault of a validation as `key: what is wrong (found ...)`."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"`{key}`: {message} (found {fault['input']!r})" if key else message
