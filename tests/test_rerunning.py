"""What the same command does after something was deleted, replaced, killed, or begun twice."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import pytest
import torch
from made_up import write_cohort
from pipeline import assert_same, planned, python, runs_of, snakemake
from repository import copy_repository

SMALL = """
title: small
cohort: {source: brats, path: ../data}
results:
  split: {fractions: [1, 1, 1], seed: 1}
  slices: {crop: 64}
  methods: [copy_t1]
  protocols: [strict]
  conventions: false
  training: {batch: 2, steps_per_epoch: 2, epochs: {segmentation: 40}}
  params: {unet: {width: 4}}
speed: {device: cpu, threads: 1}
"""
RUN = Path("results/runs/small/copy_t1+unet/seed0")
LOG = Path("results/logs/small/train/copy_t1+unet/seed0.log")


@pytest.fixture(scope="module")
def twice(tmp_path_factory) -> tuple[Path, list[subprocess.CompletedProcess]]:
    """A copy of the repository with a small benchmark, made by two Snakemakes at once."""
    folder = copy_repository(tmp_path_factory.mktemp("rerunning"))
    (folder / "small.yaml").write_text(SMALL)
    data = write_cohort(folder.parent / "shared", ["A", "B", "C"])
    # B is behind a link, as in a subset of a shared store.
    (folder.parent / "data").mkdir()
    for name in "AC":
        (data / name).rename(folder.parent / "data" / name)
    (folder.parent / "data" / "B").symlink_to(data / "B")
    both = [start(folder), start(folder)]
    return folder, [(one.wait(), said(one)) for one in both]


@pytest.fixture
def small(twice) -> Path:
    return twice[0]


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """Start Snakemake; what it says goes to a file, which its orphans may hold open."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    path = folder.parent / f"said-{time.monotonic_ns()}"
    with path.open("wb") as file:
        started = subprocess.Popen(
            [*command, "--config", "benchmark=small.yaml"],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    started.said = path
    return started


def said(started: subprocess.Popen) -> str:
    return started.said.read_text()


def until(condition, seconds: float = 120) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_of_two_at_once_one_waits_and_has_nothing_left_to_do(twice):
    _, both = twice
    assert [code for code, _ in both] == [0, 0], [text[-3000:] for _, text in both]
    (second,) = [text for _, text in both if "Another process is running snakemake" in text]
    assert re.search(r"waiting for its end\..*PID \d+ on ", second)
    assert "Nothing to be done" in second
    assert sum("python -m workflow train" in text for _, text in both) == 1


def test_a_finished_benchmark_reruns_nothing(small):
    assert planned(small, benchmark="small.yaml") == []


def test_a_dry_run_waits_for_nobody(small):
    holder = (
        "import sys; from pathlib import Path; from workflow.locks import exclusive\n"
        "with exclusive(Path('results/locks/small'), 'x'):\n    print(flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", holder], cwd=small, **pipes) as other:
        other.stdout.readline()
        assert planned(small, benchmark="small.yaml") == []
        other.stdin.close()


def test_every_output_of_every_rule_is_asked_for(small):
    """Or Snakemake would not notice that it was deleted."""
    code = "from workflow.dag import Dag; print(*Dag({'benchmark': 'small.yaml'}).targets())"
    targets = set(python(small, "-c", code).stdout.split())
    summary = snakemake(small, "--summary", benchmark="small.yaml").stdout
    outputs = {line.split("\t")[0] for line in summary.splitlines() if line.startswith("results/")}
    assert len(outputs) > 50 and outputs == targets


@pytest.mark.parametrize(
    ("deleted", "verbs"),
    [
        (RUN / "history.csv", {"train"}),
        (RUN / "scores.digest", {"score"}),
        ("results/store/small/A.npy", {"prepare", "cohort", "split", "train"}),
        ("results/cases/small/copy_t1/seed0", {"export"}),
    ],
)
def test_what_was_deleted_is_made_again(small, deleted, verbs):
    kept = small.parent / "kept"
    (small / deleted).rename(kept)
    commands = planned(small, benchmark="small.yaml")
    kept.rename(small / deleted)
    assert verbs <= {command.split()[3] for command in commands}, commands


