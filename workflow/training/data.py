"""Batches of slices: which slices, in which order, paired with which T1ce."""

from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.cohorts.normalisation import to_int16
from benchmarks.cohorts.store import StoredPatient
from benchmarks.errors import InputError
from methods.contract import Batch
from workflow.training.machine import Machine
from workflow.training.seeding import derive
from workflow.training.view import Pairing, View

# The slices that may be used, bool (Z,) by patient; None for all.
Chosen = Mapping[str, np.ndarray] | None


class Slice(NamedTuple):
    """Slice `z` of the `patient`-th patient."""

    patient: int
    z: int


class Pick(NamedTuple):
    """One training example: the inputs' slice, and the slice that its T1ce comes from."""

    inputs: Slice
    t1ce: Slice


class SliceDataset(Dataset):
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
    chosen: Chosen = None,
    t1ce_from: Set[str] | None = None,
) -> list[list[Pick]]:
    """Return at most `limit` batches of the slices with tumour, less an incomplete last batch.

    An unpaired method's T1ce comes by `pairing` from the `other` subjects, `shuffled` from all
    (CUT's convention), or `disjoint`: inputs from one half of the subjects, T1ce from the other.

    Parameters
    ----------
    chosen : the slices among which those with tumour are taken.
    t1ce_from : the only subjects with T1ce, see `t1ce_subjects`; None for all. A paired method then
        repeats their slices, in rounds of a new order each, so that an epoch has as many batches.

    Raises
    ------
    InputError : too few patients for this pairing, or too few slices for one batch.
    """
    slices = _tumour_slices(patients, chosen)
    sources, targets = _halves(patients, slices) if pairing == "disjoint" else (slices, slices)
    if t1ce_from is not None:
        targets = [target for target in targets if patients[target.patient].subject in t1ce_from]
    if len(sources) < batch:
        raise InputError(
            f"{len(sources)} training slices contain tumour, fewer than one batch of {batch}. "
            "Give more patients or a smaller `results.training.batch`."
        )
    subjects = [patient.subject for patient in patients]
    if pairing == "other" and len({subjects[target.patient] for target in targets}) < 2:
        reason = "only one training patient has tumour. Give more patients, or"
        if t1ce_from is not None:
            reason = "`results.training.t1ce_patients` is 1. Make it 2 or more, or"
        raise InputError(
            "`results.training.unpaired: other` takes T1ce from another patient than the inputs, "
            f"but {reason} write `shuffled`."
        )
    order = _rounds(targets if pairing == "paired" else sources, len(sources), draw)
    picks = [Pick(s, _partner(s, targets, pairing, subjects, draw)) for s in order]
    batches = [picks[i : i + batch] for i in range(0, len(picks) - batch + 1, batch)]
    return batches[:limit]


def t1ce_subjects(
    patients: list[StoredPatient], count: int, seed: int, pairing: Pairing, chosen: Chosen = None
) -> frozenset[str]:
    """Return the `count` subjects whose T1ce a training has, of those with tumour.

    A hash of the training's seed and the subject's name orders them, so that fewer are always among
    more. With `disjoint`, those of the half that gives the T1ce come first.

    Raises
    ------
    InputError : there are fewer subjects.
    """
    slices = _tumour_slices(patients, chosen)
    targets = _halves(patients, slices)[1] if pairing == "disjoint" else slices
    first, known = ({patients[one.patient].subject for one in among} for among in (targets, slices))
    if count > len(known):
        raise InputError(
            f"`results.training.t1ce_patients` is {count}, but {len(known)} training patients have "
            f"tumour. Write a number up to {len(known)}, or null for all of them."
        )
    order = sorted(known, key=lambda name: (name not in first, derive("t1ce", seed, name)))
    return frozenset(order[:count])


def _tumour_slices(patients: list[StoredPatient], chosen: Chosen = None) -> list[Slice]:
    return [
        Slice(i, int(z))
        for i, one in enumerate(patients)
        for z in one.tumour_slices
        if chosen is None or chosen[one.patient][z]
    ]


