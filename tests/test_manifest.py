"""What a manifest says, and that `verify` names what changed and all that follows from it."""

import hashlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import stored_cohort, write_cohort

from benchmarks import __main__ as command_line
from benchmarks import manifest as manifests
from benchmarks.__main__ import main as judge
from benchmarks.checksums import array_checksum, checksum
from benchmarks.cohorts.plausibility import suspicious
from benchmarks.cohorts.replicate import Replicate
from benchmarks.cohorts.store import Scan
from benchmarks.config import load
from benchmarks.errors import InputError
from benchmarks.manifest import read_manifest, seal
from benchmarks.reporting.catalogue import catalogue
from workflow import checks, machine
from workflow.__main__ import main as workflow
from workflow.cohort import patient_files
from workflow.commands import simulate
from workflow.layout import Layout
from workflow.locks import exclusive
from workflow.plan import Plan
from workflow.records import Record, checksums, read_records, write_records
from workflow.results import Inputs
from workflow.status import record_failure, run_status
from workflow.verbs import VERBS

MINE = """
title: made up
cohort: {source: brats, path: data}
results:
  methods: [copy_t1]
  split: {fractions: [2, 1, 2], seed: 7}
  slices: {crop: 32, downsample: 2, step: 1}
  training: {batch: 2, steps_per_epoch: 1, epochs: {segmentation: 1}}
  params: {unet: {width: 4}}
speed: {device: cpu}
"""
MANIFEST = Path("results/manifest/mine.json")
RUNS = Path("results/runs/mine")
TABLES = Path("results/tables/mine")


