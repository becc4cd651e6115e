"""This machine, the commit of this copy of the code, and the command that makes the results."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.manifest import Code

ROOT = Path(__file__).parents[1]
COMMAND = "T1CE_BENCHMARK_COMMAND"  # environment variable in which jobs find Snakemake's command


def remember_command(arguments: list[str]) -> None:
    """Leave Snakemake's command line, `sys.argv`, where the jobs that it starts find it."""
    # A job on another machine parses the Snakefile too, under a command of Snakemake's own.
    if "--target-jobs" not in arguments:
        os.environ.setdefault(COMMAND, json.dumps(["snakemake", *arguments[1:]]))


def remembered_command() -> list[str] | None:
    """Return Snakemake's command line; None in a job that was started by hand."""
    known = os.environ.get(COMMAND)
    # Strip the repository's path; it may contain a user name.
    return [word.replace(f"{ROOT}/", "") for word in json.loads(known)] if known else None


def git_state(root: Path) -> Code:
    """The commit of a folder that is a repository of its own, and whether anything differs."""
    try:
        top = _git(root, "rev-parse", "--show-toplevel").strip()
        if Path(top).resolve() != root.resolve():
            return _unknown("this copy is not a git repository of its own")
        commit = _git(root, "rev-parse", "HEAD").strip()
        status = _git(root, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    except FileNotFoundError:
        return _unknown("there is no git here")
    except subprocess.CalledProcessError as error:
        if "not a git repository" in error.stderr:
            return _unknown("this copy is not a git repository")
        return _unknown(f"git says: {error.stderr.strip().splitlines()[0]}".replace(f"{root}", "."))
    changed = sorted(entry[3:] for entry in status.split("\0") if entry)
    return Code(commit=commit, dirty=bool(changed), changed=changed)


def _unknown(why: str) -> Code:
    return Code(commit=None, dirty=None, changed=[], unknown=why)


def _git(root: Path, *arguments: str) -> str:
    # Without the lock that `git status` would take, and whatever repository a caller works in.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "--no-optional-locks", *arguments]
    # A file's name may be in any encoding.
    text = {"encoding": "utf-8", "errors": "backslashreplace"}
    return subprocess.check_output(command, cwd=root, env=clean, stderr=subprocess.PIPE, **text)


def describe_machine() -> dict:
    return {
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "gpus": _gpus(),
    }


def _cpu() -> str | None:
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.is_file() else ""
    found = re.search(r"model name\s*: (.*)", text)
    return found.group(1) if found else platform.processor() or None


def _gpus() -> list[str]:
    """Name, memory and driver of each."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    listing = subprocess.run(query, capture_output=True, encoding="utf-8")
    return listing.stdout.splitlines() if listing.returncode == 0 else []
