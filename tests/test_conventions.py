"""Conventions: their file, and what each changes in a score."""

import math

import numpy as np
import pytest
import yaml
from made_up import head
from medpy.metric import binary as medpy
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.errors import InputError
from benchmarks.scoring.conventions import CONVENTIONS, compared_metrics, read_conventions
from benchmarks.scoring.protocol import Protocol, load_protocol
from benchmarks.scoring.score import score_segmentation, score_synthesis

NAN = math.nan
SPACING = (3.0, 0.5, 2.0)
DIAGONAL = 100.0
METRIC_TASKS = compared_metrics()
BY_NAME = {convention.name: convention for convention in read_conventions()}
SCORED = [name for name, convention in BY_NAME.items() if convention.change is not None]


def contrasts():
    """A reference that is -1 in the air and a prediction that is noise there too."""
    rng = np.random.default_rng(11)
    reference = np.where(head() >= 0, rng.uniform(-1, 1, head().shape), -1.0)
    return reference, np.clip(0.5 * reference + rng.normal(0, 0.2, head().shape), -1, 1)


def synthesis(name, reference=None, prediction=None):
    """(SSIM, PSNR) under a convention; NaN for what it does not score."""
    volumes = contrasts() if reference is None else (reference, prediction)
    rows = score_synthesis([BY_NAME[name].protocol()], *volumes, head())
    assert {(row["protocol"], row["region"]) for row in rows} == {(name, "whole")}
    values = {row["metric"]: row["value"] for row in rows}
    return values.get("ssim", NAN), values.get("psnr", NAN)


def segmentation(name, metric, predicted, labels=None):
    """A metric by region under a convention."""
    labels = head() if labels is None else labels
    protocol = BY_NAME[name].protocol()
    rows = score_segmentation([protocol], labels, predicted, SPACING, DIAGONAL)
    assert {(row["protocol"], row["postprocessing"]) for row in rows} == {(name, "lcc")}
    return {row["region"]: row["value"] for row in rows if row["metric"] == metric}


def as_classes(labels):
    return np.maximum(labels, 0).astype(np.uint8)


def unit(volumes):
    return [(volume + 1) / 2 for volume in volumes]


def scikit_images_map(reference, prediction, data_range=1):
    options = {"gaussian_weights": True, "use_sample_covariance": False, "full": True}
    pairs = zip(reference, prediction, strict=True)
    return np.stack(
        [structural_similarity(*pair, data_range=data_range, **options)[1] for pair in pairs]
    )


# What each scores


def test_tumour_slices_are_all_that_counts():
    reference, prediction = (volume[3:7] for volume in unit(contrasts()))
    expected = (
        scikit_images_map(reference, prediction).mean(),
        peak_signal_noise_ratio(reference, prediction, data_range=1),
    )
    assert synthesis("tumour_slices") == pytest.approx(expected, abs=1e-9)
    predicted = as_classes(head())
    predicted[8, 4:6, 4:6] = 3
    assert set(segmentation("tumour_slices", "dice", predicted).values()) == {1}


def test_a_mean_of_slices_is_scikit_images_of_each():
    reference, prediction = unit(contrasts())
    psnr = [
        peak_signal_noise_ratio(*pair, data_range=1)
        for pair in zip(reference, prediction, strict=True)
    ]
    ssim, ours = synthesis("slice_mean")
    assert ours == pytest.approx(np.mean(psnr), abs=1e-9)
    assert math.isnan(ssim)


def test_cleared_air_costs_nothing():
    reference, prediction = contrasts()
    cleared = np.where(head() >= 0, prediction, -1.0)
    expected = scikit_images_map(*unit((reference, cleared))).mean()
    ssim, psnr = synthesis("air_cleared")
    assert ssim == pytest.approx(expected, abs=1e-9)
    assert psnr > synthesis("crop")[1] + 1  # which, of volumes cut by nobody, is strict's own
    assert (ssim, psnr) == synthesis("air_cleared", reference, cleared)


def slice_to_unit(image):
    span = np.ptp(image)
    return (image - image.min()) / span if span else 0 * image


