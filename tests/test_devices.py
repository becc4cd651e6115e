"""GPUs, simulated: slots are locks, and what torch and SLURM would say is put in their mouths."""

import errno
import multiprocessing
import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch

from benchmarks.config import Speed
from benchmarks.errors import InputError
from benchmarks.files import warn_once
from workflow.gpus import GIVEN, count_gpus
from workflow.training import devices
from workflow.training.devices import claim_device, gpu_slot, lock_folder

CONTEXT = multiprocessing.get_context("fork")


def hold(locks, gpus, slots, taken, leave):
    with gpu_slot(gpus, slots, locks, wait=0.02) as index:
        taken.put(index)
        leave.acquire()


@pytest.mark.parametrize("slots", [1, 2])
def test_no_gpu_has_more_jobs_at_a_time_than_slots(tmp_path, slots):
    taken, leave = CONTEXT.Queue(), CONTEXT.Semaphore(0)
    arguments = (tmp_path, ["A", "B"], slots, taken, leave)
    jobs = [CONTEXT.Process(target=hold, args=arguments) for _ in range(6)]
    for job in jobs:
        job.start()
    assert sorted(taken.get(timeout=60) for _ in range(2 * slots)) == sorted([0, 1] * slots)
    for _ in range(6 - 2 * slots):
        time.sleep(0.3)
        assert taken.empty()
        leave.release()
        assert taken.get(timeout=60) in (0, 1)
    for _ in range(2 * slots):
        leave.release()
    for job in jobs:
        job.join(timeout=60)
        assert job.exitcode == 0


def test_the_gpu_with_the_most_free_slots_is_taken(tmp_path):
    def slot(gpus=("A", "B", "C")):
        return gpu_slot(gpus, 2, tmp_path, wait=0.02)

    with slot() as first, slot() as second:
        with slot() as third:
            assert (first, second, third) == (0, 1, 2)
        # The third has given it back, and is the only GPU that nobody is on.
        with slot() as fourth, slot() as fifth:
            assert (fourth, fifth) == (2, 0)
            # Another CUDA_VISIBLE_DEVICES gives the same GPUs other indices.
            with slot(gpus=("A", "C")) as sixth:
                assert sixth == 1


def test_a_killed_process_gives_its_gpu_back(tmp_path):
    taken, leave = CONTEXT.Queue(), CONTEXT.Semaphore(0)
    job = CONTEXT.Process(target=hold, args=(tmp_path, ["A"], 1, taken, leave))
    job.start()
    assert taken.get(timeout=60) == 0
    os.kill(job.pid, signal.SIGKILL)
    job.join()
    with gpu_slot(["A"], 1, tmp_path, wait=0.02) as index:
        assert index == 0


@pytest.fixture
def places(monkeypatch, tmp_path):
    """The places for the folder of locks, the first one first, with the folder's name."""
    for name in ("tmp", "run", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    name = f"t1ce-benchmark-gpus-{os.getuid()}"
    return [tmp_path / place / name for place in ("tmp", "run", "home/.cache")]


def test_all_jobs_of_a_user_share_a_folder_of_their_own(places):
    before = os.umask(0)
    assert lock_folder() == lock_folder() == places[0]
    os.umask(before)
    assert places[0].stat().st_mode & 0o777 == 0o700


def test_without_a_home_there_are_locks_all_the_same(places, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert lock_folder() == places[0]


def occupy(path, how):
    """Take the name of a folder as another user may."""
    if how == "file":
        path.touch()
    elif how == "broken link":
        path.symlink_to(path.parent / "nothing")
    elif how == "link to a private folder":
        (path.parent / "private").mkdir(mode=0o700)
        path.symlink_to(path.parent / "private")
    else:
        path.mkdir(mode=0o700)
        if how == "another user's":
            os.chown(path, 12345, 12345)
        else:
            path.chmod(0o777)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(
            "another user's",
            marks=pytest.mark.skipif(os.getuid() != 0, reason="only root gives folders away"),
        ),
        "others write to it",
        "file",
        "broken link",
        "link to a private folder",
    ],
)
def test_a_folder_that_another_user_may_have_made_is_not_used(places, how, monkeypatch):
    occupy(places[0], how)
    assert lock_folder() == places[1]
    places[1].rmdir()
    occupy(places[1], how)
    assert lock_folder() == places[2]
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert lock_folder() == places[2]
    places[2].chmod(0o770)
    with pytest.raises(InputError, match="Set TMPDIR to a folder of your own"):
        lock_folder()
    assert not list(places[0].parent.glob("nothing"))


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    warn_once.cache_clear()
    monkeypatch.setattr("fcntl.flock", flock)
    with gpu_slot(["A"], 1, tmp_path) as index:
        assert index == 0
    assert "This file system has no file locks" in capsys.readouterr().err


