"""Readers of damaged files: each gives what is right, or the one error that is the user's.

Hypothesis damages valid files and makes up new ones; what it found is in the corpus. Its draws are
the same in each run.
"""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from corpus import METHOD, MINE, OWN
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import AFFINE, stored_cohort, write_cohort

from benchmarks import config
from benchmarks.cohorts.arrays import StoredArray
from benchmarks.cohorts.sources.brats import find_patients, read
from benchmarks.cohorts.split import SPLITS, read_split
from benchmarks.cohorts.store import Scan, StoredPatient
from benchmarks.errors import InputError
from benchmarks.reporting.published import PUBLISHED, read_published
from benchmarks.reporting.scores import COLUMNS, read_scores
from methods.errors import MethodError
from methods.registry import Method
from workflow.training import checkpoint

SHAPE = (6, 5, 4)
fuzz = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def damage(draw, first: int | None = None) -> Callable[[bytes], bytes]:
    """A few edits of a file's bytes, of its `first` ones if given: overwritten, cut, doubled."""
    edits = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["overwrite", "insert", "remove", "cut", "double"]),
                st.integers(0, 2**16),
                st.binary(min_size=1, max_size=8),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def apply(data: bytes) -> bytes:
        for verb, place, new in edits:
            at = place % max(1, min(len(data), first or len(data)))
            data = {
                "overwrite": data[:at] + new + data[at + len(new) :],
                "insert": data[:at] + new + data[at:],
                "remove": data[:at] + data[at + len(new) :],
                "cut": data[:at],
                "double": data[:at] + data[at : at + 64] + data[at:],
            }[verb]
        return data

    return apply


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def reads(read: Callable[[Path], object], path: Path, content: bytes | str) -> object:
    """What `read` makes of the file, None if it refuses by naming it."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        return read(path)
    except (InputError, MethodError) as error:
        assert path.parent.name in str(error) or path.name in str(error) or path.stem in str(error)
        return None


# NIfTI


@pytest.fixture(scope="module")
def patient(folder):
    write_cohort(folder / "data", ["P0"], SHAPE)
    (files,) = find_patients(folder / "data")
    return files, files.t2.read_bytes(), read(files)


@fuzz
@given(change=damage())
def test_a_compressed_image_is_read_as_it_was_or_not_at_all(patient, change):
    files, stored, before = patient
    after = reads(lambda _: read(files), files.t2, change(stored))
    if after is not None:
        np.testing.assert_array_equal(after.volumes["t2"], before.volumes["t2"])


@fuzz
@given(change=damage(first=352))
def test_an_image_of_a_damaged_header(patient, change):
    files, stored, _ = patient
    data = gzip.compress(change(gzip.decompress(stored)), mtime=0)
    after = reads(lambda _: read(files), files.t2, data)
    if after is not None:
        assert after.volumes["t2"].shape == after.volumes["t1"].shape == after.labels.shape
        assert np.isfinite(after.volumes["t2"]).all()


@fuzz
@given(
    place=st.sampled_from([40, 42, 70, 72, 76, 80, 108, 112, 116, 123, 252, 254, 280, 296, 344]),
    value=st.binary(min_size=1, max_size=4),
)
def test_an_image_of_another_value_in_its_header(patient, place, value):
    files, stored, _ = patient
    data = bytearray(gzip.decompress(stored))
    data[place : place + len(value)] = value
    after = reads(lambda _: read(files), files.t2, bytes(data))
    if after is not None:
        assert after.volumes["t2"].shape == after.labels.shape
        assert np.isfinite(after.volumes["t2"]).all()


@fuzz
@given(
    values=st.lists(st.floats(width=64), min_size=1, max_size=4),
    dtype=st.sampled_from([np.uint8, np.int16, np.uint32, np.float32, np.float64]),
)
def test_a_segmentation_of_any_values(folder, patient, values, dtype):
    files, stored, _ = patient
    with np.errstate(all="ignore"):
        labels = np.resize(np.array(values), SHAPE).astype(dtype)
    files.t2.write_bytes(stored)
    kept = files.seg.read_bytes()
    data = nib.Nifti1Image(labels, AFFINE).to_bytes()
    after = reads(lambda _: read(files), files.seg, data)
    files.seg.write_bytes(kept)
    if after is not None:
        # The reader computes in float32, to which 1e-300 is 0, and forgives rounding.
        assert set(np.unique(np.rint(labels.astype(np.float32)))) <= {0, 1, 2, 4}
        assert set(np.unique(after.labels)) <= {0, 1, 2, 3}


# YAML

WORDS = st.sampled_from(
    ["title", "cohort", "results", "seeds", "params", "unet", ": ", ":", "- ", "\n", "\n  ", "[",
     "]", "{", "}", ", ", "&a ", "*a", "!!int ", "!!python/name:os.system ", "<<: ", "? ", "|\n  ",
     ">", "'", '"', "#", "0", "-1", "0x_", "0b", "1e999", ".nan", ".inf", "1:61", "2020-13-40",
     "~", "yes", "=", "%YAML 9.9\n", "---", "...", "\t", "\0", "\ufeff", "\u2028", "é"]
)  # fmt: skip
DOCUMENTS = st.lists(WORDS, max_size=25).map("".join)


@fuzz
@given(change=damage())
def test_a_damaged_benchmark_file(folder, change):
    reads(lambda path: config.load(str(path)), folder / "mine.yaml", change(MINE.encode()))


@fuzz
@given(text=DOCUMENTS, keep=st.booleans())
def test_a_made_up_benchmark_file(folder, text, keep):
    content = MINE + text if keep else text
    reads(lambda path: config.load(str(path)), folder / "mine.yaml", content)


SETTINGS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from([10**30, -(10**30), "../x"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = ["title", "cohort", "results", "speed", "results.seeds", "results.split", "results.slices",
        "results.training", "results.methods", "results.segmentors", "results.params",
        "results.protocols", "results.split.fractions", "results.slices.crop",
        "results.params.unet", "speed.threads", "cohort.seed", "cohort.path",
        "cohort.source", "results.split.folds", "results.split.run_folds", "results.split.repeats",
        "conditions", "conditions.few", "conditions.few.params", "conditions.few.training.batch",
        "conditions.few.split.unit"]  # fmt: skip


@fuzz
@given(key=st.sampled_from(KEYS), value=SETTINGS)
def test_a_setting_of_any_value(folder, key, value):
    content = yaml.safe_load(MINE)
    *outer, last = key.split(".")
    inside = content
    for name in outer:
        inside = inside.setdefault(name, {})
    inside[last] = value
    text = yaml.safe_dump(content, allow_unicode=True)
    reads(lambda path: config.load(str(path)), folder / "mine.yaml", text)


@fuzz
@given(change=damage())
def test_a_damaged_method_file(folder, change):
    (folder / "mine").mkdir(exist_ok=True)
    content = change(METHOD.encode())
    reads(lambda path: Method(path.parent), folder / "mine" / "method.yaml", content)


@fuzz
@given(change=damage())
def test_a_damaged_file_of_published_numbers(folder, change):
    reads(read_published, folder / "published.yaml", change(PUBLISHED.read_bytes()))


# Tables


@fuzz
@given(change=damage())
def test_a_damaged_split(folder, change):
    rows = reads(read_split, folder / "own.csv", change(OWN.encode()))
    if rows is not None:
        assert rows and {row.split for row in rows} <= set(SPLITS)
        assert len({row.patient for row in rows}) == len(rows)


@fuzz
@given(change=damage())
def test_a_damaged_mapping_of_grades(patient, change):
    files, _, _ = patient
    mapping = b"Grade,BraTS_2020_subject_ID\nHGG,P0\nLGG,P1\n"
    path = files.t1.parents[1] / "name_mapping.csv"
    found = reads(lambda path: find_patients(path.parent), path, change(mapping))
    assert found is None or found[0].grade in (None, "HGG", "LGG")


ROWS = pd.DataFrame(
    [["unet", 0, 0, 0, "P0", "P0", "HGG", "paper", "segmentation", region, "dice", "lcc", value, ""]
     for region, value in (("wt", 0.5), ("tc", 0.25), ("et", ""))],
    columns=COLUMNS,
)  # fmt: skip


@fuzz
@given(change=damage())
def test_a_damaged_table_of_scores(folder, change):
    text = ROWS.to_csv(index=False).encode()
    scores = reads(lambda path: read_scores([path]), folder / "unet.csv", change(text))
    if scores is not None:
        assert list(scores.columns) == COLUMNS
        assert scores["value"].dropna().between(-1e-6, np.inf).all()
        assert not (scores["run"].isna() | scores["note"].isna()).any()


# Arrays, descriptions, weights


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@fuzz
@given(change=damage(first=128))
def test_an_array_of_a_damaged_header(folder, change):
    path = folder / "made.npy"
    path.write_bytes(change(saved(np.arange(120, dtype=np.int16).reshape(SHAPE))))
    try:
        made = StoredArray(path, np.int16, SHAPE).read()
    except ValueError:
        return
    assert made.dtype == np.int16 and made.shape == SHAPE
    assert made.size == 120


@fuzz
@given(
    shape=st.lists(st.integers(-(2**70), 2**70), max_size=5),
    descr=st.sampled_from(["<i2", ">i2", "|O", "<U9999999", "V99", "i2,i2", "x", "<f8"]),
)
def test_an_array_of_any_shape_and_type(folder, shape, descr):
    header = {"descr": descr, "fortran_order": False, "shape": tuple(shape)}
    text = repr(header).encode()
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(240)
    path = folder / "made.npy"
    path.write_bytes(data)
    try:
        made = StoredArray(path, np.int16, SHAPE).read()
    except ValueError:
        return
    assert made.shape == SHAPE


@pytest.fixture(scope="module")
def stored(folder):
    stored_cohort(folder / "stored", 1, crop=32)
    path = folder / "stored" / "store" / "P0.json"
    return path, path.read_bytes()


def opened(path: Path) -> Scan:
    patient = StoredPatient(path.parent, path.stem)
    return patient.volume(32)


@fuzz
@given(change=damage())
def test_a_damaged_description_of_a_stored_patient(stored, change):
    path, before = stored
    scan = reads(opened, path, change(before))
    if scan is not None:
        assert scan.images.shape[0] == 4 and np.isfinite(scan.images).all()


@fuzz
@given(data=st.data(), value=SETTINGS)
def test_a_stored_patient_described_otherwise(stored, data, value):
    path, before = stored
    content = json.loads(before)
    content[data.draw(st.sampled_from(sorted(content)))] = value
    reads(opened, path, json.dumps(content))


@fuzz
@given(change=damage())
def test_a_damaged_checkpoint(folder, change):
    file = io.BytesIO()
    torch.save({"digest": "x", "model": {"net": {"weight": torch.zeros(4, 3)}}}, file)
    content = reads(checkpoint.load, folder / "last.pt", change(file.getvalue()))
    assert content is None or isinstance(content, dict)
