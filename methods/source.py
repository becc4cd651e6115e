"""What planning can tell of a `method.py` without importing it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from methods.errors import MethodError

# By the base class, the methods that a model must define.
VERBS = {
    "Synthesizer": {"build", "train_step", "synthesize"},
    "Segmentor": {"build", "train_step", "segment"},
    "Control": {"synthesize"},
}

# By kind, the base class of the model.
BASES = {
    "synthesis": "Synthesizer",
    "joint": "Synthesizer",
    "segmentation": "Segmentor",
    "control": "Control",
}

# Names of an earlier contract, and today's.
RENAMED = {
    "memory": "extra_state(self)",
    "recall": "load_extra_state(self, state)",
    "training": "train(self)` and `eval(self)",
    "state": "state_dict(self)",
    "restore": "load_state_dict(self, state, strict=True)",
}


def check_source(folder: Path, kind: str, joint: str | None) -> None:
    """Find in a method's source what would fail later, by its syntax trees alone.

    Parameters
    ----------
    joint : a variant of kind `joint`, if there is one.

    Raises
    ------
    MethodError : a file is missing or not Python, uses a name of an earlier contract, or its model
        lacks a method or has the wrong base class. Names the file and the line.
    """
    path = folder / "method.py"
    if not path.is_file():
        raise MethodError(f"{_name(path)} is missing; it holds the method's model.")
    trees = {file: _parse(file) for file in sorted(folder.glob("*.py"))}
    for line, fault in _old_names(trees[path]):
        raise MethodError(f"{_name(path)}, line {line}: {fault}")
    _check_model(trees[path], _name(path), kind, joint)


def _name(path: Path) -> str:
    return f"methods/{path.parent.name}/{path.name}"


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        text = f": {error.text.strip():.100}" if error.text else ""
        place = f"{_name(path)}, line {error.lineno}"
        raise MethodError(f"{place}: this is not Python: {error.msg}{text}") from None
    # Null bytes, and nesting beyond what Python's parser can hold.
    except (ValueError, RecursionError, MemoryError) as error:
        raise MethodError(f"{_name(path)} is not Python: {error or 'nested too deep'}.") from None


def _old_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, fault) of each name of an earlier contract."""
    fields = [x for x in ast.walk(tree) if isinstance(x, ast.ClassDef) and _is_params(x)]
    declared = [y for x in fields for y in x.body if isinstance(y, ast.AnnAssign) and y.value]
    example = "width: 64"
    if declared:
        example = f"{ast.unparse(declared[0].target)}: {ast.unparse(declared[0].value)}"
    params = f"parameters are declared in method.yaml now: `{example}` below `params:` there"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_params(node):
            yield node.lineno, f"delete `class {node.name}`; {params}."
        if isinstance(node, ast.ClassDef) and "Entry" in _bases(node):
            yield node.lineno, "the base class `Entry` is called `Model` now."
        if isinstance(node, ast.ImportFrom) and node.module == "methods.contract":
            for alias in node.names:
                if alias.name == "Entry":
                    yield node.lineno, "`Entry` is called `Model` now."
                if alias.name == "Params" and not fields:
                    yield node.lineno, f"there is no `Params` to import; {params}."
    for model in _models(tree):
        for node in model.body:
            if isinstance(node, ast.FunctionDef) and node.name in RENAMED:
                new = RENAMED[node.name]
                yield node.lineno, f"`{node.name}` is called `{new}` now, as in torch; rename it."
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(x, ast.Name) and x.id == "Params" for x in targets):
                yield node.lineno, f"delete `{ast.unparse(node)}`; {params}."


def _is_params(node: ast.ClassDef) -> bool:
    return "Params" in _bases(node) or (node.name == "Params")


def _bases(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).rpartition(".")[2] for base in node.bases]


def _models(tree: ast.Module) -> list[ast.ClassDef]:
    """The module's classes that inherit, through each other, from a class of the contract."""
    names, found = {*VERBS, "Model", "Entry"}, []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and names & set(_bases(node)):
            names.add(node.name)
            found.append(node)
    return found


def _check_model(tree: ast.Module, place: str, kind: str, joint: str | None) -> None:
    """Check the one model, unless it inherits from a class of another module of the method."""
    models, wanted = _models(tree), BASES[kind]
    if len(models) != 1:
        if models or not any(isinstance(x, ast.ClassDef) and x.bases for x in tree.body):
            raise MethodError(
                f"{place} holds {len(models)} models; kind `{kind}` asks for exactly one subclass "
                f"of {wanted}."
            )
        return
    (model,) = models
    if len(model.bases) != 1:
        return
    (base,) = _bases(model)
    at = f"{place}, line {model.lineno}: {model.name}"
    if base != wanted:
        raise MethodError(f"{at} is a {base}; kind `{kind}` asks for a subclass of {wanted}.")
    stores = (x.targets if isinstance(x, ast.Assign) else [] for x in model.body)
    defined = {x.id for targets in stores for x in targets if isinstance(x, ast.Name)}
    defined |= {x.name for x in model.body if isinstance(x, ast.FunctionDef)}
    if missing := ", ".join(sorted(VERBS[wanted] - defined)):
        raise MethodError(f"{at} lacks {missing}; see methods/contract.py for what it must do.")
    if joint and "segment" not in defined:
        raise MethodError(f"{at} has no method `segment`, but variant `{joint}` is `joint`.")
