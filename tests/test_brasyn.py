"""The protocol `brasyn`: 3-D SSIM against torchmetrics and SciPy, its empty cases, its tables.

Known answers are of torchmetrics 1.9.0 and, without the border, 1.4.0, in double precision
(`structural_similarity_index_measure` of (1, 1, Z, Y, X) arrays); NumPy makes the arrays.
"""

import math

import numpy as np
import pytest
import yaml
from made_up import head
from made_up_scores import frame, made_up_results, sheet_of
from scipy.ndimage import gaussian_filter

from benchmarks.errors import InputError
from benchmarks.reporting.measures import columns_of
from benchmarks.reporting.published import read_published
from benchmarks.reporting.rows import Row
from benchmarks.scoring.protocol import PROTOCOLS, load_protocol
from benchmarks.scoring.score import score_segmentation, score_synthesis
from benchmarks.scoring.similarity import (
    Pair,
    Voxels,
    clipped_to_percentiles,
    ssim_maps_3d,
    to_unit_range,
)

BRASYN = load_protocol("brasyn")
WINDOW, RANGE = BRASYN.synthesis.ssim_window, BRASYN.synthesis.ssim_data_range
WITHOUT_BORDER = WINDOW.model_copy(update={"border": "drop"})
SPACING, DIAGONAL = (1.0, 1.0, 1.0), 373.13


def volumes(shape=(16, 30, 27)):
    """Two volumes in [0, 1] and labels: a tumour in a head that touches the lowest slice."""
    rng = np.random.default_rng(2023)
    reference, noise = rng.random((2, *shape))
    labels = np.full(shape, -1, np.int8)
    labels[:14, 7:26, 8:24] = 0
    labels[3:9, 10:18, 12:20] = 2
    labels[5:8, 12:16, 14:18] = 3
    prediction = np.clip(0.7 * reference + 0.4 * noise - 0.1, 0, 1)
    return (*(np.where(labels < 0, 0, v) for v in (reference, prediction)), labels)


def ssim(measure, region, window=WINDOW, data_range=RANGE, of=volumes):
    reference, prediction, labels = of()
    voxels = Voxels(Pair(reference, prediction, labels, {}), region, np.arange(len(labels)))
    return getattr(voxels, measure)(window, data_range)


# 3-D SSIM

KNOWN = [
    # region, window, torchmetrics
    ("whole", WINDOW, 0.9373068931994303),
    ("wt", WINDOW, 0.988717929671737),
    ("non_tumour", WINDOW, 0.9442242472104472),
    ("whole", WITHOUT_BORDER, 0.8847499348242578),
    ("wt", WITHOUT_BORDER, 0.9638230984575148),
    ("non_tumour", WITHOUT_BORDER, 0.9122832137868527),
]


@pytest.mark.parametrize(("region", "window", "expected"), KNOWN)
def test_masked_volumes_as_torchmetrics_scores_them(region, window, expected):
    assert ssim("ssim_masked", region, window) == pytest.approx(expected, abs=1e-10)


def test_volumes_without_air_or_with_few_slices_as_torchmetrics_scores_them():
    """Nothing is cut off, and windows see what the border mirrors."""
    reference, prediction = np.random.default_rng(7).random((2, 8, 21, 19))
    labels = np.zeros(reference.shape, np.int8)
    found = ssim("ssim_3d", "brain", of=lambda: (reference, prediction, labels))
    assert found == pytest.approx(-0.014152541278809739, abs=1e-10)


def map_of_scipy(x, y, data_range):
    """The whole map, without any cut."""
    mean = [gaussian_filter(v, 1.5, mode="mirror", radius=5) for v in (x, y, x * x, y * y, x * y)]
    mx, my, mxx, myy, mxy = mean
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    contrast = (2 * (mxy - mx * my) + c2) / (mxx - mx**2 + myy - my**2 + c2)
    return (2 * mx * my + c1) / (mx**2 + my**2 + c1) * contrast


