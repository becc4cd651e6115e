"""Predict whole volumes, some slices at a time."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.cohorts.store import StoredPatient
from methods.contract import CLASSES, Model, Segmentor, Synthesizer
from workflow.training.view import View

BROKEN = 255  # class value written where a logit is NaN


def synthesize(
    model: Synthesizer, patient: StoredPatient, view: View, device: torch.device, batch: int
) -> np.ndarray:
    """Synthesise the T1ce of all slices: (Z, crop, crop) float32 in [-1, 1].

    Raises
    ------
    ValueError : the model returned a wrong shape, NaN, or values outside [-1, 1].
    """
    volume = _slicewise(model, model.synthesize, patient, view, device, batch)[:, 0].cpu()
    low, high = volume.min().item(), volume.max().item()
    # Any comparison with NaN is false, so that this catches NaN too.
    if not (low >= -1.001 and high <= 1.001):
        raise ValueError(
            f"synthesize gave values from {low} to {high} for patient {patient.patient}; "
            "the contract asks for [-1, 1]."
        )
    return volume.clamp(-1, 1).numpy()


def segment(
    model: Segmentor, patient: StoredPatient, view: View, device: torch.device, batch: int
) -> np.ndarray:
    """Return the likeliest class of each voxel: (Z, crop, crop) uint8 in 0..3.

    Raises
    ------
    ValueError : the model returned a wrong shape, a wrong number of classes, or NaN.
    """
    volume = classes(model, patient, view, device, batch).cpu()
    refuse_broken(int((volume == BROKEN).sum()), patient)
    return volume.numpy()


def classes(
    model: Segmentor, patient: StoredPatient, view: View, device: torch.device, batch: int
) -> Tensor:
    """Return what `segment` does, on the device and without waiting; BROKEN where it is NaN."""

    def likeliest(inputs: Tensor) -> Tensor:
        logits = model.segment(inputs)
        if logits.shape[1] != CLASSES:
            raise ValueError(
                f"segment gave {logits.shape[1]} classes for patient {patient.patient}; the "
                f"contract asks for logits of {CLASSES} classes."
            )
        likely = logits.argmax(dim=1, keepdim=True).to(torch.uint8)
        return likely.masked_fill(logits.isnan().any(dim=1, keepdim=True), BROKEN)

    return _slicewise(model, likeliest, patient, view, device, batch)[:, 0]


def refuse_broken(voxels: int, patient: StoredPatient) -> None:
    """Raise ValueError if any voxels of a patient are BROKEN."""
    if voxels:
        raise ValueError(
            f"segment gave NaN in {voxels} voxels of patient {patient.patient}; the contract asks "
            f"for logits of {CLASSES} classes."
        )


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to the device, without waiting for its computations."""
    tensor = torch.from_numpy(array)
    # Only from pinned memory is the copy asynchronous.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


@torch.inference_mode()
def _slicewise(
    model: Model,
    verb: Callable[[Tensor], Tensor],
    patient: StoredPatient,
    view: View,
    device: torch.device,
    batch: int,
) -> Tensor:
    """Run `verb` over a volume, (Z, 1, crop, crop); leave the model in evaluation mode."""
    model.eval()
    inputs = upload(view.volume(patient), device)
    outputs = [verb(part) for part in inputs.split(batch)]
    expected = (len(outputs[0]), 1, view.crop, view.crop)
    if tuple(outputs[0].shape) != expected:
        raise ValueError(f"{type(model).__name__} gave {tuple(outputs[0].shape)}, not {expected}.")
    return torch.cat(outputs)
