"""Dice, ASSD and the largest component: by hand on a few voxels, against medpy on blobs."""

import itertools
import math

import numpy as np
import pytest
from medpy.metric import binary as medpy
from scipy.ndimage import gaussian_filter

from benchmarks.scoring.metrics import assd
from benchmarks.scoring.overlap import Masks, bounding_box, dice, largest_component
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.regions import REGIONS, region_mask, tumour_slices

MILLIMETRE = (1.0, 1.0, 1.0)


def distance(reference, prediction, spacing, mean="pooled"):
    rules = load_protocol("strict").segmentation.model_copy(update={"assd_mean": mean})
    return assd.measure(Masks(reference, prediction, spacing), rules)


def voxels(*places, shape=(7, 7, 7)):
    """A mask that is True at the given places, each an index or slice for z, y and x."""
    mask = np.zeros(shape, bool)
    for place in places:
        mask[place] = True
    return mask


def test_two_shifted_boxes_by_hand():
    """Boxes of 2 x 2 x 2, one voxel apart along x: 4 of 8 voxels shared, so Dice 8 / 16.

    All voxels are surface. In each box the 4 shared are at distance 0, the other 4 at dx.
    """
    left, right = voxels(np.s_[1:3, 1:3, 1:3]), voxels(np.s_[1:3, 1:3, 2:4])
    assert dice(left, right) == 0.5
    assert distance(left, right, MILLIMETRE) == pytest.approx(0.5)
    assert distance(left, right, (5.0, 3.0, 0.8)) == pytest.approx(0.4)


def test_distances_are_pooled_not_averaged_twice():
    """One voxel at the end of a line of four: distances {0} and {0, 1, 2, 3}.

    Pooled they average 6 / 5; the mean of both directions' means would be 0.75.
    """
    point, line = voxels(np.s_[3, 3, 0]), voxels(np.s_[3, 3, 0:4])
    assert dice(point, line) == pytest.approx(2 / 5)
    assert distance(point, line, MILLIMETRE) == pytest.approx(6 / 5)
    assert distance(line, point, (1.0, 1.0, 2.0)) == pytest.approx(12 / 5)
    assert distance(point, line, MILLIMETRE, mean="of_directions") == pytest.approx(0.75)


def test_a_voxel_inside_a_box_is_not_its_surface():
    """The centre of a 3 x 3 x 3 box against the box, whose surface is the 26 others.

    Centre to box: 1. Box to centre: 6 faces at 1, 12 edges at root 2, 8 corners at root 3.
    """
    centre, box = voxels(np.s_[3, 3, 3]), voxels(np.s_[2:5, 2:5, 2:5])
    expected = (1 + 6 + 12 * math.sqrt(2) + 8 * math.sqrt(3)) / 27
    assert distance(centre, box, MILLIMETRE) == pytest.approx(expected)


def test_equal_masks_are_perfect():
    box = voxels(np.s_[1:5, 2:6, 0:3])
    assert dice(box, box) == 1
    assert distance(box, box, MILLIMETRE) == 0


@pytest.mark.parametrize(
    "metric", [dice, lambda a, b: distance(a, b, MILLIMETRE)], ids=["dice", "assd"]
)
@pytest.mark.parametrize("sides", [(1, 0), (0, 1), (0, 0)])
def test_an_empty_mask_is_not_measured(metric, sides):
    masks = [voxels(np.s_[1:3, 1:3, 1:3]) if side else voxels() for side in sides]
    with pytest.raises(ValueError, match="a mask is empty"):
        metric(*masks)


