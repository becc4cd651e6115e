"""Figures of made-up patients: what they show, that they are upright, and that they repeat."""

import re
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from made_up import AFFINE
from scipy.stats import f

from benchmarks.cohorts.brats import find_patients
from benchmarks.cohorts.store import Grid, StoredPatient, prepare
from benchmarks.reporting.cost import COLUMNS as COST_COLUMNS
from benchmarks.reporting.cost import Training
from benchmarks.reporting.figures import (
    Case,
    Cohort,
    Gaze,
    attention,
    choose,
    conventions,
    cost_vs_quality,
    distributions,
    fig4_synthesis,
    fig5_segmentation,
    hours,
    looks,
    ranks,
    save,
    similarity_vs_utility,
    training_curves,
)
from benchmarks.reporting.figures.ranking import critical_distance, iman_davenport, rank
from benchmarks.reporting.figures.style import PALETTE, Sheet, direct_labels, styled
from benchmarks.reporting.figures.values import by_patient, mean_of_entries
from benchmarks.reporting.published import read_published
from benchmarks.reporting.tables import COLUMNS, System

BOTH, SYNTHESIS, SEGMENTATION = ("synthesis", "segmentation"), ("synthesis",), ("segmentation",)
SYSTEMS = [
    System("copy_t1", "copy T1", "floor", tasks=SYNTHESIS),
    System("copy_t1+unet", "copy T1 + UNet", "floor", tasks=SEGMENTATION),
    System("real_t1ce", "real T1ce", "oracle", tasks=SYNTHESIS),
    System("real_t1ce+unet", "real T1ce + UNet", "oracle", tasks=SEGMENTATION),
    System("cutgan", "CUTGAN", "entry", tasks=SYNTHESIS),
    System("cutgan+unet", "CUTGAN + UNet", "entry", tasks=SEGMENTATION),
    System("joint", "Joint net", "entry", tasks=BOTH),
    System("unet", "UNet", "entry", tasks=SEGMENTATION),
]
FAILED = System("drit", "DRIT++", "entry", "train: loss is NaN", tasks=SYNTHESIS)
COHORT = Cohort("tiny phantom", "Tiny phantom, 9 patients, 3 of them test.", simulated=True)


def made_up_scores(patients=4, systems=SYSTEMS):
    """Values that differ by system and patient; the ceiling's PSNR is infinite, P0 has no ET."""
    rng = np.random.default_rng(0)
    rows = []
    for index, system in enumerate(systems):
        cells = [("synthesis", m, r) for m in ("ssim", "psnr") for r in ("brain", "et")]
        cells += [("segmentation", "dice", region) for region in ("wt", "tc", "et")]
        for task, metric, region in (cell for cell in cells if cell[0] in system.tasks):
            for patient in range(patients):
                value = 0.2 + 0.08 * index + 0.02 * rng.random()
                if metric == "psnr":
                    value = np.inf if system.role == "oracle" else 20 + value
                if patient == 0 and region == "et":
                    value = np.nan
                after = "lcc" if task == "segmentation" else ""
                rows.append([system.id, 0, f"P{patient}", "", "strict", task, region, metric, after,
                             value, ""])  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def made_up_cases(count=2, side=24, systems=SYSTEMS):
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:side, :side] - side / 2 + 0.5
    distance = np.hypot(rows / 1.2, columns)
    labels = np.where(distance < side / 3, 0, -1)
    labels[(np.hypot(rows, columns - 3) < 3)] = 2
    labels[(np.hypot(rows, columns - 3) < 1.5)] = 3
    cases = []
    for number in range(count):
        images = np.where(labels >= 0, rng.uniform(-0.5, 0.5, (4, side, side)), -1)
        made = {s.id: (images[0] if "synthesis" in s.tasks else np.maximum(labels, 0))
                for s in systems}  # fmt: skip
        cases.append(Case(f"P{number}", "", 7, (3.0, 3.0), images, labels, made))
    return cases


def classes_of(cases):
    """The same cases with classes in place of T1ce."""
    return [replace(c, made=dict.fromkeys(c.made, np.maximum(c.labels, 0))) for c in cases]


def histories():
    frame = pd.DataFrame({"epoch": [1, 2], "D_A": [1.0, 0.5], "D_B": [1.0, 0.4], "GAN": [2.0, 0.0]})
    segmentor = pd.DataFrame({"epoch": [1, 2], "cross_entropy": [1.0, 0.1], "val_dice": [0.1, 0.4]})
    return {"cutgan": [frame], "unet": [segmentor, segmentor], "joint": [frame.iloc[:1]]}


