"""Finds the entries: every folder beside this file that holds a `method.yaml` is one."""

import importlib
import re
import traceback
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from benchmarks import plain_yaml
from methods.contract import Control, Entry, MethodError, Params, Segmentor, Synthesizer

Kind = Literal["synthesis", "joint", "segmentation", "control"]
Modality = Literal["t1", "t2", "flair", "t1ce"]
FOLDER = Path(__file__).parent
NAME = r"[a-z][a-z0-9_]*"
BASES: dict[str, type[Entry]] = {
    "synthesis": Synthesizer,
    "joint": Synthesizer,
    "segmentation": Segmentor,
    "control": Control,
}


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("write one line of text")
    return text


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
    """The content of a `method.yaml`.

    Attributes
    ----------
    pretrained : a file, in the entry's folder or by its full path, of weights to start from: what
        `torch.save` made of {attribute of the entry: state dict of that network}.
    trained : false takes the pretrained weights as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Annotated[str, AfterValidator(_one_line)]
    summary: str
    kind: Kind
    pairing: Literal["paired", "unpaired"] = "paired"
    inputs: Annotated[tuple[Modality, ...], Field(min_length=1)] = ("t1", "t2", "flair")
    reference: str | None = None
    pretrained: str | None = None
    trained: bool = True
    variants: dict[str, Variant] = {}
    deviations: list[str] = []

    @model_validator(mode="after")
    def _only_controls_see_t1ce(self) -> "Description":
        if "t1ce" in self.inputs and self.kind != "control":
            raise ValueError("inputs: only an entry of kind `control` may read t1ce; drop it")
        return self

    @model_validator(mode="after")
    def _untrained_ones_have_weights(self) -> "Description":
        if not self.trained and self.pretrained is None:
            raise ValueError("trained: false needs `pretrained`, the weights to use as they are")
        return self

    @model_validator(mode="after")
    def _variants_continue_known_ones(self) -> "Description":
        for name, variant in self.variants.items():
            if not re.fullmatch(NAME, name) or name == "base":
                raise ValueError(f"variants: `{name}` must be lower_case, and not `base`")
            if variant.continues not in (None, "base", *self.variants):
                raise ValueError(
                    f"variants.{name}.continues: no variant `{variant.continues}`; "
                    f"there are {', '.join(['base', *self.variants])}"
                )
        return self

    @model_validator(mode="after")
    def _inputs_are_named_once(self) -> "Description":
        if len(set(self.inputs)) < len(self.inputs):
            raise ValueError("inputs: a modality is listed twice; list it once")
        return self

    @model_validator(mode="after")
    def _variants_continue_in_no_circle(self) -> "Description":
        for name in self.variants:
            before, seen = name, set()
            while before in self.variants:
                if before in seen:
                    raise ValueError(
                        f"variants.{name}.continues: {', '.join(sorted(seen))} continue each "
                        "other; one of them must start anew, without `continues`"
                    )
                seen.add(before)
                before = self.variants[before].continues
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
        if not re.fullmatch(NAME, self.name):
            raise MethodError(
                f"methods/{self.name}: rename the folder to lower_case letters, digits and "
                "underscores; its name becomes part of run names and paths."
            )
        self.description = _read(folder / "method.yaml")

    @cached_property
    def entry(self) -> type[Entry]:
        module = self._module()
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
        if missing := ", ".join(sorted(found[0].__abstractmethods__)):
            raise MethodError(
                f"methods/{self.name}/method.py: {found[0].__name__} lacks {missing}; see "
                "methods/contract.py for what it must do."
            )
        if not issubclass(found[0].Params, Params):
            raise MethodError(
                f"methods/{self.name}/method.py: {found[0].__name__}.Params must be a subclass of "
                "methods.contract.Params."
            )
        return found[0]

    def _module(self) -> ModuleType:
        try:
            return importlib.import_module(f"methods.{self.name}.method")
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise MethodError(
                f"methods/{self.name}/method.py cannot be imported: {type(error).__name__}: "
                f"{error} (raised in {last.filename}, line {last.lineno}). A folder whose name "
                "begins with `_` is no entry, if you want to put it aside."
            ) from error

    @property
    def pretrained(self) -> Path | None:
        """The file of the weights to start from."""
        name = self.description.pretrained
        return None if name is None else self.folder / name

    def load_pretrained(self, entry: Entry) -> None:
        """Put the pretrained weights, if the entry has any, into its networks."""
        if self.pretrained is None:
            return
        where = f"methods/{self.name}/method.yaml, `pretrained`: {self.pretrained}"
        try:
            states = torch.load(self.pretrained, map_location="cpu", weights_only=True)
            for name, state in states.items():
                entry.networks[name].load_state_dict(state)
        except KeyError as error:
            raise MethodError(
                f"{where} holds weights of {error}, but {type(entry).__name__} has the networks "
                f"{', '.join(entry.networks)}."
            ) from None
        except Exception as error:
            raise MethodError(f"{where} does not fit: {_line(error)}") from None

    def check(self) -> None:
        """Find what is wrong with the folder, without training anything.

        Raises
        ------
        MethodError : the class breaks the contract, a variant names a parameter that there is not,
            or the pretrained weights are missing.
        """
        for variant in self.variants:
            self.params(variant, {})
        if self.pretrained is not None and not self.pretrained.is_file():
            raise MethodError(
                f"methods/{self.name}/method.yaml, `pretrained`: there is no {self.pretrained}."
            )

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
    """All entries by name, in alphabetical order. No entry's code is imported yet.

    Raises
    ------
    MethodError : a folder's name or `method.yaml` is at fault, or two have one title.
    """
    folders = sorted(f.parent for f in folder.glob("*/method.yaml"))
    methods = [Method(f) for f in folders if not f.name.startswith("_")]
    titles: dict[str, str] = {}
    for method in methods:
        title = method.description.title
        if title in titles:
            raise MethodError(
                f"methods/{titles[title]} and methods/{method.name} have one `title`, {title!r}: "
                "nobody could tell their rows apart. Change it in one method.yaml."
            )
        titles[title] = method.name
    return {method.name: method for method in methods}


def _read(path: Path) -> Description:
    where = f"methods/{path.parent.name}/method.yaml"
    try:
        _, content = plain_yaml.read(path)
    except plain_yaml.NotPlain as error:
        raise MethodError(f"{where} is not YAML as we take it: {error}.") from None
    if not isinstance(content, dict):
        raise MethodError(
            f"{where}: expected keys such as `title` and `kind`, found {content!r:.200}."
        )
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        raise MethodError(f"{where}: {_first(error)}.") from None


def _line(error: Exception) -> str:
    """An error as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _first(error: ValidationError) -> str:
    """The first fault of a validation as `key: what is wrong (found ...)`."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    return f"`{key}`: {message} (found {fault['input']!r})" if key else message
