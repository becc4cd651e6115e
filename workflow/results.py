"""Read everything that a benchmark measured, once, for tables, figures and the page."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache

import pandas as pd

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.split import headcount
from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import Benchmark, flattened
from benchmarks.errors import InputError
from benchmarks.reporting.catalogue import Item
from benchmarks.reporting.costs import read_costs, read_prediction_costs
from benchmarks.reporting.published import read_published
from benchmarks.reporting.results import Cohort, Condition, Results
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
    test = _test_patients(benchmark)
    trained = [pair for pair in status.scored if pair[0].trained]
    # Kept, since each compares a volume with its checksum once.
    made = cache(lambda run, name, kind: predictions.Predictions(layout.run(run, name), kind))
    replicates: dict[str, tuple[Replicate, ...]] = {}
    for run, replicate in status.scored:
        replicates[run.name] = (*replicates.get(run.name, ()), replicate)
    everything = Results(
        cohort=_cohort(benchmark, test),
        rows=tuple(mark_failed(plan.rows(), status)),
        protocols=benchmark.results.protocols,
        scores=read_scores(layout.run(run.name, one).scores for run, one in status.scored),
        costs=read_costs(layout.run(run.name, one).cost for run, one in trained),
        prediction_costs=read_prediction_costs(
            layout.run(run.name, one).prediction_cost
            for run, one in status.scored
            if run.synthesizes
        ),
        histories={
            (run.name, one): pd.read_csv(path)
            for run, one in trained
            if (path := layout.run(run.name, one).history).exists()
        },
        published=read_published(),
        conventions=tuple(read_conventions()),
        replicates=replicates,
        tested=_tested(benchmark),
        patients={one.patient: one for one in test},
        read_prediction=lambda run, name, kind, patient: made(run, name, kind).read(patient),
        read_attention=lambda run, name, patient: predictions.read_attention(
            layout.run(run, name), patient
        ),
        left_out=tuple(plan.left_out()),
    )
    own = everything.of([row for row in everything.rows if not row.condition])
    conditions = {
        name: replace(
            everything.of_runs(set(names.values())), condition=_condition(benchmark, name)
        ).with_frozen_apart()
        for name, names in plan.shared.items()
    }
    return replace(
        own.with_frozen_apart(),
        condition=_condition(benchmark, benchmark.base),
        conditions=conditions,
    )


def _condition(benchmark: Benchmark, name: str) -> Condition:
    settings = benchmark.variations.get(name, benchmark).results.model_dump()
    changed = [key for changes in benchmark.conditions.values() for key in flattened(changes)]
    return Condition(name, {key: _setting(settings, key) for key in dict.fromkeys(changed)})


def _setting(settings: dict, key: str) -> object:
    """Return the value of a dotted key; None where the settings lack it, as for a default."""
    for part in key.split("."):
        settings = settings.get(part) if isinstance(settings, dict) else None
    return settings


def _test_patients(benchmark: Benchmark) -> list[StoredPatient]:
    """Return the patients whom any fold or repeat tests, each once."""
    tested: dict[str, StoredPatient] = {}
    for place in benchmark.results.split.places:
        tested |= {one.patient: one for one in stored_patients(benchmark, place, "test")}
    return list(tested.values())


def _tested(benchmark: Benchmark) -> dict[Place, tuple[str, ...]]:
    return {
        place: tuple(one.patient for one in stored_patients(benchmark, place, "test"))
        for place in benchmark.results.split.places
    }


def _cohort(benchmark: Benchmark, test: Sequence[StoredPatient]) -> Cohort:
    place = benchmark.results.split.places[0]
    everyone = stored_patients(benchmark, place)
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
    trained = stored_patients(benchmark, place, "train")
    train = len({one.subject for one in trained if len(one.tumour_slices)})
    return Cohort(benchmark.title, description, simulated, subjects, train, benchmark.note or "")


def _pixel(patients: Sequence[StoredPatient]) -> str:
    """The sides of pixels in mm: "1", or "0.5 to 1" where they differ."""
    sides = [mm for one in patients for mm in one.spacing[1:]]
    return " to ".join(dict.fromkeys(f"{mm:.3g}" for mm in (min(sides), max(sides))))


class Inputs:
    """The checksums of what tables and figures are made from, each run's files read once."""

    def __init__(self, plan: Plan, status: Status):
        self.benchmark, self.scored = plan.benchmark, status.scored
        self.layout = Layout(plan.benchmark.name)
        self.test = _test_patients(plan.benchmark)
        self.tested = _tested(plan.benchmark)
        self._of = cache(self._read)

    def of(self, item: Item, runs: Collection[str] | None = None) -> Checksums:
        """Return those of a table or figure: what it needs of the runs that it shows, or of all."""
        known = checksums(self.layout.split(x) for x in self.benchmark.results.split.places)
        for run, replicate in self.scored:
            for need in item.needs if not runs or run.name in runs else ():
                known |= self._of(need, run, replicate)
        if {"patients", "predictions", "attention"} & set(item.needs):
            known |= patient_checksums(self.benchmark, self.test)
        return known

    def scores(self) -> Checksums:
        """Return those of the long table, which names subgroups of patients."""
        known = patient_checksums(self.benchmark, self.test)
        for pair in self.scored:
            known |= self._of("scores", *pair)
        return known

    def _read(self, need: str, run: Run, replicate: Replicate) -> Checksums:
        folder = self.layout.run(run.name, replicate)
        names = self.tested[replicate.place]
        if need == "patients":
            return {}  # they are no run's
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
