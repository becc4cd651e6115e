"""The training loop that every entry gets.

An epoch depends on nothing but the weights that it starts from and on (seed, name, epoch): its
random numbers are set anew from these three. So a checkpoint an epoch is enough to go on bit for
bit after a kill at any moment.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import torch

from benchmarks.cohorts.store import StoredPatient
from benchmarks.files import write_csv
from methods.contract import Batch, Entry
from workflow.training.checkpoint import Checkpoints, History
from workflow.training.cost import Cost, Meter, write_cost
from workflow.training.data import Pairing, Pick, View, loader, plan_epoch
from workflow.training.machine import Machine
from workflow.training.progress import Progress
from workflow.training.seeding import generator, seed_torch
from workflow.training.validation import mean_dice

DIVERGED = 1e6
"""No loss of a training that can still end well is as large."""


class TrainingError(Exception):
    """A training that cannot end well, e.g. one that diverged; names the run and the loss."""


@dataclass(frozen=True)
class Job:
    """One training, and all that its result depends on.

    Attributes
    ----------
    name : the run's name, for messages.
    stream : what its random numbers are derived from, beside the seed and the epoch.
    digest : identifies the training; a checkpoint of another one is not resumed from.
    train, val : the patients of either split.
    validated : choose the epoch of the best mean validation Dice; else the last epoch's weights.
    """

    name: str
    stream: str
    digest: str
    seed: int
    train: list[StoredPatient]
    val: list[StoredPatient]
    view: View
    pairing: Pairing
    batch: int
    epochs: int
    steps_per_epoch: int | None
    validated: bool


@dataclass(frozen=True)
class Output:
    """Where a training writes.

    Attributes
    ----------
    checkpoints : a folder of what it resumes from; of one that has ended, its result.
    weights : the chosen epoch's. They, and the history, are the same however often it was resumed.
    history : the losses, a line an epoch.
    cost : what it took.
    """

    checkpoints: Path
    weights: Path
    history: Path
    cost: Path


def fit(entry: Entry, job: Job, machine: Machine, output: Output) -> History:
    """Train `entry`, resuming where it was interrupted, and write `output`.

    A training that has ended before only writes its output again.

    Returns
    -------
    The history: a dict an epoch with its mean losses and, where validated, `val_dice`.

    Raises
    ------
    TrainingError : a loss became NaN, infinite or larger than DIVERGED.
    """
    chosen = _best if job.validated else _last
    checkpoints = Checkpoints(output.checkpoints, job.digest, chosen)
    done = checkpoints.finished() or _train(entry, job, machine, checkpoints)
    history = done["history"]
    write_cost(output.cost, job.name, job.seed, Cost(**done["cost"]), entry)
    write_csv(output.history, list(history[0]), [epoch.values() for epoch in history])
    checkpoints.hand_out(output.weights)
    return history


def _train(entry: Entry, job: Job, machine: Machine, checkpoints: Checkpoints) -> dict:
    """Train to the end; the history and what it cost."""
    machine.place(entry)
    history: History = []
    cost = Cost()
    if (found := checkpoints.newest()) is not None:
        entry.restore(found["entry"])
        history, cost = found["history"], Cost(**found["cost"])
    steps = len(_plan(job, entry.batches_per_step, 0))
    progress = Progress(job.name, job.epochs, steps, done=len(history))
    if history:
        progress.say(f"going on after epoch {len(history)} of {job.epochs}")

    meter = Meter(machine.device, cost)
    load = loader(job.train, job.view, machine)
    for epoch in range(len(history), job.epochs):
        record = _epoch(entry, job, machine, load, epoch, progress, meter)
        if job.validated:
            view, batch = job.view, machine.inference_batch
            record["val_dice"] = mean_dice(entry, job.val, view, machine.device, batch)
        progress.epoch(epoch, {k: v for k, v in record.items() if k != "epoch"})
        history = [*history, record]
        cost = meter.read()
        checkpoints.save(history, {"entry": entry.state(), "cost": asdict(cost)})

    seen = {split: [p.patient for p in getattr(job, split)] for split in ("train", "val")}
    kept = {"inputs": list(job.view.inputs), "patients": seen}
    told = {"cost": asdict(cost)}
    checkpoints.finish(history, kept, told)
    return {"history": history} | told


def _plan(job: Job, batches_per_step: int, epoch: int) -> list[list[Pick]]:
    """What each step of an epoch sees. Every entry takes the same number of steps."""
    draw = generator(job.seed, job.stream, "slices", epoch)
    rounds = [
        plan_epoch(job.train, job.pairing, job.batch, draw, job.steps_per_epoch)
        for _ in range(batches_per_step)
    ]
    return [list(chain(*step)) for step in zip(*rounds, strict=True)]


def _epoch(
    entry: Entry,
    job: Job,
    machine: Machine,
    load: Callable[[list[list[Pick]]], Iterator[Batch]],
    epoch: int,
    progress: Progress,
    meter: Meter,
) -> dict[str, float]:
    """One pass over the training slices; the mean of each loss."""
    entry.training(True)
    seed_torch(job.seed, job.stream, "epoch", epoch)
    sums: dict[str, torch.Tensor] = {}
    picks = _plan(job, entry.batches_per_step, epoch)
    for step, batch in enumerate(load(picks), start=1):
        entry.progress = (epoch + (step - 1) / len(picks)) / job.epochs
        losses = machine.step(entry, batch)
        meter.step(len(batch.inputs))
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.detach().double()
        if progress.live:
            progress.step(epoch, step, {name: x.item() / step for name, x in sums.items()})
    means = {name: x.item() / len(picks) for name, x in sums.items()}
    for name, value in means.items():
        # A comparison with NaN is false, so NaN is caught too.
        if not abs(value) < DIVERGED:
            raise TrainingError(
                f"{job.name}: loss {name} is {value:.4g} in epoch {epoch + 1}. Lower its learning "
                "rate, or set `speed.precision: float32` if it is not."
            )
    return {"epoch": epoch + 1} | means


def _last(history: History) -> int:
    return len(history) - 1


def _best(history: History) -> int:
    """The first epoch (from 0) of the highest validation Dice."""
    return max(range(len(history)), key=lambda epoch: history[epoch]["val_dice"])
