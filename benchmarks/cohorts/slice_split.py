"""Divide slices, instead of patients, into train, val and test: a split at the sample level.

A training then sees other slices of the patients that it is tested on, so that its scores are too
good. A benchmark does so on purpose, to measure by how much (`results.split.unit: slice`).
"""

import numpy as np

from benchmarks.cohorts.replicate import Place
from benchmarks.cohorts.split import Fractions, position


def split_slices(
    patient: str, count: int, fractions: Fractions, seed: int, place: Place, folds: int | None
) -> np.ndarray:
    """Return the split of each axial slice of a patient: "train", "val" or "test", (count,).

    A slice's split depends on no other. Each slice is tested in one fold, and of the rest of a fold
    `fractions` give the shares of train and val.

    Parameters
    ----------
    count : the slices of the patient's working grid.
    fractions : the shares of train, val and test, of any sum, such as 7, 1, 2.
    seed : of the split, not of a training.
    folds : how many there are; None where `place` has no fold, and `fractions` the share of test.
    """
    places = (position(seed, place.repeat, z, patient) for z in range(count))
    return np.array([_split_of(one, fractions, place.fold, folds) for one in places])


def _split_of(where: float, fractions: Fractions, fold: int | None, folds: int | None) -> str:
    train, val, test = fractions
    if folds is None:
        where *= train + val + test
    else:
        part, rest = divmod(where * folds, 1)
        if part == fold:
            return "test"
        where = rest * (train + val)
    if where < train:
        return "train"
    return "val" if where < train + val else "test"
