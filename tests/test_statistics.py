"""Intervals, tests and ranks, against hand-worked cases, scipy, and simulated cohorts.

`PYTHONPATH=. python tests/test_statistics.py 1000` prints the tables of docs/claims.md, of as many
simulated studies each.
"""

import itertools
import math
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from benchmarks.scoring.statistics import (
    MEANINGFUL,
    agreement,
    compare,
    holm,
    largest_sd,
    mean_interval,
    patient_means,
    proportion_interval,
    published_interval,
    rank_biserial,
    rank_stability,
    smallest_p,
    variance_components,
)

NAN = math.nan
PATIENT = math.sqrt(8 * 2 / (10**2 * 11))  # SD of Beta(8, 2), 0.12, as of Dice


@dataclass(frozen=True)
class Study:
    """A design: how many patients are tested, and how often they are split and trained on.

    With folds each patient is tested once per repeat and seed; with repeats alone, each tests so
    many of five times as many patients.
    """

    patients: int
    seeds: int = 1
    folds: int = 1
    repeats: int = 1

    @property
    def cohort(self) -> int:
        return self.patients * (5 if self.repeats > 1 and self.folds == 1 else 1)

    @property
    def splits(self) -> np.ndarray:
        return np.repeat(np.arange(self.repeats * self.folds), self.seeds)

    def tested(self, generator: np.random.Generator) -> np.ndarray:
        places = []
        for _ in range(self.repeats):
            order = generator.permutation(self.cohort)
            part = order % self.folds if self.folds > 1 else (order >= self.patients)
            places += [part == fold for fold in range(self.folds)]
        return np.repeat(places, self.seeds, axis=0)

    def training_sd(self, ratio: float) -> float:
        """Return the SD of trainings that is so many standard errors of the patients' mean."""
        return ratio * PATIENT / math.sqrt(self.patients)

    def row(
        self,
        generator: np.random.Generator,
        tested: np.ndarray,
        ratio: float,
        skewed: bool = True,
        patient: float = 1.0,
    ) -> np.ndarray:
        """Return values about 0: patients, trainings by seed and by split, and a residual.

        Trainings vary as much by seed as by split, and patients so many times as much as Dice.
        """
        shape, several = tested.shape, self.splits.max() > 0
        trained = self.training_sd(ratio) / math.sqrt(1 + several)
        patients = generator.beta(8, 2, shape[1]) - 0.8
        if not skewed:
            patients = generator.normal(0, PATIENT, shape[1])
        values = patient * patients + generator.normal(0, 0.05, shape)
        values += generator.normal(0, trained, (shape[0], 1))
        if several:
            values += generator.normal(0, trained, (self.splits.max() + 1, 1))[self.splits]
        return np.where(tested, values, NAN)


def coverage(study: Study, ratio: float, cohorts: int, of: str = "mean", skewed: bool = True):
    """Return how often intervals of a mean, or of the difference of two rows, hold the truth, 0."""
    generator, covered = np.random.default_rng(1), 0
    tested = study.tested(generator)
    for _ in range(cohorts):
        one = study.row(generator, tested, ratio, skewed)
        if of == "mean":
            low, high = mean_interval(one, study.splits)
        else:
            other = one - study.row(generator, tested, ratio, skewed, patient=0.5)
            compared = compare(one, other, study.splits)
            low, high = compared.low, compared.high
        covered += low <= 0 <= high
    return covered / cohorts


def claims(study: Study, ratio: float, cohorts: int, widest: float) -> np.ndarray:
    """Return (cohorts, 3): the true difference, `false_claim`, and whether the claim is false.

    True differences are uniform between plus and minus so many of the patients' standard errors.
    """
    generator, found = np.random.default_rng(1), []
    tested = study.tested(generator)
    for _ in range(cohorts):
        true = generator.uniform(-1, 1) * study.training_sd(widest)
        one = study.row(generator, tested, ratio) + true
        compared = compare(one, np.where(np.isnan(one), NAN, 0), study.splits)
        wrong = np.sign(compared.difference) != np.sign(true)
        found.append([true, compared.false_claim, wrong])
    return np.array(found)


