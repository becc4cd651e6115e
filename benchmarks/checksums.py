"""SHA-256 of files and of the arrays in them."""

import hashlib
import os
from pathlib import Path


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_checksum(path: Path) -> str:
    """Return the SHA-256 of the numbers in a .npy file without its header; "" if it is none."""
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8 or not start.startswith(b"\x93NUMPY"):
            return ""
        file.seek(int.from_bytes(file.read(2 if start[6] == 1 else 4), "little"), os.SEEK_CUR)
        return hashlib.file_digest(file, "sha256").hexdigest()
