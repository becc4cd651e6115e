"""Planning in a virtual environment that holds Snakemake alone, as `--use-conda` starts it."""

import subprocess
from pathlib import Path

import pytest
from pipeline import TINY


def plan(python: Path, folder: Path, benchmark: str) -> subprocess.CompletedProcess:
    command = [python, "-m", "snakemake", "-n", "--cores", "2", "--config"]
    return subprocess.run(
        [*command, f"benchmark={benchmark}"],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_the_environment_has_nothing_else_of_ours(bare):
    for package in ("numpy", "torch", "pandas", "nibabel", "matplotlib"):
        assert subprocess.run([bare, "-c", f"import {package}"], stderr=-3).returncode


def test_the_dag_is_planned(bare, repository_copy):
    done = plan(bare, repository_copy, "tiny.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "python -m workflow train --benchmark tiny.yaml --run cutgan" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cutgan: {width: 2", "cutgan: {widht: 2", "mine.yaml, line 16"),
        ("batch: 2", "batch: two", "mine.yaml, line 8, `results.training.batch`"),
    ],
)
def test_a_wrong_setting_stops_before_any_job(bare, repository_copy, old, new, said):
    (repository_copy / "mine.yaml").write_text(TINY.replace(old, new))
    done = plan(bare, repository_copy, "mine.yaml")
    assert done.returncode and said in done.stdout, done.stdout[-3000:]
    assert "No module named" not in done.stdout
