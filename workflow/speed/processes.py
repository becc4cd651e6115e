"""Measurements in processes of their own: one that answers once, and two that take turns.

A process measured by itself has its own peak memory, and imports what it needs and nothing else.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]


class ProcessError(Exception):
    """A process ended without its answer; says which one, and its last words."""


@contextmanager
def answering() -> Iterator[IO[str]]:
    """Where to write answers; whatever the block prints otherwise goes to standard error."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        yield answers


def ask(module: str, *arguments: str, cwd: Path = ROOT) -> Any:
    """What `python -m module arguments`, said in `cwd`, writes to `answering`, as JSON.

    Raises
    ------
    ProcessError : it failed.
    """
    with talking_to(module, *arguments, cwd=cwd) as side:
        return side.hear()


def serve(step: Callable[[], Any], memory: Callable[[], int], answers: IO[str]) -> None:
    """Do one step for every line of standard input, and answer with what it returns.

    Answers with null before, when all is ready, and with the memory in bytes at the end.
    """
    print("null", file=answers)
    for _ in sys.stdin:
        print(json.dumps(step()), file=answers)
    print(json.dumps(memory()), file=answers)


@contextmanager
def talking_to(module: str, *arguments: str, cwd: Path = ROOT) -> Iterator["Side"]:
    """`python -m module arguments`, said in `cwd`; it ends with the block."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield Side(" ".join([module, *arguments[:1]]), process, errors)
        except BaseException:
            process.kill()
            raise


class Side:
    """A process that is talked to."""

    def __init__(self, name: str, process: subprocess.Popen, errors: IO[str]):
        self.name, self._process, self._errors = name, process, errors

    def step(self) -> Any:
        """Let it do a step; its answer."""
        with suppress(BrokenPipeError):  # `hear` says why
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return self.hear()

    def end(self) -> int:
        """Let it end; the most memory that it had, in bytes."""
        self._process.stdin.close()
        return self.hear()

    def hear(self) -> Any:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().strip().splitlines() or ["no message"]
        raise ProcessError(f"{self.name} failed: {words[-1]}")


def take_turns(sides: Sequence[Side], rounds: int) -> tuple[list[list], list[int]]:
    """The answers to `rounds` steps of each side, done in turn, and the peak memory of each.

    A first step of each, which sets libraries up, is not counted.
    """
    for side in sides:
        side.hear()
    for side in sides:
        side.step()
    answers: list[list] = [[] for _ in sides]
    for _ in range(rounds):
        for own, side in zip(answers, sides, strict=True):
            own.append(side.step())
    return answers, [side.end() for side in sides]
