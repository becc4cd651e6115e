"""Sources of patients, one file each: the folder is listed, so a new file is a new source.

A source is a module with

- a docstring, whose first line says what it is;
- `SETTINGS`, a tuple of the keys that it takes below a benchmark file's `cohort:`, out of `KEYS`;
- `SIMULATED`, whether its patients are simulated;
- `find(cohort, folder)`, which lists the patients as `PatientFiles` and opens no image. `cohort` is
  the section of the benchmark file, `folder` the place of simulated patients;
- `read(files)`, which reads one patient as a `Patient`;
- `simulate(patient, folder, seed)` if `SIMULATED`, which writes one patient below `folder`.

Planning imports it where only Snakemake is installed, so import other packages inside `read` and
`simulate`. `benchmarks.cohorts.nifti.read_patient` reads and checks NIfTI files for any source.
"""

import ast
import difflib
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from benchmarks.cohorts.patient import Patient, PatientFiles
from benchmarks.declarations import Declaration, declarations

FOLDER = Path(__file__).parent
# Keys of `cohort:` that a source may take.
KEYS = ("path", "patients", "seed", "release")
# The functions of a source with their arguments; the last is that of simulated patients.
INTERFACE = (
    ("find", "cohort", "folder"),
    ("read", "files"),
    ("simulate", "patient", "folder", "seed"),
)
# Packages that planning can import.
PLANNING = {*sys.stdlib_module_names, "benchmarks", "pydantic", "yaml"}


@dataclass(frozen=True)
class Source:
    """A source of patients, its module checked.

    Attributes
    ----------
    title : the first line of the module's docstring.
    settings : the keys of `cohort:` that it takes.
    simulate : None if the patients are real.
    """

    name: str
    title: str
    settings: tuple[str, ...]
    simulated: bool
    find: Callable[[Any, Path], list[PatientFiles]]
    read: Callable[[PatientFiles], Patient]
    simulate: Callable[[str, Path, int], None] | None


def source_names() -> list[str]:
    """List the names of all sources, sorted."""
    return [declaration.name for declaration in declarations(FOLDER)]


def load_source(name: str) -> Source:
    """Import a source, once it is seen to keep the interface above.

    Raises
    ------
    ValueError : there is no such file; the message is a clause that lists the known ones.
    InputError : the file breaks the interface; with its line, what was found and what to write.
    """
    known = source_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean `{close[0]}`? " if close else ""
        raise ValueError(
            f"there is no such source. {hint}Known sources: {', '.join(known)}. Each is a file in "
            f"{FOLDER}"
        )
    source = Declaration(FOLDER / f"{name}.py")
    if not source.docstring:
        raise source.fault(1, "there is no docstring; begin the file with one that says what it is")
    settings, simulated = _literal(source, "SETTINGS"), _literal(source, "SIMULATED")
    interface = INTERFACE if simulated else INTERFACE[:2]
    for function, *arguments in interface:
        node = source.function(function, len(arguments))
        found, wanted = ", ".join(x.arg for x in node.args.args), ", ".join(arguments)
        if found != wanted:
            fault = f"`{function}` takes ({found}); write `def {function}({wanted})`"
            raise source.fault(node.lineno, fault)
    module, title = _imported(source), source.docstring.splitlines()[0]
    simulate = module.simulate if simulated else None
    return Source(name, title, settings, simulated, module.find, module.read, simulate)


def _literal(source: Declaration, key: Literal["SETTINGS", "SIMULATED"]) -> Any:
    wanted = {"SETTINGS": f"a tuple out of {KEYS}", "SIMULATED": "a bool"}[key]
    node, value = source.assigned(key), source.value(key)
    if node is None:
        raise source.fault(1, f"there is no `{key}`; write {key} = {wanted}")
    fits = isinstance(value, tuple) and set(value) <= set(KEYS)
    if not (fits if key == "SETTINGS" else value in (True, False)):
        raise source.fault(node.lineno, f"`{key}` is {value!r}; write {wanted}")
    return value


def _imported(source: Declaration) -> ModuleType:
    """Import the module; Snakemake's own environment must be able to."""
    for node in source.tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for package in {name.partition(".")[0] for name in names} - PLANNING:
            raise source.fault(
                node.lineno,
                f"planning imports this file and may lack `{package}`; import it inside the "
                "function that needs it",
            )
    try:
        return import_module(f"{__name__}.{source.name}")
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(source.path)]
        raise source.fault(
            lines[-1] if lines else 1,
            f"it cannot be imported ({type(error).__name__}: {error}). Correct it, and import "
            "packages that planning lacks inside the function that needs them",
        ) from error
