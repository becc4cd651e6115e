"""The contract as checks: each takes an entry, on made-up tensors, and raises AssertionError.

`test_contract.py` holds every entry to them; `test_contract_catches.py` shows that each of them
can fail.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from methods.contract import CLASSES, Batch, Entry

SIDE = 64
Make = Callable[[], Entry]
"""A function that makes the entry; torch's seed decides its initial weights."""


def batch(entry: Entry, count: int = 2, seed: int = 0) -> Batch:
    count *= entry.batches_per_step
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(count, entry.channels + 1, SIDE, SIDE, generator=draw) * 2 - 1
    images[..., :8] = -1  # some air
    labels = torch.randint(CLASSES, (count, SIDE, SIDE), generator=draw)
    return Batch(images[:, :-1], images[:, -1:], labels)


def seeded(make: Make, seed: int = 0) -> Entry:
    torch.manual_seed(seed)
    return make()


def train(entry: Entry, steps: range) -> None:
    """Steps that depend on their number and on nothing drawn before."""
    entry.training(True)
    for step in steps:
        torch.manual_seed(step)
        entry.progress = step / 4
        entry.train_step(batch(entry, seed=step))


def weights(entry: Entry) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value
        for name, network in entry.networks.items()
        for key, value in network.state_dict().items()
    }


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def verbs(entry: Entry, kind: str) -> dict[str, Callable]:
    """What an entry of this kind predicts, each from inputs alone."""
    found = {}
    if kind in ("synthesis", "joint", "control"):
        found["synthesize"] = entry.synthesize
    if kind in ("segmentation", "joint"):
        found["segment"] = entry.segment
    return found


def check_predictions(make: Make, kind: str) -> None:
    """Shapes, range and finiteness, after two steps of training."""
    entry = seeded(make)
    if kind != "control":
        train(entry, range(2))
    entry.training(False)
    inputs = batch(entry, count=3).inputs
    with torch.inference_mode():
        for name, verb in verbs(entry, kind).items():
            made = verb(inputs)
            channels = 1 if name == "synthesize" else CLASSES
            assert made.shape == (len(inputs), channels, SIDE, SIDE), (
                f"{name} gives {tuple(made.shape)}"
            )
            assert made.isfinite().all(), f"{name} gives NaN or infinity"
            if name == "synthesize":
                assert made.min() >= -1 and made.max() <= 1, "T1ce leaves [-1, 1]"


def check_losses(make: Make) -> None:
    """`train_step` returns finite scalars, by name."""
    entry = seeded(make)
    entry.training(True)
    losses = entry.train_step(batch(entry))
    assert losses, "train_step returns no loss"
    for name, loss in losses.items():
        assert loss.shape == () and loss.isfinite(), f"loss {name} is {loss}"


def check_reduced_precision(make: Make) -> None:
    """A step under autocast, as on a GPU, has finite float32 losses and weights."""
    entry = seeded(make)
    entry.training(True)
    with torch.autocast("cpu", torch.bfloat16):
        losses = entry.train_step(batch(entry))
    for name, loss in losses.items():
        assert loss.isfinite() and loss.dtype == torch.float32, f"loss {name} is {loss}"
    for name, value in weights(entry).items():
        assert not value.is_floating_point() or value.dtype == torch.float32, f"{name} changed type"
        assert value.isfinite().all(), f"{name} is not finite"


def check_gradients(make: Make) -> None:
    """One step gives every parameter a gradient, and changes every network."""
    entry = seeded(make)
    before = copy.deepcopy(weights(entry))
    train(entry, range(1))
    for name, network in entry.networks.items():
        missing = [key for key, p in network.named_parameters() if p.grad is None]
        assert not missing, f"no gradient reaches {name}.{missing[0]}"
        parameters = dict(network.named_parameters())
        assert not parameters or any(
            not torch.equal(before[f"{name}.{key}"], p) for key, p in parameters.items()
        ), f"a step does not change {name}"


def check_no_peeking(make: Make, kind: str) -> None:
    """A prediction does not depend on the T1ce or labels that a batch was loaded with."""
    entry = seeded(make)
    one, other = batch(entry), batch(entry, seed=1)
    predictions = []
    for targets in (one, other):
        # The same weights, but another training batch just seen.
        seen = seeded(make)
        seen.training(True)
        seen.train_step(Batch(one.inputs, targets.t1ce, targets.labels))
        fresh = seeded(make)
        for name, network in seen.networks.items():
            network.load_state_dict(fresh.networks[name].state_dict())
        seen.training(False)
        with torch.inference_mode():
            predictions.append([verb(one.inputs) for verb in verbs(seen, kind).values()])
    for a, b in zip(*predictions, strict=True):
        assert torch.equal(a, b), "a prediction changes with targets that it must not see"


def check_cases_apart(make: Make, kind: str) -> None:
    """A case alone gives what it gives in a batch."""
    entry = seeded(make)
    entry.training(False)
    inputs = batch(entry, count=3).inputs
    with torch.inference_mode():
        for name, verb in verbs(entry, kind).items():
            together, alone = verb(inputs), torch.cat([verb(x[None]) for x in inputs])
            difference = (together - alone).abs().max().item()
            assert difference < 1e-4, f"{name} differs by {difference} with a batch's other cases"


def check_seeds(make: Make) -> None:
    """The same seed gives the same weights, another seed others."""
    a, b, c = (seeded(make, seed) for seed in (0, 0, 1))
    for entry in (a, b, c):
        train(entry, range(2))
    assert same(weights(a), weights(b)), "the same seed gives other weights"
    assert not same(weights(a), weights(c)), "another seed gives the same weights"


def check_resuming(make: Make) -> None:
    """Four steps equal two, save, load in a new entry, two; bit for bit."""
    whole, first = seeded(make), seeded(make)
    train(whole, range(4))
    train(first, range(2))
    second = seeded(make, seed=9)
    second.restore(copy.deepcopy(first.state()))
    train(second, range(2, 4))
    assert same(weights(whole), weights(second)), (
        "training on from a checkpoint gives other weights"
    )


def check_writes_nothing(make: Make, kind: str) -> None:
    """Neither training nor predicting opens a file to write."""
    with writes() as paths:
        entry = seeded(make)
        if kind != "control":
            train(entry, range(1))
        entry.training(False)
        with torch.inference_mode():
            for verb in verbs(entry, kind).values():
                verb(batch(entry).inputs)
    assert not paths, f"the entry writes {paths[0]}"


@contextmanager
def writes() -> Iterator[list[str]]:
    """The paths that are opened for writing while the block runs."""
    paths: list[str] = []
    _listeners.append(paths)
    try:
        yield paths
    finally:
        _listeners.remove(paths)


_listeners: list[list[str]] = []


def _listen(event: str, arguments: tuple) -> None:
    if event == "open" and _listeners:
        path, mode, _ = arguments
        compiled = str(path).endswith(".pyc") or "__pycache__" in str(path)
        if isinstance(mode, str) and set(mode) & set("wax+") and not compiled:
            for paths in _listeners:
                paths.append(str(path))


# An audit hook cannot be taken back, so there is one for all checks.
sys.addaudithook(_listen)