def all_figures(scores, systems=SYSTEMS):
    cases = made_up_cases(systems=systems)
    gazes = [Gaze("joint", case, np.full((3, 6, 6), 1 / 3)) for case in cases]
    took = {system.id: 0.1 * (index % 4) for index, system in enumerate(systems)}
    return {
        "fig4_synthesis": fig4_synthesis(COHORT, cases, systems, "All of them."),
        "fig5_segmentation": fig5_segmentation(COHORT, classes_of(cases), systems, "All of them."),
        "distributions": distributions(COHORT, scores, systems, "strict"),
        "ranks": ranks(COHORT, scores, systems, "strict"),
        "conventions": conventions(COHORT, scores, systems),
        "similarity_vs_utility": similarity_vs_utility(COHORT, scores, systems, "strict"),
        "training_curves": training_curves(COHORT, histories(), systems),
        "cost_vs_quality": cost_vs_quality(COHORT, scores, took, systems, "strict"),
        "attention": attention(COHORT, gazes, systems, "All of them."),
    }


@pytest.fixture(scope="module")
def scores():
    return made_up_scores()


@pytest.fixture(scope="module")
def drawn(scores):
    return all_figures(scores)


def said(figure):
    """All words outside the axes, on one line."""
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def pixels(figure):
    with styled():
        figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float)


def points(ax):
    """Coordinates of an axes' markers that have a system's id."""
    return {line.get_gid(): line.get_xydata()[0] for line in ax.lines if line.get_gid()}


def test_every_figure_names_its_cohort_and_that_it_is_simulated(drawn):
    for name, figure in drawn.items():
        assert "Tiny phantom, SIMULATED patients" in said(figure), name
        assert COHORT.description in said(figure), name


def test_real_patients_are_not_called_simulated(scores):
    real = Cohort("BraTS2020", "BraTS2020, 3 test patients.", simulated=False)
    assert "SIMULATED" not in said(ranks(real, scores, SYSTEMS, "strict"))


def test_figures_fit_a_page_and_no_text_is_smaller_than_seven_points(drawn):
    for name, figure in drawn.items():
        assert round(figure.get_figwidth(), 2) in (3.5, 7.16), name
        assert figure.get_figheight() < 9.5, name
        sizes = [
            text.get_fontsize()
            for text in figure.findobj(match=lambda x: hasattr(x, "get_fontsize"))
        ]
        assert min(sizes) >= 7, name


def test_nothing_is_written_beyond_the_edges(drawn):
    for name, figure in drawn.items():
        pixels(figure)
        width, height = figure.bbox.size
        for text in figure.texts:
            if text.get_text():
                box = text.get_window_extent()
                assert box.x0 >= 0 and box.x1 <= width + 1, (name, text.get_text())
                assert box.y0 >= -1 and box.y1 <= height + 1, (name, text.get_text())


def test_colours_follow_from_the_list_alone_and_are_one_a_method():
    made = looks(SYSTEMS)
    assert made["cutgan"] == made["cutgan+unet"]
    assert made["copy_t1"].color == "#808080" and made["real_t1ce"].color == "#000000"
    many = SYSTEMS + [System(f"m{i}", f"M{i}", "entry") for i in range(40)]
    assert all(looks(many)[system.id] == made[system.id] for system in SYSTEMS)
    entries = [look for key, look in looks(many).items() if "+" not in key]
    assert len({(look.color, look.marker) for look in entries}) == len(entries)
    few = SYSTEMS + [System(f"m{i}", f"M{i}", "entry") for i in range(2 * len(PALETTE) - 3)]
    colors = [look.color for key, look in looks(few).items() if "+" not in key]
    assert len(set(colors)) == len(colors)


def test_synthesis_has_a_picture_a_modality_and_two_a_system_and_patient(drawn):
    pictures = [ax for ax in drawn["fig4_synthesis"].axes if ax.images]
    # T1, T2, FLAIR, T1ce plain and outlined; copy T1, CUTGAN and the joint net with their errors.
    assert len(pictures) == 2 * (5 + 2 * 3) and "real T1ce" not in said(drawn["fig4_synthesis"])
    for words in ("T1 T2 FLAIR", "CUTGAN", "Joint net", "slice 7"):
        assert words in said(drawn["fig4_synthesis"])
    windows = {
        image.get_clim() for ax in pictures for image in ax.images if image.cmap.name == "gray"
    }
    assert windows == {(-1, 1)}


