"""The training loop of every model.

An epoch depends only on the weights that it starts from and on (seed, stream, epoch), which seed
its random numbers anew. So one checkpoint per epoch is enough to resume bit for bit after a kill.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import torch

from benchmarks.cohorts.replicate import Replicate
from benchmarks.files import write_csv
from methods.contract import Batch, Model
from workflow.training.checkpoint import Checkpoints, History
from workflow.training.cost import Cost, Meter, write_cost
from workflow.training.data import Pick, loader, plan_epoch
from workflow.training.events import Events
from workflow.training.job import Job, Output
from workflow.training.machine import Machine
from workflow.training.progress import Progress
from workflow.training.seeding import generator, seed_torch
from workflow.training.validation import mean_dice

DIVERGED = 1e6  # a loss as large as this never recovers


class TrainingError(Exception):
    """A training diverged. The message names the run and the loss."""


def fit(model: Model, job: Job, machine: Machine, output: Output) -> History:
    """Train a model, resuming where it was interrupted, and write the output.

    A finished training only writes its output again. Returns one dict per epoch, with its mean
    losses and, if validated, `val_dice`.

    Raises
    ------
    TrainingError : a loss is NaN, infinite or larger than DIVERGED.
    """
    chosen = _best if job.validated else lambda history: len(history) - 1
    checkpoints = Checkpoints(output.checkpoints, job.digest, chosen)
    if summary := checkpoints.finished():
        progress = Progress(job.name, job.epochs, steps=0, done=job.epochs)
        progress.earlier(summary["history"])
        folder = output.weights.parent
        progress.say(f"this training had ended. To train anew, delete {folder}, and run again")
    else:
        summary = _train(model, job, machine, checkpoints, output)
    history = summary["history"]
    replicate = Replicate(job.seed, job.place)
    write_cost(output.cost, job.name, replicate, Cost(**summary["cost"]), model)
    _write_history(output.history, history)
    checkpoints.publish_weights(output.weights)
    output.growing_history.unlink(missing_ok=True)
    return history


def _train(
    model: Model, job: Job, machine: Machine, checkpoints: Checkpoints, output: Output
) -> dict:
    """Train to the end; return the history and the cost."""
    machine.prepare(model)
    history: History = []
    cost = Cost()
    if (newest := checkpoints.newest()) is not None:
        model.load_state_dict(newest["model"])
        history, cost = newest["history"], Cost(**newest["cost"])
    steps = len(_plan(job, model.batches_per_step, 0))
    progress = Progress(job.name, job.epochs, steps, done=len(history))
    if history:
        progress.earlier(history)
        progress.say(f"resuming after epoch {len(history)} of {job.epochs}")
    _write_history(output.growing_history, history)

    meter = Meter(machine.device, cost)
    load = loader(job.train, job.view, machine, job.chosen("train"))
    with closing(Events(output.events, history, progress.say)) as events:
        for epoch in range(len(history), job.epochs):
            losses = _epoch(model, job, machine, load, epoch, progress, meter)
            if job.validated:
                view, batch, chosen = job.view, machine.inference_batch, job.chosen("val")
                losses["val_dice"] = mean_dice(model, job.val, view, machine.device, batch, chosen)
            progress.epoch(epoch, losses)
            history = [*history, {"epoch": epoch + 1} | losses]
            events.epoch(history[-1], model)
            cost = meter.read()
            checkpoints.save(history, {"model": model.state_dict(), "cost": asdict(cost)})
            _write_history(output.growing_history, history)

    patients = {split: [p.patient for p in getattr(job, split)] for split in ("train", "val")}
    if job.t1ce_from is not None:
        patients["t1ce"] = [p.patient for p in job.train if p.subject in job.t1ce_from]
    trained_on = {"inputs": list(job.view.inputs), "patients": patients}
    checkpoints.finish(history, trained_on, {"cost": asdict(cost)})
    return {"history": history, "cost": asdict(cost)}


def _write_history(path: Path, history: History) -> None:
    """Write the losses as a whole, so that they are those of the checkpoint after any kill."""
    if history:
        write_csv(path, list(history[0]), [epoch.values() for epoch in history])
    else:
        path.unlink(missing_ok=True)


def _plan(job: Job, batches_per_step: int, epoch: int) -> list[list[Pick]]:
    """Return the slices of each step of an epoch. Every model takes the same number of steps."""
    draw = generator(job.seed, job.stream, "slices", epoch)
    settings = (job.pairing, job.batch, draw, job.steps_per_epoch)
    limits = {"chosen": job.chosen("train"), "t1ce_from": job.t1ce_from}
    rounds = [plan_epoch(job.train, *settings, **limits) for _ in range(batches_per_step)]
    return [list(chain(*step)) for step in zip(*rounds, strict=True)]


def _epoch(
    model: Model,
    job: Job,
    machine: Machine,
    load: Callable[[list[list[Pick]]], Iterator[Batch]],
    epoch: int,
    progress: Progress,
    meter: Meter,
) -> dict[str, float]:
    """Train on all slices once; return the mean of each loss."""
    model.train()
    seed_torch(job.seed, job.stream, "epoch", epoch)
    sums: dict[str, torch.Tensor] = {}
    picks = _plan(job, model.batches_per_step, epoch)
    for step, batch in enumerate(load(picks), start=1):
        model.progress = (epoch + (step - 1) / len(picks)) / job.epochs
        losses = machine.step(model, batch)
        meter.step(len(batch.inputs))
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.detach().double()
        if progress.live:
            progress.step(epoch, step, {name: x.item() / step for name, x in sums.items()})
    means = {name: x.item() / len(picks) for name, x in sums.items()}
    for name, value in means.items():
        if not abs(value) < DIVERGED:  # catches NaN too
            raise TrainingError(
                f"{job.name}: loss {name} is {value:.4g} in epoch {epoch + 1}. Lower its learning "
                "rate, or set `speed.precision: float32` if it is not."
            )
    return means


def _best(history: History) -> int:
    """Return the first epoch (from 0) with the highest validation Dice."""
    return max(range(len(history)), key=lambda epoch: history[epoch]["val_dice"])
