"""What a model sees of a patient."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.cohorts.store import StoredPatient, from_int16, map_array
from benchmarks.errors import InputError

# Where the T1ce of a batch comes from: see `data.plan_epoch`.
Pairing = Literal["paired", "other", "shuffled", "disjoint"]


@dataclass(frozen=True)
class View:
    """The channels and the crop that a model is given."""

    inputs: tuple[str, ...]  # the modalities that are its channels, in their order
    crop: int  # side of the central square, in pixels of the working grid
    upstream: Path | None = None  # folder of synthesised T1ce volumes that are its last channel

    @property
    def channels(self) -> int:
        """Count the channels, an upstream's among them."""
        return len(self.inputs) + (self.upstream is not None)

    def slice(self, patient: StoredPatient, z: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read inputs (C, crop, crop), T1ce (1, crop, crop), in [-1, 1], labels (crop, crop)."""
        scan = patient.slice(z, self.crop)
        inputs = scan.select(self.inputs)
        if self.upstream:
            synthesised = from_int16(self._synthesised(patient)[z])
            inputs = np.concatenate([inputs, synthesised[None]])
        return inputs, scan.t1ce[None], np.maximum(scan.labels, 0)

    def volume(self, patient: StoredPatient) -> np.ndarray:
        """Read the inputs of all slices, (Z, C, crop, crop) float32."""
        inputs = patient.volume(self.crop).select(self.inputs).swapaxes(0, 1)
        if self.upstream:
            synthesised = from_int16(self._synthesised(patient))
            inputs = np.concatenate([inputs, synthesised[:, None]], axis=1)
        return np.ascontiguousarray(inputs)

    def _synthesised(self, patient: StoredPatient) -> np.ndarray:
        size = (patient.shape[0], self.crop, self.crop)
        return _map_volume(self.upstream / f"{patient.patient}.npy", size)


@cache
def _map_volume(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Map a synthesised volume into memory, int16."""
    try:
        return map_array(path, np.int16, shape)
    except ValueError as error:
        raise InputError(
            f"{path} cannot be used: {error}. Delete it and run synthesize again."
        ) from None