def test_segmentation_has_the_truth_and_every_system(drawn):
    pictures = [ax for ax in drawn["fig5_segmentation"].axes if ax.images]
    assert len(pictures) == 2 * (3 + 5)
    assert sum(len(ax.images) == 2 for ax in pictures) == 2 * (1 + 5)
    figure = drawn["fig5_segmentation"]
    assert "truth" in said(figure)
    keys = [text.get_text() for ax in figure.axes if ax.legend_ for text in ax.legend_.get_texts()]
    assert keys == ["necrosis, non-enhancing", "oedema", "enhancing tumour"]


def test_more_systems_than_a_line_holds_get_another_with_its_own_headings():
    more = SYSTEMS + [System(f"m{i}", f"Method {i}", "entry", tasks=BOTH) for i in range(12)]
    cases = made_up_cases(systems=more)
    for figure in (
        fig4_synthesis(COHORT, cases, more, ""),
        fig5_segmentation(COHORT, classes_of(cases), more, ""),
    ):
        headings = [" ".join(text.get_text().split()) for text in figure.texts]
        assert headings.count("Method 11") == 2


def test_long_names_stay_on_the_page():
    case = made_up_cases(1)[0]
    named = replace(case, patient="BraTS20_Training_355_of_a_long_name", why="median", z=100)
    for figure in (
        fig5_segmentation(COHORT, classes_of([named]), SYSTEMS, ""),
        attention(COHORT, [Gaze("joint", named, np.full((3, 6, 6), 1 / 3))], SYSTEMS, ""),
    ):
        pixels(figure)
        name = next(text for text in figure.texts if "355" in text.get_text())
        pictures = min(ax.get_window_extent().x0 for ax in figure.axes if ax.images)
        assert name.get_window_extent().x0 >= 0 and name.get_window_extent().x1 <= pictures


def test_front_is_up_and_the_patients_left_is_on_the_right(tmp_path):
    """A bright spot in the patient's left front, written as NIfTI as BraTS lies."""
    shape = (48, 48, 4)  # x to the left, y to the back (see AFFINE), z up
    x, y, _ = np.indices(shape)
    brain = np.hypot(x - 23.5, y - 23.5) < 20
    image = np.where(brain, 100 + x + y, 0).astype(np.int16)
    spot = (slice(30, 36), slice(8, 14))
    image[spot] = 1000
    assert nib.aff2axcodes(AFFINE) == ("L", "P", "S")
    volumes = {kind: image for kind in ("t1", "t2", "flair", "t1ce")}
    volumes["seg"] = np.zeros(shape, np.uint8)
    volumes["seg"][20:24, 20:24] = 2
    folder = tmp_path / "raw" / "P0"
    folder.mkdir(parents=True)
    for kind, volume in volumes.items():
        nib.save(nib.Nifti1Image(volume, AFFINE), folder / f"P0_{kind}.nii.gz")
    prepare(find_patients(tmp_path / "raw")[0], tmp_path / "store", Grid(crop=48))
    patient = StoredPatient(tmp_path / "store", "P0")
    images, labels = patient.slice(1, 48)
    case = Case("P0", "", 1, patient.spacing[1:], images, labels, {"joint": images[3]})

    figure = fig4_synthesis(COHORT, [case], SYSTEMS[-2:], "")
    drawn = pixels(figure)
    for ax in (ax for ax in figure.axes if ax.images and ax.images[0].cmap.name == "gray"):
        box = ax.get_window_extent()
        height = figure.bbox.height
        top, left = int(height - box.y1) + 2, int(box.x0) + 2  # without what is around it
        part = drawn[top : int(height - box.y0) - 2, left : int(box.x1) - 2]
        rows, columns = np.nonzero((part > 250).all(axis=-1))
        assert rows.size > 0
        assert rows.mean() < 0.45 * len(part) and columns.mean() > 0.55 * part.shape[1]


def test_pixels_that_are_not_square_keep_their_shape():
    case = replace(made_up_cases(1)[0], pixel=(2.0, 1.0))
    ax = next(ax for ax in fig4_synthesis(COHORT, [case], SYSTEMS, "").axes if ax.images)
    columns, rows = np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())
    assert columns == pytest.approx(2 * rows)