def beaten(study: Study, ratio: float, true: float, cohorts: int) -> np.ndarray:
    """Return `beats` of as many studies of a difference that a single study finds so often."""
    generator, found = np.random.default_rng(1), []
    tested = study.tested(generator)
    once = math.sqrt((PATIENT**2 + 0.05**2) / study.patients + study.training_sd(ratio) ** 2)
    for _ in range(cohorts):
        one = study.row(generator, tested, ratio) + stats.norm.ppf(true) * once
        found.append(compare(one, np.where(np.isnan(one), NAN, 0), study.splits).beats)
    return np.array(found)


def one_seed(values) -> np.ndarray:
    return np.array([values], dtype=float)


def interval(values) -> tuple[float, float]:
    """The interval of seeds of one split."""
    return mean_interval(np.asarray(values), [0] * len(values))


def compared(ours, others):
    """Compare two rows of one training, or of several seeds of one split."""
    ours, others = np.atleast_2d(ours).astype(float), np.atleast_2d(others).astype(float)
    return compare(ours, others, [0] * len(ours))


@pytest.fixture
def random():
    return np.random.default_rng(7)


def test_a_patients_value_is_the_mean_over_the_seeds_that_have_one():
    values = np.array([[0.2, NAN, NAN], [0.4, 0.5, NAN]])
    assert patient_means(values) == pytest.approx([0.3, 0.5, NAN], nan_ok=True)


def covered(draw, truth, cohorts=1000) -> float:
    generator = np.random.default_rng(0)
    intervals = [interval(draw(generator)) for _ in range(cohorts)]
    return sum(low <= truth <= high for low, high in intervals) / cohorts


@pytest.mark.parametrize(("a", "b"), [(8, 2), (4, 0.8)])
def test_the_interval_covers_the_mean_as_often_as_it_says(a, b):
    """On cohorts of the size of BraTS2020's test split, skewed as Dice is."""
    share = covered(lambda generator: generator.beta(a, b, (1, 74)), a / (a + b))
    assert 0.93 <= share <= 0.97


def test_few_patients_are_covered_as_seldom_as_the_docs_say():
    four = covered(lambda generator: generator.beta(8, 2, (1, 4)), 0.8)
    ten = covered(lambda generator: generator.beta(8, 2, (1, 10)), 0.8)
    assert (round(four, 2), round(ten, 2)) == (0.88, 0.94)


@pytest.mark.parametrize("of", ["mean", "difference"])
@pytest.mark.parametrize("ratio", [0, 1])
@pytest.mark.parametrize(
    "study",
    [
        Study(74, seeds=3),
        Study(74, seeds=10),
        Study(369, folds=5),
        Study(74, repeats=5),
        Study(60, folds=5, seeds=3),
        Study(12, seeds=3),
    ],
    ids=str,
)
def test_intervals_cover_other_patients_and_trainings(study, ratio, of):
    assert 0.91 <= coverage(study, ratio, 200, of) <= 0.99


def test_seeds_are_no_independent_trainings_where_the_split_matters():
    """As splits of their own they would be counted as 15 trainings instead of five."""
    study = Study(60, folds=5, seeds=3)
    generator, covered = np.random.default_rng(1), np.zeros(2)
    tested = study.tested(generator)
    for _ in range(300):
        values = study.row(generator, tested, 5)
        for k, splits in enumerate((study.splits, np.arange(15))):
            low, high = mean_interval(values, splits)
            covered[k] += low <= 0 <= high
    assert covered[0] / 300 >= 0.92
    assert covered[1] / 300 <= 0.9