@pytest.mark.parametrize(
    "box",
    [
        (slice(9, 11), slice(20, 22), slice(17, 18)),
        (slice(0, 3), slice(30, 40), slice(0, 9)),
        (slice(2, 22), slice(5, 40), slice(1, 33)),
        (slice(0, 24), slice(0, 40), slice(0, 36)),
    ],
    ids=["inside", "corner", "near the border", "everywhere"],
)
def test_a_cut_changes_nothing(box):
    reference, prediction = np.zeros((2, 24, 40, 36))
    reference[box], prediction[box] = np.random.default_rng(1).random((2, *reference[box].shape))
    found = np.stack(list(ssim_maps_3d(reference, prediction, WINDOW, 1)))
    np.testing.assert_allclose(found, map_of_scipy(reference, prediction, 1), rtol=0, atol=1e-11)


def test_two_volumes_of_air_are_exactly_alike():
    air = np.zeros((12, 20, 20))
    assert (np.stack(list(ssim_maps_3d(air, air, WINDOW, 1))) == 1).all()


def test_the_map_inside_the_mask_has_no_zeros_that_count():
    reference, prediction, labels = volumes()
    span = max(np.ptp(reference), np.ptp(prediction))
    expected = map_of_scipy(reference, prediction, span)[labels > 0].mean()
    assert ssim("ssim_3d", "wt") == pytest.approx(expected, abs=1e-10)
    assert ssim("ssim_3d", "wt") < ssim("ssim_masked", "wt") - 0.1


def test_the_data_range_is_that_of_the_masked_volumes():
    def of():
        reference, prediction, labels = volumes()
        return np.where(labels > 0, reference / 4, reference), prediction / 4, labels

    reference, prediction, labels = of()
    span = max(v[labels > 0].max() for v in (reference, prediction))
    assert 0.2 < span < 0.26
    given = ssim("ssim_masked", "wt", data_range=float(span), of=of)
    assert (
        ssim("ssim_masked", "wt", of=of) == given != ssim("ssim_masked", "wt", data_range=1, of=of)
    )


def test_without_any_span_there_is_no_value():
    labels = volumes()[2]
    air = np.zeros(labels.shape)
    for measure in ("ssim_masked", "ssim_3d"):
        assert math.isnan(ssim(measure, "wt", of=lambda: (air, air, labels)))
    assert ssim("ssim_3d", "wt", data_range=1, of=lambda: (air, air, labels)) == 1


# Normalisation


def test_a_volume_is_clipped_at_its_own_percentiles_with_air():
    volume = np.concatenate([np.zeros(800), np.linspace(0.1, 0.9, 201)]).reshape(1, 7, 143)
    high = np.percentile(volume, 99.5)
    mapped = clipped_to_percentiles(volume)
    assert (mapped.min(), mapped.max()) == (0, 1)
    np.testing.assert_allclose(mapped, np.minimum(volume / high, 1), atol=1e-12)
    # Another scale is another method's window, which is forgiven.
    np.testing.assert_allclose(clipped_to_percentiles(volume / 3), mapped, atol=1e-12)


def test_a_percentile_below_zero_is_raised_to_zero():
    volume = np.linspace(-1, 1, 1001).reshape(1, 7, 143)
    mapped = clipped_to_percentiles(volume)
    np.testing.assert_allclose(mapped, np.clip(volume / 0.99, 0, 1), atol=1e-12)


def test_a_volume_of_air_stays_air():
    assert not clipped_to_percentiles(np.zeros((2, 3, 4))).any()


# The protocol


def test_a_synthesis_is_masked_after_its_own_normalisation():
    reference, prediction, labels = volumes()
    rows = score_synthesis([BRASYN], reference * 2 - 1, prediction * 2 - 1, labels)
    found = {(row["metric"], row["region"]): row["value"] for row in rows}
    own = [clipped_to_percentiles(to_unit_range(v * 2 - 1)) for v in (reference, prediction)]
    assert found == {
        (metric, region): ssim(metric, region, of=lambda: (*own, labels))
        for metric in ("ssim_masked", "ssim_3d")
        for region in ("wt", "non_tumour")
    }
    assert {row["note"] for row in rows} == {""}


