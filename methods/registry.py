"""Find the methods: every folder beside this file that holds a `method.yaml` is one.

Planning reads them here, so this module imports no network; `methods.loading` does.
"""

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from benchmarks import plain_yaml
from benchmarks.errors import InputError
from methods import external
from methods.errors import MethodError
from methods.params import Parameter, check_values, params_model
from methods.source import check_source

Kind = Literal["synthesis", "joint", "segmentation", "control", "external"]
Modality = Literal["t1", "t2", "flair", "t1ce"]
FOLDER = Path(__file__).parent
NAME = r"[a-z][a-z0-9_]*"
FROZEN = "frozen"  # ends the names of segmentors that were trained on the real T1ce


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("write one line of text")
    return text


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a modality is listed twice; list it once")
    return values


class Variant(BaseModel):
    """An ablation, or another way to predict: the method with other parameters.

    Attributes
    ----------
    params : the values that differ from the method's defaults.
    kind : given where it differs from the method's.
    continues : the variant (or `base`) whose final weights it starts from.
    predicts_with : the variant (or `base`) whose final weights it predicts with. It is not trained.
    default : whether a benchmark that names no methods runs it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    summary: str
    params: dict[str, Any] = {}
    kind: Kind | None = None
    continues: str | None = None
    predicts_with: str | None = None
    default: bool = False


class Description(BaseModel):
    """The content of a `method.yaml`.

    Attributes
    ----------
    base : what tables call the method without a variant, where its title alone could mean any.
    params : each parameter with its default, at the paper's size.
    pretrained : a file of weights to start from, in the method's folder or by its full path:
        `torch.save` of {attribute of the model: state dict of that network}.
    trained : false takes the pretrained weights as they are.
    t1ce, seg : of kind `external`, the files of its volumes, see `methods.external.Pattern`.
    range : of its T1ce: `scanner`, the units of the patient's own T1ce file; `unit`, [0, 1];
        `signed`, [-1, 1].
    patients : of its T1ce: `test`, or `all`, so that a segmentor can be trained on it.
    learned_from : the patients that it was trained on, or a text file of their names, one per line,
        in the method's folder or by its full path. None: not declared.
    benchmarks : those whose patients it has volumes of, and all that extend them. None: any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Annotated[str, AfterValidator(_one_line)]
    summary: str
    kind: Kind
    pairing: Literal["paired", "unpaired"] = "paired"
    inputs: Annotated[tuple[Modality, ...], Field(min_length=1), AfterValidator(_each_once)] = (
        "t1",
        "t2",
        "flair",
    )
    reference: str | None = None
    pretrained: str | None = None
    trained: bool = True
    params: dict[str, Parameter] = {}
    variants: dict[str, Variant] = {}
    deviations: list[str] = []
    base: Annotated[str, AfterValidator(_one_line)] | None = None
    t1ce: str | None = None
    seg: str | None = None
    range: Literal["scanner", "unit", "signed"] | None = None
    patients: Literal["test", "all"] | None = None
    learned_from: tuple[str, ...] | str | None = None
    benchmarks: Annotated[tuple[str, ...], Field(min_length=1)] | None = None


class Method:
    """A method as found on disk.

    Attributes
    ----------
    name : the folder's name.
    description : its `method.yaml`.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.name = folder.name
        if not re.fullmatch(NAME, self.name):
            raise MethodError(
                f"methods/{self.name}: rename the folder to lower_case letters, digits and "
                "underscores; its name becomes part of run names and paths."
            )
        try:
            self._document = plain_yaml.Document(folder / "method.yaml")
            self.description = _read(self._document)
        except InputError as error:
            raise MethodError(self._short(str(error))) from None

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

    def params(
        self,
        variant: str,
        overrides: dict[str, Any],
        place: Callable[[str], str] | None = None,
    ) -> BaseModel:
        """Return the parameters of a variant: defaults, then `overrides`, then the variant's own.

        Parameters
        ----------
        overrides : a benchmark's, by name.
        place : names the file and line of an override, given its name; for messages.

        Returns
        -------
        A frozen object with one attribute per parameter; `model_dump()` gives them as a dict.

        Raises
        ------
        MethodError : there is no such parameter, or a value is not allowed.
        """
        own = self.variant(variant).params
        check_values(self._params, overrides, place or f"methods/{self.name}, `{{}}`".format)
        check_values(
            self._params, own, lambda name: self._place("variants", variant, "params", name)
        )
        return self._params(**overrides | own)

    @cached_property
    def _params(self) -> type[BaseModel]:
        return params_model(self.description.params)

    @property
    def pretrained(self) -> Path | None:
        """The file of the weights to start from."""
        name = self.description.pretrained
        return None if name is None else self.folder / name

    def pattern(self, kind: external.Kind) -> external.Pattern | None:
        """Return where an external method's volumes of a kind are; None if it has none."""
        text = getattr(self.description, kind)
        return None if text is None else external.Pattern(self.name, kind, text, self.folder)

    def learned_from(self) -> tuple[str, ...] | None:
        """Return the patients that an external method was trained on; None if not declared.

        Raises
        ------
        MethodError : their file cannot be read.
        """
        return external.read_names(self.description.learned_from, self.folder)

    def volumes_state(self) -> dict[str, Any]:
        """Return what changes when an external method's volumes, or what is said of them, do."""
        try:
            learned_from = self.learned_from()
        except MethodError as error:
            learned_from = str(error)
        files = {kind: one.state() for kind in external.KINDS if (one := self.pattern(kind))}
        said = self.description.model_dump(include={"range", "patients"})
        return said | {"learned_from": learned_from, "files": files}

    def check(self) -> None:
        """Find faults of the folder before any job starts, without importing its code.

        Raises
        ------
        MethodError : the source breaks the contract, a variant sets a parameter that does not
            exist, or the pretrained weights are missing.
        """
        for variant in self.variants:
            self.params(variant, {})
        if self.pretrained is not None and not self.pretrained.is_file():
            raise MethodError(f"{self._place('pretrained')}: there is no {self.pretrained}.")
        if self.description.kind == "external":
            return  # it has no source
        joint = [variant for variant in self.variants if self.kind(variant) == "joint"]
        check_source(self.folder, self.description.kind, joint[0] if joint else None)

    def _place(self, *keys: str) -> str:
        return self._short(self._document.where(keys))

    def _short(self, message: str) -> str:
        return message.replace(str(self.folder), f"methods/{self.name}")


