"""One training: everything that its result depends on, and where it writes."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cohorts.replicate import Place
from benchmarks.cohorts.store import StoredPatient
from workflow.training.view import Pairing, View


@dataclass(frozen=True)
class Job:
    """Everything that the result of a training depends on, besides the model."""

    name: str  # the run's, for messages
    stream: str  # its random numbers derive from this, the seed and the epoch
    digest: str  # identifies the training; checkpoints with another digest are ignored
    seed: int
    place: Place
    train: list[StoredPatient]
    val: list[StoredPatient]
    view: View
    pairing: Pairing
    batch: int
    epochs: int
    steps_per_epoch: int | None
    validated: bool  # keep the epoch of the best mean validation Dice, else the last epoch
    t1ce_from: Set[str] | None = None  # the only subjects whose T1ce it has; None for all
    slices: Mapping[str, np.ndarray] | None = None  # by patient, the split of each slice, if split

    def chosen(self, split: str) -> dict[str, np.ndarray] | None:
        """Return by patient which slices are of a split, bool (Z,); None if patients are split."""
        if self.slices is None:
            return None
        return {patient: names == split for patient, names in self.slices.items()}


@dataclass(frozen=True)
class Output:
    """Where a training writes; weights and history do not depend on interruptions."""

    checkpoints: Path  # the folder that it resumes from, and that keeps its result
    weights: Path  # of the chosen epoch
    history: Path  # the losses, one line per epoch
    cost: Path
    growing_history: Path  # the same of a training that has not ended
    events: Path | None = None  # a folder for TensorBoard, if it is wanted
