"""The command that writes down what the tables were made from and on: manifest.

`benchmarks.provenance.Manifest` lists the fields and their limits.
"""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from benchmarks.cohorts.split import SPLITS, read_split
from benchmarks.config import Benchmark
from benchmarks.provenance import (
    DATA,
    GROUP,
    Code,
    Data,
    File,
    Manifest,
    Step,
    files_below,
    record,
    write_manifest,
)
from benchmarks.reporting.cost import read_costs
from workflow.checks import all_checks, rows
from workflow.cohort import patient_files
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.tabulate import Pair, standing

ROOT = Path(__file__).parents[1]
COMMAND = "T1CE_BENCHMARK_COMMAND"
"""The environment variable in which jobs find the command line of their Snakemake."""


def run_manifest(benchmark: Benchmark) -> None:
    """Write the manifest of all that there is, and print the checks that do not hold."""
    plan, layout = Plan(benchmark), Layout(benchmark.name)
    scored, reasons = standing(plan)
    book = _Book(benchmark)
    book.add_cohort()
    for run, seed in scored:
        book.add_run(run, seed)
    book.add_tables(scored)
    checks = list(all_checks(plan, scored, reasons, book.lacking))
    manifest = Manifest(
        benchmark=benchmark.name,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        command=_command(),
        code=git_state(ROOT),
        environment=_environment(),
        machine=_machine(),
        settings=benchmark.model_dump(mode="json"),
        runs=_describe(plan, reasons),
        checks=checks,
        data=book.data,
        files=dict(sorted(book.files.items())),
        volumes=dict(sorted(book.volumes.items())),
        groups=book.groups,
        steps=book.steps,
        folders=[path.as_posix() for path in (layout.store, layout.tables, layout.figures)],
        shown=[path.as_posix() for path in (layout.tables, layout.figures)],
    )
    write_manifest(manifest, layout.provenance)
    for check in checks:
        print(f"{'holds' if check.holds else 'DOES NOT HOLD'}: {check.name}. {check.found}".strip())


def remember_command(arguments: list[str]) -> None:
    """Leave Snakemake's command line, `sys.argv`, where the jobs that it starts find it."""
    # A job on another machine parses the Snakefile too, under a command of Snakemake's own.
    if "--target-jobs" not in arguments:
        os.environ.setdefault(COMMAND, json.dumps(["snakemake", *arguments[1:]]))


