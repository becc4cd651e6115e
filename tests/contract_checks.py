"""The contract as checks: each takes a model, on made-up tensors, and raises AssertionError.

`test_contract.py` runs them on every model; `test_contract_catches.py` shows that each can fail.
"""

import ast
import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from methods import loading
from methods.contract import CLASSES, Batch, Model
from methods.registry import Method, discover

METHODS = {k: v for k, v in discover().items() if v.description.kind != "external"}
SIDE = 64  # of the slices, in pixels
# A function that builds the model; torch's seed decides its initial weights.
Make = Callable[[], Model]


def build(method: str, variant: str = "base", **params) -> Model:
    """Build a method's model for its own inputs."""
    chosen = METHODS[method]
    inputs = chosen.description.inputs
    return loading.build(chosen, chosen.params(variant, params), len(inputs))


def batch(model: Model, count: int = 2, seed: int = 0) -> Batch:
    count *= model.batches_per_step
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(count, model.channels + 1, SIDE, SIDE, generator=draw) * 2 - 1
    images[..., :8] = -1  # some air
    labels = torch.randint(CLASSES, (count, SIDE, SIDE), generator=draw)
    return Batch(images[:, :-1], images[:, -1:], labels)


def seeded(make: Make, seed: int = 0) -> Model:
    torch.manual_seed(seed)
    return make()


def train(model: Model, steps: range) -> None:
    """Steps that depend on their number and on nothing drawn before."""
    model.train()
    for step in steps:
        torch.manual_seed(step)
        model.progress = step / 4
        model.train_step(batch(model, seed=step))


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value
        for name, network in model.networks.items()
        for key, value in network.state_dict().items()
    }


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def verbs(model: Model, kind: str) -> dict[str, Callable]:
    """Return what a model of this kind predicts, by name; each from inputs alone."""
    found = {}
    if kind in ("synthesis", "joint", "control"):
        found["synthesize"] = model.synthesize
    if kind in ("segmentation", "joint"):
        found["segment"] = model.segment
    return found


def check_predictions(make: Make, kind: str) -> None:
    """Shapes, range and finiteness, after two steps of training."""
    model = seeded(make)
    if kind != "control":
        train(model, range(2))
    model.eval()
    inputs = batch(model, count=3).inputs
    with torch.inference_mode():
        for name, verb in verbs(model, kind).items():
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
    model = seeded(make)
    model.train()
    losses = model.train_step(batch(model))
    assert losses, "train_step returns no loss"
    for name, loss in losses.items():
        assert loss.shape == () and loss.isfinite(), f"loss {name} is {loss}"


def check_reduced_precision(make: Make) -> None:
    """A step under autocast, as on a GPU, has finite float32 losses and weights."""
    model = seeded(make)
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.train_step(batch(model))
    for name, loss in losses.items():
        assert loss.isfinite() and loss.dtype == torch.float32, f"loss {name} is {loss}"
    for name, value in weights(model).items():
        assert not value.is_floating_point() or value.dtype == torch.float32, f"{name} changed type"
        assert value.isfinite().all(), f"{name} is not finite"


def check_gradients(make: Make) -> None:
    """One step gives every parameter a gradient, and changes every network."""
    model = seeded(make)
    before = copy.deepcopy(weights(model))
    train(model, range(1))
    for name, network in model.networks.items():
        missing = [key for key, p in network.named_parameters() if p.grad is None]
        assert not missing, f"no gradient reaches {name}.{missing[0]}"
        parameters = dict(network.named_parameters())
        assert not parameters or any(
            not torch.equal(before[f"{name}.{key}"], p) for key, p in parameters.items()
        ), f"a step does not change {name}"


