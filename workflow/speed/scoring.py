"""Measure scoring a patient against plain medpy and scikit-image on full volumes."""

import statistics
from collections.abc import Sequence
from functools import partial

import numpy as np
from medpy.metric.binary import assd, dc
from scipy.ndimage import binary_erosion, generate_binary_structure, label
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.cohorts.store import StoredPatient, center_crop_or_pad
from benchmarks.scoring.conventions import read_conventions
from benchmarks.scoring.protocol import Protocol, load_protocol
from benchmarks.scoring.regions import BRAIN, OEDEMA, region_mask, tumour_slices
from benchmarks.scoring.score import score_segmentation, score_synthesis
from workflow.speed.measuring import median, take_turns
from workflow.speed.settings import Settings

# The metrics that the speedup is of: those that medpy and scikit-image have, and BraTS's own Dice.
COMPARED = ("ssim", "psnr", "dice", "dice_brats", "assd")

# By protocol, region, metric and post-processing.
Scores = dict[tuple[str, str, str, str], float]


def measure(settings: Settings) -> list[dict]:
    """Score a made-up synthesis and segmentation of a patient, both ways in turn on one thread.

    Both score by the metrics `COMPARED` of `paper` and `strict`. Rows of ours follow: these
    protocols with all conventions, and all metrics of `strict`.
    """
    patient = settings.stored_patients()[0]
    volumes = made_up_predictions(patient)
    whole = [load_protocol(name) for name in ("paper", "strict")]
    protocols = [_restricted(protocol) for protocol in whole]
    conventions = [_restricted(c.protocol()) for c in read_conventions() if c.change is not None]
    ours, theirs = partial(score, patient, volumes), {}
    ways = {
        "medpy and scikit-image": lambda: theirs.update(score_plainly(volumes, patient.spacing)),
        "paper and strict": partial(ours, protocols),
        f"and {len(conventions)} conventions": partial(ours, protocols + conventions),
        "all metrics of strict": partial(ours, whole[1:]),
    }
    scores = ours(whole)  # imports all metrics
    took = take_turns(settings.repeats, *ways.values(), warm_up=False)
    both = zip(ways, took, strict=True)
    rows = [{"name": name, "core_seconds": median(each).core} for name, each in both]
    pairs = zip(took[0], took[1], strict=True)
    rows[1]["core_speedup"] = statistics.median(a.core / b.core for a, b in pairs)
    rows[1]["largest_difference"] = max(abs(scores[key] - value) for key, value in theirs.items())
    return rows


def _restricted(protocol: Protocol) -> Protocol:
    """Return a protocol without the metrics that are not compared."""
    content = protocol.model_dump()
    for rules in filter(None, (content["synthesis"], content["segmentation"])):
        named = rules["metrics"]
        kept = tuple(name for name in named if name in COMPARED)
        rules["metrics"] = {name: named[name] for name in kept} if isinstance(named, dict) else kept
    return Protocol(**content)


def made_up_predictions(patient: StoredPatient) -> tuple[np.ndarray, ...]:
    """Return reference, synthesis, labels and predicted classes of a patient, (Z, Y, X) each.

    The synthesis has noise wherever a network predicts, in the air too, which costs more than air
    of one value. The classes are the labels two voxels off, eroded, with a false island.
    """
    scan, crop = patient.volume(), patient.volume(patient.grid.crop)
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, crop.t1ce.shape)
    synthesis = np.clip(crop.t1ce + noise, -1, 1).astype(np.float32)
    synthesis = center_crop_or_pad(synthesis, patient.shape[1:], fill=-1)
    shifted = np.roll(scan.labels, (1, 2, -2), axis=(0, 1, 2))
    tumour = binary_erosion(shifted > BRAIN, iterations=2)
    predicted = np.where(tumour, shifted, BRAIN).astype(np.uint8)
    first = patient.tumour_slices[0]
    predicted[first : first + 5, :5, :5] = OEDEMA
    return scan.t1ce, synthesis, scan.labels, predicted


def score_plainly(volumes: Sequence[np.ndarray], spacing: Sequence[float]) -> Scores:
    """Score both protocols with medpy and scikit-image, every step on the full volume."""
    reference, synthesis, labels, predicted = volumes
    scores = {}
    x, y = ((volume.astype(np.float64) + 1) / 2 for volume in (reference, synthesis))
    tumour = np.flatnonzero(tumour_slices(labels))
    ssim = [structural_similarity(x[z], y[z], data_range=1) for z in tumour]
    psnr = [peak_signal_noise_ratio(x[z], y[z], data_range=1) for z in tumour]
    scores["paper", "whole", "ssim", ""] = np.mean(ssim)
    scores["paper", "whole", "psnr", ""] = np.mean(psnr)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    options = gaussian | {"data_range": 1, "full": True}
    maps = np.stack([structural_similarity(*p, **options)[1] for p in zip(x, y, strict=True)])
    for region in ("whole", "brain", "wt", "et"):
        mask = region_mask(labels, region)
        psnr = peak_signal_noise_ratio(x[mask], y[mask], data_range=1)
        scores["strict", region, "psnr", ""] = psnr
        scores["strict", region, "ssim", ""] = maps[mask].mean()
    seen = np.where(tumour_slices(labels)[:, None, None], predicted, BRAIN)
    for protocol, postprocessing, classes in (
        ("paper", "lcc", _largest(seen)),
        ("strict", "lcc", _largest(predicted)),
        ("strict", "none", predicted),
    ):
        for region in ("wt", "tc", "et"):
            ours, theirs = region_mask(classes, region), region_mask(labels, region)
            if not (ours.any() and theirs.any()):
                continue  # what that scores is no measurement
            distance = assd(ours, theirs, voxelspacing=spacing)
            scores[protocol, region, "dice", postprocessing] = dc(ours, theirs)
            scores[protocol, region, "assd", postprocessing] = distance
    return scores


def _largest(classes: np.ndarray) -> np.ndarray:
    components, _ = label(classes > BRAIN, structure=generate_binary_structure(3, 3))
    return np.where(components == 1 + np.bincount(components.ravel())[1:].argmax(), classes, BRAIN)


def score(
    patient: StoredPatient, volumes: tuple[np.ndarray, ...], protocols: list[Protocol]
) -> Scores:
    """Score `made_up_predictions` of a patient as the benchmark does."""
    reference, synthesis, labels, predicted = volumes
    similar = [protocol for protocol in protocols if protocol.synthesis]
    overlapping = [protocol for protocol in protocols if protocol.segmentation]
    sizes = patient.spacing, patient.diagonal_mm
    rows = score_synthesis(similar, reference, synthesis, labels)
    rows += score_segmentation(overlapping, labels, predicted, *sizes)
    keys = ("protocol", "region", "metric", "postprocessing")
    return {tuple(row[key] for key in keys): row["value"] for row in rows}
