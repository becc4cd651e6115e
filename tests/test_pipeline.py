"""The real DAG, end to end, on phantom patients of full size with the smallest networks.

The repository is copied, so that the tests can edit its code and see what is rerun. What only reads
results uses one finished copy (`conftest.finished`).
"""

import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from made_up import write_cohort
from pipeline import (
    FROZEN,
    RUNS,
    SYNTHESES,
    TABLES_ALONE,
    TINY,
    UNTRAINED,
    assert_same,
    changed,
    planned,
    planned_digests,
    python,
    run,
    runs_of,
    snakemake,
    with_benchmark,
)

ROOT = Path(__file__).parents[1]


def test_table_one_has_every_row_with_numbers(finished):
    table = pd.read_csv(finished / "results/tables/tiny/table1_ablation.csv")
    for protocol, rows in table.groupby("protocol"):
        assert list(rows.run) == [
            "copy_t1+unet",
            "empty+unet",
            "unet",
            "cutgan+unet",
            "maf_net.average+unet",
            "maf_net+unet",
            "maf_net.joint",
            "real_t1ce+unet",
        ], protocol
        assert rows.dice_wt.between(0, 1).all()
        assert (rows.dice_wt_n == rows.patients).all()
    assert table.dice_wt.nunique() > 6


def test_table_two_has_every_synthesis(finished):
    table = pd.read_csv(finished / "results/tables/tiny/table2_synthesis.csv")
    strict = table[table.protocol == "strict"].set_index("run")
    assert set(strict.index) == set(SYNTHESES)
    assert strict.ssim_brain.between(-1, 1).all()
    assert strict.loc["real_t1ce", "ssim_whole"] == 1


def test_table_three_has_every_segmentation_and_the_quoted_rows(finished):
    table = pd.read_csv(finished / "results/tables/tiny/table3_segmentation.csv")
    paper = table[table.protocol == "paper"]
    quoted = paper[paper.status == "quoted"]
    assert list(quoted.label) == ["Hamghalam et al.", "Zhou et al."]
    ours = paper[paper.status.isna()]
    retrained = {*RUNS} - {*SYNTHESES} | {"maf_net.joint"}
    assert set(ours.run[ours.utility == "retrained"]) == retrained
    # The ceiling's segmentor on the real T1ce is its own.
    assert set(ours.run[ours.utility == "frozen"]) == {*FROZEN, "real_t1ce+unet"}
    assert ours[["dice_wt", "dice_tc"]].notna().all().all()


def test_table_four_has_equal_budgets(finished):
    table = pd.read_csv(finished / "results/tables/tiny/table4_cost.csv").set_index("run")
    controls = ["copy_t1", "empty", "real_t1ce"]
    assert set(table.index) == set(RUNS)
    assert table.status[controls].eq("not trained").all()
    # One training, two ways to predict with it.
    assert table.updates["yoda.ddim10"] == table.updates["yoda"]
    generators = table[table.block == "generators"].drop(index=controls)
    phase = generators.drop(index="maf_net.joint")
    assert set(phase.updates) == {8}
    assert generators.updates["maf_net.joint"] == 8 + 3 * 8
    assert phase.images["drit"] == 3 * phase.images["cutgan"] == 3 * 8 * 2
    assert (table.core_seconds.drop(index=controls) > 0).all()
    assert set(table.index[table.volume_seconds > 0]) == set(SYNTHESES)


def test_a_new_method_is_in_the_tables_by_the_next_call(finished_copy):
    made = python(finished_copy, "-m", "methods", "new", "stranger")
    assert made.returncode == 0, made.stdout
    folder = finished_copy / "methods/stranger"
    assert sorted(path.name for path in folder.iterdir()) == ["method.py", "method.yaml"]
    done = snakemake(finished_copy, *TABLES_ALONE, benchmark="tiny.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert runs_of(re.findall(r"python -m workflow [^>]*", done.stdout)) == {
        "stranger",
        "stranger+unet",
        "stranger+unet.frozen",
    }
    tables = finished_copy / "results/tables/tiny"
    for name, rows in {
        "table2_synthesis": {"stranger"},
        "table3_segmentation": {"stranger+unet"},
        "table4_cost": {"stranger", "stranger+unet"},
    }.items():
        table = pd.read_csv(tables / f"{name}.csv")
        assert rows <= set(table.run[table.status.isna()]), name
    shutil.rmtree(folder)
    # Without it the tables are what they were.
    assert snakemake(finished_copy, *TABLES_ALONE, benchmark="tiny.yaml").returncode == 0
    assert "stranger" not in (tables / "table4_cost.csv").read_text()


