"""The protocols: their files, each case of an empty region, inputs, and real patients."""

import math
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml
from made_up import head
from medpy.metric import binary as medpy
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.errors import InputError
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.protocol import PROTOCOLS, load_protocol
from benchmarks.scoring.score import score_segmentation, score_synthesis

NAN = math.nan
SPACING = (1.0, 1.0, 1.0)
DIAGONAL = 373.13
ET_ML = np.count_nonzero(head() == 3) / 1000
PAPER, STRICT = load_protocol("paper"), load_protocol("strict")
HELD_OUT = load_protocol("held_out")
KEYS = {"protocol", "task", "region", "metric", "postprocessing", "value", "note"}


def contrasts(labels):
    """A reference and a prediction in [-1, 1], both -1 outside the brain."""
    rng = np.random.default_rng(11)
    reference = rng.uniform(-1, 1, labels.shape)
    prediction = np.clip(reference + rng.normal(0, 0.3, labels.shape), -1, 1)
    return tuple(np.where(labels >= 0, volume, -1.0) for volume in (reference, prediction))


def as_classes(labels):
    return np.maximum(labels, 0).astype(np.uint8)


def cell(rows, region, metric, postprocessing=""):
    """The one row of a region, metric and post-processing."""
    wanted = (region, metric, postprocessing)
    (row,) = [
        row for row in rows if (row["region"], row["metric"], row["postprocessing"]) == wanted
    ]
    return row


def value(rows, *where):
    return cell(rows, *where)["value"]


# Synthesis


def test_paper_synthesis_is_scikit_image_averaged_over_tumour_slices():
    labels = head()
    reference, prediction = contrasts(labels)
    rows = score_synthesis([PAPER], reference, prediction, labels)
    pairs = [((reference[z] + 1) / 2, (prediction[z] + 1) / 2) for z in range(3, 7)]
    ssim = np.mean([structural_similarity(*pair, data_range=1) for pair in pairs])
    psnr = np.mean([peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs])
    assert value(rows, "whole", "ssim") == pytest.approx(ssim, abs=1e-9)
    assert value(rows, "whole", "psnr") == pytest.approx(psnr, abs=1e-9)
    assert len(rows) == 2


def test_strict_synthesis_is_scikit_images_map_averaged_in_each_region():
    labels = head()
    reference, prediction = ((volume + 1) / 2 for volume in contrasts(labels))
    maps = [
        structural_similarity(
            *pair, data_range=1, gaussian_weights=True, use_sample_covariance=False, full=True
        )[1]
        for pair in zip(reference, prediction, strict=True)
    ]
    masks = {"whole": labels > -9, "brain": labels >= 0, "wt": labels > 0, "et": labels == 3}
    rows = score_synthesis([STRICT], *contrasts(labels), labels)
    for region, mask in masks.items():
        psnr = peak_signal_noise_ratio(reference[mask], prediction[mask], data_range=1)
        assert value(rows, region, "ssim") == pytest.approx(np.stack(maps)[mask].mean(), abs=1e-9)
        assert value(rows, region, "psnr") == pytest.approx(psnr, abs=1e-9)
    assert len(rows) == len(STRICT.synthesis.metrics) * len(masks)


@pytest.mark.parametrize("protocol", [PAPER, STRICT], ids=["paper", "strict"])
def test_identical_volumes_say_so(protocol):
    labels = head()
    reference, _ = contrasts(labels)
    for row in score_synthesis([protocol], reference, reference.copy(), labels):
        note = "identical" if row["metric"] == "psnr" else ""
        expected = {"ssim": 1, "psnr": math.inf, "mae": 0, "nmi": 2}[row["metric"]]
        assert (row["value"], row["note"]) == (pytest.approx(expected), note)


def test_one_identical_slice_makes_the_papers_mean_infinite_and_is_named():
    labels = head()
    reference, prediction = contrasts(labels)
    prediction[4] = reference[4]
    row = cell(score_synthesis([PAPER], reference, prediction, labels), "whole", "psnr")
    assert (row["value"], row["note"]) == (math.inf, "identical in 1 of 4 slices")


def test_an_empty_region_has_no_similarity():
    labels = head()
    labels[labels == 3] = 2
    rows = score_synthesis([STRICT], *contrasts(labels), labels)
    assert {row["region"] for row in rows if row["note"] == "region empty"} == {"et"}
    assert {row["region"] for row in rows if math.isnan(row["value"])} == {"et"}


