"""Checkpoints: whole or not there, and never of another training."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.errors import InputError
from benchmarks.files import write_atomically


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time train into `folder`; the lock dies with its process.

    Raises
    ------
    InputError : another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another process is training into {folder}. Wait for it, or stop it."
            ) from None
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
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"There is no {path}: run the training that writes it first.") from None
    except Exception as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}: {str(error).splitlines()[0]}). "
            "Delete it and run the same command again."
        ) from None


def resume(folder: Path, digest: str) -> dict[str, Any] | None:
    """The last checkpoint in `folder` of the training that `digest` identifies, if there is one."""
    path = folder / "last.pt"
    if not path.exists():
        return None
    content = load(path)
    if content.get("digest") != digest:
        return None
    return content
