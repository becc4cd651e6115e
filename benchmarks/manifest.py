"""The record of what a benchmark's numbers were made from, and whether the files still agree.

A manifest, `results/manifest/<benchmark>.json`, is written by `python -m workflow manifest`, which
collects what each job recorded, and read by `python -m benchmarks verify`. It holds everything that
`verify` needs: paths, checksums, and each step's inputs and outputs. `Manifest` lists its fields.

Known limits
------------
- It shows damage, mistakes and mix-ups, not fraud: whoever writes a manifest can write anything.
- The commit and each run's digest stand for the code; `verify` compares neither with today's code.
- A predicted volume's checksum is that of its array alone, as its index has it.
- The page and the NIfTI copies below `results/cases`, which are written later, are compared with
  the checksums that were written beside them. Logs are not covered.
- Files that were added to the folder of input data, to the page or to the copies are not detected.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.checksums import array_checksum, checksum
from benchmarks.errors import InputError
from benchmarks.files import write_atomically

DATA = "data:"  # names of input data begin with it where steps name them
EXTERNAL = "external:"  # and those of volumes that were predicted elsewhere
LARGE = 100 * 10**6  # bytes above which `--quick` does not read a file


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
    """The patients' files as they were read: `folder` as the user gave it, names relative to it.

    Attributes
    ----------
    read_as : sentences on the releases, time points, grids and grades of the patients.
    """

    folder: str
    files: dict[Relative, Sha256]
    read_as: list[str] = []


class Step(_Part):
    """Names of files, of input data (`data:...`) and of volumes that were predicted elsewhere.

    Attributes
    ----------
    outdated : the inputs that the step took in another version than the manifest's.
    """

    takes: list[str]
    makes: list[str]
    outdated: list[str] = []


class Check(_Part):
    """Something that should hold of all results, and what was found where it does not.

    A critical check that fails speaks against the numbers. Another is a reason to look at what it
    names, such as a method that learned nothing, which is a result as well.
    """

    name: str
    holds: bool
    found: str = ""
    critical: bool = True


class Code(_Part):
    """`dirty` is whether files were changed or not known to git; null where `commit` is unknown."""

    commit: str | None
    dirty: bool | None
    changed: list[str]
    unknown: str | None = None


class Manifest(_Part):
    """Everything that a benchmark's numbers were made from.

    Attributes
    ----------
    written : the time in UTC; the one field that differs between two manifests of the same files,
        code, machine and command.
    command : Snakemake's, when the manifest was written; earlier calls may have done the work. Null
        where the manifest was written by hand.
    code : the commit, when the manifest was written.
    environment : Python, and the packages of requirements.txt as installed.
    machine : the one that wrote the manifest; `cost` and `prediction_cost` name the device of
        each training and of each synthesis.
    settings : the benchmark as resolved: file, scale and command line together; without `page`,
        which is of no number.
    runs : by run and replicate: the digest of its settings and code, whether it is scored, the
        reason if not, and the costs of its training and of its synthesis. Times of other jobs are
        not kept.
    checks : what must hold, as found when the manifest was written.
    data : input data.
    external : by `<method>/<kind>`, the volumes that were predicted elsewhere.
    files : store, split, weights, losses, costs, indices of predictions, scores, tables, figures.
    arrays : predicted volumes: the checksum of the array, without the file's header.
    steps : what each step took and made.
    folders : where every file is listed here, so that any other is new.
    shown : the folders of tables and figures.
    listings : where the page and the exported cases list their files (see `Listing`).
    seal : the checksum of all the rest, so that an edit of the manifest itself shows.
    """

    format: Literal[2] = 2
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
    external: dict[str, Data] = {}
    files: dict[Relative, File]
    arrays: dict[Relative, Sha256]
    steps: dict[str, Step]
    folders: list[Relative]
    shown: list[Relative]
    listings: list[Relative] = []
    seal: str = ""

    @model_validator(mode="after")
    def _steps_name_listed_files(self) -> "Manifest":
        known = {*self.files, *self.arrays, *(DATA + name for name in self.data.files)}
        known |= {f"{EXTERNAL}{k}/{name}" for k, one in self.external.items() for name in one.files}
        for name, step in self.steps.items():
            if unknown := {*step.takes, *step.makes} - known:
                raise ValueError(f"step `{name}` names {min(unknown)}, which has no checksum")
        return self


class Listing(BaseModel):
    """The sha256 of files, by their names below the folder in which the listing is.

    The page and the exported cases are copies, and are written when the manifest exists already.
    """

    files: dict[Relative, Sha256]


def seal(content: dict) -> str:
    """Return the checksum of a manifest's content without its seal."""
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
        out of the folder; names the file, the key and what to do.
    """
    fix = f"Write it anew: python -m workflow manifest --benchmark {path.stem}"
    if not path.is_file():
        raise InputError(f"There is no {path}. {fix}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    # Deeply nested JSON raises RecursionError.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON, or cut short ({error}). {fix}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is no manifest. {fix}")
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}{_first_fault(error)}. {fix}") from None
    if manifest.seal != seal(content):
        raise InputError(f"{path}, `seal`: the file was edited since it was written. {fix}")
    return manifest


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    keys = ".".join(str(key) for key in fault["loc"] if key != "[key]")
    message = fault["msg"].removeprefix("Value error, ")
    return f", `{keys}`: {message}" if keys else f": {message}"


@dataclass
class Verdict:
    """How the files agree with a manifest; names are the manifest's.

    Attributes
    ----------
    compared : how many files were read.
    skipped : large files that were not read.
    absent : input data, and volumes that were predicted elsewhere, that do not exist here, which is
        no fault of the results.
    causes : by file, the changed, missing or outdated files that it follows from.
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
        return [check for check in self.manifest.checks if check.critical and not check.holds]

    @property
    def warnings(self) -> list[Check]:
        return [check for check in self.manifest.checks if not (check.critical or check.holds)]

    @property
    def outdated(self) -> list[tuple[str, str]]:
        """The steps that took another version of a file, each with that file."""
        return [(n, taken) for n, step in self.manifest.steps.items() for taken in step.outdated]

    @property
    def agrees(self) -> bool:
        return not (self.changed or self.missing or self.new or self.outdated or self.failed_checks)

    @property
    def tables(self) -> list[str]:
        """The tables and figures."""
        folders = tuple(f"{folder}/" for folder in self.manifest.shown)
        return [name for name in self.manifest.files if name.startswith(folders)]

    @property
    def damaged_copies(self) -> list[str]:
        """The folders of the page and of exported cases in which a file changed or is missing."""
        folders = [f"{PurePosixPath(listing).parent}/" for listing in self.manifest.listings]
        damaged = (*self.changed, *self.missing)
        return [one for one in folders if any(name.startswith(one) for name in damaged)]

    @property
    def unfounded(self) -> list[str]:
        """The tables and figures that no longer follow from their inputs."""
        return [name for name in self.tables if self.causes.get(name)]

    @property
    def edited(self) -> list[str]:
        """The tables and figures that changed though none of their inputs did."""
        return [name for name in self.tables if name in self.changed and name not in self.causes]


