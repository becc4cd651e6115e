"""The settings of a benchmark file: the one definition of every key, its range and its meaning.

`results` holds everything that affects a number in a table, `speed` everything that affects none,
`page` what the page shows in pictures. Changing `speed` reruns nothing, changing `page` rewrites
the page alone.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    computed_field,
    field_validator,
    model_validator,
)

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.sources import load_source
from benchmarks.errors import InputError
from benchmarks.plain_yaml import (
    Document,
    KeyedError,
    Settings,
    each_once,
    faults,
    file_name,
    merge,
)

FOLDER = Path(__file__).parent
# Old keys that users may have in their files.
RENAMED = {"results.entries": "results.methods", "results.segmentor": "results.segmentors"}
# Not from `scoring`, whose changes would then retrain all methods.
ProtocolName = Annotated[str, file_name(FOLDER / "protocols")]
Count = Annotated[int, Field(ge=1, le=10**6)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
ConditionName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
# What a condition may change: neither the patients and their scores, which all conditions share,
# nor which methods run.
CHANGEABLE = ("training", "params", "split.unit")


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("write one line of text")
    return text


def _known_source(name: str) -> str:
    load_source(name)
    return name


class Cohort(Settings):
    """Where the patients come from.

    A source takes some of the other keys, and a key that it does not take is refused.

    Attributes
    ----------
    source : a file below `benchmarks/cohorts/sources/`: `phantom` simulates patients, `brats` reads
        BraTS folders.
    patients : how many to simulate.
    seed : of the simulation.
    path : the folder of the patients, usually given on the command line as `--config data=PATH`.
    release : of the data set, whose labels the segmentations have, where the patients' names do not
        tell it: one of `benchmarks.cohorts.releases`. Also `--config release=NAME`.
    """

    source: Annotated[str, AfterValidator(_known_source)]
    patients: Annotated[int, Field(ge=3, le=999)] = 20
    seed: Seed = 0
    path: Path | None = None
    release: str | None = None

    @field_validator("patients", "seed", "path", "release")
    @classmethod
    def _is_taken_by_source(cls, value: Any, info: ValidationInfo) -> Any:
        source = info.data.get("source")  # missing if it is invalid itself
        if source and info.field_name not in (taken := load_source(source).settings):
            hint = "; for BraTS folders write `benchmark=brats2020`"
            raise ValueError(
                f"the source `{source}` takes {' and '.join(taken) or 'no key'}, and no "
                f"`{info.field_name}`{hint if info.field_name == 'path' else ''}"
            )
        return value

    @model_validator(mode="after")
    def _has_its_path(self) -> "Cohort":
        if self.path is None and "path" in load_source(self.source).settings:
            raise ValueError(
                "`cohort.path` is missing: give the folder of the patients on the command line, as "
                "in `snakemake --config benchmark=brats2020 data=/path/to/BraTS`"
            )
        return self


class Split(Settings):
    """Shares of train, validation and test patients; `file` takes somebody's own split instead.

    Attributes
    ----------
    folds : cross-validation: each fold tests other patients, and together they test everyone once.
        `fractions` then share out the rest between train and validation.
    run_folds : of them those that are run; null for all.
    repeats : how many divisions of the patients; the first is by `seed`, the others by seeds that
        follow from it.
    unit : `slice` trains on slices of all patients, those that are tested too, as a split at the
        sample level does. Scores are then too good: `leak.yaml` measures by how much. The patients
        that are scored stay the same, and protocols must be of `slices: held_out`.
    """

    fractions: tuple[Count, Count, Count] = (7, 1, 2)
    seed: Seed = 0
    file: Path | None = None
    unit: Literal["patient", "slice"] = "patient"
    folds: Annotated[int, Field(ge=2, le=100)] | None = None
    run_folds: (
        Annotated[
            tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(each_once)
        ]
        | None
    ) = None
    repeats: Annotated[int, Field(ge=1, le=100)] = 1

    @model_validator(mode="after")
    def _belongs_together(self) -> "Split":
        if self.file is not None and (self.folds or self.repeats > 1):
            key = "folds" if self.folds else "repeats"
            text = "`file` is one division of the patients; remove it, or this key"
            raise KeyedError([key], text)
        if self.run_folds and max(self.run_folds) >= (self.folds or 0):
            numbers = f"numbers from 0 to {self.folds - 1}" if self.folds else "`folds` first"
            raise KeyedError(["run_folds"], f"found {list(self.run_folds)}; write {numbers}")
        return self

    @property
    def places(self) -> tuple[Place, ...]:
        """Every division of the patients that is run."""
        folds = range(self.folds) if self.folds else (None,)
        return tuple(
            Place(repeat, fold)
            for repeat in range(self.repeats)
            for fold in self.run_folds or folds
        )


class Slices(Settings):
    """The working grid: `downsample` in-plane and `step` across slices, both 1 at full size.

    `crop` is in pixels of the working grid, a multiple of 16 since the UNet halves it four times.
    """

    crop: Annotated[int, Field(ge=32, le=512, multiple_of=16)] = 224
    downsample: Annotated[int, Field(ge=1, le=8)] = 1
    step: Annotated[int, Field(ge=1, le=8)] = 1


class Epochs(Settings):
    synthesis: Count = 10
    segmentation: Count = 100
    joint: Count = 100


class Training(Settings):
    """The loop's settings; learning rates and widths are parameters of the methods.

    Attributes
    ----------
    steps_per_epoch : the most batches per epoch; null for all.
    unpaired : where an unpaired method's T1ce comes from. `other` draws a slice of another training
        patient, `shuffled` any slice (CUT's convention), `disjoint` halves the training patients.
    t1ce_patients : how many of the training patients with tumour have T1ce when a synthesis is
        trained; null for all. Another seed draws others, and fewer are among more. Epochs keep
        their number of batches. Segmentors alone are trained on all patients.
    """

    batch: Count = 4
    epochs: Epochs = Epochs()
    steps_per_epoch: Count | None = None
    unpaired: Literal["other", "shuffled", "disjoint"] = "other"
    t1ce_patients: Count | None = None


class Results(Settings):
    """Everything that affects a number in a table.

    Attributes
    ----------
    methods : names such as `cutgan` and `maf_net.joint`; null means all: every folder below
        `methods/`, with the variants that the paper's tables name or that say `default: true`.
        Floors and ceilings always run.
    without : folders below `methods/` that `methods: null` leaves out.
    segmentors : the methods that segment behind every synthesis, each with rows of its own.
    params : by method, the parameters that differ from the defaults in its `method.yaml`.
    protocols : names of files in `benchmarks/protocols/`.
    conventions : whether to score under those of `conventions.yaml` too, for Table VII.
    """

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(each_once)] = (0,)
    split: Split = Split()
    slices: Slices = Slices()
    training: Training = Training()
    methods: tuple[str, ...] | None = None
    without: Annotated[tuple[str, ...], AfterValidator(each_once)] = ()
    segmentors: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(each_once)] = (
        "unet",
    )
    params: dict[str, dict[str, Any]] = Field(default={})
    protocols: Annotated[
        tuple[ProtocolName, ...], Field(min_length=1), AfterValidator(each_once)
    ] = ("paper", "strict")
    conventions: bool = True

    @property
    def replicates(self) -> tuple[Replicate, ...]:
        """Every seed with every division of the patients."""
        return tuple(Replicate(seed, place) for place in self.split.places for seed in self.seeds)


class Speed(Settings):
    """Everything that affects no number: how long a benchmark takes, and what it also writes.

    Attributes
    ----------
    device : `auto` uses a GPU where there is one.
    precision : of the training step. A CPU computes in bf16 if it has instructions for it
        (AVX512-BF16, AMX), in float32 otherwise.
    threads : CPU threads of one training; Snakemake counts it as so many cores.
    workers : loader processes of one training; 0 loads in the training process.
    resident : `always` holds all training slices in the device's memory, and needs no workers;
        `auto` does so on a GPU where they take less than a quarter of a slot's free memory.
    channels_last : train in the channels-last memory format, if no network of the method has an
        instance norm, which would undo it: this applies to the UNets behind the syntheses.
    compile : `graphs` replays the networks as CUDA graphs on a GPU, ready after seconds, and has no
        effect on a CPU; `kernels` also generates kernels, which takes minutes and a compiler.
    inference_batch : slices per batch in prediction.
    deterministic : on a GPU, use kernels that give the same numbers each time, even if slower;
        where there is none, torch names the operation in the log. No effect on a CPU.
    slots_per_gpu : trainings and predictions that share one GPU of this machine; on a cluster each
        has its own GPU.
    tensorboard : each training also writes its losses, validation Dice and learning rates for
        TensorBoard, below `results/logs/<benchmark>/tensorboard`. Needs the package `tensorboard`.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    threads: Count = 1
    workers: Annotated[int, Field(ge=0)] = 0
    inference_batch: Count = 32
    slots_per_gpu: Count = 1
    deterministic: bool = False
    resident: Literal["auto", "always", "never"] = "auto"
    channels_last: bool = False
    compile: Literal["none", "kernels", "graphs"] = "none"
    tensorboard: bool = False


class Page(Settings):
    """What the page shows in pictures; its scores and tables are always of all test patients.

    Attributes
    ----------
    megabytes : of pictures at most, 10^6 bytes each; null for no bound. As many patients have
        pictures as it holds, spread from the worst to the best Dice ET (see
        `benchmarks.reporting.page.selection`).
    slices : `brain` shows every slice with brain, `tumour` those between the first and the last
        with tumour.
    """

    megabytes: Annotated[float, Field(gt=0)] | None = 200
    slices: Literal["brain", "tumour"] = "brain"


class Benchmark(Settings):
    """A benchmark file, with the name that its results go by.

    Attributes
    ----------
    extends : the benchmark whose settings this one's replace, by its name or path.
    note : what readers of Tables I to III must know of this benchmark, in sentences.
    conditions : by name, what differs from `results` (see `CHANGEABLE`) in trainings that are
        compared with the benchmark's own. The first may change nothing: it names these own ones.
    """

    extends: str | None = None
    title: Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
    note: Annotated[str, Field(max_length=1000), AfterValidator(_one_line)] | None = None
    cohort: Cohort
    results: Results = Results()
    conditions: dict[ConditionName, dict[str, Any]] = Field(default={})
    speed: Speed = Speed()
    page: Page = Page()
    _document: Document = PrivateAttr()
    _own: int = PrivateAttr(0)  # how many paths of the document are those of extended files
    _condition: str = PrivateAttr("")  # whose settings the results are

    @model_validator(mode="after")
    def _conditions_are_valid(self) -> "Benchmark":
        for place, (name, changes) in enumerate(self.conditions.items()):
            flat = flattened(changes)
            if flat and name == "base":
                text = "`base` names the settings of `results`; write another name"
                raise KeyedError(["conditions", name], text)
            if not flat and place:
                text = "it changes nothing; remove it, or write what it changes"
                raise KeyedError(["conditions", name], text)
            for key in flat:
                if not any(f"{key}.".startswith(f"{one}.") for one in CHANGEABLE):
                    text = f"a condition may change {', '.join(CHANGEABLE)}, and no `{key}`"
                    raise KeyedError(["conditions", name, *key.split(".")], text)
            self._with(name)
        return self

    def _with(self, condition: str) -> Results:
        """Return the settings of a condition."""
        own = self.results.model_dump(mode="json", exclude_unset=True)
        try:
            return Results.model_validate(merge(own, self.conditions[condition]))
        except ValidationError as error:
            keys, text = faults(error, Results)[0]
            raise KeyedError(["conditions", condition, *keys], text) from None

    @property
    def base(self) -> str:
        """The name of the benchmark's own settings among its conditions."""
        first = next(iter(self.conditions), "")
        return first if first and not self.conditions[first] else "base"

    @property
    def variations(self) -> dict[str, "Benchmark"]:
        """The benchmark under each of its conditions but its own settings, without conditions."""
        found = {}
        for name, changes in self.conditions.items():
            if changes:
                update = {"results": self._with(name), "conditions": {}}
                found[name] = self.model_copy(update=update)
                found[name]._condition = name
        return found

    @computed_field
    @property
    def name(self) -> str:
        """The name that its results go by: the file's, and the scale's."""
        return "-".join(path.stem for path in self._document.paths[self._own :])

    @property
    def family(self) -> list[str]:
        """The names of the benchmark files that it extends, and its own; all have its patients."""
        return [path.stem for path in self._document.paths[: self._own + 1]]

    @property
    def paths(self) -> list[Path]:
        """The files that it extends, the benchmark file, and the scale's if there is one."""
        return self._document.paths

    def where(self, *keys: str) -> str:
        """Return `file, line N, key` of a setting, for messages."""
        changed = ("conditions", self._condition, *keys[1:])
        if self._condition and self._document.has(changed):
            return self._document.where(changed)
        return self._document.where(keys)


def flattened(settings: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings as values by dotted keys, e.g. `training.epochs.joint`."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        inner = flattened(value) if isinstance(value, dict) else {"": value}
        flat |= {f"{key}.{rest}".removesuffix("."): one for rest, one in inner.items()}
    return flat


def load(
    benchmark: str,
    data: str | None = None,
    scale: str | None = None,
    release: str | None = None,
) -> Benchmark:
    """Read and check a benchmark file.

    Parameters
    ----------
    benchmark : a name below `benchmarks/`, or a path that ends in `.yaml`.
    data : the BraTS folder, in place of the file's `cohort.path`.
    scale : a name below `benchmarks/scales/` (or a path) whose settings replace the file's, for
        smaller machines. Results then go by the name `<benchmark>-<scale>`.
    release : the release of the data set, in place of the file's `cohort.release`.

    Raises
    ------
    InputError : no such file, not YAML, an unknown key or a value out of range; with file, line,
        key, what was found and what to write instead.
    """
    files = _extended(_find(benchmark, FOLDER))
    document = Document(*files, *([_find(scale, FOLDER / "scales")] if scale else []))
    content = document.content
    if not isinstance(content, dict):
        raise InputError(f"{files[-1]}: expected keys and values, found {content!r:.200}.")
    if "name" in content:
        where = document.where(["name"])
        raise InputError(f"{where}: remove this key; a benchmark goes by its file's name.")
    given = {key: value for key, value in (("path", data), ("release", release)) if value}
    if given and isinstance(content.setdefault("cohort", {}), dict):
        content["cohort"] |= given
    loaded = document.validated(Benchmark, RENAMED)
    loaded._document, loaded._own = document, len(files) - 1
    return loaded


def schema() -> dict[str, Any]:
    """Return the JSON schema of a benchmark file, which editors use to complete and check keys.

    `benchmarks/benchmark.schema.json` holds it; a test keeps the two in step.
    """
    return Benchmark.model_json_schema()


def _extended(path: Path) -> list[Path]:
    """Return the files that a benchmark file extends, the first of them first, then itself."""
    files = [path]
    while (document := Document(files[0])).content and isinstance(document.content, dict):
        name = document.content.get("extends")
        if not isinstance(name, str):
            break
        try:
            before = _find(name, FOLDER)
        except InputError as error:
            raise InputError(f"{document.where(['extends'])}: {error}") from None
        if before.resolve() in {file.resolve() for file in files}:
            raise InputError(
                f"{document.where(['extends'])}: {name} extends this file itself. Remove one of "
                "the two keys."
            )
        files.insert(0, before)
    return files


def _find(name: str, folder: Path) -> Path:
    path = Path(name) if name.endswith(".yaml") else folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml") if _is_benchmark(p)))
        raise InputError(f"There is no {path}. Write one of: {known}; or the path of a .yaml file.")
    if not _NAME.fullmatch(path.stem):
        raise InputError(
            f"{path}: a benchmark goes by its file's name, which becomes part of paths and of "
            f"commands, and {path.stem!r} cannot. Rename the file to letters, digits, `_`, `-` and "
            "`.`, beginning with a letter or a digit."
        )
    return path


def _is_benchmark(path: Path) -> bool:
    return path.stem not in ("conventions", "published")