def test_the_variance_of_crossed_seeds_is_that_of_the_two_way_analysis(random):
    values = random.random(20) + random.normal(0, 0.3, (4, 1)) + random.normal(0, 0.1, (4, 20))
    grand, by_seed, by_patient = values.mean(), values.mean(axis=1), values.mean(axis=0)
    residual = values - by_seed[:, None] - by_patient + grand
    seeds = 20 * np.sum((by_seed - grand) ** 2) / 3
    patients = 4 * np.sum((by_patient - grand) ** 2) / 19
    error = np.sum(residual**2) / (3 * 19)
    components = variance_components(values, [0] * 4)
    assert components.seed == pytest.approx(math.sqrt((seeds - error) / 20))
    assert components.patient == pytest.approx(math.sqrt((patients - error) / 4))
    assert components.residual == pytest.approx(math.sqrt(error))
    assert np.isnan(components.split)
    variance = (patients + seeds - error) / 80
    freedom = variance**2 / ((patients / 80) ** 2 / 19 + (seeds / 80) ** 2 / 3)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert interval(values) == pytest.approx((grand - half, grand + half))


def test_folds_are_the_one_way_analysis_of_scipy(random):
    """The standard error is that of the folds' means, and F their variance over the patients'."""
    folds = random.normal(random.normal(0, 2, (5, 1)), 1, (5, 8))
    values = np.full((5, 40), NAN)
    for k, of in enumerate(folds):
        values[k, 8 * k : 8 * k + 8] = of
    components = variance_components(values, range(5))
    within = folds.var(axis=1, ddof=1).mean()
    ratio = stats.f_oneway(*folds).statistic
    assert components.patient == pytest.approx(math.sqrt(within))
    assert components.split == pytest.approx(math.sqrt((ratio - 1) * within / 8))
    assert np.isnan([components.seed, components.residual]).all()
    low, high = mean_interval(values, range(5))
    error = stats.sem(folds.mean(axis=1))
    variance = folds.var(ddof=1) / 40
    freedom = error**4 / (variance**2 / 39 + error**4 / 4)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, freedom) * error)


def test_components_of_an_unbalanced_design_are_found(random):
    """Means over studies of variances that are known; a third of the values is undefined."""
    found = []
    for _ in range(200):
        splits = np.repeat(np.arange(4), 3)
        values = random.normal(0, 1, 60) + random.normal(0, 0.5, (12, 1))
        values += random.normal(0, 0.7, (4, 1))[splits] + random.normal(0, 0.3, (12, 60))
        values[random.random((12, 60)) < 1 / 3] = NAN
        components = variance_components(values, splits)
        found.append([components.patient, components.seed, components.split, components.residual])
    assert np.mean(np.square(found), axis=0) == pytest.approx([1, 0.25, 0.49, 0.09], rel=0.15)


def test_components_that_a_design_cannot_tell_apart_are_not_given(random):
    one = variance_components(random.random((1, 9)), [0])
    assert one.patient > 0 and np.isnan([one.seed, one.split, one.residual]).all()
    alone = np.where(np.eye(5, dtype=bool), random.random((5, 5)), NAN)
    left_out = variance_components(alone, range(5))
    assert left_out.patient > 0 and np.isnan([left_out.seed, left_out.split]).all()
    for values in (np.full((2, 4), math.inf), np.full((2, 1), 0.5), np.full((2, 3), NAN)):
        nothing = variance_components(values, [0, 0])
        assert np.isnan([nothing.patient, nothing.seed, nothing.split, nothing.residual]).all()
    alike = variance_components(np.full((3, 4), 0.5), [0, 0, 0])
    assert (alike.patient, alike.seed, alike.residual) == (0, 0, 0)


@pytest.mark.parametrize("patients", [20, 74])
def test_the_interval_is_scipys_at_students_level(random, patients):
    values = random.lognormal(size=patients)
    widened = math.sqrt(patients / (patients - 1)) * stats.t.ppf(0.975, patients - 1)
    level = 2 * stats.norm.cdf(widened) - 1
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=level, n_resamples=30000, random_state=random
    ).confidence_interval
    width = theirs.high - theirs.low
    assert interval(one_seed(values)) == pytest.approx(tuple(theirs), abs=0.02 * width)


def test_seeds_that_are_alike_give_the_t_interval_of_the_patients(random):
    values = random.beta(8, 2, 20)
    theirs = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    assert interval(np.tile(values, (3, 1))) == pytest.approx(theirs)


