"""Figures of made-up patients: what they show, that they are upright, and that they repeat."""

import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from made_up import AFFINE
from made_up_scores import cost_frame, frame, made_up_results
from matplotlib.text import Text
from PIL import Image

from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import Grid, Scan, StoredPatient, prepare
from benchmarks.reporting.caption import Caption
from benchmarks.reporting.catalogue import Item, figures
from benchmarks.reporting.costs import hours_unit
from benchmarks.reporting.detection import FOUND, detections
from benchmarks.reporting.drawing.canvas import Canvas, pages, save
from benchmarks.reporting.drawing.labels import label_points
from benchmarks.reporting.drawing.patients import best_median_worst, choose, scored
from benchmarks.reporting.drawing.pictures import wrapped
from benchmarks.reporting.drawing.style import DPI, PALETTE, styled, styles
from benchmarks.reporting.figures.attention import region_means
from benchmarks.reporting.figures.cost_vs_quality import front
from benchmarks.reporting.formatting import axis_title
from benchmarks.reporting.measures import by_patient, measure
from benchmarks.reporting.results import Attention
from benchmarks.reporting.rows import Row
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.regions import TASK_REGIONS

BOTH, SYNTHESIS, SEGMENTATION = ("synthesis", "segmentation"), ("synthesis",), ("segmentation",)
ROWS = [
    Row("copy_t1", "T1 submitted as T1ce", "floor", "control", SYNTHESIS, trained=False),
    Row("copy_t1+unet", "T1 + UNet", "floor", "segmentation", SEGMENTATION, upstream="copy_t1"),
    Row("real_t1ce", "real T1ce", "ceiling", "control", SYNTHESIS, trained=False),
    Row("real_t1ce+unet", "real + UNet", "ceiling", "segmentation", SEGMENTATION,
        upstream="real_t1ce"),
    Row("cutgan", "CUTGAN", "method", "synthesis", SYNTHESIS),
    Row("cutgan+unet", "CUTGAN + UNet", "method", "segmentation", SEGMENTATION, upstream="cutgan"),
    Row("joint", "Joint net", "method", "joint", BOTH),
    Row("unet", "UNet", "method", "segmentation", SEGMENTATION),
]  # fmt: skip
FROZEN = [
    Row(f"{run}+unet.frozen", f"{run} + UNet, frozen", role, "segmentation", SEGMENTATION,
        trained=False, upstream=run, frozen=True, predicts_with="real_t1ce+unet")
    for run, role in (("copy_t1", "floor"), ("cutgan", "method"), ("joint", "method"))
]  # fmt: skip
FAILED = Row("drit", "DRIT++", "method", tasks=SYNTHESIS, failure="train: loss is NaN")
DESCRIPTION = "tiny phantom, 9 patients, 4 of them test"
NAMES = [
    "gap", "synthesis", "segmentation", "detection", "volumes", "distributions", "ranks", "claims",
    "conventions", "similarity_vs_utility", "utilities", "subgroups", "training_curves",
    "cost_vs_quality", "attention",
]  # fmt: skip
OF_SEGMENTATIONS = {"segmentation", "detection", "volumes"}
DRAW = {item.name: item.function for item in figures()}
SIDE, DEPTH = 24, 3


def made_up_scores(patients=4, rows=ROWS):
    """Values that differ by run and patient; the ceiling's PSNR is infinite, P0 has no ET."""
    rng = np.random.default_rng(0)
    scores = []
    for index, row in enumerate(rows):
        cells = [("synthesis", m, r) for m in ("ssim", "psnr") for r in ("brain", "et")]
        cells += [("segmentation", "dice", region) for region in ("wt", "tc", "et")]
        for task, metric, region in (cell for cell in cells if cell[0] in row.tasks):
            for patient in range(patients):
                value = 0.2 + 0.04 * index + 0.02 * rng.random()
                if metric == "psnr":
                    value = np.inf if row.role == "ceiling" else 20 + value
                if patient == 0 and region == "et":
                    value = np.nan
                after = "lcc" if task == "segmentation" else ""
                scores.append([row.run, 0, f"P{patient}", "", "strict", task, region, metric, after,
                               value, ""])  # fmt: skip
    return frame(scores)


