"""Write files atomically: a reader finds either the whole file or none."""

import csv
import errno
import gzip
import io
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from benchmarks.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk, quota or largest allowed file
# What file systems say that cannot sync a folder, such as CIFS, or shared folders of VirtualBox.
UNSYNCED = (
    errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES,
    errno.EBADF, errno.EISDIR,
)  # fmt: skip


@contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that appears under `path` only once the block has ended well.

    It is written beside `path` under a temporary name, synced to the disk and renamed. If the block
    raises, the temporary file is removed and the previous content of `path` stays. Temporary files
    of the same path left by killed processes are removed too. A missing folder is created.

    Raises
    ------
    InputError : there is no room for the file.
    """
    # For reading too: into a file for writing alone numpy writes by itself, and tells no reason if
    # it cannot.
    with _replacing(path) as temporary, temporary.open("w+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def link_or_copy(source: Path, path: Path) -> None:
    """Make `path` a hard link to `source`, or a copy where the file system has no such links.

    Raises
    ------
    InputError : there is no room for a copy.
    """
    with _replacing(path) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        # Snakemake compares times: the file must be as new as any other that is written now.
        os.utime(temporary)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name that becomes `path` if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
        _sync(path.parent)
    except Exception as error:
        if _is_full(error):
            raise InputError(
                f"There is no room to write {path}. Free some, and run the same command again: "
                "it goes on from what is there."
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove temporary files of `path` left by dead processes on this host."""
    for left in path.parent.iterdir():
        name, _, process = left.name.removesuffix(".tmp").rpartition(".")
        ours = left.suffix == ".tmp" and name == f".{path.name}.{platform.node()}"
        if ours and process.isdecimal() and not _lives(int(process)):
            left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    """Return whether another process with this PID is running."""
    if process == os.getpid():  # PIDs are reused, quickly so in containers
        return False
    try:
        os.kill(process, 0)  # signal 0 only checks
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process
        return True
    return True


def _sync(folder: Path) -> None:
    """Sync a folder's entries, so that a rename survives a loss of power."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in UNSYNCED:
            raise
        warn_once(
            f"This file system cannot sync folders ({error.strerror}): after a loss of power, the "
            "last files may be missing. Then run the same command again."
        )


@cache
def warn_once(text: str) -> None:
    """Print a line on stderr, the first time in this process."""
    print(text, file=sys.stderr, flush=True)


def _is_full(error: BaseException | None) -> bool:
    """Return whether the disk was full, even if the writer wrapped that error in its own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def write_gzip(path: Path, content: bytes) -> None:
    """Write packed `content` atomically; the same content always makes the same file."""
    with write_atomically(path) as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
        packed.write(content)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a CSV file atomically: UTF-8, a comma between cells, a newline after each row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with write_atomically(path) as file:
        file.write(text.getvalue().encode())
