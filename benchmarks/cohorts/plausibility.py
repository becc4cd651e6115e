"""Whether a patient's files hold the modalities that they are named after.

A pair of files that was swapped passes every check of form, and every table would be wrong.
"""

from itertools import permutations

import numpy as np

from benchmarks.cohorts.patient import MODALITIES
from benchmarks.cohorts.store import Scan
from benchmarks.scoring.regions import BRAIN, CORE, ENHANCING, OEDEMA

ENOUGH = 50  # voxels; fewer do not show a contrast
MARGIN = 0.15  # by which other names must fit better

# Both are in the order of `MODALITIES`: T1, T2, FLAIR, T1ce.
# The sign of each correlation over the healthy brain: T1, T1ce and FLAIR show white matter brighter
# than grey and fluid dark, T2 the other way round.
ALIKE = np.array([[0, -1, 1, 1], [0, 0, 0, -1], [0, 0, 0, 1], [0, 0, 0, 0]])
# Which of them show a tissue bright: contrast agent gathers where the tumour enhances, and the rest
# of it holds water.
BRIGHT = {
    (ENHANCING,): np.array([-1, 0, 0, 1]),
    (CORE, OEDEMA): np.array([-1, 1, 1, -1]),
}


def suspicious(scan: Scan) -> list[str]:
    """List signs that the images of a scan are not of the modalities that they are named after.

    Names fit by the correlations of the images over the healthy brain and by the ranks of the
    tumour's tissues among the healthy voxels, each with its expected sign (`ALIKE`, `BRIGHT`). A
    doubt is raised if other names fit better by `MARGIN`. A sign is no proof: somebody should look
    at the patient. Some slices of a patient suffice.

    Measured on 17 patients of BraTS 2018 and 10 of 2021 and 2023, at 1 mm and in blocks of 3 mm:
    none is doubted as it is named. Of the 23 wrong orders of the names 22 are doubted in every
    patient; the right names fit better by 0.79 or more. T1 and T1ce exchanged are doubted in 24 of
    27 patients (22 in blocks): nothing else tells them apart than the enhancing tumour, which two
    patients lack or nearly lack and one shows hardly brighter. Without any tumour the correlations
    alone decide, so that T1 or T1ce exchanged with FLAIR is missed in a third of the patients.
    """
    healthy = scan.images[:, scan.labels == BRAIN]
    if healthy.shape[1] < ENOUGH or not healthy.std(axis=1).all():
        return []
    alike = np.corrcoef(healthy)
    tissues = [(scan.images[:, np.isin(scan.labels, one)], sign) for one, sign in BRIGHT.items()]
    ranks = [
        ((healthy < np.median(voxels, axis=1, keepdims=True)).mean(axis=1) * 2 - 1, sign)
        for voxels, sign in tissues
        if voxels.shape[1] >= ENOUGH
    ]

    def fit(order: tuple[int, ...]) -> float:
        """How well the images in this order fit `MODALITIES`, rounded so that ties are ties."""
        fits = (ALIKE * alike[np.ix_(order, order)]).sum()
        return round(float(fits + sum(sign @ rank[list(order)] for rank, sign in ranks)), 6)

    named, *others = permutations(range(len(MODALITIES)))
    others.sort(key=lambda order: sum(a != b for a, b in zip(order, named, strict=True)))
    best = max(others, key=fit)  # of equally good ones that which moves the fewest
    if fit(best) <= fit(named) + MARGIN:
        return []
    looks = [
        f"{MODALITIES[image]} like {MODALITIES[name]}"
        for name, image in enumerate(best)
        if name != image
    ]
    return [
        f"the images look otherwise than they are named: {', '.join(looks)} (names fit by "
        f"{fit(best):.2f} so, by {fit(named):.2f} as they are)"
    ]
