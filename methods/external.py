"""Where the volumes are that were made elsewhere: the files of a method of kind `external`."""

import glob
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from methods.errors import MethodError

Kind = Literal["t1ce", "seg"]
KINDS: tuple[Kind, ...] = ("t1ce", "seg")
PATIENT = "{patient}"
ENDINGS = (".nii.gz", ".nii")
# A patient's name, then words that begin with a letter: Brats18_2013_23_1 and _t1ce.
_NAMED = re.compile(r"(.+?)((?:[_-][A-Za-z][A-Za-z0-9]*)*\.nii(?:\.gz)?)")


@dataclass(frozen=True)
class Pattern:
    """The files of one kind of volume, one per patient.

    Links are followed, and lead anywhere.

    Attributes
    ----------
    method : the method's name, for messages.
    kind : of the volumes.
    text : a path with `{patient}` in the place of the patient's name; `*` is any text without `/`.
        It is below the method's folder, unless it begins with `/` or `~`.
    folder : the method's.
    """

    method: str
    kind: Kind
    text: str
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / Path(self.text).expanduser()

    @property
    def root(self) -> Path:
        """The folder that all files are below, as far as the pattern names it."""
        parts = self.path.parts
        first = next(i for i, part in enumerate(parts) if _is_open(part))
        return Path(*parts[:first])

    def find(self, patient: str) -> Path:
        """Return the file of a patient.

        Raises
        ------
        MethodError : there is none, more than one, or the name leads elsewhere.
        """
        place = f"methods/{self.method}, `{self.kind}`, patient {patient}"
        if patient in ("", ".", "..") or "/" in patient or "\0" in patient:
            raise MethodError(f"{place}: {patient!r} cannot be part of a path.")
        found = [path for path in _matches(self.path, glob.escape(patient)) if path.is_file()]
        if len(found) > 1:
            names = " and ".join(map(str, found[:2]))
            raise MethodError(f"{place}: {names} both match {self.text}. Keep one of them.")
        if found:
            return found[0]
        if not self.root.is_dir():
            raise MethodError(f"{place}: there is no folder {self.root}. Put the files there.")
        wanted = str(self.path).replace(PATIENT, patient)
        raise MethodError(
            f"{place}: there is no file {wanted}. Add it, or correct the pattern {self.text} in "
            "method.yaml."
        )

    def state(self) -> list[tuple[str, int, int]]:
        """Return name, size and date (ns) of every file that is any patient's; reads none."""
        files = [(path, path.stat()) for path in _matches(self.path, "*") if path.is_file()]
        return [
            (path.relative_to(self.root).as_posix(), stat.st_size, stat.st_mtime_ns)
            for path, stat in files
        ]


def guess_patterns(folder: Path, kind: Kind | None = None) -> dict[Kind, str]:
    """Work out from a folder's file names how its volumes are named.

    Files are in the folder itself, or in one folder per patient. A file's name is the patient's,
    which words such as `_t1ce` may follow. It holds T1ce unless the name has `seg` in it.

    Parameters
    ----------
    kind : of all files; by None their names tell.

    Returns
    -------
    The text of a pattern by kind.

    Raises
    ------
    MethodError : there are no NIfTI files, or they are named in several ways.
    """
    advice = f"Give the path of one file, with {PATIENT} in the place of the patient's name"
    if not folder.is_dir():
        raise MethodError(f"There is no folder {folder}. {advice}, or the files' folder.")
    # Keep the user's path, but where `..` leads depends on what is a link.
    folder = folder.resolve() if ".." in folder.parts else folder.absolute()
    listed = (*folder.glob("*.nii*"), *folder.glob("*/*.nii*"))
    files = [path for path in listed if _NAMED.fullmatch(path.name)]
    flat = [p for p in files if p.parent == folder]
    found: dict[Kind, set[str]] = defaultdict(set)
    for path in flat or files:
        if flat:
            name = PATIENT + _NAMED.fullmatch(path.name)[2]
        else:
            home = path.parent.name
            name = f"{PATIENT}/{path.name}"
            if path.name.startswith(home):
                name = f"{PATIENT}/{PATIENT}{path.name.removeprefix(home)}"
        found[kind or kind_of(name)].add(f"{folder}/{name}")
    if not found:
        raise MethodError(f"{folder} holds no NIfTI files. {advice}.")
    for several in found.values():
        if len(several) > 1:
            names = " and ".join(sorted(several)[:2])
            raise MethodError(f"{folder} holds files named {names}. {advice}.")
    return {kind: found[kind].pop() for kind in KINDS if kind in found}