def test_a_patient_without_tumour_has_no_masked_tumour():
    reference, prediction, labels = volumes()
    rows = score_synthesis([BRASYN], reference * 2 - 1, prediction * 2 - 1, np.minimum(labels, 0))
    notes = {(row["region"], row["note"]) for row in rows}
    assert notes == {("wt", "region empty"), ("non_tumour", "")}


@pytest.mark.parametrize(
    ("in_reference", "in_prediction", "dice", "hd95", "note"),
    [
        (True, True, 1, 0, ""),
        (True, False, 0, math.nan, "prediction empty"),
        (False, True, 0, math.nan, "reference empty"),
        (False, False, 1, 0, "both empty"),
    ],
)
def test_each_empty_case(in_reference, in_prediction, dice, hd95, note):
    without = np.where(head() == 3, np.int8(2), head())
    labels = head() if in_reference else without
    predicted = np.maximum(head() if in_prediction else without, 0).astype(np.uint8)
    rows = score_segmentation([BRASYN], labels, predicted, SPACING, DIAGONAL)
    found = {row["metric"]: row for row in rows if row["region"] == "et"}
    assert found["dice"]["value"] == dice
    assert found["hd95"]["value"] == pytest.approx(hd95, nan_ok=True)
    assert {row["note"] for row in found.values()} == {note}


def test_an_island_counts_and_distances_are_in_mm():
    predicted = np.maximum(head(), 0).astype(np.uint8)
    predicted[:, :2, :2] = 3
    rows = score_segmentation([BRASYN], head(), predicted, (2.0, 3.0, 3.0), DIAGONAL)
    whole = {row["metric"]: row["value"] for row in rows if row["region"] == "wt"}
    assert {row["postprocessing"] for row in rows} == {"none"}
    assert whole["dice"] < 1
    assert whole["hd95"] > 3


