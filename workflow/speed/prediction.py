"""Measure the synthesis and the segmentation of a patient's volume by every entry."""

import statistics
from functools import partial

from workflow import inference
from workflow.plan import Plan
from workflow.speed.measuring import seconds
from workflow.speed.patients import stored_patients
from workflow.speed.settings import Settings
from workflow.training.data import View
from workflow.training.devices import device


def measure(settings: Settings) -> list[dict]:
    """A row an entry and task; weights are random, which cost the same as any others.

    Returns
    -------
    `seconds_per_volume` (the median) and `slices_per_second`.
    """
    benchmark = settings.load()
    patient = stored_patients(settings)[0]
    speed = benchmark.speed
    rows = []
    with device(speed) as where:
        for run in Plan(benchmark).runs.values():
            if run.kind == "control" or run.upstream:
                continue
            entry = run.entry().to(where)
            view = View(run.inputs, benchmark.results.slices.crop)
            for task in run.tasks:
                verb = {"synthesis": inference.synthesize, "segmentation": inference.segment}[task]
                predict = partial(verb, entry, patient, view, where, speed.inference_batch)
                predict()  # the first one sets libraries up
                took = [seconds(predict, where) for _ in range(settings.repeats)]
                median = statistics.median(took)
                rows.append(
                    {
                        "name": f"{run.name}, {task}",
                        "seconds_per_volume": median,
                        "slices_per_second": patient.shape[0] / median,
                    }
                )
    return rows
