"""Protocols: the conventions under which a patient is scored, as data. `score` is the code."""

import math
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from benchmarks.errors import InputError
from benchmarks.plain_yaml import Document, KeyedError, Settings, each_once, file_name
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.regions import TASK_REGIONS

PROTOCOLS = Path(__file__).resolve().parent.parent / "protocols"
EMPTY_WORDS = ("undefined", "diagonal", "measured")  # for an empty region, beside numbers
# Metrics of a slice that depend on the slices next to it.
ACROSS_SLICES = (
    "ssim_3d", "ssim_masked", "assd", "hd95", "nsd", "lesion_dice", "lesion_hd95",
)  # fmt: skip
EXTREMES = "extremes"  # of the compared volumes: a data range, beside numbers


def _metric(task: str, name: str) -> str:
    known = [metric.name for metric in read_metrics().values() if metric.task == task]
    if name not in known:
        raise ValueError(f"the metrics of {task} are: {', '.join(known)}")
    return name


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _empty_score(value: object) -> object:
    if not _is_number(value) and value not in EMPTY_WORDS:
        raise ValueError(f"write a number or one of: {', '.join(EMPTY_WORDS)}")
    return value


def _data_range(value: object) -> object:
    if value != EXTREMES and not (_is_number(value) and 0 < value < math.inf):
        raise ValueError(f"write a number above 0, or {EXTREMES}")
    return value


ProtocolName = Annotated[str, file_name(PROTOCOLS)]
SynthesisMetric = Annotated[str, AfterValidator(partial(_metric, "synthesis"))]
SegmentationMetric = Annotated[str, AfterValidator(partial(_metric, "segmentation"))]
EmptyScore = Annotated[float | Literal[EMPTY_WORDS], BeforeValidator(_empty_score)]
DataRange = Annotated[float | Literal[EXTREMES], BeforeValidator(_data_range)]
_SOME = (Field(min_length=1), AfterValidator(each_once))


class EmptyRule(Settings):
    """What a metric scores where one or both of reference and prediction lack the region.

    Either is a number within the metric's bounds; `undefined`, which is not counted; `diagonal`,
    the volume's, for a metric in mm; or `measured`, if the metric has a value there.
    """

    one_empty: EmptyScore
    both_empty: EmptyScore


class Window(Settings):
    """The neighbourhood of SSIM's local means and variances, in pixels.

    The metric sets its dimensions: a square in an axial slice, or a cube in the volume.

    Attributes
    ----------
    size : side length, odd.
    sigma : of the Gaussian; a uniform window has none.
    sample_covariance : divide variances by n - 1 (n pixels in the window) rather than n.
    border : whether pixels whose window leaves the image count in means.
    padding : how images continue beyond their border, in NumPy's words: mirrored with their
        outermost pixels (`symmetric`, as scikit-image) or without (`reflect`, as torchmetrics).
    """

    shape: Literal["uniform", "gaussian"]
    size: int = Field(ge=3)
    sigma: float | None = Field(default=None, gt=0)
    sample_covariance: bool
    border: Literal["drop", "keep"]
    padding: Literal["symmetric", "reflect"] = "symmetric"

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.size % 2 == 0:
            raise KeyedError(["size"], f"found {self.size}; write an odd one, which has a centre")
        if (self.sigma is None) != (self.shape == "uniform"):
            text = f"found {self.sigma}; a gaussian window has one, a uniform none"
            raise KeyedError(["sigma"], text)
        return self

    @property
    def radius(self) -> int:
        return self.size // 2


class SynthesisRules(Settings):
    """Which intensities the metrics of a synthesis take, and where and how they are averaged.

    Attributes
    ----------
    normalisation : `reference` takes both volumes under the reference's, as the caller gives them;
        `slice_min_max` maps each slice of each volume from its own extremes to [0, 1];
        `own_percentile` clips each volume at its own 0.5 and 99.5 percentiles, with its air;
        `brain_mean_sd` gives the prediction the reference's mean and deviation over the brain.
    background : `predicted` counts what a prediction holds outside the brain; `cleared` does not.
    average : of each slice and then of these, or of all voxels of the `volume` at once.
    ssim_data_range : what SSIM takes for the span of intensities, which is 1; `extremes` is the
        larger of the spans that the two compared volumes have.
    """

    normalisation: Literal["reference", "slice_min_max", "brain_mean_sd", "own_percentile"]
    background: Literal["predicted", "cleared"]
    metrics: Annotated[tuple[SynthesisMetric, ...], *_SOME]
    regions: Annotated[tuple[Literal[TASK_REGIONS["synthesis"]], ...], *_SOME]
    average: Literal["slice", "volume"]
    ssim_data_range: DataRange
    ssim_window: Window


