"""Files appear whole or not at all, also on a full disk and after a kill."""

import errno
import gzip
import json
import os
import platform
import stat
import subprocess
import sys
import time

import pytest

from benchmarks import files
from benchmarks.errors import InputError
from benchmarks.files import link_or_copy, write_atomically, write_gzip


def test_a_failed_write_keeps_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), write_atomically(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_there_before_the_end(tmp_path):
    path = tmp_path / "new" / "file"
    with write_atomically(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"half"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("wrapped", [False, True])
def test_no_room_is_said_in_plain_words(tmp_path, number, wrapped):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=f"no room to write {path}. Free some"):  # noqa: SIM117
        with write_atomically(path):
            try:
                raise OSError(number, os.strerror(number))
            except OSError as error:
                if not wrapped:
                    raise
                raise RuntimeError("unexpected pos 704 vs 598") from error
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


WRITERS = {
    "numpy": "np.save(file, np.zeros(50_000, np.int16))",
    "numpy's archive": "np.savez(file, a=np.zeros(50_000))",
    "numpy at the file's end": "np.save(file, np.zeros(8_100, np.int8))",
    "torch": "torch.save({'a': torch.zeros(50_000)}, file)",
    "torch's last part": "torch.save({'a': torch.zeros(1_900)}, file)",
    "gzip": "gzip.GzipFile('', 'wb', 1, file).write(os.urandom(50_000))",
    "bytes": "file.write(bytes(8_193))",
    "json": "file.write(json.dumps([*range(9_000)]).encode())",
}


def test_no_room_is_said_whoever_writes(tmp_path):
    """Numpy tells no errno, torch wraps it in an error of its own, and a buffer tells it late."""
    script = (
        "import gzip, json, os, resource, sys; from pathlib import Path\n"
        "import numpy as np; import torch\n"
        "from benchmarks.errors import InputError; from benchmarks.files import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, 8_192))\n"
        "for name, code in json.loads(sys.argv[1]).items():\n"
        "    try:\n"
        "        with write_atomically(Path(name)) as file: exec(code)\n"
        "    except InputError as error: print(error)\n"
    )
    command = [sys.executable, "-c", script, json.dumps(WRITERS)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)
    assert said.splitlines() == [
        f"There is no room to write {name}. Free some, and run the same command again: it goes on "
        "from what is there."
        for name in WRITERS
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["open", "fsync"])
@pytest.mark.parametrize("number", files.UNSYNCED)
def test_a_folder_that_cannot_be_synced(tmp_path, monkeypatch, capsys, call, number):
    """As on CIFS, in shared folders of VirtualBox, or in a folder that may not be listed."""
    files.warn_once.cache_clear()
    refuse_folders(monkeypatch, call, number)
    for path in (tmp_path / "a", tmp_path / "folder" / "b"):
        with write_atomically(path) as file:
            file.write(b"whole")
        assert path.read_bytes() == b"whole"
    (said,) = capsys.readouterr().err.splitlines()
    assert f"cannot sync folders ({os.strerror(number)})" in said


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE])
def test_a_folder_on_a_broken_disk(tmp_path, monkeypatch, number):
    refuse_folders(monkeypatch, "fsync", number)
    with pytest.raises(OSError, match=os.strerror(number)), write_atomically(tmp_path / "a"):
        pass


def refuse_folders(monkeypatch, call: str, number: int) -> None:
    """Let `os.open` or `os.fsync` refuse folders."""
    before = getattr(os, call)

    def refuse(where, *rest):
        if stat.S_ISDIR(os.stat(where).st_mode):
            raise OSError(number, os.strerror(number))
        return before(where, *rest)

    monkeypatch.setattr(files.os, call, refuse)


def test_another_error_stays_what_it_is(tmp_path):
    with pytest.raises(PermissionError), write_atomically(tmp_path / "file"):
        raise PermissionError(errno.EACCES, "no")


def test_what_a_killed_process_left_is_swept_away(tmp_path):
    path = tmp_path / "file"
    script = (
        "import os, sys; from pathlib import Path; from benchmarks.files import write_atomically\n"
        f"with write_atomically(Path({str(path)!r})) as file:\n"
        "    file.write(b'x'); file.flush(); os.kill(os.getpid(), 9)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == -9
    (left,) = tmp_path.iterdir()
    kept = [
        tmp_path / f".file.{platform.node()}.1.tmp",  # of a process that lives
        tmp_path / ".file.elsewhere.999999999.tmp",  # who knows
        tmp_path / f".other.{platform.node()}.999999999.tmp",
    ]
    for other in kept:
        other.touch()
    with write_atomically(path) as file:
        file.write(b"whole")
    assert not left.exists() and set(tmp_path.iterdir()) == {path, *kept}


def test_placing_needs_no_room(tmp_path):
    source, path = tmp_path / "source", tmp_path / "there" / "path"
    source.write_bytes(b"weights")
    os.utime(source, (0, 0))
    for _ in range(2):
        link_or_copy(source, path)
        assert path.samefile(source) and path.stat().st_mtime > time.time() - 60
    path.unlink()
    assert source.read_bytes() == b"weights"
    assert [p.name for p in path.parent.iterdir()] == []


def test_placing_copies_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(files.os, "link", refuse)
    (tmp_path / "source").write_bytes(b"weights")
    link_or_copy(tmp_path / "source", tmp_path / "path")
    assert (tmp_path / "path").read_bytes() == b"weights"
    assert not (tmp_path / "path").samefile(tmp_path / "source")


def test_packed_files_are_the_same_each_time(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_gzip(tmp_path / name, b"content")
        time.sleep(0.01)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"content"
