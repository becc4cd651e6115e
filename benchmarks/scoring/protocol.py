"""A protocol: the conventions under which a patient is scored, as data, and the scoring itself.

Several protocols score a patient together, so that what they share is computed once. A score is a
dict, one row of the long table: protocol, task, region, metric, postprocessing, value and note.
The note says why a value is undefined or not a plain measurement, else is empty.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks import plain_yaml
from benchmarks.errors import InputError
from benchmarks.scoring.overlap import (
    OVERLAP_METRICS,
    assd,
    bounding_box,
    dice,
    largest_component,
    surface_distances,
)
from benchmarks.scoring.regions import (
    BRAIN,
    CLASSES,
    LABELS,
    TASK_REGIONS,
    region_mask,
    tumour_slices,
)
from benchmarks.scoring.similarity import (
    SIMILARITY_METRICS,
    LabelSums,
    Window,
    matched_in_brain,
    psnr,
    rescaled_slices,
    ssim_maps,
    to_unit_range,
)

METRICS = SIMILARITY_METRICS | OVERLAP_METRICS
"""Every metric's title, direction, unit, bounds, digits and source, by its name in the table."""

PROTOCOLS = Path(__file__).resolve().parent.parent / "protocols"

RANGE_TOLERANCE = 1e-4
"""How far a volume may leave [-1, 1]: more than any rounding, less than any mistake."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmptyRule(_Settings):
    """What a metric scores where it cannot be measured: a number, nothing, or the diagonal."""

    one_empty: float | Literal["undefined", "diagonal"]
    both_empty: float | Literal["undefined", "diagonal"]


class SynthesisRules(_Settings):
    """Of which intensities SSIM and PSNR are taken, and where and how they are averaged.

    Attributes
    ----------
    normalisation : `reference` takes both volumes under the reference's, as the caller gives them;
        `slice_min_max` maps each slice of each volume from its own extremes to [0, 1];
        `brain_mean_sd` gives the prediction the reference's mean and deviation over the brain.
    background : what counts of a prediction outside the brain: what is `predicted`, or nothing,
        since it is `cleared`.
    average : of each slice and then of these, or of all voxels of the `volume` at once.
    ssim_data_range : what SSIM takes for the span of intensities, which is 1.
    """

    normalisation: Literal["reference", "slice_min_max", "brain_mean_sd"]
    background: Literal["predicted", "cleared"]
    metrics: tuple[Literal[*SIMILARITY_METRICS], ...] = Field(min_length=1)
    regions: tuple[Literal[*TASK_REGIONS["synthesis"]], ...] = Field(min_length=1)
    average: Literal["slice", "volume"]
    ssim_data_range: float = Field(gt=0)
    ssim_window: Window


class SegmentationRules(_Settings):
    """Which metrics are taken of which regions, after what, and what empty regions score.

    Attributes
    ----------
    average : `slice` measures each slice on its own, in two dimensions, and averages those that
        have a value; an empty region is then one that is empty in a slice.
    assd_mean : of the distances of both surfaces together, or of the two directions' means.
    distances : in `voxels`, spacing is taken for 1 along each axis, the diagonal's too.
    """

    regions: tuple[Literal[*TASK_REGIONS["segmentation"]], ...] = Field(min_length=1)
    postprocessing: tuple[Literal["lcc", "none"], ...] = Field(min_length=1)
    average: Literal["slice", "volume"]
    assd_mean: Literal["pooled", "of_directions"]
    distances: Literal["mm", "voxels"]
    metrics: dict[Literal[*OVERLAP_METRICS], EmptyRule] = Field(min_length=1)

    @model_validator(mode="after")
    def _empties_score_what_the_metric_can(self) -> Self:
        for name, rule in self.metrics.items():
            _check_empty_value(name, rule.one_empty)
            _check_empty_value(name, rule.both_empty)
            if self.average == "slice" and rule.both_empty != "undefined":
                raise ValueError(
                    f"{name} is averaged over slices, most of which are empty on both sides, so "
                    "that both_empty must be undefined"
                )
        return self


def _check_empty_value(name: str, value: float | str) -> None:
    metric = METRICS[name]
    low, high = metric.bounds
    if value == "diagonal" and metric.unit != "mm":
        raise ValueError(f"{name} is not a length, so an empty region cannot score the diagonal")
    if isinstance(value, float) and not (low <= value <= high):
        raise ValueError(f"an empty region scores {value}, but {name} is in [{low}, {high}]")


class Protocol(_Settings):
    """One file of benchmarks/protocols, or one with a thing changed (see conventions).

    A task without rules is not scored.
    """

    name: str
    frame: Literal["crop", "volume"]
    """What is compared in-plane: the networks' central crop, or all of it. The caller cuts."""
    slices: Literal["tumour", "all"]
    synthesis: SynthesisRules | None
    segmentation: SegmentationRules | None


