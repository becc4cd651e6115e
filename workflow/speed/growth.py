"""Measure how time and memory grow with the number of patients, of entries and of seeds.

Each size is a copy of this repository with as many entries, and with results that are made up:
nothing is trained. There every command before, between and after trainings is run as it is.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from benchmarks.cohorts.brats import PatientFiles, find_patients
from benchmarks.cohorts.split import proportional_seed
from workflow.layout import Layout
from workflow.speed.curves import draw
from workflow.speed.made_up_results import link_patients, link_store, prepare_sources
from workflow.speed.one_step import DATA, ENTRY, FILE, PREPARED
from workflow.speed.patients import grid_of, patient_files
from workflow.speed.processes import ROOT, ask
from workflow.speed.settings import Settings

FILES = ("Snakefile", "environment.yml", "requirements.txt")
FOLDERS = ("benchmarks", "methods", "profiles", "workflow")
"""What of the repository a copy needs."""
FRACTIONS = (7, 1, 2)
BENCHMARK = """
title: growth
cohort: {{source: brats}}
results:
  seeds: {seeds}
  split: {{fractions: {fractions}, seed: {split_seed}}}
  slices: {slices}
  entries: {entries}
"""
COHORT_STEPS = ("find patients", "prepare", "split", "begin training", "score")
"""What knows of one entry and seed at most: `prepare` of one patient, `score` of one run."""
STEPS = ("build the DAG", "snakemake -n", "tabulate", "draw", "manifest", "page", "verify")
ORDER = (
    "find patients", "prepare", "build the DAG", "snakemake -n", "split", "make up results",
    "begin training", "tabulate", "draw", "manifest", "page", "verify", "score",
)  # fmt: skip
EXPONENTS = np.arange(1, 301) / 100
"""Those that are tried."""
NOTICEABLE = {"core_seconds": 0.01, "memory_bytes": 5e6}
"""What grows by less is taken for constant."""


@dataclass(frozen=True)
class Sizes:
    """How many patients there are, entries that synthesise (each with a segmentor), and seeds."""

    patients: int
    entries: int
    seeds: int


DEFAULT = {"patients": (10, 100, 369), "entries": (5, 10, 20), "seeds": (1, 3, 5)}


def measure(settings: Settings, sizes: dict[str, tuple[int, ...]] | None = None) -> list[dict]:
    """A row a step and what grows; what does not grow is then the smallest of its `sizes`.

    The patients are all of `settings.data` under new names, again and again; else one phantom.

    Returns
    -------
    `sizes`; at each the `core_seconds_at` and `memory_bytes_at`, beyond the start of a process; and
    how what is not constant of them grows, `time_exponent` and `memory_exponent`: 1 is linear.
    With `settings.figure`, they are drawn there too.

    Raises
    ------
    ProcessError : a step failed.
    """
    sizes = sizes or DEFAULT
    given = find_patients(Path(settings.data)) if settings.data else patient_files(settings)
    folder = Path(settings.folder) / "growth"
    # First to this disk, where any number of links to them takes no room.
    link_patients(given, folder / "sources", len(given))
    sources = find_patients(folder / "sources")
    prepare_sources(sources, folder / PREPARED, grid_of(settings))
    least = Sizes(**{grows: min(of) for grows, of in sizes.items()})
    found: dict[Sizes, dict[str, dict]] = {}
    rows = []
    for grows, of in sizes.items():
        places = [replace(least, **{grows: size}) for size in of]
        for place in places:
            if place not in found:
                here = make_copy(folder, place, sources, settings)
                found[place] = take_steps(
                    here, settings.repeats, cohort=place == least or grows == "patients"
                )
                shutil.rmtree(here)
        for step in (*COHORT_STEPS, *STEPS) if grows == "patients" else STEPS:
            rows.append(row(f"{step}, {grows}", of, [found[place][step] for place in places]))
    if settings.figure:
        draw(rows, Path(settings.figure))
    return rows


def make_copy(folder: Path, sizes: Sizes, sources: list[PatientFiles], settings: Settings) -> Path:
    """A copy of the repository with so many entries, its patients' files and their store."""
    here = folder / "-".join(map(str, asdict(sizes).values()))
    for name in FOLDERS:
        shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copyfile(ROOT / name, here / name)
    entries = [ENTRY, *(f"copy{number}" for number in range(2, sizes.entries + 1))]
    for name in entries[1:]:
        method = shutil.copytree(here / "methods" / ENTRY, here / "methods" / name)
        described = (method / "method.yaml").read_text().splitlines()
        (method / "method.yaml").write_text("\n".join([f"title: {name}", *described[1:]]))
    names = link_patients(sources, here / DATA, sizes.patients)
    grades = [(files.patient, files.grade) for files in find_patients(here / DATA)]
    text = BENCHMARK.format(
        seeds=list(range(sizes.seeds)),
        fractions=list(FRACTIONS),
        split_seed=proportional_seed(grades, FRACTIONS),
        slices=json.dumps(asdict(grid_of(settings))),
        entries=json.dumps(entries),
    )
    (here / FILE).write_text(text)
    link_store(sources, folder / PREPARED, here / Layout(Path(FILE).stem).store, names)
    return here


def take_steps(here: Path, repeats: int, cohort: bool) -> dict[str, dict]:
    """What each step takes in a copy: `core_seconds` and `memory_bytes`, the least of its repeats.

    Parameters
    ----------
    cohort : whether to take those steps too that know of nothing but patients.
    """
    took = {}
    for step in ORDER:
        if step == "make up results":
            ask("workflow.speed.made_up_results", cwd=here)
        elif cohort or step in STEPS or step == "split":
            took[step] = ask("workflow.speed.one_step", step, str(repeats), cwd=here)
    return took


def row(name: str, sizes: Sequence[int], took: list[dict]) -> dict:
    """One row of what a step took at each size."""
    at = {key: [each[key] for each in took] for key in NOTICEABLE}
    grows = {key: exponent(sizes, values, NOTICEABLE[key]) for key, values in at.items()}
    return {
        "name": name,
        "sizes": list(sizes),
        "core_seconds_at": at["core_seconds"],
        "time_exponent": grows["core_seconds"],
        "memory_bytes_at": at["memory_bytes"],
        "memory_exponent": grows["memory_bytes"],
    }


def exponent(sizes: Sequence[int], values: Sequence[float], noticeable: float = 0) -> float:
    """The k of `c + a n^k`, c and a not negative, that comes closest to the values, relatively.

    0 for what grows by less than half or less than is noticeable: that may be chance as well.
    """
    growth = values[-1] - values[0]
    if growth < max(noticeable, 0.5 * values[0]):
        return 0.0
    # Relatively; what takes nothing at all is not to be divided by.
    weights = 1 / np.maximum(values, 1e-3 * max(values))
    fits = []
    for k in EXPONENTS:
        powers = (np.array(sizes) / max(sizes)) ** k
        columns = np.stack([np.ones(len(sizes)), powers], axis=1) * weights[:, None]
        fits.append(nnls(columns, weights * values)[1])
    return float(EXPONENTS[np.argmin(fits)])
