"""The command that trains one run, and how other commands get a trained entry back."""

from dataclasses import dataclass, fields

import torch

from benchmarks.config import Benchmark, Speed
from benchmarks.errors import InputError
from methods.contract import Entry
from workflow.cohort import stored_patients, with_cohort
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.training import checkpoint
from workflow.training.data import View
from workflow.training.devices import device
from workflow.training.loop import Job, Output, fit
from workflow.training.machine import Machine
from workflow.training.seeding import seed_torch


@dataclass(frozen=True)
class Lesson:
    """What weights were learned from: modalities in their order, and patients by split."""

    inputs: list[str]
    patients: dict[str, list[str]]


def run_train(benchmark: Benchmark, run: str, seed: int) -> None:
    """Train, resuming where an earlier attempt was interrupted; write weights, losses and cost.

    To train anew what has ended, delete its folder below `results/runs`.
    """
    plan, layout = Plan(benchmark), Layout(benchmark.name)
    chosen = plan[run]
    if not chosen.trained:
        raise InputError(f"`{run}` is not trained: it is a control, or says `trained: false`.")
    job = make_job(plan, chosen, seed)
    entry = make_entry(plan, chosen, seed)
    speed = benchmark.speed
    with checkpoint.exclusive(layout.run(run, seed)), device(speed) as where:
        fit(entry, job, make_machine(speed, where), _output(layout, run, seed))


def make_machine(speed: Speed, where: torch.device) -> Machine:
    """The settings of `speed` that a training on `where` has a use for."""
    names = [field.name for field in fields(Machine) if field.name != "device"]
    return Machine(where, **{name: getattr(speed, name) for name in names})


def _output(layout: Layout, run: str, seed: int) -> Output:
    return Output(
        checkpoints=layout.checkpoints(run, seed),
        weights=layout.weights(run, seed),
        history=layout.history(run, seed),
        cost=layout.cost(run, seed),
    )


def make_view(plan: Plan, run: Run, seed: int) -> View:
    upstream = None
    if run.upstream:
        upstream = Layout(plan.benchmark.name).predictions(run.upstream, seed, "t1ce")
    return View(run.inputs, plan.benchmark.results.slices.crop, upstream)


def make_job(plan: Plan, run: Run, seed: int) -> Job:
    benchmark = plan.benchmark
    training = benchmark.results.training
    unpaired = run.method.description.pairing == "unpaired"
    return Job(
        name=run.name,
        stream=_stream(run),
        digest=with_cohort(plan.digest(run, seed), benchmark),
        seed=seed,
        train=stored_patients(benchmark, "train"),
        val=stored_patients(benchmark, "val"),
        view=make_view(plan, run, seed),
        pairing=training.unpaired if unpaired else "paired",
        batch=training.batch,
        epochs=plan.epochs(run),
        steps_per_epoch=training.steps_per_epoch,
        validated=run.segments,
    )


def make_entry(plan: Plan, run: Run, seed: int) -> Entry:
    """The entry with its initial weights; those of the run that it continues, if it does."""
    seed_torch(seed, _stream(run), "weights")
    entry = run.entry()
    if run.continues:
        _restore(entry, plan, run.continues, seed, parts=True)
    return entry


def trained_entry(plan: Plan, run: Run, seed: int, where: torch.device) -> tuple[Entry, Lesson]:
    """The entry with its final weights on `where`, and what it learned from.

    One that is not trained comes as it is built.

    Raises
    ------
    InputError : its weights are missing, damaged, or of another training.
    """
    seed_torch(seed, _stream(run), "weights")
    entry = run.entry()
    lesson = Lesson(list(run.inputs), {})
    if run.trained:
        content = _restore(entry, plan, run.name, seed)
        lesson = Lesson(content["inputs"], content["patients"])
    return entry.to(where), lesson


def _restore(entry: Entry, plan: Plan, run: str, seed: int, parts: bool = False) -> dict:
    """Give `entry` the final weights of `run`, once they are seen to be of today's training."""
    path = Layout(plan.benchmark.name).weights(run, seed)
    mend = f"Delete it and train `{run}` again."
    content = checkpoint.load(path)
    if content.get("digest") != with_cohort(plan.digest(plan[run], seed), plan.benchmark):
        raise InputError(
            f"{path} holds the weights of another training: settings, code or patients are not "
            f"those of then. {mend}"
        )
    try:
        entry.restore(content["entry"], parts)
    # What a state dict that does not fit raises is up to torch and to the entry.
    except Exception as error:
        raise InputError(f"{path} does not fit {type(entry).__name__}: {error}. {mend}") from None
    tensors = [x for network in entry.networks.values() for x in network.state_dict().values()]
    if not all(x.isfinite().all() for x in tensors):
        raise InputError(f"{path} holds weights that are NaN or infinite. {mend}")
    return content


def _stream(run: Run) -> str:
    """The same for a segmentor behind any synthesis: what differs is then the T1ce alone."""
    return f"{run.method.name}.{run.variant}"