class MadeUpPatient:
    """What figures take of a prepared patient: a round head with a tumour in every slice.

    The middle slice has the most enhancing tumour.
    """

    spacing = (3.0, 3.0, 3.0)
    grid = SimpleNamespace(crop=SIDE)
    meta = SimpleNamespace(tumour_per_slice=[20, 30, 20])

    def __init__(self, patient):
        self.patient = patient
        rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
        self.classes = np.where(np.hypot(rows / 1.2, columns) < SIDE / 3, 0, -1)
        self.classes[np.hypot(rows, columns - 3) < 3] = 2
        self.classes[np.hypot(rows, columns - 3) < 1.5] = 3
        self.volume = np.stack([self.classes] * DEPTH)
        self.volume[[0, 2], SIDE // 2, SIDE // 2 + 3] = 1
        noise = np.random.default_rng(1).uniform(-0.5, 0.5, (4, SIDE, SIDE))
        self.images = np.where(self.classes >= 0, noise, -1).astype(np.float32)

    def slice(self, z, crop):
        assert 0 <= z < DEPTH and crop == SIDE
        return Scan(self.images, self.volume[z])

    def labels(self):
        return self.volume


class WithoutET(MadeUpPatient):
    """One whose tumour does not enhance."""

    def __init__(self, patient):
        super().__init__(patient)
        for labels in (self.classes, self.volume):
            labels[labels == 3] = 2


def predicted(run, seed, kind, patient):
    if kind == "seg":
        return np.maximum(patient.volume, 0).astype(np.uint8)
    return np.stack([patient.images[0]] * DEPTH)


def attended(run, seed, patient):
    return Attention((0, 1), np.full((2, 3, 6, 6), 1 / 3)) if run == "joint" else None


def histories():
    losses = {"epoch": [1, 2], "D_A": [1.0, 0.5], "D_B": [1.0, 0.4], "GAN": [2.0, 0.0]}
    one = pd.DataFrame(losses)
    two = pd.DataFrame({"epoch": [1, 2], "cross_entropy": [1.0, 0.1], "val_dice": [0.1, 0.4]})
    return {("cutgan", 0): one, ("unet", 0): two, ("unet", 1): two, ("joint", 0): one.iloc[:1]}


def costs(rows):
    trained = [row.run for row in rows if row.trained and not row.failure]
    return cost_frame(
        *(
            [run, 0, 0, 0, 1, 1, 360.0 * n, 360.0 * n, 1, "CPU", 1]
            for n, run in enumerate(trained, 1)
        )
    )


def results_of(count=4, rows=ROWS, **changes):
    scored = [row for row in rows if not row.failure]
    made = {
        "scores": made_up_scores(count, scored),
        "description": DESCRIPTION,
        "title": "tiny phantom",
        "simulated": True,
        "protocols": ("strict",),
        "costs": costs(rows),
        "histories": histories(),
        "patients": {f"P{i}": MadeUpPatient(f"P{i}") for i in range(count)},
        "read_prediction": predicted,
        "read_attention": attended,
    }
    return made_up_results(rows=rows, **(made | changes))


@pytest.fixture(scope="module")
def results():
    return results_of(rows=[*ROWS, *FROZEN])


@pytest.fixture(scope="module")
def drawn(results):
    return {name: draw(results) for name, draw in DRAW.items()}


def said(figure):
    """The caption and all words outside the axes, on one line."""
    words = [text.get_text() for page in pages(figure) for text in page.texts]
    return " ".join(" ".join([figure.caption.title, figure.caption.text, *words]).split())


def pictures(figure, cmap=""):
    """The axes with an image of this colour map, of all pages."""
    return [
        ax
        for page in pages(figure)
        for ax in page.axes
        if ax.images and (not cmap or ax.images[0].cmap.name == cmap)
    ]


def pixels(figure):
    with styled():
        figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float)


def points(ax):
    """Coordinates of an axes' markers that have a run's id."""
    return {line.get_gid(): line.get_xydata()[0] for line in ax.lines if line.get_gid()}


def titled(figure, title):
    return next(ax for ax in figure.axes if ax.get_title(loc="left") == title)


def test_the_catalogue_has_every_figure_in_order_with_a_caption():
    assert [item.name for item in figures()] == NAMES
    assert all(re.match(r"\*\*[^*]+\*\*", item.caption) for item in figures())


