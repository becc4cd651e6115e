"""Fixtures that several test files share."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from pipeline import snakemake, with_benchmark

# Files whose tests start Snakemake, SLURM or a browser, or train for minutes; the longest first, so
# that no worker is left with one of them in the end.
SLOW = (
    "test_pipeline", "test_extending", "test_corpus", "test_speed", "test_slurm", "test_machine",
    "test_page", "test_fuzz", "test_kills", "test_manifest", "test_figures", "test_phantom",
    "test_reduced_precision", "test_planning",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow files, and let them start first."""
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: SLOW.index(s) if (s := item.path.stem) in SLOW else len(SLOW))


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the repository with the small DAG's results. Read only: others use it too.

    With pytest-xdist one worker builds it, and the others wait.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "finished.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        folder, said = shared / "finished", shared / "finished.log"
        if not said.exists():
            folder.mkdir()
            done = snakemake(with_benchmark(folder), benchmark="tiny.yaml")
            said.write_text(f"{done.returncode}\n{done.stdout[-5000:]}")
    code, _, output = said.read_text().partition("\n")
    assert code == "0", output
    return folder / "repository"


@pytest.fixture(scope="module")
def finished_copy(finished, tmp_path_factory) -> Path:
    """A copy of the finished repository that the tests of one file may change."""
    folder = tmp_path_factory.mktemp("finished_copy") / "repository"
    return shutil.copytree(finished, folder, symlinks=True)


@pytest.fixture
def repository_copy(tmp_path) -> Path:
    """A copy of the repository with the tiny benchmark, without results."""
    return with_benchmark(tmp_path)