def test_the_paper_has_nothing_to_say_of_a_volume_without_tumour():
    labels = np.minimum(head(), 0)
    for row in score_synthesis([PAPER], *contrasts(labels), labels):
        assert math.isnan(row["value"])
        assert row["note"] == "region empty"


def test_protocols_differ_on_the_same_volumes():
    labels = head()
    paper = score_synthesis([PAPER], *contrasts(labels), labels)
    strict = score_synthesis([STRICT], *contrasts(labels), labels)
    assert value(paper, "whole", "ssim") < value(strict, "whole", "ssim") - 0.01


# Segmentation

EMPTY_CASES = [
    # protocol, metric, reference has tumour, prediction has tumour, value, note
    (PAPER, "dice", True, False, 0, "prediction empty"),
    (PAPER, "dice", False, True, 0, "reference empty"),
    (PAPER, "dice", False, False, NAN, "both empty"),
    (PAPER, "assd", True, False, NAN, "prediction empty"),
    (PAPER, "assd", False, True, NAN, "reference empty"),
    (PAPER, "assd", False, False, NAN, "both empty"),
    (STRICT, "dice", True, False, 0, "prediction empty"),
    (STRICT, "dice", False, True, 0, "reference empty"),
    (STRICT, "dice", False, False, NAN, "both empty"),
    (STRICT, "dice_brats", True, False, 0, "prediction empty"),
    (STRICT, "dice_brats", False, True, 0, "reference empty"),
    (STRICT, "dice_brats", False, False, 1, "both empty"),
    (STRICT, "assd", True, False, DIAGONAL, "prediction empty"),
    (STRICT, "assd", False, True, DIAGONAL, "reference empty"),
    (STRICT, "assd", False, False, NAN, "both empty"),
    (STRICT, "hd95", True, False, DIAGONAL, "prediction empty"),
    (STRICT, "hd95", False, True, DIAGONAL, "reference empty"),
    (STRICT, "hd95", False, False, NAN, "both empty"),
    (STRICT, "nsd", True, False, 0, "prediction empty"),
    (STRICT, "nsd", False, True, 0, "reference empty"),
    (STRICT, "nsd", False, False, NAN, "both empty"),
    # Its enhancing tumour has so few voxels that BraTS leaves it out, unless it is predicted.
    (STRICT, "lesion_dice", True, False, 1, "prediction empty"),
    (STRICT, "lesion_dice", False, True, 0, "reference empty"),
    (STRICT, "lesion_dice", False, False, 1, "both empty"),
    (STRICT, "lesion_hd95", True, False, 0, "prediction empty"),
    (STRICT, "lesion_hd95", False, True, 374, "reference empty"),
    (STRICT, "lesion_hd95", False, False, 0, "both empty"),
    (STRICT, "volume_difference", True, False, ET_ML, "prediction empty"),
    (STRICT, "volume_difference", False, True, ET_ML, "reference empty"),
    (STRICT, "volume_difference", False, False, 0, "both empty"),
]


@pytest.mark.parametrize(
    ("protocol", "metric", "in_reference", "in_prediction", "expected", "note"), EMPTY_CASES
)
def test_each_empty_case(protocol, metric, in_reference, in_prediction, expected, note):
    """The enhancing tumour is missing; other classes stay, so that every slice is scored."""
    without = np.where(head() == 3, np.int8(2), head())
    labels = head() if in_reference else without
    predicted = as_classes(head() if in_prediction else without)
    row = cell(
        score_segmentation([protocol], labels, predicted, SPACING, DIAGONAL), "et", metric, "lcc"
    )
    assert row["value"] == pytest.approx(expected, nan_ok=True)
    assert row["note"] == note


def test_every_metric_has_its_empty_cases_above():
    tested = {(protocol.name, metric) for protocol, metric, *_ in EMPTY_CASES}
    configured = {
        (protocol.name, metric)
        for protocol in (PAPER, STRICT)
        for metric in protocol.segmentation.metrics
    }
    assert tested == configured


@pytest.mark.parametrize("protocol", [PAPER, STRICT], ids=["paper", "strict"])
def test_volumes_without_any_tumour_are_both_empty(protocol):
    labels = np.minimum(head(), 0)
    rows = score_segmentation([protocol], labels, as_classes(labels), SPACING, DIAGONAL)
    assert {row["note"] for row in rows} == {"both empty"}


