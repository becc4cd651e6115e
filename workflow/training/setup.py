"""Set a run up: its view of the patients, its training, its model with the right weights."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.slice_split import split_slices
from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import Speed, Split
from benchmarks.errors import InputError
from methods import loading
from methods.contract import Model
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.predictions import Predictions
from workflow.stored import stored_patients, with_cohort
from workflow.training import checkpoint
from workflow.training.data import t1ce_subjects
from workflow.training.job import Job
from workflow.training.machine import Machine
from workflow.training.seeding import seed_torch
from workflow.training.view import View


@dataclass(frozen=True)
class TrainedOn:
    """What weights were trained on: modalities in their order, and patients by split."""

    inputs: list[str]
    patients: dict[str, list[str]]


def make_machine(speed: Speed, device: torch.device) -> Machine:
    """Take from `speed` the settings that a training on `device` uses."""
    names = [field.name for field in fields(Machine) if field.name != "device"]
    return Machine(device, **{name: getattr(speed, name) for name in names})


def make_view(plan: Plan, run: Run, replicate: Replicate) -> View:
    """Return what the model of a run sees of a patient."""
    upstream = None
    if run.upstream:
        upstream = Predictions(Layout(plan.benchmark.name).run(run.upstream, replicate), "t1ce")
    return View(run.inputs, plan.benchmark.results.slices.crop, upstream)


def make_job(plan: Plan, run: Run, replicate: Replicate) -> Job:
    """Return the training of a run."""
    benchmark, training = plan.benchmark, run.settings.training
    place, split = replicate.place, run.settings.split
    unpaired = run.method.description.pairing == "unpaired"
    pairing = training.unpaired if unpaired else "paired"
    train, val = (stored_patients(benchmark, place, name) for name in ("train", "val"))
    slices = None
    if split.unit == "slice":
        train = val = stored_patients(benchmark, place)
        slices = _slice_splits(train, split, place)
    job = Job(
        name=run.name,
        stream=_stream(run),
        digest=with_cohort(plan.digest(run, replicate.seed), benchmark, place),
        seed=replicate.seed,
        place=place,
        train=train,
        val=val,
        view=make_view(plan, run, replicate),
        pairing=pairing,
        batch=training.batch,
        epochs=plan.epochs(run),
        steps_per_epoch=training.steps_per_epoch,
        validated="seg" in run.makes,
        slices=slices,
    )
    if training.t1ce_patients is None or "t1ce" not in run.makes:
        return job
    among = (pairing, job.chosen("train"))
    return replace(
        job, t1ce_from=t1ce_subjects(train, training.t1ce_patients, replicate.seed, *among)
    )


def _slice_splits(
    patients: list[StoredPatient], split: Split, place: Place
) -> dict[str, np.ndarray]:
    """Return by patient the split of each slice.

    Raises
    ------
    InputError : no slice of train, or none of val, has tumour.
    """
    shares = (split.fractions, split.seed, place, split.folds)
    names = {one.patient: split_slices(one.patient, one.shape[0], *shares) for one in patients}
    for name in ("train", "val"):
        if not any((names[one.patient][one.tumour_slices] == name).any() for one in patients):
            raise InputError(
                f"With `results.split.unit: slice` no {name} slice has tumour. Choose another "
                "`results.split.seed`, or give more patients."
            )
    return names


def make_model(plan: Plan, run: Run, replicate: Replicate) -> Model:
    """Build the model of a run with its initial weights, or with those of the run it continues."""
    model = _build(run, replicate.seed)
    if run.continues:
        _load_weights(model, plan, run.continues, replicate, strict=False)
    return model


def trained_model(
    plan: Plan, run: Run, replicate: Replicate, device: torch.device
) -> tuple[Model, TrainedOn]:
    """Build the model of a run, on `device`, with its final weights if it is trained.

    Raises
    ------
    InputError : the weights are missing, damaged, or of another training.
    """
    _spare_compiler()
    model = _build(run, replicate.seed)
    trained_on = TrainedOn(list(run.inputs), {})
    weights = plan[run.predicts_with or run.name]
    if weights.trained:
        content = _load_weights(model, plan, weights.name, replicate)
        trained_on = TrainedOn(content["inputs"], content["patients"])
    return model.to(device), trained_on


def _spare_compiler() -> None:
    """Keep optimisers, which a prediction makes and never uses, from importing torch's compiler.

    That takes a second. They import it to be left out of what it compiles.
    """
    for method in vars(torch.optim.Optimizer).values():
        if wrapped := getattr(method, "__wrapped__", None):
            wrapped.__dynamo_disable = wrapped


def _build(run: Run, seed: int) -> Model:
    seed_torch(seed, _stream(run), "weights")
    return loading.build(run.method, run.params, run.channels)


def _load_weights(
    model: Model, plan: Plan, run: str, replicate: Replicate, strict: bool = True
) -> dict:
    """Load the final weights of `run`, once they prove to be of today's training."""
    path = Layout(plan.benchmark.name).run(run, replicate).weights
    fix = f"Delete it and train `{run}` again."
    content = checkpoint.load(path)
    digest = plan.digest(plan[run], replicate.seed)
    if content.get("digest") != with_cohort(digest, plan.benchmark, replicate.place):
        raise InputError(
            f"{path} holds the weights of another training: its settings, code or patients differ "
            f"from today's. {fix}"
        )
    try:
        model.load_state_dict(content["model"], strict)
    # What a state dict that does not fit raises is up to torch and to the model.
    except Exception as error:
        raise InputError(f"{path} does not fit {type(model).__name__}: {error}. {fix}") from None
    tensors = [x for network in model.networks.values() for x in network.state_dict().values()]
    if not all(x.isfinite().all() for x in tensors):
        raise InputError(f"{path} holds weights that are NaN or infinite. {fix}")
    return content


def _stream(run: Run) -> str:
    """The same for a segmentor behind any synthesis, so that only the T1ce differs."""
    return f"{run.method.name}.{run.variant}"
