"""Read what a Python file declares without importing it.

A metric, a table, a figure or a source of patients is one file of a folder. Planning must know
their names and a few literals, but runs where neither numpy nor matplotlib is installed.
"""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.errors import InputError


@dataclass(frozen=True)
class Declaration:
    """The syntax tree of a file of this repository, or of a user's file beside ours.

    Raises
    ------
    InputError : the file is not Python; names file and line.
    """

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def tree(self) -> ast.Module:
        try:
            return ast.parse(self.path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            raise self.fault(line, f"it is not Python ({error}). Correct it") from None

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    def function(self, name: str, arguments: int) -> ast.FunctionDef:
        """Return a module-level function, which must take so many positional arguments."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                taken = len(node.args.posonlyargs) + len(node.args.args)
                if taken - len(node.args.defaults) <= arguments <= taken:
                    return node
                raise self.fault(
                    node.lineno,
                    f"`{name}` takes {taken} arguments; it must take {arguments}",
                )
        raise self.fault(1, f"there is no function `{name}`; define it")

    def value(self, name: str, default: object = None) -> object:
        """Return the literal that the module assigns to a name."""
        node = self.assigned(name)
        if node is None:
            return default
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise self.fault(
                node.lineno, f"`{name}` must be a literal, since the file is not run to read it"
            ) from None

    def assigned(self, name: str) -> ast.expr | None:
        """Return the expression that the module assigns to a name, if it does."""
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return node.value
        return None

    def fault(self, line: int, text: str) -> InputError:
        return InputError(f"{self.path}, line {line}: {text}.")


def declarations(folder: Path) -> list[Declaration]:
    """Return one declaration per Python file of a folder, by name; `_` hides a file."""
    paths = sorted(folder.glob("*.py"))
    return [Declaration(path) for path in paths if not path.name.startswith("_")]
