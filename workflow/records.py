"""What each job took and made, written down by the job itself; the manifest collects it.

A job's record is a JSON file: `python`, the interpreter that ran it, and `steps`, its records.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.checksums import checksum
from benchmarks.errors import InputError
from benchmarks.files import write_atomically

Checksums = dict[str, str]
DATA = "data:"  # names of input data begin with it
SMALL = (".csv", ".json")  # scores, costs, losses, and the indices of predictions


@dataclass(frozen=True)
class Record:
    """One step's inputs and outputs: the sha256 by path, relative to the repository.

    Large arrays are not read again for it: the small file that describes them (a patient's `.json`
    in the store, the index of a run's predictions) holds their checksums.

    Attributes
    ----------
    step : e.g. `train cutgan, seed 0`.
    takes, makes : input data is named `data:<path relative to the cohort's folder>`.
    """

    step: str
    takes: Checksums = field(default_factory=dict)
    makes: Checksums = field(default_factory=dict)


def checksums(paths: Iterable[Path]) -> Checksums:
    """Return the sha256 of files by path."""
    return {path.as_posix(): checksum(path) for path in paths}


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write the records of one job as JSON, atomically."""
    content = {"python": sys.executable, "steps": [asdict(one) for one in records]}
    with write_atomically(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode())


def read_records(path: Path) -> list[Record]:
    """Read the records of one job; none where there is no file.

    Raises
    ------
    InputError : the file is damaged.
    """
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_shared)
        return [Record(**one) for one in content["steps"]]
    # Deeply nested JSON raises RecursionError.
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged ({error}). Delete it, and run the job that wrote it again."
        ) from None


def _shared(pairs: list[tuple[str, object]]) -> dict:
    """Keep each name and checksum in memory once: hundreds of records have the same."""
    intern = sys.intern
    return {intern(key): intern(x) if isinstance(x, str) else x for key, x in pairs}


def verify_made(path: Path) -> None:
    """Compare the small files that a job made with its record at `path`, if it left one.

    Arrays and weights are not read for it: they are compared when they are used.

    Raises
    ------
    InputError : a file was changed since the job wrote it; or the record is damaged.
    """
    for one in read_records(path):
        for name, known in one.makes.items():
            made = Path(name)
            if made.suffix in SMALL and made.is_file() and checksum(made) != known:
                raise InputError(
                    f"{made} was changed after `{one.step}` had written it. Delete it, and run "
                    "the same command again."
                )
