"""The shell of Snakemake's jobs: which Python runs them, where it finds this code, and in UTF-8."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.errors import InputError
from workflow.fingerprint import ROOT

IMAGE = ROOT / "t1ce-benchmark.sif"  # the container, built from apptainer.def


class JobShell:
    """How Snakemake runs the command of a job.

    Parameters
    ----------
    workflow : Snakemake's.

    Attributes
    ----------
    conda, apptainer : whether jobs run in a conda environment (`--use-conda`), or in a container
        (`--sdm apptainer`). If neither, they take the Python that runs Snakemake.
    """

    def __init__(self, workflow: Any):
        self._workflow = workflow
        methods = {method.name for method in workflow.deployment_settings.deployment_method}
        self.conda = "CONDA" in methods
        self.apptainer = "APPTAINER" in methods

    def check(self) -> None:
        """Complain before any job of an environment that cannot be made.

        Raises
        ------
        InputError : conda, or the image of the container, is missing.
        """
        if self.apptainer and not IMAGE.is_file():
            raise InputError(
                f"--sdm apptainer: there is no {IMAGE}. Build it with `apptainer build "
                f"{IMAGE.name} apptainer.def` in {ROOT}."
            )
        if self.conda and not self.apptainer and shutil.which("conda") is None:
            raise InputError(
                "--use-conda: no `conda` on PATH (mamba or micromamba alone will not do). Install "
                "Miniforge from https://conda-forge.org/download and open a new shell; or do "
                "without conda: run `make .venv/installed`, then `.venv/bin/snakemake` without "
                "--use-conda."
            )

    def prefix(self) -> str:
        """Return what every command begins with, a format string as `shell.prefix` takes it.

        It runs inside the container, and once conda has activated the environment.
        """
        # The user may be in another folder, and have a locale that is not UTF-8.
        variables = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        path = None
        if self.conda or self.apptainer:
            # Packages below ~/.local would come before those of the environment.
            variables["PYTHONNOUSERSITE"] = "1"
        else:
            path = shlex.quote(str(Path(sys.executable).parent))
            if inherited := os.environ.get("PYTHONPATH"):
                variables["PYTHONPATH"] += os.pathsep + inherited
        if self.conda:
            # conda replaces the active environment in PATH, so a venv on top of that stays first.
            path = '"$CONDA_PREFIX/bin"'
        exports = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        exports += [f'PATH={path}:"$PATH"'] * (path is not None)
        command = f"set -euo pipefail; export {' '.join(exports)}; "
        return command.replace("{", "{{").replace("}", "}}")

    def environment(self) -> dict[str, Any]:
        """Return the arguments with which Snakemake's `shell` runs a command as a job's."""
        # Snakemake lists environments of rules even where conda is not used, or not installed.
        environments = self._workflow.dag.conda_envs.values() if self.conda else ()
        images = self._workflow.dag.container_imgs.values() if self.apptainer else ()
        return {
            "conda_env": next((one.address for one in environments), None),
            "conda_base_path": self._workflow.conda_base_path,
            "container_img": next((image.path for image in images), None),
            "singularity_args": self._workflow.deployment_settings.apptainer_args,
        }
