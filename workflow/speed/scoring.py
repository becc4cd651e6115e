"""Measure scoring a patient against plain medpy and scikit-image on full volumes.

    python -m workflow.speed.scoring [--patient-folder brats/BraTS20_Training_001]

Both sides score one synthesis and one segmentation, all metrics of the protocols `paper` and
`strict`, on slices of the volume's own size. Intensities are noise, which costs the same as any
others; without a folder the tumour is made of ellipsoids of a usual size. One thread each.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from medpy.metric.binary import assd, dc
from scipy.ndimage import binary_erosion, generate_binary_structure, label
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.errors import InputError
from benchmarks.scoring.protocol import load_protocol, score_segmentation, score_synthesis
from benchmarks.scoring.regions import (
    BRAIN,
    CORE,
    ENHANCING,
    OEDEMA,
    OUTSIDE,
    region_mask,
    tumour_slices,
)

SHAPE = (155, 240, 240)
SPACING = (1.0, 1.0, 1.0)
DIAGONAL_MM = float(np.linalg.norm(SHAPE))
TUMOUR_CENTRE = (80, 130, 90)
TUMOUR_RADII = {OEDEMA: (28, 38, 32), ENHANCING: (16, 20, 18), CORE: (10, 12, 11)}
"""In voxels, outermost first."""


def read_segmentation(folder: Path) -> np.ndarray:
    """Read a BraTS patient's segmentation as labels (Z, Y, X) int8 with 3 for enhancing tumour.

    Raises InputError unless the folder holds one file that says it is a segmentation.
    """
    found = sorted(folder.glob("*[Ss]eg*.nii*"))
    if len(found) != 1:
        raise InputError(f"{folder} holds {len(found)} segmentations (*seg*.nii*); expected one.")
    labels = np.asarray(nibabel.load(found[0]).dataobj).T.astype(np.int8)
    return np.where(labels == 4, np.int8(ENHANCING), labels)


def made_up_segmentation() -> np.ndarray:
    """Return labels (Z, Y, X) int8 of concentric ellipsoids at the size of a BraTS volume."""
    z, y, x = (
        axis - centre
        for axis, centre in zip(np.indices(SHAPE, sparse=True), TUMOUR_CENTRE, strict=True)
    )
    labels = np.full(SHAPE, BRAIN, np.int8)
    for region, (dz, dy, dx) in TUMOUR_RADII.items():
        labels[(z / dz) ** 2 + (y / dy) ** 2 + (x / dx) ** 2 <= 1] = region
    return labels


def imperfect(labels: np.ndarray) -> np.ndarray:
    """Return predicted classes: the labels two voxels off, eroded, with a false island."""
    shifted = np.roll(labels, (1, 2, -2), axis=(0, 1, 2))
    tumour = binary_erosion(shifted > BRAIN, iterations=2)
    predicted = np.where(tumour, shifted, BRAIN).astype(np.uint8)
    first = np.flatnonzero(tumour_slices(labels))[0]
    predicted[first : first + 5, :5, :5] = OEDEMA
    return predicted


def contrasts(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a reference that is -1 outside the brain, and a prediction; float32, (Z, Y, X)."""
    reference, synthesis = np.random.default_rng(0).uniform(-1, 1, (2, *labels.shape))
    return np.where(labels > OUTSIDE, reference, -1).astype(np.float32), synthesis.astype("f4")


def score_plainly(
    reference: np.ndarray, synthesis: np.ndarray, labels: np.ndarray, predicted: np.ndarray
) -> dict[tuple, float]:
    """Score both protocols with medpy and scikit-image, every step on the full volume."""
    scores = {}
    x, y = ((volume.astype(np.float64) + 1) / 2 for volume in (reference, synthesis))
    tumour = np.flatnonzero(tumour_slices(labels))
    ssim = [structural_similarity(x[z], y[z], data_range=1) for z in tumour]
    psnr = [peak_signal_noise_ratio(x[z], y[z], data_range=1) for z in tumour]
    scores["paper", "whole", "ssim", ""] = np.mean(ssim)
    scores["paper", "whole", "psnr", ""] = np.mean(psnr)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    maps = np.stack(
        [
            structural_similarity(*p, data_range=1, full=True, **options)[1]
            for p in zip(x, y, strict=True)
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
            scores[protocol, region, "dice", postprocessing] = dc(ours, theirs)
            surface = assd(ours, theirs, voxelspacing=SPACING)
            scores[protocol, region, "assd", postprocessing] = surface
    return scores


def _largest(classes: np.ndarray) -> np.ndarray:
    components, _ = label(classes > BRAIN, structure=generate_binary_structure(3, 3))
    return np.where(components == 1 + np.bincount(components.ravel())[1:].argmax(), classes, BRAIN)


def score_with_suite(
    reference: np.ndarray, synthesis: np.ndarray, labels: np.ndarray, predicted: np.ndarray
) -> dict[tuple, float]:
    """Score both protocols the way the benchmark does."""
    protocols = [load_protocol(name) for name in ("paper", "strict")]
    rows = score_synthesis(protocols, reference, synthesis, labels)
    rows += score_segmentation(protocols, labels, predicted, SPACING, DIAGONAL_MM)
    keys = ("protocol", "region", "metric", "postprocessing")
    return {tuple(row[key] for key in keys): row["value"] for row in rows}


def measure(folder: Path | None = None, repeats: int = 3) -> dict[str, float]:
    """Seconds of processor time of both sides, who take turns; their ratio; how far values differ.

    The ratio is the median of those of each turn.
    """
    labels = read_segmentation(folder) if folder else made_up_segmentation()
    volumes = (*contrasts(labels), labels, imperfect(labels))
    plain, suite = [], []
    for _ in range(repeats):
        theirs = timed(score_plainly, volumes, plain)
        ours = timed(score_with_suite, volumes, suite)
    return {
        "plain_seconds": statistics.median(plain),
        "suite_seconds": statistics.median(suite),
        "ratio": statistics.median(a / b for a, b in zip(plain, suite, strict=True)),
        "largest_difference": max(abs(ours[key] - theirs[key]) for key in theirs),
    }


def timed(work: Callable, arguments: tuple, seconds: list[float]) -> Any:
    """Return what the work gives; its processor time, which others' work hardly moves, is noted."""
    began = time.process_time()
    found = work(*arguments)
    seconds.append(time.process_time() - began)
    return found


def main() -> None:
    """Print both times, their ratio and the largest difference of values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patient-folder", type=Path, help="a BraTS patient; made up if absent")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    found = measure(options.patient_folder, options.repeats)
    print(f"medpy and scikit-image, full volumes {found['plain_seconds']:8.3f} s")
    print(f"this suite                           {found['suite_seconds']:8.3f} s")
    print(f"ratio                                {found['ratio']:8.1f}")
    print(f"largest difference                   {found['largest_difference']:8.1e}")


if __name__ == "__main__":
    main()