def kind_of(name: str) -> Kind:
    """Return what a file's name says that it holds."""
    return "seg" if "seg" in name.rpartition(PATIENT)[2].lower() else "t1ce"


def fault_of(text: str) -> str:
    """Say what is wrong with the text of a pattern; nothing if it can be one."""
    name = Path(text).name
    if not text.isprintable() or PATIENT not in text:
        return f"write {PATIENT} in the place of the patient's name, e.g. /data/{PATIENT}.nii.gz"
    if other := re.search(r"[{}]", text.replace(PATIENT, "")):
        return f"`{other[0]}` stands beside {PATIENT}; no other braces can be in a pattern"
    if ".." in Path(text).parts:
        return "`..` leads out of the folder; write the full path"
    if not name.endswith((*ENDINGS, "*")):
        return f"{name} names no NIfTI files; end it with .nii.gz or .nii"
    return ""


def read_names(names: tuple[str, ...] | str | None, folder: Path) -> tuple[str, ...] | None:
    """Return `learned_from`: the names, those of a text file, or None if nothing is declared.

    Blank lines of a file, and what follows a `#`, do not count.

    Raises
    ------
    MethodError : the file cannot be read.
    """
    if not isinstance(names, str):
        return names
    path = folder / Path(names).expanduser()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        fault = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise MethodError(
            f"methods/{folder.name}, `learned_from`: {path} cannot be read ({fault}). Write a text "
            "file with one patient's name per line there, or the names as a list."
        ) from None
    return tuple(name for line in lines if (name := line.partition("#")[0].strip()))


def faults(description: Any) -> list[tuple[tuple[str, ...], str]]:
    """Return (keys, fault) of what a `method.yaml` says of files made elsewhere."""
    given = [key for key in KINDS if getattr(description, key) is not None]
    if description.kind != "external":
        keys = [*given, "range", "patients", "learned_from"]
        return [
            ((key,), "only a method of kind `external` has it; remove it")
            for key in keys
            if getattr(description, key) is not None
        ]
    found = [((key,), fault) for key in given if (fault := fault_of(getattr(description, key)))]
    if not given:
        found.append((("kind",), "`external` needs `t1ce` or `seg`, the pattern of its files"))
    for key, values in (("range", "scanner, unit or signed"), ("patients", "test or all")):
        value = getattr(description, key)
        if "t1ce" in given and value is None:
            found.append((("t1ce",), f"it needs `{key}` beside it; write {values}"))
        if "t1ce" not in given and value is not None:
            found.append(((key,), "it says something of `t1ce`, which is not there; remove it"))
    unused = {"params", "variants", "pretrained", "trained"} & description.model_fields_set
    found += [((key,), "an external method has none; remove it") for key in sorted(unused)]
    return found


def _is_open(part: str) -> bool:
    return PATIENT in part or "*" in part


def _matches(path: Path, patient: str) -> list[Path]:
    """The NIfTI files of a pattern with a patient's name, or `*`, in its place; sorted."""
    pieces = ["*".join(map(glob.escape, piece.split("*"))) for piece in str(path).split(PATIENT)]
    names = sorted(glob.glob(patient.join(pieces)))
    return [Path(name) for name in names if name.endswith(ENDINGS)]
