"""What a benchmark's numbers were made from, and whether the files here still agree with that.

A manifest, `results/manifest/<benchmark>.json`, is written by `python -m workflow manifest` and
read by `python -m benchmarks verify`. It holds all that `verify` needs: paths, checksums, and for
each step what went in and what came out. `Manifest` lists its fields.

Known limits
------------
- It tells damage, mistakes and mix-ups, not fraud: whoever writes a manifest can write any.
- Code counts by its commit and by each run's digest; `verify` compares neither with the code here.
- Predicted volumes are known by the checksums that their index gives, of the array alone.
- The NIfTI copies below `results/cases`, and logs, are not covered.
- Files that were added to the folder of input data are not looked for.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.errors import InputError
from benchmarks.files import write_atomically

DATA, GROUP = "data:", "group:"
"""What the names of input data, and of groups of files, begin with where steps name them."""
LARGE = 100 * 10**6
"""Bytes above which a file is not read when somebody is in a hurry."""


def _stays_inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or str(pure) != path or "\0" in path:
        raise ValueError("a path must be relative, without `..`")
    return path


Relative = Annotated[str, AfterValidator(_stays_inside)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Part):
    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Data(_Part):
    """The patients' files as they were read: `folder` as it was given, names relative to it."""

    folder: str
    files: dict[Relative, Sha256]


class Step(_Part):
    """Names of files, of input data (`data:...`) and of groups of files (`group:...`)."""

    takes: list[str]
    makes: list[str]


class Check(_Part):
    """Something that should hold of all results, and what was seen where it does not.

    A grave one speaks against the numbers; another is a reason to look at what it names, such as a
    method that learned nothing, which is a result as well.
    """

    name: str
    holds: bool
    found: str = ""
    grave: bool = True


class Code(_Part):
    """`dirty` is whether files were changed or not known to git; null where `commit` is unknown."""

    commit: str | None
    dirty: bool | None
    changed: list[str]
    unknown: str | None = None


class Manifest(_Part):
    """Everything that a benchmark's numbers were made from and on.

    Attributes
    ----------
    written : the time in UTC; the one field that differs between two manifests of the same files,
        code, machine and command.
    command : Snakemake's, when the manifest was written; earlier calls may have done the work. Null
        where the manifest was written by hand.
    code : the commit, when the manifest was written.
    environment : Python, and the packages of requirements.txt as installed.
    machine : that which wrote the manifest; what each training ran on is in its `cost`.
    settings : the benchmark as resolved: file, scale and command line together.
    runs : by run and seed: the digest of settings and code that it follows from, whether it is
        scored, why not if not, and what its training cost. Times of other jobs are not kept.
    checks : what must hold, as seen when the manifest was written.
    data : input data.
    files : store, split, weights, losses, costs, indices of predictions, scores, tables, figures.
    volumes : predicted volumes, by the checksum of the array.
    groups : files that steps take or make together.
    steps : what each step takes and makes, in an order in which they can be done.
    folders : where every file is listed here, so that any other is new.
    shown : the folders of tables and figures.
    seal : the checksum of all the rest, so that an edit of the manifest itself shows.
    """

    format: Literal[1] = 1
    benchmark: str
    written: str
    command: list[str] | None
    code: Code
    environment: dict[str, Any]
    machine: dict[str, Any]
    settings: dict[str, Any]
    runs: dict[str, dict[str, dict[str, Any]]]
    checks: Annotated[list[Check], Field(min_length=1)]
    data: Data
    files: dict[Relative, File]
    volumes: dict[Relative, Sha256]
    groups: dict[str, list[str]]
    steps: dict[str, Step]
    folders: list[Relative]
    shown: list[Relative]
    seal: str = ""

    @model_validator(mode="after")
    def _steps_name_what_is_listed(self) -> "Manifest":
        known = {*self.files, *self.volumes, *(DATA + name for name in self.data.files)}
        for step in self.steps.values():
            for name in self.expand([*step.takes, *step.makes]):
                if name not in known:
                    raise ValueError(f"a step or group names {name}, which has no checksum")
        return self

    def expand(self, names: Iterable[str]) -> Iterator[str]:
        """The files behind names, of groups too."""
        for name in names:
            yield from self.groups.get(name, [name])


