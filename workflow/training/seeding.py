"""Seeds that depend on exactly the given parts."""

import hashlib

import numpy as np
import torch


def derive(*parts: int | str) -> int:
    """Derive a seed in [0, 2**63) from e.g. (seed, run, epoch); any other part changes it."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_torch(*parts: int | str) -> None:
    """Seed torch's global generators, which networks and losses draw from."""
    torch.manual_seed(derive(*parts))


def generator(*parts: int | str) -> np.random.Generator:
    """Return a numpy generator seeded by `derive`."""
    return np.random.default_rng(derive(*parts))
