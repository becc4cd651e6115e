"""Which trainings a benchmark needs, and which rows its tables get from them.

A run is one training: an entry's variant, or the segmentor behind one. Runs name each other where
one needs another's output, so a training that two rows need exists once.
"""

import difflib
import hashlib
import json
import traceback
from dataclasses import dataclass

from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.reporting.published import read_published
from benchmarks.reporting.systems import System, Training
from methods.contract import Entry, MethodError, Params
from methods.registry import Kind, Method, discover
from workflow.fingerprint import fingerprint

TRAINING_CODE = ["workflow.training.loop"]


@dataclass(frozen=True)
class Run:
    """One training, or one control.

    Attributes
    ----------
    name : `cutgan`, `maf_net.joint`, `unet`; `cutgan+unet` for the segmentor behind `cutgan`.
    upstream : the run whose T1ce is this one's last input channel.
    continues : the run whose weights this one starts from.
    """

    name: str
    method: Method
    variant: str
    params: Params
    upstream: str | None = None
    continues: str | None = None

    @property
    def kind(self) -> Kind:
        return self.method.kind(self.variant)

    @property
    def trained(self) -> bool:
        return self.kind != "control" and self.method.description.trained

    @property
    def synthesizes(self) -> bool:
        return self.kind in ("synthesis", "control", "joint")

    @property
    def segments(self) -> bool:
        return self.kind in ("segmentation", "joint")

    @property
    def tasks(self) -> tuple[str, ...]:
        made = {"synthesis": self.synthesizes, "segmentation": self.segments}
        return tuple(task for task, is_made in made.items() if is_made)

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

    def entry(self) -> Entry:
        try:
            made = self.method.entry(self.params, self.channels)
        except MethodError:
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise MethodError(
                f"methods/{self.method.name} cannot be built with {self.params!r}: "
                f"{type(error).__name__}: {error} (raised in {last.filename}, line {last.lineno}). "
                f"Mend `results.params.{self.method.name}`, or `build`."
            ) from error
        self.method.load_pretrained(made)
        return made


class Plan:
    """All runs of a benchmark.

    Raises
    ------
    InputError : the benchmark file names an entry, a variant or a parameter that does not exist.
    MethodError : an entry's folder is at fault.
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

    def systems(self) -> list[System]:
        """What can be a row of a table, by run."""
        return [
            System(run.name, self._label(run), self._role(run), tasks=run.tasks)
            for run in self.runs.values()
        ]

    def trainings(self) -> list[Training]:
        """What the table of costs needs to know of each run."""
        return [
            Training(run.name, run.kind, run.continues, run.trained) for run in self.runs.values()
        ]

    def epochs(self, run: Run) -> int:
        return getattr(self.benchmark.results.training.epochs, run.kind)

    def digest(self, run: Run, seed: int) -> str:
        """Changes exactly when training `run` again could give other weights.

        Covers the settings, the code of the entry and of the loop, and the runs that it builds on;
        not comments, not `speed`, not the patients, which the training itself adds.
        """
        results = self.benchmark.results
        code = [*TRAINING_CODE, f"methods.{run.method.name}.method"]
        parts = {
            "run": run.name,
            "seed": seed,
            "inputs": run.inputs,
            "pairing": run.method.description.pairing,
            "params": run.params.model_dump(),
            "epochs": self.epochs(run) if run.trained else 0,
            "training": results.training.model_dump(exclude={"epochs"}),
            "slices": results.slices.model_dump(),
            "code": fingerprint(code),
            "before": [self.digest(self.runs[x], seed) for x in run.builds_on],
        }
        if run.method.pretrained:
            weights = run.method.pretrained.read_bytes()
            parts["pretrained"] = hashlib.sha256(weights).hexdigest()
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def _check_names(self) -> None:
        results = self.benchmark.results
        for name in results.params:
            self._known(name, ("results", "params", name))
        self._known(results.segmentor, ("results", "segmentor"))
        if self.methods[results.segmentor].description.kind != "segmentation":
            where = self.benchmark.where("results", "segmentor")
            raise InputError(f"{where}: `{results.segmentor}` is not of kind `segmentation`.")

    def _known(self, entry: str, keys: tuple[str, ...]) -> None:
        if entry not in self.methods:
            close = difflib.get_close_matches(entry, self.methods, n=1)
            hint = f" Did you mean `{close[0]}`?" if close else ""
            raise InputError(
                f"{self.benchmark.where(*keys)}: there is no methods/{entry}.{hint} "
                f"There are {', '.join(self.methods)}."
            )

    def _chosen(self) -> list[str]:
        names = self.benchmark.results.entries
        if names is None:
            published = _published_entries()
            names = tuple(
                _join(method.name, variant)
                for method in self.methods.values()
                for variant in method.variants
                if variant == "base" or _join(method.name, variant) in published
            )
        controls = [m.name for m in self.methods.values() if m.description.kind == "control"]
        return list(dict.fromkeys([*names, *controls]))

    def _add(self, name: str) -> None:
        entry, _, variant = name.partition(".")
        self._known(entry, ("results", "entries"))
        method, variant = self.methods[entry], variant or "base"
        if name != _join(entry, variant):
            where = self.benchmark.where("results", "entries")
            raise InputError(f"{where}: write `{_join(entry, variant)}` in place of `{name}`.")
        continues = method.variant(variant).continues
        if continues and _join(entry, continues) not in self.runs:
            self._add(_join(entry, continues))
        run = Run(
            name,
            method,
            variant,
            self._params(method, variant),
            continues=_join(entry, continues) if continues else None,
        )
        self.runs[name] = run
        if run.synthesizes and not run.segments:
            segmentor = self.benchmark.results.segmentor
            second = f"{name}+{segmentor}"
            method = self.methods[segmentor]
            self.runs[second] = Run(
                second, method, "base", self._params(method, "base"), upstream=name
            )

    def _params(self, method: Method, variant: str) -> Params:
        overrides = self.benchmark.results.params.get(method.name, {})
        for key in overrides.keys() - method.entry.Params.model_fields.keys():
            where = self.benchmark.where("results", "params", method.name, key)
            known = ", ".join(method.entry.Params.model_fields) or "none"
            raise InputError(f"{where}: {method.name} has no such parameter; it has {known}.")
        try:
            return method.params(variant, overrides)
        except MethodError as error:
            where = self.benchmark.where("results", "params", method.name)
            raise MethodError(f"{error} See also {where}.") from None

    def _label(self, run: Run) -> str:
        if run.upstream:
            return f"{self._label(self.runs[run.upstream])} + {run.method.description.title}"
        title = run.method.description.title
        return title if run.variant == "base" else f"{title}, {run.variant}"

    def _role(self, run: Run) -> str:
        first = self.runs[run.upstream] if run.upstream else run
        if first.kind != "control":
            return "entry"
        return "oracle" if "t1ce" in first.inputs else "floor"


def _published_entries() -> set[str]:
    """The entries and variants that the paper's tables name, without their segmentor."""
    tables = read_published().tables.model_dump().values()
    systems = {row["system"] for table in tables for row in table["rows"]}
    return {system.split("+")[0] for system in systems if system}


def _join(entry: str, variant: str) -> str:
    return entry if variant == "base" else f"{entry}.{variant}"
