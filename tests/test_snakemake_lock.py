"""Who waits for another Snakemake of the same benchmark, and for how long."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError

from benchmarks.config import load
from workflow.layout import Layout
from workflow.snakemake_lock import lock_benchmark

ROOT = Path(__file__).parents[1]
HOLDER = """
import subprocess, sys
from pathlib import Path
from workflow.locks import exclusive
with exclusive(Path("results/locks/phantom"), "working"):
    job = subprocess.Popen(["sleep", "30"])
    print(job.pid, flush=True)
    job.wait()
"""


class Workflow:
    """What of Snakemake's workflow matters here."""

    def __init__(self, is_main_process: bool = True):
        self.is_main_process = is_main_process
        self.executed: list[str] = []

    def execute(self, *, executor_plugin, **settings) -> None:
        self.executed += settings["updated_files"]


def execute(workflow: Workflow, dry: bool = False) -> None:
    benchmark = load("phantom")
    lock_benchmark(workflow, SimpleNamespace(benchmark=benchmark, layout=Layout(benchmark.name)))
    plugin = SimpleNamespace(common_settings=SimpleNamespace(dryrun_exec=dry))
    workflow.execute(executor_plugin=plugin, updated_files=["x"])


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Another process that works on the benchmark, with a job of its own."""
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE
    ) as process:
        job = int(process.stdout.readline())
        yield process
        process.kill()
        subprocess.run(["kill", str(job)])


@pytest.mark.parametrize(("main", "dry"), [(True, True), (False, False)])
def test_dry_runs_and_the_snakemakes_of_jobs_wait_for_nobody(other, main, dry, capfd):
    workflow = Workflow(is_main_process=main)
    execute(workflow, dry=dry)
    assert workflow.executed == ["x"] and other.poll() is None
    assert "Another process" not in capfd.readouterr().err


def test_a_lock_dies_with_its_process_though_a_job_lives_on(other, capfd):
    began = time.monotonic()
    subprocess.Popen(["sh", "-c", f"sleep 1; kill -{signal.SIGKILL:d} {other.pid}"])
    workflow = Workflow()
    execute(workflow)
    assert workflow.executed == ["x"] and 0.5 < time.monotonic() - began < 20
    said = capfd.readouterr().err
    assert "snakemake on benchmark `phantom`" in said and f"PID {other.pid} on " in said
    assert Path("results/origins/phantom").is_file()


def test_an_interrupt_ends_the_waiting_in_a_sentence(other):
    subprocess.Popen(["sh", "-c", f"sleep 1; kill -{signal.SIGINT:d} {os.getpid()}"])
    workflow = Workflow()
    with pytest.raises(WorkflowError, match="Interrupted before any job"):
        execute(workflow)
    assert not workflow.executed


def test_whoever_waited_learns_whose_results_these_are_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow = Workflow()
    Path("results/origins").mkdir(parents=True)
    Path("results/origins/phantom").write_text(
        '{"settings": {"/elsewhere/phantom.yaml": "0"}, "data": null, "cohort": ""}',
        encoding="utf-8",
    )
    with pytest.raises(WorkflowError, match=r"made from /elsewhere/phantom\.yaml"):
        execute(workflow)
    assert not workflow.executed
