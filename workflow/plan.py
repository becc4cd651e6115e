"""Which runs a benchmark needs, and which rows its tables get from them.

A run is one training: a method's variant, or the segmentor behind one. Runs name each other where
one needs another's output, so a training that two rows need exists once.
"""

import difflib
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import BaseModel

from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.reporting.published import read_published
from benchmarks.reporting.rows import Role, Row
from benchmarks.scoring.conventions import read_conventions
from benchmarks.scoring.protocol import Protocol, load_protocol, metric_modules
from methods.registry import Kind, Method, discover
from workflow.fingerprint import fingerprint
from workflow.verbs import VERBS, module

TRAINING_CODE = ("workflow.training.loop",)
# What a run of each kind predicts.
MAKES: dict[Kind, tuple[Literal["t1ce", "seg"], ...]] = {
    "synthesis": ("t1ce",),
    "control": ("t1ce",),
    "joint": ("t1ce", "seg"),
    "segmentation": ("seg",),
}
TASKS = {"t1ce": "synthesis", "seg": "segmentation"}  # that a prediction is scored on


@dataclass(frozen=True)
class Run:
    """One training, or one control.

    Attributes
    ----------
    name : `cutgan`, `maf_net.joint`, `unet`; `cutgan+unet` for the segmentor behind `cutgan`.
    params : the parameters' values as attributes.
    upstream : the run whose T1ce is this one's last input channel.
    continues : the run whose weights this one starts from.
    """

    name: str
    method: Method
    variant: str
    params: BaseModel
    upstream: str | None = None
    continues: str | None = None

    @property
    def kind(self) -> Kind:
        return self.method.kind(self.variant)

    @property
    def trained(self) -> bool:
        return self.kind != "control" and self.method.description.trained

    @property
    def makes(self) -> tuple[Literal["t1ce", "seg"], ...]:
        """The kinds of volumes that it predicts."""
        return MAKES[self.kind]

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(TASKS[kind] for kind in self.makes)

    @property
    def builds_on(self) -> list[str]:
        """The runs that must have ended before this one can begin."""
        return [name for name in (self.upstream, self.continues) if name]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.method.description.inputs

    @property
    def channels(self) -> int:
        return len(self.inputs) + (self.upstream is not None)