def test_min_max_is_of_each_slice():
    """Brightness and contrast of a slice are lost, so no error of theirs is left."""
    reference, prediction = contrasts()
    gains = np.linspace(0.2, 0.9, len(reference))[:, None, None]
    ssim, psnr = synthesis("min_max", reference, reference * gains)
    assert ssim == pytest.approx(1)
    assert psnr > 200
    stretched = [[slice_to_unit(image) for image in volume] for volume in (reference, prediction)]
    expected = scikit_images_map(*stretched).mean()
    assert synthesis("min_max")[0] == pytest.approx(expected, abs=1e-9)


def test_z_scores_forgive_brightness_and_contrast_of_the_whole_brain():
    reference, _ = contrasts()
    dull = np.where(head() >= 0, 0.3 * reference + 0.2, -1.0)
    ssim, psnr = synthesis("z_score", reference, dull)
    assert ssim == pytest.approx(1)
    assert psnr > 200
    assert synthesis("crop", reference, dull)[0] < 0.9


def test_ssims_own_conventions_are_scikit_images():
    reference, prediction = unit(contrasts())
    uniform = [
        structural_similarity(*pair, data_range=1)
        for pair in zip(reference, prediction, strict=True)
    ]
    assert synthesis("uniform_window")[0] == pytest.approx(np.mean(uniform), abs=1e-9)
    expected = scikit_images_map(reference, prediction, data_range=2).mean()
    assert synthesis("range_2")[0] == pytest.approx(expected, abs=1e-9)


def shifted():
    """The tumour two voxels off, and with one more slice."""
    predicted = as_classes(np.roll(head(), 2, axis=2))
    predicted[7] = predicted[6]
    return predicted


def test_slices_are_measured_on_their_own():
    """Of WT in slices 3 to 6, with the prediction in 7 too, which scores Dice 0 and no ASSD."""
    ours, theirs = shifted() > 0, head() > 0
    dice = [medpy.dc(ours[z], theirs[z]) for z in range(3, 7)]
    assert segmentation("slice_dice", "dice", shifted())["wt"] == pytest.approx(sum(dice) / 5)
    assd = [medpy.assd(ours[z], theirs[z], voxelspacing=SPACING[1:]) for z in range(3, 7)]
    assert segmentation("slice_assd", "assd", shifted())["wt"] == pytest.approx(np.mean(assd))


def test_a_region_that_no_slice_has_on_both_sides():
    labels, predicted = head(), np.zeros(head().shape, np.uint8)
    labels[labels == 3] = 2
    assert segmentation("slice_dice", "dice", predicted, labels) == pytest.approx(
        {"wt": 0, "tc": 0, "et": NAN}, nan_ok=True
    )
    assert all(map(math.isnan, segmentation("slice_assd", "assd", predicted, labels).values()))


def test_regions_that_never_meet_in_a_slice_have_no_distance():
    predicted = np.zeros(head().shape, np.uint8)
    predicted[8, 5:9, 5:9] = 2
    protocol = BY_NAME["slice_assd"].protocol()
    row = score_segmentation([protocol], head(), predicted, SPACING, DIAGONAL)[0]
    assert row["region"] == "wt" and math.isnan(row["value"])
    assert row["note"] == "no slice holds both"


def test_directions_are_averaged_each():
    ours, theirs = shifted() > 0, head() > 0
    both = [medpy.asd(*pair, voxelspacing=SPACING) for pair in ((ours, theirs), (theirs, ours))]
    assert segmentation("assd_of_directions", "assd", shifted())["wt"] == pytest.approx(
        np.mean(both)
    )


def test_voxels_know_no_spacing():
    assert segmentation("voxels", "assd", shifted())["wt"] == pytest.approx(
        medpy.assd(shifted() > 0, head() > 0)
    )
    missed = segmentation("voxels", "assd", np.zeros(head().shape, np.uint8))
    assert set(missed.values()) == {np.linalg.norm(head().shape)}


@pytest.mark.parametrize(("name", "metric"), [("dropped_dice", "dice"), ("dropped_assd", "assd")])
def test_what_was_missed_is_dropped(name, metric):
    predicted = as_classes(head())
    predicted[predicted == 3] = 2
    values = segmentation(name, metric, predicted)
    assert math.isnan(values["et"])
    assert values["wt"] == {"dice": 1, "assd": 0}[metric]


