"""The training loop: resuming, choosing weights, and refusing to go on."""

import pickle

import numpy as np
import pytest
import torch
from contract_checks import same, weights
from made_up import stored_cohort
from torch import nn

from benchmarks.errors import InputError
from benchmarks.scoring.overlap import dice
from methods.contract import Params, Segmentor, Synthesizer
from workflow.training import checkpoint
from workflow.training.data import View
from workflow.training.loop import Job, Machine, TrainingError, fit
from workflow.training.progress import Progress
from workflow.training.seeding import derive, seed_torch
from workflow.training.validation import REGIONS, mean_dice

CPU = Machine(torch.device("cpu"))


class Painter(Synthesizer):
    """Draws random numbers in training, as a GAN does, so that a wrong seed shows."""

    def build(self):
        self.network = nn.Sequential(nn.Conv2d(self.channels, 1, 3, padding=1), nn.Tanh())
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.01)
        self.steps = 0

    def train_step(self, batch):
        self.steps += 1
        if self.steps == getattr(self, "dies_at", None):
            raise KeyboardInterrupt
        noise = 0.1 * torch.randn_like(batch.inputs)
        loss = (self.network(batch.inputs + noise) - batch.t1ce).abs().mean()
        self.update(loss * getattr(self, "factor", 1.0), self.optimizer)
        return {"L1": loss * getattr(self, "factor", 1.0)}

    def synthesize(self, inputs):
        return self.network(inputs)


class Thresholder(Segmentor):
    """Gets better until epoch 2 and worse after it."""

    def build(self):
        self.network = nn.Conv2d(self.channels, 4, 1)
        self.optimizer = torch.optim.Adam(self.network.parameters())
        self.network.register_buffer("epoch", torch.zeros(()))

    def train_step(self, batch):
        loss = self.network(batch.inputs).square().mean()
        self.update(loss, self.optimizer)
        return {"loss": loss}

    def segment(self, inputs):
        # FLAIR above a threshold that depends on the epochs seen.
        off = (self.network.epoch - 2).abs() * 0.4
        tumour = (inputs[:, 2:3] > off - 0.2).float()
        return torch.cat([0.5 - tumour, tumour, -tumour, -tumour], dim=1)

    def training(self, mode):
        if mode:
            self.network.epoch += 1
        return super().training(mode)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return stored_cohort(tmp_path_factory.mktemp("cohort"), 4)


def job(cohort, **changes) -> Job:
    settings = {
        "name": "test",
        "stream": "test.base",
        "digest": "d1",
        "seed": 0,
        "train": cohort[:3],
        "val": cohort[3:],
        "view": View(("t1", "t2", "flair"), crop=64),
        "pairing": "other",
        "batch": 2,
        "epochs": 3,
        "steps_per_epoch": 4,
        "validated": False,
    }
    return Job(**(settings | changes))


def made(entry=Painter):
    seed_torch(0, "weights")
    return entry(Params(), 3)


def run(entry, job, folder):
    return fit(entry, job, CPU, folder / "checkpoints", folder / "weights.pt")


@pytest.mark.parametrize("dies_at", [1, 4, 5, 7, 12])
def test_interrupted_training_ends_in_the_same_weights(cohort, tmp_path, dies_at):
    whole = made()
    history = run(whole, job(cohort), tmp_path / "whole")

    first = made()
    first.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        run(first, job(cohort), tmp_path / "cut")
    assert not (tmp_path / "cut" / "weights.pt").exists()
    second = made()
    assert run(second, job(cohort), tmp_path / "cut") == history
    assert second.steps == 12 - 4 * ((dies_at - 1) // 4), "a finished epoch was trained again"
    assert same(weights(whole), weights(second))


def test_a_checkpoint_of_another_training_is_not_resumed_from(cohort, tmp_path):
    first = made()
    first.dies_at = 9
    with pytest.raises(KeyboardInterrupt):
        run(first, job(cohort, digest="d0"), tmp_path)
    second = made()
    run(second, job(cohort), tmp_path)
    assert second.steps == 12


def test_checkpoints_are_gone_when_the_weights_are_there(cohort, tmp_path):
    run(made(), job(cohort), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["weights.pt"]


def test_unvalidated_training_keeps_the_last_epoch(cohort, tmp_path):
    entry = made()
    history = run(entry, job(cohort), tmp_path)
    kept = checkpoint.load(tmp_path / "weights.pt")["entry"]["networks"]["network"]
    assert all(torch.equal(kept[key], value) for key, value in entry.network.state_dict().items())
    assert [set(epoch) for epoch in history] == [{"epoch", "L1"}] * 3


def test_validated_training_keeps_the_best_epoch(cohort, tmp_path):
    history = run(made(Thresholder), job(cohort, epochs=4, validated=True), tmp_path)
    dices = [epoch["val_dice"] for epoch in history]
    assert dices.index(max(dices)) == 1, dices
    kept = checkpoint.load(tmp_path / "weights.pt")
    assert kept["entry"]["networks"]["network"]["epoch"] == 2
    assert len(kept["history"]) == 4


def test_another_seed_trains_other_weights(cohort, tmp_path):
    a, b = made(), made()
    run(a, job(cohort), tmp_path / "a")
    run(b, job(cohort, seed=1), tmp_path / "b")
    assert not same(weights(a), weights(b))


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_training(cohort, tmp_path, factor):
    entry = made()
    entry.factor = factor
    with pytest.raises(TrainingError, match=r"test: loss L1 is (nan|inf) in epoch 1"):
        run(entry, job(cohort), tmp_path)
    assert not (tmp_path / "weights.pt").exists()


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"digest": "d1", "x": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"last.pt cannot be read.*Delete it"):
        checkpoint.resume(tmp_path, "d1")


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "broken-in"), "w"))

    path = tmp_path / "last.pt"
    torch.save({"digest": "d1", "x": Evil()}, path, pickle_module=pickle)
    with pytest.raises(InputError, match=r"last.pt cannot be read"):
        checkpoint.load(path)
    assert not (tmp_path / "broken-in").exists()


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no .*weights.pt"):
        checkpoint.load(tmp_path / "weights.pt")


