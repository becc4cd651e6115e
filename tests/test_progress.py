"""The logger of `make demo`: a line per piece of work, the time left, and failures with reasons."""

import io
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from pipeline import SMALLEST
from snakemake_interface_logger_plugins.common import LogEvent

from workflow.fingerprint import ROOT
from workflow.plugins.snakemake_logger_plugin_progress import USUAL, LogHandler, Report
from workflow.verbs import VERBS


@pytest.fixture
def report():
    time = SimpleNamespace(now=100.0)
    return Report(io.StringIO(), clock=lambda: time.now), time


def lines(report):
    return report.out.getvalue().splitlines()


def test_it_says_what_will_be_done(report):
    one, _ = report
    one.plan({"train": 2, "score": 4, "all": 1, "total": 7})
    assert lines(one) == [
        "6 jobs, 2 of them trainings. Ctrl-C is safe: the same command resumes. "
        "Details: .snakemake/log"
    ]


def test_a_training_has_a_line_with_its_seconds_and_its_dice(report, tmp_path):
    one, time = report
    log = tmp_path / "seed0.log"
    log.write_text("unet: epoch 6/6  step 5/5  cross_entropy 0.1  val_dice 0.631  left 0:00:00\n")
    one.plan({"train": 2})
    one.start(1, "train", {"run": "unet", "replicate": "seed0"}, str(log))
    time.now += 90
    one.end(1)
    (line,) = lines(one)[1:]
    assert " ".join(line.split()) == "1:30 50 % 2 min left unet, seed0 90 s validation Dice 0.631"


def test_other_jobs_have_one_line_once_all_of_their_rule_have_ended(report):
    one, time = report
    one.plan({"simulate": 2, "page": 1})
    for number in (1, 2, 3):
        one.start(number, "simulate" if number < 3 else "page", {}, "")
        time.now += 10
        one.end(number)
    words = [line.split("  ")[-2:] for line in lines(one)[1:]]
    assert [" ".join(" ".join(of).split()) for of in words] == ["20 s", "10 s"]
    assert "2 patients simulated" in lines(one)[1] and "page" in lines(one)[2]
    assert "almost done" in lines(one)[2]


def test_time_left_is_of_the_jobs_abreast_and_falls_while_one_runs(report):
    one, time = report
    one.plan({"train": 3})
    one.start(1, "train", {}, "")
    one.start(2, "train", {}, "")
    assert one.left == pytest.approx(3 * USUAL["train"])
    time.now += 60
    one.end(1)
    assert one.left == pytest.approx(60), "one of 60 s waits, and the other one is done"
    one.end(2)
    assert " 1 min left" in lines(one)[-1], "two ran at a time"


def test_a_training_says_itself_how_long_it_takes(report, tmp_path):
    one, time = report
    log = tmp_path / "seed0.log"
    one.plan({"train": 3})
    one.start(1, "train", {}, str(log))
    time.now += 10
    assert one.left == pytest.approx(3 * USUAL["train"] - 10)
    log.write_text("unet: epoch 1/9  step 5/5  cross_entropy 0.1  left 1:00:20\n")
    assert one.left == pytest.approx(3620 + 2 * 3630)


def test_the_demos_seconds_are_not_told_of_other_trainings(report, tmp_path, monkeypatch):
    one, time = report
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "results" / "logs" / "brats2020" / "train" / "unet" / "seed0.log"
    log.parent.mkdir(parents=True)
    one.plan({"prepare": 2, "train": 2, "page": 1})
    for number, rule in enumerate(("prepare", "prepare", "train")):
        one.start(number, rule, {}, str(log.relative_to(tmp_path)))
    time.now += 30
    for number in range(2):
        one.end(number)
    assert "? min left" in lines(one)[-1] and "? %" in lines(one)[-1]
    log.write_text("unet: epoch 1/9  step 5/5  cross_entropy 0.1  left 1:00:00\n")
    assert one.is_known
    time.now += 30
    one.end(2)
    assert "? min left" not in lines(one)[-1] and one.is_known


def test_a_failed_job_has_its_reason_and_its_log(report, tmp_path):
    one, _ = report
    log = tmp_path / "seed0.log"
    log.write_text("drit: epoch 1\n\ndrit: loss D is nan in epoch 1.\n\n")
    one.plan({"train": 1})
    one.start(1, "train", {"run": "drit", "replicate": "seed0"}, str(log))
    one.fail(1, "train", str(log))
    assert "drit, seed0" in lines(one)[1] and lines(one)[1].endswith("FAILED  train")
    assert [line.strip() for line in lines(one)[2:]] == [
        "drit: loss D is nan in epoch 1.", f"log: {log}",
    ]  # fmt: skip
    one.fail(2, "score", "no/such.log")
    assert lines(one)[-1].strip() == "log: no/such.log"


def record(event=None, level=logging.INFO, text="", **fields):
    made = logging.LogRecord("snakemake", level, "", 0, text, None, None)
    made.__dict__.update(fields, **({"event": event} if event else {}))
    return made


def test_snakemakes_records_become_lines():
    handler = LogHandler(None, None)
    handler.report.out = io.StringIO()
    job = {"jobid": 7, "rule_name": "page", "wildcards": {}, "log": ["page.log"]}
    for one in (
        record(LogEvent.RUN_INFO, stats={"page": 1, "draw": 1, "total": 2}),
        record(LogEvent.JOB_INFO, **job),
        record(LogEvent.SHELLCMD, text="python -m workflow page"),
        record(LogEvent.JOB_FINISHED, job_id=7),
        record(LogEvent.JOB_ERROR, logging.ERROR, **job | {"jobid": 8, "rule_name": "draw"}),
        record(LogEvent.ERROR, logging.ERROR, "Command 'x' returned non-zero exit status 1."),
        record(LogEvent.ERROR, logging.ERROR, "WorkflowError: one job did not end"),
        record(text="Select jobs to execute..."),
        record(text="Nothing to be done (all requested files are present and up to date)."),
        record(level=logging.WARNING, text="a file vanished"),
        record(text="Terminating processes on user request, this might take some time."),
    ):
        handler.emit(one)
    text = handler.report.out.getvalue()
    assert [line.split()[-1] for line in text.splitlines()] == [
        ".snakemake/log", "s", "draw", "page.log", "end", "date).", "vanished", "time.",
    ]  # fmt: skip


def test_every_rule_has_its_usual_seconds():
    assert USUAL.keys() <= VERBS.keys()


def test_snakemake_takes_the_plugin(tmp_path):
    (tmp_path / "smallest.yaml").write_text(SMALLEST, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow" / "plugins")}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "-n"]
    command += ["--logger", "progress", "--cores", "1", "--config", "benchmark=smallest.yaml"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "39 jobs, 3 of them trainings." in done.stderr and "Reason:" not in done.stderr
