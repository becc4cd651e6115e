"""The training loop: resuming, choosing weights, and refusing to go on."""

import csv
import math
import os
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
import torch
from contract_checks import same, weights
from made_up import stored_cohort
from torch import nn

from benchmarks.cohorts.replicate import Place
from benchmarks.errors import InputError
from benchmarks.reporting.costs import COLUMNS
from benchmarks.scoring.overlap import dice
from methods.contract import Segmentor, Synthesizer
from workflow.inference import segment
from workflow.training import checkpoint
from workflow.training.checkpoint import Checkpoints
from workflow.training.cost import Cost, Meter
from workflow.training.job import Job, Output
from workflow.training.loop import TrainingError, fit
from workflow.training.machine import Machine
from workflow.training.progress import Progress
from workflow.training.seeding import derive, seed_torch
from workflow.training.validation import REGIONS, mean_dice
from workflow.training.view import View

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


class Triple(Painter):
    """Takes more than a batch for one update."""

    batches_per_step = 3


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

    def train(self):
        self.network.epoch += 1
        return super().train()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return stored_cohort(tmp_path_factory.mktemp("cohort"), 4)


def job(cohort, **changes) -> Job:
    settings = {
        "name": "test",
        "stream": "test.base",
        "digest": "d1",
        "seed": 0,
        "place": Place(),
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


def made(model=Painter):
    seed_torch(0, "weights")
    return model(None, 3)


def run(model, job, folder, machine=CPU):
    return fit(model, job, machine, output(folder))


def output(folder) -> Output:
    return Output(
        folder / "checkpoints",
        folder / "weights.pt",
        folder / "history.csv",
        folder / "cost.csv",
        folder / "checkpoints" / "history.csv",
    )


def cost(folder) -> dict[str, str]:
    with (folder / "cost.csv").open() as file:
        (line,) = csv.DictReader(file)
    return line


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


@pytest.mark.parametrize("model", [Painter, Triple])
def test_resident_slices_train_the_same_weights(cohort, tmp_path, model):
    """Also where a training that read its slices from the disk was interrupted."""
    whole, first, second = (made(model) for _ in range(3))
    history = run(whole, job(cohort), tmp_path / "whole")
    first.dies_at = 7
    with pytest.raises(KeyboardInterrupt):
        run(first, job(cohort), tmp_path / "cut")
    resident = Machine(CPU.device, resident="always")
    assert run(second, job(cohort), tmp_path / "cut", resident) == history
    assert same(weights(whole), weights(second))


def stopped(cohort, folder, dies_at, **changes) -> list[bytes]:
    """Train until a step of this process; return the lines of the history that it leaves."""
    model, growing = made(), output(folder).growing_history
    model.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        run(model, job(cohort, **changes), folder)
    return growing.read_bytes().splitlines() if growing.exists() else []


def test_the_history_grows_by_a_line_as_an_epoch_ends(cohort, tmp_path):
    run(made(), job(cohort), tmp_path / "whole")
    header, *lines = (tmp_path / "whole" / "history.csv").read_bytes().splitlines()
    assert len(lines) == 3
    assert stopped(cohort, tmp_path, dies_at=3) == []
    assert stopped(cohort, tmp_path, dies_at=6) == [header, *lines[:1]]
    assert stopped(cohort, tmp_path, dies_at=6) == [header, *lines[:2]]
    run(made(), job(cohort), tmp_path)
    assert (tmp_path / "history.csv").read_bytes().splitlines() == [header, *lines]
    assert not output(tmp_path).growing_history.exists()


def test_a_growing_history_begins_as_the_checkpoint_has_it(cohort, tmp_path):
    """Also if it holds more lines, fewer, or those of another training."""
    growing = output(tmp_path).growing_history
    left = stopped(cohort, tmp_path, dies_at=9)
    growing.write_bytes(growing.read_bytes() + b"3,0.5\n")
    assert stopped(cohort, tmp_path, dies_at=1) == left
    growing.unlink()
    assert stopped(cohort, tmp_path, dies_at=1) == left
    assert stopped(cohort, tmp_path, dies_at=1, digest="d2") == []


def test_a_checkpoint_of_another_training_is_not_resumed_from(cohort, tmp_path):
    first = made()
    first.dies_at = 9
    with pytest.raises(KeyboardInterrupt):
        run(first, job(cohort, digest="d0"), tmp_path)
    second = made()
    run(second, job(cohort), tmp_path)
    assert second.steps == 12


def test_only_the_result_is_kept_when_the_training_has_ended(cohort, tmp_path):
    run(made(), job(cohort), tmp_path)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")) == [
        "checkpoints/done.pt", "checkpoints/weights.pt", "cost.csv", "history.csv", "weights.pt",
    ]  # fmt: skip
    assert (tmp_path / "weights.pt").samefile(tmp_path / "checkpoints/weights.pt")


