"""Intervals, tests and ranks, against hand-worked cases, scipy, and simulated cohorts."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.scoring.statistics import (
    compare,
    holm,
    mean_interval,
    patient_means,
    rank_biserial,
    rank_stability,
    smallest_p,
)

NAN = math.nan


def one_seed(values) -> np.ndarray:
    return np.array([values], dtype=float)


@pytest.fixture
def random():
    return np.random.default_rng(7)


def test_a_patients_value_is_the_mean_over_the_seeds_that_have_one():
    values = np.array([[0.2, NAN, NAN], [0.4, 0.5, NAN]])
    assert patient_means(values) == pytest.approx([0.3, 0.5, NAN], nan_ok=True)


def covered(draw, truth, cohorts=1000) -> float:
    generator = np.random.default_rng(0)
    intervals = [mean_interval(draw(generator)) for _ in range(cohorts)]
    return sum(low <= truth <= high for low, high in intervals) / cohorts


@pytest.mark.parametrize(("a", "b"), [(8, 2), (4, 0.8)])
def test_the_interval_covers_the_mean_as_often_as_it_says(a, b):
    """On cohorts of the size of BraTS2020's test split, skewed as Dice is."""
    share = covered(lambda generator: generator.beta(a, b, (1, 74)), a / (a + b))
    assert 0.93 <= share <= 0.97


def test_few_patients_are_covered_as_seldom_as_the_docstring_says():
    four = covered(lambda generator: generator.beta(8, 2, (1, 4)), 0.8)
    ten = covered(lambda generator: generator.beta(8, 2, (1, 10)), 0.8)
    assert (round(four, 2), round(ten, 2)) == (0.88, 0.94)


def test_the_interval_allows_for_other_seeds():
    """Where seeds differ by as much as the mean over patients is uncertain, 0.12 / sqrt(74)."""

    def draw(generator):
        trained = generator.normal(0, 0.014, (3, 1))
        return generator.beta(8, 2, 74) + trained + generator.normal(0, 0.03, (3, 74))

    assert 0.92 <= covered(draw, 0.8, 300) <= 0.97


def test_the_interval_is_as_wide_as_seeds_and_patients_together(random):
    patients = random.beta(8, 2, 74)
    seeds = np.array([[-0.03], [0], [0.03]])
    both = np.ptp(mean_interval(patients + seeds)) / 3.92
    variance = patients.var() / 73 + seeds.var() / 3
    assert both == pytest.approx(math.sqrt(variance), rel=0.1)
    assert both > 1.3 * np.ptp(mean_interval(one_seed(patients))) / 3.92


@pytest.mark.parametrize("patients", [20, 74])
def test_the_interval_is_scipys_at_students_level(random, patients):
    values = random.lognormal(size=patients)
    widened = math.sqrt(patients / (patients - 1)) * stats.t.ppf(0.975, patients - 1)
    level = 2 * stats.norm.cdf(widened) - 1
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=level, n_resamples=30000, random_state=random
    ).confidence_interval
    width = theirs.high - theirs.low
    assert mean_interval(one_seed(values)) == pytest.approx(tuple(theirs), abs=0.02 * width)


def test_seeds_that_are_alike_change_nothing(random):
    values = random.beta(8, 2, 20)
    assert mean_interval(np.tile(values, (3, 1))) == pytest.approx(mean_interval(one_seed(values)))


def test_the_interval_does_not_depend_on_what_was_drawn_before(random):
    values, twice = random.random((2, 12)), random.random((2, 30))
    first = mean_interval(values)
    mean_interval(twice)
    assert mean_interval(values) == first


def test_undefined_patients_do_not_count(random):
    values = random.random(12)
    with_gaps = np.insert(values, [3, 9], NAN)
    assert mean_interval(one_seed(with_gaps)) == mean_interval(one_seed(values))


def test_a_seed_without_values_is_no_seed_but_harms_nothing(random):
    values = np.stack([random.random(12), np.full(12, NAN)])
    low, high = mean_interval(values)
    assert low < np.nanmean(values) < high
    assert (low, high) == pytest.approx(mean_interval(values[:1]), abs=0.02)


@pytest.mark.parametrize("values", [[0.5], [NAN, 0.5], [], [NAN, NAN], [math.inf, 30.0, 31.0]])
def test_without_two_finite_patients_there_is_no_interval(values):
    assert np.isnan(mean_interval(one_seed(values))).all()


def test_values_that_are_alike_have_an_interval_without_width():
    assert mean_interval(one_seed([0.1] * 3)) == (0.1, 0.1)
    assert mean_interval(np.full((2, 4), 0.7)) == (0.7, 0.7)
    unlike_seeds = np.array([[0.6] * 4, [0.8] * 4])
    assert mean_interval(unlike_seeds) == pytest.approx((0.6, 0.8))


def test_the_interval_moves_and_scales_with_the_values(random):
    values = random.random((1, 9))
    low, high = mean_interval(values)
    assert mean_interval(100 * values + 20) == pytest.approx((100 * low + 20, 100 * high + 20))


@pytest.mark.parametrize(
    ("differences", "effect"),
    [
        ([1, 2, 3], 1),
        ([-0.1, -0.2], -1),
        ([0, 0], 0),
        ([-1, 1], 0),
        # Ranks 1, 2, 3, 4: (1 + 3 + 4 - 2) / 10.
        ([1, -2, 3, 4], 0.6),
        # A tie of 1 and -1 has rank 1.5 each: (3 + 1.5 - 1.5) / 6.
        ([1, -1, 5], 0.5),
        # Zeros have ranks 1 and 2 and no side: (4 - 3) / 10.
        ([0, 0, -1, 2], 0.1),
    ],
)
def test_the_rank_biserial_correlation_by_hand(differences, effect):
    assert rank_biserial(np.array(differences, dtype=float)) == pytest.approx(effect)


