"""Score a patient under several protocols at once, which share computations.

A score is a dict, one row of the long table: protocol, task, region, metric, postprocessing, value
and note, which is empty for a plain measurement.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import groupby

import numpy as np

from benchmarks.errors import InputError
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.overlap import Masks, bounding_box, largest_component
from benchmarks.scoring.protocol import EXTREMES, Protocol, SegmentationRules, Window
from benchmarks.scoring.regions import BRAIN, CLASSES, LABELS, region_mask, tumour_slices
from benchmarks.scoring.similarity import Pair, Voxels, normalised, to_unit_range

# How far a volume may leave [-1, 1]: more than any rounding, less than any mistake.
RANGE_TOLERANCE = 1e-4


def score_synthesis(
    protocols: Sequence[Protocol],
    reference: np.ndarray,
    prediction: np.ndarray,
    labels: np.ndarray,
    held_out: np.ndarray | None = None,
) -> list[dict]:
    """Score a synthesised T1ce volume: one row per protocol, region and metric.

    Notes: "region empty" (NaN) without a voxel in the scored slices; "identical", or in how many
    slices, where nothing differs and PSNR is infinite; "undefined" for any other NaN.

    Parameters
    ----------
    protocols : each with rules for synthesis.
    reference, prediction : (Z, Y, X) floats in [-1, 1] under the reference's normalisation.
    labels : (Z, Y, X) integers, the reference's (see regions).
    held_out : (Z,) bool, the slices that a protocol of `slices: held_out` scores.

    Raises
    ------
    InputError : unlike shapes, values that are not finite or out of range, unknown labels; no
        `held_out` for a protocol that needs it.
    """
    _check_like_shapes({"reference": reference, "prediction": prediction, "labels": labels})
    _check_intensities("The reference", reference)
    _check_intensities("The prediction", prediction)
    _check_known("The labels", labels, LABELS)
    _check_held_out(protocols, held_out, len(labels))

    scored = {"tumour": np.flatnonzero(tumour_slices(labels)), "all": np.arange(len(labels))}
    if held_out is not None:
        scored["held_out"] = np.flatnonzero(held_out)
    reference, prediction = to_unit_range(reference), to_unit_range(prediction)
    rows: dict[str, list[dict]] = {}
    # One pair of volumes at a time, since each takes much memory.
    for _, group in groupby(sorted(protocols, key=_intensities), _intensities):
        alike = list(group)
        ranges: dict[Window, set[float]] = defaultdict(set)
        for rules in (protocol.synthesis for protocol in alike):
            if rules.ssim_data_range != EXTREMES:
                ranges[rules.ssim_window].add(rules.ssim_data_range)
        # The brain is the whole volume's, whichever slices are scored.
        volumes = normalised(alike[0].synthesis, reference, prediction, labels)
        pair = Pair(*volumes, labels, ranges)
        for protocol in alike:
            rows[protocol.name] = _synthesis_rows(protocol, pair, scored[protocol.slices])
    return [row for protocol in protocols for row in rows[protocol.name]]


def _intensities(protocol: Protocol) -> tuple[str, str]:
    return protocol.synthesis.normalisation, protocol.synthesis.background


def _synthesis_rows(protocol: Protocol, pair: Pair, slices: np.ndarray) -> list[dict]:
    rules, rows = protocol.synthesis, []
    for region in rules.regions:
        parts = [slices] if rules.average == "volume" else slices[:, None]
        present = [x for x in (Voxels(pair, region, part) for part in parts) if x.count]
        row = {"protocol": protocol.name, "task": "synthesis", "region": region}
        for name in rules.metrics:
            measure = read_metrics()[name].measure
            score = _mean_score([measure(voxels, rules) for voxels in present])
            rows.append(row | {"metric": name, "postprocessing": ""} | score)
    return rows


def _mean_score(values: list[float]) -> dict:
    """The mean of the values of a volume or its slices, as a row's value and note."""
    if not values:
        return {"value": np.nan, "note": "region empty"}
    value, identical = _mean_of_defined(values), np.count_nonzero(np.isinf(values))
    note = "undefined" if np.isnan(value) else ""
    if identical:
        note = f"identical in {identical} of {len(values)} slices"
    if identical == len(values):
        note = "identical"
    return {"value": value, "note": note}


