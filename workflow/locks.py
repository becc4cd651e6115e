"""Locks between processes: files that one process at a time holds, and that end with it."""

import errno
import fcntl
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from benchmarks.files import warn_once

# What `flock` says on Lustre, NFS, or FUSE that is mounted without locks.
UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


@contextmanager
def exclusive(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; a second process waits, and says so.

    The lock ends with its process, e.g. a job that outlived its Snakemake. Where the file system
    has no locks, the block runs without.

    Parameters
    ----------
    doing : what the holder does, such as `training into results/runs/...`, for the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # For appending: whoever waits must not empty the file, in which the holder says who it is.
    with path.open("ab+", buffering=0) as file:
        if not try_lock(file):
            file.seek(0)
            holder = file.read().decode(errors="replace")
            who = f" It is {holder}." if holder else ""
            text = f"Another process is {doing}; waiting for its end.{who}"
            print(text, file=sys.stderr, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        with suppress(OSError):  # a full disk, which must not stop the job
            file.write(f"PID {os.getpid()} on {platform.node()}".encode())
        try:
            yield
        finally:
            file.truncate(0)


def is_held(path: Path) -> bool:
    """Return whether a process of this machine holds a lock file; where there is no file, none."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file, or no locks
        return False
    return False


def try_lock(file: IO) -> bool:
    """Lock an open file until it is closed; False if another process holds it.

    Where the file system has no locks, the file counts as locked, and a line says so once.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        warn_once(
            f"This file system has no file locks ({error.strerror}): nothing stops a second "
            "process from doing the same work. Run one at a time."
        )
    return True
