"""Measure the suite's overlap metrics against medpy on full volumes.

    python -m workflow.speed.scoring [--patient-folder brats/BraTS20_Training_001]

Both sides score one segmentation under the `paper` protocol: the largest component, then Dice and
ASSD of three regions. Without a folder the tumour is made of ellipsoids of a usual size.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from medpy.metric.binary import assd, dc
from scipy.ndimage import binary_erosion, generate_binary_structure, label

from benchmarks.errors import InputError
from benchmarks.scoring.protocol import load_protocol, score_segmentation
from benchmarks.scoring.regions import BRAIN, CORE, ENHANCING, OEDEMA, region_mask, tumour_slices

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


def score_with_medpy(labels: np.ndarray, predicted: np.ndarray) -> dict[tuple[str, str], float]:
    """Score the `paper` protocol the plain way, every step on the full volume."""
    predicted = np.where(tumour_slices(labels)[:, None, None], predicted, BRAIN)
    components, _ = label(predicted > BRAIN, structure=generate_binary_structure(3, 3))
    largest = 1 + np.bincount(components.ravel())[1:].argmax()
    predicted = np.where(components == largest, predicted, BRAIN)

    scores = {}
    for region in ("wt", "tc", "et"):
        ours, theirs = region_mask(predicted, region), region_mask(labels, region)
        scores[region, "dice"] = dc(ours, theirs)
        scores[region, "assd"] = assd(ours, theirs, voxelspacing=SPACING)
    return scores


def score_with_suite(labels: np.ndarray, predicted: np.ndarray) -> dict[tuple[str, str], float]:
    """Score the `paper` protocol the way the benchmark does."""
    rows = score_segmentation(load_protocol("paper"), labels, predicted, SPACING, DIAGONAL_MM)
    return {(row["region"], row["metric"]): row["value"] for row in rows}


def timed(score: Callable, *volumes: np.ndarray, repeats: int) -> tuple[dict, float]:
    """Return the scores and the shortest of several times, in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        scores = score(*volumes)
        seconds.append(time.perf_counter() - start)
    return scores, min(seconds)


def main() -> None:
    """Print both times, their ratio and the largest difference of values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patient-folder", type=Path, help="a BraTS patient; made up if absent")
    folder = parser.parse_args().patient_folder

    labels = read_segmentation(folder) if folder else made_up_segmentation()
    predicted = imperfect(labels)
    theirs, their_seconds = timed(score_with_medpy, labels, predicted, repeats=1)
    ours, our_seconds = timed(score_with_suite, labels, predicted, repeats=3)
    difference = max(abs(ours[key] - theirs[key]) for key in theirs)

    print(f"segmentation       {folder or 'made up'}, {labels.shape}")
    print(f"medpy, full volume {their_seconds:8.3f} s")
    print(f"this suite         {our_seconds:8.3f} s")
    print(f"ratio              {their_seconds / our_seconds:8.1f}")
    print(f"largest difference {difference:8.1e}")


if __name__ == "__main__":
    main()
