"""Measure how time and memory grow with the number of patients, of methods and of seeds.

Each size is a copy of this repository with as many methods, and with made-up results: nothing is
trained. There every command before, between and after trainings is run as it is.
"""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from benchmarks.cohorts.normalisation import to_int16
from benchmarks.cohorts.patient import PatientFiles
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.split import proportional_seed
from benchmarks.cohorts.store import Grid, StoredPatient, prepare
from workflow.layout import Layout
from workflow.speed.growth_steps import DATA, FILE, METHOD
from workflow.speed.processes import ROOT, call
from workflow.speed.settings import Settings

# What of the repository a copy needs.
FILES = ("Snakefile", "environment.yml", "requirements.txt")
FOLDERS = ("benchmarks", "methods", "profiles", "workflow")
FRACTIONS = (7, 1, 2)
# In their order; `prepare` of one patient, `score` of one run.
STEPS = (
    "find patients", "prepare", "build the DAG", "snakemake -n", "cohort", "split",
    "begin training", "tabulate", "draw", "manifest", "page", "verify", "score",
)  # fmt: skip
SIZES = {"patients": (10, 100, 369), "methods": (5, 10, 20), "seeds": (1, 3, 5)}
EXPONENTS = np.arange(1, 301) / 100  # those that are tried
# What grows by less is taken for constant.
NOTICEABLE = {"core_seconds": 0.01, "memory_bytes": 5e6}


def measure(settings: Settings, sizes: dict[str, tuple[int, ...]] | None = None) -> list[dict]:
    """Measure each step against each thing that grows; the others then have their smallest size.

    The patients are those of `settings.data`, of the release that most are of, under new names,
    again and again; else one phantom.
    Time and memory are those beyond the start of a process. `settings.figure` is drawn too.
    """
    sizes = sizes or SIZES
    sources = find_patients(Path(settings.data)) if settings.data else settings.patient_files()
    release = Counter(files.release for files in sources).most_common(1)[0][0]
    sources = [files for files in sources if files.release == release]
    folder, steps = Path(settings.folder) / "growth", "workflow.speed.growth_steps"
    prepare_sources(sources, folder / "prepared", settings.grid())
    least, took, rows = {grows: min(of) for grows, of in sizes.items()}, {}, []
    for grows, of in sizes.items():
        places = [tuple((least | {grows: size}).values()) for size in of]
        for place in (place for place in places if place not in took):
            copy = folder / "-".join(map(str, place))
            make_copy(copy, sources, settings.grid(), *place)
            took[place] = {}
            for step in STEPS:
                if step == "tabulate":
                    call(f"{steps}:make_up_results", str(folder / "prepared"), cwd=copy)
                took[place][step] = call(f"{steps}:take", step, settings.repeats, cwd=copy)
            shutil.rmtree(copy)
        for step in STEPS:
            rows.append(row(f"{step}, {grows}", of, [took[place][step] for place in places]))
    if settings.figure:
        draw(rows, Path(settings.figure))
    return rows


def prepare_sources(sources: list[PatientFiles], folder: Path, grid: Grid) -> None:
    """Prepare patients, and make up predictions: T1 as T1ce, and labels moved by one voxel."""
    for files in sources:
        prepare(files, folder, grid, load_source("brats"))
        scan = StoredPatient(folder, files.patient).volume(grid.crop)
        classes = np.roll(np.maximum(scan.labels, 0).astype(np.uint8), 1, axis=2)
        for kind, volume in {"t1ce": to_int16(scan.t1), "seg": classes}.items():
            (folder / kind).mkdir(exist_ok=True)
            np.save(folder / kind / f"{files.patient}.npy", volume)