def test_a_training_that_has_ended_is_not_repeated(cohort, tmp_path):
    run(made(), job(cohort), tmp_path)
    before = finished_files(tmp_path)
    for name in before:
        (tmp_path / name).unlink()
    again = made()
    run(again, job(cohort), tmp_path)
    assert again.steps == 0
    assert finished_files(tmp_path) == before


@pytest.mark.parametrize("model", [Painter, Thresholder])
def test_of_the_epochs_only_those_that_may_be_needed_are_kept(cohort, tmp_path, model, monkeypatch):
    """The newest, the one before, and the best: Thresholder's second."""
    kept = []
    save = Checkpoints.save

    def saved(self, history, content):
        save(self, history, content)
        kept.append([int(path.stem[-5:]) for path in sorted(self.folder.glob("epoch-*"))])

    monkeypatch.setattr(Checkpoints, "save", saved)
    run(made(model), job(cohort, epochs=5, validated=model is Thresholder), tmp_path)
    assert kept[:3] == [[1], [1, 2], [2, 3]]
    assert kept[3:] == ([[2, 3, 4], [2, 4, 5]] if model is Thresholder else [[3, 4], [4, 5]])


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-500])


def flip_a_weight(path):
    """torch alone would read it."""
    damaged = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as parts:
        biggest = max(parts.infolist(), key=lambda part: part.file_size)
        content = parts.read(biggest)
    damaged[damaged.index(content) + 1] ^= 1
    path.write_bytes(damaged)
    torch.load(path, weights_only=True)


def empty(path):
    path.write_bytes(b"")


def hold_a_list(path):
    torch.save([1], path)


def hide_code(path):
    torch.save({"digest": "d1", "history": [Evil(path.parent / "broken-in")]}, path)


