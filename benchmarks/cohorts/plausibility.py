"""Whether a patient's files hold the modalities that they are named after.

A pair of files that was swapped passes every check of form, and every table would be wrong.
"""

import numpy as np

from benchmarks.scoring.regions import BRAIN, ENHANCING, OEDEMA

T1, T2, FLAIR, T1CE = range(4)
NAMES = ("T1", "T2", "FLAIR", "T1ce")

ENOUGH = 50
"""Fewer voxels say nothing of a contrast."""


def doubts(images: np.ndarray, labels: np.ndarray) -> list[str]:
    """What speaks against a patient's T1, T2, FLAIR and T1ce being what they are said to be.

    Outside the tumour, contrast agent changes little: T1ce is more like T1 than like FLAIR, and
    less like T2 than like either, by Pearson's correlation over the brain. This held in all of 17
    BraTS patients and 20 simulated ones that were looked at, and in none after a swap of two of T1,
    T2 and FLAIR. The enhancing tumour, where the agent gathers, stands out brighter in T1ce than in
    T1, and oedema brighter in FLAIR than in T1ce. It is a doubt, no proof: somebody should look at
    the patient.

    Parameters
    ----------
    images : (4, Z, Y, X) in [-1, 1]: T1, T2, FLAIR, T1ce; some slices suffice.
    labels : (Z, Y, X), see benchmarks.scoring.regions.
    """
    healthy = images[:, labels == BRAIN]
    found = []
    if healthy.shape[1] >= ENOUGH and (healthy.std(axis=1) > 0).all():
        t1, t2, flair = np.corrcoef(healthy)[T1CE, :T1CE]
        if not t1 > flair > t2:
            found.append(
                f"T1ce correlates with T1, FLAIR and T2 by {t1:.2f}, {flair:.2f} and {t2:.2f}, "
                "not in this order"
            )
    brighter = (
        ("enhancing tumour", ENHANCING, T1CE, T1),
        ("oedema", OEDEMA, FLAIR, T1CE),
    )
    for name, label, here, there in brighter:
        tissue = images[:, labels == label]
        if min(tissue.shape[1], healthy.shape[1]) >= ENOUGH:
            contrast = np.median(tissue, axis=1) - np.median(healthy, axis=1)
            if not contrast[here] > contrast[there]:
                found.append(
                    f"the {name} stands out no brighter in {NAMES[here]} than in {NAMES[there]}"
                )
    return found
