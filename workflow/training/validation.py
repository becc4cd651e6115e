"""The mean validation Dice of WT, TC and ET, which chooses a segmentor's weights.

It is independent of the scoring protocols on purpose, so that a fixed metric retrains no network. A
test holds the two Dice equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from benchmarks.cohorts.store import StoredPatient
from methods.contract import Segmentor
from workflow.inference import BROKEN, classes, refuse_broken, upload
from workflow.training.view import View

# The classes of each region, whole tumour, tumour core and enhancing tumour.
REGIONS = {"wt": (1, 2, 3), "tc": (1, 3), "et": (3,)}


@dataclass(frozen=True)
class _Part(View):
    """What a model sees of some slices of each patient, which `chosen` marks."""

    chosen: Mapping[str, np.ndarray] = field(default_factory=dict)

    def volume(self, patient: StoredPatient) -> np.ndarray:
        return super().volume(patient)[self.chosen[patient.patient]]


def mean_dice(
    model: Segmentor,
    patients: list[StoredPatient],
    view: View,
    device: torch.device,
    batch: int,
    chosen: Mapping[str, np.ndarray] | None = None,
) -> float:
    """Return the mean over regions of the mean over patients, in [0, 1].

    It is of whole volumes, or of the slices that `chosen` marks, bool (Z,) by patient. A region
    that is neither present nor predicted in a patient is not counted. A wrong shape or number of
    classes, or NaN, raises ValueError.
    """
    if chosen is not None:
        patients = [patient for patient in patients if chosen[patient.patient].any()]
        view = _Part(view.inputs, view.crop, view.upstream, chosen)
    # Counted on the device and fetched once, so that a GPU never waits between patients.
    counts = [
        _counts(classes(model, patient, view, device, batch), _labels(patient, view, chosen))
        for patient in patients
    ]
    broken, both, sizes = (torch.stack(x, dim=-1).cpu().numpy() for x in zip(*counts, strict=True))
    for patient, voxels in zip(patients, broken, strict=True):
        refuse_broken(int(voxels), patient)
    table = np.full(sizes.shape, np.nan)
    np.divide(2 * both, sizes, out=table, where=sizes > 0)
    counted = table[~np.isnan(table).all(axis=1)]
    return float(np.nanmean(counted, axis=1).mean())


def _labels(
    patient: StoredPatient, view: View, chosen: Mapping[str, np.ndarray] | None
) -> np.ndarray:
    if chosen is None:
        return patient.volume(view.crop).labels
    return patient.slices(np.flatnonzero(chosen[patient.patient]), view.crop).labels


@torch.inference_mode()
def _counts(predicted: Tensor, reference: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Count BROKEN voxels and, by region, voxels in both masks and in each of them."""
    labels = upload(reference, predicted.device)
    masks = [(_inside(labels, region), _inside(predicted, region)) for region in REGIONS.values()]
    both = torch.stack([(truth & guess).sum() for truth, guess in masks])
    sizes = torch.stack([truth.sum() + guess.sum() for truth, guess in masks])
    return (predicted == BROKEN).sum(), both, sizes


def _inside(labels: Tensor, region: tuple[int, ...]) -> Tensor:
    return torch.stack([labels == label for label in region]).any(dim=0)
