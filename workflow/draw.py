"""The command that draws the figures of a benchmark."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.reporting.cost import read_costs
from benchmarks.reporting.published import read_published
from benchmarks.reporting.tables import ABBREVIATED, System, read_scores
from benchmarks.scoring.overlap import largest_component
from benchmarks.scoring.protocol import METRICS
from workflow.cohort import stored_patients
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.predict import read_prediction
from workflow.tabulate import describe_cohort, standing, with_reasons
from workflow.train import make_view, trained_entry
from workflow.training.devices import device

if TYPE_CHECKING:
    from benchmarks.reporting.figures import Case, Gaze

FIGURES = (
    "fig4_synthesis",
    "fig5_segmentation",
    "distributions",
    "ranks",
    "conventions",
    "similarity_vs_utility",
    "training_curves",
    "cost_vs_quality",
)
ATTENTION = "attention"
FULLEST = "Of each, the slice with the most tumour."
GLANCES = 3
"""Slices of a patient in the figure of attention."""


def figures(plan: Plan) -> list[str]:
    """The names of the figures that a benchmark has, known before anything is trained."""
    return [*FIGURES, *([ATTENTION] if _attentive(plan) else [])]


def _attentive(plan: Plan) -> list[Run]:
    """The runs whose entry can say how it weighs the modalities at each place.

    Such an entry has a method `attention(inputs)`, (B, C, H, W) -> (B, C, h, w) that sums to 1
    over the modalities, or None for a variant that has none.
    """
    return [
        run
        for run in plan.runs.values()
        if run.trained and not run.upstream and hasattr(run.method.entry, ATTENTION)
    ]


def run_draw(benchmark: Benchmark) -> None:
    """Write every figure as PNG and PDF; what has no scores is left out, and named in a footer."""
    # matplotlib takes a second to import, and Snakemake asks this module for names only.
    from benchmarks.reporting import figures as drawing

    material = _Material(benchmark)
    for name in figures(material.plan):
        figure = getattr(material, name)(getattr(drawing, name))
        drawing.save(figure, material.layout.figures, name)


class _Material:
    """What the figures are drawn of; a method a figure, which gets the function that draws it."""

    def __init__(self, benchmark: Benchmark):
        from benchmarks.reporting.figures import Cohort

        self.plan, self.layout = Plan(benchmark), Layout(benchmark.name)
        self.scored, reasons = standing(self.plan)
        if not self.scored:
            raise InputError(f"No run of benchmark `{benchmark.name}` has been scored yet.")
        self.systems: list[System] = with_reasons(self.plan, reasons)
        self.scores = read_scores(self.layout.scores(run.name, seed) for run, seed in self.scored)
        self.patients = stored_patients(benchmark, "test")
        protocols = benchmark.results.protocols
        self.protocol = "strict" if "strict" in protocols else protocols[0]
        simulated = benchmark.cohort.source == "phantom"
        self.cohort = Cohort(benchmark.title, _sentence(benchmark), simulated)

    def fig4_synthesis(self, draw: Callable):
        region = "brain" if self.protocol == "strict" else "whole"
        chosen, rule = self._choose("ssim", region)
        cases = self._cases("t1ce", chosen)
        return draw(self.cohort, cases, self.systems, f"Patients: {rule}. {FULLEST}")

    def fig5_segmentation(self, draw: Callable):
        chosen, rule = self._choose("dice", "wt")
        cases = self._cases("seg", chosen)
        return draw(self.cohort, cases, self.systems, f"Patients: {rule}. {FULLEST}")

    def distributions(self, draw: Callable):
        return draw(self.cohort, self.scores, self.systems, self.protocol)

    ranks = similarity_vs_utility = distributions

    def conventions(self, draw: Callable):
        return draw(self.cohort, self.scores, self.systems)

    def training_curves(self, draw: Callable):
        histories: dict[str, list[pd.DataFrame]] = {}
        for run, seed in self.scored:
            path = self.layout.history(run.name, seed)
            if run.trained and path.exists():
                histories.setdefault(run.name, []).append(pd.read_csv(path))
        return draw(self.cohort, histories, self.systems)

    def cost_vs_quality(self, draw: Callable):
        from benchmarks.reporting.figures import hours

        costs = read_costs(self.layout.cost(r.name, seed) for r, seed in self.scored if r.trained)
        took = hours(read_published(), costs, self.systems, self.plan.trainings())
        return draw(self.cohort, self.scores, took, self.systems, self.protocol)

    def attention(self, draw: Callable):
        chosen, rule = self._choose("dice", "et")
        patient = next((p for p, why in chosen.items() if why == "median"), next(iter(chosen)))
        stored = next(p for p in self.patients if p.patient == patient)
        slices = _glances(stored)
        gazes = [gaze for run in _attentive(self.plan) for gaze in self._gazes(run, stored, slices)]
        one = "the median" if "median" in chosen.values() else "the first"
        among = rule.rpartition(" of ")[2]
        where = "Slices at a quarter, a half and three quarters of the tumour's height."
        return draw(self.cohort, gazes, self.systems, f"Patient: {one} of {among}. {where}")

    def _choose(self, metric: str, region: str) -> tuple[dict[str, str], str]:
        """The test patients to show, what each stands for, and the rule in words."""
        from benchmarks.reporting.figures import choose, mean_of_entries

        means = mean_of_entries(self.scores, self.systems, metric, region, self.protocol)
        everyone = [patient.patient for patient in self.patients]
        chosen = choose(means.reindex(everyone))
        if len(chosen) == len(everyone):
            return chosen, "all test patients"
        if not any(chosen.values()):
            return chosen, f"the first {len(chosen)} of {len(everyone)} test patients"
        name = f"{METRICS[metric].title} {region.upper() if region in ABBREVIATED else region}"
        return chosen, (
            f"best, median and worst of {len(everyone)} test patients by {name}, mean over the "
            "entries"
        )

    def _cases(self, what: str, chosen: dict[str, str]) -> list["Case"]:
        stored = {patient.patient: patient for patient in self.patients}
        return [self._case(stored[patient], what, why) for patient, why in chosen.items()]

    def _case(self, patient: StoredPatient, what: str, why: str) -> "Case":
        z = int(np.argmax(patient.meta.tumour_per_slice))
        made = {}
        for run, seed in self.scored:
            makes = run.synthesizes if what == "t1ce" else run.segments
            if makes and run.name not in made:
                volume = read_prediction(self.layout, run.name, seed, what, patient)
                made[run.name] = (largest_component(volume) if what == "seg" else volume)[z]
        return _slice(patient, z, why, made)

    def _gazes(self, run: Run, patient: StoredPatient, slices: Sequence[int]) -> list["Gaze"]:
        from benchmarks.reporting.figures import Gaze

        seed = next((seed for scored, seed in self.scored if scored.name == run.name), None)
        if seed is None:
            return []
        view = make_view(self.plan, run, seed)
        # Its rule asks for no GPU, and one would be no quicker over a few slices.
        speed = self.plan.benchmark.speed.model_copy(update={"device": "cpu"})
        with device(speed) as where, torch.inference_mode():
            entry, _ = trained_entry(self.plan, run, seed, where)
            entry.training(False)
            inputs = torch.from_numpy(view.volume(patient)[list(slices)])
            weights = entry.attention(inputs.to(where))
        if weights is None:
            return []
        maps = weights.float().cpu().numpy()
        cases = (_slice(patient, z, "", {}) for z in slices)
        return [Gaze(run.name, case, own) for case, own in zip(cases, maps, strict=True)]


def _slice(patient: StoredPatient, z: int, why: str, made: dict[str, np.ndarray]) -> "Case":
    from benchmarks.reporting.figures import Case

    images, labels = patient.slice(z, patient.grid.crop)
    return Case(patient.patient, why, z, patient.spacing[1:], images, labels, made)


def _glances(patient: StoredPatient) -> list[int]:
    """Slices spread over the tumour's height, or over the whole volume where there is none."""
    among = patient.tumour_slices if len(patient.tumour_slices) else np.arange(patient.shape[0])
    places = np.linspace(0, len(among) - 1, GLANCES + 2)[1:-1]
    return sorted({int(among[round(place)]) for place in places})


def _sentence(benchmark: Benchmark) -> str:
    text = describe_cohort(benchmark)
    return f"{text[:1].upper()}{text[1:]}."
