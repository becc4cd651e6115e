"""The rules' view of a benchmark: their inputs, and the `params` that decide what is rerun."""

import hashlib
import json
import re
import shlex
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from benchmarks.cohorts.replicate import Replicate
from benchmarks.cohorts.sources import load_source
from benchmarks.config import Benchmark, load
from benchmarks.errors import InputError
from benchmarks.reporting.catalogue import Item, catalogue_for
from benchmarks.reporting.published import read_published
from benchmarks.scoring.conventions import read_conventions
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.protocol import metric_modules
from workflow import external
from workflow.cohort import assign, patient_files
from workflow.fingerprint import ROOT
from workflow.gpus import count_gpus
from workflow.layout import Layout, RunFolder
from workflow.origin import check_origin
from workflow.plan import Plan, Run
from workflow.verbs import CONFIG

PAGE = ROOT / "benchmarks" / "reporting" / "page"
DIVIDES = {"fractions", "seed", "file", "folds"}  # of the split's keys; others add replicates
# What Snakemake's report shows; figures' captions stand below them there.
REPORTED = {"table": (".csv", ".md", ".tex"), "figure": (".png", ".pdf")}


class Dag:
    """The rules' view of one benchmark.

    Parameters
    ----------
    config : Snakemake's, with keys of `verbs.CONFIG`, all optional.
    elsewhere : whether jobs run on other machines, as a cluster's. This machine's GPUs then do not
        matter: `device: auto` asks for a GPU as `cuda` does.

    Attributes
    ----------
    replicates : a pattern of their names.
    simulated : whether patients must be simulated first.
    gpu : GPUs that a training or prediction asks for, 0 or 1.
    gpu_slots : how many such jobs this machine runs at a time; 1 where it has no GPU, so that what
        asks for `cuda` starts, and says what is wrong.
    """

    def __init__(self, config: dict, elsewhere: bool = False):
        if unknown := config.keys() - CONFIG.keys():
            known = ", ".join(f"{key}=" for key in CONFIG)
            raise InputError(f"--config {unknown.pop()}=...: write one of {known}.")
        chosen = {"benchmark": "phantom"} | {k: str(v) for k, v in config.items()}
        self.benchmark: Benchmark = load(**chosen)
        self.layout = Layout(self.benchmark.name)
        self.replicates = "|".join(map(str, self.benchmark.results.replicates))
        self.plan = Plan(self.benchmark)
        self.files = patient_files(self.benchmark)
        check_origin(self.benchmark)
        # Complains now rather than when all are prepared.
        outside = [run.method for run in self.plan.runs.values() if run.kind == "external"]
        for place in self.benchmark.results.split.places:
            external.warn(outside, assign(self.benchmark, self.files, place))
        self.simulated = load_source(self.benchmark.cohort.source).simulated
        self.arguments = " ".join(f"--{k} {shlex.quote(v)}" for k, v in chosen.items())
        speed = self.benchmark.speed
        self.threads = speed.threads
        gpus = count_gpus()
        wanted = speed.device == "auto" and (elsewhere or gpus > 0)
        self.gpu = int(speed.device == "cuda" or wanted)
        self.gpu_slots = max(1, gpus) * speed.slots_per_gpu

    def targets(self) -> list[Path]:
        """Return everything that the rules make, so that whatever was deleted is made again.

        Snakemake does not notice a missing file unless a target or a job to be run asks for it.
        """
        simulated = chain(*(one.all_files.values() for one in self.files.values()))
        return [
            *(simulated if self.simulated else ()),
            *chain(*((self.layout.array(p), self.layout.stored(p)) for p in self.files)),
            *self.splits(),
            self.layout.input_checksums,
            *chain(*(self._made_by(run, replicate) for run, replicate in self.plan.pairs)),
            *self.items("table"),
            self.layout.long_table,
            *self.items("figure"),
            self.layout.manifest,
            self.layout.page,
        ]

    def _made_by(self, run: Run, replicate: Replicate) -> list[Path]:
        folder = self.layout.run(run.name, replicate)
        return [
            *((folder.weights, folder.history, folder.cost) if run.trained else ()),
            *(folder.index(kind) for kind in run.makes),
            *((folder.prediction_cost,) if run.synthesizes else ()),
            folder.scores,
            folder.scores_digest,
            self.layout.cases(run.name, replicate) / "index.json",
        ]

    def items(self, kind: str) -> list[Path]:
        """Return the files of all tables, or of all figures."""
        return [path for path, _ in self._files(kind)]

    def reported(self, kind: str) -> list[tuple[Path, dict]]:
        """Return those that Snakemake's report shows, with the arguments of `report()`."""
        return [
            (
                path,
                {
                    # Snakemake would look for a relative path beside the rule.
                    "caption": str(path.with_suffix(".rst").absolute()),
                    "category": f"{kind.capitalize()}s",
                    "labels": {kind: item.name, "format": path.suffix[1:]},
                },
            )
            for path, item in self._files(kind)
            if path.suffix in REPORTED[kind]
        ]

    def unreported(self, kind: str) -> list[Path]:
        return [path for path in self.items(kind) if path.suffix not in REPORTED[kind]]

    def _files(self, kind: str) -> list[tuple[Path, Item]]:
        folder = {"table": self.layout.tables, "figure": self.layout.figures}[kind]
        items = [item for item in catalogue_for(self.benchmark.conditions) if item.kind == kind]
        return [(folder / f, item) for item in items for f in item.files]

    def report_command(self) -> str:
        """Return what writes tables, figures, manifest and page though some runs failed.

        It ends as a run without failures does, by the headline; what it prints besides is in a log.
        """
        if not all(path.exists() for path in (*self.splits(), self.layout.input_checksums)):
            return "true"
        verbs = ("tabulate", "draw", "manifest", "page")
        written = " && ".join(f"python -m workflow {x} {self.arguments}" for x in verbs)
        log = self.layout.log("after_failures")
        fault = f"Not all tables, figures and pages could be written: {log} says why."
        return (
            f"{{ {written}; }} > {shlex.quote(str(log))} 2>&1 "
            f"&& python -m workflow show {self.arguments} || echo {shlex.quote(fault)}"
        )

    def splits(self, wildcards=None) -> list[Path]:
        return [self.layout.split(place) for place in self.benchmark.results.split.places]

    def prepared(self, wildcards) -> list[Path]:
        return [self.layout.stored(patient) for patient in self.files]

    def before_split(self, wildcards) -> list[Path]:
        """Return all prepared patients, and the user's own split if there is one."""
        stored = self.prepared(wildcards)
        own = self.benchmark.results.split.file
        return stored if own is None else [*stored, own]

    def patient_files(self, wildcards) -> list[Path]:
        return list(self.files[wildcards.patient].all_files.values())

    def patient_state(self, wildcards) -> str:
        """Hash the sizes and dates of a patient's files, behind links too.

        Snakemake compares dates with its own output's. So it misses a file that was replaced by an
        older one, as `cp -p`, `rsync -t` and `unzip` do. Simulated files need not exist yet.
        """
        if self.simulated:
            return ""
        found = [path.stat() for path in self.patient_files(wildcards)]
        return _hash(json.dumps([(one.st_size, one.st_mtime_ns) for one in found]).encode())

    def before_training(self, wildcards) -> dict[str, Path]:
        """Return the split, the patients' checksums, and what the run builds on."""
        run, name = self.plan[wildcards.run], wildcards.replicate
        needed = {"split": self.split(wildcards), "input_checksums": self.layout.input_checksums}
        if run.upstream:
            needed["t1ce"] = self.layout.run(run.upstream, name).index("t1ce")
        if run.continues:
            needed["start"] = self.layout.run(run.continues, name).weights
        return needed

    def before_prediction(self, wildcards) -> dict[str, Path]:
        run = self.plan[wildcards.run]
        trained = self.plan[run.predicts_with or run.name]
        if not trained.trained:
            return self.before_training(wildcards)
        return self.before_training(wildcards) | {
            "weights": self.layout.run(trained.name, wildcards.replicate).weights
        }

    def named(self, external: bool) -> str:
        """Return a pattern of the names of all external runs, or of all others."""
        names = [n for n, run in self.plan.runs.items() if (run.kind == "external") == external]
        return "|".join(map(re.escape, names)) or "(?!)"

    def predictions(self, wildcards) -> list[Path]:
        """Return the indices of everything that a run predicts."""
        folder = self.layout.run(wildcards.run, wildcards.replicate)
        return [folder.index(kind) for kind in self.plan[wildcards.run].makes]

    def all_predictions(self, wildcards) -> list[Path]:
        return [folder.index(kind) for run, folder in self._runs() for kind in run.makes]

    def all_scores(self, wildcards) -> list[Path]:
        return [folder.scores for _, folder in self._runs()]

    def all_costs(self, wildcards) -> list[Path]:
        runs = self._runs()
        predictions = [folder.prediction_cost for run, folder in runs if run.synthesizes]
        return [*(folder.cost for run, folder in runs if run.trained), *predictions]

    def all_weights(self, wildcards) -> list[Path]:
        return [folder.weights for run, folder in self._runs() if run.trained]

    def _runs(self) -> list[tuple[Run, RunFolder]]:
        return [(run, self.layout.run(run.name, name)) for run, name in self.plan.pairs]

    def training_digest(self, wildcards) -> str:
        seed = Replicate.parse(wildcards.replicate).seed
        return self.plan.digest(self.plan[wildcards.run], seed)

    def replicate(self, wildcards) -> str:
        """Return the arguments of commands that name a replicate."""
        return Replicate.parse(wildcards.replicate).arguments

    def place(self, wildcards) -> str:
        """Return the arguments of commands that name a fold and a repeat."""
        return Replicate.parse(f"seed0{wildcards.place}").place.arguments

    def split(self, wildcards) -> Path:
        """Return the split of a replicate."""
        return self.layout.split(Replicate.parse(wildcards.replicate).place)

    def digest(self, rule: str) -> str:
        """Hash the settings and code that a rule depends on, beside its input files."""
        results = self.benchmark.results
        settings = {
            "simulate": lambda: self.benchmark.cohort.seed,
            "prepare": lambda: results.slices.model_dump(),
            "cohort": lambda: None,
            "split": lambda: results.split.model_dump(mode="json", include=DIVIDES),
            "score": lambda: [self._protocols(), self.plan.held_out()],
            "tabulate": lambda: [self._measured(), self._captions("table")],
            "draw": lambda: [self._measured(), self._captions("figure")],
            "manifest": lambda: None,
            "page": lambda: [self._measured(), self._captions(), _hashes(PAGE), self._page()],
        }[rule]()
        return _hash(json.dumps([settings, self.plan.code(rule)], sort_keys=True).encode())

    def _measured(self) -> list:
        """Return what tables and figures depend on beside the results of the runs."""
        scored = metric_modules(self.plan.protocols)
        metrics = [x.model_dump(mode="json") for x in read_metrics().values() if x.module in scored]
        return [
            self.benchmark.title,
            self.benchmark.note,
            self.benchmark.base,
            self._protocols(),
            metrics,
            [convention.model_dump(mode="json") for convention in read_conventions()],
            read_published().model_dump(mode="json"),
            [asdict(row) for row in self.plan.rows()],
            self.plan.left_out(),
        ]

    def _page(self) -> dict:
        return self.benchmark.page.model_dump(mode="json")

    def _captions(self, *kinds: str) -> list:
        items = catalogue_for(self.benchmark.conditions)
        shown = [item for item in items if not kinds or item.kind in kinds]
        return [[item.name, item.caption, item.order, item.needs] for item in shown]

    def _protocols(self) -> list[dict]:
        return [protocol.model_dump(mode="json") for protocol in self.plan.protocols]


def _hashes(folder: Path) -> dict[str, str]:
    """Hash the files of a folder that are no code."""
    return {p.name: _hash(p.read_bytes()) for p in sorted(folder.glob("*.*")) if p.suffix != ".py"}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