def compare(manifest: Manifest, root: Path, data: Path, quick: bool = False) -> Verdict:
    """Compare the files below `root`, and the input data below `data`, with a manifest.

    Reads only the files that the manifest names, each once, and lists its `folders`.

    Parameters
    ----------
    quick : skip files above `LARGE` bytes.
    """
    verdict = Verdict(manifest)

    def look(name: str, path: Path, digest: Callable, sha256: str, size: int | None = None) -> None:
        if not path.is_file():
            given = name.startswith((DATA, EXTERNAL))
            (verdict.absent if given else verdict.missing).append(name)
        elif size not in (None, path.stat().st_size):
            verdict.changed.append(name)
        elif quick and path.stat().st_size > LARGE:
            verdict.skipped.append(name)
        else:
            verdict.compared += 1
            if digest(path) != sha256:
                verdict.changed.append(name)

    for name, known in manifest.files.items():
        look(name, root / name, checksum, known.sha256, known.bytes)
    for name, sha256 in manifest.arrays.items():
        look(name, root / name, array_checksum, sha256)
    for name, sha256 in manifest.data.files.items():
        look(DATA + name, data / name, checksum, sha256)
    for key, given in manifest.external.items():
        for name, sha256 in given.files.items():
            look(f"{EXTERNAL}{key}/{name}", root / given.folder / name, checksum, sha256)
    for name in (one for one in manifest.listings if (root / one).is_file()):
        folder = PurePosixPath(name).parent
        try:
            listing = Listing.model_validate_json((root / name).read_bytes())
        except ValidationError:
            verdict.changed.append(name)
            continue
        for file, sha256 in listing.files.items():
            look(str(folder / file), root / folder / file, checksum, sha256)
    listed = manifest.files.keys() | manifest.arrays.keys()
    for path in sorted(path for folder in manifest.folders for path in (root / folder).rglob("*")):
        name = path.relative_to(root).as_posix()
        # Hidden files are temporary.
        if path.is_file() and not path.name.startswith(".") and name not in listed:
            verdict.new.append(name)
    _trace(verdict)
    return verdict


def _trace(verdict: Verdict) -> None:
    """Follow each changed, missing or outdated file through the steps to all that depends on it."""
    damaged = {*verdict.changed, *verdict.missing}
    known, before = 0, -1
    # Repeat until nothing is added, since steps are listed in any order.
    while known != before:
        verdict.stale, before = [], known
        for name, step in verdict.manifest.steps.items():
            causes = ({*step.takes} & damaged) | {*step.outdated}
            for taken in step.takes:
                causes |= verdict.causes.get(taken, set())
            if causes:
                verdict.stale.append(name)
                for made in step.makes:
                    verdict.causes.setdefault(made, set()).update(causes)
        known = sum(map(len, verdict.causes.values()))
