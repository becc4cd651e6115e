"""A damaged or edited file is noticed before it becomes a number; what is no damage is not said so.

Volumes have their checksums in the index of their run. Locks are here too: who waits for whom.
"""

import errno
import fcntl
import hashlib
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from made_up import stored_cohort
from torch import device

from benchmarks import files
from benchmarks.cohorts.store import StoredPatient
from benchmarks.errors import InputError
from benchmarks.reporting.results import Attention
from workflow import locks
from workflow.layout import RunFolder
from workflow.locks import exclusive
from workflow.predictions import (
    Predictions,
    read_attention,
    read_index,
    write_attention,
    write_index,
    write_prediction,
)
from workflow.records import read_records, write_records
from workflow.training import checkpoint
from workflow.training.data import loader, plan_epoch
from workflow.training.machine import Machine
from workflow.training.seeding import generator
from workflow.training.view import View

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return stored_cohort(tmp_path_factory.mktemp("cohort"), 60)


@pytest.fixture
def folder(tmp_path, cohort) -> RunFolder:
    """A run's predictions for three patients, and attention for one of them."""
    folder = RunFolder(tmp_path / "run")
    predict(folder, cohort[:3])
    return folder


def predict(folder: RunFolder, patients) -> None:
    for kind, dtype in (("t1ce", np.int16), ("seg", np.uint8)):
        volumes = {}
        for number, one in enumerate(patients):
            made = np.full((one.shape[0], 64, 64), number % 4, dtype)
            volumes[one.patient] = write_prediction(folder, kind, one.patient, made)
        name, weights = patients[0].patient, np.full((1, 3, 2, 2), 1 / 3)
        attention = {name: write_attention(folder, name, Attention((4,), weights))}
        write_index(folder, kind, {"volumes": volumes, "attention": attention})


def flip(path: Path, place: int = -2) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def of_another_patient(path: Path) -> None:
    path.write_bytes(path.with_name("P1.npy").read_bytes())


def made_anew(path: Path) -> None:
    """As by a model that was trained again, or by another seed."""
    np.save(path, np.load(path)[::-1] + 1)


def older(path: Path) -> None:
    flip(path)
    os.utime(path, (0, 0))


@pytest.mark.parametrize("kind", ["t1ce", "seg"])
@pytest.mark.parametrize("damage", [flip, of_another_patient, made_anew, older])
def test_a_changed_volume_is_not_used(folder, cohort, kind, damage):
    before = Predictions(folder, kind).read(cohort[0])
    assert before.shape == (8, 64, 64) and (before == before[0, 0, 0]).all()
    path = folder.prediction(kind, "P0")
    damage(path)
    verb = {"t1ce": "synthesize", "seg": "segment"}[kind]
    for read in (Predictions(folder, kind).read, Predictions(folder, kind).verify):
        with pytest.raises(InputError, match=f"{path} cannot be used: .*changed") as error:
            read(cohort[0])
        # The index is what Snakemake knows of.
        assert f"Delete {folder.index(kind)}" in str(error.value) and verb in str(error.value)
    Predictions(folder, kind).read(cohort[2])


def test_a_changed_volume_is_not_trained_on(folder, cohort):
    view = View(("flair", "t1"), 64, Predictions(folder, "t1ce"))
    loader(cohort[:3], view, Machine(device("cpu")))
    flip(folder.prediction("t1ce", "P2"))
    view = View(("flair", "t1"), 64, Predictions(folder, "t1ce"))
    # Before the first epoch, and whoever asks first.
    with pytest.raises(InputError, match=r"P2\.npy cannot be used"):
        loader(cohort[:3], view, Machine(device("cpu")))
    with pytest.raises(InputError, match=r"P2\.npy cannot be used"):
        view.slice(cohort[2], 4)
    with pytest.raises(InputError, match=r"P2\.npy cannot be used"):
        view.volume(cohort[2])


def test_a_volume_is_compared_once(folder, cohort, monkeypatch):
    volumes, compared = Predictions(folder, "t1ce"), []
    sha256 = hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda *x: compared.append(1) or sha256(*x))
    for z in range(8):
        assert volumes.read(cohort[0], z, z + 1).shape == (1, 64, 64)
    assert len(compared) == 1


def test_a_class_that_is_none(folder, cohort):
    volume = np.full((8, 64, 64), 7, np.uint8)
    sha256 = write_prediction(folder, "seg", "P0", volume)
    write_index(folder, "seg", {"volumes": {"P0": sha256}, "attention": {}})
    with pytest.raises(InputError, match="class 7 of 0 to 3"):
        Predictions(folder, "seg").read(cohort[0])


def test_a_patient_that_the_index_lacks(folder, cohort):
    with pytest.raises(InputError, match=r"seg\.json lacks patient 'P9'.*Delete"):
        Predictions(folder, "seg").read(cohort[9])


