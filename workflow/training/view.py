"""What a model sees of a patient."""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from benchmarks.cohorts.store import StoredPatient

# Where the T1ce of a batch comes from: see `data.plan_epoch`.
Pairing = Literal["paired", "other", "shuffled", "disjoint"]


class Upstream(Protocol):
    """The synthesised T1ce of a run, as `workflow.predictions.Predictions` reads it."""

    def verify(self, patient: StoredPatient) -> None: ...
    def read(
        self, patient: StoredPatient, start: int = 0, stop: int | None = None
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class View:
    """The channels and the crop that a model is given."""

    inputs: tuple[str, ...]  # the modalities that are its channels, in their order
    crop: int  # side of the central square, in pixels of the working grid
    upstream: Upstream | None = None  # whose T1ce is its last channel

    @property
    def channels(self) -> int:
        """Count the channels, an upstream's among them."""
        return len(self.inputs) + (self.upstream is not None)

    def verify(self, patient: StoredPatient) -> None:
        """Compare a patient's files with their checksums, if this was not done yet.

        Raises
        ------
        InputError : one of them is missing, damaged or edited.
        """
        patient.verify()
        if self.upstream:
            self.upstream.verify(patient)

    def slice(self, patient: StoredPatient, z: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read inputs (C, crop, crop), T1ce (1, crop, crop), in [-1, 1], labels (crop, crop)."""
        scan = patient.slice(z, self.crop)
        inputs = scan.select(self.inputs)
        if self.upstream:
            inputs = np.concatenate([inputs, self.upstream.read(patient, z, z + 1)])
        return inputs, scan.t1ce[None], np.maximum(scan.labels, 0)

    def volume(self, patient: StoredPatient) -> np.ndarray:
        """Read the inputs of all slices, (Z, C, crop, crop) float32."""
        inputs = patient.volume(self.crop).select(self.inputs).swapaxes(0, 1)
        if self.upstream:
            inputs = np.concatenate([inputs, self.upstream.read(patient)[:, None]], axis=1)
        return np.ascontiguousarray(inputs)