def test_the_interval_does_not_depend_on_what_was_drawn_before(random):
    values, twice = random.random((2, 12)), random.random((2, 30))
    first = interval(values)
    interval(twice)
    assert interval(values) == first


def test_undefined_patients_do_not_count(random):
    values = random.random(12)
    with_gaps = np.insert(values, [3, 9], NAN)
    assert interval(one_seed(with_gaps)) == interval(one_seed(values))


def test_a_seed_without_values_is_no_seed_but_harms_nothing(random):
    values = np.stack([random.random(12), np.full(12, NAN)])
    low, high = interval(values)
    assert (low, high) == interval(values[:1])


@pytest.mark.parametrize("values", [[0.5], [NAN, 0.5], [], [NAN, NAN], [math.inf, 30.0, 31.0]])
def test_without_two_finite_patients_there_is_no_interval(values):
    assert np.isnan(interval(one_seed(values))).all()


def test_values_that_are_alike_have_an_interval_without_width():
    assert interval(one_seed([0.1] * 3)) == (0.1, 0.1)
    assert interval(np.full((2, 4), 0.7)) == (0.7, 0.7)
    unlike_seeds = np.array([[0.6] * 4, [0.8] * 4])
    half = stats.t.ppf(0.975, 1) * 0.1
    assert interval(unlike_seeds) == pytest.approx((0.7 - half, 0.7 + half))


def test_the_interval_moves_and_scales_with_the_values(random):
    values = random.random((1, 9))
    low, high = interval(values)
    assert interval(100 * values + 20) == pytest.approx((100 * low + 20, 100 * high + 20))


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
    found = compared(ours, others)
    assert found.p == stats.wilcoxon(ours, others, method="exact").pvalue
    assert found.difference == pytest.approx(np.mean(ours - others))
    assert found.effect < 0
    assert compared(others, ours).effect == -found.effect
    assert compared(others, ours).p == found.p


def test_the_p_value_of_few_is_exact_with_ties_and_zeros():
    """Against a count of all signs that the differences could have had."""
    differences = np.array([0, 0, 1, 1, 2, -3, 4, 5], dtype=float)
    ranks = stats.rankdata(np.abs(differences))[2:]
    seen = np.sum(np.sign(differences[2:]) * ranks)
    all_signs = [np.dot(signs, ranks) for signs in itertools.product([-1, 1], repeat=len(ranks))]
    exact = np.mean(np.abs(all_signs) >= abs(seen))
    assert compared(differences, np.zeros(8)).p == pytest.approx(exact)


def test_of_one_sign_few_pairs_give_the_smallest_p_there_is():
    for pairs in range(1, 12):
        values = np.arange(1.0, pairs + 1)
        assert compared(values, np.zeros(pairs)).p == pytest.approx(smallest_p(pairs))
    assert smallest_p(5) > 0.05 > smallest_p(6)
    assert smallest_p(0) == 1


def test_only_patients_that_both_have_are_compared():
    found = compared(np.array([0.5, NAN, 0.7, 0.9]), np.array([0.4, 0.1, NAN, 0.6]))
    assert (found.pairs, found.effect) == (2, 1)
    assert found.difference == pytest.approx(0.2)


def test_no_difference_has_p_one_and_no_effect():
    values = np.full(8, 0.3)
    found = compared(values, values.copy())
    assert (found.pairs, found.difference, found.effect, found.p) == (8, 0, 0, 1)


def test_a_difference_of_rounding_is_none():
    found = compared(np.full(7, 0.1 + 0.2), np.full(7, 0.3))
    assert (found.effect, found.p) == (0, 1)


def test_infinite_values_are_compared_by_their_order():
    found = compared(np.full(8, math.inf), np.array([*np.arange(20.0, 27.0), math.inf]))
    assert (found.pairs, found.difference) == (8, math.inf)
    assert found.effect == pytest.approx(35 / 36), "the pair of infinities has rank 1 of 36"
    assert found.p == pytest.approx(smallest_p(7))


