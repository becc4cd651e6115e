"""**How a run weighs the modalities**, at each place of a slice.

For methods that say so, such as MAF-Net: one row per slice of one patient.
"""

from dataclasses import replace
from itertools import chain

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from benchmarks.reporting.drawing.canvas import empty
from benchmarks.reporting.drawing.patients import choose, read_slice
from benchmarks.reporting.drawing.pictures import (
    CONTOURS,
    ORIENTATION,
    TITLES,
    WINDOW,
    PictureGrid,
    outline,
)  # fmt: skip
from benchmarks.reporting.drawing.style import styled
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import in_order

NEEDS = ("scores", "attention")
ORDER = 9


@styled()
def figure(results: Results) -> Figure:
    """Draw the weight of each modality beside that modality's image."""
    chosen, rule = choose(results, "dice", "et")
    medians = [patient for patient, word in chosen.items() if word == "median"]
    place = "the median" if medians else "the first"
    patient = next(iter([*medians, *chosen]), None)
    slices, maps = [], []
    for row in in_order(results.rows) if patient else ():
        if attention := results.attention(row.run, patient):
            shown = [read_slice(results.patients[patient], z) for z in attention.slices]
            slices += [replace(one, name=f"{row.title}\n{one.name}") for one in shown]
            maps += [*attention.weights]  # (modalities, h, w), which sum to 1
    caption = results.cohort.caption(
        "Attention over the modalities",
        "Weights that the trained networks give to the modalities at each place; they sum to 1. "
        "Outlined: whole tumour (WT) and enhancing tumour (ET); on the weights WT and, in grey, "
        f"the brain. {ORIENTATION}",
        f"Patient: {place} of {rule.rpartition(' of ')[2]}. Slices at a quarter, a half and three "
        "quarters of the tumour's height.",
    )
    if not maps:
        return empty(caption, "No run has attention weights.")
    count = len(maps[0])
    pairs = [(name, f"weight of {name}") for name in TITLES.values()]
    grid = PictureGrid(caption, slices, [[TITLES["t1ce"], *chain(*pairs[:count])]])
    scale = {"cmap": "cividis", "norm": Normalize(0, 1)}
    for line, (one, weights) in enumerate(zip(slices, maps, strict=True)):
        ax = grid.axes(line, 0, 0)
        ax.imshow(one.scan.t1ce, **WINDOW)
        outline(ax, one.scan.labels)
        height, width = one.scan.labels.shape
        for modality in range(count):
            grid.axes(line, 0, 1 + 2 * modality).imshow(one.scan.images[modality], **WINDOW)
            ax = grid.axes(line, 0, 2 + 2 * modality)
            ax.imshow(weights[modality], extent=(-0.5, width - 0.5, height - 0.5, -0.5),
                      interpolation="nearest", aspect="auto", **scale)  # fmt: skip
            outline(ax, one.scan.labels, {"wt": CONTOURS["wt"], "brain": "0.6"})
    ticks = {0: "0", 1 / count: f"1/{count}", 1: "1"}
    grid.bar(ScalarMappable(scale["norm"], scale["cmap"]), "weight", ticks)
    grid.contours()
    return grid.figure
