"""Measure the input pipeline alone: from the slice store to batches on the device."""

import statistics

from benchmarks.cohorts.brats import MODALITIES
from workflow.speed.measuring import seconds
from workflow.speed.patients import stored_patients
from workflow.speed.settings import Settings
from workflow.training.data import View, batches, plan_epoch
from workflow.training.devices import device
from workflow.training.seeding import generator

LIMIT = 50
"""Batches a time."""


def measure(settings: Settings) -> list[dict]:
    """A row a pairing and number of loader processes; the start of these counts.

    Returns
    -------
    `images_per_second` (the median) and `seconds_per_batch`.
    """
    benchmark = settings.load()
    patients = stored_patients(settings)
    inputs = tuple(name for name in MODALITIES if name != "t1ce")
    view = View(inputs, benchmark.results.slices.crop)
    batch = benchmark.results.training.batch
    rows = []
    with device(benchmark.speed) as where:
        for pairing, name in (("paired", "paired"), ("shuffled", "unpaired")):
            picks = plan_epoch(patients, pairing, batch, generator(0), LIMIT)
            for workers in sorted({0, benchmark.speed.workers}):

                def load(picks=picks, workers=workers) -> None:
                    for _ in batches(patients, view, picks, workers, where):
                        pass

                took = [seconds(load, where) for _ in range(settings.repeats)]
                median = statistics.median(took) / len(picks)
                loaders = f", {workers} loaders" if workers else ""
                rows.append(
                    {
                        "name": name + loaders,
                        "images_per_second": batch / median,
                        "seconds_per_batch": median,
                    }
                )
    return rows
