"""Which slices a training sees, and which T1ce it is shown beside them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from made_up import stored_cohort

from benchmarks.cohorts.normalisation import to_int16
from benchmarks.errors import InputError
from workflow.layout import RunFolder
from workflow.predictions import Predictions, write_index, write_prediction
from workflow.training import data
from workflow.training.data import ResidentSlices, batches, loader, plan_epoch, t1ce_subjects
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


# Scarce T1ce


PAIRINGS = ("paired", "other", "shuffled", "disjoint")


def scarce(cohort, pairing, count, seed=0, epoch=0, batch=2):
    few = t1ce_subjects(cohort, count, seed, pairing)
    plan = plan_epoch(cohort, pairing, batch, generator(0, "test", epoch), t1ce_from=few)
    return few, plan


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_no_t1ce_of_other_patients_is_ever_used(cohort, pairing, count):
    used, inputs = set(), set()
    for epoch in range(10):
        few, plan = scarce(cohort, pairing, count, epoch=epoch)
        used |= {cohort[pick.t1ce.patient].subject for pick in flat(plan)}
        inputs |= {cohort[pick.inputs.patient].subject for pick in flat(plan)}
    assert len(few) == count and used <= few
    if pairing == "disjoint":
        assert len(used) == len(inputs) == 2 and not used & inputs
    else:
        assert used == few
        assert inputs == (few if pairing == "paired" else {"P0", "P1", "P2", "P3"})


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_the_batches_of_scarce_t1ce_are_that_t1ce(cohort, pairing):
    few, plan = scarce(cohort, pairing, 2)
    volumes = [one.volume(64).t1ce for one in cohort if one.subject in few]
    known = {slice_.tobytes() for volume in volumes for slice_ in volume}
    for machine in (Machine(torch.device("cpu"), resident=x) for x in ("never", "always")):
        for batch in loader(cohort, VIEW, machine)(plan):
            assert all(one.numpy().tobytes() in known for one in batch.t1ce[:, 0])


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_fewer_patients_are_among_more(cohort, pairing):
    for seed in range(5):
        sets = [t1ce_subjects(cohort, count, seed, pairing) for count in (1, 2, 3, 4)]
        assert [len(one) for one in sets] == [1, 2, 3, 4]
        assert all(few < more for few, more in pairwise(sets))
    assert len({t1ce_subjects(cohort, 1, seed, pairing) for seed in range(20)}) > 1


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_scarce_t1ce_leaves_the_updates_and_the_inputs(cohort, pairing):
    every = picks(cohort, pairing)
    _, plan = scarce(cohort, pairing, 2)
    assert [len(batch) for batch in plan] == [len(batch) for batch in every]
    if pairing != "paired":
        assert [one.inputs for one in flat(plan)] == [one.inputs for one in flat(every)]


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_t1ce_of_all_patients_is_the_same_epoch(cohort, pairing):
    for epoch in range(3):
        assert scarce(cohort, pairing, 4, epoch=epoch)[1] == picks(cohort, pairing, epoch=epoch)


def test_paired_slices_of_few_patients_come_in_rounds(cohort):
    few, plan = scarce(cohort, "paired", 1, batch=1)
    order = [pick.inputs for pick in flat(plan)]
    (one,) = (patient for patient in cohort if patient.subject in few)
    size = len(one.tumour_slices)
    rounds = [tuple(order[i : i + size]) for i in range(0, len(order) - size + 1, size)]
    assert len(rounds) > 2 and {len(set(one)) for one in rounds} == {size}
    assert len(set(rounds)) > 1


def test_more_t1ce_patients_than_there_are(cohort):
    fault = r"`results.training.t1ce_patients` is 5, but 4 training patients .*up to 4, or null"
    with pytest.raises(InputError, match=fault):
        t1ce_subjects(cohort, 5, 0, "paired")


def test_other_needs_t1ce_of_two_patients(cohort):
    with pytest.raises(InputError, match=r"`results.training.t1ce_patients` is 1. Make it 2"):
        scarce(cohort, "other", 1)
    assert scarce(cohort, "shuffled", 1)


def test_t1ce_of_a_person_is_that_of_all_their_scans(tmp_path):
    patients = stored_cohort(tmp_path, 4)
    for patient, subject in zip(patients, "ABAC", strict=True):
        patient.subject = subject
    for seed in range(10):
        few, plan = scarce(patients, "paired", 1, seed=seed)
        used = {pick.t1ce.patient for pick in flat(plan)}
        assert used == {i for i, one in enumerate(patients) if one.subject in few}


# Chosen slices


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_only_chosen_slices_are_used(cohort, pairing):
    chosen = {one.patient: np.arange(one.shape[0]) % 2 == 0 for one in cohort}
    plan = plan_epoch(cohort, pairing, 1, generator(0), chosen=chosen)
    assert {one.z % 2 for pick in flat(plan) for one in pick} == {0}
    every = flat(plan_epoch(cohort, pairing, 1, generator(0)))
    assert 0 < len(flat(plan)) < len(every)
    machine = Machine(torch.device("cpu"), resident="always")
    resident = list(loader(cohort, VIEW, machine, chosen)(plan))
    loaded = list(batches(cohort, VIEW, plan, 0, machine.device))
    for a, b in zip(loaded, resident, strict=True):
        assert all(torch.equal(x, vars(b)[key]) for key, x in vars(a).items())
    assert ResidentSlices.size(cohort, VIEW, chosen) < ResidentSlices.size(cohort, VIEW)


# Faults


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
