"""Estimate how certain a mean is and whether two rows differ, over patients and trainings.

The values of a row are (replicates, patients): one line per training, NaN where it did not test the
patient or the score is undefined. `splits` labels the replicates: seeds of one split share a label,
and each fold or repeat has its own. A patient is a person here, whose time points were averaged
before, since they are no independent observations. Random draws depend on the numbers of replicates
and patients alone, so all rows share their resamples. scipy.stats and scipy.special take a second
to import, so functions import them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal, NamedTuple

import numpy as np

ALPHA = 0.05  # significant p-values are below; also how often an interval may miss
# P(A beats B) from which a difference is worth a claim (Bouthillier et al. 2021, section 4).
MEANINGFUL = 0.75
RESAMPLES = 9999
FEWEST_ROWS = 3  # whose order can agree with another: of two it is 1 or -1, whatever the values
_SEED = 20220411
_FARTHEST = 64  # a share whose interval reaches farther from it has no end there
_DIGITS = 9  # decimals to which two values count as equal: scores are stored with twelve digits


def patient_means(values: np.ndarray) -> np.ndarray:
    """Return (patients,) of (replicates, patients): means of those with a value, NaN if none."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=0)
    # Of infinity and minus infinity.
    with np.errstate(invalid="ignore"):
        sums = np.where(defined, values, 0).sum(axis=0)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def mean_interval(values: np.ndarray, splits: Sequence[int]) -> tuple[float, float]:
    """Return the 95 % interval of the mean over patients and trainings.

    Of one replicate it is the BCa bootstrap of the patients that have a value (Efron & Tibshirani
    1993, ch. 14). Levels are Student's instead of the normal's (Hesterberg 2015), since resamples
    of few patients vary too little. One training says nothing of others. Of several replicates it
    is a t interval for other patients and other trainings (see `_estimate`). docs/claims.md has the
    coverage of both by number of patients and trainings.

    Parameters
    ----------
    values : (replicates, patients), NaN where undefined.
    splits : (replicates,), the split of each.

    Returns
    -------
    (low, high), without width for equal values; (NaN, NaN) for fewer than two patients and for
    infinite values.
    """
    values, splits = _present(values, splits)
    means = patient_means(values)
    if len(means) < 2 or not np.isfinite(means).all():
        return np.nan, np.nan
    if np.nanmax(values) == np.nanmin(values):
        return float(means[0]), float(means[0])
    if len(values) > 1:
        return _estimate(values, splits).interval()
    replicates = _weights(len(means), "patients") @ means / len(means)
    low, high = np.quantile(replicates, _levels(means, replicates))
    return float(low), float(high)


def published_interval(mean: float, n: int, sd: float) -> tuple[float, float]:
    """Return the 95 % t interval of a mean that was published without its spread.

    Christodoulou et al. (MICCAI 2024, arXiv 2409.17763) rebuild intervals so, with an SD that they
    predict from the mean. Whoever calls this chooses the SD and has to name the assumption: such as
    that of our own patients for the same metric and region, or `largest_sd`. The interval is of one
    training and other patients.

    Parameters
    ----------
    mean : the published number.
    n : the number of test patients, at least 2; fewer give (NaN, NaN).
    sd : the assumed standard deviation over patients, in the metric's unit.
    """
    from scipy import stats

    if n < 2:
        return np.nan, np.nan
    half = stats.t.ppf(1 - ALPHA / 2, n - 1) * sd / np.sqrt(n)
    return float(mean - half), float(mean + half)


def largest_sd(mean: float) -> float:
    """Return the largest SD that values from 0 to 1 with this mean can have: all are 0 or 1."""
    return float(np.sqrt(mean * (1 - mean)))


