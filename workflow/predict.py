"""Run a trained model over whole volumes: what the commands synthesize and segment share."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median_low

import numpy as np
import torch

from benchmarks.cohorts.normalisation import to_int16
from benchmarks.cohorts.replicate import Replicate
from benchmarks.cohorts.split import SPLITS, read_split
from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import Speed
from benchmarks.errors import InputError
from benchmarks.files import write_csv
from benchmarks.reporting.results import Attention
from methods.contract import Model
from workflow import inference, predictions
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.predictions import VERBS, Kind, read_index, volume_checksums
from workflow.records import Record, checksums
from workflow.stored import cohort_checksums, patient_checksums, stored_patients
from workflow.training.cost import Cost, Meter
from workflow.training.devices import claim_device
from workflow.training.setup import make_view, trained_model
from workflow.training.view import View

ATTENTION_SLICES = 3  # per patient


def predict(plan: Plan, name: str, replicate: Replicate, kind: Kind) -> list[Record]:
    """Write a run's volumes of one kind, and their index.

    T1ce is predicted for all patients where a segmentor trains on it, else for the test patients.

    Raises
    ------
    InputError : the run predicts no such volumes.
    """
    benchmark, run = plan.benchmark, plan[name]
    if kind not in run.makes:
        verb = {"t1ce": "synthesises", "seg": "segments"}[kind]
        raise InputError(f"`{name}` {verb} nothing: it is of kind `{run.kind}`.")
    layout, view = Layout(benchmark.name), make_view(plan, run, replicate)
    folder = layout.run(name, replicate)
    split = {row.patient: row.split for row in read_split(layout.split(replicate.place))}
    members = None if plan.trains_on(run) else "test"
    patients = stored_patients(benchmark, replicate.place, members)
    function = {"t1ce": inference.synthesize, "seg": inference.segment}[kind]
    volumes, seen, attention, costs = {}, {}, {}, []
    with claim_device(benchmark.speed) as device:
        model, trained_on = trained_model(plan, run, replicate, device)
        for patient in patients:
            one = patient.patient
            view.verify(patient)  # before the cost is measured, to which it does not belong
            meter = Meter(device, Cost())
            volume = function(model, patient, view, device, benchmark.speed.inference_batch)
            costs.append(meter.read())
            volume = to_int16(volume) if kind == "t1ce" else volume
            volumes[one] = predictions.write_prediction(folder, kind, one, volume)
            seen[one] = predictions.summary(volume, kind, patient)
            if kind == "t1ce" and split[one] == "test":
                weights = _attention(model, patient, view, device)
                if weights is not None:
                    attention[one] = predictions.write_attention(folder, one, weights)
    if kind == "t1ce":
        slices = sum(patient.shape[0] for patient in patients)
        _write_cost(folder.prediction_cost, name, replicate, costs, slices, benchmark.speed)
    index = {"run": name, "replicate": replicate.title, "learned": asdict(trained_on)}
    index |= {"volumes": volumes, "seen": seen, "attention": attention}
    predictions.write_index(folder, kind, index)
    return _records(plan, run, replicate, kind, patients)


def _write_cost(
    path: Path, run: str, replicate: Replicate, costs: Sequence[Cost], slices: int, speed: Speed
) -> None:
    """Write what a synthesis took, measured volume by volume: a CSV file of one row.

    `seconds` are the wall time of the median volume, so that the first, which warms up, does not
    count. `slices` are those of all volumes together.
    """
    row = {
        "run": run,
        **replicate.numbers,
        "volumes": len(costs),
        "slices": slices,
        # Of two volumes the faster one, which is not the first.
        "seconds": round(median_low(cost.wall_seconds for cost in costs), 6),
        "memory_bytes": max(cost.memory_bytes for cost in costs),
        "device": costs[0].device,
        "threads": speed.threads,
        "inference_batch": speed.inference_batch,
    }
    write_csv(path, list(row), [list(row.values())])


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
    plan: Plan, run: Run, replicate: Replicate, kind: Kind, patients: Sequence[StoredPatient]
) -> list[Record]:
    """One record per split, so that a changed test patient does not seem to change trainings."""
    layout = Layout(plan.benchmark.name)
    folder = layout.run(run.name, replicate)
    attention = read_index(folder, kind)["attention"]
    split = {row.patient: row.split for row in read_split(layout.split(replicate.place))}
    shared = cohort_checksums(plan.benchmark, replicate.place)
    weights = plan[run.predicts_with or run.name]
    if weights.trained:
        shared |= checksums([layout.run(weights.name, replicate).weights])
    records = []
    for place in SPLITS:
        members = [one for one in patients if split[one.patient] == place]
        names = [one.patient for one in members]
        takes = shared | patient_checksums(plan.benchmark, members)
        if run.upstream:
            takes |= volume_checksums(layout.run(run.upstream, replicate), "t1ce", names)
        written = [folder.index(kind), *([folder.prediction_cost] if kind == "t1ce" else [])]
        makes = checksums(written) | volume_checksums(folder, kind, names)
        makes |= {folder.attention(n).as_posix(): attention[n] for n in names if n in attention}
        if members:
            step = f"{VERBS[kind]} {run.name}, {replicate.title} ({place} patients)"
            records.append(Record(step, takes, makes))
    return records