@dataclass
class _Book:
    """Collects what a manifest lists, in the order in which it is made."""

    benchmark: Benchmark
    files: dict[str, File] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    read_from: dict[str, list[str]] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = Layout(self.benchmark.name)
        self.split = {row.patient: row.split for row in read_split(self.layout.split)}
        self.data = self._data()

    def _data(self) -> Data:
        """What was read, by the checksums that `prepare` took while reading."""
        given = self.benchmark.cohort.path
        # The reader of BraTS folders resolves theirs.
        folder = given.resolve() if given else self.layout.phantom
        paths = {
            (patient, kind): path.relative_to(folder).as_posix()
            for patient, files in patient_files(self.benchmark).items()
            for kind, path in files.all_files.items()
        }
        files: dict[str, str] = {}
        for row in rows(self.layout.manifest):
            patient = row["patient"]
            name = paths.get((patient, row["kind"]), f"{patient}/{row['file']}")
            files[name] = row["sha256"]
            self.read_from.setdefault(patient, []).append(DATA + name)
        return Data(folder=str(given or folder), files=files)

    def add_cohort(self) -> None:
        layout = self.layout
        described = []
        for patient in self.split:
            stored = self._add(layout.store / f"{patient}.json", layout.store / f"{patient}.npy")
            self._step(f"prepare {patient}", self.read_from.get(patient, []), stored)
            described += stored[:1]
        own = self.benchmark.results.split.file
        inside = own is not None and not own.is_absolute() and ".." not in own.parts
        described += self._add(own) if inside else []
        self._step("split", described, self._add(layout.split, layout.manifest))
        for split in SPLITS:
            members = [patient for patient in self.split if self.split[patient] == split]
            stored = [layout.store / f"{name}.{end}" for name in members for end in ("json", "npy")]
            self.groups[f"{GROUP}{split} patients"] = self._add(*stored)

    def add_run(self, run: Run, seed: int) -> None:
        layout, name = self.layout, f"{run.name}, seed {seed}"
        cohort = self._add(layout.split, layout.manifest)
        weights = self._add(layout.weights(run.name, seed)) if run.trained else []
        if run.trained:
            takes = cohort + self._patients("train", "val")
            takes += self._before(run, seed, ["train", "val"])
            if run.continues:
                takes += self._add(layout.weights(run.continues, seed))
            made = weights + self._add(layout.cost(run.name, seed), layout.history(run.name, seed))
            self._step(f"train {name}", takes, made)
        predicted = []
        for verb, what, is_made in (
            ("synthesize", "t1ce", run.synthesizes),
            ("segment", "seg", run.segments),
        ):
            if not is_made:
                continue
            index = self._add(layout.index(run.name, seed, what))
            volumes = self._volumes(run.name, seed, what)
            for split, group in volumes.items():
                takes = cohort + weights + self._patients(split) + self._before(run, seed, [split])
                self._step(f"{verb} {name} ({split} patients)", takes, [*index, group])
            predicted += [group for split, group in volumes.items() if split == "test"]
        scores = self._add(layout.scores(run.name, seed))
        self._step(f"score {name}", predicted + self._patients("test"), scores)

    def _before(self, run: Run, seed: int, splits: list[str]) -> list[str]:
        """The T1ce that a run takes from another one."""
        if not run.upstream:
            return []
        volumes = self._volumes(run.upstream, seed, "t1ce")
        return [volumes[split] for split in splits if split in volumes]

    def _volumes(self, run: str, seed: int, what: str) -> dict[str, str]:
        """List a run's volumes; the groups that they make, by split."""
        path, folder = self.layout.index(run, seed, what), self.layout.predictions(run, seed, what)
        index = json.loads(path.read_text())["volumes"] if path.is_file() else {}
        made = {}
        for split in SPLITS:
            members = [patient for patient in index if self.split.get(patient) == split]
            paths = [(folder / f"{patient}.npy").as_posix() for patient in members]
            if paths:
                made[split] = f"{GROUP}{what} of {run}, seed {seed}, {split}"
                self.groups[made[split]] = paths
                self.volumes |= dict(zip(paths, (index[p] for p in members), strict=True))
        return made

    def add_tables(self, scored: list[Pair]) -> None:
        """A table takes the scores of its rows, a figure what is drawn in it."""
        layout, cohort = self.layout, self._add(self.layout.split)
        scores = {run.name: [] for run, _ in scored}
        for run, seed in scored:
            scores[run.name] += self._add(layout.scores(run.name, seed))
        judged = [path for paths in scores.values() for path in paths]
        trained = [(run.name, seed) for run, seed in scored if run.trained]
        costs = self._add(*(layout.cost(*pair) for pair in trained))
        for stem, paths in _by_stem(layout.tables).items():
            lines = rows(layout.tables / f"{stem}.csv")
            systems = sorted({line.get("system") for line in lines} & scores.keys())
            takes = [path for system in systems for path in scores[system]]
            if lines and "device_seconds" in lines[0]:
                takes = costs
            self._step(f"tabulate {stem}", cohort + (takes or judged), self._add(*paths))
        curves = self._add(*(layout.history(*pair) for pair in trained))
        drawn_from = {
            "training_curves": curves,
            "cost_vs_quality": judged + costs,
            **dict.fromkeys(
                ["distributions", "ranks", "conventions", "similarity_vs_utility"], judged
            ),
        }
        weights = self._add(*(layout.weights(*pair) for pair in trained))
        volumes = [group for group in self.groups if group.endswith(", test")]
        anything = judged + costs + curves + weights + volumes + self._patients("test")
        for stem, paths in _by_stem(layout.figures).items():
            takes = cohort + drawn_from.get(stem, anything)
            self._step(f"draw {stem}", takes, self._add(*paths))

    def _step(self, name: str, takes: list[str], makes: list[str]) -> None:
        self.steps[name] = Step(takes=takes, makes=makes)

    def _patients(self, *splits: str) -> list[str]:
        return [f"{GROUP}{split} patients" for split in splits]

    def _add(self, *paths: Path | str) -> list[str]:
        """List files with their checksums; the names of those that are there."""
        names = [Path(path).as_posix() for path in paths]
        for name in names:
            if name not in self.files and Path(name).is_file():
                self.files[name] = record(Path(), Path(name))
        absent = [name for name in names if name not in self.files]
        self.lacking += [name for name in absent if name not in self.lacking]
        return [name for name in names if name in self.files]