def check_no_peeking(make: Make, kind: str) -> None:
    """A prediction does not depend on the T1ce or labels that a batch was loaded with."""
    model = seeded(make)
    one, other = batch(model), batch(model, seed=1)
    predictions = []
    for targets in (one, other):
        # The same weights, but another training batch just seen.
        seen = seeded(make)
        seen.train()
        seen.train_step(Batch(one.inputs, targets.t1ce, targets.labels))
        fresh = seeded(make)
        for name, network in seen.networks.items():
            network.load_state_dict(fresh.networks[name].state_dict())
        seen.eval()
        with torch.inference_mode():
            predictions.append([verb(one.inputs) for verb in verbs(seen, kind).values()])
    for a, b in zip(*predictions, strict=True):
        assert torch.equal(a, b), "a prediction changes with targets that it must not see"


def check_cases_apart(make: Make, kind: str) -> None:
    """A case alone gives what it gives in a batch."""
    model = seeded(make)
    model.eval()
    inputs = batch(model, count=3).inputs
    with torch.inference_mode():
        for name, verb in verbs(model, kind).items():
            together, alone = verb(inputs), torch.cat([verb(x[None]) for x in inputs])
            difference = (together - alone).abs().max().item()
            assert difference < 1e-4, f"{name} differs by {difference} with a batch's other cases"


def check_seeds(make: Make) -> None:
    """The same seed gives the same weights, another seed others."""
    a, b, c = (seeded(make, seed) for seed in (0, 0, 1))
    for model in (a, b, c):
        train(model, range(2))
    assert same(weights(a), weights(b)), "the same seed gives other weights"
    assert not same(weights(a), weights(c)), "another seed gives the same weights"


def check_resuming(make: Make) -> None:
    """Four steps equal two, save, load in a new model, two; bit for bit."""
    whole, first = seeded(make), seeded(make)
    train(whole, range(4))
    train(first, range(2))
    second = seeded(make, seed=9)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(second, range(2, 4))
    assert same(weights(whole), weights(second)), (
        "training on from a checkpoint gives other weights"
    )


def check_variant(make: Make, base: Make) -> None:
    """A variant trains to other weights than its base."""
    models = [seeded(make), seeded(base)]
    for model in models:
        train(model, range(1))
    assert not same(*map(weights, models)), "the variant trains as its base does"


def check_untrained_variant(make: Make, trained: Make, kind: str) -> None:
    """A variant has the weights of the one that it predicts with, and predicts otherwise."""
    models, predictions = [seeded(make), seeded(trained)], []
    inputs = batch(models[0]).inputs
    for model in models:
        train(model, range(1))
        model.eval()
        with torch.inference_mode():
            predictions.append([verb(inputs) for verb in verbs(model, kind).values()])
    assert same(*map(weights, models)), "the variant has other weights than it predicts with"
    assert not all(map(torch.equal, *predictions)), "the variant predicts the same"


def check_params(method: Method) -> None:
    """The code reads exactly the parameters that `method.yaml` declares."""
    declared, read = set(method.description.params), params_read(method.folder)
    assert not declared - read, f"no code reads {', '.join(sorted(declared - read))}"
    assert not read - declared, f"{', '.join(sorted(read - declared))} not in method.yaml"


def params_read(folder: Path) -> set[str]:
    """Return the names read as `self.params.NAME`, or as `p.NAME` after `p = self.params`."""
    names = set()
    for path in folder.glob("*.py"):
        tree = ast.parse(path.read_text())
        short = {
            ast.unparse(target)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and ast.unparse(node.value) == "self.params"
            for target in node.targets
        }
        names |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and ast.unparse(node.value) in {"self.params", *short}
        }
    return names


def check_writes_nothing(make: Make, kind: str) -> None:
    """Neither training nor predicting opens a file to write."""
    with writes() as paths:
        model = seeded(make)
        if kind != "control":
            train(model, range(1))
        model.eval()
        with torch.inference_mode():
            for verb in verbs(model, kind).values():
                verb(batch(model).inputs)
    assert not paths, f"the model writes {paths[0]}"


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
