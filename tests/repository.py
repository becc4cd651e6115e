"""A copy of this repository, whose code and results tests may change."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copy_repository(folder: Path) -> Path:
    """`folder`/repository, without results, environments and caches."""
    skipped = shutil.ignore_patterns(
        "results", ".git", ".venv", ".snakemake", "__pycache__", ".*_cache"
    )
    return shutil.copytree(ROOT, folder / "repository", ignore=skipped)
