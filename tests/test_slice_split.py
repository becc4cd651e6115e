"""Slices as the unit of a split, and T1ce of few patients: from the benchmark file to training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up import stored_cohort
from torch import nn

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.slice_split import split_slices
from benchmarks.config import load
from benchmarks.errors import InputError
from methods.contract import Segmentor
from workflow.commands.score import held_out_slices
from workflow.plan import Plan
from workflow.training import checkpoint, setup
from workflow.training.job import Output
from workflow.training.loop import fit
from workflow.training.machine import Machine
from workflow.training.seeding import seed_torch
from workflow.training.validation import mean_dice
from workflow.training.view import View

ONE = Place()
CPU = Machine(torch.device("cpu"))
HEADER = "title: mine\ncohort: {source: phantom}\nresults:\n  conventions: false\n"
SMALL = "  slices: {crop: 64}\n  training: {batch: 2, steps_per_epoch: 3, t1ce_patients: %s}\n"
SLICE = "  split: {unit: slice, fractions: [6, 2, 2]}\n"
NAMES = ("cutgan", "pix2pix", "maf_net.joint", "unet", "cutgan+unet", "copy_t1")


def plan(tmp_path, text="", protocol="held_out") -> Plan:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{HEADER}  protocols: [{protocol}]\n{text}")
    return Plan(load(str(path)))


def test_shares_come_near_the_fractions():
    names = split_slices("P", 20_000, (7, 1, 2), 0, ONE, None)
    shares = [np.mean(names == name) for name in ("train", "val", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.01)


def test_a_slices_split_depends_on_no_other_slice_or_call():
    names = split_slices("P", 155, (7, 1, 2), 3, ONE, None)
    np.testing.assert_array_equal(split_slices("P", 40, (7, 1, 2), 3, ONE, None), names[:40])
    np.testing.assert_array_equal(split_slices("P", 155, (70, 10, 20), 3, ONE, None), names)


@pytest.mark.parametrize(
    ("patient", "seed", "place"), [("Q", 0, ONE), ("P", 1, ONE), ("P", 0, Place(1))]
)
def test_patients_seeds_and_repeats_have_other_slices(patient, seed, place):
    one = split_slices("P", 155, (7, 1, 2), 0, ONE, None)
    assert 0.2 < np.mean(split_slices(patient, 155, (7, 1, 2), seed, place, None) != one) < 0.7


def test_every_slice_is_tested_in_one_fold():
    names = [split_slices("P", 9_000, (3, 1, 2), 0, Place(0, fold), 5) for fold in range(5)]
    tested = np.stack([one == "test" for one in names])
    assert (tested.sum(axis=0) == 1).all()
    for one in names:
        shares = [np.mean(one == name) for name in ("train", "val", "test")]
        assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.02)


# Settings


def test_slices_may_not_be_scored_that_were_trained_on(tmp_path):
    with pytest.raises(InputError, match=r"results.split.unit`: .*protocol `strict`.*held_out\]"):
        plan(tmp_path, SLICE, "held_out, strict")
    assert plan(tmp_path, SLICE).benchmark.results.split.unit == "slice"
    assert plan(tmp_path, protocol="held_out, strict").benchmark.results.split.unit == "patient"


def digests(plan) -> dict[str, str]:
    return {name: plan.digest(plan[name], 0) for name in NAMES}


def test_t1ce_patients_make_syntheses_stale_and_what_builds_on_them(tmp_path):
    every = digests(plan(tmp_path, "  training: {t1ce_patients: null}\n"))
    assert every == digests(plan(tmp_path))
    few = digests(plan(tmp_path, "  training: {t1ce_patients: 2}\n"))
    assert {name for name in NAMES if few[name] == every[name]} == {"unet", "copy_t1"}


def test_the_unit_makes_every_training_stale_and_no_control(tmp_path):
    patients, slices = digests(plan(tmp_path)), digests(plan(tmp_path, SLICE))
    assert {name for name in NAMES if slices[name] == patients[name]} == {"copy_t1"}
    other = digests(plan(tmp_path, SLICE.replace("6, 2", "7, 1")))
    assert {name for name in NAMES if slices[name] == other[name]} == {"copy_t1"}
    # Patients that are split otherwise change the split's file, which `with_cohort` reads.
    assert patients == digests(plan(tmp_path, "  split: {fractions: [6, 2, 2]}\n"))


# Training


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return stored_cohort(tmp_path_factory.mktemp("cohort"), 6)


@pytest.fixture
def made(tmp_path, monkeypatch, cohort):
    """The jobs of runs of a benchmark of P0 to P3 for training, P4 for validation, P5 for tests."""
    parts = {"train": cohort[:4], "val": cohort[4:5], "test": cohort[5:], None: cohort}
    monkeypatch.setattr(setup, "stored_patients", lambda _, place, split=None: parts[split])
    monkeypatch.setattr(setup, "with_cohort", lambda digest, *_: digest)

    def job(run, text, seed=0):
        whole = plan(tmp_path, text)
        made = setup.make_job(whole, whole[run], Replicate(seed))
        return replace(made, view=View(("t1", "t2", "flair"), 64))

    return job


def test_syntheses_have_few_t1ce_and_segmentors_all(made):
    for run in ("cutgan", "pix2pix", "maf_net.joint"):
        assert len(made(run, SMALL % 2).t1ce_from) == 2, run
        assert made(run, SMALL % "null").t1ce_from is None
    assert made("unet", SMALL % 2).t1ce_from is None
    assert made("cutgan+unet", SMALL % 2).t1ce_from is None
    # A joint training begins with weights that have seen the same T1ce.
    assert made("maf_net", SMALL % 2).t1ce_from == made("maf_net.joint", SMALL % 2).t1ce_from
    with pytest.raises(InputError, match=r"`results.training.t1ce_patients` is 5, but 4 training"):
        made("cutgan", SMALL % 5)


def test_slices_of_all_patients_are_trained_on_but_those_held_out(made, cohort, tmp_path):
    job = made("unet", SMALL % "null" + SLICE)
    assert [one.patient for one in job.train] == [one.patient for one in job.val]
    assert len(job.train) == 6
    split = plan(tmp_path, SLICE).benchmark.results.split
    for one in cohort:
        parts = [job.chosen(name)[one.patient] for name in ("train", "val")]
        parts.append(held_out_slices(one, split, ONE))
        assert (np.stack(parts).sum(axis=0) == 1).all()
    assert made("unet", SMALL % "null").slices is None


def test_shares_without_tumour_are_named(made):
    with pytest.raises(InputError, match=r"no val slice has tumour. Choose another `results.split"):
        made("unet", SMALL % "null" + SLICE.replace("6, 2, 2", "90000, 1, 1"))


class Recorder(Segmentor):
    """Keeps the T1ce that it is trained on; its tumour is where FLAIR is bright."""

    def build(self):
        self.network = nn.Conv2d(self.channels, 4, 1)
        self.optimizer = torch.optim.Adam(self.network.parameters())
        self.seen, self.predicted = [], 0

    def train_step(self, batch):
        self.seen += [one.numpy().tobytes() for one in batch.t1ce[:, 0]]
        loss = self.network(batch.inputs).square().mean()
        self.update(loss, self.optimizer)
        return {"loss": loss}

    def segment(self, inputs):
        self.predicted += len(inputs)
        tumour = (inputs[:, 2:3] > 0.2).float()
        return torch.cat([0.5 - tumour, tumour, -tumour, -tumour], dim=1)


def trained(job, folder) -> Recorder:
    seed_torch(0)
    model = Recorder(None, 3)
    names = ("checkpoints", "weights.pt", "history.csv", "cost.csv", "checkpoints/history.csv")
    files = (folder / name for name in names)
    fit(model, replace(job, epochs=2), CPU, Output(*files))
    return model


def t1ce_slices(patients, chosen=None) -> set[bytes]:
    return {
        one.slice(z, 64).t1ce.tobytes()
        for one in patients
        for z in one.tumour_slices
        if chosen is None or chosen[one.patient][z]
    }


@pytest.mark.parametrize("run", ["cutgan", "pix2pix", "maf_net.joint"])
def test_a_training_sees_no_other_t1ce_in_as_many_updates(made, cohort, tmp_path, run):
    job = made(run, SMALL % 2)
    few, every = (
        trained(job, tmp_path / "few"),
        trained(made(run, SMALL % "null"), tmp_path / "all"),
    )
    allowed = t1ce_slices([one for one in cohort[:4] if one.subject in job.t1ce_from])
    assert set(few.seen) <= allowed and not set(every.seen) <= allowed
    assert len(few.seen) == len(every.seen) == 2 * 3 * 2
    patients = checkpoint.load(tmp_path / "few" / "weights.pt")["patients"]
    assert patients["t1ce"] == [p for p in patients["train"] if p in job.t1ce_from]
    assert "t1ce" not in checkpoint.load(tmp_path / "all" / "weights.pt")["patients"]


def test_a_training_sees_no_held_out_slice(made, cohort, tmp_path):
    job = replace(made("unet", SMALL % "null" + SLICE), steps_per_epoch=None)
    model = trained(job, tmp_path)
    train = job.chosen("train")
    assert set(model.seen) <= t1ce_slices(cohort, train)
    assert set(model.seen) & t1ce_slices(cohort[5:]), "no test patient, so no leak to measure"
    # Only validation slices are predicted.
    assert model.predicted == 2 * sum(one.sum() for one in job.chosen("val").values())


def test_validation_is_of_the_chosen_slices(cohort):
    view, model = View(("t1", "t2", "flair"), 64), Recorder(None, 3)
    dice = {}
    for name, slices in {"all": range(8), "some": [3, 5]}.items():
        chosen = {one.patient: np.isin(np.arange(8), slices) for one in cohort}
        chosen["P5"][:] = name == "all"  # of a patient without a chosen slice nothing is counted
        dice[name] = mean_dice(model, cohort, view, CPU.device, 3, chosen)
    assert dice["all"] == mean_dice(model, cohort, view, CPU.device, 3) != dice["some"]
    table = []
    for one in cohort[:5]:
        truth = one.volume(64).labels[[3, 5]]
        guess = view.volume(one)[[3, 5], 2] > 0.2
        pairs = [(np.isin(truth, (1, 2, 3)), guess), (np.isin(truth, (1, 3)), guess)]
        pairs.append((truth == 3, np.zeros_like(guess)))
        sizes = [a.sum() + b.sum() for a, b in pairs]
        both = [2 * (a & b).sum() for a, b in pairs]
        table.append([x / n if n else np.nan for x, n in zip(both, sizes, strict=True)])
    assert dice["some"] == pytest.approx(np.nanmean(table, axis=0).mean(), abs=1e-12)