def test_reading_the_catalogue_imports_no_matplotlib():
    code = (
        "import sys, benchmarks.reporting.catalogue as c, benchmarks.reporting.measures; "
        "c.figures(); sys.exit(bool({'matplotlib', 'seaborn'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_figure_names_its_cohort_and_that_it_is_simulated(drawn):
    for name, figure in drawn.items():
        assert "Tiny phantom, SIMULATED patients" in said(figure), name
        assert f"T{DESCRIPTION[1:]}." in said(figure), name


def test_real_patients_are_not_called_simulated():
    assert "SIMULATED" not in said(DRAW["ranks"](results_of(simulated=False)))


def test_pictures_hold_neither_title_nor_notes_but_say_that_patients_are_simulated(drawn):
    for name, figure in drawn.items():
        written = [text.get_text() for page in pages(figure) for text in page.findobj(Text)]
        assert written.count("SIMULATED") == len(pages(figure)), name
        assert not any(DESCRIPTION[1:] in text for text in written), name
        assert figure.caption.title not in " ".join(written), name


def test_captions_are_written_beside_the_pictures(tmp_path, drawn):
    (item,) = (item for item in figures() if item.name == "ranks")
    paths = item.write_figure_captions(tmp_path, drawn["ranks"].caption)
    pictures = save(drawn["ranks"], tmp_path, "ranks")
    assert {path.name for path in (*pictures, *paths)} == set(item.files)
    texts = {path.suffix: path.read_text() for path in paths}
    assert texts[".md"].startswith("**Ranks of the methods. Tiny phantom, SIMULATED patients.** ")
    assert "Floor and ceiling are not ranked." in " ".join(texts[".md"].split())
    assert texts[".tex"].startswith(r"\caption{\textbf{Ranks of the methods.")
    assert "95 \\% interval" in texts[".tex"]
    assert texts[".tex"].endswith("}\n\\label{fig:ranks}\n")
    assert texts[".rst"].startswith(item.caption) and "ranks.md" in texts[".rst"]


def test_a_figure_without_a_canvas_has_its_docstring_as_caption(tmp_path):
    item = Item("mine", "figure", "**Dice by volume**, 50 % of it.", ("scores",), 1)
    item.write_figure_captions(tmp_path, None)
    assert (tmp_path / "mine.md").read_text() == "**Dice by volume, 50 % of it.**\n"
    assert r"50 \% of it." in (tmp_path / "mine.tex").read_text()


def of_pages(drawn):
    return [(name, page) for name, figure in drawn.items() for page in pages(figure)]


def test_figures_fit_a_page_and_no_text_is_smaller_than_seven_points(drawn):
    for name, figure in of_pages(drawn):
        assert round(figure.get_figwidth(), 2) in (3.5, 7.16), name
        assert figure.get_figheight() < 9.5, name
        sizes = [
            text.get_fontsize()
            for text in figure.findobj(match=lambda x: hasattr(x, "get_fontsize"))
        ]
        assert min(sizes) >= 7, name


def test_nothing_is_written_beyond_the_edges(drawn):
    for name, figure in of_pages(drawn):
        pixels(figure)
        width, height = figure.bbox.size
        texts = {text.get_text(): text.get_window_extent() for text in figure.texts}
        panels = {f"panel {i}": ax.get_tightbbox() for i, ax in enumerate(figure.axes)}
        for what, box in (texts | panels).items():
            if what:
                assert box.x0 >= -1 and box.x1 <= width + 1, (name, what)
                assert box.y0 >= -1 and box.y1 <= height + 1, (name, what)


def test_every_panel_is_used(drawn):
    for name, figure in of_pages(drawn):
        assert all(ax.has_data() or ax.legend_ or ax.texts for ax in figure.axes), name


def test_colours_follow_from_the_rows_alone_and_are_one_per_method():
    made = styles(ROWS)
    assert made["cutgan"] == made["cutgan+unet"]
    assert made["copy_t1"].color == "#808080" and made["real_t1ce"].color == "#000000"
    many = ROWS + [Row(f"m{i}", f"M{i}", "method") for i in range(40)]
    assert all(styles(many)[row.run] == made[row.run] for row in ROWS)
    methods = [style for run, style in styles(many).items() if "+" not in run]
    assert len({(style.color, style.marker) for style in methods}) == len(methods)
    few = ROWS + [Row(f"m{i}", f"M{i}", "method") for i in range(2 * len(PALETTE) - 3)]
    colors = [style.color for run, style in styles(few).items() if "+" not in run]
    assert len(set(colors)) == len(colors)


def test_synthesis_has_each_run_with_its_tumour_and_error(drawn):
    figure = drawn["synthesis"]
    # T1ce and FLAIR with their zooms, T1, T2; the floor, CUTGAN and the joint net.
    assert len(pictures(figure)) == 3 * (6 + 3 * 3) and "real T1ce" not in said(figure)
    for words in (
        "true T1ce FLAIR",
        "CUTGAN",
        "Joint net",
        "slice 1",
        "best, median and worst of 4",
    ):
        assert words in said(figure)
    windows = {ax.images[0].get_clim() for ax in pictures(figure, "gray")}
    assert windows == {(-1, 1)}


def test_scores_are_below_their_synthesis(results, drawn):
    values = by_patient(results, "ssim", "et", "strict")
    (worst,) = (one for one, word in choose(results)[0].items() if word == "worst")
    assert f"SSIM ET {values.loc[worst, 'cutgan']:.2f} PSNR brain" in said(drawn["synthesis"])


def test_errors_are_signed_shares_of_the_grey_window_without_an_outline():
    def shifted(run, seed, kind, patient):
        return predicted(run, seed, kind, patient) - 0.5

    patient = MadeUpPatient("P0")
    figure = DRAW["synthesis"](results_of(1, ROWS[-2:], read_prediction=shifted))
    (ax,) = pictures(figure, "RdBu_r")
    expected = (patient.images[0] - 0.5 - patient.images[3]) / 2
    np.testing.assert_allclose(ax.images[0].get_array(), expected, atol=1e-6)
    assert ax.images[0].get_clim() == (-0.5, 0.5) and not ax.collections


def test_a_synthesis_of_one_grey_value_is_named_and_not_drawn():
    def flat(run, seed, kind, patient):
        volume = predicted(run, seed, kind, patient)
        return volume * 0 if run == "copy_t1" else volume

    figure = DRAW["synthesis"](results_of(read_prediction=flat))
    assert len(pictures(figure)) == 3 * (6 + 2 * 3)
    assert "One grey value everywhere, thus not shown: T1 submitted as T1ce." in said(figure)


def test_zooms_show_the_enhancing_tumour_and_15_mm_around_it(drawn):
    full, zoom = pictures(drawn["synthesis"], "gray")[:2]
    inside = MadeUpPatient("P0").volume[1] == 3
    rows, columns = np.nonzero(inside)
    left, right = zoom.get_xlim()
    assert (left + right) / 2 == pytest.approx((columns.min() + columns.max()) / 2)
    side = max(np.ptp(rows), np.ptp(columns)) + 2 + 2 * 15 / 3  # of 3 mm pixels
    assert right - left == pytest.approx(side) and np.ptp(full.get_xlim()) > side


def test_segmentation_has_the_truth_and_every_run(drawn):
    figure = drawn["segmentation"]
    assert len(pictures(figure)) == 3 * 2 * (3 + 5)
    assert sum(len(ax.images) == 2 for ax in pictures(figure)) == 3 * 2 * (1 + 5)
    assert "truth" in said(figure)
    keys = [text.get_text() for ax in figure.axes if ax.legend_ for text in ax.legend_.get_texts()]
    assert keys == ["necrosis, non-enhancing", "oedema", "enhancing tumour"]


def test_segmentations_are_drawn_as_scored_with_dice_in_the_corner(results, drawn):
    """The largest component, of the slice with the most enhancing tumour."""

    def in_two_pieces(run, seed, kind, patient):
        classes = np.zeros((DEPTH, SIDE, SIDE), np.uint8)
        classes[1, 2:6, 2:6], classes[1, 20, 20] = 1, 3
        return classes

    figure = DRAW["segmentation"](results_of(1, ROWS[-1:], read_prediction=in_two_pieces))
    drawn_classes = [ax.images[1].get_array() for ax in figure.axes if len(ax.images) == 2][-1]
    assert drawn_classes.count() == 16 and drawn_classes.max() == 1
    values = by_patient(results, "dice", "et", "strict")
    chosen, _ = choose(results)
    written = {text.get_text() for ax in pictures(drawn["segmentation"]) for text in ax.texts}
    assert {f"{values.loc[one, 'unet']:.2f}" for one in chosen} <= written


def test_scores_on_pictures_are_of_the_training_that_is_shown():
    scores = made_up_scores(1).assign(value=0.25)
    again = scores.assign(seed=1, value=0.75)
    shown = scored(results_of(1, scores=pd.concat([scores, again])), "dice", "wt")
    assert shown["unet", "P0"] == 0.25


def test_runs_without_a_volume_of_each_patient_are_left_out():
    results = results_of()
    results = replace(results, replicates={**results.replicates, "joint": ()})
    figure = DRAW["synthesis"](results)
    assert len(pictures(figure)) == 3 * (6 + 2 * 3)
    assert "Without synthesis (not run here): Joint net." in said(figure)


def test_more_runs_than_a_page_holds_get_bands_and_pages_of_pictures_large_enough_to_read():
    more = ROWS + [Row(f"m{i}", f"Method {i}", "method", tasks=BOTH) for i in range(20)]
    results = results_of(2, more)
    for name in ("synthesis", "segmentation"):
        figure = DRAW[name](results)
        texts = [text.get_text() for page in pages(figure) for text in page.texts]
        assert [" ".join(text.split()) for text in texts].count("Method 19") == 2, name
        assert len(pages(figure)) > 1, name
        for page in pages(figure):
            assert page.get_figheight() < 9.5, name
            assert any("P0" in text.get_text() or "P1" in text.get_text() for text in page.texts)
        for ax in pictures(figure):
            width = ax.get_position().width * figure.get_figwidth() * 25.4
            if ax.images[0].get_array().shape == (SIDE, SIDE):
                assert width > 20, name


def test_bands_hold_all_rows_in_few_columns():
    assert wrapped(range(3), 2, 1) == [range(3)]
    assert wrapped(range(9), 2, 1) == [range(4), range(4, 9)]
    assert wrapped([], 3, 1) == [[]]
    for count in range(60):
        bands = wrapped(range(count), 3, 1)
        assert [one for band in bands for one in band] == list(range(count))
        assert len(bands[0]) <= 5 and all(0 < len(band) <= 7 for band in bands[1:])


def test_pages_are_one_pdf_and_one_picture(tmp_path):
    more = ROWS + [Row(f"m{i}", f"Method {i}", "method", tasks=SEGMENTATION) for i in range(30)]
    figure = DRAW["segmentation"](results_of(1, more))
    assert len(pages(figure)) == 2
    png, pdf = save(figure, tmp_path, "segmentation")
    assert re.search(rb"/Count 2\b", pdf.read_bytes())
    with Image.open(png) as image:
        high = sum(page.get_figheight() for page in pages(figure)) * DPI
        assert image.height == pytest.approx(high, abs=2)
        assert b"tEXt" not in png.read_bytes()


def test_long_names_stay_on_the_page():
    name = "BraTS20_Training_355_of_a_long_name" * 4
    scores = made_up_scores(1).assign(patient=name)
    results = results_of(scores=scores, patients={name: MadeUpPatient(name)})
    for kind in ("segmentation", "attention"):
        figure = DRAW[kind](results)
        pixels(figure)
        box = next(text for text in figure.texts if "355" in text.get_text()).get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height


def test_front_is_up_and_the_patients_left_is_on_the_right(tmp_path):
    """A bright spot in the patient's left front, written as NIfTI as BraTS has it."""
    shape = (48, 48, 4)  # x to the left, y to the back (see AFFINE), z up
    x, y, _ = np.indices(shape) - 23.5
    brain = np.hypot(x, y) < 18
    spot = (slice(30, 36), slice(10, 16))
    assert nib.aff2axcodes(AFFINE) == ("L", "P", "S")
    volumes = {}
    for kind, slope in {"t1": x + y, "t2": x - y, "flair": y - x, "t1ce": -x - y}.items():
        volumes[kind] = np.where(brain, 500 + 9 * slope, 0).astype(np.int16)
        volumes[kind][spot] = 1000
    volumes["seg"] = np.zeros(shape, np.uint8)
    volumes["seg"][20:24, 20:24] = 2
    folder = tmp_path / "raw" / "P0"
    folder.mkdir(parents=True)
    for kind, volume in volumes.items():
        nib.save(nib.Nifti1Image(volume, AFFINE), folder / f"P0_{kind}.nii.gz")
    files = find_patients(tmp_path / "raw")[0]
    prepare(files, tmp_path / "store", Grid(crop=48), load_source("brats"))
    patients = {"P0": StoredPatient(tmp_path / "store", "P0")}

    def true(run, seed, kind, patient):
        return patient.volume(48).t1ce

    figure = DRAW["synthesis"](results_of(1, ROWS[-2:], patients=patients, read_prediction=true))
    drawn = pixels(figure)
    # Without pictures on which something is written: a bar, or the name of the modality.
    grey = [ax for ax in pictures(figure, "gray") if not ax.lines and not ax.texts]
    assert len(grey) == 5
    for ax in grey:
        box = ax.get_window_extent()
        height = figure.bbox.height
        top, left = int(height - box.y1) + 2, int(box.x0) + 2  # without what is around it
        part = drawn[top : int(height - box.y0) - 2, left : int(box.x1) - 2]
        rows, columns = np.nonzero((part > 250).all(axis=-1))
        assert rows.size > 0
        assert rows.mean() < 0.45 * len(part) and columns.mean() > 0.55 * part.shape[1]


def test_pixels_that_are_not_square_keep_their_shape():
    patient = MadeUpPatient("P0")
    patient.spacing = (3.0, 2.0, 1.0)
    figure = DRAW["synthesis"](results_of(1, patients={"P0": patient}))
    ax = next(ax for ax in figure.axes if ax.images)
    columns, rows = np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())
    assert columns == pytest.approx(2 * rows)