@pytest.mark.parametrize("damage", [flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_changed_attention_is_not_shown(folder, cohort, damage):
    assert read_attention(folder, cohort[0]).slices == (4,)
    assert read_attention(folder, cohort[1]) is None
    damage(folder.attention("P0"))
    with pytest.raises(InputError, match=r"P0\.npz is missing, or was changed\. Delete"):
        read_attention(folder, cohort[0])


# Open files


@pytest.fixture
def open_files():
    """Set how many files this process may have open at a time."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda count: resource.setrlimit(resource.RLIMIT_NOFILE, (count, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_of_more_patients_than_open_files(tmp_path, cohort, open_files, workers):
    folder = RunFolder(tmp_path)
    predict(folder, cohort)
    view = View(("t1", "flair"), 64, Predictions(folder, "t1ce"))
    plan = plan_epoch(cohort, "other", 4, generator(0))
    assert {pick.inputs.patient for step in plan for pick in step} >= set(range(50))
    open_files(max(64, _next_handle() + 20))
    load = loader(cohort, view, Machine(device("cpu"), workers=workers))
    assert sum(len(batch.inputs) for batch in load(plan)) == 4 * len(plan)
    assert _next_handle() < 60


def _next_handle() -> int:
    handle = os.dup(0)
    os.close(handle)
    return handle


READERS = {
    "description": lambda _, patient: StoredPatient(patient._path.parent, patient.patient),
    "slices": lambda _, patient: patient.slice(4, 64),
    "volume": lambda folder, patient: Predictions(folder, "seg").read(patient),
    "index": lambda folder, _: read_index(folder, "seg"),
    "attention": read_attention,
    "weights": lambda folder, _: checkpoint.load(folder.weights),
    "record": lambda folder, _: read_records(folder.path / "record.json"),
}


@pytest.mark.parametrize("reader", READERS)
def test_too_many_open_files_are_no_damage(folder, cohort, open_files, reader):
    checkpoint.save(folder.weights, {"digest": "x"})
    write_records(folder.path / "record.json", [])
    READERS[reader](folder, cohort[0])  # imports what it needs
    open_files(_next_handle())
    with pytest.raises(OSError, match="Too many open files") as error:
        READERS[reader](folder, cohort[0])
    assert error.value.errno == errno.EMFILE


# Locks


def test_one_process_at_a_time_holds_a_lock(tmp_path, capsys):
    order, path = [], tmp_path / "new" / ".train.lock"

    def second():
        with exclusive(path, "training into x"):
            order.append("second")

    with exclusive(path, "training into x"):
        waiting = threading.Thread(target=second)
        waiting.start()
        while not (said := capsys.readouterr().err):
            time.sleep(0.01)
        assert said == (
            "Another process is training into x; waiting for its end. "
            f"It is PID {os.getpid()} on {platform.node()}.\n"
        )
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    assert path.read_text() == ""


def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "lock"
    script = (
        "import sys, time; from pathlib import Path; from workflow.locks import exclusive\n"
        f"with exclusive(Path({str(path)!r}), 'x'): print('held', flush=True); time.sleep(99)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    with path.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert path.read_text().startswith(f"PID {process.pid} on ")
    process.kill()
    process.wait()
    with exclusive(path, "x"):
        assert path.read_text().startswith(f"PID {os.getpid()} on ")


def test_a_child_does_not_keep_a_lock(tmp_path):
    with exclusive(tmp_path / "lock", "x"):
        child = subprocess.Popen(["sleep", "30"], close_fds=False)
    with (tmp_path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    child.kill()
    child.wait()


@pytest.mark.parametrize("number", ["ENOSYS", "ENOLCK", "EOPNOTSUPP", "ENOTSUP", "EINVAL"])
def test_without_locks_the_work_is_done_all_the_same(tmp_path, monkeypatch, capsys, number):
    def refuse(*_):
        raise OSError(getattr(errno, number), "no locks here")

    files.warn_once.cache_clear()
    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    done = []
    for name in ("a", "folder/b"):
        with exclusive(tmp_path / name, "x"):
            done.append(name)
    (said,) = capsys.readouterr().err.splitlines()
    assert done == ["a", "folder/b"] and "has no file locks (no locks here)" in said


def test_another_error_of_a_lock_stays_what_it_is(tmp_path, monkeypatch):
    def break_(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(locks.fcntl, "flock", break_)
    with pytest.raises(OSError, match="broken"), exclusive(tmp_path / "a", "x"):
        pytest.fail("it must not be entered")


def test_a_full_disk_stops_no_lock(tmp_path):
    script = (
        "import resource; from pathlib import Path; from workflow.locks import exclusive\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        f"with exclusive(Path({str(tmp_path / 'lock')!r}), 'x'): print('done')\n"
    )
    assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT) == b"done\n"
