"""Find the same image under two patients' names, whatever their files look like.

Files that differ in every byte may hold one image: compressed or not, of another type, scaled, with
their axes in another order, with more or less air around the brain. So images are compared by the
cosine transform of the stored slices over a box that is placed by the brain, low frequencies only.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.cohorts.normalisation import IMAGES, LABELS, SCALE
from benchmarks.cohorts.patient import MODALITIES
from benchmarks.scoring.regions import OUTSIDE

FREQUENCIES = 6  # along each axis
ENOUGH = 48  # slices; of twice as many and more some are left out, which changes nothing
BOX = 5  # its side, in standard deviations of the brain's coordinates; brains have 3.5 to 4.5
UNIT = 1e-5  # of a signature's integers, in units of the brain's brightest intensity
SAME = 50  # root mean square difference of two images in units of a signature; see `duplicates`


def signature(array: np.ndarray) -> list[int]:
    """Summarise stored slices, int16 (Z, 5, Y, X), in 216 integers for each modality."""
    array = array[:: max(1, len(array) // ENOUGH)]
    brain = array[:, LABELS] != OUTSIDE
    z, y, x = (_waves(brain.sum(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    rows = np.stack([one.astype(np.float32) @ x.T for one in array[:, IMAGES]])  # in cache
    images = np.einsum("zcyk,iz,jy->cijk", rows, z, y, optimize=True)
    air = -SCALE * np.einsum("i,j,k->ijk", z.sum(axis=1), y.sum(axis=1), x.sum(axis=1))
    scale = 2 * SCALE * brain.sum() * UNIT
    return np.rint((images - air) / scale).astype(int).ravel().tolist()


def duplicates(signatures: Mapping[str, Sequence[int]]) -> list[tuple[str, str]]:
    """List the pairs of patients that have an image in common, from their signatures.

    A pair has an image in common if one modality of both is the same to within `SAME`. Of 27 BraTS
    patients and 14 simulated ones, stored at 1 mm and in blocks of 3 mm, two patients are at least
    257 apart (BraTS; simulated 314). Copies of the BraTS patients, rounded to 8 bits or lying
    otherwise in the grid of blocks, are at most 40 from the original, and 15 by their best
    modality; without either they are equal.
    """
    patients = list(signatures)
    shape = len(patients), len(MODALITIES), FREQUENCIES**3
    images = np.array(list(signatures.values()), float).reshape(shape)
    same = np.zeros((len(patients), len(patients)), bool)
    for image in images.swapaxes(0, 1):
        square = (image**2).sum(axis=1)
        same |= square[:, None] + square - 2 * image @ image.T < SAME**2 * FREQUENCIES**3
    return [(patients[a], patients[b]) for a, b in np.argwhere(np.triu(same, 1))]


def _waves(brain: np.ndarray) -> np.ndarray:
    """Cosines along one axis, (FREQUENCIES, n), given the brain's voxels at each place."""
    places = np.arange(len(brain))
    centre = np.average(places, weights=brain)
    spread = np.average((places - centre) ** 2, weights=brain) ** 0.5 or 1
    return np.cos(
        np.pi * np.arange(FREQUENCIES)[:, None] * ((places - centre) / spread / BOX + 0.5)
    )
