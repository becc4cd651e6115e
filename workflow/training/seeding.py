"""Seeds derived from the parts that they should depend on, and no others."""

import hashlib

import numpy as np
import torch


def derive(*parts: int | str) -> int:
    """A seed in [0, 2**63) from e.g. (seed, run, epoch); any other part gives another seed."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_torch(*parts: int | str) -> None:
    """Set torch's global generators, which networks and losses draw from."""
    torch.manual_seed(derive(*parts))


def generator(*parts: int | str) -> np.random.Generator:
    return np.random.default_rng(derive(*parts))
