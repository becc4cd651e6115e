"""Read YAML files that people write, and name file, line and key of whatever is wrong in them."""

import difflib
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError

from benchmarks.errors import InputError

Keys = tuple[str | int, ...]
Model = TypeVar("Model")
LONGEST = 200  # characters of a wrong value that a message shows


class Settings(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyedError(ValueError):
    """A fault of a key below the value that a validator checks."""

    def __init__(self, keys: Sequence[str | int], text: str):
        super().__init__(text)
        self.keys = tuple(keys)


def each_once(values: tuple) -> tuple:
    """Return the values. Raises ValueError if one is listed twice."""
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is listed twice; list it once")
    return values


def file_name(folder: Path) -> AfterValidator:
    """Return a validator of names of YAML files in a folder, without their ending."""

    def known(name: str) -> str:
        names = sorted(path.stem for path in folder.glob("*.yaml"))
        if name not in names:
            raise ValueError(f"there is no such file in {folder.name}/; write {', '.join(names)}")
        return name

    return AfterValidator(known)


class Document:
    """One or more YAML files, the last one winning, checked against a pydantic model.

    Attributes
    ----------
    paths : the files, in their order.
    content : their merged mappings. A file that is a list stands alone.

    Raises
    ------
    InputError : a file cannot be read, is not UTF-8 or not YAML, has a key twice in one mapping, a
        tag (which could run code) or a scalar that YAML cannot convert, e.g. the date 2024-02-30;
        or it holds no keys and values.
    """

    def __init__(self, *paths: Path):
        self.paths = list(paths)
        self._trees = []
        self.content: Any = {}
        for path in paths:
            tree, content = _read(path)
            if len(paths) == 1 and isinstance(content, list):
                self.content = content
            elif isinstance(content, dict):
                self.content = merge(self.content, content)
            else:
                found = repr(content)[:LONGEST]
                raise InputError(f"{path}: expected keys and values, found {found}.")
            self._trees.append(tree)

    def where(self, keys: Sequence[str | int] = ()) -> str:
        """Return `file, line N, key`: of the last file that has the key, else of its parent."""
        name = f"`{'.'.join(map(str, keys))}`"
        for depth in range(len(keys), 0, -1):
            for path, tree in reversed(list(zip(self.paths, self._trees, strict=True))):
                if (line := _line_of(tree, keys[:depth])) is not None:
                    return f"{path}, line {line}, {name}"
        return f"{self.paths[0]}, {name}" if keys else str(self.paths[0])

    def has(self, keys: Sequence[str | int]) -> bool:
        """Return whether any of the files has the key."""
        return any(_line_of(tree, keys) is not None for tree in self._trees)

    def validated(self, model: type[Model], renamed: Mapping[str, str] | None = None) -> Model:
        """Return the content as an instance of a pydantic model, or of a tuple of such.

        Parameters
        ----------
        renamed : old keys, dotted, by which users may know what is called otherwise today.

        Raises
        ------
        InputError : one line per fault: the place, what was found, what to write instead.
        """
        try:
            return TypeAdapter(model).validate_python(self.content)
        except ValidationError as error:
            found = faults(error, model, renamed or {})
        raise InputError("\n".join(f"{self.where(keys)}: {text}." for keys, text in found))


def faults(
    error: ValidationError, model: Any, renamed: Mapping[str, str] | None = None
) -> list[tuple[Keys, str]]:
    """Return the keys of each fault, and what was found and what to write.

    Unknown keys come first, since a misspelt key is also reported as missing.
    """
    details = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    # A list that loses its wrong items is also reported as too short.
    inner = {fault["loc"][:-1] for fault in details}
    shown = [x for x in details if not (x["type"] == "too_short" and x["loc"] in inner)]
    return [_explain(fault, model, renamed or {}) for fault in shown]


def _explain(fault: Any, model: Any, renamed: Mapping[str, str]) -> tuple[Keys, str]:
    keys = tuple(key for key in fault["loc"] if key != "[key]")  # of a mapping's key itself
    message = fault["msg"].removeprefix("Value error, ")
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, KeyedError):
        return (*keys, *cause.keys), message
    if fault["type"] == "extra_forbidden":
        if new := renamed.get(".".join(map(str, keys))):
            return keys, f"this key is now called `{new}`; rename it"
        return keys, f"there is no such key. {_suggest(model, keys)}"
    if fault["type"] == "missing":
        return keys, "this key is missing; add it"
    if not keys and fault["type"] == "value_error":
        return keys, message
    found = repr(fault["input"])
    found = found if len(found) <= LONGEST else f"{found[:LONGEST]}..."
    return keys, f"found {found}{'; ' if fault['type'] == 'value_error' else '. '}{message}"


def _suggest(model: Any, keys: Keys) -> str:
    """The keys that exist in the place of an unknown one, the closest first."""
    model = _model_in(model)
    for key in keys[:-1]:
        # An index of a list, or a key of any name, leads to a model that is known already.
        if key in (fields := getattr(model, "model_fields", {})):
            model = _model_in(fields[key].annotation)
    known = list(getattr(model, "model_fields", {}))
    close = difflib.get_close_matches(str(keys[-1]), known, n=1, cutoff=0.5)
    hint = f"Did you mean `{close[0]}`? " if close else ""
    return f"{hint}Known keys here: {', '.join(known)}" if known else "Remove it"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model in an annotation, such as that of a list's items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which also refuses a key that stands twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if (name := (key.tag, str(key.value))) in seen:
                raise yaml.YAMLError(
                    f"line {line}: `{key.value}` is in line {seen[name]} too; keep one of them"
                )
            seen[name] = line
        return super().construct_mapping(node, deep)


def _read(path: Path) -> tuple[yaml.Node, Any]:
    """The file's tree, which knows line numbers, and its content."""
    try:
        loader = _Loader(path.read_bytes().decode("utf-8-sig"))
        tree = loader.get_single_node()
        return tree, None if tree is None else loader.construct_document(tree)
    except OSError as error:
        fault = f"it cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        fault = f"byte {error.start} is not UTF-8 text; is it the right file?"
    except yaml.YAMLError as error:
        fault = str(error)
    except (ValueError, OverflowError) as error:
        fault = f"a value cannot be converted ({error}); put it in quotes"
    raise InputError(f"{path} is not valid: {fault}.")


def _line_of(node: yaml.Node, keys: Sequence[str | int]) -> int | None:
    """The line of a key below `node`; None if the file lacks it."""
    line = None
    for key in keys:
        children = []
        if isinstance(node, yaml.MappingNode):
            children = [(name.value, name, value) for name, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = [(index, value, value) for index, value in enumerate(node.value)]
        child = next((child for child in children if str(child[0]) == str(key)), None)
        if child is None:
            return None
        line, node = child[1].start_mark.line + 1, child[2]
    return line


def merge(base: dict, over: dict) -> dict:
    """Return nested settings in which those of `over` replace those of `base`."""
    both = {
        key: merge(base[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return base | over | both
