"""A fingerprint of code that changes with what the code does, not with how it is commented.

Snakemake sees neither an edit in an imported module nor that an edit is only a comment. So each
rule carries, among its `params`, the fingerprint of the modules that it runs.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "methods", "workflow")


def fingerprint(modules: list[str], alone: list[str] | None = None) -> str:
    """Hash of the syntax trees of `modules` and of all of this repository that they import.

    Comments, docstrings and layout do not count. Imports inside functions do. Of the modules
    `alone`, what they import does not.
    """
    digest = hashlib.sha256()
    own = {path for module in alone or [] for path in _files(module)}
    for path in sorted(sources(modules) | own):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(_tree(path).encode())
    return digest.hexdigest()[:16]


def sources(modules: list[str]) -> set[Path]:
    """The files of `modules`, and of all of this repository that they import, directly or not."""
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
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [x for i, x in enumerate(node.body) if not (i == 0 and _is_text(x))]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What is imported may itself be a module: `from methods import contract`.
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple(sorted(p for name in names for p in _files(name)))


def _files(module: str) -> list[Path]:
    if module.split(".")[0] not in PACKAGES:
        return []
    stem = ROOT / module.replace(".", "/")
    return [p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()]