def proportion_interval(count: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, count of n (Wilson 1927); (NaN, NaN) of nobody."""
    from scipy import stats

    if n == 0:
        return np.nan, np.nan
    found = stats.binomtest(int(count), int(n)).proportion_ci(1 - ALPHA, method="wilson")
    return float(found.low), float(found.high)


def agreement(differences: np.ndarray) -> tuple[float, float, float]:
    """Return the bias and the 95 % limits of agreement of differences, (n,), in their unit.

    These are the mean and the mean -/+ 1.96 SD (Bland & Altman, Lancet 1986); the limits of fewer
    than two differences, and the mean of none, are NaN.
    """
    if not len(differences):
        return np.nan, np.nan, np.nan
    bias = float(np.mean(differences))
    half = 1.96 * float(np.std(differences, ddof=1)) if len(differences) > 1 else np.nan
    return bias, bias - half, bias + half


def _present(values: np.ndarray, splits: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the replicates and patients that have a value, and their splits counted from 0."""
    defined = ~np.isnan(values)
    rows = defined.any(axis=1)
    labels = np.unique(np.asarray(splits)[rows], return_inverse=True)[1]
    return values[rows][:, defined.any(axis=0)], labels


@lru_cache(maxsize=16)
def _weights(count: int, of: Literal["trainings", "patients"]) -> np.ndarray:
    """How often each resample holds each patient or training: (resamples, count)."""
    generator = np.random.default_rng([_SEED, count, of == "trainings"])
    return generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)


def _levels(means: np.ndarray, replicates: np.ndarray) -> np.ndarray:
    """The interval's ends as quantiles of the replicates."""
    from scipy import stats
    from scipy.special import ndtr, ndtri

    n = len(means)
    centred = means - means.mean()
    spread = np.sum(centred**2) ** 1.5
    acceleration = np.sum(centred**3) / (6 * spread) if spread > 0 else 0.0
    gaps = np.round(replicates - means.mean(), _DIGITS)
    below = np.mean(gaps < 0) + np.mean(gaps == 0) / 2
    bias = ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))
    widest = np.sqrt(n / (n - 1)) * stats.t.ppf(1 - ALPHA / 2, n - 1)
    shifted = bias + np.array([-widest, widest])
    return ndtr(bias + shifted / (1 - acceleration * shifted))


class _Estimate(NamedTuple):
    """A mean over patients and trainings, its error, and the error's degrees of freedom."""

    mean: float
    error: float
    freedom: float

    def interval(self) -> tuple[float, float]:
        from scipy import stats

        half = stats.t.ppf(1 - ALPHA / 2, self.freedom) * self.error
        return float(self.mean - half), float(self.mean + half)

    def tail(self) -> float:
        """Return how probable a mean at least so far on its side of 0 is if the true mean is 0."""
        from scipy import stats

        if self.error == 0:
            return 0.5 if self.mean == 0 else 0.0
        return float(stats.t.cdf(-abs(self.mean) / self.error, self.freedom))


def _estimate(values: np.ndarray, splits: np.ndarray) -> _Estimate:
    """Return the mean and its error, of finite values of at least two patients (see `_present`).

    The variance of the mean is V = V_patients + max(0, added): that of independent patients, and
    what trainings add. For seeds of one split it is the variance of a multi-reader study whose
    readers are the trainings (Obuchowski & Rockette 1995), for folds the larger one of the
    variances over patients and over folds. `added` is the expected value under `_variances`, less
    what V_patients already has of it.

    Degrees of freedom are Satterthwaite's, as Hillis (2007) has them for readers: of V_patients
    and, where trainings add to it, of the variance over clusters, which are the splits, or the
    trainings of a single split. Seeds of one split share its effect, so they are no clusters beside
    others. Where nothing is added, the interval is the t interval of the patients.
    """
    means = patient_means(values)
    patients = len(means)
    within = means.var(ddof=1) / patients
    defined = ~np.isnan(values)
    shares = defined / defined.sum(axis=0)  # of each training in each patient's mean
    variances = _variances(values, splits)
    by_split = (splits == np.arange(splits.max() + 1)[:, None]).astype(float)
    added = 0.0
    for name, of in (("seed", shares), ("split", by_split @ shares)):
        once = np.sum(of.mean(axis=1) ** 2) - of.var(axis=1, ddof=1).sum() / patients
        added += once * variances.get(name, 0.0)
    uncertain = within**2 / (patients - 1)
    if added > 0:
        off = np.where(defined, shares * (values - means.mean()), 0).mean(axis=1)
        off = by_split @ off if "split" in variances else off
        between = np.sum(off**2) * len(off) / (len(off) - 1)
        uncertain += max(added, between) ** 2 / (len(off) - 1)
    total = within + max(added, 0.0)
    freedom = total**2 / uncertain if uncertain else patients - 1
    return _Estimate(float(means.mean()), float(np.sqrt(total)), float(freedom))


@dataclass(frozen=True)
class Components:
    """Standard deviations of what varies in a row's values, in the metric's unit.

    Attributes
    ----------
    patient : of patients; with the residual where each has one value.
    seed : of trainings on the same patients; NaN where each split has one.
    split : of folds or repeats, that is of training patients; with the seeds where each split has
        one; NaN for one split.
    residual : of a patient's values about the sum of these effects; NaN where each has one value.
    """

    patient: float
    seed: float
    split: float
    residual: float