class SegmentationRules(Settings):
    """Which metrics are taken of which regions, after what, and what empty regions score.

    Attributes
    ----------
    postprocessing : of the prediction: its largest component (`lcc`) or all of it (`none`).
    average : `slice` measures each slice on its own, in two dimensions, and averages those that
        have a value; an empty region is then one that is empty in a slice.
    assd_mean : of the distances of both surfaces together, or of the two directions' means. A
        protocol without ASSD needs none.
    distances : in `voxels`, spacing is taken for 1 along each axis, the diagonal's too.
    """

    regions: Annotated[tuple[Literal[TASK_REGIONS["segmentation"]], ...], *_SOME]
    postprocessing: Annotated[tuple[Literal["lcc", "none"], ...], *_SOME]
    average: Literal["slice", "volume"]
    assd_mean: Literal["pooled", "of_directions"] = "pooled"
    distances: Literal["mm", "voxels"]
    metrics: dict[SegmentationMetric, EmptyRule] = Field(min_length=1)

    @model_validator(mode="after")
    def _empties_score_what_the_metric_can(self) -> Self:
        for name, rule in self.metrics.items():
            keys = ["metrics", name]
            for case, value in rule:
                if fault := _empty_fault(name, value):
                    raise KeyedError([*keys, case], f"found {value!r}, but {fault}")
            if self.average == "slice" and read_metrics()[name].measures_empty:
                text = f"{name} compares whole volumes; write `average: volume` or remove it"
                raise KeyedError(keys, text)
            if self.average == "slice" and rule.both_empty != "undefined":
                text = f"found {rule.both_empty!r}, but most slices are empty on both sides"
                raise KeyedError([*keys, "both_empty"], f"{text}; write undefined")
        return self


def _empty_fault(name: str, value: float | str) -> str | None:
    metric = read_metrics()[name]
    low, high = metric.bounds
    if value == "diagonal" and metric.unit != "mm":
        return f"{name} is not in mm; write a number or undefined"
    if value == "measured" and not metric.measures_empty:
        return f"{name} has no value there; write a number or undefined"
    if isinstance(value, float) and not (low <= value <= high):
        return f"{name} is in [{low:g}, {high:g}]; write a number in it"
    return None


class Protocol(Settings):
    """A file of benchmarks/protocols, or `strict` with one thing changed (see conventions).

    Attributes
    ----------
    frame : compared in-plane: the networks' central crop, or the whole slice. The caller cuts.
    slices : of a test patient those with tumour, all, or those that a split by slice would test,
        whether slices or patients are split. `held_out` takes no metric across slices.
    synthesis, segmentation : a task without rules is not scored.
    note : what readers of tables must know of it, in sentences.
    """

    name: str
    frame: Literal["crop", "volume"]
    slices: Literal["tumour", "all", "held_out"]
    synthesis: SynthesisRules | None
    segmentation: SegmentationRules | None
    note: str = ""

    @model_validator(mode="after")
    def _held_out_slices_are_alone(self) -> Self:
        for task in ("synthesis", "segmentation") if self.slices == "held_out" else ():
            rules = getattr(self, task)
            for name in (name for name in rules.metrics if name in ACROSS_SLICES) if rules else ():
                text = f"{name} reaches across slices, which `slices: held_out` parts; remove it"
                raise KeyedError([task, "metrics"], text)
        return self


@cache
def load_protocol(name: str, folder: Path = PROTOCOLS) -> Protocol:
    """Read and check a protocol by its name.

    Raises
    ------
    InputError : no such file, or a wrong key or value; with file, line, key and what to write.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise InputError(f"There is no protocol {name!r} in {folder}. Write one of: {known}.")
    document = Document(path)
    protocol = document.validated(Protocol)
    if protocol.name != name:
        found = f"found {protocol.name!r}; write {name!r}, as the file is named"
        raise InputError(f"{document.where(['name'])}: {found}.")
    for task in ("synthesis", "segmentation"):
        if getattr(protocol, task) is None:
            raise InputError(f"{document.where([task])}: found null; write how it is scored.")
    return protocol


def metric_modules(protocols: Iterable[Protocol]) -> list[str]:
    """Name the modules that measure these protocols' metrics, which `score` imports by name."""
    rules = (rules for x in protocols for rules in (x.synthesis, x.segmentation) if rules)
    return sorted({read_metrics()[name].module for x in rules for name in x.metrics})
