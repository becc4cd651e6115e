"""The command that makes a benchmark's page out of its tables, figures, scores and volumes."""

from collections.abc import Iterator
from itertools import product

from benchmarks.cohorts.store import StoredPatient
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.provenance import read_manifest
from benchmarks.reporting.figures.style import ENDS, Cohort, label
from benchmarks.reporting.page.pictures import Volumes
from benchmarks.reporting.page.scores import measures
from benchmarks.reporting.page.write import Column, Figure, Page, write_page
from benchmarks.reporting.rows import System, in_order
from benchmarks.reporting.tables import read_scores
from benchmarks.scoring.overlap import largest_component
from workflow.cohort import stored_patients
from workflow.draw import figures
from workflow.layout import CAPTIONS, Layout
from workflow.plan import Plan, Run
from workflow.predict import read_prediction
from workflow.tabulate import TABLES, Pair, describe_cohort, standing, with_reasons


def run_page(benchmark: Benchmark) -> None:
    """Write the page of all that there is: what failed is shown with its reason."""
    plan, layout = Plan(benchmark), Layout(benchmark.name)
    scored, reasons = standing(plan)
    if not scored:
        raise InputError(f"No run of benchmark `{benchmark.name}` has been scored yet.")
    systems = with_reasons(plan, reasons)
    patients = stored_patients(benchmark, "test")
    scores = read_scores(layout.scores(run.name, seed) for run, seed in scored)
    shown = {group[0].name: shown_seeds(group, scored) for group in _groups(plan)}
    description = describe_cohort(benchmark)
    simulated = benchmark.cohort.source == "phantom"
    names = [patient.patient for patient in patients]
    page = Page(
        cohort=Cohort(benchmark.title, f"{description}.", simulated),
        description=description,
        systems=systems,
        columns=_columns(plan, systems, shown, reasons),
        measures=measures(scores, systems, names, benchmark.results.protocols),
        tables=[(layout.tables / f"{name}.md", _caption(name)) for name in TABLES],
        figures=[_figure(layout, name) for name in figures(plan)],
        scores=[path for path in [layout.tables / "scores.csv"] if path.exists()],
        manifest=read_manifest(layout.provenance),
    )
    write_page(layout.page.parent, page, _volumes(layout, plan, patients, shown))


def _groups(plan: Plan) -> list[list[Run]]:
    """What stands in a column: a run, and the segmentors behind it."""
    behind = {run.name: [run] for run in plan.runs.values() if not run.upstream}
    for run in plan.runs.values():
        if run.upstream:
            behind[run.upstream].append(run)
    return list(behind.values())


def shown_seeds(group: list[Run], scored: list[Pair]) -> dict[str, int]:
    """The seed of each run that is shown: the first that all have, so that they belong together."""
    of = {run.name: [seed for other, seed in scored if other == run] for run in group}
    common = [seed for seed in of[group[0].name] if all(seed in seeds for seeds in of.values())]
    return {name: (common or seeds)[0] for name, seeds in of.items() if common or seeds}


def _columns(
    plan: Plan, systems: list[System], shown: dict[str, dict[str, int]], reasons: dict[Pair, str]
) -> list[Column]:
    by_id = {system.id: system for system in systems}
    groups = {group[0].name: group for group in _groups(plan)}
    several = len(plan.benchmark.results.seeds) > 1
    columns = []
    for system in in_order([by_id[name] for name in groups]):
        group, seeds = groups[system.id], shown[system.id]
        makes_t1ce = [run.name for run in group if run.synthesizes and run.name in seeds]
        segments = [run.name for run in group if run.segments and run.name in seeds]
        notes = [f"{by_id[name].label}: seed {seed}" for name, seed in seeds.items() if several]
        for run, seed in product(group, plan.benchmark.results.seeds):
            if why := reasons.get((run, seed)):
                which = f", seed {seed}" if several else ""
                notes.append(f"{by_id[run.name].label}{which} has no scores: {why}")
        seg = segments[0] if segments else None
        columns.append(
            Column(
                label=label(system),
                role=system.role,
                t1ce=makes_t1ce[0] if makes_t1ce else None,
                seg=seg,
                seg_label=by_id[seg].label if seg else "",
                notes=notes,
            )
        )
    return columns


def _volumes(
    layout: Layout, plan: Plan, patients: list[StoredPatient], shown: dict[str, dict[str, int]]
) -> Iterator[Volumes]:
    seeds = {name: seed for group in shown.values() for name, seed in group.items()}
    for patient in patients:
        images, labels = patient.volume(patient.grid.crop)
        t1ce = {
            name: read_prediction(layout, name, seed, "t1ce", patient)
            for name, seed in seeds.items()
            if plan[name].synthesizes
        }
        seg = {
            name: largest_component(read_prediction(layout, name, seed, "seg", patient))
            for name, seed in seeds.items()
            if plan[name].segments
        }
        yield Volumes(patient.patient, patient.spacing, images, labels, t1ce, seg)


def _figure(layout: Layout, name: str) -> Figure:
    picture, *others = (layout.figures / f"{name}{end}" for end in ENDS)
    return Figure(picture, others, _caption(name))


def _caption(name: str) -> str:
    return (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")
