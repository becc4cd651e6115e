"""Tests that need a GPU: the official numbers, resuming, compiled steps and resident slices on it.

`python -m pytest tests/test_gpu.py` on a machine with one.
"""

import copy
import os

import contract_checks as checks
import numpy as np
import parity
import pytest
import test_parity_cutgan
import test_parity_cyclegan
import torch
from made_up import stored_cohort
from test_contract import TRAINED, maker

from methods.contract import Model
from workflow.training.data import batches, loader, plan_epoch
from workflow.training.machine import Machine
from workflow.training.seeding import generator
from workflow.training.view import View

CPU, GPU = torch.device("cpu"), torch.device("cuda")
BASES = [p for p in TRAINED if p.values[1] == "base"]
OFFICIAL = [
    (test_parity_cyclegan, "base"),
    (test_parity_cyclegan, "one_channel"),
    (test_parity_cutgan, "cut"),
    (test_parity_cutgan, "fastcut"),
]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture
def exact(monkeypatch):
    """Convolutions round to float32, not to TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture
def deterministic(monkeypatch):
    """Kernels as `speed.deterministic` chooses them."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def steps(model: Model, machine: Machine, numbers: range) -> list[dict[str, float]]:
    """Return the losses of steps that depend on their number and on nothing drawn before."""
    model.train()
    losses = []
    for step in numbers:
        torch.manual_seed(step)
        np.random.seed(step)  # noqa: NPY002
        model.progress = step / 8
        batch = checks.batch(model, seed=step).to(machine.device)
        losses.append({name: x.item() for name, x in machine.step(model, batch).items()})
    return losses


def weights(model: Model) -> dict[str, torch.Tensor]:
    return {name: x.detach().cpu() for name, x in checks.weights(model).items()}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(("module", "case"), OFFICIAL, ids=lambda x: getattr(x, "__name__", x))
def test_official_numbers(module, case, precision, monkeypatch, exact):
    make, make_batch = parity.make, parity.make_batch
    monkeypatch.setattr(parity, "make", lambda *given: make(*given).to(GPU))
    monkeypatch.setattr(parity, "make_batch", lambda *given: make_batch(*given).to(GPU))
    if precision == "float64":
        module.test_official_numbers(case, monkeypatch)
    else:
        module.test_official_numbers_in_single_precision(case, monkeypatch)


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
@pytest.mark.parametrize(("method", "variant"), TRAINED)
def test_a_training_resumes_bit_for_bit(method, variant, precision, deterministic):
    make, machine = maker(method, variant), Machine(GPU, precision=precision)
    whole, first = (machine.prepare(checks.seeded(make)) for _ in range(2))
    losses = steps(whole, machine, range(4))
    assert all(np.isfinite(list(one.values())).all() for one in losses)
    steps(first, machine, range(2))
    second = machine.prepare(checks.seeded(make, seed=9))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert steps(second, machine, range(2, 4)) == losses[2:]
    assert checks.same(weights(whole), weights(second))


@pytest.mark.parametrize("devices", [(CPU, GPU), (GPU, CPU)], ids=str)
@pytest.mark.parametrize(("method", "variant"), TRAINED)
def test_a_training_resumes_on_the_other_device(method, variant, devices):
    make, (one, other) = maker(method, variant), [Machine(device) for device in devices]
    first = one.prepare(checks.seeded(make))
    steps(first, one, range(1))
    second = other.prepare(checks.seeded(make, seed=9))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert checks.same(weights(first), weights(second))
    steps(second, other, range(1, 2))


@pytest.mark.parametrize(("method", "variant"), BASES)
def test_predictions_are_those_of_the_cpu(method, variant, exact):
    model = checks.seeded(maker(method, variant)).eval()
    inputs = checks.batch(model, count=3).inputs
    with torch.inference_mode():
        for name, predict in checks.verbs(model, method.kind(variant)).items():
            expected = predict(inputs)
            predicted = getattr(model.to(GPU), name)(inputs.to(GPU)).cpu()
            torch.testing.assert_close(predicted, expected, rtol=1e-3, atol=1e-4)
            model.to(CPU)


@pytest.mark.parametrize("setting", [{"compile": "graphs"}, {"channels_last": True}], ids=str)
@pytest.mark.parametrize(("method", "variant"), BASES)
def test_a_setting_changes_rounding_alone(method, variant, setting, exact, deterministic):
    """In float32 over four steps, so that a graph's memory is reused between them.

    Under deterministic kernels: with torch's default ones a GAN's losses differ by up to a third
    after four steps, whatever the setting.
    """
    make = maker(method, variant)
    plain, other = Machine(GPU), Machine(GPU, **setting)
    expected = steps(plain.prepare(checks.seeded(make)), plain, range(4))
    losses = steps(other.prepare(checks.seeded(make)), other, range(4))
    for ours, theirs in zip(losses, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=0.02, abs=1e-3)
    assert losses[0] == pytest.approx(expected[0], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("pairing", ["paired", "other"])
def test_resident_slices_are_those_of_the_loader(tmp_path, pairing):
    cohort, view = stored_cohort(tmp_path, 3), View(("t1", "t2", "flair"), 64)
    picks = plan_epoch(cohort, pairing, 2, generator(0), 4)
    loaded = batches(cohort, view, picks, 2, GPU)
    resident = loader(cohort, view, Machine(GPU, resident="always"))(picks)
    for one, other in zip(loaded, resident, strict=True):
        for a, b in zip(vars(one).values(), vars(other).values(), strict=True):
            assert torch.equal(a, b) and a.dtype == b.dtype
