"""Fixtures that several test files share."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline import snakemake, with_benchmark
from repository import ROOT

# Files whose tests start Snakemake, SLURM or a browser, or train for minutes; the longest first, so
# that no worker is left with one of them in the end.
SLOW = (
    "test_pipeline", "test_entries", "test_conda", "test_rerunning", "test_extending",
    "test_corpus", "test_speed", "test_slurm", "test_machine", "test_page", "test_fuzz",
    "test_kills", "test_manifest", "test_figures", "test_phantom",
    "test_reduced_precision", "test_planning",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow files, and let them start first."""
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: SLOW.index(s) if (s := item.path.stem) in SLOW else len(SLOW))


def build_once(
    factory: pytest.TempPathFactory, name: str, build: Callable[[Path], str]
) -> tuple[Path, str]:
    """Fill a folder that all tests of a session share; return it, and what went wrong, if anything.

    With pytest-xdist one worker builds it, and the others wait.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, said = shared / name, shared / f"{name}.log"
    with (shared / f"{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not said.exists():
            folder.mkdir()
            said.write_text(build(folder), encoding="utf-8")
    return folder, said.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the repository with the small DAG's results. Read only: others use it too."""

    def build(folder: Path) -> str:
        done = snakemake(with_benchmark(folder), benchmark="tiny.yaml")
        return done.stdout[-5000:] if done.returncode else ""

    folder, said = build_once(tmp_path_factory, "finished", build)
    assert not said, said
    return folder / "repository"


@pytest.fixture(scope="session")
def bare(tmp_path_factory) -> Path:
    """The Python of a virtual environment that holds Snakemake alone."""
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pin = re.search(r"^snakemake==.*$", requirements, re.MULTILINE).group()

    def build(folder: Path) -> str:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", pin]
        done = subprocess.run(install, encoding="utf-8", capture_output=True)
        return f"pip cannot install {pin} here: {done.stderr[-200:]}" if done.returncode else ""

    folder, said = build_once(tmp_path_factory, "bare", build)
    if said:
        pytest.skip(said)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def finished_copy(finished, tmp_path_factory) -> Path:
    """A copy of the finished repository that the tests of one file may change."""
    folder = tmp_path_factory.mktemp("finished_copy") / "repository"
    return shutil.copytree(finished, folder, symlinks=True)


@pytest.fixture
def repository_copy(tmp_path) -> Path:
    """A copy of the repository with the tiny benchmark, without results."""
    return with_benchmark(tmp_path)