def load_protocol(name: str, folder: Path = PROTOCOLS) -> Protocol:
    """Read and check a protocol by its name.

    Raises InputError if there is no such file, or naming each wrong key and what it holds.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise InputError(f"There is no protocol {name!r} in {folder}. Choose one of: {known}.")
    try:
        protocol = Protocol.model_validate(plain_yaml.read(path)[1])
    except ValidationError as error:
        raise InputError(f"{path} is not a protocol: {describe(error)}.") from error
    except plain_yaml.NotPlain as error:
        raise InputError(f"{path} is not YAML as we take it: {error}.") from error
    if protocol.name != name:
        raise InputError(f"{path} calls itself {protocol.name!r}; its name must be {name!r}.")
    for task in ("synthesis", "segmentation"):
        if getattr(protocol, task) is None:
            raise InputError(f"{path}: {task} is null; a protocol says how both tasks are scored.")
    return protocol


def describe(error: ValidationError) -> str:
    """Each wrong key, what is wrong with it and what it holds."""
    return "; ".join(
        f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']} "
        f"(found {fault['input']!r})"
        for fault in error.errors()
    )


def score_synthesis(
    protocols: Sequence[Protocol],
    reference: np.ndarray,
    prediction: np.ndarray,
    labels: np.ndarray,
) -> list[dict]:
    """Score a synthesised T1ce volume: a row for each protocol, region and metric.

    `reference` and `prediction` are (Z, Y, X) floats in [-1, 1] under the reference's
    normalisation, `labels` the reference's (see regions). A region without a voxel in the scored
    slices is NaN with the note "region empty". Where nothing differs, PSNR is infinite and the
    note says "identical", or in how many slices. Raises InputError for volumes of unlike shape,
    values that are not finite or out of range, and unknown labels.
    """
    _check_like_shapes({"reference": reference, "prediction": prediction, "labels": labels})
    _check_intensities("The reference", reference)
    _check_intensities("The prediction", prediction)
    _check_known("The labels", labels, LABELS)

    scored = {"tumour": tumour_slices(labels), "all": np.ones(len(labels), bool)}
    sums = _similarity_sums(protocols, reference, prediction, labels, scored)
    rows = []
    for protocol in protocols:
        rules = protocol.synthesis
        for region in rules.regions:
            where = {"protocol": protocol.name, "task": "synthesis", "region": region}
            for metric in rules.metrics:
                means = sums[protocol.name, metric].means(
                    region, rules.average, scored[protocol.slices]
                )
                score = _mean_score(psnr(means) if metric == "psnr" else means)
                rows.append(where | {"metric": metric, "postprocessing": ""} | score)
    return rows


def _similarity_sums(
    protocols: Sequence[Protocol],
    reference: np.ndarray,
    prediction: np.ndarray,
    labels: np.ndarray,
    scored: dict[str, np.ndarray],
) -> dict[tuple[str, str], LabelSums]:
    """By protocol and metric the sums of SSIM or of squared errors; slices not scored have none."""
    sums = {}
    reference, prediction = to_unit_range(reference), to_unit_range(prediction)
    for alike in _alike(protocols, _intensities):
        # Of the whole volume's brain, whichever of its slices are scored.
        pair = _normalised(alike[0].synthesis, reference, prediction, labels)
        squares = [p for p in alike if "psnr" in p.synthesis.metrics]
        if squares:
            shared = LabelSums(len(labels))
            for z in _slices(squares, scored):
                shared.add(z, (pair[0][z] - pair[1][z]) ** 2, labels[z])
            sums |= {(p.name, "psnr"): shared for p in squares}
        for users in _alike([p for p in alike if "ssim" in p.synthesis.metrics], _window):
            window = users[0].synthesis.ssim_window
            border = window.radius if window.border == "drop" else 0
            by_range = {p.synthesis.ssim_data_range: LabelSums(len(labels)) for p in users}
            # A slice at a time, so that all that lies between stays in the CPU's cache.
            for z in _slices(users, scored):
                maps = ssim_maps(pair[0][z], pair[1][z], window, list(by_range))
                for values, into in zip(maps, by_range.values(), strict=True):
                    into.add(z, values, labels[z], border)
            sums |= {(p.name, "ssim"): by_range[p.synthesis.ssim_data_range] for p in users}
    return sums


def _slices(protocols: list[Protocol], scored: dict[str, np.ndarray]) -> np.ndarray:
    """The numbers of the slices that any of the protocols scores."""
    return np.flatnonzero(np.logical_or.reduce([scored[p.slices] for p in protocols]))


def _alike(
    protocols: Sequence[Protocol], key: Callable[[Protocol], str]
) -> Iterator[list[Protocol]]:
    for _, group in groupby(sorted(protocols, key=key), key):
        yield list(group)


def _intensities(protocol: Protocol) -> str:
    return f"{protocol.synthesis.normalisation}, {protocol.synthesis.background}"


def _window(protocol: Protocol) -> str:
    return protocol.synthesis.ssim_window.model_dump_json()


def _normalised(
    rules: SynthesisRules, reference: np.ndarray, prediction: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both volumes, in [0, 1], as the rules want them compared."""
    if rules.background == "cleared":
        prediction = np.where(region_mask(labels, "brain"), prediction, 0.0)
    if rules.normalisation == "slice_min_max":
        return rescaled_slices(reference), rescaled_slices(prediction)
    if rules.normalisation == "brain_mean_sd":
        brain = region_mask(labels, "brain")
        return reference, matched_in_brain(prediction, reference, brain)
    return reference, prediction