def test_rows_are_complete_and_unique():
    labels = head()
    predicted = as_classes(np.roll(labels, 1, axis=1))
    strict = score_segmentation([STRICT], labels, predicted, SPACING, DIAGONAL)
    paper = score_segmentation([PAPER], labels, predicted, SPACING, DIAGONAL)
    synthesis = score_synthesis([STRICT], *contrasts(labels), labels)
    assert (len(strict), len(paper)) == (3 * len(STRICT.segmentation.metrics) * 2, 3 * 2 * 1)
    cells = {(row["region"], row["metric"], row["postprocessing"]) for row in strict}
    assert len(cells) == len(strict)
    for row in strict + paper + synthesis:
        assert set(row) == KEYS
        assert type(row["value"]) is float


def test_full_volumes_as_medpy_scores_them():
    labels = head()
    predicted = as_classes(np.roll(labels, (1, 2), axis=(0, 2)))
    spacing = (2.0, 0.7, 1.1)
    rows = score_segmentation([STRICT], labels, predicted, spacing, DIAGONAL)
    for region, classes in {"wt": (1, 2, 3), "tc": (1, 3), "et": (3,)}.items():
        ours, theirs = np.isin(predicted, classes), np.isin(labels, classes)
        assd = medpy.assd(ours, theirs, voxelspacing=spacing)
        assert value(rows, region, "dice", "none") == pytest.approx(
            medpy.dc(ours, theirs), abs=1e-9
        )
        assert value(rows, region, "assd", "none") == pytest.approx(assd, abs=1e-9)


def test_an_island_counts_only_without_postprocessing():
    predicted = as_classes(head())
    predicted[5, 19, 20] = 3
    rows = score_segmentation([STRICT], head(), predicted, SPACING, DIAGONAL)
    assert value(rows, "et", "dice", "lcc") == 1
    assert value(rows, "et", "dice", "none") < 1


def test_the_paper_sees_no_prediction_outside_tumour_slices():
    """What lies outside is larger than the tumour: cleared after the component, it would win."""
    predicted = as_classes(head())
    predicted[8, 4:20, 4:22] = 3
    predicted[1, 4:20, 4:22] = 3
    predicted[9] = 3
    paper = score_segmentation([PAPER], head(), predicted, SPACING, DIAGONAL)
    strict = score_segmentation([STRICT], head(), predicted, SPACING, DIAGONAL)
    assert {row["value"] for row in paper if row["metric"] == "dice"} == {1}
    assert value(strict, "wt", "dice", "lcc") == 0
    assert 0 < value(strict, "wt", "dice", "none") < 1


def test_the_papers_slices_keep_their_place():
    """Two tumours four slices apart; stacking the scored slices would bring them together."""
    labels = np.zeros((9, 12, 12), np.int8)
    labels[2, 5:8, 5:8] = labels[6, 5:8, 5:8] = 2
    predicted = as_classes(labels)
    predicted[6] = 0
    rows = score_segmentation([PAPER], labels, predicted, SPACING, DIAGONAL)
    # Nine voxels at 0 and nine 4 mm away, and the prediction's nine at 0.
    assert value(rows, "wt", "assd", "lcc") == pytest.approx(9 * 4 / 27)


# Held-out slices


def marked(*slices):
    """A mark on some slices of `head`, whose tumour is in slices 3 to 6."""
    held_out = np.zeros(len(head()), bool)
    held_out[list(slices)] = True
    return held_out


def test_held_out_synthesis_is_strict_on_these_slices_alone():
    labels, held_out = head(), marked(2, 4, 5)
    reference, prediction = contrasts(labels)
    rows = score_synthesis([HELD_OUT], reference, prediction, labels, held_out)
    alone = (volume[held_out] for volume in (reference, prediction, labels))
    strict = score_synthesis([STRICT], *alone)
    assert {row["region"] for row in rows} == {"brain", "wt", "et"}
    assert {row["metric"] for row in rows} == {"ssim", "psnr", "mae"}
    for row in rows:
        assert row["value"] == pytest.approx(value(strict, row["region"], row["metric"]), abs=1e-12)
    other = score_synthesis([HELD_OUT], reference, prediction, labels, marked(6))
    assert value(other, "wt", "mae") != value(rows, "wt", "mae")
    assert cell(other, "et", "mae")["note"] == "region empty"


def test_held_out_dice_is_of_these_slices_alone():
    labels, held_out = head(), marked(2, 4, 6)
    predicted = as_classes(np.roll(labels, 2, axis=1))
    predicted[3], predicted[5] = 0, 0
    rows = score_segmentation([HELD_OUT], labels, predicted, SPACING, DIAGONAL, held_out)
    for region, classes in {"wt": (1, 2, 3), "tc": (1, 3), "et": (3,)}.items():
        ours, theirs = (np.isin(x[held_out], classes) for x in (predicted, labels))
        assert value(rows, region, "dice", "none") == pytest.approx(medpy.dc(ours, theirs))
    assert {row["metric"] for row in rows} == {"dice"}


