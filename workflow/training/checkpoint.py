"""Checkpoints: whole or not there, and never of another training.

A training's folder holds a file an epoch while it runs, of the epochs that it may still need, and
`done.pt` with `weights.pt` once it has ended.
"""

import fcntl
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.errors import InputError
from benchmarks.files import place, write_atomically

History = list[dict[str, float]]
"""The losses, a dict an epoch."""


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time train into `folder`; another waits for it, and says so.

    The lock dies with its process, so only one that still works is waited for, such as the job of
    a Snakemake that was killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"Another process is training into {folder}; waiting for its end.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values so that a reader finds all of them or the file before."""
    with write_atomically(path) as file:
        torch.save(content, file)


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, onto the CPU. Code hidden in the file is refused, not run.

    Raises
    ------
    InputError : the file is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}")
        return content
    except FileNotFoundError:
        raise InputError(f"There is no {path}: run the training that writes it first.") from None
    except pickle.UnpicklingError:
        # What torch says here is how to run the code nevertheless.
        raise InputError(
            f"{path} holds more than tensors and plain values, such as code, and was not loaded; "
            "or it is damaged. Delete it and run the same command again."
        ) from None
    except Exception as error:
        fault = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{path} cannot be read ({fault}). Delete it and run the same command again."
        ) from None


def _check_sums(path: Path) -> None:
    """Compare all bytes with the checksums beside them: torch reads damaged weights as they are."""
    with zipfile.ZipFile(path) as parts:
        if damaged := parts.testzip():
            raise ValueError(f"the checksum of its part {damaged} is wrong")


class Checkpoints:
    """The checkpoints of the training that `digest` identifies.

    Parameters
    ----------
    folder : its own.
    chosen : of a history, the epoch (from 0) whose weights are the training's result so far.
    """

    def __init__(self, folder: Path, digest: str, chosen: Callable[[History], int]):
        self.folder, self.digest, self.chosen = folder, digest, chosen

    def save(self, history: History, content: dict[str, Any]) -> None:
        """Write the newest epoch's, and delete those that nothing can need any more.

        Kept are the newest and, since a disk may damage it, the one before; and each one's chosen.
        """
        whole = {"digest": self.digest, "history": history} | content
        save(self._path(len(history) - 1), whole)
        before = history[:-1] or history
        kept = {len(history) - 1, len(before) - 1, self.chosen(history), self.chosen(before)}
        for path in self._paths():
            if path not in map(self._path, kept):
                path.unlink()

    def newest(self) -> dict[str, Any] | None:
        """The last epoch's that is whole, and of which the chosen one is; None without one."""
        for path in reversed(self._paths()):
            if content := self._read(path):
                chosen = self._path(self.chosen(content["history"]))
                if chosen == path or self._read(chosen):
                    return content
        return None

    def finish(self, history: History, content: dict[str, Any], told: dict[str, Any]) -> None:
        """Write the chosen epoch's entry and `content` as weights, `told` beside them."""
        kept = {"digest": self.digest, "history": history} | content
        kept["entry"] = load(self._path(self.chosen(history)))["entry"]
        save(self.folder / "weights.pt", kept)
        save(self.folder / "done.pt", {"digest": self.digest, "history": history} | told)

    def finished(self) -> dict[str, Any] | None:
        """What `finish` was told, if it ended, with its weights in place; else None."""
        weights = self._read(self.folder / "weights.pt")
        return self._read(self.folder / "done.pt") if weights else None

    def hand_out(self, weights: Path) -> None:
        """Let `weights` be those of the finished training; the epochs' files are deleted.

        The folder keeps them under its own name as well, in the same place of the disk, so that
        whoever deletes `weights`, as Snakemake does after a kill, costs nobody a training.
        """
        place(self.folder / "weights.pt", weights)
        for path in self._paths():
            path.unlink()

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch + 1:05}.pt"

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*.pt"))

    def _read(self, path: Path) -> dict[str, Any] | None:
        """A whole file of this training; None, with a word where it is damaged, otherwise."""
        if not path.exists():
            return None
        try:
            content = load(path)
        except InputError as error:
            _say(f"Passed over: {error}")
            return None
        return content if content.get("digest") == self.digest else None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
