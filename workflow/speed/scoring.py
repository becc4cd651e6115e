"""Measure scoring a patient against plain medpy and scikit-image on full volumes."""

import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from medpy.metric.binary import assd, dc
from scipy.ndimage import binary_erosion, generate_binary_structure, label
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.cohorts.store import StoredPatient, centre
from benchmarks.scoring.conventions import read_conventions
from benchmarks.scoring.protocol import Protocol, load_protocol, score_segmentation, score_synthesis
from benchmarks.scoring.regions import BRAIN, OEDEMA, region_mask, tumour_slices
from workflow.speed.measuring import wall_and_core_seconds
from workflow.speed.patients import stored_patients
from workflow.speed.settings import Settings

Scores = dict[tuple[str, str, str, str], float]
"""By protocol, region, metric and post-processing."""


def measure(settings: Settings) -> list[dict]:
    """Scoring a made-up synthesis and segmentation of a patient, all of `paper` and `strict`.

    Both sides score the same volumes, slices whole, and take turns on one thread.

    Returns
    -------
    `core_seconds` (the median), and the suite's `core_speedup` over the plain way and the
    `largest_difference` of a value. What the conventions take together with both protocols follows.
    """
    patient = stored_patients(settings)[0]
    volumes = made_up_predictions(patient)
    protocols = [load_protocol(name) for name in ("paper", "strict")]
    conventions = [c.protocol() for c in read_conventions() if c.change is not None]
    sizes = (patient.spacing, patient.diagonal_mm)
    ways = {
        "medpy and scikit-image": partial(score_plainly, *volumes, patient.spacing),
        "paper and strict": partial(score, protocols, *volumes, *sizes),
        f"and {len(conventions)} conventions": partial(
            score, protocols + conventions, *volumes, *sizes
        ),
    }
    found: dict[str, Scores] = {}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(settings.repeats):
        for name, way in ways.items():
            took[name].append(_core_seconds(way, found, name))
    plain, ours, _ = ways
    rows = [{"name": name, "core_seconds": statistics.median(took[name])} for name in ways]
    rows[1]["core_speedup"] = statistics.median(
        a / b for a, b in zip(took[plain], took[ours], strict=True)
    )
    rows[1]["largest_difference"] = max(
        abs(found[ours][key] - value) for key, value in found[plain].items()
    )
    return rows


def _core_seconds(way: Callable[[], Scores], found: dict[str, Scores], name: str) -> float:
    def work() -> None:
        found[name] = way()

    return wall_and_core_seconds(work, torch.device("cpu"))[1]


def made_up_predictions(
    patient: StoredPatient,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Reference, synthesis, labels and predicted classes of a patient, (Z, Y, X) each.

    The synthesis is the reference with noise wherever a network predicts anything, in the air too,
    which costs more than air of one value.
    """
    images, labels = patient.volume()
    seen, _ = patient.volume(patient.grid.crop)
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, seen[3].shape)
    synthesis = np.clip(seen[3] + noise, -1, 1).astype(np.float32)
    return images[3], centre(synthesis, patient.shape[1:], fill=-1), labels, imperfect(labels)


def imperfect(labels: np.ndarray) -> np.ndarray:
    """Return predicted classes: the labels two voxels off, eroded, with a false island."""
    shifted = np.roll(labels, (1, 2, -2), axis=(0, 1, 2))
    tumour = binary_erosion(shifted > BRAIN, iterations=2)
    predicted = np.where(tumour, shifted, BRAIN).astype(np.uint8)
    first = np.flatnonzero(tumour_slices(labels))[0]
    predicted[first : first + 5, :5, :5] = OEDEMA
    return predicted


def score_plainly(
    reference: np.ndarray,
    synthesis: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    spacing: tuple[float, float, float],
) -> Scores:
    """Score both protocols with medpy and scikit-image, every step on the full volume."""
    scores = {}
    x, y = ((volume.astype(np.float64) + 1) / 2 for volume in (reference, synthesis))
    tumour = np.flatnonzero(tumour_slices(labels))
    ssim = [structural_similarity(x[z], y[z], data_range=1) for z in tumour]
    psnr = [peak_signal_noise_ratio(x[z], y[z], data_range=1) for z in tumour]
    scores["paper", "whole", "ssim", ""] = np.mean(ssim)
    scores["paper", "whole", "psnr", ""] = np.mean(psnr)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    maps = np.stack(
        [
            structural_similarity(*pair, data_range=1, full=True, **gaussian)[1]
            for pair in zip(x, y, strict=True)
        ]
    )
    for region in ("whole", "brain", "wt", "et"):
        mask = region_mask(labels, region)
        scores["strict", region, "ssim", ""] = maps[mask].mean()
        psnr = peak_signal_noise_ratio(x[mask], y[mask], data_range=1)
        scores["strict", region, "psnr", ""] = psnr
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
            scores[protocol, region, "dice", postprocessing] = dc(ours, theirs)
            surface = assd(ours, theirs, voxelspacing=spacing)
            scores[protocol, region, "assd", postprocessing] = surface
    return scores


def _largest(classes: np.ndarray) -> np.ndarray:
    components, _ = label(classes > BRAIN, structure=generate_binary_structure(3, 3))
    return np.where(components == 1 + np.bincount(components.ravel())[1:].argmax(), classes, BRAIN)


def score(
    protocols: list[Protocol],
    reference: np.ndarray,
    synthesis: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    spacing: tuple[float, float, float],
    diagonal_mm: float,
) -> Scores:
    """Score the protocols the way the benchmark does."""
    similar = [protocol for protocol in protocols if protocol.synthesis]
    overlapping = [protocol for protocol in protocols if protocol.segmentation]
    rows = score_synthesis(similar, reference, synthesis, labels)
    rows += score_segmentation(overlapping, labels, predicted, spacing, diagonal_mm)
    keys = ("protocol", "region", "metric", "postprocessing")
    return {tuple(row[key] for key in keys): row["value"] for row in rows}
