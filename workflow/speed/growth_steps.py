"""Take one step of a benchmark in a copy of this repository that `workflow.speed.growth` made.

`FILE` is there the benchmark and `DATA` its patients. Results are made up, without a training: all
files that exist when the last run has been scored, in the form of real ones.
"""

import gc
import importlib
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.__main__ import main as benchmarks_command
from benchmarks.checksums import array_checksum
from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import load
from benchmarks.files import write_csv
from benchmarks.reporting.catalogue import figures
from benchmarks.reporting.costs import COLUMNS as COSTS
from benchmarks.reporting.costs import PREDICTION_COLUMNS as PREDICTION_COSTS
from benchmarks.reporting.scores import COLUMNS as SCORES
from benchmarks.scoring.metric import read_metrics
from workflow.dag import Dag
from workflow.layout import Layout, RunFolder
from workflow.plan import Plan, Run
from workflow.predictions import VERBS as PREDICT
from workflow.predictions import volume_checksums, write_index
from workflow.records import DATA as INPUT
from workflow.records import Checksums, Record, checksums, write_records
from workflow.speed.processes import resident
from workflow.status import write_scores_digest
from workflow.stored import cohort_checksums, patient_checksums, stored_patients
from workflow.verbs import VERBS, module

FILE, DATA = "growth.yaml", "data"
METHOD = "pix2pix"  # that is trained and scored
ENOUGH = 4.0  # seconds after which a step is not repeated
OPTIONS = {"prepare": ["--patient", "Growth_0001"], "score": ["--run", METHOD, "--seed", "0"]}
CHOSEN = {"benchmark": FILE, "data": DATA}
IMPORTS = {"snakemake -n": "snakemake.cli", "begin training": "workflow.training.setup"}
EPOCHS = 10
CHECKSUM = cache(array_checksum)  # of the same few volumes for every run


def take(step: str, repeats: int) -> dict:
    """Return the least that a step takes in so many repeats, once its imports are done."""
    work = work_of(step)
    gc.freeze()  # as `import_module` does
    took: list[dict] = []
    while not took or (len(took) < repeats and sum(x["core_seconds"] for x in took) < ENOUGH):
        took.append(_forked(work))
    return {key: min(each[key] for each in took) for key in took[0]}


def work_of(step: str) -> Callable[[], object]:
    """Return a step with all its imports done."""
    if step in VERBS:
        importlib.import_module(module(step))
        if step == "draw":
            _ = [item.function for item in figures()]  # imports them
        arguments = [step, "--benchmark", FILE, "--data", DATA, *OPTIONS.get(step, [])]
        # By name: the command line is above every other module.
        return partial(_checked, importlib.import_module("workflow.__main__").main, arguments)
    if step in IMPORTS:
        importlib.import_module(IMPORTS[step])
    return {
        "find patients": partial(find_patients, Path(DATA)),
        "build the DAG": partial(Dag, CHOSEN),
        "snakemake -n": _dry_run,
        "begin training": _begin_training,
        # It rightly reports shared images: the patients are a few under many names.
        "verify": partial(_checked, benchmarks_command, ["verify"], allowed=(0, 1)),
    }[step]


def _checked(function: Callable, arguments: list[str], allowed: Sequence[int] = (0,)) -> None:
    if (code := function(arguments)) not in allowed:
        raise RuntimeError(f"{' '.join(arguments)}: exit code {code}")


def _dry_run() -> None:
    from snakemake.cli import main as snakemake

    config = [f"{key}={value}" for key, value in CHOSEN.items()]
    try:
        snakemake(["-n", "--quiet", "--cores", "1", "--config", *config])
    except SystemExit as end:
        if end.code:
            raise RuntimeError("snakemake -n failed") from end


def _begin_training() -> None:
    from workflow.training.data import plan_epoch
    from workflow.training.seeding import generator
    from workflow.training.setup import make_job

    plan = Plan(load(**CHOSEN))
    job = make_job(plan, plan[METHOD], Replicate(0))
    plan_epoch(job.train, job.pairing, job.batch, generator(0))