def make_copy(
    copy: Path, sources: list[PatientFiles], grid: Grid, patients: int, methods: int, seeds: int
) -> None:
    """Copy the repository, with so many methods that synthesise and so many prepared patients."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copyfile(ROOT / name, copy / name)
    names = [METHOD, *(f"copy{number}" for number in range(2, methods + 1))]
    for name in names[1:]:
        method = shutil.copytree(copy / "methods" / METHOD, copy / "methods" / name)
        _, rest = (method / "method.yaml").read_text(encoding="utf-8").split("\n", 1)
        (method / "method.yaml").write_text(f"title: {name}\n{rest}", encoding="utf-8")
    for number, files in enumerate(islice(cycle(sources), patients), start=1):
        _link_patient(f"Growth_{number:04}", files, copy)
    grades = [(files.patient, files.grade) for files in find_patients(copy / DATA)]
    split = {"fractions": FRACTIONS, "seed": proportional_seed(grades, FRACTIONS)}
    slices = grid.model_dump()
    results = {"seeds": [*range(seeds)], "split": split, "slices": slices, "methods": names}
    # The new names do not tell it.
    cohort = {"source": "brats", "release": sources[0].release}
    content = {"title": "growth", "cohort": cohort, "results": results}
    (copy / FILE).write_text(json.dumps(content), encoding="utf-8")


def _link_patient(name: str, files: PatientFiles, copy: Path) -> None:
    """Link a patient's files under a new name, and what `prepare` made of them."""
    store, prepared = copy / Layout(Path(FILE).stem).store, copy.parent / "prepared"
    (copy / DATA / name).mkdir(parents=True)
    store.mkdir(parents=True, exist_ok=True)
    meta = json.loads((prepared / f"{files.patient}.json").read_text(encoding="utf-8"))
    for kind, path in files.all_files.items():
        meta["files"][kind]["name"] = f"{name}_{kind}{''.join(path.suffixes[-2:])}"
        (copy / DATA / name / meta["files"][kind]["name"]).symlink_to(path.resolve())
    (store / f"{name}.npy").symlink_to(prepared / f"{files.patient}.npy")
    (store / f"{name}.json").write_bytes(
        json.dumps(meta | {"patient": name, "subject": name}).encode()
    )


def row(name: str, sizes: Sequence[int], took: list[dict]) -> dict:
    """Return the row of what a step took at each size."""
    made = {"name": name, "sizes": list(sizes)}
    for key, quantity in (("core_seconds", "time"), ("memory_bytes", "memory")):
        values = [each[key] for each in took]
        made[f"{key}_at"] = values
        made[f"{quantity}_exponent"] = exponent(sizes, values, NOTICEABLE[key])
    return made


def exponent(sizes: Sequence[int], values: Sequence[float], noticeable: float = 0) -> float:
    """Return the k of `c + a n^k`, c and a not negative, with the least relative error.

    1 is linear; 0 is what grows by less than half, or than is noticeable, maybe by chance.
    """
    if values[-1] - values[0] < max(noticeable, 0.5 * values[0]):
        return 0.0
    # Relative; a value of nothing must not be divided by.
    weights = 1 / np.maximum(values, 1e-3 * max(values))
    powers = (np.array(sizes) / max(sizes)) ** EXPONENTS[:, None]
    columns = np.stack([np.ones_like(powers), powers], axis=-1) * weights[:, None]
    return float(EXPONENTS[np.argmin([nnls(each, weights * values)[1] for each in columns])])


def draw(rows: Sequence[dict], path: Path) -> None:
    """Draw the rows of `measure`, one panel per quantity and thing that grows, as PNG."""
    import pandas as pd
    import seaborn

    quantities = {"core_seconds_at": "core seconds", "memory_bytes_at": "memory, bytes"}
    points = pd.DataFrame(rows).explode(["sizes", *quantities]).rename(columns=quantities)
    points = points.melt(["name", "sizes"], [*quantities.values()], "quantity")
    points[["step", "grows"]] = points["name"].str.rsplit(", ", n=1, expand=True)
    grid = seaborn.relplot(
        points.astype({"sizes": int, "value": float}), x="sizes", y="value", row="quantity",
        col="grows", hue="step", style="step", kind="line", markers=True, dashes=False,
        facet_kws={"sharex": "col", "sharey": "row"},
    )  # fmt: skip
    grid.set(xscale="log", yscale="log").set_titles("{row_name} against {col_name}")
    grid.savefig(path, format="png", dpi=200)
