"""Results that no training made: all that lies on the disk when the last run has been scored.

    python -m workflow.speed.made_up_results

writes them into the current folder, as `workflow.speed.growth` has made it. They have the form of
real ones, so that every command that comes after takes them.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from itertools import cycle, islice, product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cohorts.brats import PatientFiles
from benchmarks.cohorts.split import read_split
from benchmarks.cohorts.store import Grid, StoredPatient, prepare, to_int16
from benchmarks.config import Benchmark, load
from benchmarks.files import write_csv
from benchmarks.reporting.cost import COLUMNS as COSTS
from benchmarks.reporting.tables import COLUMNS
from benchmarks.scoring.protocol import METRICS, Protocol
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.score import scored_protocols, write_origin
from workflow.speed.one_step import DATA, FILE, PREPARED
from workflow.speed.processes import answering
from workflow.train import Lesson

EPOCHS = 10


def link_patients(sources: list[PatientFiles], folder: Path, count: int) -> list[str]:
    """Fill a folder with the files of `count` patients: those of `sources`, again and again.

    Returns
    -------
    Their new names.
    """
    names = [f"Growth_{number:04}" for number in range(1, count + 1)]
    for name, files in zip(names, cycle(sources), strict=False):
        for kind, path in files.all_files.items():
            link(path, folder / name / f"{name}_{kind}{''.join(path.suffixes[-2:])}")
    return names


def link(source: Path, path: Path) -> None:
    """Let `path` be the same file as `source`; a copy where it lies on another disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)


def prepare_sources(sources: list[PatientFiles], folder: Path, grid: Grid) -> None:
    """Prepare each, with predictions of it beside: its T1 as T1ce, its labels moved by a voxel."""
    for files in sources:
        prepare(files, folder, grid)
        images, labels = StoredPatient(folder, files.patient).volume(grid.crop)
        classes = np.roll(np.maximum(labels, 0).astype(np.uint8), 1, axis=2)
        for what, made in (("t1ce", to_int16(images[0])), ("seg", classes)):
            (folder / what).mkdir(exist_ok=True)
            np.save(folder / what / f"{files.patient}.npy", made)


def link_store(sources: list[PatientFiles], prepared: Path, store: Path, names: list[str]) -> None:
    """Fill a store with the patients of `link_patients` as `prepare` would."""
    for name, files in zip(names, cycle(sources), strict=False):
        link(prepared / f"{files.patient}.npy", store / f"{name}.npy")
        meta = json.loads((prepared / f"{files.patient}.json").read_text())
        for kind, source in meta["sources"].items():
            path = files.all_files[kind]
            source["file"] = f"{name}_{kind}{''.join(path.suffixes[-2:])}"
        (store / f"{name}.json").write_text(json.dumps(meta | {"patient": name}))


def write_runs(benchmark: Benchmark, prepared: Path) -> None:
    """Write weights, history, cost, predictions and scores of all runs of a split cohort."""
    plan, layout = Plan(benchmark), Layout(benchmark.name)
    patients = {row.patient: row.split for row in read_split(layout.split)}
    volumes = sorted(path.stem for path in prepared.glob("*.npy"))
    source = dict(zip(patients, islice(cycle(volumes), len(patients)), strict=True))
    protocols = scored_protocols(benchmark)
    draw = np.random.default_rng(0)
    for run, seed in product(plan.runs.values(), benchmark.results.seeds):
        if run.trained:
            _write_training(layout, run, seed)
        for what, is_made in (("t1ce", run.synthesizes), ("seg", run.segments)):
            everyone = what == "t1ce" and not run.segments
            seen = [name for name, split in patients.items() if everyone or split == "test"]
            if is_made:
                made = {name: prepared / what / f"{source[name]}.npy" for name in seen}
                _write_predictions(layout, run, seed, what, made, patients)
        test = [name for name, split in patients.items() if split == "test"]
        rows = _scores(run, seed, test, protocols, draw)
        pd.DataFrame(rows, columns=COLUMNS).to_csv(layout.scores(run.name, seed), index=False)
        write_origin(plan, run, seed)


def _write_training(layout: Layout, run: Run, seed: int) -> None:
    weights = layout.weights(run.name, seed)
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(b"made up")
    history = [(epoch, 1 / epoch) for epoch in range(1, EPOCHS + 1)]
    write_csv(layout.history(run.name, seed), ["epoch", "loss"], history)
    cost = (run.name, seed, 100, 400, 60.0, 60.0, 10**9, "CPU", 10**6)
    write_csv(layout.cost(run.name, seed), COSTS, [cost])


def _write_predictions(
    layout: Layout, run: Run, seed: int, what: str, made: dict[str, Path], splits: dict[str, str]
) -> None:
    folder = layout.predictions(run.name, seed, what)
    learned = {
        split: [name for name, its in splits.items() if its == split] for split in ("train", "val")
    }
    checksums = {path: hashlib.sha256(np.load(path)).hexdigest() for path in set(made.values())}
    glance = {"deviation": 0.5} if what == "t1ce" else {"classes": [0, 1, 2, 3]}
    index = {
        "run": run.name,
        "seed": seed,
        "volumes": {name: checksums[path] for name, path in made.items()},
        "learned": asdict(Lesson(list(run.inputs), learned if run.trained else {})),
        "seen": dict.fromkeys(made, glance),
    }
    for name, path in made.items():
        link(path, folder / f"{name}.npy")
    layout.index(run.name, seed, what).write_text(json.dumps(index, indent=1))


def _scores(
    run: Run, seed: int, patients: list[str], protocols: list[Protocol], draw: np.random.Generator
) -> Iterator[tuple]:
    """The rows of a score table, of all that the protocols ask for; values within bounds."""
    for patient, protocol, task in product(patients, protocols, run.tasks):
        rules = getattr(protocol, task)
        if rules is None:
            continue
        for region, metric in product(rules.regions, rules.metrics):
            low, high = METRICS[metric].bounds
            for step in getattr(rules, "postprocessing", ("",)):
                value = draw.uniform(low, min(high, 40.0))
                key = (protocol.name, task, region, metric, step)
                yield (run.name, seed, patient, "", *key, value, "")


def main() -> None:
    """Answer with null when all is written."""
    with answering() as answers:
        write_runs(load(FILE, DATA), Path("..") / PREPARED)
        print("null", file=answers)


if __name__ == "__main__":
    main()