def test_distributions_draw_every_patient_and_join_them(drawn, scores):
    axes = drawn["distributions"].axes
    assert len(axes) == 7
    dice = next(ax for ax in axes if ax.get_xlabel().startswith("Dice WT"))
    labels = [text.get_text() for text in dice.get_yticklabels()]
    assert labels == [
        "floor: copy T1 + UNet", "CUTGAN + UNet", "Joint net", "UNet", "ceiling: real T1ce + UNet",
    ]  # fmt: skip
    assert sum(len(dots.get_offsets()) for dots in dice.collections) == 5 * 4
    lines = [line for line in dice.lines if len(line.get_xdata()) == 5]
    assert len(lines) == 4 + 1  # patients, and the ticks of the means
    values = by_patient(scores, SYSTEMS, "dice", "wt", "strict")
    first = values.loc["P0", ["cutgan+unet", "joint"]]
    np.testing.assert_allclose(lines[0].get_xdata()[1:3], first)
    enhancing = next(ax for ax in axes if ax.get_xlabel().startswith("Dice ET"))
    assert sum(len(dots.get_offsets()) for dots in enhancing.collections) == 5 * 3


def test_boxes_are_drawn_of_enough_patients():
    few, many = (
        distributions(COHORT, made_up_scores(n), SYSTEMS, "strict").axes[0] for n in (4, 5)
    )
    assert len(many.lines) > len(few.lines) + 5


def test_values_are_means_over_seeds(scores):
    twice = pd.concat([scores, scores.assign(seed=1, value=scores["value"] + 0.2)])
    once = by_patient(scores, SYSTEMS, "dice", "wt", "strict")
    np.testing.assert_allclose(by_patient(twice, SYSTEMS, "dice", "wt", "strict"), once + 0.1)
    assert list(once) == ["copy_t1+unet", "real_t1ce+unet", "cutgan+unet", "joint", "unet"]


def test_ranks_claim_nothing_of_few_patients(drawn):
    axes = drawn["ranks"].axes
    assert len(axes) == 7
    verdicts = [ax.texts[0].get_text() for ax in axes]
    assert verdicts[0] == "n = 4: too few to test for differences"
    assert "n = 3: too few to test for differences" in verdicts
    best_on_top = [text.get_text() for text in axes[0].get_yticklabels()]
    assert best_on_top == ["UNet", "Joint net", "CUTGAN + UNet"]
    assert not any(line.get_linewidth() == 2 for ax in axes for line in ax.lines)


def test_critical_distance_is_demsars():
    """Table 5(a) of Demsar 2006, q at 5 %: 2.343 for 3 systems, 2.728 for 5, 3.164 for 10."""
    for systems, q in ((3, 2.343), (5, 2.728), (10, 3.164)):
        expected = q * np.sqrt(systems * (systems + 1) / (6 * 20))
        assert critical_distance(20, systems) == pytest.approx(expected, abs=2e-3)


def test_friedman_is_demsars_example():
    """Demsar 2006, Sec. 3.2.2: 14 data sets, 4 classifiers, chi2 = 9.28, F = 3.69, CD = 1.25."""
    assert f.isf(iman_davenport(9.28, 14, 4), 3, 39) == pytest.approx(3.69, abs=0.01)
    assert critical_distance(14, 4) == pytest.approx(1.25, abs=0.01)


def test_bars_join_what_the_test_cannot_tell_apart():
    rng = np.random.default_rng(0)
    base = pd.DataFrame({"a": rng.normal(0, 1, 40), "b": rng.normal(0, 1, 40)})
    ranking = rank(base.assign(c=base["a"] + 9, d=base["b"] + 9), higher_is_better=True)
    assert ranking.p < 0.001 and ranking.alike == [(0, 1), (2, 3)]
    same = pd.DataFrame(np.ones((20, 3)), columns=list("abc"))
    assert rank(same, True).p == 1 and "no difference" in rank(same, True).verdict


def test_similarity_vs_utility_has_a_point_a_method(drawn, scores):
    ax = drawn["similarity_vs_utility"].axes[0]
    assert set(points(ax)) == {"copy_t1", "cutgan", "joint"}
    ssim = by_patient(scores, SYSTEMS, "ssim", "et", "strict")["cutgan"].mean()
    dice = by_patient(scores, SYSTEMS, "dice", "et", "strict")["cutgan+unet"].mean()
    np.testing.assert_allclose(points(ax)["cutgan"], [ssim, dice])
    written = {text.get_text() for text in ax.texts}
    assert written == {"floor: copy T1", "CUTGAN", "Joint net", "ceiling: real T1ce", "UNet"}