class Plan:
    """All runs of a benchmark.

    Raises
    ------
    InputError : the benchmark file names a method, a variant or a parameter that does not exist.
    MethodError : a method's folder is invalid.
    """

    def __init__(self, benchmark: Benchmark):
        self.benchmark = benchmark
        self.methods = discover()
        for method in self.methods.values():
            method.check()
        self._check_names()
        self.runs: dict[str, Run] = {}
        for name in self._chosen():
            self._add(name)

    def __getitem__(self, name: str) -> Run:
        if name not in self.runs:
            raise InputError(
                f"There is no run `{name}` in benchmark `{self.benchmark.name}`; "
                f"there are {', '.join(self.runs)}."
            )
        return self.runs[name]

    @property
    def pairs(self) -> list[tuple[Run, int]]:
        """Each run with each of its seeds."""
        return [(run, seed) for run in self.runs.values() for seed in self.benchmark.results.seeds]

    @cached_property
    def protocols(self) -> list[Protocol]:
        """The benchmark's protocols, and the conventions that change one thing of `strict`."""
        results = self.benchmark.results
        protocols = [load_protocol(name) for name in results.protocols]
        if results.conventions:
            protocols += [c.protocol() for c in read_conventions() if c.change is not None]
        return protocols

    def rows(self) -> list[Row]:
        """Return what can be a row of a table, one per run."""
        return [
            Row(
                run.name,
                self._label(run),
                self._role(run),
                kind=run.kind,
                tasks=run.tasks,
                trained=run.trained,
                upstream=run.upstream,
                continues=run.continues,
            )
            for run in self.runs.values()
        ]

    def epochs(self, run: Run) -> int:
        return getattr(self.benchmark.results.training.epochs, run.kind)

    def digest(self, run: Run, seed: int) -> str:
        """Return a hash that changes exactly when training `run` again could give other weights.

        Covers the settings, the code of the method and of the loop, and the runs that it builds on;
        not comments, not `speed`, not the patients, which the training itself adds.
        """
        results = self.benchmark.results
        parts = {
            "run": run.name,
            "seed": seed,
            "inputs": run.inputs,
            "pairing": run.method.description.pairing,
            "params": run.params.model_dump(),
            "epochs": self.epochs(run) if run.trained else 0,
            "training": results.training.model_dump(exclude={"epochs"}),
            "slices": results.slices.model_dump(),
            "code": fingerprint([*TRAINING_CODE, f"methods.{run.method.name}.method"]),
            "before": [self.digest(self.runs[x], seed) for x in run.builds_on],
        }
        if run.method.pretrained:
            weights = run.method.pretrained.read_bytes()
            parts["pretrained"] = hashlib.sha256(weights).hexdigest()
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def code(self, verb: str) -> str:
        """Return the fingerprint of the code that a verb's outputs depend on."""
        modules = list(VERBS[verb].code)
        if verb == "score":
            modules += metric_modules(self.protocols)
        if verb in ("simulate", "prepare"):
            modules.append(f"benchmarks.cohorts.sources.{self.benchmark.cohort.source}")
        return fingerprint(modules, alone=[module(verb)])

    def _check_names(self) -> None:
        results = self.benchmark.results
        for name in results.params:
            self._known(name, ("results", "params", name))
        self._known(results.segmentor, ("results", "segmentor"))
        if self.methods[results.segmentor].description.kind != "segmentation":
            place = self.benchmark.where("results", "segmentor")
            raise InputError(f"{place}: `{results.segmentor}` is not of kind `segmentation`.")

    def _known(self, method: str, keys: tuple[str, ...]) -> None:
        if method not in self.methods:
            close = difflib.get_close_matches(method, self.methods, n=1)
            hint = f" Did you mean `{close[0]}`?" if close else ""
            raise InputError(
                f"{self.benchmark.where(*keys)}: there is no methods/{method}.{hint} "
                f"There are {', '.join(self.methods)}."
            )

    def _chosen(self) -> list[str]:
        names = self.benchmark.results.methods
        if names is None:
            published = read_published().methods
            names = tuple(
                _join(method.name, variant)
                for method in self.methods.values()
                for variant in method.variants
                if variant == "base" or _join(method.name, variant) in published
            )
        controls = [m.name for m in self.methods.values() if m.description.kind == "control"]
        return list(dict.fromkeys([*names, *controls]))

    def _add(self, name: str) -> None:
        first, _, variant = name.partition(".")
        self._known(first, ("results", "methods"))
        method, variant = self.methods[first], variant or "base"
        if name != _join(first, variant):
            place = self.benchmark.where("results", "methods")
            raise InputError(f"{place}: write `{_join(first, variant)}` in place of `{name}`.")
        before = method.variant(variant).continues
        continues = _join(first, before) if before else None
        if continues and continues not in self.runs:
            self._add(continues)
        run = Run(name, method, variant, self._params(method, variant), continues=continues)
        self.runs[name] = run
        if run.makes == ("t1ce",):
            segmentor = self.methods[self.benchmark.results.segmentor]
            second = f"{name}+{segmentor.name}"
            params = self._params(segmentor, "base")
            self.runs[second] = Run(second, segmentor, "base", params, upstream=name)

    def _params(self, method: Method, variant: str) -> BaseModel:
        keys = ("results", "params", method.name)
        overrides = self.benchmark.results.params.get(method.name, {})
        return method.params(variant, overrides, lambda key: self.benchmark.where(*keys, key))

    def _label(self, run: Run) -> str:
        title = run.method.description.title
        if run.upstream:
            return f"{self._label(self.runs[run.upstream])} + {title}"
        return title if run.variant == "base" else f"{title}, {run.variant}"

    def _role(self, run: Run) -> Role:
        first = self.runs[run.upstream] if run.upstream else run
        if first.kind != "control":
            return "method"
        return "ceiling" if "t1ce" in first.inputs else "floor"


def _join(method: str, variant: str) -> str:
    return method if variant == "base" else f"{method}.{variant}"