def seal(content: dict) -> str:
    """The checksum of a manifest's content without its seal."""
    rest = {key: value for key, value in content.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write it sealed, as JSON, atomically."""
    content = manifest.model_dump(mode="json")
    content["seal"] = seal(content)
    with write_atomically(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises
    ------
    InputError : it is missing, cut short, edited, of another format, or names a path that leads
        out of the folder; says the file, the key and the mend.
    """
    mend = f"Write it anew: python -m workflow manifest --benchmark {path.stem}"
    if not path.is_file():
        raise InputError(f"There is no {path}. {mend}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    # Brackets within brackets lead Python's parser too deep.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON, or cut short ({error}). {mend}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is no manifest. {mend}")
    try:
        manifest = Manifest(**content)
    except (ValidationError, TypeError) as error:
        raise InputError(f"{path}{_first_fault(error)}. {mend}") from None
    if manifest.seal != seal(content):
        raise InputError(f"{path}, `seal`: the file was edited since it was written. {mend}")
    return manifest


def _first_fault(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return f": {error}"
    fault = error.errors()[0]
    keys = ".".join(str(key) for key in fault["loc"] if key != "[key]")
    message = fault["msg"].removeprefix("Value error, ")
    return f", `{keys}`: {message}" if keys else f": {message}"


def record(root: Path, path: Path) -> File:
    """Size and checksum of a file; `path` is relative to `root`."""
    return File(bytes=(root / path).stat().st_size, sha256=checksum(root / path))


def checksum(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_checksum(path: Path) -> str:
    """SHA-256 of the numbers in a .npy file, without its header; empty if it is none."""
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8 or not start.startswith(b"\x93NUMPY"):
            return ""
        file.seek(int.from_bytes(file.read(2 if start[6] == 1 else 4), "little"), os.SEEK_CUR)
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(root: Path, folder: str) -> list[str]:
    """All files below a folder, relative to `root`, sorted; not the hidden, which are temporary."""
    found = (path for path in (root / folder).rglob("*") if path.is_file())
    return sorted(
        path.relative_to(root).as_posix() for path in found if not path.name.startswith(".")
    )


@dataclass
class Verdict:
    """How the files agree with a manifest; names are the manifest's.

    Attributes
    ----------
    skipped : large files that were not read.
    absent : input data that is not there, which is no fault of the results.
    causes : of each file that follows from what changed or is missing, which files those are.
    stale : the steps that would have to be done again.
    """

    manifest: Manifest
    compared: int = 0
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    causes: dict[str, set[str]] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    @property
    def failed_checks(self) -> list[Check]:
        return [check for check in self.manifest.checks if check.grave and not check.holds]

    @property
    def doubts(self) -> list[Check]:
        return [check for check in self.manifest.checks if not (check.grave or check.holds)]

    @property
    def agrees(self) -> bool:
        return not (self.changed or self.missing or self.new or self.failed_checks)

    def is_shown(self, name: str) -> bool:
        """Whether it is a table or a figure."""
        return any(name.startswith(f"{folder}/") for folder in self.manifest.shown)

    @property
    def tables(self) -> list[str]:
        return [name for name in self.manifest.files if self.is_shown(name)]

    @property
    def unfounded(self) -> list[str]:
        """The tables and figures that no longer follow from their inputs."""
        return [name for name in self.tables if self.causes.get(name)]

    @property
    def edited(self) -> list[str]:
        """The tables and figures that changed though nothing that they follow from did."""
        return [n for n in self.changed if self.is_shown(n) and not self.causes.get(n)]


def compare(manifest: Manifest, root: Path, data: Path, quick: bool = False) -> Verdict:
    """Compare the files below `root`, and the input data below `data`, with a manifest.

    Reads nothing but the files that the manifest names, each once; lists its `folders`.
    """
    verdict = Verdict(manifest)
    for name, known in manifest.files.items():
        _look(verdict, name, root / name, checksum, known.sha256, quick, known.bytes)
    for name, sha256 in manifest.volumes.items():
        _look(verdict, name, root / name, array_checksum, sha256, quick)
    for name, sha256 in manifest.data.files.items():
        _look(verdict, DATA + name, data / name, checksum, sha256, quick)
    listed = manifest.files.keys() | manifest.volumes.keys()
    for folder in manifest.folders:
        verdict.new += [name for name in files_below(root, folder) if name not in listed]
    _trace(verdict)
    return verdict


def _look(
    verdict: Verdict,
    name: str,
    path: Path,
    digest: Callable[[Path], str],
    expected: str,
    quick: bool,
    size: int | None = None,
) -> None:
    if not path.is_file():
        (verdict.absent if name.startswith(DATA) else verdict.missing).append(name)
    elif size not in (None, path.stat().st_size):
        verdict.changed.append(name)
    elif quick and path.stat().st_size > LARGE:
        verdict.skipped.append(name)
    else:
        verdict.compared += 1
        if digest(path) != expected:
            verdict.changed.append(name)


def _trace(verdict: Verdict) -> None:
    """Follow each changed or missing file through the steps to all that follows from it."""
    damaged = {*verdict.changed, *verdict.missing}
    steps = verdict.manifest.steps.items()
    known, before = 0, -1
    # As often as it takes, since a manifest need not list its steps in order.
    while known != before:
        verdict.stale, before = [], known
        for name, step in steps:
            causes: set[str] = set()
            for taken in verdict.manifest.expand(step.takes):
                causes |= verdict.causes.get(taken, set()) | ({taken} & damaged)
            if causes:
                verdict.stale.append(name)
                for made in verdict.manifest.expand(step.makes):
                    verdict.causes.setdefault(made, set()).update(causes)
        known = sum(map(len, verdict.causes.values()))
