"""Predicted volumes: how they are written, and read and checked."""

import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.checksums import checksum
from benchmarks.cohorts.arrays import StoredArray
from benchmarks.cohorts.store import StoredPatient, center_crop_or_pad, from_int16
from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from benchmarks.reporting.results import Attention
from benchmarks.scoring.regions import CLASSES, OUTSIDE
from workflow.layout import RunFolder
from workflow.records import Checksums

Kind = Literal["t1ce", "seg"]
VERBS: dict[Kind, str] = {"t1ce": "synthesize", "seg": "segment"}  # that write each kind
_TYPES = {"t1ce": np.int16, "seg": np.uint8}


def write_prediction(folder: RunFolder, kind: Kind, patient: str, volume: np.ndarray) -> str:
    """Write a volume as it is stored; its checksum is returned, of the array without header."""
    with write_atomically(folder.prediction(kind, patient)) as file:
        np.save(file, volume)
    return hashlib.sha256(volume).hexdigest()


def summary(volume: np.ndarray, kind: Kind, patient: StoredPatient) -> dict:
    """Return what checks need to know of a volume: how T1ce varies over the brain, or its classes.

    Parameters
    ----------
    volume : as it is stored, (Z, crop, crop).
    """
    if kind == "seg":
        return {"classes": np.unique(volume).tolist()}
    labels = center_crop_or_pad(patient.labels(), patient.grid.crop, fill=OUTSIDE)
    values = from_int16(volume[labels != OUTSIDE])
    return {"deviation": round(float(values.std()), 4) if values.size else None}


class Predictions:
    """The volumes of one kind that a run predicted.

    Each is compared with its checksum in the run's index before its first use.
    """

    def __init__(self, folder: RunFolder, kind: Kind) -> None:
        self.folder, self.kind = folder, kind
        self._verified: dict[str, StoredArray] = {}

    def verify(self, patient: StoredPatient) -> None:
        """Compare a patient's volume with its checksum, if this was not done yet.

        Raises
        ------
        InputError : it is missing, damaged, edited, or of another grid than the patient's.
        """
        name, crop = patient.patient, patient.grid.crop
        if name in self._verified:
            return
        path, size = self.folder.prediction(self.kind, name), (patient.shape[0], crop, crop)
        array = StoredArray(path, _TYPES[self.kind], size)
        (known,) = volume_checksums(self.folder, self.kind, [name]).values()
        if hashlib.sha256(self._read(array)).hexdigest() != known:
            raise self._unusable(path, "its content was changed after it was written")
        self._verified[name] = array

    def read(self, patient: StoredPatient, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the slices from `start` to `stop` of a patient, (stop - start, crop, crop).

        T1ce is float32 in [-1, 1], a segmentation uint8 classes.

        Raises
        ------
        InputError : as `verify` does; or the volume holds an unknown class.
        """
        self.verify(patient)
        array = self._verified[patient.patient]
        volume = self._read(array, start, stop)
        if self.kind == "t1ce":
            return from_int16(volume)
        if volume.max() > max(CLASSES):
            found = f"class {volume.max()} of 0 to {max(CLASSES)}"
            raise self._unusable(array.path, f"it holds {found}")
        return volume

    def _read(self, array: StoredArray, start: int = 0, stop: int | None = None) -> np.ndarray:
        try:
            return array.read(start, stop)
        except FileNotFoundError:
            raise self._unusable(array.path, "it is missing") from None
        except ValueError as error:
            raise self._unusable(array.path, str(error)) from None

    def _unusable(self, path: Path, fault: str) -> InputError:
        return InputError(f"{path} cannot be used: {fault}. {_again(self.folder, self.kind)}")


def write_attention(folder: RunFolder, patient: str, attention: Attention) -> str:
    """Write attention weights in half precision; the file's checksum is returned."""
    content = io.BytesIO()
    np.savez(content, slices=attention.slices, weights=attention.weights.astype(np.float16))
    with write_atomically(folder.attention(patient)) as file:
        file.write(content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def read_attention(folder: RunFolder, patient: StoredPatient) -> Attention | None:
    """Return the attention weights of a test patient; None where the model has none.

    Raises
    ------
    InputError : the file is missing, damaged or edited.
    """
    made = read_index(folder, "t1ce")["attention"] if folder.index("t1ce").is_file() else {}
    if patient.patient not in made:
        return None
    path = folder.attention(patient.patient)
    if not path.is_file() or checksum(path) != made[patient.patient]:
        raise InputError(f"{path} is missing, or was changed. {_again(folder, 't1ce')}")
    with np.load(path) as content:
        return Attention(tuple(content["slices"].tolist()), content["weights"].astype(np.float32))


def write_index(folder: RunFolder, kind: Kind, index: dict) -> None:
    """Write what a run predicted, last, so that its presence means that all volumes exist.

    Snakemake compares small files by their content, and so notices other volumes.
    """
    with write_atomically(folder.index(kind)) as file:
        file.write(json.dumps(index, indent=1).encode())


def read_index(folder: RunFolder, kind: Kind) -> dict:
    """Return what `write_index` wrote.

    Raises
    ------
    InputError : it is missing or damaged.
    """
    path = folder.index(kind)
    if not path.is_file():
        raise InputError(f"There is no {path}. Make it with {_verb(kind)}.")
    stored = path.read_bytes()
    try:
        index = json.loads(stored.decode())
        index["volumes"].items(), index["attention"].items()
    # Deeply nested JSON raises RecursionError.
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}). {_again(folder, kind)}") from None
    return index


def volume_checksums(folder: RunFolder, kind: Kind, patients: Iterable[str]) -> Checksums:
    """Return the sha256 of the arrays of some patients' volumes by path, as the index has them.

    Raises
    ------
    InputError : the index is missing, damaged, or lacks a patient.
    """
    volumes = read_index(folder, kind)["volumes"]
    try:
        return {folder.prediction(kind, name).as_posix(): volumes[name] for name in patients}
    except KeyError as error:
        fault = f"{folder.index(kind)} lacks patient {error}"
        raise InputError(f"{fault}. {_again(folder, kind)}") from None


def _again(folder: RunFolder, kind: Kind) -> str:
    """Say what to do: no rule knows the volumes, but every rule their index."""
    return f"Delete {folder.index(kind)}, and run the same command, or make it with {_verb(kind)}."


def _verb(kind: Kind) -> str:
    return f"{VERBS[kind]} (of an external method, with ingest)"
