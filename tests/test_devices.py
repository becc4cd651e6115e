"""GPU slots, simulated: the locks do not ask whether there is a GPU."""

import multiprocessing
import os
import signal
import time

import pytest
import torch

from benchmarks.config import Speed
from benchmarks.errors import InputError
from workflow.training.devices import count_gpus, device, gpu_slot

CONTEXT = multiprocessing.get_context("fork")


def hold(locks, gpus, queue, seconds):
    with gpu_slot(gpus, locks, wait=0.02) as index:
        queue.put(("took", index))
        time.sleep(seconds)
        queue.put(("gave", index))


def test_no_gpu_is_given_twice_at_a_time(tmp_path):
    queue = CONTEXT.Queue()
    jobs = [CONTEXT.Process(target=hold, args=(tmp_path, 2, queue, 0.1)) for _ in range(6)]
    for job in jobs:
        job.start()
    events = [queue.get(timeout=20) for _ in range(12)]
    held, most = set(), 0
    for what, index in events:
        if what == "took":
            assert index not in held
            held.add(index)
        else:
            held.remove(index)
        most = max(most, len(held))
    assert most == 2


def test_a_killed_process_gives_its_gpu_back(tmp_path):
    queue = CONTEXT.Queue()
    job = CONTEXT.Process(target=hold, args=(tmp_path, 1, queue, 60))
    job.start()
    assert queue.get(timeout=20) == ("took", 0)
    os.kill(job.pid, signal.SIGKILL)
    job.join()
    with gpu_slot(1, tmp_path, wait=0.02) as index:
        assert index == 0


def test_visible_devices_are_counted(monkeypatch):
    for value, count in {"": 0, "0": 1, "1,3": 2, "-1": 0}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert count_gpus() == count


def test_cpu_is_given_where_it_is_asked_for():
    with device(Speed(device="cpu", threads=1)) as where:
        assert where.type == "cpu"
        assert torch.get_num_threads() == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"speed\.device"), device(Speed(device="cuda")):
        pass
