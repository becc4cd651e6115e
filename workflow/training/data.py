"""From the slice store to batches: which slices, in which order, paired with which T1ce."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from benchmarks.cohorts.brats import MODALITIES
from benchmarks.cohorts.store import StoredPatient, from_int16, map_array
from benchmarks.errors import InputError
from methods.contract import Batch
from workflow.training.seeding import derive

Pairing = Literal["paired", "other", "shuffled", "disjoint"]


class Slice(NamedTuple):
    """Slice `z` of the `patient`-th patient."""

    patient: int
    z: int


class Pick(NamedTuple):
    """One training example: the inputs' slice, and the slice that its T1ce comes from."""

    inputs: Slice
    t1ce: Slice


@dataclass(frozen=True)
class View:
    """How an entry sees a patient.

    Attributes
    ----------
    inputs : the modalities that are its channels.
    crop : side of the centred square, in pixels of the working grid.
    upstream : folder of synthesised T1ce volumes that are its last channel, or None.
    """

    inputs: tuple[str, ...]
    crop: int
    upstream: Path | None = None

    @property
    def channels(self) -> list[int]:
        return [MODALITIES.index(modality) for modality in self.inputs]

    def slice(self, patient: StoredPatient, z: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs (C, crop, crop) and T1ce (1, crop, crop) in [-1, 1], labels (crop, crop) 0..3."""
        images, labels = patient.slice(z, self.crop)
        inputs = images[self.channels]
        if self.upstream:
            made = from_int16(self._volume(patient)[z])
            inputs = np.concatenate([inputs, made[None]])
        return inputs, images[MODALITIES.index("t1ce")][None], np.maximum(labels, 0)

    def volume(self, patient: StoredPatient) -> np.ndarray:
        """All slices' inputs, (Z, C, crop, crop) float32."""
        images, _ = patient.volume(self.crop)
        inputs = images[self.channels].swapaxes(0, 1)
        if self.upstream:
            made = from_int16(self._volume(patient))
            inputs = np.concatenate([inputs, made[:, None]], axis=1)
        return np.ascontiguousarray(inputs)

    def _volume(self, patient: StoredPatient) -> np.ndarray:
        size = (patient.shape[0], self.crop, self.crop)
        return _synthesised(self.upstream / f"{patient.patient}.npy", size)


@cache
def _synthesised(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """A synthesised volume, mapped into memory rather than read."""
    try:
        return map_array(path, np.int16, shape)
    except ValueError as error:
        raise InputError(
            f"{path} cannot be used: {error}. Delete it and make it again with synthesize."
        ) from None


class SliceDataset(Dataset):
    """Indexed by `Pick`."""

    def __init__(self, patients: list[StoredPatient], view: View):
        self.patients, self.view = patients, view

    def __getitem__(self, pick: Pick) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inputs, t1ce, labels = self.view.slice(self.patients[pick.inputs.patient], pick.inputs.z)
        if pick.t1ce != pick.inputs:
            _, t1ce, _ = self.view.slice(self.patients[pick.t1ce.patient], pick.t1ce.z)
        return inputs, t1ce, labels.astype(np.int64)


def plan_epoch(
    patients: list[StoredPatient],
    pairing: Pairing,
    batch: int,
    draw: np.random.Generator,
    limit: int | None = None,
) -> list[list[Pick]]:
    """The batches of one epoch over all slices with tumour; an incomplete last one is dropped.

    Parameters
    ----------
    pairing : `paired`, or where an unpaired entry's T1ce comes from: `other` draws it from the
        other patients, `shuffled` from all (CUT's convention), `disjoint` takes inputs from one
        half of the patients and T1ce from the other half.
    limit : at most so many batches.

    Raises
    ------
    InputError : too few patients for this pairing, or too few slices for one batch.
    """
    slices = [Slice(i, int(z)) for i, p in enumerate(patients) for z in p.tumour_slices]
    sources, targets = _halves(patients, slices) if pairing == "disjoint" else (slices, slices)
    if len(sources) < batch:
        raise InputError(
            f"{len(sources)} training slices contain tumour, fewer than one batch of {batch}. "
            "Give more patients or a smaller `results.training.batch`."
        )
    order = [sources[i] for i in draw.permutation(len(sources))]
    picks = [Pick(s, _partner(s, targets, pairing, draw)) for s in order]
    batches = [picks[i : i + batch] for i in range(0, len(picks) - batch + 1, batch)]
    return batches[:limit]


def _partner(
    inputs: Slice, targets: list[Slice], pairing: Pairing, draw: np.random.Generator
) -> Slice:
    if pairing == "paired":
        return inputs
    if pairing != "other":
        return targets[draw.integers(len(targets))]
    if targets[0].patient == targets[-1].patient:
        raise InputError(
            "`results.training.unpaired: other` takes T1ce from another patient than the inputs, "
            "but only one training patient has tumour. Give more patients, or write `shuffled`."
        )
    while True:
        target = targets[draw.integers(len(targets))]
        if target.patient != inputs.patient:
            return target


def _halves(patients: list[StoredPatient], slices: list[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Slices of either half of the patients, halved by a hash of their names."""
    order = sorted(range(len(patients)), key=lambda i: derive("disjoint", patients[i].patient))
    first = set(order[: len(order) // 2])
    halves = (
        [s for s in slices if s.patient in first],
        [s for s in slices if s.patient not in first],
    )
    if not all(halves):
        raise InputError(
            "`results.training.unpaired: disjoint` needs training patients with tumour in both "
            f"halves, but there are {len(patients)} training patients. Write `other`."
        )
    return halves


def batches(
    patients: list[StoredPatient],
    view: View,
    picks: list[list[Pick]],
    workers: int,
    device: torch.device,
) -> Iterator[Batch]:
    """Load `picks` in their order, in `workers` processes beside this one, onto `device`."""
    loader = DataLoader(
        SliceDataset(patients, view),
        batch_sampler=picks,
        num_workers=workers,
        collate_fn=_collate,
    )
    return (batch.to(device) for batch in loader)


def _collate(items: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Batch:
    return Batch(*default_collate(items))
