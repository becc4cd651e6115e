"""Lesion-wise Dice and HD95: by hand, and as the official evaluation of BraTS 2023 scores them.

`known_answers/lesionwise.json` holds the numbers that github.com/rachitsaluja/BraTS-2023-Metrics
(challenge BraTS-GLI) gives for the volumes that `lesions` makes of these seeds.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scoring.lesions import areas, find_lesions, hd95_by_area, neighbour_codes
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.score import score_segmentation

KNOWN = json.loads(
    Path(__file__).with_name("known_answers").joinpath("lesionwise.json").read_text()
)
MILLIMETRE = (1.0, 1.0, 1.0)


def ball(shape, centre, radius):
    grid = np.ogrid[tuple(slice(length) for length in shape)]
    return sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)) <= radius**2


def lesions(seed, empty, shape=(36, 44, 40)):
    """Labels and predicted classes with several lesions, some missed, some small, some false."""
    rng = np.random.default_rng(seed)
    volumes = np.zeros((2, *shape), np.int8)
    for _ in range(7):
        centre, radius = rng.integers(2, np.array(shape) - 2), int(rng.integers(1, 7))
        moved = centre + rng.integers(-2, 3, size=3)
        reference, prediction = rng.choice(2, 2, p=[0.25, 0.75])
        for volume, place, drawn in zip(
            volumes, (centre, moved), (reference, prediction), strict=True
        ):
            if drawn:
                volume[ball(shape, place, radius)] = 2
                volume[ball(shape, place, radius - 2)] = 1
                volume[ball(shape, place + np.array([0, 0, 1]), radius - 3)] = 3
    if empty in ("reference", "both"):
        volumes[0] = 0
    if empty in ("prediction", "both"):
        volumes[1] = 0
    return volumes[0], volumes[1].astype(np.uint8)


@pytest.mark.parametrize("case", KNOWN["cases"], ids=lambda case: f"{case['seed']}{case['empty']}")
def test_as_the_official_evaluation_scores_them(case):
    strict = load_protocol("strict")
    rows = score_segmentation([strict], *lesions(case["seed"], case["empty"]), case["spacing"], 99)
    for name in ("lesion_dice", "lesion_hd95"):
        ours = {
            row["region"]: row["value"]
            for row in rows
            if row["metric"] == name and row["postprocessing"] == "none"
        }
        assert ours == pytest.approx(case[name], abs=1e-6)


def test_the_known_answers_hold_every_case():
    cases = KNOWN["cases"]
    assert {case["empty"] for case in cases} == {"", "reference", "prediction", "both"}
    assert any(case["spacing"] != list(MILLIMETRE) for case in cases)
    values = [value for case in cases for value in case["lesion_dice"].values()]
    assert {0.0, 1.0} < set(values) and len(set(values)) > 20


def boxes(*places, shape=(16, 16, 40)):
    mask = np.zeros(shape, bool)
    for place in places:
        mask[place] = True
    return mask


def scores(reference, prediction, spacing=MILLIMETRE):
    masks = Masks(reference, prediction, spacing)
    metrics = read_metrics()
    return tuple(metrics[name].measure(masks, None) for name in ("lesion_dice", "lesion_hd95"))


@pytest.mark.parametrize(("gap", "count"), [(6, 1), (7, 2)])
def test_parts_up_to_six_voxels_apart_are_one_lesion(gap, count):
    reference = boxes(np.s_[:4, :4, :4], np.s_[:4, :4, 4 + gap : 8 + gap])
    assert len(find_lesions(Masks(reference, boxes(), MILLIMETRE)).pairs) == count


def test_a_dilation_spreads_over_faces_and_edges():
    """Of three steps over edges, (3, 3, 0) is within reach and (3, 3, 3) is not."""
    for place, reached in ((np.s_[6, 6, 3], True), (np.s_[6, 6, 6], False)):
        reference = boxes(np.s_[:4, :4, :4])
        lesions_found = find_lesions(Masks(reference, boxes(place), MILLIMETRE))
        assert lesions_found.false == (not reached)


def test_small_lesions_are_not_scored():
    """Of 50 mm3: a prediction on it is not false either, and nothing is left to score."""
    small = boxes(np.s_[:2, :5, :5])
    assert scores(small, boxes()) == scores(small, small) == (1, 0)
    larger = boxes(np.s_[:2, :5, :5], np.s_[2, 0, 0])
    assert scores(larger, boxes()) == (0, 374)
    assert scores(small, boxes(), spacing=(1.1, 1.0, 1.0)) == (0, 374)


def test_missed_and_false_lesions_by_hand():
    """One lesion found, one missed, and one false voxel."""
    reference = boxes(np.s_[:4, :4, :4], np.s_[:4, :4, 20:24])
    prediction = boxes(np.s_[:4, :4, :4], np.s_[12, 12, 12])
    assert scores(reference, prediction) == pytest.approx((1 / 3, 2 * 374 / 3))


def test_empties_by_hand():
    lesion = boxes(np.s_[:4, :4, :4])
    assert scores(boxes(), boxes()) == (1, 0)
    assert scores(lesion, boxes()) == scores(boxes(), lesion) == (0, 374)


def test_a_percentile_is_of_area():
    """A plate against itself with one voxel on top, 5 mm up: little area, so no distance."""
    plate = boxes(np.s_[:2, :12, :12])
    stalk = plate | boxes(np.s_[2:7, 6, 6])
    assert hd95_by_area(plate, stalk, MILLIMETRE) == 0
    wide = plate | boxes(np.s_[2:7, :12, :12])
    assert hd95_by_area(plate, wide, MILLIMETRE) == 5


@pytest.mark.parametrize("inside", [True, False])
def test_voxels_that_share_an_edge_have_surfaces_of_their_own(inside):
    """Each of two diagonal voxels cuts a corner off the cube between them: root 3 / 8 mm2."""
    pair = np.array([[[1, 0], [0, 1]], [[0, 0], [0, 0]]], bool)
    codes = neighbour_codes(pair if inside else ~pair)
    inner = areas(MILLIMETRE)[codes[1, 1, 1]]
    assert inner == pytest.approx(2 * 3**0.5 / 8, abs=1e-6)