def test_distributions_draw_every_patient_with_means_and_intervals(drawn, results):
    axes = drawn["distributions"].axes
    assert len(axes) == 7
    dice = next(ax for ax in axes if ax.get_xlabel().startswith("Dice WT"))
    labels = [text.get_text() for text in axes[0].get_yticklabels()]
    assert labels == [
        "floor: T1 submitted as T1ce", "CUTGAN", "Joint net", "UNet, no T1ce", "ceiling: real T1ce",
    ]  # fmt: skip
    values = by_patient(results, "dice", "wt", "strict")
    dots = {line.get_gid(): line.get_xdata() for line in dice.lines if line.get_gid()}
    assert len(dots) == 5
    for run, of_run in dots.items():
        np.testing.assert_allclose(of_run, values[run])
    cells = measure(results, "table3_segmentation", "strict").set_index(["run", "metric", "region"])
    cell = cells.loc["cutgan+unet", "dice", "wt"]
    bars = [tuple(line.get_xdata()) for line in dice.lines if len(line.get_xdata()) == 2]
    assert bars[1] == pytest.approx((cell["low"], cell["high"]))
    enhancing = next(ax for ax in axes if ax.get_xlabel().startswith("Dice ET"))
    drawn_dots = [line.get_xdata() for line in enhancing.lines if line.get_gid()]
    assert np.isfinite(drawn_dots).sum() == 5 * 3


