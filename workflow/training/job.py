"""One training: everything that its result depends on, and where it writes."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.cohorts.store import StoredPatient
from workflow.training.view import Pairing, View


@dataclass(frozen=True)
class Job:
    """Everything that the result of a training depends on, besides the model."""

    name: str  # the run's, for messages
    stream: str  # its random numbers derive from this, the seed and the epoch
    digest: str  # identifies the training; checkpoints with another digest are ignored
    seed: int
    train: list[StoredPatient]
    val: list[StoredPatient]
    view: View
    pairing: Pairing
    batch: int
    epochs: int
    steps_per_epoch: int | None
    validated: bool  # keep the epoch of the best mean validation Dice, else the last epoch


@dataclass(frozen=True)
class Output:
    """Where a training writes; weights and history do not depend on interruptions."""

    checkpoints: Path  # the folder that it resumes from, and that keeps its result
    weights: Path  # of the chosen epoch
    history: Path  # the losses, one line per epoch
    cost: Path