def _rounds(slices: list[Slice], count: int, draw: np.random.Generator) -> list[Slice]:
    """Return `count` slices: all in a drawn order, then in another, until there are enough."""
    rounds = -(-count // len(slices))
    return [slices[i] for _ in range(rounds) for i in draw.permutation(len(slices))][:count]


def _partner(
    inputs: Slice,
    targets: list[Slice],
    pairing: Pairing,
    subjects: list[str],
    draw: np.random.Generator,
) -> Slice:
    if pairing == "paired":
        return inputs
    if pairing != "other":
        return targets[draw.integers(len(targets))]
    while True:
        target = targets[draw.integers(len(targets))]
        if subjects[target.patient] != subjects[inputs.patient]:
            return target


def _halves(patients: list[StoredPatient], slices: list[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Slices of either half of the subjects; a hash of their names halves them."""
    order = sorted(
        {patient.subject for patient in patients}, key=lambda name: derive("disjoint", name)
    )
    first = set(order[: len(order) // 2])
    halves = tuple(
        [s for s in slices if (patients[s.patient].subject in first) is half]
        for half in (True, False)
    )
    if not all(halves):
        raise InputError(
            "`results.training.unpaired: disjoint` needs training patients with tumour in both "
            f"halves, but there are {len(order)} training patients. Write `other`."
        )
    return halves


def batches(
    patients: list[StoredPatient],
    view: View,
    picks: list[list[Pick]],
    workers: int,
    device: torch.device,
) -> Iterator[Batch]:
    """Load `picks` onto `device` in their order, with `workers` loader processes (0: none).

    The processes end with the epoch, so that its cost counts them.
    """
    loader = DataLoader(
        SliceDataset(patients, view),
        batch_sampler=picks,
        num_workers=workers,
        # Its own generator, so that loading changes no random number of the training.
        generator=torch.Generator(),
        # From pinned memory a GPU copies a batch while it computes on the one before.
        pin_memory=workers > 0 and device.type == "cuda",
    )
    return (Batch(*tensors).to(device) for tensors in loader)


class ResidentSlices:
    """All chosen slices with tumour in the memory of a device, in 16 bits per value as on the disk.

    A GPU then waits for no disk, no loader and no copy.
    """

    def __init__(
        self,
        patients: list[StoredPatient],
        view: View,
        device: torch.device,
        chosen: Chosen = None,
    ):
        self.rows = {one: row for row, one in enumerate(_tumour_slices(patients, chosen))}
        count, square = len(self.rows), (view.crop, view.crop)
        empty = partial(torch.empty, device=device)
        self.inputs = empty(count, view.channels, *square, dtype=torch.int16)
        self.t1ce = empty(count, 1, *square, dtype=torch.int16)
        self.labels = empty(count, *square, dtype=torch.uint8)
        for (patient, z), row in self.rows.items():
            inputs, t1ce, labels = view.slice(patients[patient], z)
            self.inputs[row] = torch.from_numpy(to_int16(inputs))
            self.t1ce[row] = torch.from_numpy(to_int16(t1ce))
            self.labels[row] = torch.from_numpy(labels)
        # A tensor, since a GPU multiplies by the inverse of a plain number, and so rounds twice.
        self.scale = torch.tensor(float(to_int16(np.ones(1))[0]), device=device)

    def batches(self, picks: list[list[Pick]]) -> Iterator[Batch]:
        """Yield what `batches` loads, bit for bit."""
        rows = [[(self.rows[p.inputs], self.rows[p.t1ce]) for p in batch] for batch in picks]
        # One copy for the whole epoch, since one copy per batch would make the GPU wait.
        for row in torch.tensor(rows, device=self.labels.device):
            inputs, t1ce = row.unbind(1)
            yield Batch(
                self.inputs[inputs].float() / self.scale,
                self.t1ce[t1ce].float() / self.scale,
                self.labels[inputs].long(),
            )

    @staticmethod
    def size(patients: list[StoredPatient], view: View, chosen: Chosen = None) -> int:
        """Return the bytes that these slices would take."""
        return len(_tumour_slices(patients, chosen)) * view.crop**2 * (2 * view.channels + 2 + 1)


def loader(
    patients: list[StoredPatient], view: View, machine: Machine, chosen: Chosen = None
) -> Callable[[list[list[Pick]]], Iterator[Batch]]:
    """Return the function that loads batches: of `ResidentSlices`, or `batches` from the disk.

    Raises
    ------
    InputError : a file of a patient was damaged or edited.
    """
    # Here, since each loader process would compare the checksums anew in every epoch.
    for patient in patients:
        view.verify(patient)
    if _are_resident(patients, view, machine, chosen):
        return ResidentSlices(patients, view, machine.device, chosen).batches
    return partial(batches, patients, view, workers=machine.workers, device=machine.device)


def _are_resident(
    patients: list[StoredPatient], view: View, machine: Machine, chosen: Chosen = None
) -> bool:
    if machine.resident != "auto" or machine.device.type != "cuda":
        return machine.resident == "always"
    free, _ = torch.cuda.mem_get_info(machine.device)
    return ResidentSlices.size(patients, view, chosen) < free / 4 / machine.slots_per_gpu