def test_the_component_is_the_whole_predictions():
    """In the held-out slice the island is the larger, in the volume the tumour is."""
    labels = np.zeros((6, 20, 20), np.int8)
    labels[:5, 4:8, 4:8] = 2
    predicted = as_classes(labels)
    predicted[2, 4:8, 4:7] = 0
    predicted[2, 12:19, 12:19] = 2
    held_out = np.arange(6) == 2
    rows = score_segmentation([HELD_OUT], labels, predicted, SPACING, DIAGONAL, held_out)
    assert value(rows, "wt", "dice", "lcc") == pytest.approx(2 * 4 / (4 + 16))
    assert value(rows, "wt", "dice", "none") == pytest.approx(2 * 4 / (4 + 49 + 16))


def test_held_out_slices_change_no_other_protocol():
    labels = head()
    predicted, volumes = as_classes(np.roll(labels, 1, axis=1)), contrasts(labels)
    sizes, held_out = (SPACING, DIAGONAL), marked(4)
    alone = score_segmentation([PAPER, STRICT], labels, predicted, *sizes)
    rows = score_segmentation([HELD_OUT, PAPER, STRICT], labels, predicted, *sizes, held_out)
    assert repr([row for row in rows if row["protocol"] != "held_out"]) == repr(alone)
    alone = score_synthesis([PAPER, STRICT], *volumes, labels)
    rows = score_synthesis([PAPER, HELD_OUT, STRICT], *volumes, labels, held_out)
    assert repr([row for row in rows if row["protocol"] != "held_out"]) == repr(alone)


def test_held_out_slices_without_tumour_are_both_empty():
    rows = score_segmentation(
        [HELD_OUT], head(), as_classes(head()), SPACING, DIAGONAL, marked(1, 8)
    )
    assert {(row["note"], math.isnan(row["value"])) for row in rows} == {("both empty", True)}
    nothing = np.zeros(head().shape, np.int8)
    rows = score_segmentation([HELD_OUT], nothing, nothing, SPACING, DIAGONAL, marked(1))
    assert {row["note"] for row in rows} == {"both empty"}


@pytest.mark.parametrize(
    ("held_out", "complaint"),
    [
        (None, "protocol held_out scores held-out slices: give `held_out`"),
        (np.zeros(9, bool), r"`held_out` is bool \(9,\); it must be bool \(10,\)"),
        (np.arange(10), "`held_out` is int64"),
    ],
)
def test_held_out_slices_must_be_given(held_out, complaint):
    labels = head()
    with pytest.raises(InputError, match=complaint):
        score_synthesis([HELD_OUT], *contrasts(labels), labels, held_out)
    with pytest.raises(InputError, match=complaint):
        score_segmentation([HELD_OUT], labels, as_classes(labels), SPACING, DIAGONAL, held_out)


# Inputs


def spoilt(volume, content):
    """A copy with one voxel changed, in a corner that the paper does not score."""
    copy = volume.copy()
    copy[0, 0, 0] = content
    return copy


@pytest.mark.parametrize("protocol", [PAPER, STRICT], ids=["paper", "strict"])
@pytest.mark.parametrize(
    ("which", "spoil", "complaint"),
    [
        ("prediction", lambda v: spoilt(v, NAN), "The prediction holds 1 values that are not fin"),
        ("prediction", lambda v: spoilt(v, math.inf), "The prediction holds 1 values that are not"),
        ("reference", lambda v: spoilt(v, NAN), "The reference holds 1 values that are not finite"),
        ("prediction", lambda v: spoilt(v, 1.01), "The prediction holds values from -1 to 1.01"),
        ("reference", lambda v: spoilt(v, -2), "The reference holds values from -2 to 0.99"),
        ("prediction", lambda v: v[1:], r"prediction \(9, 24, 26\)"),
        ("labels", lambda v: v[:, 1:], r"labels \(10, 23, 26\)"),
        ("labels", lambda v: spoilt(v, 4), r"The labels hold \[4\]"),
        ("labels", lambda v: v.astype(float), "The labels are float64"),
    ],
)
def test_wrong_volumes_never_yield_a_similarity(protocol, which, spoil, complaint):
    labels = head()
    reference, prediction = contrasts(labels)
    volumes = {"reference": reference, "prediction": prediction, "labels": labels}
    volumes[which] = spoil(volumes[which])
    with pytest.raises(InputError, match=complaint):
        score_synthesis([protocol], **volumes)


