"""Other machines: their locales, their drivers, their containers."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from pipeline import planned_digests, with_benchmark
from repository import ROOT

from workflow import job_shell
from workflow.job_shell import JobShell
from workflow.machine import git_state
from workflow.training import devices

SECTION = re.compile(r"^%(\w+)\n((?:[ \t].*\n|\n)*)", re.MULTILINE)


def test_the_digests_do_not_depend_on_the_locale(tmp_path, monkeypatch):
    """Else a user who changes it would see everything made anew."""
    folder = with_benchmark(tmp_path)
    code = folder / "benchmarks" / "scoring" / "score.py"
    code.write_text(code.read_text(encoding="utf-8") + '\nNAME = "Größe"\n', encoding="utf-8")
    before = planned_digests(folder)
    for name, value in {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}.items():
        monkeypatch.setenv(name, value)
    assert planned_digests(folder) == before


def test_a_changed_file_may_have_a_name_in_any_encoding(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    author = ["-c", "user.name=nobody", "-c", "user.email=nobody"]
    commit = ["git", *author, "commit", "--quiet", "--allow-empty", "--message", "first"]
    subprocess.run(commit, cwd=tmp_path, check=True)
    for name in (b"Gr\xf6\xdfe", "Größe".encode()):
        open(os.path.join(os.fsencode(tmp_path), name), "wb").close()
    assert git_state(tmp_path).changed == ["Gr\\xf6\\xdfe", "Größe"]


def test_a_driver_that_is_too_old_is_named(monkeypatch):
    """Snakemake counts GPUs by nvidia-smi, which needs no CUDA; torch sees none."""

    def too_old():
        raise RuntimeError("The NVIDIA driver on your system is too old (found 12020). Update it.")

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", too_old)
    monkeypatch.setattr(devices, "count_gpus", lambda: 1)
    reason = devices._why_none()
    assert "nvidia-smi lists some" in reason and "driver on your system is too old" in reason


def shell_of(*methods: str) -> JobShell:
    chosen = [SimpleNamespace(name=name) for name in methods]
    settings = SimpleNamespace(deployment_method=chosen)
    return JobShell(SimpleNamespace(deployment_settings=settings))


@pytest.mark.parametrize("methods", [(), ("CONDA",), ("APPTAINER",), ("ENV_MODULES",)])
def test_the_code_is_found_below_any_path(methods, monkeypatch, tmp_path):
    odd = tmp_path / "it's {here} & $there"
    monkeypatch.setattr(job_shell, "ROOT", odd)
    prefix = shell_of(*methods).prefix().format()
    variables = os.environ | {"CONDA_PREFIX": "/the environment"}
    show = f"{prefix} echo $PYTHONPATH; echo $PATH"
    output = subprocess.check_output(["bash", "-c", show], env=variables, encoding="utf-8")
    pythonpath, path = output.splitlines()
    assert pythonpath.split(":")[0] == str(odd)
    first = {"CONDA": "/the environment/bin", "APPTAINER": os.environ["PATH"].split(":")[0]}
    own = str(Path(sys.executable).parent)
    assert path.split(":")[0] == first.get("".join(methods), own)


def sections() -> dict[str, str]:
    """Return the sections of apptainer.def by name."""
    return dict(SECTION.findall((ROOT / "apptainer.def").read_text(encoding="utf-8")))


def test_the_container_has_the_python_and_the_pins_of_the_other_environments():
    text = (ROOT / "apptainer.def").read_text(encoding="utf-8")
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    [python] = [pin.removeprefix("python=") for pin in conda["dependencies"][:1]]
    assert f"From: python:{python}-slim-" in text
    [(source, target)] = [shlex.split(line) for line in sections()["files"].splitlines() if line]
    assert (ROOT / source).is_file()
    assert f"--requirement {target}\n" in sections()["post"]
    assert f"apptainer build {job_shell.IMAGE.name} apptainer.def" in text


@pytest.mark.parametrize("name", ["post", "environment", "test"])
def test_the_containers_scripts_are_shell(name):
    subprocess.run(["sh", "-n", "-c", sections()[name]], check=True)


def test_everything_of_the_containers_own_test_is_installed_here():
    [line] = [line.strip() for line in sections()["test"].splitlines() if line.strip()]
    subprocess.run(shlex.split(line.replace("python", sys.executable, 1)), check=True)