def test_without_pairs_there_is_nothing_to_compared():
    found = compared(np.array([NAN, 1.0]), np.array([1.0, NAN]))
    assert found.pairs == 0
    assert np.isnan([found.difference, found.effect, found.p]).all()


@pytest.mark.filterwarnings("error")
def test_one_training_gives_the_false_claim_of_scipys_paired_t_test(random):
    ours, others = random.random(30), random.random(30) + 0.05
    found = compared(ours, others)
    assert found.trainings == 1
    assert found.false_claim == pytest.approx(stats.ttest_rel(ours, others).pvalue / 2)
    error = stats.sem(ours - others)
    assert found.beats == pytest.approx(stats.norm.cdf(found.difference / error))
    assert (found.low, found.high) == interval(np.round([ours - others], 9))


@pytest.mark.filterwarnings("error")
def test_the_p_value_of_several_trainings_is_that_of_their_interval(random):
    ours = random.random(30) + random.normal(0, 0.1, (3, 1))
    for shift in (0.0, 0.1, 0.3):
        found = compared(ours, np.full((3, 30), 0.5 - shift))
        assert (found.pairs, found.trainings) == (30, 3)
        assert found.false_claim == pytest.approx(found.p / 2)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        back = compared(np.full((3, 30), 0.5 - shift), ours)
        assert (back.p, back.low, back.high) == pytest.approx((found.p, -found.high, -found.low))
        assert back.beats == pytest.approx(1 - found.beats)


def test_rows_are_paired_by_replicate(random):
    """Trainings that share what varies cannot differ by it."""
    shared = random.normal(0, 1, (4, 1))
    patients, noise = random.random(12), random.normal(0, 0.01, (4, 12))
    paired = compared(patients + shared + noise, patients + shared)
    apart = compared(patients + shared + noise, patients + shared[::-1])
    assert paired.high - paired.low < 0.05 < apart.high - apart.low


def test_a_row_with_one_training_is_compared_with_each_of_the_others():
    seeds = np.array([[0.4, 0.5, 0.6], [0.6, 0.7, 0.9]])
    control = np.array([[0.1, 0.1, 0.2], [NAN, NAN, NAN]])
    found = compared(seeds, control)
    assert found.trainings == 2
    assert found.difference == pytest.approx(seeds.mean() - control[0].mean())
    both = compare(seeds[:1], control[:1], [0])
    assert both == compared(np.stack([seeds[0], [NAN] * 3]), control), "one training, not two"


def test_trainings_that_only_one_row_has_do_not_count():
    ours = np.array([[0.4, 0.5], [0.6, 0.8], [0.1, 0.1]])
    others = np.array([[0.3, 0.3], [0.5, 0.5], [NAN, NAN]])
    found = compared(ours, others)
    assert (found.trainings, found.difference) == (2, pytest.approx(0.175))


@pytest.mark.filterwarnings("error")
def test_comparisons_without_spread_or_without_numbers_are_defined(random):
    values = random.random((3, 6))
    same = compared(values, values)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert (same.beats, same.false_claim, same.effect) == (0.5, 0.5, 0)
    above = compared(np.full((3, 6), 0.7), np.full((3, 6), 0.5))
    assert (above.low, above.high) == pytest.approx((0.2, 0.2))
    assert (above.p, above.beats, above.false_claim) == pytest.approx((0, 1, 0), abs=1e-9)
    alone = compared(values[:, :1], values[:, 1:2])
    assert alone.pairs == 1 and np.isnan([alone.low, alone.p, alone.beats, alone.false_claim]).all()
    infinite = values.copy()
    infinite[0, 0] = math.inf
    found = compared(infinite, values)
    assert found.difference == math.inf and np.isnan([found.low, found.p, found.beats]).all()
    assert compared(infinite, infinite).p == 1
    opposed = values.copy()
    opposed[1, 0] = math.inf
    assert np.isnan(compared(infinite, opposed).difference)