@pytest.mark.parametrize(
    ("verb", "run"),
    [("synthesize", "copy_t1"), ("synthesize", "cutgan"), ("segment", "maf_net.joint")],
)
def test_a_prediction_imports_no_compiler(finished_copy, verb, run):
    """Not even to make and load the model's optimisers: torch's takes a second."""
    code = (
        "import sys; from workflow.__main__ import main\n"
        f"code = main(['{verb}', '--benchmark', 'tiny.yaml', '--run', '{run}', '--seed', '0'])\n"
        "sys.exit(code or sorted({'torch._dynamo', 'torch._inductor'} & set(sys.modules)) or 0)"
    )
    done = python(finished_copy, "-c", code)
    assert done.returncode == 0, done.stdout[-3000:]


def test_titles_say_that_patients_are_simulated(finished):
    for name in ("table1_ablation", "table2_synthesis", "table3_segmentation", "table4_cost"):
        for end, word in (("md", "SIMULATED"), ("tex", "SIMULATED"), ("csv", "simulated")):
            assert word in (finished / f"results/tables/tiny/{name}.{end}").read_text()


def test_the_page_names_every_run_and_has_every_test_patient(finished):
    folder = finished / "results/page/tiny"
    data = json.loads((folder / "data.js").read_text().partition(" = ")[2].rstrip(";\n"))
    assert "SIMULATED" in (folder / "index.html").read_text()
    shown = {column[made] for column in data["columns"] for made in ("t1ce", "seg")} - {None}
    assert shown == set(RUNS)
    assert [column["notes"] for column in data["columns"]] == [[]] * len(data["columns"])
    split = pd.read_csv(finished / "results/store/tiny/split.csv")
    patients = [told["patient"] for told in data["patients"]]
    assert set(patients) == set(split.patient[split.split == "test"])
    for number, told in enumerate(data["patients"]):
        text = (folder / f"patients/{number}.js").read_text()
        made = json.loads(text[text.index("{") : text.rindex("}") + 1])
        assert len(made["pictures"]) == told["count"]
        assert {f"t1ce:{run}" for run in SYNTHESES} <= set(made["tiles"])


def test_long_table_has_a_row_a_patient_region_metric_and_protocol(finished):
    scores = pd.read_csv(finished / "results/tables/tiny/scores.csv")
    assert set(scores.run) == {*RUNS, *FROZEN}
    key = ["run", "seed", "patient", "protocol", "task", "region", "metric", "postprocessing"]
    assert not scores.duplicated(key).any()
    split = pd.read_csv(finished / "results/store/tiny/split.csv")
    assert set(scores.patient) == set(split.patient[split.split == "test"])


def test_the_sha256_of_every_file_that_was_read_is_kept(finished):
    checksums = pd.read_csv(finished / "results/store/tiny/input_checksums.csv")
    assert len(checksums) == 6 * 5
    assert checksums.sha256.str.fullmatch("[0-9a-f]{64}").all()


def test_exported_cases_lie_over_the_originals(finished):
    cases = finished / "results/cases/tiny/maf_net.joint/seed0"
    (seg,) = sorted(cases.glob("*_seg.nii.gz"))[:1]
    image = nib.load(seg)
    assert image.shape == (80, 80, 31)
    patient = seg.name.removesuffix("_seg.nii.gz")
    original = nib.load(next(finished.glob(f"results/phantom/tiny/{patient}/*_seg.nii.gz")))
    size = np.array([3, 3, 5])
    for corner in np.array([(0, 0, 0), (80, 80, 31)]):
        # Edges of the working grid's voxels, in mm, are edges of the original's.
        ours = image.affine @ [*(corner - 0.5), 1]
        theirs = original.affine @ [*(size * corner - 0.5), 1]
        assert ours == pytest.approx(theirs)


def test_a_finished_run_reruns_nothing(finished):
    assert planned(finished) == []