@pytest.mark.parametrize(
    ("keys", "content", "complaint"),
    [
        (("ssim_data_range",), "own", "ssim_data_range`: .*above 0, or extremes"),
        (("ssim_data_range",), 0, "ssim_data_range`: .*above 0, or extremes"),
        (("ssim_data_range",), True, "ssim_data_range`: .*above 0, or extremes"),
        (("ssim_window", "padding"), "zeros", "ssim_window.padding`: found 'zeros'"),
        (("ssim_window", "paddding"), "reflect", "Did you mean `padding`"),
        (("normalisation",), "percentile", "normalisation`: found 'percentile'"),
        (("regions",), ["tumour"], "regions.0`: found 'tumour'"),
        (("metrics",), ["ssim_2d"], "metrics.0`: .*ssim_3d, ssim_masked"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, keys, content, complaint):
    document = yaml.safe_load((PROTOCOLS / "brasyn.yaml").read_text())
    section = document["synthesis"]
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = content
    (tmp_path / "brasyn.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(InputError, match=rf"brasyn.yaml, line \d+.*{complaint}"):
        load_protocol("brasyn", tmp_path)


def test_other_protocols_keep_their_windows():
    for name in ("paper", "strict"):
        rules = load_protocol(name)
        assert rules.note == ""
        assert rules.synthesis.ssim_window.padding == "symmetric"


# Tables

RUNS = [
    Row("copy_t1", "T1 copied", "floor"),
    Row("cutgan", "CUTGAN", "method"),
    Row("maf_net", "MAF-Net", "method"),
    Row("unet", "UNet", "method"),
    Row("cutgan+unet", "CUTGAN + UNet", "method"),
]
SYNTHESIS = [(m, r) for r in ("wt", "non_tumour") for m in ("ssim_masked", "ssim_3d")]
SEGMENTATION = [(m, r) for r in ("wt", "et", "tc") for m in ("dice", "hd95")]


@pytest.fixture(scope="module")
def results():
    """Scores of three patients, under `brasyn` of the whole prediction alone."""
    scores = [
        [run, 0, f"p{p}", "", "brasyn", task, region, metric, after, value + p / 100, ""]
        for task, after, columns, runs in (
            ("synthesis", "", SYNTHESIS, {"copy_t1": 0.5, "cutgan": 0.9, "maf_net": 0.8}),
            ("segmentation", "none", SEGMENTATION, {"unet": 0.6, "cutgan+unet": 0.7}),
        )
        for metric, region in columns
        for run, value in runs.items()
        for p in range(3)
    ]
    last = next(s for s in reversed(scores) if s[6:8] == ["et", "hd95"])
    last[-2] = math.nan
    return made_up_results(frame(scores), RUNS, protocols=("paper", "strict", "brasyn"))


@pytest.mark.parametrize(
    ("name", "paper", "brasyn"),
    [
        ("table1_ablation", ("dice", "assd"), SEGMENTATION),
        ("table2_synthesis", ("ssim", "psnr"), SYNTHESIS),
        ("table3_segmentation", ("dice",), SEGMENTATION[::2]),
    ],
)
def test_a_protocol_without_the_papers_metrics_shows_its_own(name, paper, brasyn):
    printed = read_published().table(name)
    assert columns_of(printed, "brasyn") == brasyn
    assert tuple(dict.fromkeys(metric for metric, _ in columns_of(printed, "paper"))) == paper


def test_table_two_has_a_block_of_brasyn(results):
    sheet = sheet_of("table2_synthesis", results)
    block = {block.name: block for block in sheet.blocks}["brasyn"]
    assert [column.title for column in block.columns] == [
        "n", "Masked SSIM WT", "3-D SSIM WT", "Masked SSIM non-tumour", "3-D SSIM non-tumour",
    ]  # fmt: skip
    assert block.heading == "Protocol brasyn: whole volumes, mean over patients."
    row = sheet.csv[sheet.csv["protocol"] == "brasyn"].set_index("run").loc["cutgan"]
    assert row["ssim_masked_non_tumour"] == pytest.approx(0.91)
    (note,) = [note for note in sheet.notes if note.startswith("brasyn: ")]
    assert "not comparable with the challenge's" in note
    assert "near 1 for every method" in note


def test_table_three_shows_the_only_prediction_that_brasyn_scores(results):
    sheet = sheet_of("table3_segmentation", results)
    block = {block.name: block for block in sheet.blocks}["brasyn"]
    assert "all of the prediction" in block.heading
    assert "largest component" not in block.heading
    rows = sheet.csv[sheet.csv["protocol"] == "brasyn"].set_index("run")
    assert rows.loc["unet", "dice_wt"] == pytest.approx(0.61)


def test_table_one_counts_undefined_distances(results):
    sheet = sheet_of("table1_ablation", results)
    rows = sheet.csv[sheet.csv["protocol"] == "brasyn"].set_index("run")
    assert rows.loc["cutgan+unet", ["hd95_et_n", "hd95_et_undefined"]].tolist() == [2, 1]
    assert any("HD95 in mm" in note for note in sheet.notes)


def test_brasyn_alone_fills_the_table_of_all_metrics(results):
    alone = made_up_results(results.scores, RUNS, protocols=("brasyn",))
    sheet = sheet_of("table8_metrics", alone)
    heads = {block.name: [column.title for column in block.columns] for block in sheet.blocks}
    assert "Masked SSIM WT" in heads["synthesis"]
    assert heads["segmentation"] == ["n", "Dice WT", "Dice TC", "Dice ET", "HD95 ET"]
    assert any(
        note.startswith("Of the whole prediction") and "Dice" in note for note in sheet.notes
    )