def test_cost_vs_quality_draws_what_was_trained_as_points(drawn):
    dice, ssim = drawn["cost_vs_quality"].axes
    assert "unet" in points(dice) and "cutgan+unet" in points(dice)
    assert set(points(ssim)) == {"real_t1ce", "joint"}  # of these the made-up hours are above 0
    assert dice.get_xscale() == "log" and "hours" in dice.get_xlabel()


def test_hours_count_the_generator_and_what_a_run_goes_on_from():
    rows = [["cutgan", 0, 1, 1, 3600, 3600, 1, "CPU", 1], ["m+unet", 0, 1, 1, 1, 1, 1, "CPU", 1]]
    rows += [["cutgan+unet", 0, 1, 1, 1800, 1800, 1, "CPU", 1]]
    rows += [["cutgan.joint", 0, 1, 1, 1800, 1800, 1, "CPU", 1]]
    rows += [["copy_t1+unet", 0, 1, 1, 900, 1800, 1, "CPU", 1]]
    trainings = [
        Training("copy_t1", "control", trained=False),
        Training("copy_t1+unet", "segmentation"),
        Training("cutgan", "synthesis"),
        Training("cutgan+unet", "segmentation"),
        Training("cutgan.joint", "joint", continues="cutgan"),
        Training("m", "synthesis"),
        Training("m+unet", "segmentation"),
    ]
    systems = [System(training.system, training.system, "entry") for training in trainings]
    took = hours(read_published(), pd.DataFrame(rows, columns=COST_COLUMNS), systems, trainings)
    assert took == pytest.approx(
        {"copy_t1": 0, "copy_t1+unet": 0.5, "cutgan": 1, "cutgan+unet": 1.5, "cutgan.joint": 1.5}
    )


def test_training_curves_have_a_panel_a_run_and_a_colour_a_kind_of_loss(drawn):
    figure = drawn["training_curves"]
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["CUTGAN", "Joint net", "UNet"]
    first = figure.axes[titles.index("CUTGAN")]
    assert len(first.lines) == 3
    assert first.lines[0].get_color() == first.lines[1].get_color() != first.lines[2].get_color()
    assert np.isnan(first.lines[2].get_ydata()[1])  # a loss of 0 has no logarithm
    keys = [text.get_text() for text in figure.legends[0].get_texts()]
    assert keys == ["D", "GAN", "cross_entropy", "validation Dice"]


def test_attention_has_a_map_a_modality(drawn):
    maps = [i for ax in drawn["attention"].axes for i in ax.images if i.cmap.name == "cividis"]
    assert len(maps) == 2 * 3
    assert {tuple(image.get_clim()) for image in maps} == {(0, 1)}
    assert maps[0].get_extent() == [-0.5, 23.5, 23.5, -0.5]


def test_patients_are_chosen_by_rank_or_all_shown():
    means = pd.Series([0.3, 0.9, np.nan, 0.1, 0.5], index=list("abcde"))
    assert choose(means) == {"b": "best", "a": "median", "d": "worst"}
    assert choose(means[:3]) == {"a": "", "b": "", "c": ""}
    assert choose(means * np.nan) == {"a": "", "b": "", "c": ""}


def test_patients_are_ranked_by_the_entries_alone(scores):
    entries = by_patient(scores, SYSTEMS, "dice", "wt", "strict")[["cutgan+unet", "joint", "unet"]]
    means = mean_of_entries(scores, SYSTEMS, "dice", "wt", "strict")
    np.testing.assert_allclose(means, entries.mean(axis=1))


def test_what_failed_is_left_out_and_named(scores, drawn):
    systems = [*SYSTEMS, FAILED]
    for name, figure in drawn.items():
        assert "Without" not in said(figure), name
    cases = made_up_cases()
    for figure in (
        fig4_synthesis(COHORT, cases, systems, ""),
        distributions(COHORT, scores, systems, "strict"),
        ranks(COHORT, scores, systems, "strict"),
        similarity_vs_utility(COHORT, scores, systems, "strict"),
        cost_vs_quality(COHORT, scores, {"cutgan": 1.0, "joint": 2.0}, systems, "strict"),
        conventions(COHORT, scores, systems),
    ):
        assert "(failed: train: loss is NaN): DRIT++." in said(figure)


def test_nothing_to_draw_is_said():
    nothing = made_up_scores(0)
    figures = [draw(COHORT, nothing, SYSTEMS, "strict")
               for draw in (distributions, ranks, similarity_vs_utility)]  # fmt: skip
    figures += [
        cost_vs_quality(COHORT, nothing, {}, SYSTEMS, "strict"),
        conventions(COHORT, nothing, SYSTEMS),
        training_curves(COHORT, {}, SYSTEMS),
        attention(COHORT, [], SYSTEMS, ""),
        fig4_synthesis(COHORT, [], SYSTEMS, ""),
        fig5_segmentation(COHORT, [], SYSTEMS, ""),
    ]
    for figure in figures:
        assert len(figure.axes) == 1 and figure.axes[0].texts[0].get_text().endswith(".")