def test_a_single_slice_is_no_volume():
    labels = head()
    reference, prediction = contrasts(labels)
    with pytest.raises(InputError, match=r"must be \(Z, Y, X\)"):
        score_synthesis([STRICT], reference[4], prediction[4], labels[4])


def test_rounding_at_the_ends_of_the_range_is_forgiven():
    labels = head()
    reference, prediction = contrasts(labels)
    rows = score_synthesis([STRICT], reference, spoilt(prediction, -1 - 1e-6), labels)
    assert all(math.isfinite(row["value"]) for row in rows)


@pytest.mark.parametrize("protocol", [PAPER, STRICT], ids=["paper", "strict"])
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"predicted": spoilt(as_classes(head()), 4)}, r"The predicted classes hold \[4\]"),
        ({"predicted": head()}, r"The predicted classes hold \[-1\]"),
        ({"predicted": np.full(head().shape, NAN)}, "The predicted classes are float64"),
        ({"predicted": as_classes(head())[:, :, 1:]}, r"prediction \(10, 24, 25\)"),
        ({"labels": spoilt(head(), -2)}, r"The labels hold \[-2\]"),
        ({"spacing": (1.0, 0.0, 1.0)}, r"The spacing is \[1.0, 0.0, 1.0\]"),
        ({"spacing": (1.0, 1.0)}, r"The spacing is \[1.0, 1.0\]"),
        ({"diagonal_mm": NAN}, r"The diagonal is \[nan\]"),
    ],
)
def test_wrong_volumes_never_yield_an_overlap(protocol, change, complaint):
    right = {
        "labels": head(),
        "predicted": as_classes(head()),
        "spacing": SPACING,
        "diagonal_mm": DIAGONAL,
    }
    with pytest.raises(InputError, match=complaint):
        score_segmentation([protocol], **right | change)


# Files


def rewritten(folder, change):
    """Write a changed copy of the strict protocol and return its folder."""
    content = yaml.safe_load((PROTOCOLS / "strict.yaml").read_text())
    change(content)
    (folder / "strict.yaml").write_text(yaml.safe_dump(content))
    return folder


def put(*path_and_value):
    """A change that sets a nested key."""

    def change(content):
        *path, last, content_of_key = path_and_value
        for key in path:
            content = content[key]
        content[last] = content_of_key

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            put("slicess", "all"),
            r"line \d+, `slicess`: there is no such key. Did you mean `slices`",
        ),
        (
            put("slices", "some"),
            r"line \d+, `slices`: found 'some'. Input should be 'tumour', 'all' or 'held_out'",
        ),
        (put("synthesis", "regions", ["whole", "skull"]), r"synthesis.regions.1`: found 'skull'"),
        (
            put("segmentation", "regions", ["brain"]),
            r"segmentation.regions.0`: found 'brain'. Input",
        ),
        (put("segmentation", "metrics", "jaccard", {}), "segmentation.metrics.jaccard"),
        (
            put("segmentation", "metrics", "dice", "one_empty", 2),
            r"found 2.0, but dice is in \[0, 1\]",
        ),
        (put("segmentation", "metrics", "dice", "one_empty", "diagonal"), "dice is not in mm"),
        (put("segmentation", "metrics", "assd", "both_empty", NAN), "found nan, but assd is in"),
        (put("segmentation", "postprocessing", ["crf"]), "postprocessing.0`: found 'crf'"),
        (
            put("synthesis", "ssim_window", "sise", 7),
            r"line \d+, `synthesis.ssim_window.sise`: there is no such key. Did you mean `size`\?",
        ),
        (
            put("segmentation", "metrics", "dice", "one_emty", 0),
            r"metrics.dice.one_emty`: there is no such key. Did you mean `one_empty`\?",
        ),
        (
            put("slices", "held_out"),
            r"line \d+, `segmentation.metrics`: assd reaches across slices",
        ),
        (put("name", "lenient"), "`name`: found 'lenient'; write 'strict'"),
        (put("synthesis", None), "`synthesis`: found null; write how"),
        (put("synthesis", "normalisation", "own"), "synthesis.normalisation`: found 'own'"),
        (put("synthesis", "ssim_data_range", 0), "ssim_data_range`: found 0"),
        (put("segmentation", "assd_mean", "max"), "segmentation.assd_mean`: found 'max'"),
        (
            put("segmentation", "average", "slice"),
            "both_empty`: found 1.0, but .*; write undefined",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, change, complaint):
    with pytest.raises(InputError, match=complaint):
        load_protocol("strict", rewritten(tmp_path, change))