def blobs(seed, shape, level):
    """Random blobs; a low level lets them run into every border of the volume."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0, mode="wrap")
    return noise > level * noise.std()


@pytest.mark.parametrize("spacing", [MILLIMETRE, (5.0, 0.9, 1.3)], ids=["isotropic", "anisotropic"])
@pytest.mark.parametrize("level", [0.2, 2.0], ids=["at the border", "small"])
@pytest.mark.parametrize("seed", range(5))
def test_blobs_as_medpy_has_them(seed, level, spacing):
    reference, prediction = blobs(seed, (18, 25, 31), level), blobs(seed + 50, (18, 25, 31), level)
    assert dice(reference, prediction) == pytest.approx(medpy.dc(prediction, reference), abs=1e-9)
    theirs = medpy.assd(prediction, reference, voxelspacing=spacing)
    assert distance(reference, prediction, spacing) == pytest.approx(theirs, rel=0, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_of_directions_is_that_of_medpys_two(seed):
    reference, prediction = blobs(seed, (18, 25, 31), 1.0), blobs(seed + 50, (18, 25, 31), 1.0)
    spacing = (5.0, 0.9, 1.3)
    there = medpy.asd(reference, prediction, voxelspacing=spacing)
    back = medpy.asd(prediction, reference, voxelspacing=spacing)
    ours = distance(reference, prediction, spacing, mean="of_directions")
    assert ours == pytest.approx((there + back) / 2, rel=0, abs=1e-9)
    assert ours != pytest.approx(distance(reference, prediction, spacing), abs=1e-6)


def test_a_slice_as_medpy_has_it():
    reference, prediction = blobs(1, (25, 31), 1.0), blobs(51, (25, 31), 1.0)
    theirs = medpy.assd(prediction, reference, voxelspacing=(0.9, 1.3))
    assert distance(reference, prediction, (0.9, 1.3)) == pytest.approx(theirs, rel=0, abs=1e-9)


@pytest.mark.parametrize("corner", list(itertools.product(["low", "high"], repeat=3)))
def test_a_box_in_each_corner_as_medpy_has_it(corner):
    place = tuple(slice(0, 5) if side == "low" else slice(-5, None) for side in corner)
    reference, prediction = (
        voxels(place, shape=(9, 10, 11)),
        voxels(np.s_[3:8, 3:7, 4:9], shape=(9, 10, 11)),
    )
    theirs = medpy.assd(prediction, reference, voxelspacing=MILLIMETRE)
    assert distance(reference, prediction, MILLIMETRE) == pytest.approx(theirs, rel=0, abs=1e-9)


def test_bounding_box_is_tight():
    assert bounding_box(voxels(np.s_[2, 1, 0], np.s_[4, 1, 6])) == np.s_[2:5, 1:2, 0:7]
    assert voxels()[bounding_box(voxels())].size == 0


def classes(*parts):
    """Predicted classes from (place, class) pairs."""
    predicted = np.zeros((6, 6, 6), np.uint8)
    for place, value in parts:
        predicted[place] = value
    return predicted


def test_the_largest_component_stays_with_all_its_classes():
    large = (np.s_[0:3, 0:3, 0:3], 2), (np.s_[1, 1, 1], 3)
    island = (np.s_[5, 5, 3:6], 3), (np.s_[5, 4, 5], 1)
    assert (largest_component(classes(*large, *island)) == classes(*large)).all()


def test_a_component_is_the_whole_tumour_not_one_class():
    """Oedema and enhancing voxels that touch outweigh a larger island of one class."""
    mixed = (np.s_[0, 0, 0:3], 2), (np.s_[0, 0, 3:6], 3)
    island = (np.s_[5, 5, 0:5], 1)
    assert (largest_component(classes(*mixed, island)) == classes(*mixed)).all()


def test_corners_join_a_component():
    touching = classes((np.s_[0:2, 0:2, 0:2], 2), (np.s_[2, 2, 2], 3))
    assert (largest_component(touching) == touching).all()
    apart = classes((np.s_[0:2, 0:2, 0:2], 2), (np.s_[3, 2, 2], 3))
    assert largest_component(apart)[3, 2, 2] == 0


def test_of_two_equal_components_the_first_stays():
    first, second = (np.s_[0, 0, 0], 3), (np.s_[4, 4, 4], 1)
    assert (largest_component(classes(first, second)) == classes(first)).all()


def test_largest_component_leaves_its_input_alone():
    predicted = classes((np.s_[0:2, 0, 0], 3), (np.s_[4, 4, 4], 1))
    before = predicted.copy()
    largest_component(predicted)
    assert (predicted == before).all()


def test_no_tumour_has_no_component():
    assert not largest_component(classes()).any()


@pytest.mark.parametrize(
    ("region", "members"),
    [
        ("whole", {-1, 0, 1, 2, 3}),
        ("brain", {0, 1, 2, 3}),
        ("wt", {1, 2, 3}),
        ("tc", {1, 3}),
        ("et", {3}),
        ("non_tumour", {-1, 0}),
    ],
)
def test_regions_hold_their_labels(region, members):
    labels = np.arange(-1, 4, dtype=np.int8)
    assert set(labels[region_mask(labels, region)].tolist()) == members


def test_every_region_is_tested_above():
    assert set(REGIONS) == {"whole", "brain", "wt", "tc", "et", "non_tumour"}


def test_tumour_slices_need_one_voxel_of_any_class():
    labels = np.full((5, 4, 4), -1, np.int8)
    labels[1:, 1:3, 1:3] = 0
    labels[2, 1, 1], labels[4, 2, 2] = 1, 2
    assert tumour_slices(labels).tolist() == [False, False, True, False, True]