# The file


@pytest.mark.parametrize("name", SCORED)
def test_a_change_touches_what_its_metrics_follow_from_and_no_more(name):
    convention, protocol = BY_NAME[name], BY_NAME[name].protocol()
    strict = load_protocol("strict")
    tasks = {METRIC_TASKS[metric] for metric in convention.metrics}
    for task in ("synthesis", "segmentation"):
        rules = getattr(protocol, task)
        assert (rules is not None) == (task in tasks)
        if rules is not None:
            assert set(rules.metrics) == {m for m in convention.metrics if METRIC_TASKS[m] == task}
    named = {
        key
        for keys in convention.change.values()
        for key in (keys if isinstance(keys, dict) else ())
    } | set(convention.change)
    narrowed = {"regions", "postprocessing", "metrics"}
    for task in tasks:
        rules, base = getattr(protocol, task), getattr(strict, task)
        differing = {k for k in type(rules).model_fields if getattr(rules, k) != getattr(base, k)}
        assert differing - narrowed <= named
    for key in ("frame", "slices"):
        assert (getattr(protocol, key) != getattr(strict, key)) == (key in named)
    assert isinstance(protocol, Protocol)


def rewritten(tmp_path, change):
    content = yaml.safe_load(CONVENTIONS.read_text())
    by_name = {item["name"]: item for item in content}
    change(content, by_name)
    path = tmp_path / "conventions.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda _, x: x["crop"].update(whi="?"),
            r"line \d+, `\d+.whi`: there is no such key. Did you mean `why`. Known",
        ),
        (lambda _, x: x["crop"].pop("why"), "why`: this key is missing"),
        (
            lambda _, x: x["crop"].update(metrics=["fid"]),
            r"metrics\.0`: found 'fid'; `strict` does not",
        ),
        (lambda _, x: x["crop"].update(name="no crop"), "name`: found 'no crop'"),
        (lambda _, x: x["crop"].update(select={"region": "et"}), "either `change` or `select`"),
        (lambda _, x: x["crop"].pop("change"), "either `change` or `select`"),
        (
            lambda _, x: x["crop"].update(change={"farme": "crop"}),
            "change.farme`: there is nothing to change; write one of: name, frame",
        ),
        (
            lambda _, x: x["crop"].update(change={"frame": "volume"}),
            "change.frame`: found 'volume', as `strict` has it already",
        ),
        (
            lambda _, x: x["crop"].update(change={"frame": "half"}),
            r"line \d+, `\d+.change.frame`: found 'half'. Input should be 'crop' or 'volume'",
        ),
        (
            lambda _, x: x["min_max"].update(change={"segmentation": {"average": "slice"}}),
            "change.segmentation`: there is nothing to change; write one of: .*synthesis",
        ),
        (
            lambda _, x: (
                x["dropped_dice"]["change"]["segmentation"].update(average="slice")
                or x["dropped_dice"]["change"]["segmentation"]["metrics"]["dice"].update(
                    both_empty=1
                )
            ),
            "change.segmentation.metrics.dice.both_empty`: found 1.0, but .*; write undefined",
        ),
        (lambda _, x: x["et"]["select"].update(region="skull"), r"select\.region`: found 'skull'"),
        (lambda _, x: x["et"].update(title="WT"), "title`: WT occurs twice; write another title"),
        (lambda _, x: x["et"].update(name="wt"), "name`: wt occurs twice"),
        (lambda _, x: x["et"].update(name="strict"), "name`: strict occurs twice"),
        (lambda _, x: x["crop"].update(name="paper"), "paper is a protocol's name"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, change, complaint):
    path = rewritten(tmp_path, change)
    with pytest.raises(InputError, match=complaint) as error:
        read_conventions(path)
    assert str(path) in str(error.value)


def test_what_is_no_list_is_named(tmp_path):
    path = tmp_path / "conventions.yaml"
    for content in ("crop: yes", "- [", ""):
        path.write_text(content)
        read_conventions.cache_clear()
        with pytest.raises(
            InputError, match=r"conventions\.yaml(: found \{|: expected keys| is not valid: )"
        ):
            read_conventions(path)
