"""Call a function in a process of its own, with its own peak memory and no imports but its own."""

import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class ProcessError(Exception):
    """A process ended without an answer. The message has its function and its last words."""


def call(function: str, *arguments: Any, cwd: Path = ROOT) -> Any:
    """Return what a function, `package.module:name`, returns in a process of its own.

    Arguments are what JSON holds, or dataclasses of that, which become dicts. `cwd` is a copy of
    this repository, whose code is called.
    """
    with process(function, *arguments, cwd=cwd) as answer:
        return answer()


@contextmanager
def process(function: str, *arguments: Any, cwd: Path = ROOT) -> Iterator[Callable[[], Any]]:
    """Start a process, and yield what asks it for its next answer; it ends with the block.

    A generator answers with what it yields, when asked; other functions once. A failure raises
    ProcessError.
    """
    command = [sys.executable, "-m", __name__, function, json.dumps(arguments, default=asdict)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(command, cwd=cwd, stderr=errors, **pipes) as child,
    ):

        def answer() -> Any:
            with suppress(BrokenPipeError):  # what follows says why
                os.write(child.stdin.fileno(), b"\n")
            if line := child.stdout.readline():
                return json.loads(line)
            child.wait()
            errors.seek(0)
            words = errors.read().strip().splitlines() or ["no message"]
            raise ProcessError(f"{function} failed: {words[-1]}")

        try:
            yield answer
        finally:
            child.kill()


def resident(key: str = "VmRSS") -> int:
    """Return the bytes of memory that this process has now, or had at most (`VmHWM`)."""
    # getrusage's ru_maxrss would also count what the process that started this one had.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.split(f"{key}:")[1].split()[0])


def main() -> None:
    """Answer each line of standard input; what else is printed goes to standard error."""
    function, arguments = pkgutil.resolve_name(sys.argv[1]), json.loads(sys.argv[2])
    with os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8") as answers:
        os.dup2(2, 1)
        returned = function(*arguments)
        each = returned if isinstance(returned, Iterator) else iter([returned])
        for _ in sys.stdin:
            print(json.dumps(next(each)), file=answers)


if __name__ == "__main__":
    main()
