"""Whole volumes through an entry, some slices at a time."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.cohorts.store import StoredPatient
from methods.contract import CLASSES, Entry, Segmentor, Synthesizer
from workflow.training.data import View


def synthesize(
    entry: Synthesizer, patient: StoredPatient, view: View, device: torch.device, batch: int
) -> np.ndarray:
    """T1ce of all slices: (Z, crop, crop) float32 in [-1, 1].

    Raises
    ------
    ValueError : the entry returned another shape, NaN, or values outside [-1, 1].
    """
    volume = _slicewise(entry, entry.synthesize, patient, view, device, batch)[:, 0]
    low, high = volume.min().item(), volume.max().item()
    # A comparison with NaN is false, so NaN is caught too.
    if not (low >= -1.001 and high <= 1.001):
        raise ValueError(
            f"synthesize gave values from {low} to {high} for patient {patient.patient}; "
            "the contract asks for [-1, 1]."
        )
    return volume.clamp(-1, 1).numpy()


def segment(
    entry: Segmentor, patient: StoredPatient, view: View, device: torch.device, batch: int
) -> np.ndarray:
    """The likeliest class of each voxel: (Z, crop, crop) uint8 in 0..3.

    Raises
    ------
    ValueError : the entry returned another shape, another number of classes, or NaN.
    """

    def classes(inputs: Tensor) -> Tensor:
        logits = entry.segment(inputs)
        if logits.shape[1] != CLASSES or logits.isnan().any():
            raise ValueError(
                f"segment gave {logits.shape[1]} classes and {int(logits.isnan().sum())} NaN for "
                f"patient {patient.patient}; the contract asks for logits of {CLASSES} classes."
            )
        return logits.argmax(dim=1, keepdim=True).to(torch.uint8)

    return _slicewise(entry, classes, patient, view, device, batch)[:, 0].numpy()


@torch.inference_mode()
def _slicewise(
    entry: Entry,
    verb: Callable[[Tensor], Tensor],
    patient: StoredPatient,
    view: View,
    device: torch.device,
    batch: int,
) -> Tensor:
    """(Z, 1, crop, crop) on the CPU; the entry's networks are left in prediction mode."""
    entry.training(False)
    inputs = torch.from_numpy(view.volume(patient))
    outputs = [verb(part.to(device)).cpu() for part in inputs.split(batch)]
    wanted = (len(outputs[0]), 1, view.crop, view.crop)
    if tuple(outputs[0].shape) != wanted:
        raise ValueError(f"{type(entry).__name__} gave {tuple(outputs[0].shape)}, not {wanted}.")
    return torch.cat(outputs)