def test_a_missing_cost_of_a_synthesis_is_measured_again(finished_copy):
    """As in results that were made before it was measured."""
    path = finished_copy / "results/runs/tiny/cutgan/seed0/t1ce_cost.csv"
    kept = path.read_bytes()
    path.unlink()
    commands = planned(finished_copy)
    path.write_bytes(kept)
    assert [c.split("--run ")[1].split()[0] for c in commands if " synthesize " in c] == ["cutgan"]


def test_snakemake_reruns_whose_digest_changed(finished_copy):
    path = finished_copy / "methods/cutgan/method.py"
    text = path.read_text()
    assert "gan + 0.5 * contrast" in text
    path.write_text(text.replace("gan + 0.5 * contrast", "gan + 0.51 * contrast"))
    commands = planned(finished_copy)
    path.write_text(text)
    assert runs_of(commands) == {"cutgan", "cutgan+unet", "cutgan+unet.frozen"}
    assert sum(" train " in c for c in commands) == 2


def test_shared_trainings_exist_once(finished):
    commands = planned(finished, "--forceall")
    trained = [c for c in commands if " train " in c]
    assert len(trained) == len(runs_of(trained)) == len(RUNS) - len(UNTRAINED)


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """A copy of the code, and its digests."""
    folder = with_benchmark(tmp_path_factory.mktemp("code"))
    return folder, planned_digests(folder)


@pytest.fixture
def stale(code):
    """A function that edits files of the copy and says what is then rerun, before all put back."""
    folder, before = code
    kept: dict[Path, str] = {}

    def edit(*edits: tuple[str, str, str]) -> set[str]:
        for name, old, new in edits:
            path = folder / name
            text = path.read_text()
            kept.setdefault(path, text)
            assert old in text, name
            path.write_text(text.replace(old, new, 1))
        return changed(before, planned_digests(folder))

    yield edit
    for path, text in kept.items():
        path.write_text(text)


def test_a_comment_reruns_nothing(stale):
    assert not stale(
        ("methods/cutgan/method.py", "import torch\n", "# why not\nimport torch\n"),
        ("workflow/training/loop.py", "import torch\n", "import torch  # why not\n"),
        ("benchmarks/scoring/overlap.py", '"""', '"""Reworded. '),
        ("benchmarks/protocols/paper.yaml", "name: paper", "name: paper # that is its name"),
        ("benchmarks/published.yaml", "paper:\n", "paper: # as printed\n"),
    )


def test_another_published_number_writes_the_tables_again(stale):
    edit = ("benchmarks/published.yaml", "ssim: 0.", "ssim: 0.0")
    assert stale(edit) == {"tabulate", "draw", "page"}


def test_an_edit_of_the_command_that_scores_scores_again(stale):
    assert stale(("workflow/commands/score.py", "COLUMNS = (", "EDITED = 1\nCOLUMNS = (")) == {
        "score"
    }


def test_speed_reruns_nothing(stale):
    speed = "threads: 2, precision: bf16, inference_batch: 4, compile: kernels"
    assert not stale(("tiny.yaml", "threads: 1", speed))


def test_a_fixed_metric_retrains_nothing(stale):
    edited = stale(
        ("benchmarks/scoring/metrics/dice.py", "def measure(", "FIXED = 1\n\n\ndef measure(")
    )
    assert "score" in edited and not [name for name in edited if name.startswith("train")]
    assert not edited & {"simulate", "prepare", "cohort", "split"}


def test_another_style_writes_the_page_alone(stale):
    assert stale(("benchmarks/reporting/page/page.css", "--dim: ", "--dim:  ")) == {"page"}


def test_another_caption_is_written_again(stale):
    edit = ("benchmarks/reporting/figures/ranks.py", '"""**', '"""**Reworded: ')
    assert stale(edit) == {"draw", "page"}


def test_an_edited_table_trains_and_scores_nothing(stale):
    name = "benchmarks/reporting/tables/table4_cost.py"
    assert stale((name, "def table(", "EDITED = 1\n\n\ndef table(")) <= {"tabulate", "page"}


def test_an_edited_method_reruns_that_method_alone(stale):
    edited = stale(("methods/cutgan/method.py", "gan + 0.5 * contrast", "gan + 0.51 * contrast"))
    assert edited == {f"train {run}" for run in ("cutgan", "cutgan+unet", "cutgan+unet.frozen")}


