"""The number that chooses a segmentor's weights: mean validation Dice of WT, TC and ET.

Not the scoring protocols' Dice, on purpose: mending a metric of the tables must not retrain a
network. A test holds the two equal.
"""

import numpy as np
import torch
from torch import Tensor

from benchmarks.cohorts.store import StoredPatient
from methods.contract import Segmentor
from workflow.inference import BROKEN, classes, refuse_broken, upload
from workflow.training.data import View

REGIONS = {"wt": (1, 2, 3), "tc": (1, 3), "et": (3,)}


def mean_dice(
    entry: Segmentor,
    patients: list[StoredPatient],
    view: View,
    device: torch.device,
    batch: int,
) -> float:
    """Mean over regions of the mean over patients, whole volumes; in [0, 1].

    A patient in whom a region is neither present nor predicted is not counted for it.

    Raises
    ------
    ValueError : the entry returned another shape, another number of classes, or NaN.
    """
    # Counted where the classes are, and fetched once, so that a GPU never waits between patients.
    counts = [_counts(classes(entry, p, view, device, batch), p, view) for p in patients]
    broken, both, sizes = (torch.stack(x, dim=-1).cpu().numpy() for x in zip(*counts, strict=True))
    for patient, voxels in zip(patients, broken, strict=True):
        refuse_broken(int(voxels), patient)
    table = np.full(sizes.shape, np.nan)
    np.divide(2 * both, sizes, out=table, where=sizes > 0)
    counted = table[~np.isnan(table).all(axis=1)]
    return float(np.nanmean(counted, axis=1).mean())


@torch.inference_mode()
def _counts(predicted: Tensor, patient: StoredPatient, view: View) -> tuple[Tensor, Tensor, Tensor]:
    """Voxels of a patient that are BROKEN, and by region, in both masks and in each of them."""
    labels = upload(patient.volume(view.crop)[1], predicted.device)
    masks = [(_inside(labels, region), _inside(predicted, region)) for region in REGIONS.values()]
    both = torch.stack([(truth & guess).sum() for truth, guess in masks])
    sizes = torch.stack([truth.sum() + guess.sum() for truth, guess in masks])
    return (predicted == BROKEN).sum(), both, sizes


def _inside(labels: Tensor, region: tuple[int, ...]) -> Tensor:
    return torch.stack([labels == label for label in region]).any(dim=0)
