"""The mean validation Dice of WT, TC and ET, which chooses a segmentor's weights.

It is independent of the scoring protocols on purpose, so that a fixed metric retrains no network. A
test holds the two Dice equal.
"""

import numpy as np
import torch
from torch import Tensor

from benchmarks.cohorts.store import StoredPatient
from methods.contract import Segmentor
from workflow.inference import BROKEN, classes, refuse_broken, upload
from workflow.training.view import View

# The classes of each region, whole tumour, tumour core and enhancing tumour.
REGIONS = {"wt": (1, 2, 3), "tc": (1, 3), "et": (3,)}


def mean_dice(
    model: Segmentor, patients: list[StoredPatient], view: View, device: torch.device, batch: int
) -> float:
    """Return the mean over regions of the mean over patients, of whole volumes; in [0, 1].

    A region that is neither present nor predicted in a patient is not counted. A wrong shape or
    number of classes, or NaN, raises ValueError.
    """
    # Counted on the device and fetched once, so that a GPU never waits between patients.
    counts = [_counts(classes(model, p, view, device, batch), p, view) for p in patients]
    broken, both, sizes = (torch.stack(x, dim=-1).cpu().numpy() for x in zip(*counts, strict=True))
    for patient, voxels in zip(patients, broken, strict=True):
        refuse_broken(int(voxels), patient)
    table = np.full(sizes.shape, np.nan)
    np.divide(2 * both, sizes, out=table, where=sizes > 0)
    counted = table[~np.isnan(table).all(axis=1)]
    return float(np.nanmean(counted, axis=1).mean())


@torch.inference_mode()
def _counts(predicted: Tensor, patient: StoredPatient, view: View) -> tuple[Tensor, Tensor, Tensor]:
    """Count BROKEN voxels and, by region, voxels in both masks and in each of them."""
    labels = upload(patient.volume(view.crop).labels, predicted.device)
    masks = [(_inside(labels, region), _inside(predicted, region)) for region in REGIONS.values()]
    both = torch.stack([(truth & guess).sum() for truth, guess in masks])
    sizes = torch.stack([truth.sum() + guess.sum() for truth, guess in masks])
    return (predicted == BROKEN).sum(), both, sizes


def _inside(labels: Tensor, region: tuple[int, ...]) -> Tensor:
    return torch.stack([labels == label for label in region]).any(dim=0)
