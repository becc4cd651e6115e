"""**How an attention block weighs the modalities**, at each place of a slice.

For methods that say so, such as MAF-Net: one row per run, of one patient.
"""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.reporting.drawing.canvas import empty
from benchmarks.reporting.drawing.patients import choose, read_slice
from benchmarks.reporting.drawing.pictures import (
    CONTOURS,
    ORIENTATION,
    TITLES,
    WINDOW,
    Band,
    PictureGrid,
    outline,
)  # fmt: skip
from benchmarks.reporting.drawing.style import PALETTE, styled
from benchmarks.reporting.results import Attention, Results
from benchmarks.reporting.rows import in_order
from benchmarks.scoring.regions import region_mask

NEEDS = ("scores", "attention", "patients")
ORDER = 9

REGIONS = {"brain": "brain", "wt": "WT", "et": "ET"}  # whose mean weights are printed

_SCALE = {"cmap": "cividis", "norm": Normalize(0, 1)}
_COLORS = (PALETTE[0], PALETTE[1], PALETTE[2], PALETTE[4])  # of the modalities


@styled()
def figure(results: Results) -> Figure:
    """Draw the heaviest modality and each one's weight, and print means over regions."""
    chosen, rule = choose(results)
    medians = [patient for patient, word in chosen.items() if word == "median"]
    place = "the median" if medians else "the first"
    patient = next(iter([*medians, *chosen]), None)
    found = {}
    for row in in_order(results.rows) if patient else ():
        if attention := results.attention(row.run, patient):
            found[row] = attention
    caption = results.cohort.caption(
        "Attention over the modalities",
        "Weights that the trained networks give to the modalities at each place; they sum to 1. "
        "Left: which weighs the most, over the true T1ce. Outlined: whole tumour (WT) and "
        "enhancing tumour (ET); on the weights WT and, in grey, the brain. Below: mean weights in "
        f"regions of all slices that were looked at. {ORIENTATION}",
        f"Patient: {place} of {rule.rpartition(' of ')[2]}. The slice is the middle one of those.",
    )
    if not found:
        return empty(caption, "No run has attention weights.")
    count = next(iter(found.values())).weights.shape[1]
    names = [*TITLES.values()][:count]
    headings = ["true T1ce", "heaviest", *(f"weight of {name}" for name in names)]
    bands, middles = [], []
    for row, attention in found.items():
        middles.append(len(attention.slices) // 2)
        one = read_slice(results, patient, attention.slices[middles[-1]], row.title)
        bands.append(Band(one, headings))
    grid = PictureGrid(caption, bands, [""], notes=len(REGIONS))
    colors = ListedColormap(_COLORS[:count])
    for number, (band, middle) in enumerate(zip(bands, middles, strict=True)):
        scan, attention = band.one.scan, [*found.values()][number]
        weights = attention.weights[middle]
        height, width = scan.labels.shape
        over = {"extent": (-0.5, width - 0.5, height - 0.5, -0.5), "interpolation": "nearest"}
        for column in (0, 1):
            ax = grid.axes(number, 0, column)
            ax.imshow(scan.t1ce, **WINDOW)
            if column:
                heaviest = weights.argmax(axis=0)
                ax.imshow(heaviest, cmap=colors, vmin=-0.5, vmax=count - 0.5, alpha=0.45,
                          aspect="auto", **over)  # fmt: skip
            outline(ax, scan.labels)
        grid.write_below(number, 1, "\n".join(f"mean, {name}" for name in REGIONS.values()))
        means = region_means(results, patient, attention)
        for modality in range(count):
            ax = grid.axes(number, 0, 2 + modality)
            ax.imshow(weights[modality], aspect="auto", **over, **_SCALE)
            outline(ax, scan.labels, {"wt": CONTOURS["wt"], "brain": "0.6"})
            lines = [_printed(of[modality]) for of in means.values()]
            grid.write_below(number, 2 + modality, "\n".join(lines))
    grid.bar(ScalarMappable(_SCALE["norm"], _SCALE["cmap"]), "weight",
             {0: "0", 1 / count: f"1/{count}", 1: "1"})  # fmt: skip
    patches = [Patch(color=color, label=name) for name, color in zip(names, _COLORS, strict=False)]
    patches += [Patch(fill=False, edgecolor=c, label=r.upper()) for r, c in CONTOURS.items()]
    grid.legend(patches, facecolor="0.35", labelcolor="white")
    return grid.figure


def region_means(results: Results, patient: str, attention: Attention) -> dict[str, np.ndarray]:
    """Return by region the mean weight of each modality, (modalities,), NaN of an empty region."""
    stored = results.patients[patient]
    labels = np.stack([stored.slice(z, stored.grid.crop).labels for z in attention.slices])
    _, _, height, width = attention.weights.shape
    rows = np.arange(labels.shape[1]) * height // labels.shape[1]
    columns = np.arange(labels.shape[2]) * width // labels.shape[2]
    weights = np.moveaxis(attention.weights, 1, -1)[:, rows][:, :, columns]
    means = {}
    for region in REGIONS:
        mask = region_mask(labels, region)
        nothing = np.full(weights.shape[-1], np.nan)
        means[region] = weights[mask].mean(axis=0) if mask.any() else nothing
    return means


def _printed(weight: float) -> str:
    return "–" if np.isnan(weight) else f"{weight:.2f}"