def discover(folder: Path = FOLDER) -> dict[str, Method]:
    """Return all methods by name, in alphabetical order, without importing their code.

    Raises
    ------
    MethodError : a folder's name or `method.yaml` is invalid, or two share a title.
    """
    folders = sorted(f.parent for f in folder.glob("*/method.yaml"))
    methods = [Method(f) for f in folders if not f.name.startswith("_")]
    titles: dict[str, str] = {}
    for method in methods:
        title = method.description.title
        if title in titles:
            raise MethodError(
                f"methods/{titles[title]} and methods/{method.name} have one `title`, {title!r}, "
                "so that their rows look the same. Change it in one method.yaml."
            )
        titles[title] = method.name
    return {method.name: method for method in methods}


def _read(document: plain_yaml.Document) -> Description:
    """Check the whole of a `method.yaml`: first each key, then what several say together."""
    description = document.validated(Description)
    for keys, fault in _faults(description):
        raise InputError(f"{document.where(keys)}: {fault}.")
    return description


def _faults(description: Description) -> Iterator[tuple[tuple[str, ...], str]]:
    """(keys, fault) of what no key says by itself."""
    if "t1ce" in description.inputs and description.kind != "control":
        yield ("inputs",), "only a method of kind `control` may read t1ce; remove it"
    if not description.trained and description.pretrained is None:
        yield ("trained",), "false needs `pretrained`, the weights to use as they are"
    yield from external.faults(description)
    try:
        params_model(description.params)
    except ValueError as error:
        yield ("params",), str(error)
    for name in description.variants:
        if not re.fullmatch(NAME, name) or name == "base":
            yield ("variants", name), f"`{name}` must be lower_case, and not `base`"
        if description.variants[name].kind == "external" != description.kind:
            yield ("variants", name, "kind"), "only a whole method can be `external`; remove it"
        if name == FROZEN and description.kind == "segmentation":
            yield ("variants", name), f"`{name}` is taken by segmentors trained on the real T1ce"
        yield from _faults_of_weights(description, name)
        keys = ("variants", name, "continues")
        before, seen = name, set()
        while before in description.variants:
            if before in seen:
                circle = ", ".join(sorted(seen))
                yield keys, f"{circle} continue each other; one of them must start without it"
                return
            seen.add(before)
            before = description.variants[before].continues


def _faults_of_weights(
    description: Description, name: str
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with the variants that a variant takes its weights from."""
    variant, known = description.variants[name], ["base", *description.variants]
    for key in ("continues", "predicts_with"):
        other = getattr(variant, key)
        if other not in (None, *known):
            yield (
                ("variants", name, key),
                f"no variant `{other}`; there are {', '.join(known)}",
            )
    if variant.predicts_with is None:
        return
    keys = ("variants", name, "predicts_with")
    other = description.variants.get(variant.predicts_with)
    if variant.continues:
        yield keys, "a variant that predicts only has no `continues`; remove one of the two"
    if variant.predicts_with == name or (other and other.predicts_with):
        yield keys, f"`{variant.predicts_with}` is not trained itself; name one that is"
    if variant.kind not in (None, description.kind if other is None else other.kind):
        yield ("variants", name, "kind"), f"`{variant.predicts_with}` is of another kind; remove it"