def _mean_score(values: np.ndarray) -> dict:
    """Average per-slice or per-volume values into a row's value and note."""
    if values.size == 0:
        return {"value": np.nan, "note": "region empty"}
    identical = np.count_nonzero(np.isinf(values))
    note = ""
    if identical:
        note = f"identical in {identical} of {values.size} slices"
    if identical == values.size:
        note = "identical"
    return {"value": float(values.mean()), "note": note}


def score_segmentation(
    protocols: Sequence[Protocol],
    labels: np.ndarray,
    predicted: np.ndarray,
    spacing: Sequence[float],
    diagonal_mm: float,
) -> list[dict]:
    """Score predicted classes: a row for each protocol, post-processing, region and metric.

    `labels` (see regions) and `predicted` (classes 0 to 3) are (Z, Y, X) integers, `spacing` is
    (dz, dy, dx) in mm, `diagonal_mm` what the protocol may charge for a missed region. Slices that
    the protocol does not score are cleared from the prediction before any post-processing. An
    empty region scores what the protocol says, with the note "reference empty", "prediction
    empty" or "both empty"; slices of which none has a value score NaN, "no slice holds both".
    Raises InputError for volumes of unlike shape, unknown labels or classes, and sizes in mm that
    are not positive.
    """
    _check_like_shapes({"labels": labels, "prediction": predicted})
    _check_known("The labels", labels, LABELS)
    _check_known("The predicted classes", predicted, CLASSES)
    _check_lengths("The spacing", spacing, 3)
    _check_lengths("The diagonal", [diagonal_mm], 1)
    sizes = {
        "mm": (tuple(spacing), diagonal_mm),
        "voxels": ((1.0, 1.0, 1.0), float(np.linalg.norm(labels.shape))),
    }

    # No metric sees what is neither tumour nor predicted as such: most of a volume.
    box = bounding_box((labels > BRAIN) | (predicted > BRAIN))
    labels, predicted = labels[box], predicted[box]

    @cache
    def classes(slices: str, postprocessing: str) -> np.ndarray:
        if postprocessing == "lcc":
            return largest_component(classes(slices, "none"))
        if slices == "tumour":
            kept = tumour_slices(labels)[:, None, None]
            return np.where(kept, predicted, predicted.dtype.type(BRAIN))
        return predicted

    found: dict[str, list[_Masks]] = defaultdict(list)

    @cache
    def masks(slices: str, postprocessing: str, region: str) -> _Masks:
        made = region_mask(classes(slices, postprocessing), region)
        for known in found[region]:
            # What is cleared is often of another class, or nothing at all.
            if np.array_equal(known.prediction, made):
                return known
        found[region].append(_Masks(region_mask(labels, region), made))
        return found[region][-1]

    rows = []
    for protocol in protocols:
        rules = protocol.segmentation
        for postprocessing in rules.postprocessing:
            for region in rules.regions:
                both = masks(protocol.slices, postprocessing, region)
                where = {"protocol": protocol.name, "task": "segmentation", "region": region}
                for metric in rules.metrics:
                    score = _overlap_score(rules, metric, both, *sizes[rules.distances])
                    what = {"metric": metric, "postprocessing": postprocessing}
                    rows.append(where | what | score)
    return rows


