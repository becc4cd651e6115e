"""Whole volumes through an entry, some slices at a time."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.cohorts.store import StoredPatient
from methods.contract import CLASSES, Entry, Segmentor, Synthesizer
from workflow.training.data import View

BROKEN = 255
"""In the place of a class where there is none, since a logit is NaN."""


def synthesize(
    entry: Synthesizer, patient: StoredPatient, view: View, device: torch.device, batch: int
) -> np.ndarray:
    """T1ce of all slices: (Z, crop, crop) float32 in [-1, 1].

    Raises
    ------
    ValueError : the entry returned another shape, NaN, or values outside [-1, 1].
    """
    volume = _slicewise(entry, entry.synthesize, patient, view, device, batch)[:, 0].cpu()
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

    volume = classes(entry, patient, view, device, batch).cpu()
    refuse_broken(int((volume == BROKEN).sum()), patient)
    return volume.numpy()


def classes(
    entry: Segmentor, patient: StoredPatient, view: View, device: torch.device, batch: int
) -> Tensor:
    """What `segment` gives, on the device and without waiting for it; BROKEN where it is NaN."""

    def likeliest(inputs: Tensor) -> Tensor:
        logits = entry.segment(inputs)
        if logits.shape[1] != CLASSES:
            raise ValueError(
                f"segment gave {logits.shape[1]} classes for patient {patient.patient}; the "
                f"contract asks for logits of {CLASSES} classes."
            )
        found = logits.argmax(dim=1, keepdim=True).to(torch.uint8)
        return found.masked_fill(logits.isnan().any(dim=1, keepdim=True), BROKEN)

    return _slicewise(entry, likeliest, patient, view, device, batch)[:, 0]


def refuse_broken(voxels: int, patient: StoredPatient) -> None:
    """Raise ValueError if so many of a patient's voxels, more than none, are BROKEN."""
    if voxels:
        raise ValueError(
            f"segment gave NaN in {voxels} voxels of patient {patient.patient}; the contract asks "
            f"for logits of {CLASSES} classes."
        )


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """The array on the device, without waiting for what that computes."""
    tensor = torch.from_numpy(array)
    # Only out of pinned memory does a GPU fetch by itself.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


@torch.inference_mode()
def _slicewise(
    entry: Entry,
    verb: Callable[[Tensor], Tensor],
    patient: StoredPatient,
    view: View,
    device: torch.device,
    batch: int,
) -> Tensor:
    """(Z, 1, crop, crop) on the device; the entry's networks are left in prediction mode."""
    entry.training(False)
    inputs = upload(view.volume(patient), device)
    outputs = [verb(part) for part in inputs.split(batch)]
    wanted = (len(outputs[0]), 1, view.crop, view.crop)
    if tuple(outputs[0].shape) != wanted:
        raise ValueError(f"{type(entry).__name__} gave {tuple(outputs[0].shape)}, not {wanted}.")
    return torch.cat(outputs)
