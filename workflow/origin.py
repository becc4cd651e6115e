"""Whose results these are: a name below `results/` belongs to one benchmark file and one cohort."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.checksums import checksum
from benchmarks.cohorts.sources import load_source
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from workflow.fingerprint import ROOT
from workflow.layout import Layout


class Origin(BaseModel):
    """What a benchmark's results are made from.

    Attributes
    ----------
    settings : sha256 of the benchmark file, and of the scale's, by path.
    data : the folder of the patients; None where they are simulated.
    cohort : a hash of the names and sizes of the patients' files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, str]
    data: str | None
    cohort: str


def check_origin(benchmark: Benchmark) -> None:
    """Refuse to replace the results of another benchmark file, or of other patients.

    The same file may be edited, and the same folder may get more patients. Either may also be
    elsewhere: then a benchmark file must have the same content, and patients' files the same names
    and sizes.

    Raises
    ------
    InputError : there are results of this name that are made from something else.
    """
    path = Layout(benchmark.name).origin
    if not path.is_file():
        return
    try:
        known = Origin.model_validate_json(path.read_bytes())
    except ValidationError:
        raise InputError(f"{path} is damaged. Delete it, and run the same command again.") from None
    settings, data = _settings(benchmark), _data(benchmark)
    changed = list(known.settings.values()) != list(settings.values())
    if known.settings.keys() != settings.keys() and changed:
        old, new = (" with ".join(paths) for paths in (known.settings, settings))
        raise _refusal(benchmark, old, f"{new} has the same name and other content")
    if known.data != data and known.cohort != _cohort(benchmark):
        old, new = (folder or "simulated patients" for folder in (known.data, data))
        raise _refusal(benchmark, old, f"{new} is another cohort: its files differ")


def record_origin(benchmark: Benchmark) -> None:
    """Check the origin, then record that the results of this name are of these files."""
    check_origin(benchmark)
    origin = Origin(settings=_settings(benchmark), data=_data(benchmark), cohort=_cohort(benchmark))
    with write_atomically(Layout(benchmark.name).origin) as file:
        file.write(origin.model_dump_json(indent=1).encode())


def _settings(benchmark: Benchmark) -> dict[str, str]:
    return {_place(path): checksum(path) for path in benchmark.paths}


def _data(benchmark: Benchmark) -> str | None:
    return _place(benchmark.cohort.path) if benchmark.cohort.path else None


def _cohort(benchmark: Benchmark) -> str:
    """Hash the cohort; "" of simulated patients, whose files need not exist yet."""
    if benchmark.cohort.path is None:
        return ""
    source, folder = load_source(benchmark.cohort.source), Layout(benchmark.name).phantom
    cohort = source.find(benchmark.cohort, folder)
    paths = [(one.patient, path) for one in cohort for path in one.all_files.values()]
    listed = sorted((patient, path.name, path.stat().st_size) for patient, path in paths)
    return hashlib.sha256(repr(listed).encode()).hexdigest()


def _place(path: Path) -> str:
    """Return a path that stays the same when the repository is moved with the file in it."""
    resolved, root = path.resolve(), ROOT.resolve()
    inside = resolved.is_relative_to(root)
    return resolved.relative_to(root).as_posix() if inside else str(resolved)


def _refusal(benchmark: Benchmark, old: str, fault: str) -> InputError:
    name = benchmark.name
    return InputError(
        f"results/*/{name} are made from {old}, and {fault}. To keep both, copy the benchmark file "
        f"under another name and run it by that: `--config benchmark=mine.yaml`. To begin anew, "
        f"delete results/*/{name}. To go on with these results all the same, delete "
        f"{Layout(name).origin}."
    )