def score_segmentation(
    protocols: Sequence[Protocol],
    labels: np.ndarray,
    predicted: np.ndarray,
    spacing: Sequence[float],
    diagonal_mm: float,
    held_out: np.ndarray | None = None,
) -> list[dict]:
    """Score predicted classes: one row per protocol, post-processing, region and metric.

    With `slices: tumour`, the other slices are cleared from the prediction before any
    post-processing. With `slices: held_out`, they are cleared from prediction and reference after
    it, since no component would span single slices.

    Notes: "reference empty", "prediction empty" or "both empty", where the value is the protocol's;
    "no slice holds both" for a mean of no slice; "undefined" for any other NaN.

    Parameters
    ----------
    protocols : each with rules for segmentation.
    labels : (Z, Y, X) integers, the reference's (see regions).
    predicted : (Z, Y, X) integers, classes 0 to 3.
    spacing : (dz, dy, dx) in mm.
    diagonal_mm : what the protocol may charge for a missed region.
    held_out : (Z,) bool, the slices that a protocol of `slices: held_out` scores.

    Raises
    ------
    InputError : unlike shapes, unknown labels or classes, sizes in mm that are not positive; no
        `held_out` for a protocol that needs it.
    """
    _check_like_shapes({"labels": labels, "prediction": predicted})
    _check_known("The labels", labels, LABELS)
    _check_known("The predicted classes", predicted, CLASSES)
    _check_lengths("The spacing", spacing, 3)
    _check_lengths("The diagonal", [diagonal_mm], 1)
    _check_held_out(protocols, held_out, len(labels))
    sizes = {
        "mm": (tuple(map(float, spacing)), diagonal_mm),
        "voxels": ((1.0, 1.0, 1.0), float(np.linalg.norm(labels.shape))),
    }

    # Metrics see tumour and predicted tumour alone, a small part of the volume.
    box = bounding_box((labels > BRAIN) | (predicted > BRAIN))
    labels, predicted = labels[box], predicted[box]
    references = defaultdict(lambda: labels)
    if held_out is not None:
        references["held_out"] = _cleared(labels, held_out[box[0]])

    @cache
    def classes(slices: str, postprocessing: str) -> np.ndarray:
        if slices == "held_out":
            return _cleared(classes("all", postprocessing), held_out[box[0]])
        if postprocessing == "lcc":
            return largest_component(classes(slices, "none"))
        if slices == "tumour":
            return _cleared(predicted, tumour_slices(labels))
        return predicted

    by_region: dict[tuple, list[Masks]] = defaultdict(list)

    @cache
    def masks(slices: str, postprocessing: str, region: str, spacing: tuple[float, ...]) -> Masks:
        prediction = region_mask(classes(slices, postprocessing), region)
        alike = by_region[region, spacing, slices == "held_out"]
        for known in alike:
            # What is cleared is often of another class, or nothing at all.
            if np.array_equal(known.prediction, prediction):
                return known
        alike.append(Masks(region_mask(references[slices], region), prediction, spacing))
        return alike[-1]

    rows = []
    for protocol in protocols:
        rules = protocol.segmentation
        lengths, diagonal = sizes[rules.distances]
        for postprocessing in rules.postprocessing:
            for region in rules.regions:
                both = masks(protocol.slices, postprocessing, region, lengths)
                row = {"protocol": protocol.name, "task": "segmentation", "region": region}
                for name in rules.metrics:
                    score = _mask_score(rules, name, both, diagonal)
                    rows.append(row | {"metric": name, "postprocessing": postprocessing} | score)
    return rows


def _cleared(classes: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return classes or labels (Z, Y, X) without tumour in all but the kept slices, bool (Z,)."""
    return np.where(kept[:, None, None], classes, classes.dtype.type(BRAIN))


def _mask_score(rules: SegmentationRules, metric: str, masks: Masks, diagonal: float) -> dict:
    """Measure two masks, or take what the rules say, as a row's value and note."""
    parts, absent = [masks], "undefined"
    if rules.average == "slice" and masks.emptiness != "both empty":
        parts, absent = masks.slices, "no slice holds both"
    value = _mean_of_defined([_mask_value(rules, metric, part, diagonal) for part in parts])
    return {"value": value, "note": masks.emptiness or (absent if np.isnan(value) else "")}


def _mask_value(rules: SegmentationRules, metric: str, masks: Masks, diagonal: float) -> float:
    rule = rules.metrics[metric]
    score = rule.both_empty if masks.emptiness == "both empty" else rule.one_empty
    if masks.emptiness and score != "measured":
        return float({"undefined": np.nan, "diagonal": diagonal}.get(score, score))
    return read_metrics()[metric].measure(masks, rules)


def _mean_of_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else np.nan


def _check_like_shapes(volumes: dict[str, np.ndarray]) -> None:
    shapes = {name: volume.shape for name, volume in volumes.items()}
    found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if len(set(shapes.values())) > 1:
        raise InputError(f"Volumes to compare differ in shape: {found}.")
    if any(len(shape) != 3 or 0 in shape for shape in shapes.values()):
        raise InputError(f"Volumes must be (Z, Y, X) and not empty; found {found}.")


def _check_intensities(name: str, volume: np.ndarray) -> None:
    bad = np.count_nonzero(~np.isfinite(volume))
    if bad:
        raise InputError(f"{name} holds {bad} values that are not finite, of {volume.size}.")
    low, high = float(volume.min()), float(volume.max())
    if low < -1 - RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise InputError(f"{name} holds values from {low:.4g} to {high:.4g}; allowed is [-1, 1].")


def _check_known(name: str, volume: np.ndarray, known: Sequence[int]) -> None:
    if not np.issubdtype(volume.dtype, np.integer):
        raise InputError(f"{name} are {volume.dtype}; they must be integers.")
    # `known` has no gaps; sorting a volume takes far longer than its extremes.
    if volume.min() < known[0] or volume.max() > known[-1]:
        unknown = sorted(set(np.unique(volume).tolist()) - set(known))
        raise InputError(f"{name} hold {unknown[:5]}; known are {list(known)}.")


def _check_held_out(
    protocols: Sequence[Protocol], held_out: np.ndarray | None, slices: int
) -> None:
    needs = [protocol.name for protocol in protocols if protocol.slices == "held_out"]
    if held_out is None and needs:
        raise InputError(f"The protocol {needs[0]} scores held-out slices: give `held_out`.")
    if held_out is not None and (held_out.shape != (slices,) or held_out.dtype != bool):
        found = f"{held_out.dtype} {held_out.shape}"
        raise InputError(f"`held_out` is {found}; it must be bool ({slices},), one per slice.")


def _check_lengths(name: str, lengths_mm: Sequence[float], count: int) -> None:
    lengths = np.asarray(lengths_mm, dtype=float)
    if lengths.shape != (count,) or not (np.isfinite(lengths) & (lengths > 0)).all():
        found = lengths.tolist()
        raise InputError(f"{name} is {found}; expected {count} positive length(s) in mm.")
