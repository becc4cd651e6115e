"""How sure a mean is, and whether two systems differ: a patient is the unit, seeds are repeats.

A system's values are (seeds, patients), NaN where undefined. A patient's value is the mean over the
seeds that have one. Random draws are seeded by what is resampled alone, so that the same values
give the same numbers, and systems with the same patients the same resamples.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import stats
from scipy.special import ndtr, ndtri

ALPHA = 0.05
"""Below which a p-value counts, and how often an interval may miss."""
RESAMPLES = 9999

_SEED = 20220411
_DIGITS = 9
"""Decimals to which two values count as equal: scores are stored with twelve digits."""


def patient_means(values: np.ndarray) -> np.ndarray:
    """(seeds, patients) to (patients): means over the seeds that have a value, NaN where none."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=0)
    sums = np.where(defined, values, 0).sum(axis=0)
    return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean over patients, from (seeds, patients).

    BCa bootstrap (Efron & Tibshirani 1993, ch. 14) with 9999 resamples of the patients that have a
    value. Where there are several seeds, these are resampled too, independently of the patients:
    all patients share a training, so seeds and patients are crossed (Field & Welsh 2007, Owen
    2007). Levels are widened from the normal's to Student's, as Hesterberg (2015) does for the
    percentile bootstrap, since resamples of few patients vary too little. Values that are all
    alike give an interval of no width. (NaN, NaN) for fewer than two patients and where a value is
    infinite.

    Coverage, measured on 1000 cohorts of Beta(8, 2), skewed as Dice is: 95 % for 74 patients and
    for 20, 94 % for 10, 92 % for 6, but 88 % for 4, and 83 % where Dice crowds at 1 (Beta(4, 0.8)).
    Three seeds whose means differ about as much as the patients' standard error: 93 to 95 %; three
    times as much: 85 %, since so few seeds tell little of others. One seed tells nothing of them.
    """
    values = values[:, ~np.isnan(values).all(axis=0)]
    means = patient_means(values)
    if len(means) < 2 or np.isinf(means).any():
        return np.nan, np.nan
    if np.nanmax(values) == np.nanmin(values):
        return means[0], means[0]
    low, high = np.quantile(replicates := _replicates(values), _levels(means, replicates))
    return float(low), float(high)


def _replicates(values: np.ndarray) -> np.ndarray:
    """The mean in each resample that has one."""
    seeds, patients = values.shape
    by_patient = _weights(patients, "patients")
    if seeds == 1:
        return by_patient @ values[0] / patients
    by_seed = _weights(seeds, "seeds")
    defined = ~np.isnan(values)
    counts = by_seed @ defined
    sums = by_seed @ np.where(defined, values, 0)
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    sums = np.einsum("rp,rp->r", by_patient, means)
    present = np.einsum("rp,rp->r", by_patient, counts > 0)
    return sums[present > 0] / present[present > 0]


@lru_cache(maxsize=16)
def _weights(count: int, of: Literal["seeds", "patients"]) -> np.ndarray:
    """(resamples, count): how often a resample holds each of so many."""
    generator = np.random.default_rng([_SEED, count, of == "seeds"])
    return generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)


def _levels(means: np.ndarray, replicates: np.ndarray) -> np.ndarray:
    """Which quantiles of the replicates are the interval's ends."""
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


@dataclass(frozen=True)
class Comparison:
    """A system against another on the patients for which both have a value.

    Attributes
    ----------
    pairs : how many patients these are.
    difference : mean of its values less the other's, in the metric's unit.
    effect : matched-pairs rank-biserial correlation, -1 to 1: 1 where all its values are higher.
    p : two-sided, not corrected.
    """

    pairs: int
    difference: float
    effect: float
    p: float


def compare(values: np.ndarray, others: np.ndarray) -> Comparison:
    """Wilcoxon's signed-rank test and its effect size, from the patients' values of two systems.

    Patients for whom both score alike, as where neither finds the tumour, are ranked but take no
    side (Pratt 1959): to drop them would make a difference of few patients look like one of all.
    The p-value is exact up to 50 pairs without ties, and up to 13 with them. NaN without pairs.
    """
    both = ~np.isnan(values) & ~np.isnan(others)
    values, others = values[both], others[both]
    if not both.any():
        return Comparison(0, np.nan, np.nan, np.nan)
    # Infinity less infinity is no number, but infinity equals itself.
    unlike = values != others
    differences = np.subtract(values, others, out=np.zeros(len(values)), where=unlike)
    differences = np.round(differences, _DIGITS)
    p = 1.0
    if differences.any():
        p = float(stats.wilcoxon(differences, zero_method="pratt").pvalue)
    return Comparison(len(values), float(differences.mean()), rank_biserial(differences), p)


def rank_biserial(differences: np.ndarray) -> float:
    """Ranks of positive differences less those of negative ones, as a share of all (Kerby 2014).

    Ranks are those of absolute differences; those of zeros count half for each side.
    """
    ranks = stats.rankdata(np.abs(differences))
    return float(np.sum(np.sign(differences) * ranks) / np.sum(ranks))


def smallest_p(pairs: int) -> float:
    """The smallest two-sided p-value that so many pairs can give: all differences of one sign."""
    return min(1.0, 2.0 ** (1 - pairs))


def holm(p: np.ndarray) -> np.ndarray:
    """P-values corrected for their number (Holm 1979); NaN stays NaN and does not count."""
    corrected = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    stepped = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


@dataclass(frozen=True)
class Ranks:
    """Where each of several systems comes in, over resamples of the patients; 1 is best.

    Attributes
    ----------
    low, high : (systems), the 95 % interval of the rank.
    first : (systems), the share of resamples in which no other is better.
    """

    low: np.ndarray
    high: np.ndarray
    first: np.ndarray


def rank_stability(means: np.ndarray, better: Literal["higher", "lower"]) -> Ranks:
    """Ranks of (systems, patients) over resamples that hold the same patients for every system.

    Systems that are alike share the better rank. A system without a value in a resample comes last
    in it. NaN for fewer than two patients.
    """
    systems, patients = means.shape
    if patients < 2:
        nothing = np.full(systems, np.nan)
        return Ranks(nothing, nothing, nothing)
    weights = _weights(patients, "patients")
    counts = weights @ (~np.isnan(means)).T
    sums = weights @ np.where(np.isfinite(means), means, 0).T
    # A sum of products would turn what a resample leaves out, 0 times infinity, into NaN.
    sums[weights @ np.isinf(means).T > 0] = np.inf
    worst = -np.inf if better == "higher" else np.inf
    resampled = np.divide(sums, counts, out=np.full_like(sums, worst), where=counts > 0)
    keys = np.round(-resampled if better == "higher" else resampled, _DIGITS)
    ranks = stats.rankdata(keys, method="min", axis=1)
    tails = [ALPHA / 2, 1 - ALPHA / 2]
    low, high = np.quantile(ranks, tails, axis=0, method="inverted_cdf")
    return Ranks(low, high, np.mean(ranks == 1, axis=0))