def _forked(work: Callable[[], object]) -> dict:
    """Return what some work takes, in a process that begins as a copy of this one."""
    ours, theirs = multiprocessing.Pipe(duplex=False)

    def report() -> None:
        began, held = time.process_time(), resident()
        work()
        took = time.process_time() - began
        theirs.send({"core_seconds": took, "memory_bytes": resident("VmHWM") - held})

    process = multiprocessing.get_context("fork").Process(target=report)
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def make_up_results(prepared: str) -> None:
    """Write what all runs make, from the predictions in `prepared`, and all jobs' records."""
    benchmark = load(**CHOSEN)
    plan, layout = Plan(benchmark), Layout(benchmark.name)
    train, val, test = (stored_patients(benchmark, Place(), x) for x in ("train", "val", "test"))
    for one in (*train, *val, *test):
        files = one.meta.files.values()
        takes = {f"{INPUT}{one.patient}/{file.name}": file.sha256 for file in files}
        made = Record(f"prepare {one.patient}", takes, patient_checksums(benchmark, [one]))
        write_records(layout.record("prepare", one.patient), [made])
    draw = np.random.default_rng(0)
    shared = cohort_checksums(benchmark, Place())
    names = {"train": [one.patient for one in train], "val": [one.patient for one in val]}
    for run, replicate in plan.pairs:
        folder, records = layout.run(run.name, replicate), {}
        if run.trained:
            records["train"] = [*train, *val], _write_training(folder, run, replicate)
        for kind in run.makes:
            patients = [*train, *val, *test] if run.makes == ("t1ce",) else test
            learned = {"inputs": run.inputs, "patients": names if run.trained else {}}
            index = {
                "run": run.name,
                "replicate": replicate.title,
                "learned": learned,
                "attention": {},
            }
            made = _write_predictions(folder, kind, patients, index, Path(prepared))
            if kind == "t1ce":
                made |= _write_prediction_cost(folder, run, replicate, patients)
            records[PREDICT[kind]] = patients, made
        write_csv(folder.scores, SCORES, _scores(plan, run, replicate, test, draw))
        write_scores_digest(plan, run, replicate)
        records["score"] = test, checksums([folder.scores])
        for verb, (patients, made) in records.items():
            takes = shared | patient_checksums(benchmark, patients)
            record = Record(f"{verb} {run.name}, {replicate.title}", takes, made)
            write_records(layout.record(verb, run.name, str(replicate)), [record])


def _write_training(folder: RunFolder, run: Run, replicate: Replicate) -> Checksums:
    numbers = replicate.numbers.values()
    row = (run.name, *numbers, 100, 400, 60.0, 60.0, 10**9, "CPU", 10**6)
    folder.path.mkdir(parents=True)
    folder.weights.write_bytes(b"made up")
    write_csv(folder.history, ["epoch", "loss"], [(i, 1 / i) for i in range(1, EPOCHS + 1)])
    write_csv(folder.cost, COSTS, [row])
    return checksums([folder.weights, folder.history, folder.cost])


def _write_prediction_cost(
    folder: RunFolder, run: Run, replicate: Replicate, patients: Sequence[StoredPatient]
) -> Checksums:
    slices = sum(one.shape[0] for one in patients)
    numbers = replicate.numbers.values()
    row = (run.name, *numbers, len(patients), slices, 1.0, 10**9, "CPU", 1, 16)
    write_csv(folder.prediction_cost, PREDICTION_COSTS, [row])
    return checksums([folder.prediction_cost])


def _write_predictions(
    folder: RunFolder, kind: str, patients: Sequence[StoredPatient], index: dict, prepared: Path
) -> Checksums:
    sources, volumes = sorted((prepared / kind).glob("*.npy")), {}
    folder.predictions(kind).mkdir(parents=True)
    for name in (one.patient for one in patients):
        source = sources[(int(name.rpartition("_")[2]) - 1) % len(sources)]
        folder.prediction(kind, name).symlink_to(source)
        volumes[name] = CHECKSUM(source)
    summary = {"deviation": 0.5} if kind == "t1ce" else {"classes": [0, 1, 2, 3]}
    index |= {"volumes": volumes, "seen": dict.fromkeys(volumes, summary)}
    write_index(folder, kind, index)
    return checksums([folder.index(kind)]) | volume_checksums(folder, kind, volumes)


def _scores(
    plan: Plan,
    run: Run,
    replicate: Replicate,
    patients: Sequence[StoredPatient],
    draw: np.random.Generator,
) -> Iterator[tuple]:
    """Yield all rows of a score table that the protocols ask for, with values within bounds."""
    for patient, protocol, task in product(patients, plan.protocols, run.tasks):
        rules = getattr(protocol, task)
        for region, metric in product(rules.regions, rules.metrics) if rules else ():
            low, high = read_metrics()[metric].bounds
            for postprocessing in getattr(rules, "postprocessing", ("",)):
                value = draw.uniform(low, min(high, 40.0))
                key = (protocol.name, task, region, metric, postprocessing)
                names = (*replicate.numbers.values(), patient.patient, patient.subject, "")
                yield (run.name, *names, *key, value, "")