def test_an_edited_parameter_reruns_that_method_alone(stale):
    edited = stale(("tiny.yaml", "cutgan: {width: 2", "cutgan: {width: 3"))
    assert edited == {f"train {run}" for run in ("cutgan", "cutgan+unet", "cutgan+unet.frozen")}


def test_gpu_jobs_never_outnumber_the_slots(tmp_path):
    """The Snakefile's own limit, before rules whose jobs note who else runs."""
    limit = re.search(r"^if not elsewhere:\n.*\n", (ROOT / "Snakefile").read_text(), re.MULTILINE)
    (tmp_path / "Snakefile").write_text(
        "class dag: gpu_slots = 1\n"
        f"elsewhere = False\n{limit.group()}"
        "rule all:\n    input: expand('{n}.done', n=range(3))\n"
        "rule train:\n    output: '{n}.done'\n    resources: gpu=1\n"
        "    shell: 'mkdir running && sleep 0.5 && rmdir running && touch {output}'\n"
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "3"]
    assert run(tmp_path, command).returncode == 0
    more = run(tmp_path, [*command, "--forceall", "--resources", "gpu=3"])
    assert more.returncode != 0, "jobs never met, so this test could not fail"


def test_every_figure_is_drawn(finished):
    folder = finished / "results/figures/tiny"
    names = {"synthesis", "segmentation", "distributions", "ranks", "training_curves"}
    names |= {"similarity_vs_utility", "attention", "cost_vs_quality", "conventions", "utilities"}
    names |= {"claims", "subgroups", "gap", "detection", "volumes"}
    assert {path.stem for path in folder.glob("*.png")} == names
    assert {path.stem for path in folder.glob("*.pdf")} == names
    pictures = [*folder.glob("*.png"), *folder.glob("*.pdf")]
    assert all(path.stat().st_size > 5_000 for path in pictures)
    for ending in ("md", "tex", "rst"):
        assert {path.stem for path in folder.glob(f"*.{ending}")} == names


def test_attention_is_stored_of_test_patients(finished):
    folder = finished / "results/runs/tiny/maf_net.joint/seed0"
    index = json.loads((folder / "t1ce.json").read_text())
    split = pd.read_csv(finished / "results/store/tiny/split.csv")
    assert set(index["attention"]) == set(split.patient[split.split == "test"])
    for patient, sha256 in index["attention"].items():
        path = folder / f"attention/{patient}.npz"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
        with np.load(path) as stored:
            slices, weights = stored["slices"], stored["weights"]
        assert len(weights) == len(slices) == 3 and weights.dtype == np.float16
        assert weights.sum(axis=1) == pytest.approx(1, abs=0.01)
    other = json.loads((folder.parents[1] / "cutgan/seed0/t1ce.json").read_text())
    assert other["attention"] == {}


