"""Predicted volumes: how they are written, and read and checked."""

import hashlib
import io
import json
from collections.abc import Iterable
from typing import Literal

import numpy as np

from benchmarks.cohorts.store import StoredPatient, from_int16, map_array
from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from benchmarks.reporting.results import Attention
from benchmarks.scoring.regions import CLASSES
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


def read_prediction(folder: RunFolder, kind: Kind, patient: StoredPatient) -> np.ndarray:
    """Return a predicted volume, (Z, crop, crop): T1ce as float32 in [-1, 1], or classes as uint8.

    Raises
    ------
    InputError : it is missing, damaged, of another grid than the patient's, or no prediction.
    """
    path = folder.prediction(kind, patient.patient)
    size = (patient.shape[0], patient.grid.crop, patient.grid.crop)
    try:
        volume = np.array(map_array(path, _TYPES[kind], size))
    except ValueError as error:
        raise InputError(f"{path} cannot be used: {error}. {_again(kind)}") from None
    if kind == "t1ce":
        return from_int16(volume)
    if volume.max() > max(CLASSES):
        found = f"class {volume.max()} of 0 to {max(CLASSES)}"
        raise InputError(f"{path} holds {found}. {_again(kind)}")
    return volume


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
    InputError : the file is damaged.
    """
    path = folder.attention(patient.patient)
    if not path.is_file():
        return None
    try:
        with np.load(path) as content:
            slices, weights = tuple(content["slices"].tolist()), content["weights"]
        if weights.ndim != 4 or len(weights) != len(slices):
            raise ValueError(f"weights of shape {weights.shape} for slices {slices}")
    # What a damaged archive raises is up to zipfile and numpy.
    except Exception as error:
        raise InputError(f"{path} is damaged ({error}). {_again('t1ce')}") from None
    return Attention(slices, weights.astype(np.float32))


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
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        index["volumes"].items()
    # Deeply nested JSON raises RecursionError.
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is missing or damaged ({error}). {_again(kind)}") from None
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
        raise InputError(f"{folder.index(kind)} lacks patient {error}. {_again(kind)}") from None


def _again(kind: Kind) -> str:
    return f"Delete it, and make it again with {VERBS[kind]}."