def test_validation_dice_is_the_protocols(cohort):
    """Two regions undefined or not: the mean agrees with the scoring's Dice."""
    entry, view = made(Thresholder), View(("t1", "t2", "flair"), crop=64)
    found = mean_dice(entry, cohort, view, torch.device("cpu"), 3)
    expected = []
    for region in REGIONS.values():
        values = []
        for patient in cohort:
            labels = patient.volume(64)[1]
            inputs = torch.from_numpy(view.volume(patient))
            predicted = entry.segment(inputs).argmax(1).numpy()
            truth, guess = np.isin(labels, region), np.isin(predicted, region)
            values.append(dice(truth, guess) if truth.any() and guess.any() else 0.0)
        expected.append(np.mean(values))
    assert found == pytest.approx(np.mean(expected), abs=1e-12)
    assert 0.1 < found < 1


def test_moments_follow_their_parameters(cohort, tmp_path):
    entry = made()
    run(entry, job(cohort, epochs=1), tmp_path)
    # To another type here, for lack of another device: both go by the same way.
    entry.to(torch.float64)
    assert {p.dtype for p in entry.network.parameters()} == {torch.float64}
    assert {s["exp_avg"].dtype for s in entry.optimizer.state.values()} == {torch.float64}


def test_one_process_at_a_time_trains_into_a_folder(tmp_path):
    second = checkpoint.exclusive(tmp_path)
    with checkpoint.exclusive(tmp_path), pytest.raises(InputError, match="Another process"):
        second.__enter__()
    with checkpoint.exclusive(tmp_path):
        pass


def test_a_variant_takes_over_what_it_shares_with_the_run_that_it_continues():
    torch.manual_seed(0)
    first, second = made(), made()
    second.extra = nn.Conv2d(1, 1, 1)
    before = second.extra.weight.clone()
    with torch.no_grad():
        first.network[0].weight.fill_(0.5)
    second.restore(first.state(), parts=True)
    assert (second.network[0].weight == 0.5).all()
    assert torch.equal(second.extra.weight, before)


def test_seeds_depend_on_every_part():
    seeds = {derive(*parts) for parts in [(0, "a", 1), (1, "a", 1), (0, "b", 1), (0, "a", 2)]}
    assert len(seeds) == 4
    assert derive(0, "a1") != derive(0, "a", 1)
    assert all(0 <= seed < 2**63 for seed in seeds)


class Terminal:
    def __init__(self, live):
        self.live, self.text = live, ""

    def isatty(self):
        return self.live

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize(("live", "lines"), [(False, 2), (True, 6)])
def test_progress_is_live_on_a_terminal_and_quiet_in_a_log(live, lines):
    out = Terminal(live)
    progress = Progress("cutgan", epochs=2, steps=2, done=0, out=out)
    for epoch in range(2):
        for step in (1, 2):
            progress.step(epoch, step, {"D": 0.25})
        progress.epoch(epoch, {"D": 0.25})
    assert out.text.count("cutgan: epoch") == lines
    assert "epoch 2/2  step 2/2  D 0.250  left 0:00:00" in out.text
    assert ("\r" in out.text) == live
