"""A patient's volumes for a browser: one compressed picture per slice, and masks as runs.

The pictures are only for viewing; scores are computed from the volumes.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from benchmarks.cohorts.store import Scan
from benchmarks.scoring.regions import region_mask

# Of WebP. On one BraTS patient at 1 mm (every fourth slice) grey values were then off by 0.7 % of
# the window on average and by 5 % at most, at 8 to 10 MB for 14 volumes.
QUALITY = 90
MARGIN = 2  # pixels shown around the brain
BLOCK = 16  # side of WebP's coding squares: tiles of whole squares do not bleed into each other
ACROSS = 8  # tiles in a row; WebP ends at 16,383 pixels a side
ZOOM_MM = 15  # shown around the tumour by the viewer's zoom
Slices = Literal["brain", "tumour"]  # which of a patient's are shown
# The tiles' names of the images of a Scan; viewer.js knows them too.
IMAGES = {"t1": "t1", "t2": "t2", "flair": "flair", "t1ce": "truth"}


@dataclass(frozen=True)
class Volumes:
    """A test patient and the predictions of the runs.

    Attributes
    ----------
    spacing : mm along z, y, x.
    scan : images (4, Z, Y, X) in [-1, 1], labels (Z, Y, X) in -1..3, -1 outside the brain.
    t1ce : by run, (Z, Y, X) in [-1, 1].
    seg : by run, classes (Z, Y, X) in 0..3, as scored.
    """

    patient: str
    spacing: tuple[float, float, float]
    scan: Scan
    t1ce: Mapping[str, np.ndarray]
    seg: Mapping[str, np.ndarray]

    @property
    def images(self) -> dict[str, np.ndarray]:
        """Every image by the name of its tile."""
        own = {tile: getattr(self.scan, modality) for modality, tile in IMAGES.items()}
        return own | {f"t1ce:{run}": volume for run, volume in self.t1ce.items()}


def describe(volumes: Volumes, slices: Slices = "brain") -> dict:
    """Return what the page shows of a patient without its pictures, as plain JSON.

    `first`, `slices` and `start` count slices of the whole volume, `count` those that are shown.
    `start` is the first slice with the most enhancing tumour, else with the most tumour, else the
    middle one.
    """
    z, _, _ = _box(volumes, slices)
    labels = volumes.scan.labels
    areas = {region: region_mask(labels, region).sum(axis=(1, 2)) for region in ("et", "wt")}
    start = next((int(area.argmax()) for area in areas.values() if area.any()), None)
    voxel_ml = float(np.prod(volumes.spacing) / 1000)
    return {
        "patient": volumes.patient,
        "first": z.start,
        "count": z.stop - z.start,
        "slices": len(labels),
        "start": (z.start + z.stop) // 2 if start is None else start,
        "tumour_ml": round(float(areas["wt"].sum()) * voxel_ml, 2),
        "et_ml": round(float(areas["et"].sum()) * voxel_ml, 2),
    }


def encode(volumes: Volumes, slices: Slices = "brain") -> dict:
    """Return the pictures and masks of the box around the brain, as plain JSON.

    `pictures` has one WebP per slice, in base64: tiles of `tile` pixels (width, height), `across`
    in a row, of which the upper left `size` pixels count. `tiles` numbers the tile of each image;
    equal images share one. Grey 0 to 255 is -1 to 1. `truth`, and `seg` by run, hold `runs` per
    slice. `pixel` is mm along x and y. `tumour` is the tumour's rectangle with `ZOOM_MM` around it
    (left, top, right, bottom; pixels), the whole picture where there is no tumour.
    """
    box = _box(volumes, slices)
    z, y, x = box
    stacked: list[np.ndarray] = []
    tiles = {}
    for name, volume in volumes.images.items():
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
    masks = {run: volume[box] for run, volume in volumes.seg.items()}
    return {
        "size": [width, height],
        "tile": list(tile),
        "across": ACROSS,
        "pixel": [volumes.spacing[2], volumes.spacing[1]],
        "tumour": _tumour_rectangle(volumes, box),
        "tiles": tiles,
        "pictures": [_webp(sheet) for sheet in sheets],
        "truth": [runs(labels) for labels in np.maximum(volumes.scan.labels[box], 0)],
        "seg": {run: [runs(classes) for classes in mask] for run, mask in masks.items()},
    }


def _box(volumes: Volumes, slices: Slices) -> tuple[slice, slice, slice]:
    """Return the shown slices, and the brain's rectangle with a margin.

    It is the whole volume without a brain; without a tumour all slices with brain are shown.
    """
    # scipy takes half a second to import.
    from benchmarks.scoring.overlap import bounding_box

    labels = volumes.scan.labels
    brain, tumour = region_mask(labels, "brain"), region_mask(labels, "wt")
    tight = bounding_box(brain if brain.any() else np.ones_like(brain))
    z, y, x = (
        slice(max(0, int(side.start) - margin), min(full, int(side.stop) + margin))
        for side, full, margin in zip(tight, brain.shape, (0, MARGIN, MARGIN), strict=True)
    )
    if slices == "tumour" and tumour.any():
        z = bounding_box(tumour)[0]
    return slice(int(z.start), int(z.stop)), y, x


def _tumour_rectangle(volumes: Volumes, box: tuple[slice, slice, slice]) -> list[int]:
    tumour = region_mask(volumes.scan.labels[box], "wt").any(axis=0)
    ends = []
    for axis, spacing in ((1, volumes.spacing[1]), (0, volumes.spacing[2])):
        places, around = np.flatnonzero(tumour.any(axis=axis)), round(ZOOM_MM / spacing)
        size = tumour.shape[1 - axis]
        first, last = (places[0], places[-1]) if len(places) else (0, size - 1)
        ends.append((max(0, int(first) - around), min(size, int(last) + 1 + around)))
    (top, bottom), (left, right) = ends
    return [left, top, right, bottom]


def to_grey(image: np.ndarray) -> np.ndarray:
    """Convert intensities in [-1, 1] to 0..255; others are clipped."""
    return np.rint((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)


def _webp(grey: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "WEBP", quality=QUALITY)
    return base64.b64encode(file.getvalue()).decode()


def runs(classes: np.ndarray) -> str:
    """Encode classes in 0..3, row by row, as `class:length` between blanks, without final zeros.

    Lengths are in base 36.
    """
    flat = classes.ravel()
    ends = np.flatnonzero(np.diff(flat, append=255))
    lengths = np.diff(ends, prepend=-1)
    pairs = list(zip(flat[ends].tolist(), lengths.tolist(), strict=True))
    if pairs and pairs[-1][0] == 0:
        pairs.pop()
    return " ".join(f"{value}:{np.base_repr(length, 36).lower()}" for value, length in pairs)
