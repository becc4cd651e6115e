"""Which runs a benchmark needs, and which rows its tables get from them.

A run is one training, or a prediction without one: a method's variant, or a segmentor behind it.
Runs name each other where one needs another's output, so a training that two rows need exists once.

Under a condition, the runs that it changes are runs of their own, named `cutgan@condition`; all
others are the benchmark's own, trained once.

Each segmentor runs twice behind every synthesis: `retrained` on the synthesised T1ce, and `frozen`,
trained on the real T1ce (behind the ceiling), where it only predicts.
"""

import difflib
import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from pydantic import BaseModel

from benchmarks.cohorts.replicate import Replicate
from benchmarks.config import Benchmark, Results
from benchmarks.errors import InputError
from benchmarks.reporting.published import read_published
from benchmarks.reporting.rows import Role, Row
from benchmarks.scoring.conventions import read_conventions
from benchmarks.scoring.protocol import Protocol, load_protocol, metric_modules
from methods.external import KINDS
from methods.registry import FROZEN, Kind, Method, discover
from workflow.fingerprint import fingerprint
from workflow.verbs import VERBS, module

TRAINING_CODE = ("workflow.training.loop",)
SLICE_SPLIT = ("benchmarks.cohorts.slice_split", "benchmarks.cohorts.split")
INGESTING_CODE = ("benchmarks.cohorts.external", "workflow.commands.ingest")
# What a run of each kind predicts; an external run predicts what its files hold.
MAKES: dict[Kind, tuple[Literal["t1ce", "seg"], ...]] = {
    "synthesis": ("t1ce",),
    "control": ("t1ce",),
    "joint": ("t1ce", "seg"),
    "segmentation": ("seg",),
}
TASKS = {"t1ce": "synthesis", "seg": "segmentation"}  # that a prediction is scored on


@dataclass(frozen=True)
class Run:
    """One training, one control, or one external method.

    Attributes
    ----------
    name : `cutgan`, `maf_net.joint`, `unet`; `cutgan+unet` for the segmentor behind `cutgan`, and
        `cutgan+unet.frozen` for the one that was trained on the real T1ce.
    params : the parameters' values as attributes.
    settings : those of the benchmark, or of its condition.
    upstream : the run whose T1ce is this one's last input channel.
    continues : the run whose weights this one starts from.
    predicts_with : the run whose final weights this one predicts with, untrained itself.
    condition : whose settings change it, "" of the benchmark's own runs.
    """

    name: str
    method: Method
    variant: str
    params: BaseModel
    settings: Results = field(hash=False)
    upstream: str | None = None
    continues: str | None = None
    predicts_with: str | None = None
    condition: str = ""

    @property
    def kind(self) -> Kind:
        return self.method.kind(self.variant)

    @property
    def trained(self) -> bool:
        untrained = self.kind in ("control", "external") or self.predicts_with
        return not untrained and self.method.description.trained

    @property
    def frozen(self) -> bool:
        """Whether it is a segmentor that was trained on the real T1ce, behind a synthesis."""
        return bool(self.upstream and self.predicts_with)

    @property
    def makes(self) -> tuple[Literal["t1ce", "seg"], ...]:
        """The kinds of volumes that it predicts."""
        if self.kind == "external":
            return tuple(kind for kind in KINDS if self.method.pattern(kind))
        return MAKES[self.kind]

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(TASKS[kind] for kind in self.makes)

    @property
    def synthesizes(self) -> bool:
        """Whether T1ce is predicted here, at a cost that is measured."""
        return "t1ce" in self.makes and self.kind != "external"

    @property
    def builds_on(self) -> list[str]:
        """The runs that must have ended before this one can begin."""
        return [name for name in (self.upstream, self.continues, self.predicts_with) if name]

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.method.description.inputs

    @property
    def channels(self) -> int:
        return len(self.inputs) + (self.upstream is not None)


