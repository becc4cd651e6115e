"""Parts of .npy files, read without keeping a file open."""

import os

import numpy as np
import pytest

from benchmarks.cohorts.arrays import StoredArray

NUMBERS = np.arange(120, dtype=np.int16).reshape(6, 5, 4)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "numbers.npy", NUMBERS)
    return tmp_path / "numbers.npy"


@pytest.mark.parametrize("rows", [(0, None), (0, 6), (2, 3), (5, 6), (3, 3)])
def test_rows_are_those_of_the_array(path, rows):
    read = StoredArray(path, np.int16, NUMBERS.shape).read(*rows)
    np.testing.assert_array_equal(read, NUMBERS[slice(*rows)])
    read += 1  # its own, and writable
    np.testing.assert_array_equal(np.load(path), NUMBERS)


def test_versions_of_the_format(path):
    for version in ((1, 0), (2, 0), (3, 0)):
        with path.open("wb") as file:
            np.lib.format.write_array(file, NUMBERS, version)
        array = StoredArray(path, np.int16, NUMBERS.shape)
        np.testing.assert_array_equal(array.read(4, 6), NUMBERS[4:])


@pytest.mark.parametrize(
    ("dtype", "shape", "said"),
    [
        (np.uint8, (6, 5, 4), "int16 of shape .* instead of uint8"),
        (np.int16, (6, 4, 5), r"\(6, 5, 4\) instead of .*\(6, 4, 5\)"),
        (">i2", (6, 5, 4), "instead of >i2"),
    ],
)
def test_another_array_is_refused(path, dtype, shape, said):
    with pytest.raises(ValueError, match=said):
        StoredArray(path, dtype, shape).read()


def test_columns_first_is_refused(path):
    np.save(path, np.asfortranarray(NUMBERS))
    with pytest.raises(ValueError, match="Fortran"):
        StoredArray(path, np.int16, NUMBERS.shape).read()


@pytest.mark.parametrize(
    "change", [lambda data: data[:-1], lambda data: data + b"\0", lambda _: b""]
)
def test_a_file_that_is_not_whole_is_refused(path, change):
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match="no whole"):
        StoredArray(path, np.int16, NUMBERS.shape).read(0, 1)


def test_a_file_that_is_cut_later_is_noticed(path):
    array = StoredArray(path, np.int16, NUMBERS.shape)
    array.read(0, 1)
    os.truncate(path, 200)
    with pytest.raises(ValueError, match="break off"):
        array.read(5, 6)


def test_objects_are_not_unpickled(path):
    np.save(path, np.array([print], object), allow_pickle=True)
    with pytest.raises(ValueError, match="object"):
        StoredArray(path, np.int16, NUMBERS.shape).read()


def test_a_missing_file_is_reported_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        StoredArray(tmp_path / "none.npy", np.int16, (1,)).read()
