"""Which slices a training sees, and which T1ce it is shown beside them."""

import numpy as np
import pytest
import torch
from made_up import stored_cohort

from benchmarks.cohorts.normalisation import to_int16
from benchmarks.errors import InputError
from workflow.layout import RunFolder
from workflow.predictions import Predictions, write_index, write_prediction
from workflow.training import data
from workflow.training.data import ResidentSlices, batches, loader, plan_epoch
from workflow.training.machine import Machine
from workflow.training.seeding import generator
from workflow.training.view import View

VIEW = View(("t1", "t2", "flair"), crop=64)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return stored_cohort(tmp_path_factory.mktemp("cohort"), 4)


def picks(cohort, pairing, batch=2, epoch=0, limit=None):
    return plan_epoch(cohort, pairing, batch, generator(0, "test", epoch), limit)


def synthesised(patient):
    return np.random.default_rng(0).uniform(-1, 1, (patient.shape[0], 64, 64))


def upstream(patients, path) -> Predictions:
    """The predictions of a run of made-up T1ce."""
    folder = RunFolder(path)
    volumes = {
        one.patient: write_prediction(folder, "t1ce", one.patient, to_int16(synthesised(one)))
        for one in patients
    }
    write_index(folder, "t1ce", {"volumes": volumes, "attention": {}})
    return Predictions(folder, "t1ce")


def flat(plan):
    return [pick for batch in plan for pick in batch]


def test_an_epoch_is_every_tumour_slice_once(cohort):
    slices = [(i, z) for i, p in enumerate(cohort) for z in p.tumour_slices]
    seen = [tuple(pick.inputs) for pick in flat(picks(cohort, "paired", batch=1))]
    assert len(seen) == len(slices) and set(seen) == set(slices)