def test_an_unknown_protocol_names_the_known_ones():
    with pytest.raises(InputError, match=r"no protocol 'lax'.*paper, strict"):
        load_protocol("lax")


def test_broken_yaml_is_named(tmp_path):
    (tmp_path / "strict.yaml").write_text("name: [strict")
    with pytest.raises(InputError, match=r"strict.yaml is not valid: "):
        load_protocol("strict", tmp_path)


def test_rules_are_data_that_scoring_obeys(tmp_path):
    """Another charge for a missed region needs no code."""
    changed = put("segmentation", "metrics", "assd", "one_empty", 50)
    protocol = load_protocol("strict", rewritten(tmp_path, changed))
    nothing = np.zeros(head().shape, np.uint8)
    rows = score_segmentation([protocol], head(), nothing, SPACING, DIAGONAL)
    assert value(rows, "wt", "assd", "none") == 50


def test_every_scored_metric_is_described():
    rows = [
        *score_synthesis([STRICT, load_protocol("brasyn")], *contrasts(head()), head()),
        *score_segmentation([STRICT], head(), as_classes(head()), SPACING, DIAGONAL),
    ]
    metrics = read_metrics()
    assert {row["metric"] for row in rows} == set(metrics)
    for row in rows:
        low, high = metrics[row["metric"]].bounds
        assert low <= row["value"] <= high


def test_scoring_imports_neither_torch_nor_medpy():
    code = (
        "import importlib, pkgutil, sys, benchmarks.scoring as package\n"
        "for module in pkgutil.iter_modules(package.__path__):\n"
        "    importlib.import_module(f'{package.__name__}.{module.name}')\n"
        "assert 'benchmarks.scoring.score' in sys.modules\n"
        "print(sorted({'torch', 'medpy', 'SimpleITK'} & set(sys.modules)))\n"
    )
    root = Path(__file__).resolve().parent.parent
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


# Real patients


def real_patient(name):
    """T1, T1ce and labels of a patient of BRATS_DIR, each contrast normalised on its brain."""
    root = Path(os.environ["BRATS_DIR"])
    folder = next(root.rglob(name), None)
    if folder is None:
        pytest.skip(f"no {name} below BRATS_DIR {root}")
    t1, t1ce, seg = (
        np.asarray(nibabel.load(folder / f"{name}_{kind}.nii.gz").dataobj).T
        for kind in ("t1", "t1ce", "seg")
    )
    brain = (t1 > 0) & (t1ce > 0)
    labels = np.where(seg == 4, 3, seg).astype(np.int8)
    labels[~brain] = -1
    return normalised(t1, brain), normalised(t1ce, brain), labels


def normalised(volume, brain):
    low, high = np.percentile(volume[brain], [0.5, 99.5])
    scaled = np.clip((volume - low) / (high - low), 0, 1) * 2 - 1
    return np.where(brain, scaled, -1.0)


needs_brats = pytest.mark.skipif(
    "BRATS_DIR" not in os.environ, reason="BRATS_DIR is unset: no real patients to score"
)


@needs_brats
@pytest.mark.parametrize("name", ["Brats18_2013_2_1", "Brats18_TCIA13_623_1"])
def test_only_regions_show_that_a_copied_t1_has_learnt_nothing(name):
    t1, t1ce, labels = real_patient(name)
    rows = score_synthesis([STRICT], t1ce, t1, labels)
    assert value(rows, "whole", "ssim") > 0.8
    assert value(rows, "brain", "ssim") < 0.7
    assert value(rows, "whole", "psnr") > value(rows, "brain", "psnr") + 3


@needs_brats
def test_a_real_tumour_as_medpy_scores_it():
    _, _, labels = real_patient("Brats18_2013_2_1")
    predicted = as_classes(np.roll(labels, (1, 2, -2), axis=(0, 1, 2)))
    rows = score_segmentation([STRICT], labels, predicted, SPACING, DIAGONAL)
    ours, theirs = predicted == 3, labels == 3
    assert value(rows, "et", "dice", "none") == pytest.approx(medpy.dc(ours, theirs), abs=1e-9)
    assert value(rows, "et", "assd", "none") == pytest.approx(
        medpy.assd(ours, theirs, voxelspacing=SPACING), abs=1e-9
    )