def test_distributions_show_dice_from_0_to_1_and_shade_what_there_is_to_gain(drawn, results):
    means = by_patient(results, "dice", "wt", "strict").mean()
    for ax in drawn["distributions"].axes:
        if ax.get_xlabel().startswith("Dice"):
            assert ax.get_xlim() == pytest.approx((-0.03, 1.03))
    (band,) = drawn["distributions"].axes[0].patches
    ends = [band.get_x(), band.get_x() + band.get_width()]
    np.testing.assert_allclose(ends, means[["copy_t1+unet", "real_t1ce+unet"]])


def test_distributions_of_many_metrics_have_a_page_per_task():
    every = {"segmentation": ["dice", "assd", "hd95", "nsd"], "synthesis": ["ssim", "psnr", "mae"]}
    rows = [Row(f"m{i}", f"M{i}", "method", "joint", BOTH) for i in range(30)]
    scores = made_up_scores(2, rows)
    like = {"segmentation": "dice", "synthesis": "ssim"}
    frames = [
        scores[scores["metric"] == like[task]].assign(metric=metric)
        for task, metrics in every.items()
        for metric in metrics
    ]
    figure = DRAW["distributions"](results_of(scores=pd.concat(frames), rows=rows))
    assert len(pages(figure)) == 2
    assert all(page.get_figheight() < 9.5 for page in pages(figure))


def test_distributions_have_the_panels_that_the_metrics_show_at_most_five_abreast(results):
    """Every metric is scored everywhere, but only `shown` regions are drawn, PSNR's not at all."""
    scores = results.scores[results.scores["metric"] != "psnr"]
    every = [
        scores[(scores["metric"] == like) & (scores["region"] == "et")].assign(
            metric=metric.name, region=region, postprocessing=metric.postprocessing
        )
        for metric in read_metrics().values()
        if metric.name != "psnr"
        for like in ("ssim" if metric.task == "synthesis" else "dice",)
        for region in TASK_REGIONS[metric.task]
    ]
    figure = DRAW["distributions"](results_of(scores=pd.concat(every)))
    titles = [" ".join(ax.get_xlabel().split("\n")[:-1]) for ax in figure.axes]
    tasks = ("segmentation", "synthesis")
    assert titles == [
        axis_title(metric.name, region)
        for task in tasks
        for metric in read_metrics().values()
        if metric.task == task and metric.name != "psnr"
        for region in metric.shown
    ]
    tops = [round(ax.get_position().y1, 3) for ax in figure.axes]
    assert max(tops.count(top) for top in tops) <= 5


def ranked_results(values, metric="dice", region="wt"):
    """Results of methods with these values per patient, named e0, e1, ..."""
    rows = [Row(f"e{i}", f"Method {i}", "method", tasks=SEGMENTATION) for i in range(len(values))]
    scores = [
        [row.run, 0, f"P{p:02}", "", "strict", "segmentation", region, metric, "lcc", value, ""]
        for row, of_row in zip(rows, values, strict=True)
        for p, value in enumerate(of_row)
    ]
    return made_up_results(frame(scores), rows, protocols=("strict",))


def test_ranks_are_those_of_table_v():
    """A method that is best by far, two that change places, and one that is worst by far."""
    rng = np.random.default_rng(0)
    base = rng.uniform(0.4, 0.5, 20)
    values = [
        base - 0.3,
        base + rng.normal(0, 0.05, 20),
        base + rng.normal(0, 0.05, 20),
        base + 0.3,
    ]
    results = ranked_results(values)
    cells = measure(results, "table3_segmentation", "strict")
    cells = cells[(cells["metric"] == "dice") & (cells["region"] == "wt")].set_index("run")
    figure = DRAW["ranks"](results)
    ax = titled(figure, "Dice WT")
    order = cells.loc[["e0", "e1", "e2", "e3"], "mean"].sort_values(ascending=False).index
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == [f"Method {run[1]}" for run in order] and ax.yaxis_inverted()
    assert {run: tuple(xy) for run, xy in points(ax).items()} == {
        run: (place + 1, place) for place, run in enumerate(order)
    }
    bars = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    expected = cells.loc[order, ["rank_low", "rank_high"]].to_numpy()
    np.testing.assert_array_equal(bars, expected)
    assert expected[1, 0] < expected[1, 1], "the two in the middle never change places"
    texts = [text.get_text() for text in ax.texts]
    shares = [f"{cells.loc[run, 'first']:.0%}" for run in order]
    assert texts == ["n = 20", "first", shares[0], *(f"{share} *" for share in shares[1:])]
    assert "differs from the best: p < 0.05" in said(figure)


def test_equal_means_share_the_better_rank():
    results = ranked_results([[0.5] * 8, [0.7] * 8, [0.7] * 8])
    assert {run: xy[0] for run, xy in points(DRAW["ranks"](results).axes[0]).items()} == {
        "e1": 1, "e2": 1, "e0": 3,
    }  # fmt: skip


