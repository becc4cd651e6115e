"""Measure how time and memory grow with the number of patients, entries and seeds.

    python -m workflow.speed.growth --data /path/to/BraTS [--patients 10,100,369]
        [--entries 5,10,20] [--seeds 1,3,5]

Patients are the real ones under new names, hard links in a temporary folder; scores are made up.
Prints a line a step with its seconds and peak memory at each size, and the exponent of a line
fitted to their logarithms: 1 is linear, less means that something constant outweighs what grows.
The same as JSON follows.
"""

import argparse
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cohorts.brats import find_patients
from benchmarks.cohorts.split import proportional_seed, read_split, split, write_split
from benchmarks.config import load
from benchmarks.provenance import record
from benchmarks.reporting.comparison import write_comparison_table
from benchmarks.reporting.conventions import write_conventions_table
from benchmarks.reporting.published import read_published
from benchmarks.reporting.tables import COLUMNS, System, read_scores, write_table
from benchmarks.scoring.protocol import METRICS
from workflow.dag import Dag
from workflow.score import scored_protocols

ROOT = Path(__file__).parents[2]
FRACTIONS = (7, 1, 2)
SCORE_TABLES = ("table1_ablation", "table2_synthesis", "table3_segmentation")


def link_patients(source: Path, folder: Path, count: int) -> None:
    """Fill a folder with `count` patients: those of `source`, again and again, under new names."""
    for number, files in zip(range(1, count + 1), cycle(find_patients(source)), strict=False):
        patient = folder / f"Growth_{number:04}"
        patient.mkdir(parents=True)
        for kind, path in files.all_files.items():
            name = patient / f"{patient.name}_{kind}{''.join(path.suffixes[-2:])}"
            try:
                os.link(path, name)
            except OSError:  # another disk
                shutil.copyfile(path, name)


def made_up_scores(folder: Path, patients: int, entries: int, seeds: int) -> list[Path]:
    """Write a score file for each entry and seed, of all protocols and conventions."""
    rng = np.random.default_rng(0)
    keys = []
    for protocol in scored_protocols(load("brats2020", data=str(folder))):
        tasks = {"synthesis": protocol.synthesis, "segmentation": protocol.segmentation}
        for task, rules in tasks.items():
            steps = getattr(rules, "postprocessing", ("",)) if rules else ()
            where = product(rules.regions, rules.metrics, steps) if rules else ()
            keys += [(protocol.name, task, *one) for one in where]
    paths = []
    for entry, seed in product(range(entries), range(seeds)):
        rows = [
            (f"entry{entry}", seed, f"P{n:04}", "", *key, rng.uniform(*_bounds(key[3])), "")
            for n in range(patients)
            for key in keys
        ]
        paths.append(folder / f"entry{entry}_{seed}.csv")
        pd.DataFrame(rows, columns=COLUMNS).to_csv(paths[-1], index=False)
    return paths


def _bounds(metric: str) -> tuple[float, float]:
    low, high = METRICS[metric].bounds
    return low, min(high, 40.0)


def tabulate(paths: list[Path], folder: Path, entries: int) -> None:
    """What `tabulate` does with score files: Tables I to III, V and VII."""
    published, scores = read_published(), read_scores(paths)
    systems = [System(f"entry{n}", f"Entry {n}", "entry") for n in range(entries)]
    for name in SCORE_TABLES:
        write_table(folder, name, published, scores, systems, "made up")
    write_comparison_table(folder, published, scores, systems, "made up")
    write_conventions_table(folder, scores, systems, "made up")


def benchmark_of(data: Path, folder: Path) -> Path:
    """The paper's benchmark with a seed by which none of the splits is empty."""
    patients = [(files.patient, files.grade) for files in find_patients(data)]
    paper = (ROOT / "benchmarks" / "brats2020.yaml").read_text()
    path = folder / "growth.yaml"
    path.write_text(re.sub(r"seed: \d+", f"seed: {proportional_seed(patients, FRACTIONS)}", paper))
    return path


