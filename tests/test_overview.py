"""`python -m workflow status`: what is done, running, failed and waiting, from files alone."""

import os
import time

import pytest

from benchmarks.cohorts.replicate import Replicate
from benchmarks.config import load
from workflow import overview as module
from workflow.layout import Layout
from workflow.locks import exclusive, is_held
from workflow.overview import QUIET, overview, report
from workflow.plan import Plan
from workflow.status import BEGUN, Status

LINE = "cutgan: epoch 2/5  step 52/52  D 0.253  GAN 0.369  NCE 5.117  more 1.000  left 0:23:14\n"
LOSSES = "epoch,D,GAN,NCE,more\n1,1.0,1.0,9.0,1.0\n2,0.2529,0.369,5.117,1.0\n"
DICE = "epoch,cross_entropy,val_dice\n1,0.006,0.6311\n"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Plan(load("phantom"))


def begin(run, verb="train", text=BEGUN, log="", age=0):
    """Write what a job leaves once it has begun, and return its folder."""
    layout = Layout("phantom")
    folder = layout.run(run, Replicate(0))
    folder.path.mkdir(parents=True)
    folder.failure(verb).write_text(text)
    path = layout.log(verb, run, "seed0")
    path.parent.mkdir(parents=True)
    path.write_text(log)
    os.utime(path, (time.time() - age,) * 2)
    return folder


def work(plan, run):
    return next(work for work in overview(plan) if work.run == run)


def test_before_anything_has_run_all_wait_for_their_first_job(plan):
    works = overview(plan)
    assert {work.state for work in works} == {"waiting"} and len(works) == len(plan.pairs)
    assert work(plan, "cutgan").verb == "train" and work(plan, "copy_t1").verb == "synthesize"
    (first, *_) = report(works, "phantom", 80)
    assert first == f"phantom: {len(works)} runs, {len(works)} waiting."


@pytest.mark.parametrize(
    ("run", "log", "history", "detail"),
    [
        ("cutgan", LINE, LOSSES, "epoch 2/5, 0:23:14 left, D 0.253, GAN 0.369, NCE 5.117"),
        ("unet", "a\n", DICE, "epoch 1/6, val_dice 0.631"),
        ("drit", "No GPU: none.\n", "", "epoch 0/5"),
    ],
)
def test_a_job_whose_lock_is_held_is_running(plan, run, log, history, detail):
    folder = begin(run, log=log, age=2 * QUIET)
    if history:
        folder.growing_history.parent.mkdir()
        folder.growing_history.write_text(history)
    with exclusive(folder.lock("train"), "training"):
        found = work(plan, run)
    assert (found.state, found.verb, found.detail) == ("running", "train", detail)
    assert not is_held(folder.lock("train"))


def test_a_prediction_that_is_running_has_no_epochs(plan):
    folder = begin("cutgan", verb="synthesize")
    with exclusive(folder.lock("synthesize"), "predicting"):
        found = work(plan, "cutgan")
    assert (found.state, found.verb, found.detail) == ("running", "synthesize", "")


def test_a_job_of_another_machine_is_running_while_its_log_grows(plan):
    begin("cutgan", log=LINE, age=QUIET / 2)
    assert work(plan, "cutgan").state == "running"


def test_a_job_that_was_killed_has_failed(plan):
    begin("cutgan", log=LINE, age=2 * QUIET)
    found = work(plan, "cutgan")
    assert found.state == "failed" and found.detail == BEGUN


def test_a_failure_has_its_reason_and_its_log(plan):
    begin("drit", text="drit: loss D is nan in epoch 1.")
    lines = list(report(overview(plan), "phantom", 60))
    assert "1 failed" in lines[0]
    (at,) = (i for i, line in enumerate(lines) if "loss D is nan" in line)
    assert lines[at - 1].split() == ["drit", "train"]
    assert lines[at + 1].strip() == "log: results/logs/phantom/train/drit/seed0.log"


def test_a_trained_run_waits_for_its_prediction(plan):
    record = Layout("phantom").record("train", "cutgan", "seed0")
    record.parent.mkdir(parents=True)
    record.touch()
    assert work(plan, "cutgan").verb == "synthesize"


def test_scored_runs_are_done(plan, monkeypatch):
    checksums = Layout("phantom").input_checksums
    checksums.parent.mkdir(parents=True)
    checksums.touch()
    pair = next(pair for pair in plan.pairs if pair[0].name == "cutgan")
    monkeypatch.setattr(module, "run_status", lambda plan: Status([pair], {}))
    assert work(plan, "cutgan").state == "done"
    text = "\n".join(report(overview(plan), "phantom", 60))
    assert "\ndone: cutgan" in text and max(map(len, text.split("\n"))) <= 60


def test_a_run_whose_scores_are_of_other_code_waits_and_says_so(plan):
    scores = Layout("phantom").run("cutgan", Replicate(0)).scores
    scores.parent.mkdir(parents=True)
    scores.touch()
    lines = list(report(overview(plan), "phantom", 80))
    assert lines[1].startswith("1 of those waiting have scores of other settings, code or patients")


@pytest.mark.parametrize("columns", [40, 80])
def test_reasons_fit_the_terminal_and_paths_stay_whole(plan, columns):
    reason = "the GPU has no memory left for batch 4: set `speed.precision: bf16`. " * 3
    for run in ("drit", "copy_t1+unet"):
        begin(run, text=reason)
    lines = "\n".join(report(overview(plan), "phantom", columns)).split("\n")
    long = [line for line in lines if len(line) > columns]
    assert all(line.startswith("      log: results/logs/phantom/train/") for line in long)
    assert reason.strip() in " ".join(" ".join(lines).split())


def test_replicates_are_named_where_there_are_several(plan):
    works = overview(plan)
    two = [*works[:1], module.Work("cutgan", Replicate(1), "done")]
    assert "done: cutgan, seed 1" in "\n".join(report(two, "phantom", 80))
