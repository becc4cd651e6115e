"""Train one run."""

from benchmarks.cohorts.replicate import Replicate
from benchmarks.errors import InputError
from workflow.layout import Layout
from workflow.plan import Plan
from workflow.predictions import volume_checksums
from workflow.records import Record, checksums
from workflow.stored import cohort_checksums, patient_checksums
from workflow.training.devices import claim_device
from workflow.training.job import Output
from workflow.training.loop import fit
from workflow.training.setup import make_job, make_machine, make_model


def run(plan: Plan, run: str, replicate: Replicate) -> list[Record]:
    """Train, resuming where an earlier attempt was interrupted; write weights, losses and cost.

    A finished training only writes its output again: to train anew, delete the run's folder.
    """
    benchmark, chosen = plan.benchmark, plan[run]
    layout = Layout(benchmark.name)
    if not chosen.trained:
        raise InputError(f"`{run}` is not trained: it is a control, or says `trained: false`.")
    job = make_job(plan, chosen, replicate)
    model = make_model(plan, chosen, replicate)
    folder, speed = layout.run(run, replicate), benchmark.speed
    output = Output(
        checkpoints=folder.checkpoints,
        weights=folder.weights,
        history=folder.history,
        cost=folder.cost,
        growing_history=folder.growing_history,
        events=layout.events(run, replicate) if speed.tensorboard else None,
    )
    with claim_device(speed) as device:
        fit(model, job, make_machine(speed, device), output)

    takes = cohort_checksums(benchmark, replicate.place)
    takes |= patient_checksums(benchmark, [*job.train, *job.val])
    if chosen.upstream:
        names = [patient.patient for patient in (*job.train, *job.val)]
        takes |= volume_checksums(layout.run(chosen.upstream, replicate), "t1ce", names)
    if chosen.continues:
        takes |= checksums([layout.run(chosen.continues, replicate).weights])
    makes = checksums([folder.weights, folder.history, folder.cost])
    return [Record(f"train {run}, {replicate.title}", takes, makes)]