def test_an_incomplete_batch_is_dropped(cohort):
    count = len(flat(picks(cohort, "paired", batch=1)))
    plan = picks(cohort, "paired", batch=3)
    assert [len(batch) for batch in plan] == [3] * (count // 3)


def test_epochs_differ_and_repeat(cohort):
    assert picks(cohort, "other", epoch=1) == picks(cohort, "other", epoch=1)
    assert picks(cohort, "other", epoch=1) != picks(cohort, "other", epoch=2)


def test_limit(cohort):
    assert picks(cohort, "paired", limit=2) == picks(cohort, "paired")[:2]


def test_paired_is_the_same_slice(cohort):
    assert all(pick.inputs == pick.t1ce for pick in flat(picks(cohort, "paired")))


def test_other_is_never_the_same_patient(cohort):
    for epoch in range(20):
        plan = flat(picks(cohort, "other", epoch=epoch))
        assert all(pick.inputs.patient != pick.t1ce.patient for pick in plan)
    assert {pick.t1ce.patient for pick in plan} == {0, 1, 2, 3}


def test_shuffled_draws_from_all(cohort):
    plans = [flat(picks(cohort, "shuffled", epoch=epoch)) for epoch in range(20)]
    same = [pick.inputs.patient == pick.t1ce.patient for plan in plans for pick in plan]
    # One in four by chance, of some hundred draws.
    assert 0.1 < np.mean(same) < 0.4


def test_disjoint_never_shows_a_patient_on_both_sides(cohort):
    inputs, targets = set(), set()
    for epoch in range(20):
        for pick in flat(picks(cohort, "disjoint", epoch=epoch)):
            inputs.add(pick.inputs.patient)
            targets.add(pick.t1ce.patient)
    assert len(inputs) == len(targets) == 2
    assert not inputs & targets


def test_other_needs_two_patients(cohort):
    with pytest.raises(InputError, match="only one training patient"):
        picks(cohort[:1], "other")


def test_disjoint_needs_both_halves(cohort):
    with pytest.raises(InputError, match="both halves"):
        picks(cohort[:1], "disjoint")


def test_too_few_slices_for_a_batch(cohort):
    with pytest.raises(InputError, match="fewer than one batch of 500"):
        picks(cohort, "paired", batch=500)


def test_batches_hold_what_was_picked(cohort):
    plan = picks(cohort, "other")
    first = next(iter(batches(cohort, VIEW, plan, 0, torch.device("cpu"))))
    for row, pick in enumerate(plan[0]):
        scan = cohort[pick.inputs.patient].slice(pick.inputs.z, 64)
        t1ce = cohort[pick.t1ce.patient].slice(pick.t1ce.z, 64).t1ce
        np.testing.assert_array_equal(first.inputs[row], scan.images[:3])
        np.testing.assert_array_equal(first.t1ce[row, 0], t1ce)
        np.testing.assert_array_equal(first.labels[row], np.maximum(scan.labels, 0))
    assert first.labels.min() == 0 and first.labels.dtype == torch.int64


def test_workers_load_the_same_batches(cohort):
    plan, cpu = picks(cohort, "other", limit=3), torch.device("cpu")
    alone, helped = (list(batches(cohort, VIEW, plan, workers, cpu)) for workers in (0, 2))
    assert len(alone) == len(helped) == 3
    for a, b in zip(alone, helped, strict=True):
        assert all(torch.equal(vars(a)[key], vars(b)[key]) for key in vars(a))


def test_loading_leaves_what_a_training_draws_alone(cohort):
    plan, cpu = picks(cohort, "other", limit=2), torch.device("cpu")
    before = torch.get_rng_state()
    for workers in (0, 1):
        list(batches(cohort, VIEW, plan, workers, cpu))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("pairing", ["paired", "other", "shuffled", "disjoint"])
@pytest.mark.parametrize("second_stage", [False, True])
def test_resident_slices_are_the_loaders_bit_for_bit(cohort, tmp_path, pairing, second_stage):
    view = View(("flair", "t1"), 64, upstream(cohort, tmp_path)) if second_stage else VIEW
    plan, machine = picks(cohort, pairing), Machine(torch.device("cpu"), resident="always")
    loaded = list(batches(cohort, view, plan, 0, machine.device))
    resident = list(loader(cohort, view, machine)(plan))
    assert len(resident) == len(loaded) == len(plan)
    for a, b in zip(loaded, resident, strict=True):
        for x, y in zip(vars(a).values(), vars(b).values(), strict=True):
            assert torch.equal(x, y) and x.dtype == y.dtype and x.stride() == y.stride()


def test_slices_are_resident_where_a_slot_has_room_for_them(cohort, monkeypatch):
    size = ResidentSlices.size(cohort, VIEW)
    kept = vars(ResidentSlices(cohort, VIEW, torch.device("cpu")))
    assert size == sum(x.nbytes for x in kept.values() if torch.is_tensor(x) and x.dim())

    def resident(device="cuda", free=8 * size, **settings) -> bool:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2**40))
        return data._are_resident(cohort, VIEW, Machine(torch.device(device), **settings))

    assert resident() and not resident(free=4 * size)
    assert not resident(slots_per_gpu=2) and resident(free=16 * size, slots_per_gpu=2)
    assert not resident(resident="never") and resident(free=0, resident="always")
    assert not resident("cpu") and resident("cpu", resident="always")


@pytest.mark.parametrize(
    ("device", "workers", "pinned"), [("cuda", 2, True), ("cuda", 0, False), ("cpu", 2, False)]
)
def test_loader_processes_pin_what_a_gpu_fetches(cohort, monkeypatch, device, workers, pinned):
    asked = {}
    monkeypatch.setattr(data, "DataLoader", lambda *_, **settings: asked.update(settings) or [])
    batches(cohort, VIEW, picks(cohort, "paired"), workers, torch.device(device))
    assert (asked["num_workers"], asked["pin_memory"]) == (workers, pinned)


def test_upstream_t1ce_is_the_last_channel(cohort, tmp_path):
    patient = cohort[0]
    view = View(("flair", "t1"), 64, upstream([patient], tmp_path))
    inputs, _, _ = view.slice(patient, 4)
    assert inputs.shape == (3, 64, 64)
    np.testing.assert_array_equal(inputs[0], patient.slice(4, 64).flair)
    np.testing.assert_array_equal(inputs[1], patient.slice(4, 64).t1)
    np.testing.assert_allclose(inputs[2], synthesised(patient)[4], atol=1 / 32767)
    np.testing.assert_array_equal(view.volume(patient)[4], inputs)
