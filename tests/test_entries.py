"""Predictions made elsewhere enter a finished benchmark: every table, the page and the manifest."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from pipeline import TABLES_ALONE, python, runs_of, snakemake
from scipy.ndimage import gaussian_filter

TABLES = Path("results/tables/tiny")


def split(folder: Path, *places: str) -> list[str]:
    rows = pd.read_csv(folder / "results/store/tiny/split.csv")
    return list(rows.patient[rows.split.isin(places)])


def commands(folder: Path, *arguments: str) -> list[str]:
    done = snakemake(folder, *arguments, benchmark="tiny.yaml")
    assert done.returncode == 0, done.stdout[-5000:]
    return re.findall(r"python -m workflow [^>\n]*", done.stdout)


def predict(folder: Path, patient: str, target: Path) -> None:
    """A stranger's T1ce: the true one blurred, in scanner units, as int16, its axes turned."""
    original = nib.load(folder / f"results/phantom/tiny/{patient}/{patient}_t1ce.nii.gz")
    blurred = gaussian_filter(original.get_fdata(), 2)
    image = nib.Nifti1Image(np.rint(blurred).astype(np.int16), original.affine)
    turned = nib.orientations.axcodes2ornt("PIR")
    turn = nib.orientations.ornt_transform(nib.io_orientation(original.affine), turned)
    nib.save(image.as_reoriented(turn), target)


@pytest.fixture(scope="module")
def entered(finished_copy, tmp_path_factory):
    """The finished benchmark with a stranger's T1ce of test patients, and what its jobs were."""
    made = tmp_path_factory.mktemp("elsewhere")
    for patient in split(finished_copy, "test"):
        predict(finished_copy, patient, made / f"{patient}.nii.gz")
    arguments = ["new", "blurred", "--external", f"{made}/{{patient}}.nii.gz", "--range", "scanner"]
    done = python(finished_copy, "-m", "methods", *arguments)
    assert done.returncode == 0, done.stdout
    return finished_copy, commands(finished_copy), made


def test_nothing_else_is_trained(entered):
    _, jobs, _ = entered
    assert not [job for job in jobs if " train " in job]
    assert runs_of(jobs) == {"blurred", "blurred+unet.frozen"}


@pytest.mark.parametrize(
    ("table", "run"),
    [
        ("table2_synthesis", "blurred"),
        ("table3_segmentation", "blurred+unet.frozen"),
        ("table8_metrics", "blurred"),
        ("table9_utilities", "blurred+unet.frozen"),
    ],
)
def test_it_is_in_the_tables(entered, table, run):
    folder, _, _ = entered
    rows = pd.read_csv(folder / TABLES / f"{table}.csv")
    assert run in set(rows.run), table
    text = (folder / TABLES / f"{table}.md").read_text()
    assert "Blurred" in text and "training patients not declared" in text


def test_it_is_close_to_what_it_is_made_of(entered):
    folder, _, _ = entered
    scores = pd.read_csv(folder / TABLES / "scores.csv")
    brain = scores[(scores.metric == "psnr") & (scores.region == "brain")]
    psnr = brain[brain.protocol == "strict"].groupby("run").value.mean()
    assert psnr["blurred"] > psnr["copy_t1"] + 3


def test_it_is_on_the_page_and_in_the_manifest(entered):
    folder, _, _ = entered
    data = (folder / "results/page/tiny/data.js").read_text()
    assert '"t1ce":"blurred"' in data and '"seg":"blurred+unet.frozen"' in data
    manifest = json.loads((folder / "results/manifest/tiny.json").read_text())
    named = {name for step in manifest["steps"].values() for name in step["takes"]}
    files = {f"external:blurred/t1ce/{patient}.nii.gz" for patient in split(folder, "test")}
    assert files <= named, "the manifest lacks the ingested files"
    verified = python(folder, "-m", "benchmarks", "verify", "results/manifest/tiny.json")
    assert verified.returncode == 0, verified.stdout


def test_a_round_trip_changes_no_score(entered, tmp_path):
    """What `export` writes of a method's T1ce and segmentation enters again with its scores."""
    folder, _, _ = entered
    cases = tmp_path / "cases"
    shutil.copytree(folder / "results/cases/tiny/maf_net.joint/seed0", cases)
    (folder / "methods/again").mkdir()
    (folder / "methods/again/method.yaml").write_text(
        "title: again\nsummary: exported\nkind: external\nrange: signed\npatients: test\n"
        f"t1ce: {cases}/{{patient}}_t1ce.nii.gz\nseg: {cases}/{{patient}}_seg.nii.gz\n"
        f"learned_from: {split(folder, 'train', 'val')}\n"
    )
    commands(folder, *TABLES_ALONE)
    scores = pd.read_csv(folder / TABLES / "scores.csv")
    key = ["patient", "protocol", "task", "region", "metric", "postprocessing"]
    for ours, theirs in (
        ("maf_net.joint", "again"),
        ("maf_net.joint+unet.frozen", "again+unet.frozen"),
    ):
        both = [scores[scores.run == run].set_index(key) for run in (ours, theirs)]
        assert len(both[0]) == len(both[1]) > 50
        np.testing.assert_allclose(both[1].value.reindex(both[0].index), both[0].value, atol=1e-4)
        assert both[1].note.fillna("").equals(both[0].note.fillna("").reindex(both[1].index))


def test_what_is_wrong_fails_that_entry_alone(entered):
    folder, _, made = entered
    patient = split(folder, "test")[0]
    path = made / f"{patient}.nii.gz"
    image = nib.load(path)
    broken = np.asarray(image.dataobj).astype(np.float32)
    broken[0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(broken, image.affine), path)
    done = snakemake(folder, *TABLES_ALONE, benchmark="tiny.yaml")
    assert done.returncode != 0
    text = (folder / TABLES / "table2_synthesis.md").read_text()
    assert re.search(rf"Blurred failed: ingest: .*{patient}.*NaN", text), text[-3000:]
    assert "CUTGAN failed" not in text
    # A missing file is reported once, while planning.
    path.unlink()
    planned = snakemake(folder, "-n", benchmark="tiny.yaml")
    assert planned.returncode == 0
    assert planned.stdout.count(f"methods/blurred, `t1ce`, patient {patient}: there is no") == 1