def test_claims_are_false_as_often_as_they_say():
    """Where nothing is known of the true difference before: all are equally likely."""
    for study in (Study(74, seeds=5), Study(60, folds=5), Study(20)):
        found = claims(study, 0 if study == Study(20) else 1, 250, widest=5)
        assert found[:, 1].mean() == pytest.approx(found[:, 2].mean(), abs=0.04)


@pytest.mark.parametrize("true", [0.5, MEANINGFUL, 0.95])
def test_the_probability_to_beat_is_that_of_a_single_study(true):
    assert np.median(beaten(Study(74, seeds=5), 1, true, 200)) == pytest.approx(true, abs=0.06)


def test_shares_have_wilsons_interval():
    """The worked example of Newcombe 1998, table I: 81 of 263; and that of nobody."""
    assert proportion_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    low, high = proportion_interval(0, 10)
    assert low == 0 and 0.25 < high < 0.3
    assert np.isnan(proportion_interval(0, 0)).all()


def test_limits_of_agreement_by_hand():
    bias, low, high = agreement(np.array([-2.0, 0.0, 5.0]))
    sd = math.sqrt((3**2 + 1**2 + 4**2) / 2)
    assert (bias, low, high) == pytest.approx((1, 1 - 1.96 * sd, 1 + 1.96 * sd))
    assert agreement(np.array([3.0]))[0] == 3 and np.isnan(agreement(np.array([3.0]))[1:]).all()
    assert np.isnan(agreement(np.empty(0))).all()


def test_published_intervals_by_hand():
    half = stats.t.ppf(0.975, 73) * 0.2 / math.sqrt(74)
    assert published_interval(0.8, 74, 0.2) == pytest.approx((0.8 - half, 0.8 + half))
    assert np.isnan(published_interval(0.8, 1, 0.2)).all()
    assert largest_sd(0.8) == pytest.approx(np.std([1, 1, 1, 1, 0]))


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


def ranked(means, better):
    """The ranks of rows of one training."""
    return rank_stability(np.asarray(means)[:, None], [0], better)


def test_a_system_that_always_wins_is_always_first(random):
    means = np.sort(random.random((3, 20)), axis=0)
    higher = ranked(means, "higher")
    assert higher.low.tolist() == higher.high.tolist() == [3, 2, 1]
    assert higher.first.tolist() == [0, 0, 1]
    lower = ranked(means, "lower")
    assert lower.low.tolist() == [1, 2, 3]


def test_systems_that_are_alike_share_a_rank(random):
    values = random.random(9)
    ranks = ranked(np.stack([values, values - 1, values]), "higher")
    assert ranks.low.tolist() == ranks.high.tolist() == [1, 3, 1]
    assert ranks.first.tolist() == [1, 0, 1]


def test_how_often_one_of_two_is_first_by_hand():
    """B wins unless A's one good patient is drawn: (3 / 4) ** 4 of all resamples lack it."""
    ranks = ranked(np.array([[1.0, 0, 0, 0], [0.1, 0.1, 0.1, 0.1]]), "higher")
    assert ranks.first == pytest.approx([1 - 0.75**4, 0.75**4], abs=0.015)
    assert (ranks.low.tolist(), ranks.high.tolist()) == ([1, 1], [2, 2])


def test_ranks_bear_gaps_and_infinities():
    means = np.array([[math.inf, 30.0, 30.0], [31.0, 31.0, 31.0], [NAN, NAN, 29.0]])
    ranks = ranked(means, "higher")
    # The infinite patient is in 19 of 27 resamples; without it the second is first.
    assert ranks.first == pytest.approx([19 / 27, 8 / 27, 0], abs=0.015)
    assert ranks.low.tolist() == [1, 1, 3]
    lower = ranked(means, "lower")
    # Its only patient is lower than all, but 8 of 27 resamples lack it: then it is last.
    assert lower.first[2] == pytest.approx(19 / 27, abs=0.015)
    assert lower.high[2] == 3


def test_one_patient_has_no_order():
    ranks = ranked(np.array([[0.1], [0.2]]), "higher")
    assert np.isnan([ranks.low, ranks.high, ranks.first]).all()