class Evil:
    """Code that a pickle runs when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("damage", [cut_short, flip_a_weight, empty, hold_a_list, hide_code])
@pytest.mark.parametrize("model", [Painter, Thresholder])
@pytest.mark.parametrize("which", [[-1], [0], [-1, -2]])
def test_a_damaged_checkpoint_is_passed_over(cohort, tmp_path, capsys, damage, model, which):
    whole = job(cohort, epochs=5, validated=model is Thresholder)
    run(made(model), whole, tmp_path / "whole")
    first = made(model)
    first.dies_at = 17
    train_step = type(first).train_step
    calls = []

    def dying(batch):
        calls.append(0)
        if len(calls) == 17:
            raise KeyboardInterrupt
        return train_step(first, batch)

    first.train_step = dying
    with pytest.raises(KeyboardInterrupt):
        run(first, whole, tmp_path / "cut")
    there = sorted((tmp_path / "cut" / "checkpoints").glob("epoch-*"))
    for index in which:
        damage(there[index])
    capsys.readouterr()
    run(made(model), whole, tmp_path / "cut")
    said = capsys.readouterr().err
    # What is older than what is gone on from is not looked at, unless it is the best.
    assert f"Skipped: {there[which[0]]}" in said or which == [0]
    assert not list(tmp_path.rglob("broken-in"))
    a, b = (checkpoint.load(tmp_path / name / "weights.pt") for name in ("whole", "cut"))
    assert alike(a, b)


def test_the_cost_is_counted_by_the_training_itself(cohort, tmp_path):
    model = made()
    run(model, job(cohort), tmp_path)
    told = cost(tmp_path)
    assert list(told) == COLUMNS
    assert (told["run"], told["seed"], told["device"]) == ("test", "0", "CPU")
    assert (told["updates"], told["images"]) == ("12", "24")
    assert told["parameters"] == str(3 * 9 + 1)
    assert 0 < float(told["core_seconds"]) < 60
    assert 0 < float(told["wall_seconds"]) < 60
    assert 5e7 < int(told["memory_bytes"]) < 1e11


def test_an_update_of_several_batches_is_one_update_of_more_images(cohort, tmp_path):
    run(made(Triple), job(cohort), tmp_path)
    assert (cost(tmp_path)["updates"], cost(tmp_path)["images"]) == ("12", str(12 * 2 * 3))


def test_a_network_that_two_share_counts_once(cohort, tmp_path):
    model = made()
    model.part = model.network[0]
    run(model, job(cohort, epochs=1), tmp_path)
    assert cost(tmp_path)["parameters"] == str(3 * 9 + 1)


@pytest.mark.parametrize("dies_at", [5, 7, 12])
def test_a_resumed_training_costs_what_all_its_processes_took(cohort, tmp_path, dies_at):
    first = made()
    first.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        run(first, job(cohort), tmp_path)
    done = 4 * ((dies_at - 1) // 4)
    last = tmp_path / "checkpoints" / f"epoch-{done // 4:05}.pt"
    state = checkpoint.load(last)
    assert (state["cost"]["updates"], state["cost"]["images"]) == (done, 2 * done)
    past = {"wall_seconds": 1000.0, "core_seconds": 2000.0, "memory_bytes": 10**15, "device": "GPU"}
    checkpoint.save(last, state | {"cost": state["cost"] | past})
    run(made(), job(cohort), tmp_path)
    told = cost(tmp_path)
    assert (told["updates"], told["images"]) == ("12", "24")
    assert 1000 < float(told["wall_seconds"]) < 1060
    assert 2000 < float(told["core_seconds"]) < 2060
    assert (told["memory_bytes"], told["device"]) == (str(10**15), "GPU + CPU")


def test_validation_is_paid_too(cohort, tmp_path, monkeypatch):
    import workflow.training.cost
    import workflow.training.loop

    clock = [0.0]

    def validate(*_):
        clock[0] += 100
        return 0.5

    monkeypatch.setattr(workflow.training.loop, "mean_dice", validate)
    monkeypatch.setattr(workflow.training.cost.time, "monotonic", lambda: clock[0])
    run(made(Thresholder), job(cohort, epochs=2, validated=True), tmp_path)
    assert cost(tmp_path)["wall_seconds"] == "200.0"


def test_loader_processes_count_among_the_cores():
    meter = Meter(CPU.device, Cost())
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert 0.25 < meter.read().core_seconds < 30


def test_a_gpu_counts_its_own_memory(monkeypatch):
    calls = []
    for name, answer in {
        "reset_peak_memory_stats": None,
        "max_memory_allocated": 12345,
        "get_device_name": "NVIDIA H200",
    }.items():
        monkeypatch.setattr(
            torch.cuda, name, lambda device, x=answer, name=name: calls.append((name, device)) or x
        )
    second = torch.device("cuda", 1)
    read = Meter(second, Cost(device="CPU", memory_bytes=5)).read()
    assert (read.memory_bytes, read.device) == (12345, "CPU + NVIDIA H200")
    assert len(calls) == 3 and {device for _, device in calls} == {second}


@pytest.mark.parametrize("model", [Painter, Thresholder])
def test_the_weights_hold_no_times(cohort, tmp_path, model):
    for name in ("a", "b"):
        run(made(model), job(cohort, epochs=2, validated=model is Thresholder), tmp_path / name)
    a, b = (checkpoint.load(tmp_path / name / "weights.pt") for name in ("a", "b"))
    assert set(a) == {"digest", "history", "inputs", "patients", "model"}
    assert alike(a, b)


def alike(a, b) -> bool:
    """Whether two weights files hold the same, bit for bit."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(alike, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


class Dying:
    """Lets so many changes of the disk happen; the next one, and all that follow, do not."""

    def __init__(self, monkeypatch, after=math.inf):
        self.after, self.changes = after, 0
        for name in ("replace", "unlink", "link"):
            monkeypatch.setattr(os, name, self.wrapped(getattr(os, name)))

    def wrapped(self, change):
        def changed(path, *args, **settings):
            if self.changes >= self.after:
                raise KeyboardInterrupt
            done = change(path, *args, **settings)
            self.changes += 1
            return done

        return changed


def finished_files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.is_file()}


