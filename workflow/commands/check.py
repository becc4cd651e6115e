"""Say what a folder of patients holds."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.cohorts.crop import refuse_lost_tumour
from benchmarks.cohorts.description import describe
from benchmarks.cohorts.duplicates import duplicates
from benchmarks.cohorts.patient import PatientFiles
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.split import SPLITS, Row, headcount
from benchmarks.cohorts.store import Grid, Meta, StoredPatient, prepare
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from workflow.checks import doubts
from workflow.cohort import assign, patient_files
from workflow.stored import refuse_without_tumour, working_grid


@dataclass(frozen=True)
class Examined:
    """What `prepare` made of a patient, and doubts about it; or why it refused the patient."""

    meta: Meta | None = None
    doubts: Sequence[str] = ()
    refused: str = ""


def run(benchmark: Benchmark) -> None:
    """Prepare every patient into a temporary folder, and print what was found.

    Raises
    ------
    InputError : something would be refused. Everything is printed before.
    """
    files = patient_files(benchmark)
    count = headcount([one.subject for one in files.values()])
    print(f"{count} patient{'s' * (count != '1')}", flush=True)
    examine = partial(_examine, source=benchmark.cohort.source, grid=working_grid(benchmark))
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        examined = dict(zip(files, pool.map(examine, files.values()), strict=True))
    metas = [one.meta for one in examined.values() if one.meta]
    _list("", describe(metas) if metas else [])
    _list("Doubts, to be looked at", [*_doubts(examined), *_duplicates(metas)])
    refused = [one.refused for one in examined.values() if one.refused]
    try:
        refuse_lost_tumour(metas, benchmark.where("results", "slices", "crop"))
        for place in benchmark.results.split.places:
            rows = assign(benchmark, files, place)
            _list(", ".join(filter(None, ("Split", place.title))), _split(rows))
            refuse_without_tumour(benchmark, metas, rows, place)
    except InputError as error:
        refused.append(str(error))
    _list("Refused", refused)
    if refused:
        raise InputError(f"{len(refused)} faults, listed above. Correct them before training.")


def _examine(files: PatientFiles, source: str, grid: Grid) -> Examined:
    with tempfile.TemporaryDirectory() as folder:
        try:
            prepare(files, Path(folder), grid, load_source(source))
        except InputError as error:
            return Examined(refused=str(error))
        patient = StoredPatient(Path(folder), files.patient)
        return Examined(patient.meta, doubts(patient))


def _doubts(examined: dict[str, Examined]) -> Iterator[str]:
    for patient, one in examined.items():
        yield from (f"{patient}: {doubt}" for doubt in one.doubts)


def _duplicates(metas: Sequence[Meta]) -> Iterator[str]:
    for one, other in duplicates({meta.patient: meta.signature for meta in metas}):
        yield f"{one} and {other} are the same images"


def _split(rows: Sequence[Row]) -> Iterator[str]:
    for name in SPLITS:
        yield f"{name}: {headcount([row.subject for row in rows if row.split == name])} patients"


def _list(heading: str, lines: Iterable[str]) -> None:
    listed = list(lines)
    if heading:
        print(f"\n{heading}: {'' if listed else 'none'}")
    for line in listed:
        print(f"- {line}")
