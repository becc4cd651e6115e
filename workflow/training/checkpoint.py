"""Checkpoints: atomic, and never of another training.

While a training runs, its folder holds one file for each epoch that it may still need. Once it has
ended, the folder holds `weights.pt` and `done.pt`.
"""

import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from benchmarks.errors import InputError
from benchmarks.files import link_or_copy, write_atomically

# The losses, one dict per epoch.
History = list[dict[str, float]]


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values."""
    with write_atomically(path) as file:
        torch.save(content, file)


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, onto the CPU. Code in the file is refused, not run.

    Raises
    ------
    InputError : the file is missing, damaged, or holds more than tensors and plain values.
    """
    if not path.is_file():
        raise InputError(f"There is no {path}: run the training that writes it first.")
    # Outside of `try`: too many open files, say, are no damage.
    with path.open("rb") as file:
        return _load(file)


def _load(file: BinaryIO) -> dict[str, Any]:
    try:
        # torch reads damaged weights silently.
        with zipfile.ZipFile(file) as parts:
            if damaged := parts.testzip():
                raise ValueError(f"the checksum of its part {damaged} is wrong")
        file.seek(0)
        content = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
        return content
    except pickle.UnpicklingError:
        # torch's own message explains how to run the code anyway.
        fault = "holds more than plain values, such as code, and was not loaded; or it is damaged"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        fault = f"cannot be read ({reason})"
    raise InputError(f"{file.name} {fault}. Delete it and run the same command again.")


class Checkpoints:
    """The checkpoints of the training that `digest` identifies, in a folder of its own.

    `chosen` returns of a history the epoch (from 0) whose weights are the result so far.
    """

    def __init__(self, folder: Path, digest: str, chosen: Callable[[History], int]):
        self.folder, self.digest, self.chosen = folder, digest, chosen

    def save(self, history: History, content: dict[str, Any]) -> None:
        """Write the newest epoch's checkpoint, and delete those that are no longer needed.

        Needed are the last two, in case the disk damages the newest, and the chosen epoch of both.
        """
        save(self._path(len(history) - 1), self._signed(history) | content)
        before = history[:-1] or history
        kept = {len(history) - 1, len(before) - 1, self.chosen(history), self.chosen(before)}
        for path in self._paths():
            if path not in map(self._path, kept):
                path.unlink()

    def newest(self) -> dict[str, Any] | None:
        """Return the last intact checkpoint whose chosen epoch is intact too, if there is one."""
        for path in reversed(self._paths()):
            if content := self._read(path):
                chosen = self._path(self.chosen(content["history"]))
                if chosen == path or self._read(chosen):
                    return content
        return None

    def finish(self, history: History, content: dict[str, Any], summary: dict[str, Any]) -> None:
        """Write the chosen epoch's model and `content` as weights, then `summary` beside them."""
        model = load(self._path(self.chosen(history)))["model"]
        save(self.folder / "weights.pt", self._signed(history) | content | {"model": model})
        save(self.folder / "done.pt", self._signed(history) | summary)

    def finished(self) -> dict[str, Any] | None:
        """Return the summary given to `finish`, if the training has ended; else None."""
        weights = self._read(self.folder / "weights.pt")
        return self._read(self.folder / "done.pt") if weights else None

    def publish_weights(self, path: Path) -> None:
        """Link the finished training's weights to `path`, and delete the epochs' files.

        The folder keeps its own link, so that a training survives when `path` is deleted, as
        Snakemake does after a kill.
        """
        link_or_copy(self.folder / "weights.pt", path)
        for path in self._paths():
            path.unlink()

    def _signed(self, history: History) -> dict[str, Any]:
        return {"digest": self.digest, "history": history}

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch + 1:05}.pt"

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*.pt"))

    def _read(self, path: Path) -> dict[str, Any] | None:
        """Read a file of this training; None if it is missing, of another training or damaged."""
        try:
            content = load(path) if path.exists() else {}
        except InputError as error:
            _say(f"Skipped: {error}")
            return None
        return content if content.get("digest") == self.digest else None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