@pytest.mark.parametrize("snakemake", [False, True])
@pytest.mark.parametrize("model", [Painter, Thresholder])
def test_a_kill_between_any_two_changes_of_the_disk_is_made_good(
    cohort, tmp_path, monkeypatch, model, snakemake
):
    """By the same command, also after Snakemake has deleted the outputs that its rule declares."""
    whole = job(cohort, epochs=2, validated=model is Thresholder)
    with monkeypatch.context() as patch:
        changes = Dying(patch)
        run(made(model), whole, tmp_path / "whole")
    assert changes.changes >= 7
    expected = finished_files(tmp_path / "whole")
    weights = checkpoint.load(tmp_path / "whole" / "weights.pt")
    counted = {key: cost(tmp_path / "whole")[key] for key in ("updates", "images", "parameters")}
    for after in range(changes.changes):
        folder = tmp_path / str(after)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            Dying(patch, after)
            run(made(model), whole, folder)
        left = finished_files(folder)
        assert "weights.pt" not in left or left.keys() == expected.keys()
        growing = folder / "checkpoints" / "history.csv"
        assert not growing.exists() or expected["history.csv"].startswith(growing.read_bytes())
        before = left.get("cost.csv")
        if snakemake:
            for name in ("weights.pt", "cost.csv"):
                (folder / name).unlink(missing_ok=True)
        run(made(model), whole, folder)
        found = finished_files(folder)
        assert found.keys() == expected.keys() and not list(folder.rglob(".*.tmp"))
        assert alike(checkpoint.load(folder / "weights.pt"), weights)
        assert found["history.csv"] == expected["history.csv"] and not growing.exists()
        assert counted.items() <= cost(folder).items()
        assert before in (None, found["cost.csv"]), "what a training took changed after its end"


def test_unvalidated_training_keeps_the_last_epoch(cohort, tmp_path):
    model = made()
    history = run(model, job(cohort), tmp_path)
    kept = checkpoint.load(tmp_path / "weights.pt")["model"]["networks"]["network"]
    assert all(torch.equal(kept[key], value) for key, value in model.network.state_dict().items())
    assert [set(epoch) for epoch in history] == [{"epoch", "L1"}] * 3


def test_validated_training_keeps_the_best_epoch(cohort, tmp_path):
    history = run(made(Thresholder), job(cohort, epochs=4, validated=True), tmp_path)
    dices = [epoch["val_dice"] for epoch in history]
    assert dices.index(max(dices)) == 1, dices
    kept = checkpoint.load(tmp_path / "weights.pt")
    assert kept["model"]["networks"]["network"]["epoch"] == 2
    assert len(kept["history"]) == 4


def test_another_seed_trains_other_weights(cohort, tmp_path):
    a, b = made(), made()
    run(a, job(cohort), tmp_path / "a")
    run(b, job(cohort, seed=1), tmp_path / "b")
    assert not same(weights(a), weights(b))


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_training(cohort, tmp_path, factor):
    model = made()
    model.factor = factor
    with pytest.raises(TrainingError, match=r"test: loss L1 is (nan|inf) in epoch 1"):
        run(model, job(cohort), tmp_path)
    assert not (tmp_path / "weights.pt").exists()


def test_a_loss_that_grows_beyond_all_bounds_stops_the_training(cohort, tmp_path):
    model = made()
    model.factor = 1e8
    with pytest.raises(TrainingError, match=r"test: loss L1 is .*e\+0\d in epoch 1"):
        run(model, job(cohort), tmp_path)


@pytest.mark.parametrize("damage", [cut_short, flip_a_weight])
def test_damaged_weights_are_named(tmp_path, damage):
    path = tmp_path / "weights.pt"
    checkpoint.save(path, {"digest": "d1", "x": torch.zeros(1000)})
    damage(path)
    with pytest.raises(InputError, match=r"weights.pt cannot be read.*Delete it"):
        checkpoint.load(path)