class _Masks:
    """A region of the reference and of the prediction; what is asked twice is measured once.

    Both are bool, of a volume or a slice. `emptiness` is the note of a row; only where it says
    nothing have they a Dice and surface distances.
    """

    def __init__(self, reference: np.ndarray, prediction: np.ndarray):
        self.reference, self.prediction = reference, prediction
        self.emptiness = _emptiness(reference, prediction)
        self.distances = cache(partial(surface_distances, reference, prediction))

    @cached_property
    def dice(self) -> float:
        return dice(self.reference, self.prediction)

    @cached_property
    def slices(self) -> "list[_Masks]":
        return [_Masks(*pair) for pair in zip(self.reference, self.prediction, strict=True)]


def _overlap_score(
    rules: SegmentationRules,
    metric: str,
    masks: _Masks,
    spacing: tuple[float, ...],
    diagonal_mm: float,
) -> dict:
    """Measure two masks, or say what the rules say, as a row's value and note."""
    note = masks.emptiness
    if rules.average == "volume" or note == "both empty":
        return {"value": _overlap(rules, metric, masks, spacing, diagonal_mm), "note": note}
    values = [_overlap(rules, metric, one, spacing[1:], diagonal_mm) for one in masks.slices]
    value = _mean_of_defined(values)
    return {"value": value, "note": note or ("no slice holds both" if np.isnan(value) else "")}


def _overlap(
    rules: SegmentationRules,
    metric: str,
    masks: _Masks,
    spacing: tuple[float, ...],
    diagonal_mm: float,
) -> float:
    """A metric of two masks, of volumes or of slices."""
    if masks.emptiness:
        return _empty_value(rules.metrics[metric], masks.emptiness, diagonal_mm)
    if metric == "assd":
        return assd(masks.distances(spacing), rules.assd_mean)
    return masks.dice


def _mean_of_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else np.nan


def _emptiness(reference: np.ndarray, prediction: np.ndarray) -> str:
    return {
        (True, True): "",
        (True, False): "prediction empty",
        (False, True): "reference empty",
        (False, False): "both empty",
    }[bool(reference.any()), bool(prediction.any())]


def _empty_value(rule: EmptyRule, note: str, diagonal_mm: float) -> float:
    value = rule.both_empty if note == "both empty" else rule.one_empty
    return float({"undefined": np.nan, "diagonal": diagonal_mm}.get(value, value))


def _check_like_shapes(volumes: dict[str, np.ndarray]) -> None:
    shapes = {name: volume.shape for name, volume in volumes.items()}
    found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if len(set(shapes.values())) > 1:
        raise InputError(f"Volumes to compare differ in shape: {found}.")
    if any(len(shape) != 3 or 0 in shape for shape in shapes.values()):
        raise InputError(f"Volumes must be (Z, Y, X) and not empty; found {found}.")


def _check_intensities(what: str, volume: np.ndarray) -> None:
    bad = np.count_nonzero(~np.isfinite(volume))
    if bad:
        raise InputError(f"{what} holds {bad} values that are not finite, of {volume.size}.")
    low, high = float(volume.min()), float(volume.max())
    if low < -1 - RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise InputError(f"{what} holds values from {low:.4g} to {high:.4g}; allowed is [-1, 1].")


def _check_known(what: str, volume: np.ndarray, known: Sequence[int]) -> None:
    if not np.issubdtype(volume.dtype, np.integer):
        raise InputError(f"{what} are {volume.dtype}; they must be integers.")
    # What is known leaves no gap; sorting a volume takes far longer than its extremes.
    if volume.min() < known[0] or volume.max() > known[-1]:
        unknown = sorted(set(np.unique(volume).tolist()) - set(known))
        raise InputError(f"{what} hold {unknown[:5]}; known are {list(known)}.")


def _check_lengths(what: str, lengths_mm: Sequence[float], count: int) -> None:
    lengths = np.asarray(lengths_mm, dtype=float)
    if lengths.shape != (count,) or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise InputError(
            f"{what} is {lengths.tolist()}; expected {count} positive length(s) in mm."
        )