def test_trainings_are_resampled_with_the_patients(random):
    """Of three seeds A has a good one, and needs it: 8 of 27 resamples lack it."""
    values = np.zeros((2, 3, 5))
    values[0, 0], values[1] = 1.0, 0.1
    ranks = rank_stability(values, [0, 0, 0], "higher")
    assert ranks.first == pytest.approx([19 / 27, 8 / 27], abs=0.015)
    # As folds, or with seeds that are undefined elsewhere, the values mean the same.
    assert rank_stability(values, [0, 1, 2], "higher").first == pytest.approx(ranks.first)
    with_gap = np.concatenate([values, np.full((2, 1, 5), NAN)], axis=1)
    assert rank_stability(with_gap, [0, 0, 0, 1], "higher").first == pytest.approx(ranks.first)


def test_ranks_of_folds_resample_folds(random):
    folds = np.full((2, 3, 9), NAN)
    for k in range(3):
        folds[0, k, 3 * k : 3 * k + 3] = 1.0 if k == 0 else 0.0
        folds[1, k, 3 * k : 3 * k + 3] = 0.1
    first = rank_stability(folds, [0, 1, 2], "higher").first
    assert first.sum() == pytest.approx(1, abs=0.01), "ties are rare"
    # Without the fold, or without its patients.
    assert first[1] == pytest.approx(8 / 27 + 19 / 27 * (2 / 3) ** 9, abs=0.03)


def test_a_control_with_one_training_is_ranked_in_every_resample():
    values = np.full((2, 3, 4), 0.2)
    values[1] = NAN
    values[1, 0] = 0.5
    assert rank_stability(values, [0, 0, 0], "higher").first.tolist() == [0, 1]


def print_tables(cohorts: int) -> None:
    """Print coverage, calibration of false claims and P(A beats B), as Markdown."""
    studies = {
        "74 patients, 1 seed": Study(74),
        **{f"74 patients, {n} seeds": Study(74, seeds=n) for n in (3, 5, 10)},
        "369 patients in 5 folds": Study(369, folds=5),
        "369 patients in 5 folds, 3 seeds": Study(369, folds=5, seeds=3),
        "74 patients, 5 repeats": Study(74, repeats=5),
        "74 patients, 5 repeats, 3 seeds": Study(74, repeats=5, seeds=3),
        **{f"{n} patients, 1 seed": Study(n) for n in (4, 6, 12, 27)},
        **{f"{n} patients, 3 seeds": Study(n, seeds=3) for n in (4, 6, 12, 27)},
        "12 patients, 10 seeds": Study(12, seeds=10),
        "27 patients in 5 folds": Study(27, folds=5),
        "12 patients in 3 folds": Study(12, folds=3),
    }
    for name, study in studies.items():
        ratios = (0,) if len(study.splits) == 1 else (0, 1, 3)
        shares = [
            f"{100 * coverage(study, ratio, cohorts, of, skewed):.1f}"
            for of, skewed in (("mean", True), ("mean", False), ("difference", True))
            for ratio in ratios
        ]
        if len(ratios) == 1:
            shares = [cell for share in shares for cell in (share, "–", "–")]
        print(f"| {name} | {' | '.join(shares)} |", flush=True)
    for name in ("74 patients, 5 seeds", "369 patients in 5 folds", "12 patients, 3 seeds"):
        found = claims(studies[name], 1, 2 * cohorts, widest=5)
        cells = []
        for low, high in ((0, 0.05), (0.05, 0.25), (0.25, 0.51)):
            chosen = found[(found[:, 1] >= low) & (found[:, 1] < high)]
            cells.append(f"{100 * chosen[:, 1].mean():.1f} / {100 * chosen[:, 2].mean():.1f}")
        for true in (0.5, MEANINGFUL, 0.95):
            low, middle, high = np.quantile(
                beaten(studies[name], 1, true, cohorts), [0.05, 0.5, 0.95]
            )
            cells.append(f"{middle:.2f} ({low:.2f}–{high:.2f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    print_tables(int(sys.argv[1]))