def test_a_deleted_run_is_trained_anew_and_alone(small):
    before = torch.load(small / RUN / "weights.pt", weights_only=True)
    other = small / "results/runs/small/real_t1ce+unet/seed0/weights.pt"
    trained = other.stat().st_mtime_ns
    shutil.rmtree(small / RUN)
    done = snakemake(small, "--until", "train", benchmark="small.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert other.stat().st_mtime_ns == trained
    assert_same(torch.load(small / RUN / "weights.pt", weights_only=True), before)
    log = (small / LOG).read_text()
    assert log.count("epoch 40/40  ") == 1 and "earlier" not in log


def test_a_forced_training_says_that_it_had_ended_and_repeats_its_losses(small):
    losses = re.findall(r"cross_entropy \S+  val_dice \S+", (small / LOG).read_text())
    done = snakemake(small, "--forcerun", "train", "--until", "train", benchmark="small.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    log = (small / LOG).read_text()
    assert log.count("(earlier)") == len(losses) == 40
    assert re.findall(r"cross_entropy \S+  val_dice \S+", log) == losses
    assert f"this training had ended. To train anew, delete {RUN}," in log


def test_a_training_that_outlives_its_snakemake_is_waited_for(small):
    before = torch.load(small / RUN / "weights.pt", weights_only=True)
    shutil.rmtree(small / RUN)
    (small / LOG).unlink()
    first = start(small, "--until", "train")
    until(lambda: (small / LOG).exists() and "epoch 3/40" in (small / LOG).read_text())
    (lock,) = (small / RUN).glob(".*lock*")
    pid = int(re.search(r"PID (\d+)", lock.read_text()).group(1))
    os.kill(pid, signal.SIGSTOP)
    first.kill()
    first.wait()
    second = start(small, "--until", "train")
    waiting = f"waiting for its end. It is PID {pid}"
    until(lambda: (small / LOG).exists() and waiting in (small / LOG).read_text())
    os.kill(pid, signal.SIGCONT)
    assert second.wait() == 0, said(second)[-3000:]
    assert "Another process is running snakemake" not in said(second), "a job held the lock"
    assert_same(torch.load(small / RUN / "weights.pt", weights_only=True), before)
    assert "this training had ended" in (small / LOG).read_text()


@pytest.mark.parametrize("patient", ["A", "B"])
def test_an_older_file_in_the_place_of_another_is_noticed(small, patient):
    path = small.parent / "data" / patient / f"{patient}_t2.nii.gz"
    original, kept = path.stat(), path.read_bytes()
    image = nib.load(path)
    nib.save(nib.Nifti1Image(image.get_fdata()[::-1].astype("int16"), image.affine), path)
    os.utime(path, ns=(0, original.st_mtime_ns - 10**15))
    commands = planned(small, benchmark="small.yaml")
    prepared = [command.split()[-1] for command in commands if " prepare " in command]
    assert prepared == [patient]
    assert {"copy_t1+unet", "real_t1ce+unet"} <= runs_of([c for c in commands if " train " in c])
    path.write_bytes(kept)
    os.utime(path, ns=(0, original.st_mtime_ns))
    assert not [c for c in planned(small, benchmark="small.yaml") if " prepare " in c]


def test_another_folder_of_patients_is_refused_before_any_job(small, tmp_path):
    write_cohort(tmp_path / "mine", ["D", "E", "F"])
    for dry in ([], ["-n"]):
        refused = snakemake(small, *dry, benchmark="small.yaml", data=str(tmp_path / "mine"))
        assert refused.returncode != 0 and "Traceback" not in refused.stdout
        for part in (str(small.parent / "data"), str(tmp_path / "mine"), "benchmark=mine.yaml"):
            assert part in refused.stdout, refused.stdout
        assert "python -m workflow" not in refused.stdout
