"""Measure one stage of a benchmark at a time: preparing, loading, training and predicting.

Each function is a measurement (see `workflow.speed.measurements`) and returns its rows.
"""

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.cohorts.patient import MODALITIES, PatientFiles
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.store import prepare
from benchmarks.config import Benchmark
from methods import loading
from methods.contract import CLASSES, Batch, Model
from methods.errors import MethodError
from workflow import inference
from workflow.plan import Plan, Run
from workflow.speed.measuring import CPU, median, noise, peak_memory, take_turns, timed
from workflow.speed.processes import ProcessError, call
from workflow.speed.settings import Settings
from workflow.training.cost import count_parameters
from workflow.training.data import batches, plan_epoch
from workflow.training.devices import claim_device
from workflow.training.machine import Machine
from workflow.training.seeding import generator, seed_torch
from workflow.training.setup import make_machine
from workflow.training.view import View

# Tumour slices per patient (of 155): mean over 17 BraTS 2018 patients, range 40 to 75.
TUMOUR_SLICES = 60
# The side of the matrices whose product is a device's peak: large enough to be bound by arithmetic.
SIDES = {"cpu": 1024, "cuda": 8192}
LOADED = 50  # batches at a time that the input pipeline loads


def measure_steps(settings: Settings) -> list[dict]:
    """Measure one training step of each run on random images, each run in a process of its own."""
    return of_each_run(f"{__name__}:measure_run", settings)


def of_each_run(function: str, settings: Settings) -> list[dict]:
    """Return a function's row of each distinct run, or why there is none, each from a process."""
    rows = []
    for run in distinct(Plan(settings.load())):
        try:
            rows.append(call(function, run.name, settings))
        except ProcessError as error:
            rows.append({"name": run.name, "failed": str(error)})
    return rows


def distinct(plan: Plan) -> list[Run]:
    """Return the trained runs without segmentors behind syntheses, since all cost the same."""
    return [run for run in plan.runs.values() if run.trained and not run.upstream]


def measure_run(name: str, settings: dict) -> dict:
    """Return the row of one training."""
    benchmark = Settings(**settings).load()
    run, speed = Plan(benchmark)[name], benchmark.speed
    with claim_device(speed) as device:
        machine = make_machine(speed, device)
        try:
            model = ready(run, machine)
            batch = random_batch(model, benchmark).to(device)
            product, product_flops = matrix_product(device, machine.dtype)
            step = partial(machine.step, model, batch)
            steps, products = take_turns(settings["repeats"], step, product, device=device)
            memory = peak_memory(device)
            # Of generated kernels torch does not know what they compute.
            plain = replace(machine, compile="none")
            flops = count_flops(ready(run, plain), batch, plain)
        except MethodError as error:
            return {"name": name, "failed": str(error)}
    took = median(steps)
    return {
        "name": name,
        "seconds_per_step": took.wall,
        "core_seconds_per_step": took.core,
        "images_per_second": len(batch.inputs) / took.wall,
        "flops_per_step": flops,
        "flops_per_second": flops / took.wall,
        "share_of_peak": flops / took.wall / (product_flops / median(products).wall),
        "memory_bytes": memory,
        "parameters": count_parameters(model),
    }


def ready(run: Run, machine: Machine) -> Model:
    """Return the run's model with random weights, ready to train."""
    seed_torch(0)
    return machine.prepare(loading.build(run.method, run.params, run.channels)).train()


def random_batch(model: Model, benchmark: Benchmark) -> Batch:
    """Return what a training step of a model gets in this benchmark, made of noise."""
    results = benchmark.results
    count, crop = model.batches_per_step * results.training.batch, results.slices.crop
    images = noise(count, model.channels + 1, crop)
    return Batch(images[:, :-1], images[:, -1:], torch.randint(CLASSES, (count, crop, crop)))


def count_flops(model: Model, batch: Batch, machine: Machine) -> int:
    """Count the FLOP of a step, forward and backward; convolutions and matrix products alone."""
    with FlopCounterMode(display=False) as counter:
        machine.step(model, batch)
    return counter.get_total_flops()


def matrix_product(device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], None], int]:
    """Return a product of two square matrices to be timed, and how many FLOP it is."""
    side = SIDES[device.type]
    a, b = torch.rand(2, side, side, device=device, dtype=dtype).unbind()

    def product() -> None:
        # In float32 a GPU uses TF32 exactly where its convolutions, compared with it, do.
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
        try:
            torch.mm(a, b)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    return product, 2 * side**3