def variance_components(values: np.ndarray, splits: Sequence[int]) -> Components:
    """Return the components of (replicates, patients), 0 where the estimate is negative.

    NaN for fewer than two patients, for infinite values, and as `Components` says.
    """
    values, splits = _present(values, splits)
    if values.shape[1] < 2 or np.isinf(values).any():
        return Components(*[np.nan] * 4)
    found = {name: np.sqrt(max(0.0, of)) for name, of in _variances(values, splits).items()}
    return Components(*(float(found.get(name, np.nan)) for name in Components.__annotations__))


def _variances(values: np.ndarray, splits: np.ndarray) -> dict[str, float]:
    """Return the variances of `Components`, which may be negative, without those that are NaN.

    Henderson's method 1 (1953): the sums of squares by patient, split and training are set to their
    expected values, which are linear in the variances for any numbers of values. For balanced
    designs this is the analysis of variance.
    """
    defined = ~np.isnan(values)
    names, coefficients = _expected(defined.tobytes(), defined.shape, tuple(splits))
    levels = _levels_of(defined, splits)
    centred = values[defined] - values[defined].mean()
    squares = [
        np.sum(np.bincount(levels[name], centred) ** 2 / np.bincount(levels[name]))
        for name in names
    ]
    return dict(zip(names, np.linalg.solve(coefficients, squares).tolist(), strict=True))


def _levels_of(defined: np.ndarray, splits: np.ndarray) -> dict[str, np.ndarray]:
    """Return which patient, split and training each value is of, and its own number."""
    trainings, patients = np.nonzero(defined)
    return {
        "patient": patients,
        "split": splits[trainings],
        "seed": trainings,
        "residual": np.arange(len(patients)),
    }


