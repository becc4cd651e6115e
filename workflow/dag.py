"""What the Snakefile's rules ask: their inputs, and the `params` that decide what is rerun."""

import hashlib
import json
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.config import Benchmark, load
from benchmarks.errors import InputError
from benchmarks.reporting.page.template import own
from benchmarks.reporting.published import read_published
from benchmarks.scoring.conventions import read_conventions
from workflow.cohort import assign, patient_files
from workflow.draw import figures
from workflow.fingerprint import fingerprint
from workflow.layout import CAPTIONS, Layout
from workflow.plan import Plan, Run
from workflow.score import SCORING, scored_protocols
from workflow.tabulate import TABLES
from workflow.training.devices import count_gpus

# The modules whose edit reruns a rule; training has `Plan.digest` of its own.
CODE = {
    "simulate": ["benchmarks.cohorts.phantom"],
    "prepare": ["benchmarks.cohorts.brats", "benchmarks.cohorts.store"],
    "split": ["benchmarks.cohorts.split"],
    "score": SCORING,
    "tabulate": [
        "benchmarks.reporting.tables",
        "benchmarks.reporting.cost",
        "benchmarks.reporting.comparison",
        "benchmarks.reporting.reproduced",
        "benchmarks.reporting.conventions",
    ],
    "draw": ["benchmarks.reporting.figures", "workflow.tabulate"],
    "manifest": ["benchmarks.provenance", "workflow.checks"],
    "page": [
        "benchmarks.reporting.page.write",
        "benchmarks.reporting.page.scores",
        "workflow.tabulate",
    ],
}
# The command's own module counts too, but not all that it imports for its other commands.
COMMANDS = {
    "simulate": "workflow.cohort",
    "prepare": "workflow.cohort",
    "split": "workflow.cohort",
    "score": "workflow.score",
    "tabulate": "workflow.tabulate",
    "draw": "workflow.draw",
    "manifest": "workflow.manifest",
    "page": "workflow.page",
}