def test_a_lock_that_is_a_link_is_refused_and_no_file_is_emptied(tmp_path):
    (tmp_path / "thesis").write_text("three years")
    locks = tmp_path / "locks"
    locks.mkdir()
    (locks / "A-0").hardlink_to(tmp_path / "thesis")
    with gpu_slot(["A"], 1, locks):
        pass
    for name in ("A-0", "looking"):
        (locks / name).unlink()
        (locks / name).symlink_to(tmp_path / "thesis")
        with pytest.raises(OSError, match="symbolic links"), gpu_slot(["A"], 1, locks):
            pass
    assert (tmp_path / "thesis").read_text() == "three years"


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """A function that makes torch see so many GPUs, outside SLURM."""
    for name in ("SLURM_JOB_ID", *GIVEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpu_slot.__wrapped__, "__defaults__", (1, tmp_path, 0.02))

    def see(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(
            torch.cuda, "get_device_properties", lambda i: SimpleNamespace(uuid=f"GPU-{i}")
        )

    return see


def test_two_trainings_on_two_gpus_get_one_each(gpus):
    gpus(2)
    with claim_device(Speed()) as one, claim_device(Speed(device="cuda")) as other:
        assert {str(one), str(other)} == {"cuda:0", "cuda:1"}


def test_two_trainings_share_a_gpu_that_has_two_slots(gpus):
    gpus(1)
    with claim_device(Speed(slots_per_gpu=2)) as one, claim_device(Speed(slots_per_gpu=2)) as other:
        assert str(one) == str(other) == "cuda:0"


def test_no_gpu_is_said_once_and_the_cpu_is_taken(gpus, capsys):
    gpus(0)
    with claim_device(Speed()) as device:
        assert device.type == "cpu"
    said = capsys.readouterr().err
    assert said.startswith("No GPU: ") and said.endswith("Computing on the CPU.\n")
    assert said.count("\n") == 1


def test_a_slurm_job_takes_the_gpu_it_was_given_whoever_else_has_it(gpus, monkeypatch):
    gpus(1)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with claim_device(Speed()) as one, claim_device(Speed()) as other:
        assert str(one) == str(other) == "cuda:0"


def test_a_slurm_job_that_was_given_no_gpu_takes_nobody_elses(gpus, monkeypatch, capsys):
    gpus(4)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with claim_device(Speed()) as device:
        assert device.type == "cpu"
    assert "SLURM gave this job none" in capsys.readouterr().err
    assert count_gpus() == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            "7.80 GiB of which 1.10 GiB is free. Including non-PyTorch memory, and so on"
        ),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    ],
)
def test_a_gpu_too_small_says_what_to_change(gpus, error):
    gpus(1)
    with pytest.raises(InputError) as caught, claim_device(Speed(slots_per_gpu=3)):
        raise error
    said = str(caught.value)
    assert "out of memory" in said and "and so on" not in said and "might be" not in said
    for change in ("`speed.slots_per_gpu` (it is 3)", "bf16", "inference_batch", "batch", "width"):
        assert change in said


def test_advice_is_not_to_do_what_is_done():
    said = devices._what_to_change(RuntimeError("x"), Speed(precision="bf16"))
    assert "slots_per_gpu" not in said and "bf16" not in said


def test_other_errors_stay_themselves(gpus):
    gpus(1)
    with pytest.raises(RuntimeError, match="shapes differ"), claim_device(Speed()):
        raise RuntimeError("shapes differ")


def test_visible_devices_are_counted(monkeypatch):
    for value, count in {"": 0, "0": 1, "1,3": 2, "-1": 0}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert count_gpus() == count


def test_cpu_is_given_where_it_is_asked_for():
    with claim_device(Speed(device="cpu", threads=1)) as device:
        assert device.type == "cpu"
        assert torch.get_num_threads() == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"speed\.device"), claim_device(Speed(device="cuda")):
        pass


@pytest.mark.parametrize("wanted", [True, False])
def test_deterministic_kernels_are_asked_for(monkeypatch, wanted):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with claim_device(Speed(device="cpu", deterministic=wanted)):
        assert torch.are_deterministic_algorithms_enabled() == wanted
        assert torch.backends.cudnn.deterministic == wanted
        assert ("CUBLAS_WORKSPACE_CONFIG" in os.environ) == wanted
    with claim_device(Speed(device="cpu")):
        assert not torch.are_deterministic_algorithms_enabled()