def assign(benchmark: Path, data: Path, folder: Path) -> None:
    """Split the patients, write the split and read it again."""
    patients = [(files.patient, files.grade) for files in find_patients(data)]
    settings = load(str(benchmark), data=str(data)).results.split
    write_split(split(patients, settings.fractions, settings.seed), folder / "split.csv")
    read_split(folder / "split.csv")


def checksums(data: Path) -> None:
    """What a manifest and its verification do with each file."""
    for files in find_patients(data):
        for path in files.all_files.values():
            record(data, path)


def dry_run(benchmark: Path, data: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "--cores", "1"]
    command += ["--config", f"benchmark={benchmark}", f"data={data}"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and peak memory in GB of some work, in a process of its own."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_report, args=(work, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def _report(work: Callable[[], object], pipe: multiprocessing.connection.Connection) -> None:
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    pipe.send((took, max(resource.getrusage(one).ru_maxrss for one in whose) / 1e6))


def exponent(sizes: list[int], values: list[float]) -> float:
    """The slope of a line fitted to logarithms; NaN for fewer than two sizes."""
    if len(set(sizes)) < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def measure(
    data: Path, patients: list[int], entries: list[int], seeds: list[int]
) -> list[dict[str, object]]:
    """A dict for each step: `step`, `of`, `sizes`, `seconds`, `gb`, and both exponents."""
    found: dict[tuple[str, str], list[tuple[int, float, float]]] = {}

    def note(step: str, of: str, size: int, work: Callable[[], object]) -> None:
        found.setdefault((step, of), []).append((size, *measured(work)))

    with tempfile.TemporaryDirectory() as folder:
        for count in patients:
            linked, beside = Path(folder) / f"data{count}", Path(folder) / f"made{count}"
            link_patients(data, linked, count)
            beside.mkdir()
            benchmark = benchmark_of(linked, beside)
            config = {"benchmark": str(benchmark), "data": str(linked)}
            note("find patients", "patients", count, partial(find_patients, linked))
            note("build the DAG", "patients", count, partial(Dag, config))
            note("snakemake -n", "patients", count, partial(dry_run, benchmark, linked))
            note("split", "patients", count, partial(assign, benchmark, linked, beside))
            note("checksums", "patients", count, partial(checksums, linked))
        cases = [("patients", n, (n, entries[0], seeds[0])) for n in patients]
        cases += [("entries", n, (patients[0], n, seeds[0])) for n in entries]
        cases += [("seeds", n, (patients[0], entries[0], n)) for n in seeds]
        for of, size, (tested, systems, repeats) in cases:
            beside = Path(tempfile.mkdtemp(dir=folder))
            paths = made_up_scores(beside, tested, systems, repeats)
            note("tabulate", of, size, partial(tabulate, paths, beside, systems))
    return [_line(step, of, points) for (step, of), points in found.items()]


def _line(step: str, of: str, points: list[tuple[int, float, float]]) -> dict[str, object]:
    sizes, seconds, memory = (list(column) for column in zip(*points, strict=True))
    return {
        "step": step,
        "of": of,
        "sizes": sizes,
        "seconds": seconds,
        "gb": memory,
        "time_exponent": exponent(sizes, seconds),
        "memory_exponent": exponent(sizes, memory),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of BraTS patients")
    for name, default in (("patients", "10,100,369"), ("entries", "5,10,20"), ("seeds", "1,3,5")):
        parser.add_argument(f"--{name}", type=_numbers, default=_numbers(default))
    options = parser.parse_args()
    lines = measure(options.data, options.patients, options.entries, options.seeds)
    for line in lines:
        sizes = ", ".join(
            f"{n}: {s:.2f} s {gb:.2f} GB"
            for n, s, gb in zip(line["sizes"], line["seconds"], line["gb"], strict=True)
        )
        print(f"{line['step']:14} {line['of']:8} n^{line['time_exponent']:.2f}   {sizes}")
    print(json.dumps(lines))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    main()