def test_ranks_of_too_few_patients_are_one_sentence(drawn):
    (ax,) = drawn["ranks"].axes
    assert ax.texts[0].get_text() == "Too few patients for a test."
    assert (
        "Too few patients for a test, and thus not shown: Dice ET (n = 3); Dice TC (n = 4); "
        "Dice WT (n = 4); SSIM brain (n = 4); PSNR brain (n = 4)."
    ) in said(drawn["ranks"])


def test_ranks_begin_with_the_enhancing_tumour_and_best_on_top():
    axes = DRAW["ranks"](results_of(12)).axes
    assert [ax.get_title(loc="left") for ax in axes] == [
        "Dice ET", "Dice TC", "Dice WT", "SSIM brain", "PSNR brain (dB)",
    ]  # fmt: skip
    assert [ax.texts[0].get_text() for ax in axes] == [f"n = {n}" for n in (11, 12, 12, 12, 12)]
    best_on_top = [text.get_text() for text in axes[2].get_yticklabels()]
    assert best_on_top == ["UNet, no T1ce", "Joint net", "CUTGAN"]


def test_a_mean_of_fewer_patients_has_no_rank_and_the_figure_says_so():
    figure = DRAW["ranks"](ranked_results([[0.5] * 8, [0.7] * 8, [0.9] * 7 + [np.nan]]))
    assert set(points(figure.axes[0])) == {"e0", "e1"}
    assert "A method whose mean is of fewer patients has no rank." in said(figure)


def test_similarity_vs_utility_has_one_point_per_method(drawn, results):
    ax = drawn["similarity_vs_utility"].axes[0]
    assert set(points(ax)) == {"copy_t1", "cutgan", "joint"}
    ssim = by_patient(results, "ssim", "et", "strict")["cutgan"].mean()
    dice = by_patient(results, "dice", "et", "strict")["cutgan+unet"].mean()
    np.testing.assert_allclose(points(ax)["cutgan"], [ssim, dice])
    written = {text.get_text() for text in ax.texts}
    assert written == {
        "floor: T1 submitted as T1ce", "CUTGAN", "Joint net", "ceiling: real T1ce", "UNet",
    }  # fmt: skip
    assert "quality? Tiny phantom" in said(drawn["similarity_vs_utility"])
    assert ax.get_title(loc="left") == "no rho: too few methods\n2 methods, 3 patients"


def test_the_coefficient_of_similarity_has_its_interval_in_the_panel():
    rows = [Row(f"m{i}", f"M{i}", "method", "joint", BOTH) for i in range(5)]
    title = DRAW["similarity_vs_utility"](results_of(6, rows)).axes[0].get_title(loc="left")
    assert re.fullmatch(r"rho = 1\.00 \[[\d.]+, 1\.00\]\n5 methods, 5 patients", title), title


def test_cost_vs_quality_draws_trained_runs_as_points(drawn):
    dice, ssim = drawn["cost_vs_quality"].axes
    assert set(points(dice)) == {"copy_t1+unet", "real_t1ce+unet", "cutgan+unet", "joint", "unet"}
    assert set(points(ssim)) == {"cutgan", "joint"}
    assert points(dice)["cutgan+unet"][0] == pytest.approx(0.3 + 0.4)  # the generator's too
    written = {text.get_text() for text in ssim.texts}
    assert {"floor: T1 submitted as T1ce", "ceiling: real T1ce"} <= written
    assert dice.get_xscale() == "log" and dice.get_xlabel().startswith("core hours")
    keys = [text.get_text() for text in drawn["cost_vs_quality"].legends[0].get_texts()]
    assert keys == [
        "floor: T1 submitted as T1ce", "CUTGAN", "Joint net", "UNet", "ceiling: real T1ce",
    ]  # fmt: skip


def test_hours_are_of_the_device_that_computed():
    at = costs(ROWS)
    for devices, unit in (
        (["Tesla"], "GPU hours"),
        (["CPU"], "core hours"),
        (["CPU", "CPU + Tesla"], "GPU or core hours"),
    ):
        on = at.assign(device=(devices * len(at))[: len(at)])
        assert hours_unit(results_of(costs=on)) == unit


def test_the_stepped_line_joins_methods_that_no_cheaper_one_equals():
    with styled():
        ax = Canvas(3.5, 2, Caption("Title")).figure.subplots()
        front(ax, {"a": (3, 0.5), "b": (1, 0.2), "c": (2, 0.1), "d": (4, 0.5)}, "dice")
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xydata(), [(1, 0.2), (3, 0.5)])


def uneven(run, seed, kind, patient):
    """Twice the enhancing tumour by CUTGAN, none by the UNet, all else as in truth."""
    volume = predicted(run, seed, kind, patient)
    if kind == "seg" and run == "cutgan+unet":
        wider = volume == 2
        wider &= np.cumsum(wider).reshape(volume.shape) <= (volume == 3).sum()
        volume[wider] = 3
    elif kind == "seg" and run == "unet":
        volume[volume == 3] = 1
    return volume


def test_volumes_are_compared_in_ml_with_patients_without_any_apart():
    patients = {f"P{i}": WithoutET(f"P{i}") if i == 3 else MadeUpPatient(f"P{i}") for i in range(4)}
    figure = DRAW["volumes"](results_of(patients=patients, read_prediction=uneven))
    panels = {ax.get_title(loc="left"): ax for ax in figure.axes}
    assert list(panels) == [
        "floor: T1 submitted as\nT1ce", "CUTGAN", "Joint net", "UNet, no T1ce",
        "ceiling: real T1ce",
    ]  # fmt: skip
    true = (MadeUpPatient("P0").volume == 3).sum() * 27 / 1000
    for title, bias in {"CUTGAN": true, "UNet, no T1ce": -true, "Joint net": 0}.items():
        filled, hollow = (line for line in panels[title].lines if line.get_marker() == "o")
        np.testing.assert_allclose(filled.get_xydata(), [(true, bias)] * 3)
        np.testing.assert_allclose(hollow.get_xydata(), [(0, 0)])
        assert hollow.get_markerfacecolor() == "white"
        text = panels[title].texts[0].get_text()
        assert text == f"{bias:+.1f} [{bias:.1f}, {bias:.1f}], n = 3"