def test_a_full_disk_costs_no_epoch(cohort, tmp_path):
    """A limit on the size of files stands for it; the training goes on once there is room."""
    run(made(), job(cohort), tmp_path / "whole")
    script = textwrap.dedent(
        f"""
        import resource, signal, sys
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        import torch
        import test_loop
        torch.set_num_threads({torch.get_num_threads()})  # the order of sums follows it
        from benchmarks.cohorts.store import StoredPatient
        from benchmarks.errors import InputError
        folder = Path({str(cohort[0]._path.parent)!r})
        cohort = [StoredPatient(folder, name) for name in {[p.patient for p in cohort]!r}]
        save = test_loop.Checkpoints.save
        def limited(self, history, content):
            if len(history) == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            save(self, history, content)
        test_loop.Checkpoints.save = limited
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            test_loop.run(test_loop.made(), test_loop.job(cohort), Path({str(tmp_path / "cut")!r}))
        except InputError as error:
            sys.exit(str(error))
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "There is no room to write" in done.stderr and "epoch-00002.pt" in done.stderr
    there = sorted(path.name for path in (tmp_path / "cut" / "checkpoints").iterdir())
    assert there == ["epoch-00001.pt", "history.csv"]
    second = made()
    run(second, job(cohort), tmp_path / "cut")
    assert second.steps == 8
    a, b = (checkpoint.load(tmp_path / name / "weights.pt") for name in ("whole", "cut"))
    assert alike(a, b)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    path = tmp_path / "weights.pt"
    hide_code(path)
    with pytest.raises(InputError, match=r"weights.pt holds more than .*code, and was not loaded"):
        checkpoint.load(path)
    assert not (tmp_path / "broken-in").exists()


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(InputError, match=r"There is no .*weights.pt"):
        checkpoint.load(tmp_path / "weights.pt")


def test_validation_dice_is_the_protocols(cohort):
    """Two regions undefined or not: the mean agrees with the scoring's Dice."""
    model, view = made(Thresholder), View(("t1", "t2", "flair"), crop=64)
    found = mean_dice(model, cohort, view, torch.device("cpu"), 3)
    expected = []
    for region in REGIONS.values():
        values = []
        for patient in cohort:
            labels = patient.volume(64).labels
            inputs = torch.from_numpy(view.volume(patient))
            predicted = model.segment(inputs).argmax(1).numpy()
            truth, guess = np.isin(labels, region), np.isin(predicted, region)
            values.append(dice(truth, guess) if truth.any() and guess.any() else 0.0)
        expected.append(np.mean(values))
    assert found == pytest.approx(np.mean(expected), abs=1e-12)
    assert 0.1 < found < 1


class Guesser(Segmentor):
    """Logits that depend on the seed alone, NaN in slices of those numbers."""

    broken = ()

    def build(self):
        pass

    def train_step(self, batch):
        raise NotImplementedError

    def segment(self, inputs):
        logits = torch.rand(len(inputs), 4, 64, 64)
        logits[list(self.broken), 1] = float("nan")
        return logits


def test_validation_counts_as_numpy_does_bit_for_bit(cohort):
    view = View(("t1", "t2", "flair"), crop=64)
    model = made(Guesser)
    torch.manual_seed(1)
    found = mean_dice(model, cohort, view, CPU.device, 3)
    torch.manual_seed(1)
    pairs = [(p.volume(64).labels, segment(model, p, view, CPU.device, 3)) for p in cohort]
    table = []
    for region in REGIONS.values():
        masks = [(np.isin(truth, region), np.isin(guess, region)) for truth, guess in pairs]
        table.append([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in masks])
    assert found == np.nanmean(np.array(table), axis=1).mean() > 0.01


def test_logits_that_are_nan_are_refused(cohort):
    view, model = View(("t1", "t2", "flair"), crop=64), made(Guesser)
    model.broken = (0,)
    with pytest.raises(ValueError, match="NaN in 4096 voxels of patient P1"):
        segment(model, cohort[1], view, CPU.device, 8)
    with pytest.raises(ValueError, match="NaN in 4096 voxels of patient P0"):
        mean_dice(model, cohort, view, CPU.device, 8)


def test_moments_follow_their_parameters(cohort, tmp_path):
    model = made()
    run(model, job(cohort, epochs=1), tmp_path)
    # To another type here, for lack of another device: both go by the same way.
    model.to(torch.float64)
    assert {p.dtype for p in model.network.parameters()} == {torch.float64}
    assert {s["exp_avg"].dtype for s in model.optimizer.state.values()} == {torch.float64}


def test_a_variant_takes_over_what_it_shares_with_the_run_that_it_continues():
    torch.manual_seed(0)
    first, second = made(), made()
    second.extra = nn.Conv2d(1, 1, 1)
    before = second.extra.weight.clone()
    with torch.no_grad():
        first.network[0].weight.fill_(0.5)
    second.load_state_dict(first.state_dict(), strict=False)
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
