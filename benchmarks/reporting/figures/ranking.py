"""Which systems differ: mean ranks and the Nemenyi test (Demsar, JMLR 7, 2006)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import f, friedmanchisquare, studentized_range

LEVEL = 0.05
ENOUGH = 10
"""The test's distribution holds for more patients than this (Demsar, Sec. 3.2.2)."""


@dataclass(frozen=True)
class Ranking:
    """Systems from best to worst.

    Attributes
    ----------
    ranks : a row a patient, a column a system; 1 is best, equal values share their mean rank.
    p : of Friedman's test in Iman and Davenport's form; NaN where it is not done.
    distance : mean ranks further apart than this differ at the 5 % level; NaN without a test.
    verdict : what may be said, in words.
    """

    ranks: pd.DataFrame
    p: float
    distance: float
    verdict: str

    @property
    def means(self) -> pd.Series:
        return self.ranks.mean()

    @property
    def alike(self) -> list[tuple[int, int]]:
        """First and last of each longest row of systems that the test cannot tell apart."""
        if not self.p < LEVEL:
            return []
        means = self.means.to_numpy()
        last = [int(np.flatnonzero(means - mean < self.distance)[-1]) for mean in means]
        return [
            (start, end)
            for start, end in enumerate(last)
            if end > start and (start == 0 or last[start - 1] < end)
        ]


def rank(values: pd.DataFrame, higher_is_better: bool) -> Ranking:
    """Rank the systems (columns) within each patient (row) who has a value for all of them."""
    values = values.dropna()
    ranks = values.rank(axis=1, ascending=not higher_is_better)
    ranks = ranks[ranks.mean().sort_values(kind="stable").index]
    n, k = ranks.shape
    nothing = float("nan")
    if n <= ENOUGH or k < 3:
        few = f"n = {n}: too few to test for differences"
        alone = f"n = {n}; a test needs three systems"
        return Ranking(ranks, nothing, nothing, few if n <= ENOUGH else alone)
    p = _friedman(values)
    said = f"n = {n}, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
    if not p < LEVEL:
        return Ranking(ranks, p, nothing, f"{said}: no difference is shown")
    distance = critical_distance(n, k)
    return Ranking(ranks, p, distance, f"{said}, CD = {distance:.2f}")


def critical_distance(patients: int, systems: int) -> float:
    """Of the Nemenyi test at the 5 % level, in mean ranks."""
    q = studentized_range.ppf(1 - LEVEL, systems, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(systems * (systems + 1) / (6 * patients)))


def _friedman(values: pd.DataFrame) -> float:
    n, k = values.shape
    if (values.min(axis=1) == values.max(axis=1)).all():
        return 1.0
    return iman_davenport(friedmanchisquare(*values.to_numpy().T).statistic, n, k)


def iman_davenport(chi2: float, n: int, k: int) -> float:
    """The p that belongs to Friedman's statistic of n patients and k systems."""
    rest = n * (k - 1) - chi2
    if rest <= 1e-9 * n:  # every patient ranks the systems alike
        return 0.0
    return float(f.sf((n - 1) * chi2 / rest, k - 1, (k - 1) * (n - 1)))