def test_enhancing_tumour_is_found_missed_and_invented():
    """P0 has none; of the others the UNet finds that of P1 and P2, by a hair."""
    patients = {f"P{i}": MadeUpPatient(f"P{i}") if i else WithoutET("P0") for i in range(4)}
    dice = {"P1": FOUND, "P2": 0.9, "P3": FOUND - 1e-6}
    scores = [
        ["unet", 0, name, "", "strict", "segmentation", "et", "dice", "lcc", value, ""]
        for name, value in dice.items()
    ]
    scores.append(["unet", 0, "P0", "", "strict", "segmentation", "et", "volume_difference", "lcc",
                   1.5, "reference empty"])  # fmt: skip
    results = results_of(rows=ROWS[-1:], scores=frame(scores), patients=patients)
    cells = detections(results).set_index("group")
    assert cells["count"].to_dict() == {
        "all": 2, "smallest": 1, "middle": 1, "largest": 0, "no_et": 1,
    }  # fmt: skip
    assert cells["n"].to_dict() == dict.fromkeys(cells.index, 1) | {"all": 3}
    figure = DRAW["detection"](results)
    shares = [points(ax)["unet"][0] for ax in figure.axes]
    np.testing.assert_allclose(shares, [2 / 3, 1, 1, 0, 1])
    assert figure.axes[-1].texts[0].get_text() == "1.5 ml"
    assert figure.axes[-1].get_title(loc="left") == "without ET\nn = 1"


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 1},
        {"patients": {f"P{i}": WithoutET(f"P{i}") for i in range(4)}},
        {"rows": [row for row in ROWS if row.tasks == SYNTHESIS]},
        {"rows": [row for row in ROWS if row.tasks == SEGMENTATION]},
        {"rows": [FAILED]},
    ],
    ids=["one patient", "nobody enhances", "no segmentor", "no synthesis", "all failed"],
)
def test_unusual_results_are_drawn_or_said_to_be_missing(changes, tmp_path):
    results = results_of(**changes)
    for name in ("synthesis", "segmentation", "detection", "volumes", "distributions", "ranks",
                 "cost_vs_quality", "attention"):  # fmt: skip
        figure = DRAW[name](results)
        words = [text for ax in figure.axes for text in ax.texts if text.get_text().endswith(".")]
        assert pictures(figure) or words or any(ax.lines for ax in figure.axes), name
        assert figure.caption.text, name


def test_training_curves_have_one_panel_per_run_and_one_colour_per_kind_of_loss(drawn):
    figure = drawn["training_curves"]
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["CUTGAN", "Joint net", "UNet", "UNet"]
    assert figure.axes[-1].get_ylim() == (0, 1) and len(figure.axes[-1].lines) == 2
    first = figure.axes[titles.index("CUTGAN")]
    assert len(first.lines) == 3
    assert first.lines[0].get_color() == first.lines[1].get_color() != first.lines[2].get_color()
    assert np.isnan(first.lines[2].get_ydata()[1])  # a loss of 0 has no logarithm
    keys = [text.get_text() for text in figure.legends[0].get_texts()]
    assert keys == ["D", "GAN", "cross_entropy"]


def test_attention_has_a_map_per_modality_of_the_median_patient(drawn):
    figure = drawn["attention"]
    maps = [image for ax in figure.axes for image in ax.images if image.cmap.name == "cividis"]
    assert len(maps) == 3
    assert {tuple(image.get_clim()) for image in maps} == {(0, 1)}
    assert maps[0].get_extent() == [-0.5, 23.5, 23.5, -0.5]
    words = "Patient: the median of 4 test patients with enhancing tumour by Dice ET"
    assert words in said(figure)
    assert "mean, brain mean, WT mean, ET 0.33 0.33 0.33" in said(figure)


