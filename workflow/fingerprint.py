"""A fingerprint of code that changes with what the code does, not with how it is commented.

Snakemake sees neither an edit in an imported module nor that an edit is only a comment. So each
rule carries, among its `params`, the fingerprint of the modules that it runs.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "methods", "workflow")


def fingerprint(modules: Iterable[str], alone: Iterable[str] = ()) -> str:
    """Hash the syntax trees of `modules` and of all of this repository that they import.

    Comments, docstrings and layout do not count. Imports inside functions do.

    Parameters
    ----------
    modules : names; `package.*` means every file of a folder.
    alone : modules that count without what they import.
    """
    digest = hashlib.sha256()
    own = {path for module in alone for path in _files(module)}
    for path in sorted(sources(modules) | own):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(_tree(path).encode())
    return digest.hexdigest()[:16]


def sources(modules: Iterable[str]) -> set[Path]:
    """Return the files of `modules`, and of all of this repository that they import."""
    found: set[Path] = set()
    waiting = [path for module in modules for path in _files(module)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path)
    return found


@cache
def _tree(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported may itself be a module: `from methods import contract`.
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple(sorted(p for name in names for p in _files(name)))


def _files(module: str) -> list[Path]:
    if module.split(".")[0] not in PACKAGES:
        return []
    stem = ROOT / module.removesuffix(".*").replace(".", "/")
    if module.endswith(".*"):
        return sorted(stem.glob("*.py"))
    return [p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()]
