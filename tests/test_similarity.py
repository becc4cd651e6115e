"""SSIM and PSNR against scikit-image, and against arithmetic where it is short."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from skimage.metrics import structural_similarity

from benchmarks.scoring.metrics import psnr
from benchmarks.scoring.protocol import Window
from benchmarks.scoring.similarity import (
    LabelSums,
    Pair,
    Voxels,
    matched_in_brain,
    rescaled_slices,
    ssim_maps,
    to_unit_range,
)

UNIFORM = Window(shape="uniform", size=7, sample_covariance=True, border="drop")
GAUSSIAN = Window(shape="gaussian", size=11, sigma=1.5, sample_covariance=False, border="keep")
AS_SCIKIT_IMAGE_SAYS_IT = {
    UNIFORM: {},
    GAUSSIAN: {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
}
WINDOWS = pytest.mark.parametrize("window", [UNIFORM, GAUSSIAN], ids=["uniform", "gaussian"])


def ssim_map(reference, prediction, window, data_range=1):
    """Of each slice of a volume."""
    pairs = zip(reference, prediction, strict=True)
    return np.concatenate([ssim_maps(*pair, window, [data_range]) for pair in pairs])


def label_sums(values, labels, border=0):
    sums = LabelSums(len(values))
    for z, pair in enumerate(zip(values, labels, strict=True)):
        sums.add(z, *pair, border)
    return sums


def by_slice(sums, region):
    return [sums.mean(region, np.array([z])) for z in range(len(sums.sums))]


@pytest.fixture
def volumes():
    """Two unlike volumes with a constant background."""
    rng = np.random.default_rng(3)
    reference = rng.random((13, 31, 24))
    prediction = np.clip(0.6 * reference + 0.4 * rng.random(reference.shape), 0, 1)
    for volume in (reference, prediction):
        volume[:, :6] = 0
        volume[0] = 0
    return reference, prediction


@WINDOWS
def test_map_is_scikit_images_slice_by_slice(volumes, window):
    ours = ssim_map(*volumes, window)
    for z, (reference, prediction) in enumerate(zip(*volumes, strict=True)):
        _, theirs = structural_similarity(
            reference, prediction, data_range=1, full=True, **AS_SCIKIT_IMAGE_SAYS_IT[window]
        )
        np.testing.assert_allclose(ours[z], theirs, rtol=0, atol=1e-9)


@WINDOWS
def test_another_data_range_is_scikit_images(volumes, window):
    """2 is what its older versions took for floats, which tells less apart."""
    ours = ssim_map(*volumes, window, data_range=2)
    reference, prediction = (volume[5] for volume in volumes)
    options = {"full": True, **AS_SCIKIT_IMAGE_SAYS_IT[window]}
    _, theirs = structural_similarity(reference, prediction, data_range=2, **options)
    np.testing.assert_allclose(ours[5], theirs, rtol=0, atol=1e-9)
    assert ours.mean() > ssim_map(*volumes, window).mean() + 0.002


def test_mean_without_border_is_scikit_images_default(volumes):
    labels = np.zeros(volumes[0].shape, np.int8)
    sums = label_sums(ssim_map(*volumes, UNIFORM), labels, border=UNIFORM.radius)
    theirs = [structural_similarity(*pair, data_range=1) for pair in zip(*volumes, strict=True)]
    np.testing.assert_allclose(by_slice(sums, "whole"), theirs, rtol=0, atol=1e-9)


@WINDOWS
@pytest.mark.parametrize(
    "box",
    [
        (slice(None), slice(9, 20), slice(3, 4)),
        (slice(2, 5), slice(0, 12), slice(15, 24)),
        (slice(4, 4), slice(0, 0), slice(0, 0)),
    ],
    ids=["inside", "corner", "nothing"],
)
def test_air_around_a_head_is_scikit_images_too(volumes, window, box):
    """Where both are 0 nothing is filtered, and SSIM is 1."""
    ours = [np.zeros(volume.shape) for volume in volumes]
    for cut, volume in zip(ours, volumes, strict=True):
        cut[box] = volume[box] + 0.1
    for pair in (ours, (ours[0], volumes[1]), (volumes[0], ours[1])):
        options = {"full": True, **AS_SCIKIT_IMAGE_SAYS_IT[window]}
        theirs = [
            structural_similarity(*two, data_range=1, **options)[1]
            for two in zip(*pair, strict=True)
        ]
        np.testing.assert_allclose(ssim_map(*pair, window), theirs, rtol=0, atol=1e-9)


@WINDOWS
def test_several_data_ranges_are_each_its_own(volumes, window):
    both = ssim_maps(volumes[0][5], volumes[1][5], window, [1, 2])
    for found, data_range in zip(both, (1, 2), strict=True):
        np.testing.assert_array_equal(found, ssim_map(*volumes, window, data_range)[5])


@WINDOWS
def test_map_of_identical_volumes_is_exactly_one(volumes, window):
    assert (ssim_map(volumes[0], volumes[0], window) == 1).all()


@WINDOWS
def test_a_slice_does_not_see_its_neighbours(volumes, window):
    reference, prediction = volumes
    changed = prediction.copy()
    changed[5] = 1 - changed[5]
    differs = ssim_map(reference, prediction, window) != ssim_map(reference, changed, window)
    assert np.flatnonzero(differs.any(axis=(1, 2))).tolist() == [5]


def test_constant_slices_by_hand():
    """Without variance SSIM is (2 * 0.5 * 0.25 + C1) / (0.5^2 + 0.25^2 + C1), its luminance."""
    dark, bright = np.full((1, 16, 16), 0.25), np.full((1, 16, 16), 0.5)
    expected = (0.25 + 1e-4) / (0.3125 + 1e-4)
    np.testing.assert_allclose(ssim_map(dark, bright, GAUSSIAN), expected, rtol=1e-12)


def test_slices_smaller_than_the_window_are_refused():
    small = np.zeros((3, 10, 40))
    with pytest.raises(ValueError, match="window of 11"):
        ssim_map(small, small, GAUSSIAN)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"size": 8}, "write an odd one"),
        ({"sigma": 1.5}, "a uniform none"),
        ({"shape": "gaussian"}, "a gaussian window has one"),
        ({"sise": 7}, "Extra inputs are not permitted"),
    ],
)
def test_windows_that_make_no_sense_are_refused(change, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Window.model_validate(UNIFORM.model_dump() | change)


def test_means_of_regions_by_hand():
    """Slice 0 holds 1 and 3 of the tumour, slice 1 holds 8 alone, slice 2 nothing."""
    values = np.array([[[1.0, 3.0]], [[8.0, 99.0]], [[99.0, 99.0]]])
    sums = label_sums(values, np.array([[[1, 3]], [[2, 0]], [[-1, 0]]], np.int8))
    assert by_slice(sums, "wt") == pytest.approx([2, 8, math.nan], nan_ok=True)
    assert sums.mean("wt", np.arange(3)) == 4
    assert sums.mean("tc", np.arange(3)) == 2
    assert sums.mean("wt", np.array([1, 2])) == 8
    assert by_slice(sums, "brain") == [2, 53.5, 99]
    assert sums.mean("whole", np.arange(3)) == 309 / 6


def test_sums_of_some_slices_keep_their_place():
    sums = LabelSums(3)
    for z in (0, 2):
        sums.add(z, np.full((1, 1), float(z)), np.zeros((1, 1), np.int8))
    assert by_slice(sums, "brain") == pytest.approx([0, math.nan, 2], nan_ok=True)
    assert sums.mean("brain", np.array([1, 2])) == 2
    assert sums.added.tolist() == [True, False, True]


def test_an_empty_region_has_no_mean():
    values = np.ones((3, 4, 4))
    sums = label_sums(values, np.zeros(values.shape, np.int8))
    assert math.isnan(sums.mean("wt", np.arange(3)))


def test_a_slice_is_measured_once_and_only_if_asked():
    volume, labels = np.zeros((4, 2, 2)), np.zeros((4, 2, 2), np.int8)
    seen = []

    def count(reference, prediction):
        seen.append(len(seen))
        return reference + len(seen)

    pair = Pair(volume, volume, labels, {})
    assert Voxels(pair, "whole", np.array([1])).mean(count) == 1
    assert Voxels(pair, "brain", np.array([1, 3])).mean(count) == 1.5
    assert seen == [0, 1]


@WINDOWS
def test_ssim_of_a_window_that_no_protocol_has(volumes, window):
    """Two ranges asked one after the other are those of `ssim_maps`, expected or not."""
    labels, slices = np.zeros(volumes[0].shape, np.int8), np.arange(len(volumes[0]))
    border = window.radius if window.border == "drop" else 0
    for expected in ({}, {window: [1]}, {window: [1, 2]}):
        voxels = Voxels(Pair(*volumes, labels, expected), "brain", slices)
        for data_range in (1, 2):
            sums = label_sums(ssim_map(*volumes, window, data_range), labels, border)
            assert voxels.ssim(window, data_range) == sums.mean("brain", slices)


def test_voxels_of_a_region_by_hand():
    labels = np.array([[[1, 0]], [[-1, 3]], [[2, 2]]], np.int8)
    reference = np.array([[[0.1, 0.2]], [[0.3, 0.4]], [[0.5, 1.0]]])
    voxels = Voxels(Pair(reference, 1 - reference, labels, {}), "wt", np.array([1, 2]))
    assert voxels.count == 3
    assert voxels.reference.tolist() == [0.4, 0.5, 1.0]
    assert voxels.prediction.tolist() == [0.6, 0.5, 0.0]
    assert voxels.histogram(2).tolist() == [[0, 1], [1, 1]]


def test_psnr_by_hand():
    """An error of 0.1 everywhere is an MSE of 0.01, which is 20 dB; no error is infinite."""
    reference, labels = np.zeros((1, 2, 2)), np.zeros((1, 2, 2), np.int8)
    for error, expected in ((0.1, 20), (1, 0), (0, math.inf)):
        pair = Pair(reference, reference + error, labels, {})
        found = psnr.measure(Voxels(pair, "brain", np.arange(1)), None)
        assert found == pytest.approx(expected, abs=1e-12)


def test_unit_range_is_double_precision():
    unit = to_unit_range(np.array([-1, 0, 1], np.float16))
    assert unit.tolist() == [0, 0.5, 1]
    assert unit.dtype == np.float64


def test_slices_are_rescaled_by_their_own_extremes():
    volume = np.array([[[0.2, 0.4, 0.6]], [[0.5, 0.5, 0.5]], [[0.0, 0.1, 0.4]]])
    rescaled = rescaled_slices(volume)
    np.testing.assert_allclose(rescaled[:, 0], [[0, 0.5, 1], [0, 0, 0], [0, 0.25, 1]], atol=1e-12)


def test_a_matched_prediction_has_the_references_z_scores():
    rng = np.random.default_rng(5)
    reference, prediction = rng.random((2, 3, 8, 8))
    brain = np.zeros(reference.shape, bool)
    brain[:, 2:6, 2:7] = True
    matched = matched_in_brain(prediction, reference, brain)
    ours, theirs = matched[brain], reference[brain]
    assert (ours.mean(), ours.std()) == pytest.approx((theirs.mean(), theirs.std()))
    assert np.corrcoef(ours, prediction[brain])[0, 1] == pytest.approx(1)
    assert (matched[~brain] == prediction[~brain]).all()


def test_what_has_no_spread_or_no_brain_is_not_stretched():
    reference, grey = np.linspace(0, 1, 16).reshape(1, 4, 4), np.full((1, 4, 4), 0.2)
    everywhere, nowhere = np.ones(grey.shape, bool), np.zeros(grey.shape, bool)
    np.testing.assert_allclose(matched_in_brain(grey, reference, everywhere), 0.5)
    assert (matched_in_brain(grey, reference, nowhere) == grey).all()