def _by_stem(folder: Path) -> dict[str, list[str]]:
    """The files below a folder, by what their names begin with."""
    found: dict[str, list[str]] = {}
    for path in files_below(Path(), folder.as_posix()):
        found.setdefault(Path(path).name.split(".")[0], []).append(path)
    return found


def _describe(plan: Plan, reasons: dict[Pair, str]) -> dict:
    layout, seeds = Layout(plan.benchmark.name), plan.benchmark.results.seeds
    runs: dict[str, dict[str, dict]] = {}
    for pair in product(plan.runs.values(), seeds):
        run, seed = pair
        path = layout.cost(run.name, seed)
        known = run.trained and pair not in reasons
        cost = json.loads(read_costs([path]).to_json(orient="records"))[0] if known else None
        runs.setdefault(run.name, {})[str(seed)] = {
            "digest": plan.digest(run, seed),
            "scored": pair not in reasons,
            "reason": reasons.get(pair),
            "cost": cost,
        }
    return runs


def _command() -> list[str] | None:
    known = os.environ.get(COMMAND)
    # Where the repository lies is nobody's business, and often holds a name.
    return [word.replace(f"{ROOT}/", "") for word in json.loads(known)] if known else None


def git_state(root: Path) -> Code:
    """The commit of a folder that is a repository of its own, and whether anything differs."""
    try:
        top = _git(root, "rev-parse", "--show-toplevel").strip()
        if Path(top).resolve() != root.resolve():
            return _unknown("this copy is not a git repository of its own")
        commit = _git(root, "rev-parse", "HEAD").strip()
        status = _git(root, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    except FileNotFoundError:
        return _unknown("there is no git here")
    except subprocess.CalledProcessError as error:
        if "not a git repository" in error.stderr:
            return _unknown("this copy is not a git repository")
        return _unknown(f"git says: {error.stderr.strip().splitlines()[0]}".replace(f"{root}", "."))
    changed = sorted(entry[3:] for entry in status.split("\0") if entry)
    return Code(commit=commit, dirty=bool(changed), changed=changed)


def _unknown(why: str) -> Code:
    return Code(commit=None, dirty=None, changed=[], unknown=why)


def _git(root: Path, *arguments: str) -> str:
    # Without the lock that `git status` would take, and whatever repository a caller works in.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "--no-optional-locks", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _environment() -> dict:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    names = [m.group() for line in lines if (m := re.match(r"[A-Za-z0-9_.-]+", line))]
    return {"python": platform.python_version(), "packages": {n: _version(n) for n in names}}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> dict:
    return {
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "gpus": _gpus(),
    }


def _cpu() -> str | None:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    return found.group(1) if found else platform.processor() or None


def _gpus() -> list[str]:
    """Name, memory and driver of each."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    listing = subprocess.run(query, capture_output=True, text=True)
    return listing.stdout.splitlines() if listing.returncode == 0 else []
