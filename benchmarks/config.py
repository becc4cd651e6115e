"""What a benchmark file may say: the one definition of every setting, its range and its meaning.

A benchmark file has two sections: `results` holds all that affects a number in a table, `speed`
all that only affects how soon it is there. Changing `speed` reruns nothing.
"""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from benchmarks import plain_yaml
from benchmarks.errors import InputError

FOLDER = Path(__file__).parent
Count = Annotated[int, Field(ge=1, le=10**6)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def _each_once(values: tuple) -> tuple:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is listed twice; list it once")
    return values


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("write one line of text")
    return text


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cohort(_Section):
    """Where the patients come from.

    Attributes
    ----------
    source : `phantom` simulates `patients` patients; `brats` reads BraTS folders below `path`.
    path : usually given on the command line as `--config data=PATH`.
    """

    source: Literal["phantom", "brats"]
    patients: Annotated[int, Field(ge=3, le=999)] = 20
    seed: Seed = 0
    path: Path | None = None


class Split(_Section):
    """Shares of train, validation and test patients; `file` takes somebody's own split instead."""

    fractions: tuple[Count, Count, Count] = (7, 1, 2)
    seed: Seed = 0
    file: Path | None = None


class Slices(_Section):
    """The working grid: `downsample` in-plane and `step` across slices, both 1 at full size.

    `crop` is in pixels of the working grid, a multiple of 16 since the UNet halves it four times.
    """

    crop: Annotated[int, Field(ge=32, le=512, multiple_of=16)] = 224
    downsample: Annotated[int, Field(ge=1, le=8)] = 1
    step: Annotated[int, Field(ge=1, le=8)] = 1


class Epochs(_Section):
    synthesis: Count = 10
    segmentation: Count = 100
    joint: Count = 100


class Training(_Section):
    """The loop's settings; learning rates and widths belong to the entries' own parameters.

    Attributes
    ----------
    steps_per_epoch : at most so many batches an epoch; null for all.
    unpaired : where an unpaired entry's T1ce comes from. `other` draws a slice of another training
        patient, `shuffled` any slice (CUT's convention), `disjoint` halves the training patients.
    """

    batch: Count = 4
    epochs: Epochs = Epochs()
    steps_per_epoch: Count | None = None
    unpaired: Literal["other", "shuffled", "disjoint"] = "other"


class Results(_Section):
    """All that affects a number in a table.

    Attributes
    ----------
    entries : names such as `cutgan` and `maf_net.joint`; null means all: every folder below
        `methods/`, with the variants that the paper's tables name. Floors and ceilings are in all.
    segmentor : the entry that segments behind every synthesis.
    params : an entry's name -> its parameters that differ from the paper's.
    conventions : whether to score under those of `conventions.yaml` too, for Table VII.
    """

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_each_once)] = (0,)
    split: Split = Split()
    slices: Slices = Slices()
    training: Training = Training()
    entries: tuple[str, ...] | None = None
    segmentor: str = "unet"
    params: dict[str, dict[str, Any]] = {}
    protocols: Annotated[
        tuple[Literal["paper", "strict"], ...], Field(min_length=1), AfterValidator(_each_once)
    ] = ("paper", "strict")
    conventions: bool = True


