"""Whether a patient's files hold the modalities that they are named after.

A pair of files that was swapped passes every check of form, and every table would be wrong.
"""

import numpy as np

from benchmarks.cohorts.patient import MODALITIES
from benchmarks.cohorts.store import Scan
from benchmarks.scoring.regions import BRAIN, ENHANCING, OEDEMA

ENOUGH = 50  # voxels; fewer do not show a contrast


def suspicious(scan: Scan) -> list[str]:
    """List signs that the images of a scan are not of the modalities that they are named after.

    Outside the tumour, contrast agent changes little: T1ce is more like T1 than like FLAIR, and
    less like T2 than like either, by Pearson's correlation over the brain. This holds in all of 17
    BraTS patients and 20 simulated ones, and in none after a swap of two of T1, T2 and FLAIR. The
    enhancing tumour, where the agent gathers, is brighter in T1ce than in T1, and oedema brighter
    in FLAIR than in T1ce. A sign is no proof: somebody should look at the patient. Some slices of
    a patient suffice.
    """
    healthy = scan.images[:, scan.labels == BRAIN]
    if healthy.shape[1] < ENOUGH:
        return []
    signs = []
    if healthy.std(axis=1).all():
        t1, t2, flair, _ = np.corrcoef(healthy)[MODALITIES.index("t1ce")]
        if not t1 > flair > t2:
            signs.append(
                f"T1ce correlates with T1, FLAIR and T2 by {t1:.2f}, {flair:.2f} and {t2:.2f}, "
                "not in this order"
            )
    for tissue, label, bright, dark in (
        ("enhancing tumour", ENHANCING, "T1ce", "T1"),
        ("oedema", OEDEMA, "FLAIR", "T1ce"),
    ):
        voxels = scan.images[:, scan.labels == label]
        if voxels.shape[1] >= ENOUGH:
            stands_out = np.median(voxels, axis=1) - np.median(healthy, axis=1)
            contrast = dict(zip(MODALITIES, stands_out, strict=True))
            if not contrast[bright.lower()] > contrast[dark.lower()]:
                signs.append(f"the {tissue} stands out no brighter in {bright} than in {dark}")
    return signs