def do(*arguments: str) -> None:
    assert workflow([*arguments, "--benchmark", "mine.yaml"]) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results of floors and a ceiling on six made-up patients, and their manifest."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "mine.yaml").write_text(MINE)
    patients = [f"P{n}" for n in range(6)]
    write_cohort(folder / "data", patients)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv(machine.COMMAND, raising=False)
        for patient in patients:
            do("prepare", "--patient", patient)
        do("cohort")
        do("split")
        for run in ("copy_t1", "empty", "real_t1ce"):
            do("synthesize", "--run", run, "--seed", "0")
            do("score", "--run", run, "--seed", "0")
            for verb in ("train", "segment", "score"):
                do(verb, "--run", f"{run}+unet", "--seed", "0")
        for run in ("copy_t1", "empty"):
            for verb in ("segment", "score"):
                do(verb, "--run", f"{run}+unet.frozen", "--seed", "0")
        do("tabulate")
        do("manifest")
        do("export", "--run", "copy_t1", "--seed", "0")
        do("page")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of it, as the current folder."""
    copy = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def verify(here, capsys, monkeypatch):
    monkeypatch.setattr(command_line, "SHOWN", 1000)  # so that no name is left out

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = judge(["verify", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def record_again() -> None:
    """Make the records agree with the files, as if the jobs had written these."""
    for path in Path("results/records/mine").rglob("*.json"):
        job = json.loads(path.read_text())
        for record in job["steps"]:
            for named in (record["takes"], record["makes"]):
                for name in named:
                    if Path(name).suffix != ".npy" and Path(name).is_file():
                        named[name] = checksum(Path(name))
        path.write_text(json.dumps(job))


def section(text: str, heading: str) -> list[str]:
    """The names below the first heading that begins so."""
    _, _, rest = text.partition(f"\n{heading}")
    assert rest, f"no `{heading}` in:\n{text}"
    return [line.strip() for line in rest.split("\n\n")[0].splitlines()[1:]]


def test_what_was_just_made_agrees(verify):
    code, text = verify()
    assert code == 0, text
    tables = len(list(TABLES.iterdir()))
    assert f"Everything agrees: {tables} tables and figures follow from their inputs." in text
    assert re.search(r"\b\d+ files compared", text)


def test_what_it_says(here):
    manifest = read_manifest(MANIFEST)
    assert manifest.settings == load("mine.yaml").model_dump(mode="json", exclude={"page"})
    assert manifest.command is None
    assert manifest.environment["packages"]["torch"]
    assert manifest.machine["cores"] >= 1 and manifest.machine["memory_bytes"] > 0
    assert len(manifest.data.files) == 6 * 5 and manifest.data.folder == "data"
    assert [check.name for check in manifest.checks if check.critical and not check.holds] == []
    assert len(manifest.checks) >= 10
    assert manifest.runs["copy_t1+unet"]["seed 0"]["cost"]["updates"] == 1
    assert manifest.runs["copy_t1"]["seed 0"]["cost"] is None
    assert manifest.runs["copy_t1"]["seed 0"]["prediction_cost"]["volumes"] == 6
    assert manifest.runs["copy_t1+unet"]["seed 0"]["prediction_cost"] is None
    written = set(manifest.files) | set(manifest.arrays)
    for folder in ("store", "tables"):
        assert {p.as_posix() for p in Path(f"results/{folder}").rglob("*.*")} <= written
    for name in ("weights.pt", "cost.csv", "history.csv", "seg.json", "scores.csv"):
        assert (RUNS / "copy_t1+unet/seed0" / name).as_posix() in written


def test_it_names_no_place_of_its_writer(here):
    text = MANIFEST.read_text(encoding="utf-8")
    assert str(here) not in text and str(Path.home()) + "/" not in text


def test_it_differs_in_nothing_but_the_time(here):
    first = json.loads(MANIFEST.read_text(encoding="utf-8"))
    do("manifest")
    second = json.loads(MANIFEST.read_text(encoding="utf-8"))
    assert list(first) == list(second)
    assert {key for key in first if first[key] != second[key]} <= {"written", "seal"}


def test_the_command_of_snakemake_is_kept(here, monkeypatch):
    monkeypatch.setenv(machine.COMMAND, "")
    monkeypatch.delenv(machine.COMMAND)
    machine.remember_command(["/home/me/bin/snakemake", "--cores", "2"])
    machine.remember_command(["/home/me/bin/snakemake", "--target-jobs", "train"])
    do("manifest")
    assert read_manifest(MANIFEST).command == ["snakemake", "--cores", "2"]


def test_an_edited_table(verify):
    flip(TABLES / "table1_ablation.md")
    code, text = verify()
    assert code == 1
    assert section(text, "Changed (1)") == [f"{TABLES}/table1_ablation.md"]
    assert section(text, "Changed, though none") == [f"{TABLES}/table1_ablation.md"]
    assert "No longer follow" not in text
    tables = len(list(TABLES.iterdir()))
    assert f"{tables - 1} of {tables} tables" in text


def test_changed_scores_reach_their_own_tables_alone(verify):
    flip(RUNS / "copy_t1/seed0/scores.csv")
    code, text = verify()
    assert code == 1
    stale = section(text, f"No longer follow from their inputs, because of {RUNS}/copy_t1/")
    # Of the rows of `copy_t1`, which segments nothing; table4_cost follows from costs.
    assert {Path(name).stem for name in stale} >= {"table2_synthesis", "scores"}
    assert not {Path(name).stem for name in stale} & {
        "table1_ablation",
        "table3_segmentation",
        "table4_cost",
    }


def test_changed_costs_reach_the_table_of_costs_alone(verify):
    flip(RUNS / "copy_t1+unet/seed0/cost.csv")
    code, text = verify()
    assert code == 1
    stale = section(text, "No longer follow")
    assert {Path(name).stem for name in stale} == {"table4_cost"}


def test_the_cost_of_a_synthesis_reaches_the_table_of_costs_alone(verify):
    flip(RUNS / "copy_t1/seed0/t1ce_cost.csv")
    code, text = verify()
    assert code == 1
    assert {Path(name).stem for name in section(text, "No longer follow")} == {"table4_cost"}


def patient_in(split: str) -> str:
    lines = Path("results/store/mine/split.csv").read_text(encoding="utf-8").splitlines()
    return next(line.split(",")[0] for line in lines if line.endswith(f",{split}"))


def test_a_changed_patient_reaches_what_trained_on_it(verify):
    path = Path(f"results/store/mine/{patient_in('train')}.npy")
    flip(path)
    code, text = verify()
    assert code == 1
    assert section(text, "Changed (1)") == [str(path)]
    again = section(text, "Steps to run again")
    assert "train copy_t1+unet, seed 0" in again and "score real_t1ce+unet, seed 0" in again
    assert "table1_ablation" in text.partition("No longer follow")[2]


def test_a_changed_test_patient_retrains_nothing(verify):
    flip(Path(f"results/store/mine/{patient_in('test')}.npy"))
    again = section(verify()[1], "Steps to run again")
    assert not [step for step in again if step.startswith("train")]
    assert "score copy_t1, seed 0" in again


def test_changed_weights(verify):
    path = RUNS / "real_t1ce+unet/seed0/weights.pt"
    flip(path)
    code, text = verify()
    assert code == 1
    assert section(text, f"No longer follow from their inputs, because of {path}")
    again = section(text, "Steps to run again")
    # The ceiling's segmentor is the frozen one of the others.
    behind = ["real_t1ce+unet", "copy_t1+unet.frozen", "empty+unet.frozen"]
    expected = {f"{verb} {run}, seed 0" for verb in ("segment", "score") for run in behind}
    assert set(again) == expected


def test_a_changed_volume(verify):
    path = RUNS / f"copy_t1/seed0/t1ce/{patient_in('train')}.npy"
    flip(path)
    code, text = verify()
    assert code == 1 and section(text, "Changed (1)") == [str(path)]
    again = section(text, "Steps to run again")
    # It trained on that T1ce; the scores of `copy_t1` itself are of test patients.
    assert "train copy_t1+unet, seed 0" in again and "score copy_t1, seed 0" not in again


def test_a_changed_input_file(verify):
    flip(Path("data/P3/P3_t2.nii.gz"))
    code, text = verify()
    assert code == 1
    assert section(text, "Changed (1)") == ["P3/P3_t2.nii.gz (input data)"]
    assert "because of P3/P3_t2.nii.gz (input data)" in text
    assert "prepare P3" in section(text, "Steps to run again")


def test_input_data_that_is_elsewhere_or_nowhere(verify, here):
    (here / "data").rename(here / "moved")
    code, text = verify()
    assert code == 0, text
    assert "Not compared: 30 of 30 files of input data, which are not in data; --data" in text
    code, text = verify("--data", here / "moved")
    assert code == 0 and "Not compared" not in text
    flip(here / "moved/P0/P0_seg.nii.gz")
    assert verify("--data", here / "moved")[0] == 1


def test_figures_follow_from_what_is_drawn_in_them(verify, here):
    figures = here / "results/figures/mine"
    figures.mkdir(parents=True)
    plan = Plan(load("mine.yaml"))
    inputs, records = Inputs(plan, run_status(plan)), []
    drawn = [item for item in catalogue() if item.name in ("ranks", "training_curves", "synthesis")]
    for item in drawn:
        paths = [figures.relative_to(here) / name for name in item.files]
        for path in paths:
            path.write_text("drawn")
        records.append(Record(f"draw {item.name}", inputs.of(item), checksums(paths)))
    write_records(Layout("mine").record("draw"), records)
    do("manifest")
    assert verify()[0] == 0
    flip(RUNS / f"copy_t1/seed0/t1ce/{patient_in('test')}.npy")
    stale = {Path(name).stem for name in section(verify()[1], "No longer follow")}
    assert {"ranks", "synthesis", "table2_synthesis"} <= stale
    # No training sees a test patient.
    assert "training_curves" not in stale
    flip(figures / "ranks.png")
    assert f"{figures.relative_to(here)}/ranks.png" in section(verify()[1], "Changed")


def copies() -> list[Path]:
    """Some files of the page and of the exported cases, and their listings."""
    page, cases = Path("results/page/mine"), Path("results/cases/mine/copy_t1/seed0")
    return [page / "data.js", page / "index.html", page / "patients/0.js", page / "checksums.json",
            cases / f"{patient_in('test')}_t1ce.nii.gz", cases / "index.json"]  # fmt: skip


@pytest.mark.parametrize("number", range(6))
def test_a_changed_copy(verify, number):
    path = copies()[number]
    flip(path)
    code, text = verify()
    assert code == 1 and section(text, "Changed (1)") == [str(path)]
    folder = "results/page/mine/" if number < 4 else "results/cases/mine/copy_t1/seed0/"
    assert f"For the page and exported cases delete their folder: {folder}." in text
    assert "No longer follow" not in text


def test_a_missing_copy_and_none(verify):
    first, *_, last = copies()
    (last.parent / f"{patient_in('test')}_t1ce.nii.gz").unlink()
    first.unlink()
    code, text = verify()
    assert code == 1 and str(first) in section(text, "Missing (2)")
    for path in (first, last):
        shutil.rmtree(path.parent)
    assert verify()[0] == 0


def test_a_listing_names_nothing_outside(verify, here):
    (here.parent / "secret.txt").write_text("nobody's business")
    _, *_, index = copies()
    index.write_text(json.dumps({"files": {"../../../../../../secret.txt": "0" * 64}}))
    code, text = verify()
    assert code == 1 and section(text, "Changed (1)") == [str(index)]


def test_a_missing_file(verify):
    path = RUNS / "copy_t1+unet/seed0/weights.pt"
    path.unlink()
    (TABLES / "table4_cost.tex").unlink()
    code, text = verify()
    assert code == 1
    assert section(text, "Missing (2)") == [str(path), f"{TABLES}/table4_cost.tex"]
    assert f"because of {path}" in text


def test_new_files(verify):
    for path in (TABLES / "table9.md", Path("results/store/mine/P9.npy")):
        path.write_text("new")
    (TABLES / ".table9.md.12.tmp").write_text("being written")
    code, text = verify()
    assert code == 1
    new = section(text, "New")
    assert new == ["results/store/mine/P9.npy", f"{TABLES}/table9.md"]


def test_both_changed_says_that_the_manifest_is_the_older(verify):
    flip(RUNS / "copy_t1+unet/seed0/scores.csv")
    flip(TABLES / "scores.csv")
    code, text = verify()
    assert code == 1
    assert f"{TABLES}/scores.csv" in section(text, "No longer follow")
    assert "Changed, though none" not in text
    assert "write the manifest again: python -m workflow manifest --benchmark mine" in text


def test_quick_reads_no_large_file(verify, monkeypatch):
    flip(RUNS / "copy_t1+unet/seed0/weights.pt")
    monkeypatch.setattr(manifests, "LARGE", 100_000)
    code, text = verify("--quick")
    assert code == 0 and re.search(r"Not read: \d+ files above", text)
    with (RUNS / "copy_t1+unet/seed0/weights.pt").open("ab") as file:
        file.write(b"longer")
    assert verify("--quick")[0] == 1


def test_a_manifest_is_found_from_elsewhere(verify, here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert verify(here / MANIFEST)[0] == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: "[]", "is no manifest"),
        (lambda text: text.replace('"format": 2', '"format": 1'), r"`format`"),
        (lambda text: text.replace('"holds": true', '"holds": false', 1), "`seal`.*edited"),
        (lambda text: re.sub(r'"checks": \[.*?\],\n "data"', '"checks": [],\n "data"', text,
                             flags=re.S), "`checks`"),
        (lambda text: text.replace('"benchmark"', '"bench"', 1), "`benchmark`.*required"),
        (lambda text: text.replace('"takes": [\n    "data:', '"takes": [\n    "/etc/passwd', 1),
         "names /etc/passwd.*, which has no checksum"),
    ],
)  # fmt: skip
def test_a_bad_manifest_is_told(verify, damage, message):
    MANIFEST.write_text(damage(MANIFEST.read_text(encoding="utf-8")), encoding="utf-8")
    code, text = verify()
    assert code == 2
    assert re.search(message, text), text
    assert str(MANIFEST) in text
    assert "Write it anew: python -m workflow manifest --benchmark mine" in text


def test_no_manifest(verify):
    MANIFEST.unlink()
    code, text = verify()
    assert code == 2 and "There is no manifest in results/manifest" in text
    code, text = verify("nowhere.json")
    assert code == 2 and "There is no nowhere.json" in text


@pytest.mark.parametrize("place", ["files", "arrays", "data", "folders", "shown"])
@pytest.mark.parametrize("path", ["../secret.txt", "results/../../secret.txt", "{absolute}"])
def test_paths_that_lead_out_are_refused(verify, here, monkeypatch, place, path):
    secret = here.parent / "secret.txt"
    secret.write_text("nobody's business")
    path = path.format(absolute=secret)
    content = json.loads(MANIFEST.read_text(encoding="utf-8"))
    sha256 = "0" * 64
    if place == "files":
        content["files"][path] = {"bytes": 1, "sha256": sha256}
    elif place == "data":
        content["data"]["files"][path] = sha256
    elif place == "arrays":
        content["arrays"][path] = sha256
    else:
        content[place].append(path)
    content["seal"] = seal(content)
    MANIFEST.write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setattr(manifests, "checksum", None)  # reading any file would raise
    code, text = verify()
    assert code == 2
    assert "must be relative, without `..`" in text and f"`{place}" in text


def test_an_array_is_known_without_its_header(tmp_path):
    array = np.arange(12, dtype=np.int16).reshape(3, 4)
    for version in ((1, 0), (2, 0)):
        with (tmp_path / "a.npy").open("wb") as file:
            np.lib.format.write_array(file, array, version)
        assert array_checksum(tmp_path / "a.npy") == hashlib.sha256(array).hexdigest()
    (tmp_path / "a.npy").write_bytes(b"short")
    assert array_checksum(tmp_path / "a.npy") == ""


def check(manifest: manifests.Manifest, part: str) -> manifests.Check:
    (found,) = [check for check in manifest.checks if part in check.name]
    return found


def test_a_run_without_scores_has_its_reason(verify):
    scores = RUNS / "copy_t1+unet/seed0/scores.csv"
    scores.unlink()
    do("manifest")
    left = check(read_manifest(MANIFEST), "or a failure")
    assert not left.holds and left.found == "copy_t1+unet, seed 0"
    code, text = verify()
    assert code == 1 and "Did not hold when the manifest was written" in text
    (scores.parent / "failed-train.txt").write_text("loss is nan")
    do("tabulate")
    do("manifest")
    manifest = read_manifest(MANIFEST)
    assert check(manifest, "or a failure").holds
    assert manifest.runs["copy_t1+unet"]["seed 0"]["reason"] == "train: loss is nan"
    code, text = verify()
    assert code == 0
    assert section(text, "Runs without scores") == ["copy_t1+unet, seed 0: train: loss is nan"]


def test_an_image_under_two_names(here):
    path = Path("results/store/mine/input_checksums.csv")
    split = {p: patient_in(p) for p in ("train", "test")}
    lines = path.read_text(encoding="utf-8").splitlines()
    (own,) = [x for x in lines if x.startswith(f"{split['test']},flair")]
    other = f"{split['train']},flair"
    lines = [f"{x.rpartition(',')[0]},{own.split(',')[3]}" if x.startswith(other) else x
             for x in lines]  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    do("manifest")
    shared = check(read_manifest(MANIFEST), "under another name")
    assert not shared.holds
    assert shared.found == f"flair of {split['train']} is one of {split['test']}"


def test_a_row_of_fewer_patients(here):
    path = TABLES / "table3_segmentation.csv"
    rows = list(checks.rows(path))
    tested = Path("results/store/mine/split.csv").read_text(encoding="utf-8").count(",test\n")
    assert not list(checks._miscounted(rows, tested))
    measured = next(row for row in rows if row["run"] == "copy_t1+unet")
    column = next(name for name in measured if name.endswith("_n") and measured[name])
    measured[column] = str(int(measured[column]) + 1)
    (fault,) = checks._miscounted(rows, tested)
    assert fault.startswith(f"copy_t1+unet, {column}")
    measured["patients"] = "1"
    assert "copy_t1+unet has n 1" in list(checks._miscounted(rows, tested))


def edit_index(run: str, kind: str, change) -> None:
    path = RUNS / run / f"seed0/{kind}.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))
    record_again()


def leak(index):
    index["learned"]["patients"]["train"].append(patient_in("test"))


def swap_modalities(index):
    index["learned"]["inputs"][:2] = ["t2", "t1"]


def all_one_class(index):
    for seen in index["seen"].values():
        seen["classes"] = [2]


def all_grey(index):
    index["seen"][patient_in("test")]["deviation"] = 0.001


@pytest.mark.parametrize(
    ("run", "kind", "change", "name", "found", "critical"),
    [
        ("copy_t1+unet", "seg", leak, "no run learned from", "copy_t1+unet, seed 0: {} (train)", 1),
        ("copy_t1+unet", "seg", swap_modalities, "in which it learned",
         "copy_t1+unet, seed 0 learned t2, t1, flair and is given t1, t2, flair", 1),
        ("copy_t1+unet", "seg", all_one_class, "one class only",
         "copy_t1+unet, seed 0: class 2 everywhere", 0),
        ("copy_t1", "t1ce", all_grey, "is constant", "copy_t1, seed 0: {}", 0),
    ],
)  # fmt: skip
def test_nonsense_is_named(verify, run, kind, change, name, found, critical):
    edit_index(run, kind, change)
    do("manifest")
    seen = check(read_manifest(MANIFEST), name)
    assert not seen.holds and seen.found.split("; ")[0] == found.format(patient_in("test"))
    assert seen.critical == bool(critical)
    code, text = verify()
    assert code == critical and seen.found in text


def test_a_loss_that_is_no_number(verify):
    path = RUNS / "copy_t1+unet/seed0/history.csv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace(lines[1].split(",")[1], "nan")
    path.write_text("\n".join(lines) + "\n")
    record_again()
    do("manifest")
    assert "is nan in epoch 1" in check(read_manifest(MANIFEST), "no loss").found


def test_swapped_files_of_a_patient_raise_a_doubt(verify):
    patient = patient_in("train")
    path = Path(f"results/store/mine/{patient}.npy")
    stored = np.load(path)
    stored[:, :2] = stored[:, 1::-1].copy()
    np.save(path, stored)
    meta = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(meta | {"sha256": checksum(path)}))
    for record in Path("results/records/mine").rglob("*.json"):
        record.write_text(record.read_text().replace(meta["sha256"], checksum(path)))
    record_again()
    do("manifest")
    finding = check(read_manifest(MANIFEST), "named after")
    assert not finding.holds and not finding.critical
    assert "t2 like t1, t1 like t2" in finding.found and finding.found.startswith(patient)
    code, text = verify()
    assert code == 0 and "Worth a look" in text


def test_any_two_modalities_that_are_swapped_raise_a_doubt(tmp_path):
    (patient,) = stored_cohort(tmp_path, 1)
    scan = patient.volume()
    assert suspicious(scan) == []
    for a, b in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        order = list(range(4))
        order[a], order[b] = b, a
        assert suspicious(Scan(scan.images[order], scan.labels)), f"{a} and {b}"
    assert suspicious(Scan(scan.images[:, :0], scan.labels[:0])) == []


def test_a_step_that_took_another_version_of_a_file(verify):
    """Training again without predicting again leaves volumes of the weights from before."""
    weights = RUNS / "copy_t1+unet/seed0/weights.pt"
    record = Layout("mine").record("train", "copy_t1+unet", "seed0")
    with weights.open("ab") as file:
        file.write(b"longer")
    job = json.loads(record.read_text())
    job["steps"][0]["makes"][weights.as_posix()] = checksum(weights)
    record.write_text(json.dumps(job))
    do("manifest")
    assert check(read_manifest(MANIFEST), "left it").holds
    took = check(read_manifest(MANIFEST), "took the files")
    assert not took.holds and took.critical
    code, text = verify()
    assert code == 1
    (line,) = section(text, "Took another version of a file than the one that is here")
    assert line == f"segment copy_t1+unet, seed 0 (test patients): {weights}"
    assert section(text, "Steps to run again") == [
        "segment copy_t1+unet, seed 0",
        "score copy_t1+unet, seed 0",
    ]
    assert "table1_ablation" in text.partition("No longer follow")[2]


def test_a_file_that_was_edited_before_the_manifest_was_written(verify):
    flip(TABLES / "table1_ablation.md")
    do("manifest")
    altered = check(read_manifest(MANIFEST), "left it")
    assert altered.found == f"{TABLES}/table1_ablation.md (tabulate table1_ablation)"
    assert verify()[0] == 1


MEASURED = [
    "copy_t1/seed0/t1ce_cost.csv",
    "copy_t1+unet/seed0/scores.csv",
    "copy_t1+unet/seed0/cost.csv",
    "copy_t1+unet/seed0/history.csv",
    "copy_t1+unet/seed0/seg.json",
]


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("verb", ["tabulate", "draw", "page", "manifest"])
def test_no_table_figure_or_page_is_made_of_a_changed_file(here, capsys, name, verb):
    """Whatever its date, and though it reads well: one digit is another one."""
    path = RUNS / name
    text = path.read_text()
    path.write_text(re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), text))
    before = {path: path.stat().st_mtime_ns for path in Path("results").rglob("*")}
    assert path.read_text() != text and workflow([verb, "--benchmark", "mine.yaml"]) == 2
    said = capsys.readouterr().err
    assert f"{path} was changed after `" in said and f"{path.parts[3]}, seed 0" in said
    assert "Delete it, and run the same command again." in said
    assert before == {path: path.stat().st_mtime_ns for path in Path("results").rglob("*")}


def test_what_the_message_advises_makes_the_same_table(verify):
    scores, table = RUNS / "copy_t1/seed0/scores.csv", TABLES / "table2_synthesis.csv"
    before = table.read_bytes()
    flip(scores)
    scores.unlink()
    do("score", "--run", "copy_t1", "--seed", "0")
    do("tabulate")
    assert table.read_bytes() == before and verify()[0] == 0


@pytest.mark.parametrize("run", ["copy_t1", "copy_t1+unet"])
def test_no_score_is_computed_from_a_changed_volume(here, capsys, run):
    kind, verb = ("seg", "segment") if "unet" in run else ("t1ce", "synthesize")
    path, scores = (
        RUNS / run / f"seed0/{kind}/{patient_in('test')}.npy",
        RUNS / run / "seed0/scores.csv",
    )
    before = scores.read_bytes()
    flip(path)
    assert workflow(["score", "--run", run, "--seed", "0", "--benchmark", "mine.yaml"]) == 2
    assert f"{path} cannot be used: its content was changed" in capsys.readouterr().err
    assert scores.read_bytes() == before
    (RUNS / run / f"seed0/{kind}.json").unlink()
    do(verb, "--run", run, "--seed", "0")
    do("score", "--run", run, "--seed", "0")
    assert scores.read_bytes() == before


def test_nothing_is_trained_on_a_changed_volume(here, capsys):
    shutil.rmtree(RUNS / "copy_t1+unet/seed0")
    path = RUNS / f"copy_t1/seed0/t1ce/{patient_in('train')}.npy"
    flip(path)
    train = ["train", "--run", "copy_t1+unet", "--seed", "0", "--benchmark", "mine.yaml"]
    assert workflow(train) == 2
    assert f"{path} cannot be used: its content was changed" in capsys.readouterr().err


def test_every_job_says_which_python_ran_it(here):
    jobs = {path: json.loads(path.read_text()) for path in Path("results/records").rglob("*.json")}
    verbs = {
        path.relative_to("results/records/mine").parts[0].removesuffix(".json") for path in jobs
    }
    assert verbs == VERBS.keys() - {"simulate", "ingest", "draw", "show", "status", "check"}
    assert {job["python"] for job in jobs.values()} == {sys.executable}
    assert all(job["steps"] for job in jobs.values())
    assert sys.executable not in MANIFEST.read_text(encoding="utf-8")


def test_a_simulation_leaves_a_record_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = next(iter(patient_files(load("phantom"))))
    drawn = SimpleNamespace(simulated=True, simulate=lambda name, to, _: write_cohort(to, [name]))
    monkeypatch.setattr(simulate, "load_source", lambda _: drawn)
    assert workflow(["simulate", "--patient", name]) == 0
    (record,) = read_records(Layout("phantom").record("simulate", name))
    assert len(record.makes) == 5 and record.makes == checksums(map(Path, record.makes))


def test_no_snakemake_seals_what_was_edited(verify):
    """Edits with a new date, of which the same command then makes what is newer."""

    table, scores = TABLES / "table1_ablation.md", RUNS / "copy_t1/seed0/scores.csv"
    asked = [scores, TABLES / "scores.csv", "results/figures/mine/ranks.png", MANIFEST]
    words = [sys.executable, "-m", "snakemake", "-s", machine.ROOT / "Snakefile", "--cores", "1"]
    words += ["--config", "benchmark=mine.yaml", "--", *asked]

    def snakemake() -> subprocess.CompletedProcess:
        return subprocess.run(words, capture_output=True, text=True)

    flip(table)
    done = snakemake()
    assert done.returncode == 0, done.stderr[-3000:]
    code, text = verify()
    assert code == 1 and section(text, "Did not hold when the manifest was written") == [
        f"every file is as the step that made it left it: {table} (tabulate table1_ablation)"
    ]
    flip(scores)
    sealed = MANIFEST.read_bytes()
    assert snakemake().returncode != 0
    said = Path("results/logs/mine/tabulate.log").read_text(encoding="utf-8")
    assert f"{scores} was changed after `score copy_t1, seed 0` had written it." in said
    assert MANIFEST.read_bytes() == sealed and verify()[0] == 1
    scores.unlink()
    done = snakemake()
    assert done.returncode == 0, done.stderr[-3000:]
    code, text = verify()
    assert code == 0, text


JOBS = {
    "train": "copy_t1+unet", "segment": "copy_t1+unet", "synthesize": "copy_t1", "score": "copy_t1",
}  # fmt: skip


def start(verb: str, *arguments: str, **settings) -> subprocess.Popen:
    words = [sys.executable, "-m", "workflow", verb, "--benchmark", "mine.yaml", *arguments]
    environment = os.environ | {"PYTHONPATH": str(machine.ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True, **settings)


def test_a_job_waits_for_one_that_outlived_its_snakemake(verify):
    with ExitStack() as held:
        for verb, run in JOBS.items():
            lock = Layout("mine").run(run, Replicate(0)).lock(verb)
            held.enter_context(exclusive(lock, "not shown"))
        jobs = {v: start(v, "--run", run, "--seed", "0") for v, run in JOBS.items()}
        for verb, job in jobs.items():
            said = job.stderr.readline()
            assert f"is running `{verb}` in {RUNS / JOBS[verb] / 'seed0'}; waiting" in said
            assert f"PID {os.getpid()}" in said and job.poll() is None
        # The one that is at work says what becomes of it.
        assert not list(RUNS.rglob("failed-*"))
    for job in jobs.values():
        said = job.communicate()[1]
        assert job.returncode == 0, said
    assert not list(RUNS.rglob("failed-*"))
    # A volume took another time.
    do("tabulate")
    do("manifest")
    assert verify()[0] == 0


def test_two_jobs_may_note_the_same_failure(tmp_path):
    path = tmp_path / "failed-train.txt"
    with record_failure(path):
        path.unlink()
    assert not path.exists()


def test_no_room_is_said_by_every_job(here):
    """`ulimit -f 8`, as on a full disk."""
    shutil.rmtree(RUNS / "copy_t1+unet/seed0")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    jobs = [
        ["train", "--run", "copy_t1+unet", "--seed", "0"],
        ["synthesize", "--run", "copy_t1", "--seed", "0"],
        ["export", "--run", "copy_t1", "--seed", "0"],
        ["prepare", "--patient", "P0"],
    ]
    for arguments in jobs:
        job = start(*arguments, preexec_fn=limit)
        said = job.communicate()[1]
        assert job.returncode == 2 and "Traceback" not in said, said
        assert "There is no room to write results/" in said
    assert not list(Path("results").rglob("*.tmp"))


def test_a_job_without_a_record(verify):
    Layout("mine").record("score", "copy_t1", "seed0").unlink()
    do("manifest")
    found = check(read_manifest(MANIFEST), "has recorded")
    assert not found.holds and found.found == "score copy_t1 seed0"
    assert verify()[0] == 1


def test_a_damaged_record_is_told(here, capsys):
    path = Layout("mine").record("split")
    path.write_text(path.read_text()[:100])
    assert workflow(["manifest", "--benchmark", "mine.yaml"]) == 2
    assert f"{path} is damaged" in capsys.readouterr().err


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_git_clean_dirty_and_none(tmp_path, monkeypatch):
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    state = machine.git_state(repository)
    assert state.commit is None and state.dirty is None and state.unknown

    git(repository, "init", "--quiet")
    (repository / ".gitignore").write_text("results/\n")
    (repository / "a.py").write_text("a = 1\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "a")
    (repository / "results").mkdir()
    (repository / "results" / "x").write_text("ignored")
    state = machine.git_state(repository)
    assert re.fullmatch("[0-9a-f]{40}", state.commit) and state.dirty is False

    (repository / "a.py").write_text("a = 2\n")
    (repository / "methods").mkdir()
    (repository / "methods" / "new entry.py").write_text("")
    state = machine.git_state(repository)
    assert state.dirty is True and state.changed == ["a.py", "methods/new entry.py"]

    inner = repository / "results" / "copy"
    inner.mkdir()
    assert "not a git repository of its own" in machine.git_state(inner).unknown


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert machine.git_state(tmp_path).unknown == "there is no git here"


def test_read_manifest_raises_what_the_command_line_prints(tmp_path):
    with pytest.raises(InputError, match="There is no"):
        read_manifest(tmp_path / "x.json")


def test_the_manifest_and_the_page_say_what_the_patients_were_read_as(here):
    manifest = read_manifest(Path("results/manifest/mine.json"))
    said = " ".join(manifest.data.read_as)
    assert "Labels of BraTS 2017 to 2021" in said and "4 enhancing): 6 patients." in said
    assert said in Path("results/page/mine/data.js").read_text(encoding="utf-8")