class Dag:
    """The rules' view of one benchmark.

    Parameters
    ----------
    config : Snakemake's: `benchmark`, `data` and `scale`, all optional.
    elsewhere : whether jobs run on other machines, as a cluster's. What this one has then says
        nothing: `device: auto` asks for a GPU as `cuda` does.

    Attributes
    ----------
    gpu : GPUs that a training or prediction asks for, 0 or 1.
    gpu_slots : how many of them this machine takes at a time; 1 where it has no GPU, so that what
        asks for `cuda` starts, and says what is wrong.
    """

    def __init__(self, config: dict, elsewhere: bool = False):
        unknown = set(config) - {"benchmark", "data", "scale"}
        if unknown:
            raise InputError(f"--config {unknown.pop()}=...: write benchmark=, data= or scale=.")
        chosen = {"benchmark": "phantom"} | {k: str(v) for k, v in config.items()}
        self.benchmark: Benchmark = load(**chosen)
        self.layout = Layout(self.benchmark.name)
        self.plan = Plan(self.benchmark)
        self.files = patient_files(self.benchmark)
        assign(self.benchmark, self.files)  # complains now rather than when all are prepared
        self.arguments = " ".join(f"--{k} {shlex.quote(v)}" for k, v in chosen.items())
        speed = self.benchmark.speed
        self.threads = speed.threads
        gpus = count_gpus()
        wanted = speed.device == "auto" and (elsewhere or gpus > 0)
        self.gpu = int(speed.device == "cuda" or wanted)
        self.gpu_slots = max(1, gpus) * speed.slots_per_gpu

    def targets(self) -> list[Path]:
        """What `snakemake` makes when asked for nothing else."""
        cases = [
            self.layout.cases(run, seed) / "index.json"
            for run in self.plan.runs
            for seed in self.benchmark.results.seeds
        ]
        long = self.layout.tables / "scores.csv"
        return [
            *self.tables(),
            long,
            *self.figures(),
            *cases,
            self.layout.provenance,
            self.layout.page,
        ]

    def tables(self) -> list[Path]:
        folder, ends = self.layout.tables, (".csv", ".md", ".tex")
        return [folder / f"{table}{end}" for table in TABLES for end in ends]

    def figures(self) -> list[Path]:
        folder, ends = self.layout.figures, (".png", ".pdf")
        return [folder / f"{name}{end}" for name in figures(self.plan) for end in ends]

    def report_what_there_is(self) -> None:
        """Write tables, figures, manifest, page though some runs failed, and say why they did."""
        if not all(path.exists() for path in (self.layout.split, self.layout.manifest)):
            return
        for verb in ("tabulate", "draw", "manifest", "page"):
            command = [sys.executable, "-m", "workflow", verb, *shlex.split(self.arguments)]
            if subprocess.run(command, check=False).returncode:
                return

    def before_split(self, wildcards) -> list[Path]:
        """All prepared patients, and the user's own split where there is one."""
        stored = [self.layout.store / f"{patient}.json" for patient in self.files]
        own = self.benchmark.results.split.file
        return stored if own is None else [*stored, own]

    def patient_files(self, wildcards) -> list[Path]:
        return list(self.files[wildcards.patient].all_files.values())

    def before_training(self, wildcards) -> dict[str, Path]:
        """The split, the patients' checksums, and what the run builds on."""
        run, seed = self.plan[wildcards.run], wildcards.seed
        needed = {"split": self.layout.split, "manifest": self.layout.manifest}
        if run.upstream:
            needed["t1ce"] = self.layout.index(run.upstream, seed, "t1ce")
        if run.continues:
            needed["start"] = self.layout.weights(run.continues, seed)
        return needed

    def before_prediction(self, wildcards) -> dict[str, Path]:
        run, seed = self.plan[wildcards.run], wildcards.seed
        needed = self.before_training(wildcards)
        if run.trained:
            needed["weights"] = self.layout.weights(run.name, seed)
        return needed

    def predictions(self, wildcards) -> list[Path]:
        return self._indices(self.plan[wildcards.run], wildcards.seed)

    def _indices(self, run: Run, seed: int | str) -> list[Path]:
        """Those of all that a run predicts."""
        made = {"t1ce": run.synthesizes, "seg": run.segments}
        return [
            self.layout.index(run.name, seed, what) for what, is_made in made.items() if is_made
        ]

    def all_scores(self, wildcards) -> list[Path]:
        seeds = self.benchmark.results.seeds
        return [self.layout.scores(run, seed) for run in self.plan.runs for seed in seeds]

    def all_costs(self, wildcards) -> list[Path]:
        seeds, runs = self.benchmark.results.seeds, self.plan.runs.values()
        return [self.layout.cost(run.name, seed) for run in runs if run.trained for seed in seeds]

    def all_made(self, wildcards) -> list[Path]:
        """What the runs leave behind, beside their scores and costs."""
        made = []
        for run in self.plan.runs.values():
            for seed in self.benchmark.results.seeds:
                made += [self.layout.weights(run.name, seed)] if run.trained else []
                made += self._indices(run, seed)
        return made

    def all_predictions(self, wildcards) -> list[Path]:
        seeds, runs = self.benchmark.results.seeds, self.plan.runs.values()
        return [index for run in runs for seed in seeds for index in self._indices(run, seed)]

    def training_digest(self, wildcards) -> str:
        return self.plan.digest(self.plan[wildcards.run], int(wildcards.seed))

    def digest(self, rule: str) -> str:
        """The settings and the code that a rule's result depends on, beside its input files."""
        results, cohort = self.benchmark.results, self.benchmark.cohort
        verdict = [
            self.benchmark.title,
            results.seeds,
            self._protocols(),
            [convention.model_dump(mode="json") for convention in read_conventions()],
            read_published().model_dump(mode="json"),
            [asdict(system) for system in self.plan.systems()],
            [asdict(training) for training in self.plan.trainings()],
        ]
        settings = {
            "simulate": cohort.seed,
            "prepare": results.slices.model_dump(),
            "split": results.split.model_dump(mode="json"),
            "score": self._protocols(),
            "tabulate": verdict,
            "draw": verdict,
            "manifest": None,
            "page": [verdict, self._words(), {name: _hash(text) for name, text in own().items()}],
        }[rule]
        code = fingerprint(CODE[rule], alone=[COMMANDS[rule]])
        return _hash(json.dumps([settings, code], sort_keys=True).encode())

    def _words(self) -> list[str]:
        """What is said of each table and figure."""
        names = [*TABLES, *figures(self.plan)]
        return [(CAPTIONS / f"{name}.rst").read_text(encoding="utf-8") for name in names]

    def _protocols(self) -> list[dict]:
        return [x.model_dump(mode="json") for x in scored_protocols(self.benchmark)]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
