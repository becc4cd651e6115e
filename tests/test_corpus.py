"""Every bad input of the corpus is refused: by name, with exit code 2, and without a trace."""

import hashlib
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import corpus
import pytest

from benchmarks.config import FOLDER
from workflow.verbs import VERBS

SECONDS = 60
"""After which a case counts as hanging; each takes well under one."""
ADDRESSES = 5 * 2**30
"""Bytes of address space that a heavy case gets beyond what torch alone takes."""
RESIDENT = 480 * 2**20
"""Bytes of memory that a heavy case may fill beyond what torch alone fills."""
TORCH_ALONE = """
import torch
from workflow.speed.processes import resident
print(resident("VmPeak"), resident("VmHWM"))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return corpus.finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    """A copy of the finished benchmark, as the current folder, and a folder beside it."""
    copy = shutil.copytree(finished, tmp_path / "copy")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("nobody's business")
    monkeypatch.chdir(copy)
    return tmp_path


def test_the_corpus_is_large_and_its_cases_differ():
    names = [case.name for case in corpus.CASES]
    assert len(set(names)) == len(names) >= 90


def test_the_finished_benchmark_is_refused_nowhere(here, capsys):
    """Else cases would pass for another reason than their own."""
    commands = ["dag", "split", corpus.PREPARE, corpus.SYNTHESIZE, corpus.SEGMENT_BEHIND,
                corpus.SCORE, "tabulate", "list"]  # fmt: skip
    for command in commands:
        assert corpus.run(command) == 0, (command, capsys.readouterr().err)
    corpus.run("manifest")
    assert corpus.run(f"verify {corpus.MANIFEST}") == 1  # rows without scores, and no fault else


@pytest.mark.parametrize("case", corpus.CASES, ids=lambda case: case.name.encode("unicode_escape"))
def test_refused(case, here, capfd):
    case.damage()
    capfd.readouterr()
    before, suite = snapshot(here), snapshot(FOLDER)

    code = apart(case.command) if case.heavy else in_time(case.command)

    said = capfd.readouterr().err
    assert code == 2, said
    assert "Traceback" not in said
    missing = [part for part in case.says if part not in said]
    assert not missing, f"{missing} not in:\n{said}"
    assert snapshot(FOLDER) == suite
    after = snapshot(here)
    note = note_of(case.command)
    if note in after.keys() - before.keys():
        assert Path(here, note).read_text(encoding="utf-8") in " ".join(said.split())
        del after[note]
    assert after == before


def note_of(command: str) -> str | None:
    """The one file that a refused command may leave: what a table's row says of the failure."""
    verb, *rest = command.split()
    if verb not in VERBS or not VERBS[verb].shown:
        return None
    run = rest[rest.index("--run") + 1]
    return f"copy/{corpus.RUNS}/{run}/seed0/failed-{verb}.txt"


def snapshot(folder: Path) -> dict[str, str]:
    """What lies below a folder: files by their content, links by their target. Opens no pipe."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        # A lock that nobody holds is an empty file.
        for name in [*folders, *(name for name in files if not name.endswith(".lock"))]:
            path = Path(root, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = os.readlink(path) if stat.S_ISLNK(mode) else str(stat.S_IFMT(mode))
            found[str(path.relative_to(folder))] = content
    return found


def in_time(command: str) -> int:
    """Run it in this process, but not for ever."""

    def hangs(*_: object) -> None:
        raise TimeoutError(f"{command} still ran after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        return corpus.run(command)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@cache
def torch_alone() -> tuple[int, int]:
    """The bytes of address space and of memory that `import torch` takes."""
    command = [sys.executable, "-c", TORCH_ALONE]
    addresses, filled = subprocess.check_output(command, cwd=FOLDER.parent, text=True).split()
    return int(addresses), int(filled)


def apart(command: str) -> int:
    """Run it as a process of its own, which gets no more memory than a laptop could spare."""
    verb, *rest = command.split()
    words = [sys.executable, "-m", "workflow", verb, "--benchmark", "mine.yaml", *rest]
    environment = os.environ | {"PYTHONPATH": str(FOLDER.parent)}
    addresses, filled = torch_alone()

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (addresses + ADDRESSES, addresses + ADDRESSES))

    with subprocess.Popen(words, env=environment, preexec_fn=little_memory) as process:
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        _, status, used = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    assert used.ru_maxrss * 1024 < filled + RESIDENT
    return process.returncode