def test_the_comparison_is_scipys_wilcoxon_with_the_differences_sign(random):
    ours, others = random.random(30), random.random(30) + 0.2
    compared = compare(ours, others)
    assert compared.p == stats.wilcoxon(ours, others, method="exact").pvalue
    assert compared.difference == pytest.approx(np.mean(ours - others))
    assert compared.effect < 0
    assert compare(others, ours).effect == -compared.effect
    assert compare(others, ours).p == compared.p


def test_the_p_value_of_few_is_exact_with_ties_and_zeros():
    """Against a count of all signs that the differences could have had."""
    differences = np.array([0, 0, 1, 1, 2, -3, 4, 5], dtype=float)
    ranks = stats.rankdata(np.abs(differences))[2:]
    seen = np.sum(np.sign(differences[2:]) * ranks)
    all_signs = [np.dot(signs, ranks) for signs in itertools.product([-1, 1], repeat=len(ranks))]
    exact = np.mean(np.abs(all_signs) >= abs(seen))
    assert compare(differences, np.zeros(8)).p == pytest.approx(exact)


def test_of_one_sign_few_pairs_give_the_smallest_p_there_is():
    for pairs in range(1, 12):
        values = np.arange(1.0, pairs + 1)
        assert compare(values, np.zeros(pairs)).p == pytest.approx(smallest_p(pairs))
    assert smallest_p(5) > 0.05 > smallest_p(6)
    assert smallest_p(0) == 1


def test_only_patients_that_both_have_are_compared():
    compared = compare(np.array([0.5, NAN, 0.7, 0.9]), np.array([0.4, 0.1, NAN, 0.6]))
    assert (compared.pairs, compared.effect) == (2, 1)
    assert compared.difference == pytest.approx(0.2)


def test_no_difference_has_p_one_and_no_effect():
    values = np.full(8, 0.3)
    compared = compare(values, values.copy())
    assert (compared.pairs, compared.difference, compared.effect, compared.p) == (8, 0, 0, 1)


def test_a_difference_of_rounding_is_none():
    compared = compare(np.full(7, 0.1 + 0.2), np.full(7, 0.3))
    assert (compared.effect, compared.p) == (0, 1)


def test_infinite_values_are_compared_by_their_order():
    compared = compare(np.full(8, math.inf), np.array([*np.arange(20.0, 27.0), math.inf]))
    assert (compared.pairs, compared.difference) == (8, math.inf)
    assert compared.effect == pytest.approx(35 / 36), "the pair of infinities has rank 1 of 36"
    assert compared.p == pytest.approx(smallest_p(7))


def test_without_pairs_there_is_nothing_to_compare():
    compared = compare(np.array([NAN, 1.0]), np.array([1.0, NAN]))
    assert compared.pairs == 0
    assert np.isnan([compared.difference, compared.effect, compared.p]).all()


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        ([0.01], [0.01]),
        # 3 x 0.01, 2 x 0.02, 1 x 0.03, which may not fall below the one before.
        ([0.03, 0.01, 0.02], [0.04, 0.03, 0.04]),
        ([0.01, NAN, 0.04], [0.02, NAN, 0.04]),
        ([0.6, 0.7], [1, 1]),
        ([NAN], [NAN]),
        ([], []),
    ],
)
def test_holms_correction_by_hand(p, corrected):
    assert holm(np.array(p, dtype=float)) == pytest.approx(corrected, nan_ok=True)


def test_a_system_that_always_wins_is_always_first(random):
    means = np.sort(random.random((3, 20)), axis=0)
    higher = rank_stability(means, "higher")
    assert higher.low.tolist() == higher.high.tolist() == [3, 2, 1]
    assert higher.first.tolist() == [0, 0, 1]
    lower = rank_stability(means, "lower")
    assert lower.low.tolist() == [1, 2, 3]


def test_systems_that_are_alike_share_a_rank(random):
    values = random.random(9)
    ranks = rank_stability(np.stack([values, values - 1, values]), "higher")
    assert ranks.low.tolist() == ranks.high.tolist() == [1, 3, 1]
    assert ranks.first.tolist() == [1, 0, 1]


def test_how_often_one_of_two_is_first_by_hand():
    """B wins unless A's one good patient is drawn: (3 / 4) ** 4 of all resamples lack it."""
    ranks = rank_stability(np.array([[1.0, 0, 0, 0], [0.1, 0.1, 0.1, 0.1]]), "higher")
    assert ranks.first == pytest.approx([1 - 0.75**4, 0.75**4], abs=0.015)
    assert (ranks.low.tolist(), ranks.high.tolist()) == ([1, 1], [2, 2])


def test_ranks_bear_gaps_and_infinities():
    means = np.array([[math.inf, 30.0, 30.0], [31.0, 31.0, 31.0], [NAN, NAN, 29.0]])
    ranks = rank_stability(means, "higher")
    # The infinite patient is in 19 of 27 resamples; without it the second is first.
    assert ranks.first == pytest.approx([19 / 27, 8 / 27, 0], abs=0.015)
    assert ranks.low.tolist() == [1, 1, 3]
    lower = rank_stability(means, "lower")
    # Its only patient is lower than all, but 8 of 27 resamples lack it: then it is last.
    assert lower.first[2] == pytest.approx(19 / 27, abs=0.015)
    assert lower.high[2] == 3


def test_one_patient_has_no_order():
    ranks = rank_stability(np.array([[0.1], [0.2]]), "higher")
    assert np.isnan([ranks.low, ranks.high, ranks.first]).all()
