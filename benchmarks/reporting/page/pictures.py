"""A patient's volumes as a browser shows them: a compressed picture a slice, and masks as runs.

Pictures are for looking only: scores are made from the volumes themselves.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.scoring.overlap import bounding_box
from benchmarks.scoring.regions import region_mask

QUALITY = 90
"""Of WebP. On one BraTS patient at 1 mm (every fourth slice) grey values were then off by 0.7 % of
the window on the mean and by 5 % at most, at 8 to 10 MB for 14 volumes."""
MARGIN = 2
"""Pixels around the brain that are shown too."""
BLOCK = 16
"""WebP codes squares of so many pixels: tiles of whole squares do not bleed into each other."""
ACROSS = 8
"""Tiles in a row; WebP ends at 16,383 pixels a side."""
MODALITIES = ("t1", "t2", "flair", "truth")


@dataclass(frozen=True)
class Volumes:
    """A test patient, and what systems made of it.

    Attributes
    ----------
    spacing : mm along z, y, x.
    images : (4, Z, Y, X) in [-1, 1]: T1, T2, FLAIR, T1ce.
    labels : (Z, Y, X) in -1..3, -1 outside the brain.
    t1ce : by system, (Z, Y, X) in [-1, 1].
    seg : by system, (Z, Y, X) in 0..3, as scored.
    """

    patient: str
    spacing: tuple[float, float, float]
    images: np.ndarray
    labels: np.ndarray
    t1ce: Mapping[str, np.ndarray]
    seg: Mapping[str, np.ndarray]


def describe(volumes: Volumes) -> dict:
    """What is known of a patient before its pictures are loaded; slices as in the volume.

    `start` is the slice with the most tumour, the first of several; of a patient without tumour it
    is the middle one. `tumour` is each shown slice's number of tumour voxels.
    """
    z, _, _ = _box(volumes)
    tumour = region_mask(volumes.labels, "wt").sum(axis=(1, 2))[z]
    start = int(tumour.argmax()) if tumour.any() else len(tumour) // 2
    millilitres = float(tumour.sum() * np.prod(volumes.spacing) / 1000)
    return {
        "patient": volumes.patient,
        "first": z.start,
        "count": len(tumour),
        "slices": volumes.labels.shape[0],
        "start": z.start + start,
        "tumour": tumour.tolist(),
        "tumour_ml": round(millilitres, 2),
    }


def encode(volumes: Volumes) -> dict:
    """The pictures and masks of the box around the brain, as plain JSON.

    `pictures` has a WebP a slice, in base64: tiles of `tile` pixels (width, height), `across` in a
    row, of which the upper left `size` count. `tiles` says which of them, counted row by row, shows
    each modality and each system; volumes that are equal share one. Grey 0 to 255 is -1 to 1.
    `truth` and `seg` (by system) hold a text of `runs` a slice. `pixel` is mm along x and y.
    """
    box = _box(volumes)
    z, y, x = box
    named = dict(zip(MODALITIES, volumes.images, strict=True)) | {
        f"t1ce:{system}": volume for system, volume in volumes.t1ce.items()
    }
    stacked: list[np.ndarray] = []
    tiles = {}
    for name, volume in named.items():
        grey = to_grey(volume[box])
        same = (place for place, other in enumerate(stacked) if np.array_equal(grey, other))
        tiles[name] = next(same, len(stacked))
        if tiles[name] == len(stacked):
            stacked.append(grey)
    height, width = y.stop - y.start, x.stop - x.start
    tile = (width + -width % BLOCK, height + -height % BLOCK)
    rows = -(-len(stacked) // ACROSS)
    padded = np.zeros((z.stop - z.start, rows, tile[1], ACROSS, tile[0]), np.uint8)
    for place, grey in enumerate(stacked):
        padded[:, place // ACROSS, :height, place % ACROSS, :width] = grey
    sheets = padded.reshape(len(padded), rows * tile[1], ACROSS * tile[0])
    masks = {system: volume[box] for system, volume in volumes.seg.items()}
    return {
        "size": [width, height],
        "tile": list(tile),
        "across": ACROSS,
        "pixel": [volumes.spacing[2], volumes.spacing[1]],
        "tiles": tiles,
        "pictures": [_webp(sheet) for sheet in sheets],
        "truth": [runs(labels) for labels in np.maximum(volumes.labels[box], 0)],
        "seg": {system: [runs(classes) for classes in mask] for system, mask in masks.items()},
    }


def _box(volumes: Volumes) -> tuple[slice, slice, slice]:
    """The slices that hold brain, and in them the brain with a margin; all where there is none."""
    brain = region_mask(volumes.labels, "brain")
    found = bounding_box(brain if brain.any() else np.ones_like(brain))
    return tuple(
        slice(max(0, int(side.start) - margin), min(full, int(side.stop) + margin))
        for side, full, margin in zip(found, brain.shape, (0, MARGIN, MARGIN), strict=True)
    )


def to_grey(image: np.ndarray) -> np.ndarray:
    """Intensities in [-1, 1] as 0 to 255; beyond that they are clipped."""
    return np.rint((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)


def _webp(grey: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "WEBP", quality=QUALITY)
    return base64.b64encode(file.getvalue()).decode()


def runs(classes: np.ndarray) -> str:
    """Classes in 0..3, row by row, as runs `class:length` between blanks, lengths in base 36.

    The run of zeros at the end is left out, so that a slice without tumour is an empty text.
    """
    flat = classes.ravel()
    ends = np.flatnonzero(np.diff(flat, append=255))
    lengths = np.diff(ends, prepend=-1)
    pairs = list(zip(flat[ends].tolist(), lengths.tolist(), strict=True))
    if pairs and pairs[-1][0] == 0:
        pairs.pop()
    return " ".join(f"{value}:{np.base_repr(length, 36).lower()}" for value, length in pairs)