def measure_budget(settings: Settings) -> list[dict]:
    """Count what all trainings with one seed compute; BraTS has `settings.patients`."""
    benchmark = settings.load()
    plan, speed = Plan(benchmark), benchmark.speed
    simulated = load_source(benchmark.cohort.source).simulated
    patients = benchmark.cohort.patients if simulated else settings.patients
    with claim_device(speed) as device:
        dtype = make_machine(speed, device).dtype
        product, product_flops = matrix_product(device, dtype)
        product()  # sets the library up
        peak = product_flops / timed(product, device).wall
    rows, known = [], {}
    for run in (run for run in plan.runs.values() if run.trained):
        steps = steps_per_epoch(benchmark, patients) * plan.epochs(run)
        same = run.method.name, run.variant, run.channels
        if same not in known:
            # Tensors of this mode have shapes and no content: they take no memory and no time.
            with FakeTensorMode():
                model = loading.build(run.method, run.params, run.channels).train()
                known[same] = count_flops(model, random_batch(model, benchmark), Machine(CPU))
        flops = {"flops": steps * known[same], "flops_per_step": known[same]}
        rows.append({"name": run.name, "steps": steps} | flops)
    total = {key: sum(row[key] for row in rows) for key in ("steps", "flops")}
    rows.append({"name": "all trainings"} | total)
    return [row | {"days": row["flops"] / peak / 86400} for row in rows]


def steps_per_epoch(benchmark: Benchmark, patients: int) -> int:
    """Return the number of whole batches of tumour slices, or the benchmark's limit."""
    results, training = benchmark.results, benchmark.results.training
    fractions = results.split.fractions
    train = round(patients * fractions[0] / sum(fractions))
    steps = train * TUMOUR_SLICES // results.slices.step // training.batch
    return min(steps, training.steps_per_epoch or steps)


def measure_pipeline(settings: Settings) -> list[dict]:
    """Measure the input pipeline alone, from the slice store to batches on the device."""
    benchmark, patients = settings.load(), settings.stored_patients()
    inputs = tuple(name for name in MODALITIES if name != "t1ce")
    view = View(inputs, benchmark.results.slices.crop)
    batch, rows = benchmark.results.training.batch, []
    with claim_device(benchmark.speed) as device:
        for pairing, name in (("paired", "paired"), ("shuffled", "unpaired")):
            picks = plan_epoch(patients, pairing, batch, generator(0), LOADED)
            for workers in sorted({0, benchmark.speed.workers}):
                load = partial(_load, patients, view, picks, workers, device)
                (took,) = take_turns(settings.repeats, load, device=device, warm_up=False)
                seconds = median(took).wall / len(picks)
                rates = {"images_per_second": batch / seconds, "seconds_per_batch": seconds}
                rows.append({"name": name + (f", {workers} loaders" if workers else "")} | rates)
    return rows


def _load(*arguments: object) -> None:
    for _ in batches(*arguments):
        pass


def measure_prediction(settings: Settings) -> list[dict]:
    """Measure predictions of a patient's volume; random weights cost the same as trained ones."""
    benchmark, patient = settings.load(), settings.stored_patients()[0]
    predict = {"synthesis": inference.synthesize, "segmentation": inference.segment}
    speed, rows = benchmark.speed, []
    with claim_device(speed) as device:
        for run in Plan(benchmark).runs.values():
            if run.kind in ("control", "external") or run.upstream:
                continue
            model = ready(run, Machine(device))
            view = View(run.inputs, benchmark.results.slices.crop)
            for task in run.tasks:
                work = partial(predict[task], model, patient, view, device, speed.inference_batch)
                seconds = median(take_turns(settings.repeats, work, device=device)[0]).wall
                rate = {"slices_per_second": patient.shape[0] / seconds}
                rows.append({"name": f"{run.name}, {task}", "seconds_per_volume": seconds} | rate)
    return rows


def measure_prepare(settings: Settings) -> list[dict]:
    """Measure preparing a patient in turn with only reading the same five files, on one thread."""
    grid, source = settings.grid(), load_source("brats")
    reading, preparing = [], []
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        for files in settings.patient_files():
            works = partial(_read, files), partial(prepare, files, Path(folder), grid, source)
            read, prepared = take_turns(settings.repeats, *works)
            reading += read
            preparing += prepared
    ratios = [ours.core / read.core for ours, read in zip(preparing, reading, strict=True)]
    (read, read_core), (prepared, prepared_core) = median(reading), median(preparing)
    return [
        {"name": "reading a patient's files", "seconds": read, "core_seconds": read_core},
        {"name": "preparing a patient", "seconds": prepared, "core_seconds": prepared_core}
        | {"ratio": statistics.median(ratios), "memory_bytes": peak_memory()},
    ]


def _read(files: PatientFiles) -> None:
    for path in files.all_files.values():
        np.asanyarray(nibabel.load(path).dataobj)
