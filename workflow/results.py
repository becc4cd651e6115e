"""Read everything that a benchmark measured, once, for tables, figures and the page."""

from collections.abc import Collection, Sequence
from functools import cache

import pandas as pd

from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.split import headcount
from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.reporting.catalogue import Item
from benchmarks.reporting.costs import read_costs, read_prediction_costs
from benchmarks.reporting.published import read_published
from benchmarks.reporting.results import Cohort, Results
from benchmarks.reporting.scores import read_scores
from benchmarks.scoring.conventions import read_conventions
from workflow import predictions
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.records import Checksums, checksums
from workflow.status import Status, mark_failed, run_status, verify_scored
from workflow.stored import patient_checksums, stored_patients


def read_results(benchmark: Benchmark) -> Results:
    """Read the results of all runs that are scored; volumes are read when they are asked for.

    Raises
    ------
    InputError : no run has been scored, or a file is damaged or edited.
    """
    plan, layout = Plan(benchmark), Layout(benchmark.name)
    status = run_status(plan)
    if not status.scored:
        raise InputError(f"No run of benchmark `{benchmark.name}` has been scored yet.")
    verify_scored(plan, status)
    test = stored_patients(benchmark, "test")
    trained = [pair for pair in status.scored if pair[0].trained]
    # Kept, since each compares a volume with its checksum once.
    made = cache(lambda run, seed, kind: predictions.Predictions(layout.run(run, seed), kind))
    seeds: dict[str, tuple[int, ...]] = {}
    for run, seed in status.scored:
        seeds[run.name] = (*seeds.get(run.name, ()), seed)
    return Results(
        cohort=_cohort(benchmark, test),
        rows=tuple(mark_failed(plan.rows(), status)),
        protocols=benchmark.results.protocols,
        scores=read_scores(layout.run(run.name, seed).scores for run, seed in status.scored),
        costs=read_costs(layout.run(run.name, seed).cost for run, seed in trained),
        prediction_costs=read_prediction_costs(
            layout.run(run.name, seed).prediction_cost
            for run, seed in status.scored
            if run.synthesizes
        ),
        histories={
            (run.name, seed): pd.read_csv(path)
            for run, seed in trained
            if (path := layout.run(run.name, seed).history).exists()
        },
        published=read_published(),
        conventions=tuple(read_conventions()),
        seeds=seeds,
        patients={one.patient: one for one in test},
        read_prediction=lambda run, seed, kind, patient: made(run, seed, kind).read(patient),
        read_attention=lambda run, seed, patient: predictions.read_attention(
            layout.run(run, seed), patient
        ),
        left_out=tuple(plan.left_out()),
    ).with_frozen_apart()


def _cohort(benchmark: Benchmark, test: Sequence[StoredPatient]) -> Cohort:
    everyone = stored_patients(benchmark)
    simulated, crop = load_source(benchmark.cohort.source).simulated, benchmark.results.slices.crop
    subjects = {one.patient: one.subject for one in test}
    description = (
        f"{benchmark.title}, {headcount([one.subject for one in everyone])} patients, "
        f"{headcount([*subjects.values()])} of them test, "
        f"{crop} x {crop} pixels of {_pixel(everyone)} mm"
    )
    if simulated:
        description += (
            ". SIMULATED patients: these numbers can neither reproduce nor refute a number "
            "measured on BraTS"
        )
    return Cohort(benchmark.title, description, simulated, subjects)


def _pixel(patients: Sequence[StoredPatient]) -> str:
    """The sides of pixels in mm: "1", or "0.5 to 1" where they differ."""
    sides = [mm for one in patients for mm in one.spacing[1:]]
    return " to ".join(dict.fromkeys(f"{mm:.3g}" for mm in (min(sides), max(sides))))


class Inputs:
    """The checksums of what tables and figures are made from, each run's files read once."""

    def __init__(self, plan: Plan, status: Status):
        self.benchmark, self.scored = plan.benchmark, status.scored
        self.layout = Layout(plan.benchmark.name)
        self.test = stored_patients(plan.benchmark, "test")
        self._of = cache(self._read)

    def of(self, item: Item, runs: Collection[str] | None = None) -> Checksums:
        """Return those of a table or figure: what it needs of the runs that it shows, or of all."""
        known = checksums([self.layout.split])
        for run, seed in self.scored:
            for need in item.needs if not runs or run.name in runs else ():
                known |= self._of(need, run, seed)
        if {"predictions", "attention"} & set(item.needs):
            known |= patient_checksums(self.benchmark, self.test)
        return known

    def scores(self) -> Checksums:
        """Return those of the long table."""
        return {k: v for pair in self.scored for k, v in self._of("scores", *pair).items()}

    def _read(self, need: str, run: Run, seed: int) -> Checksums:
        folder = self.layout.run(run.name, seed)
        names = [one.patient for one in self.test]
        if need == "predictions":
            volumes = [predictions.volume_checksums(folder, kind, names) for kind in run.makes]
            return {path: sha256 for some in volumes for path, sha256 in some.items()}
        paths = {
            "scores": [folder.scores],
            "costs": [folder.cost],
            "prediction_costs": [folder.prediction_cost],
            "histories": [folder.history],
            "attention": [folder.attention(name) for name in names],
        }[need]
        return checksums(path for path in paths if path.is_file())
