"""Read parts of .npy files without keeping them open.

A memory map holds a file descriptor for as long as it lives, and a cohort has more patients than
many systems allow a process open files.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class StoredArray:
    """The array of a .npy file, of a known type and shape.

    Raises
    ------
    ValueError : reading it raises this if the file is not whole, or holds another array, or
        objects, which numpy would unpickle; the message is a clause that says what was found.
    OSError : the file cannot be opened, e.g. since it is missing.
    """

    path: Path
    dtype: type
    shape: tuple[int, ...]

    def read(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read the rows from `start` to `stop` along the first axis: (stop - start, ...)."""
        shape = (len(range(self.shape[0])[start:stop]), *self.shape[1:])
        count, row = int(np.prod(shape)), int(np.prod(self.shape[1:]))
        offset = self._offset + start * row * np.dtype(self.dtype).itemsize
        with self.path.open("rb", buffering=0) as file:
            numbers = np.fromfile(file, self.dtype, count, offset=offset)
        if numbers.size != count:
            raise ValueError("it is no whole .npy file (its numbers break off)")
        return numbers.reshape(shape)

    @cached_property
    def _offset(self) -> int:
        """The byte at which the numbers begin, once the header proves to be the expected one."""
        with self.path.open("rb") as file:
            # Numpy parses the header as Python source, so a damaged one raises any exception.
            try:
                version = np.lib.format.read_magic(file)
                read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                    version, np.lib.format.read_array_header_2_0
                )
                shape, fortran, dtype = read(file)
            except Exception as error:
                raise ValueError(f"it is no whole .npy file ({error})") from None
            offset, size = file.tell(), self.path.stat().st_size
        if dtype != self.dtype or shape != self.shape or fortran:
            raise ValueError(
                f"it holds {dtype} of shape {shape}{' in Fortran order' * fortran} instead of "
                f"{np.dtype(self.dtype)} of {self.shape}"
            )
        whole = offset + int(np.prod(shape)) * dtype.itemsize
        if size != whole:
            raise ValueError(f"it is no whole .npy file ({size} bytes instead of {whole})")
        return offset
