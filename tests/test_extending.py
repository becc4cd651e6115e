"""The files of docs/extending.md, each added to a copy of the repository as one new file."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from made_up import write_cohort
from pipeline import TINY, changed, planned_digests, python, snakemake

ROOT = Path(__file__).parents[1]
METRIC, FIGURE = "sensitivity", "dice_by_volume"
PROTOCOL = "benchmarks/protocols/strict.yaml"


def guide() -> dict[str, str]:
    """The guide's files: a path in backticks, and the next block of Python."""
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    pairs = re.findall(r"^`(benchmarks/\S+\.py)`.*?```python\n(.*?)```", text, re.DOTALL | re.M)
    assert len(pairs) == 4
    return dict(pairs)


TABLE = next(Path(name).stem for name in guide() if "/tables/" in name)


def protocol_line() -> str:
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    return re.search(r"```yaml\n(.*?)```", text, re.DOTALL).group(1)


@pytest.fixture(scope="module")
def extended(finished_copy):
    """A copy of the finished small DAG with a metric, a table and a figure more, run again."""
    folder = finished_copy
    before = planned_digests(folder)
    for name, text in guide().items():
        if "/sources/" not in name:
            (folder / name).write_text(text, encoding="utf-8")
    protocol = folder / PROTOCOL
    text = protocol.read_text(encoding="utf-8")
    assert text.endswith("\n")
    protocol.write_text(text + protocol_line(), encoding="utf-8")
    after = planned_digests(folder)
    done = snakemake(folder, benchmark="tiny.yaml")
    assert done.returncode == 0, done.stdout[-5000:]
    return folder, before, after, done.stdout


def test_the_dag_makes_them_and_retrains_nothing(extended):
    _, before, after, log = extended
    rules = changed(before, after)
    assert {"score", "tabulate", "draw", "page"} <= rules
    assert not {rule for rule in rules if rule.startswith("train")}
    assert "Training" not in log and "Scoring" in log


def test_the_metric_is_in_scores_tables_figures_and_page(extended, finished):
    folder, *_ = extended
    scores = pd.read_csv(folder / "results/tables/tiny/scores.csv")
    values = scores[scores["metric"] == METRIC]["value"]
    assert len(values) and values.dropna().between(0, 1).all()
    assert "Sensitivity ET" in (folder / "results/tables/tiny/table8_metrics.md").read_text()
    data = (folder / "results/page/tiny/data.js").read_text()
    assert f"strict/{METRIC}/et" in data
    drawn = "results/figures/tiny/distributions.png"
    assert (folder / drawn).read_bytes() != (finished / drawn).read_bytes()


def test_the_table_and_the_figure_are_on_the_page(extended):
    folder, *_ = extended
    page = folder / "results/page/tiny"
    data = json.loads((page / "data.js").read_text().partition(" = ")[2].rstrip(";\n"))
    assert TABLE in {table["name"] for table in data["tables"]}
    assert FIGURE in {figure["name"] for figure in data["figures"]}
    assert (page / f"figures/{FIGURE}.png").exists()
    for ending in (".md", ".csv", ".tex", ".json"):
        assert (folder / f"results/tables/tiny/{TABLE}{ending}").exists()
    assert (folder / f"results/figures/tiny/{FIGURE}.pdf").exists()


def test_all_are_in_the_manifest(extended):
    folder, *_ = extended
    manifest = json.loads((folder / "results/manifest/tiny.json").read_text())
    steps = " ".join(manifest["steps"])
    assert TABLE in steps and FIGURE in steps
    assert f"results/tables/tiny/{TABLE}.csv" in manifest["files"]
    done = python(folder, "-m", "benchmarks", "verify", "results/manifest/tiny.json")
    assert done.returncode == 0, done.stdout


def test_a_source_of_patients_is_read_prepared_and_recorded(repository_copy, tmp_path):
    ((name, text),) = ((k, v) for k, v in guide().items() if "/sources/" in k)
    (repository_copy / name).write_text(text, encoding="utf-8")
    names = {"t1": "T1", "t2": "T2", "flair": "FLAIR", "t1ce": "T1C", "seg": "TUMOUR"}
    raw = write_cohort(tmp_path / "raw", ["A", "B", "C", "D"], labels=(0, 2, 1, 3))
    for patient in raw.iterdir():
        for kind, new in names.items():
            (patient / f"{patient.name}_{kind}.nii.gz").rename(patient / f"{new}.nii.gz")
    cohort = f"cohort: {{source: plain, path: {raw}}}"
    text = re.sub(r"cohort: .*", cohort, TINY).replace("seed: 6", "seed: 7")
    text = text.replace("downsample: 3, step: 5", "downsample: 1, step: 1")
    (repository_copy / "plain.yaml").write_text(text)
    store = repository_copy / "results/store/plain"
    target = store.relative_to(repository_copy) / "split.csv"
    done = snakemake(repository_copy, str(target), benchmark="plain.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    meta = json.loads((store / "A.json").read_text())
    assert meta["source"] == "plain" and meta["files"]["t1ce"]["name"] == "T1C.nii.gz"
    records = "".join(
        path.read_text() for path in (repository_copy / "results/records/plain").rglob("*.json")
    )
    assert "data:A/T1C.nii.gz" in records