def test_weights_are_averaged_within_regions():
    """All of T2 in the tumour's half of the slices, all of T1 in the other."""
    weights = np.zeros((2, 3, 4, 4))
    weights[:, 0, :, :2] = weights[:, 1, :, 2:] = 1
    means = region_means(results_of(1), "P0", Attention((0, 1), weights))
    np.testing.assert_allclose(means["et"], [0, 1, 0])
    labels = MadeUpPatient("P0").volume[:2]
    left = (labels[..., : SIDE // 2] >= 0).sum() / (labels >= 0).sum()
    np.testing.assert_allclose(means["brain"], [left, 1 - left, 0])


def test_patients_are_chosen_by_rank_or_all_shown():
    means = pd.Series([0.3, 0.9, np.nan, 0.1, 0.5], index=list("abcde"))
    assert best_median_worst(means) == {"b": "best", "a": "median", "d": "worst"}
    assert best_median_worst(means[:3]) == {"a": "", "b": "", "c": ""}
    assert best_median_worst(means * np.nan) == {"a": "", "b": "", "c": ""}


def test_patients_are_ranked_by_the_methods_alone(results):
    """Floors and ceilings would turn the order of the patients round."""
    scores = results.scores
    place = scores["patient"].str[1:].astype(float)
    method = scores["run"].isin([row.run for row in ROWS if row.role == "method"])
    dice = scores["metric"] == "dice"
    turned = scores["value"].mask(dice, np.where(method, 0.5 + place / 10, 1 - place / 4))
    changed = results_of(scores=scores.assign(value=turned))
    chosen, rule = choose(changed)
    assert chosen == {"P3": "best", "P1": "median", "P0": "worst"}
    assert rule == (
        "best, median and worst of 4 test patients with enhancing tumour by Dice ET, mean over "
        "the methods"
    )


def test_patients_without_enhancing_tumour_are_shown_only_where_nobody_has_any():
    patients = {f"P{i}": WithoutET(f"P{i}") if i in (1, 4) else MadeUpPatient(f"P{i}")
                for i in range(6)}  # fmt: skip
    chosen, rule = choose(results_of(6, patients=patients))
    assert not {"P1", "P4"} & set(chosen) and "of 4 test patients with enhancing" in rule
    nobody = results_of(6, patients={f"P{i}": WithoutET(f"P{i}") for i in range(6)})
    assert choose(nobody)[1].endswith("of 6 test patients by Dice WT, mean over the methods")
    unsegmented = results_of(6, [row for row in ROWS if row.tasks == SYNTHESIS])
    assert "by SSIM ET" in choose(unsegmented)[1]


def test_a_failed_run_is_left_out_and_named(drawn):
    for name, figure in drawn.items():
        assert "Without" not in said(figure), name
    results = results_of(2, [*ROWS, FAILED])
    for name in set(NAMES) - OF_SEGMENTATIONS - {"gap", "training_curves", "attention"}:
        assert "(failed: train: loss is NaN): DRIT++." in said(DRAW[name](results)), name


def test_each_figure_says_that_there_is_nothing_to_draw():
    nothing = results_of(0, histories={}, costs=cost_frame())
    for name, draw in DRAW.items():
        figure = draw(nothing)
        assert len(figure.axes) == 1, name
        assert figure.axes[0].texts[0].get_text().endswith("."), name


@pytest.mark.parametrize("name", ["similarity_vs_utility", "training_curves"])
def test_dollars_in_names_are_no_formula(name):
    """`$_$` is an error of matplotlib's mathtext."""
    rows = [replace(row, label=f"{row.label} $_$") for row in ROWS]
    losses = {("unet", 0): pd.DataFrame({"epoch": [1], "$_$": [1.0]})}
    figure = DRAW[name](results_of(2, rows, title="costs $_$ and $", histories=losses))
    pixels(figure)
    assert "$_$ and $" in said(figure)


def conventions_results():
    """Dice WT of four methods: their order, that of three of them reversed, and a tie."""
    under = {
        ("strict", "lcc"): [0.8, 0.7, 0.6, 0.5],
        ("slice_dice", "lcc"): [0.1, 0.2, 0.3, np.nan],
        ("strict", "none"): [0.4, 0.4, 0.4, 0.3],
    }
    scores = [
        [f"e{i}", 0, "P0", "", protocol, "segmentation", "wt", "dice", after, value, ""]
        for (protocol, after), values in under.items()
        for i, value in enumerate(values)
    ]
    rows = [Row(f"e{i}", f"Method {i}", "method", tasks=SEGMENTATION) for i in range(4)]
    return made_up_results(frame(scores), rows)


def test_conventions_show_ranks_as_colours_and_means_as_numbers():
    figure = DRAW["conventions"](conventions_results())
    (ax,) = figure.axes
    assert ax.get_title(loc="left") == "Dice WT ↑"
    titles = [text.get_text() for text in ax.get_xticklabels()]
    assert titles == ["strict", "slice mean", "all components"]
    (image,) = ax.images
    ranks = np.ma.filled(image.get_array().astype(float), np.nan)
    np.testing.assert_array_equal(ranks, [[1, 3, 1], [2, 2, 1], [3, 1, 1], [4, np.nan, 4]])
    written = [text.get_text() for text in ax.texts]
    assert written[:3] == ["0.80", "0.10", "0.40"]
    assert written[-3:-1] == ["1.00", "-1.00"], "tau"
    lines = [text.get_text() for text in ax.get_yticklabels()]
    assert lines == ["Method 0", "Method 1", "Method 2", "Method 3", "tau"]


def test_names_of_conventions_are_apart_and_on_the_page():
    """Nine methods that all end in one rank, as where none finds the region."""
    rows = [
        Row(f"e{i}", f"Three encoders, averaged {i} + UNet", "method", tasks=SEGMENTATION)
        for i in range(9)
    ]
    scores = [
        [row.run, 0, "P0", "", "strict", "segmentation", region, metric, after, 0.5, ""]
        for row in rows
        for metric in ("dice", "assd")
        for region in ("wt", "et")
        for after in ("lcc", "none")
    ]
    figure = DRAW["conventions"](made_up_results(frame(scores), rows))
    page = figure.bbox
    assert len(figure.axes) == 4
    for ax in figure.axes:
        names = [text for text in ax.get_yticklabels() if text.get_text()]
        assert len(names) == len(rows) + 1
        boxes = [text.get_window_extent() for text in names]
        boxes += [text.get_window_extent() for text in ax.get_xticklabels()]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes)


def test_labels_cover_neither_each_other_nor_points():
    rng = np.random.default_rng(3)
    places = [tuple(place) for place in rng.uniform(0, 1, (9, 2))]
    with styled():
        ax = Canvas(3.5, 2.9, Caption("Title")).axes(0.4, 0, 3, 2.8)
        ax.plot(*np.transpose(places), "o")
        ax.margins(0.12)
        label_points(ax, places, [f"Method {i} + UNet" for i in range(9)], {"floor": 0.5})
        boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 10
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    dots = ax.transData.transform(places)
    assert not any(box.contains(*dot) for box in boxes for dot in dots)


def test_files_repeat_byte_for_byte_and_embed_their_fonts(tmp_path):
    results = results_of(1, ROWS[-4:])
    for name in ("synthesis", "similarity_vs_utility"):
        first, second = (save(DRAW[name](results), tmp_path / folder, name) for folder in "ab")
        assert [path.name for path in first] == [f"{name}.png", f"{name}.pdf"]
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name
        png, pdf = (path.read_bytes() for path in first)
        assert b"tEXt" not in png and b"CreationDate" not in pdf
        assert b"/FontFile2" in pdf and b"/Type3" not in pdf
        assert re.search(rb"/BaseFont /[A-Z]{6}\+DejaVuSans", pdf)