@lru_cache(maxsize=64)
def _expected(
    defined: bytes, shape: tuple[int, int], splits: tuple[int, ...]
) -> tuple[list[str], np.ndarray]:
    """Return the components that a design can tell apart, and the coefficients of their variances.

    A line of the coefficients belongs to the sum of squares by one component about the grand mean.
    """
    levels = _levels_of(np.frombuffer(defined, bool).reshape(shape), np.array(splits))
    every = np.zeros(len(levels["patient"]), int)
    names: list[str] = []
    for name in levels:
        tried = [*names, name]
        lines = [[_shared(levels[one], levels[of]) for of in tried] for one in tried]
        matrix = np.array(lines) - [_shared(every, levels[of]) for of in tried]
        if np.linalg.matrix_rank(matrix / np.abs(matrix).max(axis=0, initial=1)) == len(tried):
            names, coefficients = tried, matrix
    return names, coefficients


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """Return the coefficient of one factor's variance in the sum of squares by another."""
    width = other.max() + 1
    pairs, counts = np.unique(one * width + other, return_counts=True)
    return float(np.sum(counts**2 / np.bincount(one)[pairs // width]))


@dataclass(frozen=True)
class Comparison:
    """A row against another on the patients and replicates for which both have a value.

    Attributes
    ----------
    pairs : number of these patients.
    trainings : number of these replicates.
    difference : mean of its values minus the other's, in the metric's unit.
    low, high : the 95 % interval of the difference (see `mean_interval`).
    effect : matched-pairs rank-biserial correlation, -1 to 1 (all its values are higher).
    p : two-sided, not corrected.
    beats : P(A beats B): the probability that the row has the higher mean in another study, of one
        training of each and as many patients.
    false_claim : the probability that the row with the higher mean is not the better one.
    """

    pairs: int = 0
    trainings: int = 0
    difference: float = np.nan
    low: float = np.nan
    high: float = np.nan
    effect: float = np.nan
    p: float = np.nan
    beats: float = np.nan
    false_claim: float = np.nan


def compare(values: np.ndarray, others: np.ndarray, splits: Sequence[int]) -> Comparison:
    """Compare two rows, paired by patient and replicate.

    A row with one training of a split, such as a control, is paired with each of the other's.

    - `p` of one replicate is Wilcoxon's signed-rank test. Equal scores, as where neither finds the
      tumour, are ranked but take no side (Pratt 1959), else a difference of few patients would look
      like one of all. It is exact. Of several replicates it is the t test that belongs to the
      interval, since ranks of patients cannot say anything of other trainings.
    - `beats` is that of Bouthillier et al. (2021), who count how often A wins among pairs of
      trainings, each with its own split and bootstrapped test set. This is the normal probability
      of the difference, with the SD of one such study from the variance components, since a few
      trainings are too few to count. One replicate says nothing of other trainings: their variance
      is 0.
    - `false_claim` is that of Christodoulou et al. (2025, arXiv 2505.04720), with the error of the
      interval: t(-|difference| / error).

    Parameters
    ----------
    values, others : (replicates, patients), of the same replicates and patients.
    splits : (replicates,), the split of each.

    Returns
    -------
    All of it NaN without pairs; no interval, `beats` or `false_claim` for one pair or infinite
    differences, nor `p` if there are several replicates.
    """
    values, others = _paired(values, others, np.asarray(splits))
    # Infinity less infinity is NaN, but they are equal.
    differences = np.where(np.isnan(values) | np.isnan(others), np.nan, 0.0)
    np.subtract(values, others, out=differences, where=values != others)
    differences, splits = _present(np.round(differences, _DIGITS), splits)
    trainings, pairs = differences.shape
    if not pairs:
        return Comparison()
    means = patient_means(differences)
    low, high = mean_interval(differences, splits)
    beats = false_claim = p = np.nan
    if not np.isnan(low):
        estimate = _estimate(differences, splits)
        false_claim, p = estimate.tail(), 2 * estimate.tail()
        beats = _beats(estimate.mean, _variances(differences, splits), pairs)
    if trainings == 1 or not np.nan_to_num(differences).any():
        p = _signed_rank(means)
    with np.errstate(invalid="ignore"):
        difference = float(means.mean())
    effect = rank_biserial(means)
    return Comparison(pairs, trainings, difference, low, high, effect, p, beats, false_claim)


def _paired(
    values: np.ndarray, others: np.ndarray, splits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Repeat the only training that one has of a split for each training of the other."""
    both = [values.astype(float), others.astype(float)]
    for split in np.unique(splits):
        valued = [np.flatnonzero(~np.isnan(of).all(axis=1) & (splits == split)) for of in both]
        for of, mine, theirs in zip(both, valued, valued[::-1], strict=True):
            if len(mine) == 1 and len(theirs):
                of[theirs] = of[mine]
    return both[0], both[1]


def _signed_rank(differences: np.ndarray) -> float:
    """Return the exact p of all assignments of signs, convolved one rank at a time.

    scipy's is exact with ties up to 13 pairs only, and takes seconds there.
    """
    from scipy import stats

    taken = differences != 0
    # Twice the ranks are whole numbers, also where ties share one.
    ranks = np.rint(2 * stats.rankdata(np.abs(differences))).astype(int)[taken]
    observed = abs(np.sum(ranks * np.sign(differences[taken])))
    chances = np.zeros(2 * ranks.sum() + 1)  # of each sum of signed ranks
    chances[ranks.sum()] = 1
    for rank in ranks:
        chances = (np.roll(chances, rank) + np.roll(chances, -rank)) / 2
    sums = np.abs(np.arange(len(chances)) - ranks.sum())
    return float(min(1, chances[sums >= observed].sum()))


def _beats(difference: float, variances: dict[str, float], patients: int) -> float:
    from scipy.special import ndtr

    each = (variances["patient"] + variances.get("residual", 0.0)) / patients
    trained = variances.get("seed", 0.0) + variances.get("split", 0.0)
    spread = np.sqrt(max(each, 0.0) + max(trained, 0.0))
    if spread == 0:
        return float(0.5 + 0.5 * np.sign(difference))
    return float(ndtr(difference / spread))


@dataclass(frozen=True)
class Share:
    """How far a row is on the way from one row, at 0, to another, at 1.

    Attributes
    ----------
    pairs : number of patients for whom all three have a value.
    trainings : number of replicates for which all three have one.
    share : of the means over these patients.
    low, high : its 95 % interval (see `share_of_gap`); infinite where that has no end.
    """

    pairs: int = 0
    trainings: int = 0
    share: float = np.nan
    low: float = np.nan
    high: float = np.nan


def share_of_gap(
    values: np.ndarray, start: np.ndarray, end: np.ndarray, splits: Sequence[int]
) -> Share:
    """Return the share of the difference between `start` and `end` that a row recovers.

    The interval holds every share s with which the mean of `values - start - s (end - start)` may
    be 0, that is, lies within its 95 % interval (see `mean_interval`). This is the construction of
    Fieller (1954). So the share's interval excludes 0 where that of the difference from `start`
    does, and 1 where that of the difference from `end` does.

    Parameters
    ----------
    values, start, end : (replicates, patients), of the same replicates and patients. A training
        that is the only one of its split is paired with each of the others'.
    splits : (replicates,), the split of each.

    Returns
    -------
    share, low and high are NaN where the 95 % interval of `end - start` is not above 0: then there
    is no gap to recover a share of.
    """
    splits = np.asarray(splits)
    values, start = _paired(values, start, splits)
    values, end = _paired(values, end, splits)
    start = _paired(start, values, splits)[0]
    known = ~np.isnan(values + start + end)
    gained, gap = (np.where(known, of - start, np.nan) for of in (values, end))
    trainings, pairs = _present(gap, splits)[0].shape
    if not pairs:
        return Share()
    if not mean_interval(np.round(gap, _DIGITS), splits)[0] > 0:
        return Share(pairs, trainings)
    share = float(patient_means(gained)[known.any(axis=0)].mean() / np.nanmean(patient_means(gap)))

    def off(at: float, edge: int) -> float:
        return mean_interval(np.round(gained - at * gap, _DIGITS), splits)[edge]

    # A smaller share leaves a larger mean, so that its interval's lower end marks the first one.
    low, high = (_edge(partial(off, edge=edge), share, side) for edge, side in ((0, -1), (1, 1)))
    return Share(pairs, trainings, share, low, high)


def _edge(off: Callable[[float], float], inside: float, side: int) -> float:
    """Return where `off`, which falls, is 0 on a side of `inside`."""
    from scipy.optimize import brentq

    step = 0.25
    while off(inside + side * step) * side > 0:
        step *= 2
        if step > _FARTHEST:
            return side * np.inf
    return float(brentq(off, *sorted((inside, inside + side * step)), xtol=1e-5))


def rank_biserial(differences: np.ndarray) -> float:
    """Return ranks of positive less those of negative differences, as a share of all (Kerby 2014).

    Ranks are of absolute differences; those of zeros count half for each side.
    """
    from scipy import stats

    ranks = stats.rankdata(np.abs(differences))
    return float(np.sum(np.sign(differences) * ranks) / np.sum(ranks))


def smallest_p(pairs: int) -> float:
    """Return the smallest two-sided p-value of so many pairs: all differences have one sign."""
    return min(1.0, 2.0 ** (1 - pairs))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values corrected for their number (Holm 1979); NaN stays and does not count."""
    corrected = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    stepped = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


@dataclass(frozen=True)
class Ranks:
    """Ranks over resamples of the patients and of the trainings; 1 is best.

    Attributes
    ----------
    low, high : the 95 % interval of each row's rank, (rows,).
    first : the share of resamples in which no other row is better, (rows,).
    """

    low: np.ndarray
    high: np.ndarray
    first: np.ndarray


def rank_stability(
    values: np.ndarray, splits: Sequence[int], better: Literal["higher", "lower"]
) -> Ranks:
    """Return the ranks of rows over resamples that all rows share.

    Patients are resampled, and independently the trainings: those of one split, or whole splits if
    there are several (Owen 2007). This is conservative for folds, whose differences hold those of
    their patients. Equal rows share the better rank; a row without a value in a resample is last. A
    row with one training of a split has it in each of the split's replicates.

    Parameters
    ----------
    values : (rows, replicates, patients), NaN where undefined.
    splits : (replicates,), the split of each.

    Returns
    -------
    NaN for fewer than two patients.
    """
    from scipy import stats

    trained = ~np.isnan(values).all(axis=(0, 2))
    values, splits = values[:, trained].astype(float), np.asarray(splits)[trained]
    rows, replicates, patients = values.shape
    if patients < 2:
        return Ranks(*np.full((3, rows), np.nan))
    worst = -np.inf if better == "higher" else np.inf
    if replicates < 2:
        resampled = _weighted_means(values[:, 0], _weights(patients, "patients"))
    else:
        labels = np.unique(splits, return_inverse=True)[1]
        clusters = labels if labels.any() else np.arange(replicates)
        drawn = _weights(clusters.max() + 1, "trainings")[:, clusters]
        resampled = np.stack([_crossed_means(_repeated(row, labels), drawn) for row in values], 1)
    resampled[np.isnan(resampled)] = worst
    keys = np.round(-resampled if better == "higher" else resampled, _DIGITS)
    ranks = stats.rankdata(keys, method="min", axis=1)
    tails = [ALPHA / 2, 1 - ALPHA / 2]
    low, high = np.quantile(ranks, tails, axis=0, method="inverted_cdf")
    return Ranks(low, high, np.mean(ranks == 1, axis=0))


def _repeated(values: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Repeat the only training of a split for each of the split's replicates."""
    repeated = values.copy()
    for split in np.unique(splits):
        valued = np.flatnonzero(~np.isnan(values).all(axis=1) & (splits == split))
        if len(valued) == 1:
            repeated[splits == split] = values[valued]
    return repeated


def _crossed_means(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return (resamples,) means over patients of (replicates, patients), NaN without a value.

    Replicates are weighted as drawn, (resamples, replicates), and patients are resampled.
    """
    counts = drawn @ ~np.isnan(values)
    means = drawn @ np.where(np.isfinite(values), values, 0)
    np.divide(means, counts, out=means, where=counts > 0)
    weights = _weights(values.shape[1], "patients") * (counts > 0)
    sums, present = np.einsum("rp,rp->r", weights, means), weights.sum(axis=1)
    # Infinities apart, since 0 times infinity is NaN.
    sums[np.einsum("rp,rp->r", weights, drawn @ np.isinf(values)) > 0] = np.inf
    return np.divide(sums, present, out=np.full_like(sums, np.nan), where=present > 0)


def _weighted_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (resamples, rows) means of (rows, patients), NaN where a resample holds no value."""
    counts = weights @ (~np.isnan(values)).T
    sums = weights @ np.where(np.isfinite(values), values, 0).T
    # Infinities apart, since 0 times infinity is NaN.
    sums[weights @ np.isinf(values).T > 0] = np.inf
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


@dataclass(frozen=True)
class Correlation:
    """How far the order of rows by one measure agrees with that by another.

    Attributes
    ----------
    rho : Spearman's rank correlation, -1 to 1.
    low, high : its 95 % interval over patients.
    rows : number of the rows that have a mean of both.
    patients : number of the patients who have a value of either.
    """

    rho: float
    low: float
    high: float
    rows: int
    patients: int


def rank_correlation(one: np.ndarray, other: np.ndarray) -> Correlation:
    """Return the rank correlation of the means over patients of two measures.

    Percentile bootstrap over patients, who are the same in each resample for all rows and both
    measures; a resample in which a row has no value, or all are equal, does not count. Rows are not
    resampled: the interval is of these methods and of other patients.

    Parameters
    ----------
    one, other : (parts, rows, patients), the same rows and patients. A row's mean is that of its
        parts' means.

    Returns
    -------
    All of it NaN for fewer than three rows and where all rows are equal; no interval for fewer than
    two patients.
    """
    valued = [~np.isnan(of).all(axis=(0, 1)) for of in (one, other)]
    present = valued[0] | valued[1]
    measures = [of[..., present] for of in (one, other)]
    patients = int(present.sum())
    means = [_means_of_parts(of, np.ones((1, patients))) for of in measures]
    rows = ~np.isnan(means[0] + means[1])[0]
    count = int(rows.sum())
    rho = np.nan
    if count >= FEWEST_ROWS:
        rho = float(_spearman(*(of[:, rows] for of in means))[0])
    if np.isnan(rho) or patients < 2:
        return Correlation(rho, np.nan, np.nan, count, patients)
    weights = _weights(patients, "patients")
    resampled = _spearman(*(_means_of_parts(of[:, rows], weights) for of in measures))
    low, high = np.nanquantile(resampled, [ALPHA / 2, 1 - ALPHA / 2])
    return Correlation(rho, float(low), float(high), count, patients)


def _means_of_parts(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (resamples, rows) of (parts, rows, patients)."""
    return np.mean([_weighted_means(part, weights) for part in values], axis=0)


def _spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the rank correlation of each line of two (lines, rows), NaN where one is constant."""
    from scipy import stats

    ranks = [stats.rankdata(np.round(of, _DIGITS), axis=1) for of in (one, other)]
    first, second = (of - of.mean(axis=1, keepdims=True) for of in ranks)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    shared = (first * second).sum(axis=1)
    return np.divide(shared, scale, out=np.full(len(scale), np.nan), where=scale > 0)
