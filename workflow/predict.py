"""Run a trained model over whole volumes: what the commands synthesize and segment share."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch

from benchmarks.cohorts.normalisation import from_int16, to_int16
from benchmarks.cohorts.split import SPLITS, read_split
from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.reporting.results import Attention
from benchmarks.scoring.regions import region_mask
from methods.contract import Model
from workflow import inference, predictions
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.predictions import VERBS, Kind, read_index, volume_checksums
from workflow.records import Record, checksums
from workflow.stored import cohort_checksums, patient_checksums, stored_patients
from workflow.training.devices import claim_device
from workflow.training.setup import make_view, trained_model
from workflow.training.view import View

ATTENTION_SLICES = 3  # per patient


def predict(benchmark: Benchmark, name: str, seed: int, kind: Kind) -> list[Record]:
    """Write a run's volumes of one kind, and their index.

    T1ce is predicted for all patients where a segmentor trains on it, else for the test patients.

    Raises
    ------
    InputError : the run predicts no such volumes.
    """
    plan = Plan(benchmark)
    run = plan[name]
    if kind not in run.makes:
        verb = {"t1ce": "synthesises", "seg": "segments"}[kind]
        raise InputError(f"`{name}` {verb} nothing: it is of kind `{run.kind}`.")
    layout, view = Layout(benchmark.name), make_view(plan, run, seed)
    folder = layout.run(name, seed)
    split = {row.patient: row.split for row in read_split(layout.split)}
    patients = stored_patients(benchmark, None if run.makes == ("t1ce",) else "test")
    function = {"t1ce": inference.synthesize, "seg": inference.segment}[kind]
    volumes, seen, attention = {}, {}, {}
    with claim_device(benchmark.speed) as device:
        model, trained_on = trained_model(plan, run, seed, device)
        for patient in patients:
            one = patient.patient
            volume = function(model, patient, view, device, benchmark.speed.inference_batch)
            volume = to_int16(volume) if kind == "t1ce" else volume
            volumes[one] = predictions.write_prediction(folder, kind, one, volume)
            seen[one] = _summary(volume, kind, patient)
            if kind == "t1ce" and split[one] == "test":
                weights = _attention(model, patient, view, device)
                if weights is not None:
                    attention[one] = predictions.write_attention(folder, one, weights)
    index = {"run": name, "seed": seed, "volumes": volumes, "learned": asdict(trained_on)}
    predictions.write_index(folder, kind, index | {"seen": seen, "attention": attention})
    return _records(plan, run, seed, kind, patients)


def _summary(volume: np.ndarray, kind: Kind, patient: StoredPatient) -> dict:
    """What checks need to know of a volume: how T1ce varies over the brain, or its classes."""
    if kind == "seg":
        return {"classes": np.unique(volume).tolist()}
    brain = region_mask(patient.volume(patient.grid.crop).labels, "brain")
    return {"deviation": round(float(from_int16(volume)[brain].std()), 4) if brain.any() else None}


@torch.inference_mode()
def _attention(
    model: Model, patient: StoredPatient, view: View, device: torch.device
) -> Attention | None:
    """Return a model's attention weights over a patient; None if it has none."""
    function = getattr(model, "attention", None)
    if function is None:
        return None
    model.eval()
    # Spread over the tumour's height, or over the whole volume where there is none.
    among = patient.tumour_slices if len(patient.tumour_slices) else np.arange(patient.shape[0])
    places = np.linspace(0, len(among) - 1, ATTENTION_SLICES + 2)[1:-1]
    slices = sorted({int(among[round(place)]) for place in places})
    inputs = np.stack([view.slice(patient, z)[0] for z in slices])
    weights = function(torch.from_numpy(inputs).to(device))
    return None if weights is None else Attention(tuple(slices), weights.float().cpu().numpy())


def _records(
    plan: Plan, run: Run, seed: int, kind: Kind, patients: Sequence[StoredPatient]
) -> list[Record]:
    """One record per split, so that a changed test patient does not seem to change trainings."""
    layout = Layout(plan.benchmark.name)
    folder = layout.run(run.name, seed)
    attention = read_index(folder, kind)["attention"]
    split = {row.patient: row.split for row in read_split(layout.split)}
    shared = cohort_checksums(plan.benchmark)
    if run.trained:
        shared |= checksums([folder.weights])
    records = []
    for place in SPLITS:
        members = [one for one in patients if split[one.patient] == place]
        names = [one.patient for one in members]
        takes = shared | patient_checksums(plan.benchmark, members)
        if run.upstream:
            takes |= volume_checksums(layout.run(run.upstream, seed), "t1ce", names)
        makes = checksums([folder.index(kind)]) | volume_checksums(folder, kind, names)
        makes |= {folder.attention(n).as_posix(): attention[n] for n in names if n in attention}
        if members:
            step = f"{VERBS[kind]} {run.name}, seed {seed} ({place} patients)"
            records.append(Record(step, takes, makes))
    return records