class Speed(_Section):
    """All that only affects how soon the numbers are there.

    Attributes
    ----------
    device : `auto` takes a GPU where there is one.
    precision : of the training step on a GPU; the CPU always computes in float32.
    threads : CPU threads of one training, also what Snakemake counts it as.
    workers : loader processes of one training; 0 loads in the training process.
    resident : `always` holds all training slices in the device's memory, and needs no workers;
        `auto` does on a GPU where they take less than a quarter of what is free in a slot.
    channels_last : train with the channels of a pixel side by side in memory, where no network of
        an entry has an instance norm, which would undo it: the UNets behind the syntheses.
    compile : `kernels` generates kernels for the networks while training, by torch.compile, which
        takes minutes at the start; `graphs` also replays them as CUDA graphs on a GPU.
    inference_batch : slices at a time in prediction.
    deterministic : on a GPU, take kernels that give the same numbers each time, be they slower;
        where there is none, torch names the operation in the log. A CPU needs no such thing.
    slots_per_gpu : trainings and predictions that share a GPU of this machine at a time; on a
        cluster each has a GPU of its own.
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


class Benchmark(_Section):
    """A benchmark file, with the name that its results go by."""

    name: str
    title: Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
    cohort: Cohort
    results: Results = Results()
    speed: Speed = Speed()
    _sources: "_Sources" = PrivateAttr()

    @model_validator(mode="after")
    def _data_fits_source(self) -> "Benchmark":
        if self.cohort.source == "brats" and self.cohort.path is None:
            raise ValueError(
                "`cohort.path` is missing: give the BraTS folder, as in "
                f"`snakemake --config benchmark={self.name} data=/path/to/BraTS`"
            )
        if self.cohort.source == "phantom" and self.cohort.path is not None:
            raise ValueError(
                "the phantom reads no data; for your own BraTS folders say `benchmark=brats2020`"
            )
        return self

    def where(self, *keys: str) -> str:
        """`file, line N, key` of a setting, for messages."""
        return self._sources.where(keys)


def load(benchmark: str, data: str | None = None, scale: str | None = None) -> Benchmark:
    """Read and check a benchmark file.

    Parameters
    ----------
    benchmark : a name below `benchmarks/`, or a path that ends in `.yaml`.
    data : the BraTS folder, in place of the file's `cohort.path`.
    scale : a name below `benchmarks/scales/` (or a path) whose settings replace the file's, for
        smaller machines. Results then go by the name `<benchmark>-<scale>`.

    Raises
    ------
    InputError : no such file, not YAML, an unknown key or a value out of range; with file, line,
        key, what was found and what to write instead.
    """
    sources = _Sources([_find(benchmark, FOLDER)])
    if scale:
        sources.add(_find(scale, FOLDER / "scales"))
    content = sources.merged()
    if "name" in content:
        where = sources.where(("name",))
        raise InputError(f"{where}: there is no such key. A benchmark goes by its file's name.")
    content["name"] = "-".join(path.stem for path in sources.paths)
    if data and isinstance(content.setdefault("cohort", {}), dict):
        content["cohort"]["path"] = data
    try:
        loaded = Benchmark.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(_explain(e, sources) for e in error.errors())) from None
    loaded._sources = sources
    return loaded


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


class _Sources:
    """The YAML files that a benchmark is made of, the last one winning, with their line numbers."""

    def __init__(self, paths: list[Path]):
        self.paths: list[Path] = []
        self.trees: list[yaml.Node] = []
        self.contents: list[dict] = []
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> None:
        try:
            tree, content = plain_yaml.read(path)
        except plain_yaml.NotPlain as error:
            raise InputError(f"{path} is not YAML as we take it: {error}.") from None
        if not isinstance(content, dict):
            raise InputError(f"{path}: expected keys such as `results:`, found {content!r:.200}.")
        self.paths.append(path)
        self.trees.append(tree)
        self.contents.append(content)

    def merged(self) -> dict:
        result: dict = {}
        for content in self.contents:
            result = _merge(result, content)
        return result

    def where(self, keys: tuple[str | int, ...]) -> str:
        """The place of a key: in the last file that has it, else of its nearest parent."""
        for depth in range(len(keys), 0, -1):
            for path, tree in reversed(list(zip(self.paths, self.trees, strict=True))):
                if (line := _line(tree, keys[:depth])) is not None:
                    return f"{path}, line {line}, `{'.'.join(map(str, keys))}`"
        return f"{self.paths[0]}, `{'.'.join(map(str, keys))}`" if keys else str(self.paths[0])


def _merge(base: dict, over: dict) -> dict:
    both = {k: _merge(base[k], v) for k, v in over.items() if _nested(base.get(k), v)}
    return base | over | both


def _nested(*values: Any) -> bool:
    return all(isinstance(v, dict) for v in values)


def _line(node: yaml.Node, keys: tuple[str | int, ...]) -> int | None:
    line = None
    for key in keys:
        child = next((c for k, c in _children(node) if str(k[0]) == str(key)), None)
        if child is None:
            return None
        line = next(k[1] for k, _ in _children(node) if str(k[0]) == str(key))
        node = child
    return line


def _children(node: yaml.Node) -> Iterator[tuple[tuple[str | int, int], yaml.Node]]:
    """((key, line), value) of a mapping or a sequence."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (key.value, key.start_mark.line + 1), value
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (index, value.start_mark.line + 1), value


def _explain(fault: dict, sources: _Sources) -> str:
    """One line for one fault: place, what was found, what to write instead."""
    keys = fault["loc"]
    if fault["type"] == "extra_forbidden":
        return f"{sources.where(keys)}: there is no such key. {_suggest(keys)}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "missing":
        return f"{sources.where(keys)}: this key is missing; add it."
    if not keys:
        return f"{sources.where(keys)}: {message}."
    found = repr(fault["input"])
    found = found if len(found) <= 200 else f"{found[:200]}..."
    return f"{sources.where(keys)}: found {found}. {message}."


def _suggest(keys: tuple[str | int, ...]) -> str:
    model: Any = Benchmark
    for key in keys[:-1]:
        model = model.model_fields[key].annotation
    known = [name for name in model.model_fields if name != "name"]
    close = difflib.get_close_matches(str(keys[-1]), known, n=1, cutoff=0.5)
    hint = f"Did you mean `{close[0]}`? " if close else ""
    return f"{hint}Known keys here: {', '.join(known)}."