class Plan:
    """All runs of a benchmark.

    Attributes
    ----------
    runs : by name, those of conditions after the benchmark's own.
    shared : by condition, its names of runs, each with the run that it is: one of its own, or one
        of the benchmark's or of an earlier condition's that it does not change.

    Raises
    ------
    InputError : the benchmark file names a method, a variant or a parameter that does not exist, or
        a condition changes no run, or the same ones as another.
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
        self._add_frozen()
        self.shared: dict[str, dict[str, str]] = {}
        for name, variation in benchmark.variations.items():
            self.shared[name] = self._add_condition(name, variation)

    def __getitem__(self, name: str) -> Run:
        if name not in self.runs:
            raise InputError(
                f"There is no run `{name}` in benchmark `{self.benchmark.name}`; "
                f"there are {', '.join(self.runs)}."
            )
        return self.runs[name]

    @property
    def pairs(self) -> list[tuple[Run, Replicate]]:
        """Each run with each of its replicates."""
        replicates = self.benchmark.results.replicates
        return [(run, replicate) for run in self.runs.values() for replicate in replicates]

    @cached_property
    def protocols(self) -> list[Protocol]:
        """The benchmark's protocols, and the conventions that change one thing of `strict`."""
        results = self.benchmark.results
        protocols = [load_protocol(name) for name in results.protocols]
        if results.conventions:
            protocols += [c.protocol() for c in read_conventions() if c.change is not None]
        return protocols

    def held_out(self) -> dict | None:
        """Return what decides which slices are held out; None if no protocol scores them."""
        if all(one.slices != "held_out" for one in self.protocols):
            return None
        return self.benchmark.results.split.model_dump(include={"fractions", "seed", "folds"})

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
                segmentor=run.method.name if run.upstream else "",
                frozen=run.frozen,
                continues=run.continues,
                predicts_with=run.predicts_with,
                condition=run.condition,
                pairing=self._pairing(run),
                remark=self._remark(run),
            )
            for run in self.runs.values()
        ]

    def left_out(self) -> list[str]:
        """Return the titles of the methods of which this benchmark runs nothing."""
        named = {run.method.name for run in self.runs.values()}
        return [x.description.title for name, x in self.methods.items() if name not in named]

    def trains_on(self, run: Run) -> bool:
        """Return whether a segmentor trains on the T1ce of `run`, which all patients then need."""
        return any(one.upstream == run.name and one.trained for one in self.runs.values())

    def epochs(self, run: Run) -> int:
        return getattr(run.settings.training.epochs, run.kind)

    def digest(self, run: Run, seed: int) -> str:
        """Return a hash that changes exactly when training `run` again could give other weights.

        Covers the settings, the code of the method and of the loop, and the runs that it builds on;
        not comments, not `speed`, not the patients, which the training itself adds.
        """
        results = run.settings
        parts = {
            # A name would say that a training differs which its condition does not change.
            "run": _without_condition(run.name),
            "seed": seed,
            "inputs": run.inputs,
            "pairing": run.method.description.pairing,
            "params": run.params.model_dump(),
            "epochs": self.epochs(run) if run.trained else 0,
            "training": _training_settings(run),
            "slices": results.slices.model_dump(),
            "code": fingerprint([*TRAINING_CODE, f"methods.{run.method.name}.method"]),
            "before": [self.digest(self.runs[x], seed) for x in run.builds_on],
        }
        if run.trained and results.split.unit == "slice":
            keys = {"unit", "fractions", "seed", "folds"}
            parts["split"] = results.split.model_dump(include=keys)
            parts["split"]["code"] = fingerprint((), alone=SLICE_SPLIT)
        if run.kind == "external":
            parts["code"] = fingerprint(INGESTING_CODE)
            parts["volumes"] = run.method.volumes_state()
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
        for name in results.segmentors:
            self._known(name, ("results", "segmentors"))
            if self.methods[name].description.kind != "segmentation":
                place = self.benchmark.where("results", "segmentors")
                raise InputError(f"{place}: `{name}` is not of kind `segmentation`.")
        for name in results.without:
            self._known(name, ("results", "without"))
            if self.methods[name].description.kind == "control":
                place = self.benchmark.where("results", "without")
                raise InputError(f"{place}: remove `{name}`; floors and ceilings always run.")
        known = [one.name for one in self.protocols if one.slices != "held_out"]
        if results.split.unit == "slice" and known:
            place = self.benchmark.where("results", "split", "unit")
            raise InputError(
                f"{place}: `slice` trains on slices of the test patients too, and protocol "
                f"`{known[0]}` scores them. Write `protocols: [held_out]` and `conventions: false`."
            )
        if results.without and results.methods is not None:
            place = self.benchmark.where("results", "without")
            raise InputError(
                f"{place}: it leaves methods out of `methods: null`, but `results.methods` lists "
                "them. Remove one of the two keys."
            )

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
            names = tuple(
                _join(method.name, variant)
                for method in self.methods.values()
                for variant in method.variants
                if self._runs_by_default(method, variant)
            )
        controls = [m.name for m in self.methods.values() if m.description.kind == "control"]
        return list(dict.fromkeys([*names, *controls]))

    def _runs_by_default(self, method: Method, variant: str) -> bool:
        only = method.description.benchmarks
        if method.name in self.benchmark.results.without:
            return False
        if only is not None and not set(only) & set(self.benchmark.family):
            return False
        if variant == "base" or method.variant(variant).default:
            return True
        return _join(method.name, variant) in read_published().methods

    def _add(self, name: str) -> None:
        first, _, variant = name.partition(".")
        self._known(first, ("results", "methods"))
        method, variant = self.methods[first], variant or "base"
        if name != _join(first, variant):
            place = self.benchmark.where("results", "methods")
            raise InputError(f"{place}: write `{_join(first, variant)}` in place of `{name}`.")
        before = {
            key: _join(first, value)
            for key in ("continues", "predicts_with")
            if (value := getattr(method.variant(variant), key))
        }
        for other in before.values():
            if other not in self.runs:
                self._add(other)
        params = self._params(method, variant)
        run = Run(name, method, variant, params, self.benchmark.results, **before)
        self.runs[name] = run
        if run.makes == ("t1ce",) and method.description.patients != "test":
            for segmentor in self._segmentors():
                self._add_behind(run, segmentor)

    def _add_behind(self, run: Run, segmentor: Method, predicts_with: str | None = None) -> None:
        name = f"{run.name}+{segmentor.name}{f'.{FROZEN}' if predicts_with else ''}"
        params, settings = self._params(segmentor, "base"), self.benchmark.results
        behind = {"upstream": run.name, "predicts_with": predicts_with}
        self.runs[name] = Run(name, segmentor, "base", params, settings, **behind)

    def _add_frozen(self) -> None:
        """Add the frozen segmentors behind every T1ce but the real one, whose own they are."""
        first = [run for run in self.runs.values() if "t1ce" in run.makes]
        ceilings = [run for run in first if self._role(run) == "ceiling"]
        for run in first if ceilings else ():
            for segmentor in self._segmentors() if run not in ceilings else ():
                self._add_behind(run, segmentor, f"{ceilings[0].name}+{segmentor.name}")

    def _add_condition(self, condition: str, variation: Benchmark) -> dict[str, str]:
        """Add the runs that a condition changes; return all of its runs, see `shared`."""
        other, seed = Plan(variation), self.benchmark.results.seeds[0]
        known = {self.digest(run, seed): name for name, run in self.runs.items()}
        names = {
            name: known.get(other.digest(run, seed), f"{name}@{condition}")
            for name, run in other.runs.items()
        }
        place = self.benchmark.where("conditions", condition)
        if names.keys() == set(names.values()):
            raise InputError(
                f"{place}: it changes no training of this benchmark. Remove it, or change "
                "something that a method depends on."
            )
        if same := [one for one, others in self.shared.items() if others == names]:
            raise InputError(f"{place}: it trains what `{same[0]}` does. Remove one of the two.")
        for name, run in other.runs.items():
            if names[name] not in self.runs:
                before = {
                    key: names.get(getattr(run, key))
                    for key in ("upstream", "continues", "predicts_with")
                }
                self.runs[names[name]] = replace(
                    run, name=names[name], condition=condition, **before
                )
        return names

    def _segmentors(self) -> list[Method]:
        return [self.methods[name] for name in self.benchmark.results.segmentors]

    def _params(self, method: Method, variant: str) -> BaseModel:
        keys = ("results", "params", method.name)
        overrides = self.benchmark.results.params.get(method.name, {})
        return method.params(variant, overrides, lambda key: self.benchmark.where(*keys, key))

    def _label(self, run: Run) -> str:
        title, variant = run.method.description.title, run.variant
        if run.upstream:
            behind = f"{self._label(self.runs[run.upstream])} + {title}"
            return f"{behind}, {FROZEN}" if run.frozen else behind
        if variant == "base":
            variant = run.method.description.base
        return f"{title}, {variant}" if variant else title

    def _pairing(self, run: Run) -> str:
        """Return how the images are paired that its T1ce is learned from, "" if none is learned."""
        first = self.runs[run.upstream] if run.upstream else run
        learns = first.trained and "t1ce" in first.makes
        return first.method.description.pairing if learns else ""

    def _remark(self, run: Run) -> str:
        """Say what readers must know of what a run was trained on."""
        if run.trained and run.settings.split.unit == "slice":
            return f"{self._label(run)}: was trained on other slices of the test patients."
        if run.kind != "external":
            return ""
        remarks = ["was trained elsewhere"]
        if run.method.description.learned_from is None:
            remarks.append("training patients not declared")
        if run.method.description.patients == "test":
            remarks.append("T1ce of the test patients alone, so that no segmentor is trained on it")
        return f"{self._label(run)}: {'; '.join(remarks)}."

    def _role(self, run: Run) -> Role:
        first = self.runs[run.upstream] if run.upstream else run
        if first.kind != "control":
            return "method"
        return "ceiling" if "t1ce" in first.inputs else "floor"


def _training_settings(run: Run) -> dict[str, object]:
    """Return the settings of the loop, without those that cannot change this run."""
    settings = run.settings.training.model_dump(exclude={"epochs"})
    trains_synthesis = run.trained and "t1ce" in run.makes
    if settings["t1ce_patients"] is None or not trains_synthesis:
        del settings["t1ce_patients"]
    return settings


def _without_condition(run: str) -> str:
    return run.partition("@")[0]


def _join(method: str, variant: str) -> str:
    return method if variant == "base" else f"{method}.{variant}"
