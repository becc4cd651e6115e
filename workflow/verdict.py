"""The commands that judge: score, tabulate, show."""

from benchmarks.cohorts.split import read_split
from benchmarks.cohorts.store import StoredPatient, centre
from benchmarks.config import Benchmark
from benchmarks.files import write_atomically
from benchmarks.reporting.published import read_published
from benchmarks.reporting.tables import COLUMNS, read_scores, write_table
from benchmarks.scoring.protocol import Protocol, load_protocol, score_segmentation, score_synthesis
from workflow.cohort import stored_patients
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.predict import read_prediction

TABLES = ("table1_ablation", "table2_synthesis")


def run_score(benchmark: Benchmark, run: str, seed: int) -> None:
    """Score a run's test patients under every protocol, a row a patient, region and metric."""
    import pandas as pd

    layout, chosen = Layout(benchmark.name), Plan(benchmark)[run]
    protocols = [load_protocol(name) for name in benchmark.results.protocols]
    rows = [
        {"system": run, "seed": seed, "patient": patient.patient, "grade": patient.grade or ""}
        | score
        for patient in stored_patients(benchmark, "test")
        for protocol in protocols
        for score in _scores(layout, chosen, seed, patient, protocol)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    with write_atomically(layout.scores(run, seed)) as file:
        file.write(table.to_csv(index=False, float_format="%.12g", lineterminator="\n").encode())


def _scores(
    layout: Layout, run: Run, seed: int, patient: StoredPatient, protocol: Protocol
) -> list[dict]:
    size = (patient.grid.crop,) * 2 if protocol.frame == "crop" else patient.shape[1:]
    images, labels = patient.volume()
    labels = centre(labels, size, fill=-1)
    rows = []
    if run.synthesizes:
        made = centre(read_prediction(layout, run.name, seed, "t1ce", patient), size, fill=-1)
        rows += score_synthesis(protocol, centre(images[3], size, fill=-1), made, labels)
    if run.segments:
        made = centre(read_prediction(layout, run.name, seed, "seg", patient), size, fill=0)
        spacing, diagonal = patient.spacing, patient.diagonal_mm
        rows += score_segmentation(protocol, labels, made, spacing, diagonal)
    return rows


def run_tabulate(benchmark: Benchmark) -> None:
    """Write the long score table and the paper's tables."""
    layout, plan, published = Layout(benchmark.name), Plan(benchmark), read_published()
    seeds = benchmark.results.seeds
    scores = read_scores(layout.scores(run, seed) for run in plan.runs for seed in seeds)
    with write_atomically(layout.tables / "scores.csv") as file:
        file.write(scores.to_csv(index=False, lineterminator="\n").encode())
    for name in TABLES:
        protocols = benchmark.results.protocols
        cohort = _describe_cohort(benchmark)
        write_table(layout.tables, name, published, scores, plan.systems(), cohort, protocols)


def _describe_cohort(benchmark: Benchmark) -> str:
    """Who was measured, for the titles."""
    splits = [row.split for row in read_split(Layout(benchmark.name).split)]
    counts = f"{len(splits)} patients, {splits.count('test')} of them test"
    slices = benchmark.results.slices
    grid = f"{slices.crop} x {slices.crop} pixels of {slices.downsample} mm"
    if benchmark.cohort.source == "phantom":
        return (
            f"{benchmark.title}, {counts}, {grid}. SIMULATED patients: these numbers can neither "
            "reproduce nor refute a number measured on BraTS"
        )
    return f"{benchmark.title}, {counts}, {grid}"


def run_show(benchmark: Benchmark) -> None:
    """Print the tables."""
    for name in TABLES:
        print((Layout(benchmark.name).tables / f"{name}.md").read_text())
