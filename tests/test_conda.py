"""`snakemake --use-conda` from an environment that holds Snakemake alone, without a real conda.

Each job records which Python ran it. It must be that of the environment that Snakemake made from
`environment.yml`, whatever is active where the command is typed.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import conda_stand_in
import pytest
from pipeline import SMALLEST
from repository import copy_repository

from workflow.job_shell import IMAGE
from workflow.verbs import VERBS

JOBS = VERBS.keys() - {"ingest", "show", "status", "check"}  # the commands that rules run
ONE_JOB = "results/phantom/smallest/Phantom_001/Phantom_001_t1.nii.gz"
# A locale whose encoding is ASCII, which Python does not replace by UTF-8 of its own accord.
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
WARNING = {"PYTHONWARNDEFAULTENCODING": "1"}  # where text is read in the encoding of the locale
# `apptainer exec OPTIONS IMAGE bash -c COMMAND`, in which PATH is the image's.
APPTAINER = """#!/bin/bash
if [ "$1" = --version ]; then echo apptainer version 1.4.0; exit; fi
test -f "${{@: -4:1}}" && PATH="{container}/bin:/usr/bin:/bin" exec "${{@: -3}}"
"""
USERS = ("CONDA_", "VIRTUAL_ENV", "PYTHON")  # variables that the tests' own shell may have


class Machine(NamedTuple):
    """A copy of the repository, a base environment of conda, and Snakemake's Python."""

    repository: Path
    base: Path
    snakemake: Path
    inactive: dict[str, str]  # the variables of a shell in which no environment is active

    @property
    def base_active(self) -> dict[str, str]:
        return self.inactive | conda_stand_in.activated(self.inactive, str(self.base))

    @property
    def venv_on_base(self) -> dict[str, str]:
        path = f"{self.snakemake.parent}:{self.base_active['PATH']}"
        return self.base_active | {"PATH": path, "VIRTUAL_ENV": str(self.snakemake.parents[1])}

    def run(
        self,
        variables: dict[str, str],
        *arguments: str | Path,
        folder: Path | None = None,
        python: Path | None = None,
    ) -> subprocess.CompletedProcess:
        """Run Snakemake on the smallest benchmark; output and errors are together in `stdout`."""
        options = ["--cores", "2", "--config", "benchmark=smallest.yaml"]
        return subprocess.run(
            [python or self.snakemake, "-m", "snakemake", *arguments, *options],
            cwd=folder or self.repository,
            env=variables,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture(scope="module")
def machine(bare, tmp_path_factory) -> Machine:
    folder = tmp_path_factory.mktemp("machine")
    repository = copy_repository(folder)
    (repository / "smallest.yaml").write_text(SMALLEST, encoding="utf-8")
    path = conda_stand_in.install(folder / "base")
    own = {k: v for k, v in os.environ.items() if not k.startswith(USERS)}
    return Machine(repository, folder / "base", bare, own | path)


@pytest.fixture(scope="module")
def finished_under_conda(machine) -> Path:
    """The folder in which the whole benchmark has run, where no environment was active."""
    done = machine.run(machine.inactive, "--use-conda")
    assert done.returncode == 0, done.stdout[-5000:]
    return machine.repository


def copy_without_results(machine: Machine, folder: Path) -> Path:
    left_out = shutil.ignore_patterns("results", ".snakemake")
    return shutil.copytree(machine.repository, folder / "copy", ignore=left_out)


def interpreters(folder: Path) -> set[tuple[str, str]]:
    """Return which Pythons ran each command, as the jobs' records below `folder` have it."""
    root = folder / "results" / "records" / "smallest"
    records = {path: json.loads(path.read_text(encoding="utf-8")) for path in root.rglob("*.json")}
    return {
        (path.relative_to(root).with_suffix("").parts[0], record["python"])
        for path, record in records.items()
    }


def environment(folder: Path) -> str:
    """Return the Python of the one environment that Snakemake made below `folder`."""
    [python] = (folder / ".snakemake" / "conda").glob("*/bin/python")
    return str(python)


def results(folder: Path) -> dict[str, str]:
    """Return the text of what holds for every machine: tables without what a training took."""
    tables = folder / "results" / "tables" / "smallest"
    files = [path for path in tables.iterdir() if "cost" not in path.name]
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def test_every_job_runs_in_the_environment(finished_under_conda):
    python = environment(finished_under_conda)
    assert interpreters(finished_under_conda) == {(verb, python) for verb in JOBS}


def test_base_is_active_in_another_folder_and_an_ascii_locale(
    machine, finished_under_conda, tmp_path
):
    elsewhere = tmp_path / "folder of {another} user"
    elsewhere.mkdir()
    shutil.copy(machine.repository / "smallest.yaml", elsewhere)
    snakefile = machine.repository / "Snakefile"
    arguments = ["--use-conda", "--snakefile", snakefile]

    done = machine.run(machine.base_active | ASCII | WARNING, *arguments, folder=elsewhere)

    assert done.returncode == 0, done.stdout[-5000:]
    assert interpreters(elsewhere) == {(verb, environment(elsewhere)) for verb in JOBS}
    assert results(elsewhere) == results(finished_under_conda)
    logs = [path.read_text(encoding="utf-8") for path in (elsewhere / "results").rglob("*.log")]
    lines = "\n".join([done.stdout, *logs]).splitlines()
    ours = [line for line in lines if line.startswith(str(machine.repository))]
    assert not [line for line in ours if "EncodingWarning" in line]
    again = machine.run(machine.inactive, "-n", *arguments, folder=elsewhere)
    assert "Nothing to be done" in again.stdout, again.stdout[-3000:]


def test_a_venv_is_active_on_top_of_base(machine, tmp_path):
    arguments = [ONE_JOB, "--use-conda", "--directory", tmp_path]
    shutil.copy(machine.repository / "smallest.yaml", tmp_path)
    done = machine.run(machine.venv_on_base, *arguments)
    assert done.returncode == 0, done.stdout[-5000:]
    assert interpreters(tmp_path) == {("simulate", environment(tmp_path))}


@pytest.mark.parametrize("active", ["base_active", "venv_on_base"])
def test_without_use_conda_jobs_take_snakemakes_python(machine, tmp_path, active):
    shutil.copy(machine.repository / "smallest.yaml", tmp_path)
    arguments = [ONE_JOB, "--directory", tmp_path]
    done = machine.run(getattr(machine, active), *arguments, python=Path(sys.executable))
    assert done.returncode == 0, done.stdout[-5000:]
    assert interpreters(tmp_path) == {("simulate", sys.executable)}


def test_packages_of_the_users_own_are_not_imported(machine, finished_under_conda, tmp_path):
    """`pip install --user` and PYTHONPATH put them before those of a conda environment."""
    version = "python{}.{}".format(*sys.version_info)
    users = [tmp_path / ".local" / "lib" / version / "site-packages", tmp_path / "modules"]
    for folder in users:
        folder.mkdir(parents=True)
        (folder / "nibabel.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    variables = machine.inactive | {"HOME": str(tmp_path), "PYTHONPATH": str(users[1])}
    arguments = ["--use-conda", "--forcerun", "tabulate", "--until", "tabulate"]
    done = machine.run(variables, *arguments)
    assert done.returncode == 0, done.stdout[-5000:]


def test_tables_are_printed_in_an_ascii_locale(machine, finished_under_conda):
    command = [sys.executable, "-m", "workflow", "show", "1", "--benchmark", "smallest.yaml"]
    options = {"cwd": finished_under_conda, "env": machine.inactive | ASCII, "encoding": "utf-8"}
    shown = subprocess.run(command, capture_output=True, **options)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.isascii() and "(higher)" in shown.stdout
    assert "K\\xe4stchen" in shown.stdout  # what has no words of its own is escaped


def test_other_pins_than_those_installed_are_refused_before_any_job(machine, tmp_path):
    copy = copy_without_results(machine, tmp_path)
    file = copy / "environment.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub("numpy==.*", "numpy==0.1", text), encoding="utf-8")
    done = machine.run(machine.inactive, "--use-conda", folder=copy)
    assert done.returncode and "numpy==0.1" in done.stdout, done.stdout[-3000:]
    assert not (copy / "results" / "phantom").exists()


def test_jobs_run_in_the_container(machine, tmp_path):
    """With a stand-in for Apptainer, whose image is an environment on this machine."""
    copy = copy_without_results(machine, tmp_path)
    (copy / IMAGE.name).touch()
    container, commands = tmp_path / "container", tmp_path / "commands"
    conda_stand_in.create(copy / "environment.yml", container)
    commands.mkdir()
    (commands / "apptainer").write_text(APPTAINER.format(container=container), encoding="utf-8")
    (commands / "apptainer").chmod(0o755)
    variables = machine.venv_on_base
    variables |= {"PATH": f"{commands}:{variables['PATH']}"}
    done = machine.run(variables, ONE_JOB, "--sdm", "apptainer", folder=copy)
    assert done.returncode == 0, done.stdout[-5000:]
    assert interpreters(copy) == {("simulate", f"{container}/bin/python")}


@pytest.mark.parametrize("option", ["--use-conda", "--sdm=conda", "--sdm=apptainer"])
@pytest.mark.parametrize("dry", [[], ["-n"]], ids=["run", "dry run"])
def test_what_is_missing_is_said_before_any_job(machine, tmp_path, option, dry):
    shutil.copy(machine.repository / "smallest.yaml", tmp_path)
    done = machine.run({"PATH": "/usr/bin:/bin"}, option, *dry, "--directory", tmp_path)
    assert done.returncode
    remedy = "apptainer build" if "apptainer" in option else "Install Miniforge"
    assert remedy in done.stdout and "Traceback" not in done.stdout, done.stdout[-3000:]
    assert not (tmp_path / "results").exists()


@pytest.mark.skipif(shutil.which("conda") is None, reason="no conda here")
@pytest.mark.parametrize("active", ["inactive", "base_active", "venv_on_base"])
def test_the_stand_in_activates_as_conda_does(machine, tmp_path, active):
    for prefix in (tmp_path, machine.base):
        (prefix / "conda-meta").mkdir(exist_ok=True)
        (prefix / "conda-meta" / "history").touch()
    conda = shutil.which("conda")
    before = getattr(machine, active)

    answer = subprocess.run(
        [conda, "shell.posix", "activate", tmp_path],
        env=before, check=True, capture_output=True, encoding="utf-8",
    )  # fmt: skip

    words = shlex.split(answer.stdout)
    theirs = dict(word.split("=", 1) for word in words if "=" in word)
    ours = conda_stand_in.activated(before, str(tmp_path))
    assert {name: theirs[name] for name in ours} == ours


def test_tables_of_a_failed_run_are_written_in_the_environment(machine, finished_under_conda):
    """The last test, since Snakemake deletes the tables when it cannot write them anew."""
    scores = finished_under_conda / "results/runs/smallest/copy_t1/seed0/scores.csv"
    scores.write_bytes(scores.read_bytes()[:-20])
    done = machine.run(machine.inactive, "--use-conda")
    assert done.returncode != 0
    in_the_end = done.stdout.partition("Exiting because a job execution failed")[2]
    assert "after_failures.log says why" in in_the_end, done.stdout[-3000:]
    said = (finished_under_conda / "results/logs/smallest/after_failures.log").read_text()
    assert "copy_t1/seed0/scores.csv" in said and "No module named" not in said