def test_the_report_holds_the_tables(finished_copy):
    done = snakemake(finished_copy, "--report", "results/report.html", benchmark="tiny.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    text = (finished_copy / "results/report.html").read_text()
    assert "The ablation of MAF-Net" in text and "SIMULATED" in text
    assert not re.search(r'(?:src|href)="https?://', text)


def test_the_results_agree_with_their_manifest(finished):
    done = python(finished, "-m", "benchmarks", "verify", "results/manifest/tiny.json")
    assert done.returncode == 0, done.stdout


def test_a_replaced_file_of_a_patient_retrains(finished_copy):
    """Though the split, which training reads, stays the same to the byte."""
    split = finished_copy / "results/store/tiny/split.csv"
    patient = pd.read_csv(split).query("split == 'train'").patient.iloc[0]
    path = finished_copy / f"results/phantom/tiny/{patient}/{patient}_t2.nii.gz"
    kept, before = path.read_bytes(), split.read_bytes()
    original = nib.load(path)
    voxels = original.get_fdata()
    voxels[voxels > 0] = voxels.max() + 1 - voxels[voxels > 0]
    nib.save(nib.Nifti1Image(voxels.astype("int16"), original.affine), path)
    weights = finished_copy / "results/runs/tiny/copy_t1+unet/seed0/weights.pt"
    trained = weights.stat().st_mtime_ns
    done = snakemake(finished_copy, str(weights.relative_to(finished_copy)), benchmark="tiny.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert split.read_bytes() == before
    assert weights.stat().st_mtime_ns > trained
    path.write_bytes(kept)


@pytest.mark.parametrize("name", ["unet", "maf_net.joint"])
def test_a_killed_training_ends_in_the_same_weights(finished_copy, name):
    """SIGKILL in the middle of epochs, again and again, through the rule's own command."""
    if name == "maf_net.joint":
        assert run(finished_copy, command("train", "maf_net")).returncode == 0
    weights = finished_copy / f"results/runs/tiny/{name}/seed0/weights.pt"
    shutil.rmtree(weights.parent)
    assert run(finished_copy, command("train", name)).returncode == 0
    expected = torch.load(weights, weights_only=True)
    shutil.rmtree(weights.parent)
    chance, resumed = random.Random(name), False
    for line in ("epoch 1/", "epoch 2/"):
        output = kill_after(finished_copy, command("train", name), line, chance.uniform(0, 0.1))
        resumed |= "resuming after epoch" in output
        assert not weights.exists(), "the training ended before it was killed"
    last = run(finished_copy, command("train", name))
    assert last.returncode == 0, last.stdout
    assert "resuming after epoch" in last.stdout
    assert_same(torch.load(weights, weights_only=True), expected)


def command(verb: str, name: str) -> list[str]:
    arguments = ["--benchmark", "tiny.yaml", "--run", name, "--seed", "0"]
    return [sys.executable, "-m", "workflow", verb, *arguments]


def kill_after(folder: Path, command: list[str], line: str, seconds: float) -> str:
    process = subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    seen = ""
    for text in process.stdout:
        seen += text
        if line in text:
            break
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return seen


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return with_benchmark(tmp_path_factory.mktemp("bad"))


def refused(repository: Path, **config: str) -> str:
    done = snakemake(repository, **config)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout, done.stdout
    assert not list(repository.glob("results/logs/**/train")), "a training was started"
    return done.stdout


def test_no_folder_at_the_path(repository):
    message = refused(repository, benchmark="brats2020", data="/nowhere/BraTS")
    assert "There is no folder /nowhere/BraTS" in message


def test_a_patient_without_a_file(repository, tmp_path):
    data = write_cohort(tmp_path, ["A", "B"])
    (data / "B" / "B_flair.nii.gz").unlink()
    message = refused(repository, benchmark="brats2020", data=str(data))
    assert re.search(r"\bB\b.*flair", message)


def test_a_misspelt_key(repository):
    (repository / "mine.yaml").write_text(TINY.replace("batch:", "bacth:"))
    message = refused(repository, benchmark="mine.yaml")
    assert "mine.yaml, line 8, `results.training.bacth`" in message
    assert "Did you mean `batch`?" in message


def test_a_value_out_of_range(repository):
    (repository / "mine.yaml").write_text(TINY.replace("batch: 2", "batch: 0"))
    assert "found 0" in refused(repository, benchmark="mine.yaml")


def test_a_split_that_leaves_nobody_for_validation(repository):
    (repository / "mine.yaml").write_text(TINY.replace("seed: 6", "seed: 2"))
    message = refused(repository, benchmark="mine.yaml")
    assert "leaves no patient for val. Set the seed to 6" in message
    assert not (repository / "results").exists()


def test_an_unknown_config_key(repository):
    message = refused(repository, benchmark="tiny.yaml", dataa="x")
    assert "dataa" in message and "data=" in message


BROKEN = {
    "raises": ("loss = ", 'raise RuntimeError("no such layer")\n        loss = ', "no such layer"),
    "diverges": ("loss = ", "loss = float('nan') * ", "train: diverges: loss L1 is nan in epoch 1"),
    "hungry": ("loss = ", "torch.empty(2**50)\n        loss = ", "can't allocate memory"),
    "too_wide": ("loss = ", "raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate "
                 "9 GiB. GPU 0 is full. And more')\n        loss = ",
                 "train: The GPU's memory is too small: CUDA out of memory. Tried to allocate"),
    "killed": ("loss = ", "__import__('os').kill(__import__('os').getpid(), 9)\n        loss = ",
               "out of memory"),
    "out_of_range": ("return self.unet(inputs).tanh()",
                     "return self.unet(inputs).tanh() + 9 * (not self.unet.training)",
                     "synthesize gave values from"),
}  # fmt: skip


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    folder = with_benchmark(tmp_path_factory.mktemp("failing"))
    for name, (old, new, _) in BROKEN.items():
        made = python(folder, "-m", "methods", "new", name)
        assert made.returncode == 0, made.stdout
        path = folder / "methods" / name / "method.py"
        path.write_text(path.read_text().replace(old, new))
    methods = ", ".join(["copy_t1", *BROKEN])
    text = re.sub(r"without: .*", f"methods: [{methods}]", TINY)
    (folder / "failing.yaml").write_text(text.replace("title: tiny", "title: failing"))
    done = snakemake(folder, benchmark="failing.yaml")
    assert done.returncode != 0
    (folder / "said.txt").write_text(done.stdout)
    return folder


def test_a_method_that_fails_is_a_row_with_the_reason(failed):
    tables = failed / "results/tables/failing"
    for name in ("table2_synthesis", "table3_segmentation"):
        table = pd.read_csv(tables / f"{name}.csv").query("protocol == 'strict'")
        status = table.set_index("run")["status"].astype(str)
        for method, (_, _, reason) in BROKEN.items():
            if name == "table2_synthesis":
                assert status[method].startswith("failed: ") and reason in status[method]
                assert reason in (tables / f"{name}.md").read_text()
            else:
                assert f"builds on {method}, which failed" in status[f"{method}+unet"]
    page = (failed / "results/page/failing/data.js").read_text()
    assert all(json.dumps(reason)[1:-1] in page for _, _, reason in BROKEN.values())


def test_what_follows_a_failure_is_in_a_log_and_the_headline_at_the_end(failed):
    said = (failed / "said.txt").read_text()
    *_, headline = said.partition("The gap between no T1ce and the real T1ce")
    assert re.search(r"\nOpen\s+file:", headline) and "Traceback" not in headline
    log = (failed / "results/logs/failing/after_failures.log").read_text()
    for method in BROKEN:
        assert f"{method}, seed 0, has no scores: " in log
    assert "has no scores" not in said


def test_a_method_that_fails_stops_no_other(failed):
    table = pd.read_csv(failed / "results/tables/failing/table3_segmentation.csv")
    floor = table[table.run == "copy_t1+unet"]
    assert floor.dice_wt.between(0, 1).all()


def test_a_fixed_method_completes_the_tables(failed):
    """The same command again trains what has failed, and that alone; the others were put aside."""
    fixed, *others = BROKEN
    for name in others:
        (failed / "methods" / name).rename(failed / "methods" / f"_{name}")
    shutil.rmtree(failed / "methods" / fixed)
    assert python(failed, "-m", "methods", "new", fixed).returncode == 0
    path = failed / "failing.yaml"
    path.write_text(path.read_text().replace(", ".join(BROKEN), fixed))
    weights = failed / "results/runs/failing/copy_t1+unet/seed0/weights.pt"
    before = weights.stat().st_mtime_ns
    done = snakemake(failed, *TABLES_ALONE, benchmark="failing.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert weights.stat().st_mtime_ns == before
    table = pd.read_csv(failed / "results/tables/failing/table2_synthesis.csv")
    assert table.status.isna().sum() == len(table) - table.status.eq("not run here").sum()
    assert fixed in set(table.run[table.ssim_whole.notna()])
    assert not list(failed.glob(f"results/runs/failing/{fixed}*/*/failed-*"))
    assert (failed / "results/tables/failing/scores.csv").exists()


def test_a_damaged_patient_stops_before_training_and_costs_no_other(repository, tmp_path):
    data = write_cohort(tmp_path, ["A", "B", "C", "D"])
    path = data / "C" / "C_t2.nii.gz"
    path.write_bytes(path.read_bytes()[:2000])
    message = refused(repository, benchmark="brats2020", scale="two_cores", data=str(data))
    assert "C_t2.nii.gz" in message
    store = repository / "results/store/brats2020-two_cores"
    assert sorted(p.stem for p in store.glob("*.json")) == ["A", "B", "D"]
    assert not list(store.glob("C*"))
