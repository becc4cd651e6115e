"""A stand-in for conda where none can be reached: it answers what Snakemake asks.

An environment that it makes is a virtual environment with a Python of its own, which sees the
packages of the one that runs the tests. Every pin of the file must be what is installed there.
Activation changes PATH as conda does; where there is a conda, a test compares the two.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

import yaml

# What `conda init` leaves in bin/ of the base environment; Snakemake sources `activate`.
CONDA = """#!/bin/sh
exec {python} {script} --base {base} "$@"
"""
# Packages below ~/.local come first in an environment of conda, while a venv has none of them.
USERS_OWN = (
    "import site, sys; sys.flags.no_user_site or sys.path.insert(0, site.getusersitepackages())"
)
ACTIVATE = """
if [ -z "${{CONDA_SHLVL+x}}" ]; then
    export CONDA_SHLVL=0 PATH={base}/condabin:"$PATH"
fi
answer="$({base}/bin/conda shell.posix activate "$@")" || return
eval "$answer"
"""


def install(base: Path) -> dict[str, str]:
    """Make a base environment in `base`; return what its PATH entry is while none is active."""
    venv.create(base, symlinks=True)
    names = {"python": sys.executable, "script": str(Path(__file__)), "base": str(base)}
    quoted = {name: shlex.quote(value) for name, value in names.items()}
    (base / "condabin").mkdir()
    for path in (base / "bin" / "conda", base / "condabin" / "conda"):
        path.write_text(CONDA.format(**quoted), encoding="utf-8")
        path.chmod(0o755)
    (base / "bin" / "activate").write_text(ACTIVATE.format(**quoted), encoding="utf-8")
    return {"PATH": f"{base}/condabin:{os.environ['PATH']}"}


def activated(variables: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return what activation sets: the environment takes the place of the active one in PATH."""
    level, path = int(variables.get("CONDA_SHLVL") or 0), variables["PATH"].split(os.pathsep)
    changed = {"CONDA_PREFIX": prefix, "CONDA_DEFAULT_ENV": prefix, "CONDA_SHLVL": str(level + 1)}
    place = 0
    if level:
        active = variables["CONDA_PREFIX"]
        changed[f"CONDA_PREFIX_{level}"] = active
        if f"{active}/bin" in path:
            place = path.index(f"{active}/bin")
            del path[place]
    path.insert(place, f"{prefix}/bin")
    return changed | {"PATH": os.pathsep.join(path)}


def create(file: Path, prefix: Path) -> None:
    """Make the environment `prefix` of an environment file.

    Raises
    ------
    SystemExit : a package is not the one installed here.
    """
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    packages = {"python": platform.python_version()}
    packages |= {one.name.lower(): one.version for one in importlib.metadata.distributions()}
    assert content.keys() == {"name", "channels", "dependencies"}, content
    *wanted, with_pip = content["dependencies"]
    for pin in [*wanted, *with_pip["pip"]]:
        name, _, version = pin.replace("==", "=").partition("=")
        installed = packages.get(name, "none").partition("+")[0]
        if f"{installed}.".startswith(f"{version}.") or (not version and name in packages):
            continue
        sys.exit(f"PackagesNotFoundError: {pin}, installed is {installed}")
    venv.create(prefix, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shared = prefix / "lib" / version / "site-packages" / "shared.pth"
    shared.write_text(f"{sysconfig.get_path('purelib')}\n{USERS_OWN}\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Answer as `conda` does; end with 2 for what Snakemake does not ask."""
    parser = argparse.ArgumentParser("conda")
    parser.add_argument("--base")
    parser.add_argument("--version", action="version", version="conda 26.7.0")
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("info").add_argument("--json", action="store_true", required=True)
    config = commands.add_parser("config")
    config.add_argument("--get", choices=["channel_priority"], required=True)
    config.add_argument("--json", action="store_true", required=True)
    make = commands.add_parser("env").add_subparsers(required=True).add_parser("create")
    make.add_argument("--quiet", action="store_true")
    make.add_argument("--no-default-packages", action="store_true")
    make.add_argument("--file", type=Path, required=True)
    make.add_argument("--prefix", type=Path, required=True)
    clean = commands.add_parser("clean")
    clean.add_argument("-y", action="store_true", required=True)
    clean.add_argument("--tarballs", action="store_true", required=True)
    activate = commands.add_parser("shell.posix").add_subparsers(required=True)
    activate.add_parser("activate").add_argument("prefix")
    asked = parser.parse_args(arguments)
    if asked.command == "info":
        print(json.dumps({"conda_prefix": asked.base, "platform": "linux-64"}))
    elif asked.command == "config":
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif asked.command == "env":
        create(asked.file, asked.prefix)
    elif asked.command == "shell.posix":
        for name, value in activated(os.environ, asked.prefix).items():
            print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main(sys.argv[1:])