def ranked_scores():
    """Dice WT of four entries: their order, that of three of them turned round, and a tie."""
    under = {
        ("strict", "lcc"): [0.8, 0.7, 0.6, 0.5],
        ("slice_dice", "lcc"): [0.1, 0.2, 0.3, np.nan],
        ("strict", "none"): [0.4, 0.4, 0.4, 0.3],
    }
    return pd.DataFrame(
        [
            [f"e{i}", 0, "P0", "", protocol, "segmentation", "wt", "dice", after, value, ""]
            for (protocol, after), values in under.items()
            for i, value in enumerate(values)
        ],
        columns=COLUMNS,
    )


def test_lines_of_conventions_are_ranks():
    entries = [System(f"e{i}", f"Entry {i}", "entry", tasks=SEGMENTATION) for i in range(4)]
    figure = conventions(COHORT, ranked_scores(), entries)
    (ax,) = figure.axes
    assert ax.get_title(loc="left") == "Dice WT ↑"
    titles = [text.get_text() for text in ax.get_xticklabels()]
    assert titles == ["strict", "slice mean", "all components"]
    lines = {line.get_gid(): line.get_ydata() for line in ax.lines if line.get_gid()}
    ranks = {system: [int(y) if y == y else None for y in ys] for system, ys in lines.items()}
    assert ranks == {"e0": [1, 3, 1], "e1": [2, 2, 1], "e2": [3, 1, 1], "e3": [4, None, 4]}
    assert len({ys[-1] for ys in lines.values()}) == 4, "a tie hides a line"
    assert ax.yaxis_inverted()


def test_names_of_conventions_lie_apart_and_on_the_page():
    """Nine entries that all end in one rank, as where none finds the region."""
    entries = [
        System(f"e{i}", f"Three encoders, averaged {i} + UNet", "entry", tasks=SEGMENTATION)
        for i in range(9)
    ]
    scores = pd.DataFrame(
        [
            [entry.id, 0, "P0", "", "strict", "segmentation", region, metric, after, 0.5, ""]
            for entry in entries
            for metric in ("dice", "assd")
            for region in ("wt", "et")
            for after in ("lcc", "none")
        ],
        columns=COLUMNS,
    )
    figure = conventions(COHORT, scores, entries)
    page = figure.bbox
    for ax in figure.axes:
        names = [text for text in ax.texts if text.get_text()]
        assert len(names) == len(entries)
        boxes = [text.get_window_extent() for text in names]
        boxes += [text.get_window_extent() for text in ax.get_xticklabels()]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes)


def test_labels_cover_neither_each_other_nor_points():
    rng = np.random.default_rng(3)
    places = [tuple(place) for place in rng.uniform(0, 1, (9, 2))]
    with styled():
        ax = Sheet(3.5, 2.9, "Title", []).axes(0.4, 0, 3, 2.8)
        ax.plot(*np.transpose(places), "o")
        ax.margins(0.12)
        direct_labels(ax, places, [f"Method {i} + UNet" for i in range(9)], {"floor": 0.5})
        boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    dots = ax.transData.transform(places)
    assert not any(box.contains(*dot) for box in boxes for dot in dots)


def test_files_repeat_byte_for_byte_and_embed_their_fonts(scores, tmp_path):
    cases = made_up_cases(1)
    for name, draw in {
        "pictures": lambda: fig4_synthesis(COHORT, cases, SYSTEMS[-2:], ""),
        "chart": lambda: similarity_vs_utility(COHORT, scores, SYSTEMS, "strict"),
    }.items():
        first, second = (save(draw(), tmp_path / place, name) for place in ("a", "b"))
        assert [path.name for path in first] == [f"{name}.png", f"{name}.pdf"]
        for one, other in zip(first, second, strict=True):
            assert one.read_bytes() == other.read_bytes(), one.name
        png, pdf = (path.read_bytes() for path in first)
        assert b"tEXt" not in png and b"CreationDate" not in pdf
        assert b"/FontFile2" in pdf and b"/Type3" not in pdf
        assert re.search(rb"/BaseFont /[A-Z]{6}\+DejaVuSans", pdf)
