"""From the slice store to batches: which slices, in which order, paired with which T1ce."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.cohorts.brats import MODALITIES
from benchmarks.cohorts.store import StoredPatient, from_int16, map_array, to_int16
from benchmarks.errors import InputError
from methods.contract import Batch
from workflow.training.machine import Machine
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

    @property
    def count(self) -> int:
        """Of its channels, an upstream's among them."""
        return len(self.inputs) + (self.upstream is not None)

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
    slices = _tumour_slices(patients)
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


def _tumour_slices(patients: list[StoredPatient]) -> list[Slice]:
    return [Slice(i, int(z)) for i, p in enumerate(patients) for z in p.tumour_slices]


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
    """Load `picks` in their order, in `workers` processes beside this one, onto `device`.

    The processes end with the epoch, which is how its cost comes to count them.
    """
    loader = DataLoader(
        SliceDataset(patients, view),
        batch_sampler=picks,
        num_workers=workers,
        # Of its own, so that how slices are loaded changes nothing that a training draws.
        generator=torch.Generator(),
        # From pinned memory a GPU fetches a batch while it computes on the one before.
        pin_memory=workers > 0 and device.type == "cuda",
    )
    return (Batch(*tensors).to(device) for tensors in loader)


class ResidentSlices:
    """All slices with tumour in the memory of a device, 16 bits a value as on the disk.

    A GPU then waits for no disk, no loader and no copy.
    """

    def __init__(self, patients: list[StoredPatient], view: View, device: torch.device):
        slices = _tumour_slices(patients)
        self.rows = {one: row for row, one in enumerate(slices)}
        count, square = len(slices), (view.crop, view.crop)
        empty = partial(torch.empty, device=device)
        self.inputs = empty(count, view.count, *square, dtype=torch.int16)
        self.t1ce = empty(count, 1, *square, dtype=torch.int16)
        self.labels = empty(count, *square, dtype=torch.uint8)
        for row, (patient, z) in enumerate(slices):
            inputs, t1ce, labels = view.slice(patients[patient], z)
            self.inputs[row] = torch.from_numpy(to_int16(inputs))
            self.t1ce[row] = torch.from_numpy(to_int16(t1ce))
            self.labels[row] = torch.from_numpy(labels)
        # A tensor there, since a GPU multiplies by the inverse of a plain number, and rounds twice.
        self.scale = torch.tensor(float(to_int16(np.ones(1))[0]), device=device)

    def batches(self, picks: list[list[Pick]]) -> Iterator[Batch]:
        """What `batches` loads, bit for bit."""
        rows = [[(self.rows[p.inputs], self.rows[p.t1ce]) for p in batch] for batch in picks]
        # Of the whole epoch at once: a copy a batch would make the GPU wait.
        for row in torch.tensor(rows, device=self.labels.device):
            inputs, t1ce = row.unbind(1)
            yield Batch(
                self.inputs[inputs].float() / self.scale,
                self.t1ce[t1ce].float() / self.scale,
                self.labels[inputs].long(),
            )

    @staticmethod
    def size(patients: list[StoredPatient], view: View) -> int:
        """The bytes that they would take."""
        return len(_tumour_slices(patients)) * view.crop**2 * (2 * view.count + 2 + 1)


def loader(
    patients: list[StoredPatient], view: View, machine: Machine
) -> Callable[[list[list[Pick]]], Iterator[Batch]]:
    """What makes batches of picks here: `ResidentSlices` where they are wanted, else `batches`."""
    if _are_resident(patients, view, machine):
        return ResidentSlices(patients, view, machine.device).batches
    return partial(batches, patients, view, workers=machine.workers, device=machine.device)


def _are_resident(patients: list[StoredPatient], view: View, machine: Machine) -> bool:
    if machine.resident != "auto" or machine.device.type != "cuda":
        return machine.resident == "always"
    free, _ = torch.cuda.mem_get_info(machine.device)
    return ResidentSlices.size(patients, view) < free / 4 / machine.slots_per_gpu
