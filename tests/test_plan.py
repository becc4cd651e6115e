"""Which trainings there are, which they build on, and what makes one stale."""

import pytest

from benchmarks.cohorts.replicate import Place
from benchmarks.config import load
from benchmarks.errors import InputError
from benchmarks.reporting.published import read_published
from methods.errors import MethodError
from workflow import fingerprint as fingerprints
from workflow.cohort import assign
from workflow.dag import Dag
from workflow.fingerprint import fingerprint
from workflow.plan import Plan

SPLIT = "results: {split: {seed: 1}}\n"
HEADER = "title: mine\ncohort: {source: phantom}\n"


def plan(tmp_path, text="") -> Plan:
    path = tmp_path / "mine.yaml"
    path.write_text(HEADER + text)
    return Plan(load(str(path)))


@pytest.fixture(scope="module")
def phantom():
    return Plan(load("phantom"))


def test_every_row_of_table_one_is_a_run(phantom):
    rows = read_published().tables.table1_ablation.rows
    assert len(rows) == 5
    assert all(row.run in phantom.runs for row in rows)


def test_floor_and_ceiling_are_rows_too(phantom):
    roles = {row.run: row.role for row in phantom.rows()}
    assert roles["copy_t1"] == roles["copy_t1+unet"] == "floor"
    assert roles["real_t1ce"] == roles["real_t1ce+unet"] == "ceiling"
    assert roles["cutgan+unet"] == roles["unet"] == "method"


def test_the_synthesis_phase_is_shared(phantom):
    assert phantom["maf_net.joint"].continues == "maf_net"
    assert phantom["maf_net+unet"].upstream == "maf_net"
    names = [name for name in phantom.runs if name.startswith("cutgan")]
    assert names == ["cutgan", "cutgan+unet", "cutgan+unet.frozen"]


def test_a_frozen_segmentor_is_the_ceilings(phantom):
    frozen = phantom["cutgan+unet.frozen"]
    assert frozen.upstream == "cutgan" and frozen.predicts_with == "real_t1ce+unet"
    assert frozen.makes == ("seg",) and not frozen.trained and frozen.channels == 4
    behind = {run.upstream for run in phantom.runs.values() if run.frozen}
    first = {run.name for run in phantom.runs.values() if "t1ce" in run.makes}
    assert behind == first - {"real_t1ce"} and "maf_net.joint" in behind


def test_t1ce_is_predicted_for_all_patients_where_a_segmentor_trains_on_it(phantom):
    assert phantom.trains_on(phantom["cutgan"])
    assert not phantom.trains_on(phantom["maf_net.joint"])


def test_every_segmentor_has_its_runs(tmp_path):
    text = "results: {methods: [cutgan], segmentors: [unet, res_unet]}\n"
    names = [name for name in plan(tmp_path, text).runs if name.startswith("cutgan")]
    assert names == [
        "cutgan",
        "cutgan+unet",
        "cutgan+res_unet",
        "cutgan+unet.frozen",
        "cutgan+res_unet.frozen",
    ]


def test_a_benchmark_may_leave_methods_out(tmp_path):
    whole, less = plan(tmp_path), plan(tmp_path, "results: {without: [cutgan, yoda]}\n")
    assert {"cutgan", "yoda", "yoda.ddim10"} <= set(whole.runs)
    assert not {name for name in less.runs if name.startswith(("cutgan", "yoda"))}
    assert {"CUTGAN", "YODA"} == set(less.left_out()) and whole.left_out() == []


def test_a_variant_that_only_predicts_is_not_trained(tmp_path):
    one = plan(tmp_path, "results: {methods: [yoda.ddim10]}\n")
    assert list(one.runs)[:2] == ["yoda", "yoda+unet"]
    assert one["yoda.ddim10"].predicts_with == "yoda" and not one["yoda.ddim10"].trained
    assert one["yoda.ddim10+unet"].trained


def test_channels(phantom):
    assert phantom["unet"].channels == 3
    assert phantom["cutgan+unet"].channels == 4
    assert phantom["real_t1ce"].channels == 4
    assert phantom["maf_net.joint"].channels == 3


def test_kinds(phantom):
    joint, control = phantom["maf_net.joint"], phantom["copy_t1"]
    assert joint.makes == ("t1ce", "seg") and joint.trained
    assert joint.tasks == ("synthesis", "segmentation")
    assert control.makes == ("t1ce",) and not control.trained
    assert phantom["unet"].makes == ("seg",)


def test_chosen_methods_bring_what_they_continue(tmp_path):
    assert list(plan(tmp_path, "results: {methods: [maf_net.joint]}\n").runs) == [
        "maf_net",
        "maf_net+unet",
        "maf_net.joint",
        # A table without floor and ceiling says little.
        "copy_t1",
        "copy_t1+unet",
        "empty",
        "empty+unet",
        "real_t1ce",
        "real_t1ce+unet",
        "maf_net+unet.frozen",
        "maf_net.joint+unet.frozen",
        "copy_t1+unet.frozen",
        "empty+unet.frozen",
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("results:\n  methods: [cutgam]\n", ["line 4", "methods/cutgam", "Did you mean `cutgan`?"]),
        ("results:\n  params: {cutgam: {}}\n", ["line 4", "results.params.cutgam", "cutgan"]),
        ("results:\n  segmentors: [cutgan]\n", ["line 4", "results.segmentors", "segmentation"]),
        ("results:\n  segmentor: unet\n", ["line 4", "results.segmentor", "results.segmentors"]),
        ("results:\n  without: [empty]\n", ["line 4", "remove `empty`", "always run"]),
        ("results:\n  without: [cutgam]\n", ["line 4", "Did you mean `cutgan`?"]),
        (
            "results:\n  methods: [drit]\n  without: [cutgan]\n",
            ["line 5", "results.without", "Remove one"],
        ),
        (
            "results:\n  params:\n    unet: {widht: 8}\n",
            ["line 5", "widht", "Did you mean `width`"],
        ),
    ],
)
def test_faults_name_the_line(tmp_path, text, parts):
    with pytest.raises((InputError, MethodError)) as caught:
        plan(tmp_path, text)
    assert all(part in str(caught.value) for part in parts), caught.value


def test_a_parameter_of_a_wrong_type(tmp_path):
    with pytest.raises(MethodError, match=r"line 4, `results.params.unet.width`: found 'wide'"):
        plan(tmp_path, "results:\n  params: {unet: {width: wide}}\n")


def test_an_unknown_run_lists_the_known_ones(phantom):
    with pytest.raises(InputError, match=r"no run `cutgan\+unt`.*cutgan\+unet"):
        phantom["cutgan+unt"]


def digests(plan: Plan, seed=0) -> dict[str, str]:
    return {name: plan.digest(run, seed) for name, run in plan.runs.items()}


def changed(before: dict, after: dict) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_speed_makes_nothing_stale(tmp_path):
    text = (
        "speed: {threads: 7, workers: 3, precision: fp16, inference_batch: 2, resident: always, "
        "channels_last: true, compile: graphs}\n"
    )
    assert digests(plan(tmp_path)) == digests(plan(tmp_path, text))


def test_a_parameter_makes_its_own_method_stale_alone(tmp_path):
    text = "results: {params: {cutgan: {width: 32}}}\n"
    assert changed(digests(plan(tmp_path)), digests(plan(tmp_path, text))) == {
        "cutgan",
        "cutgan+unet",
        "cutgan+unet.frozen",
    }


def test_another_grid_makes_all_stale(tmp_path):
    for text in ("downsample: 2", "step: 3", "crop: 64"):
        after = digests(plan(tmp_path, f"results: {{slices: {{{text}}}}}\n"))
        assert changed(digests(plan(tmp_path)), after) == set(after)


def test_a_continued_run_makes_its_followers_stale(tmp_path):
    text = "results: {training: {epochs: {synthesis: 2}}}\n"
    stale = changed(digests(plan(tmp_path)), digests(plan(tmp_path, text)))
    assert "maf_net.joint" in stale and "maf_net+unet" in stale
    assert not stale & {"unet", "copy_t1+unet", "real_t1ce+unet", "copy_t1+unet.frozen"}


def test_seeds_are_trainings_of_their_own(phantom):
    assert changed(digests(phantom, 0), digests(phantom, 1)) == set(phantom.runs)


def test_protocols_make_no_training_stale(tmp_path):
    text = "results: {protocols: [strict]}\n"
    assert digests(plan(tmp_path)) == digests(plan(tmp_path, text))


def test_a_users_split_is_taken_and_watched(tmp_path):
    names = [f"Phantom_{n:03}" for n in range(1, 21)]
    places = ["train"] * 17 + ["val"] + ["test"] * 2
    rows = [f"{name},,{place}" for name, place in zip(names, places, strict=True)]
    split = tmp_path / "split.csv"
    split.write_text("\n".join(["patient,grade,split", *rows]) + "\n")
    (tmp_path / "mine.yaml").write_text(HEADER + f"results: {{split: {{file: {split}}}}}\n")
    dag = Dag({"benchmark": str(tmp_path / "mine.yaml")})
    assert split in dag.before_split(None)
    assert [row.split for row in assign(dag.benchmark, dag.files, Place())].count("test") == 2
    split.write_text("\n".join(["patient,grade,split", *rows[1:]]) + "\n")
    with pytest.raises(InputError, match=r"split.csv does not list Phantom_001"):
        Dag({"benchmark": str(tmp_path / "mine.yaml")})


@pytest.mark.parametrize(
    ("setting", "visible", "here", "on_a_cluster"),
    [("cpu", "0", 0, 0), ("auto", "", 0, 1), ("auto", "0", 1, 1), ("cuda", "", 1, 1)],
)
def test_gpu_jobs_ask_for_a_gpu(tmp_path, monkeypatch, setting, visible, here, on_a_cluster):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (tmp_path / "mine.yaml").write_text(HEADER + f"speed: {{device: {setting}}}\n" + SPLIT)
    config = {"benchmark": str(tmp_path / "mine.yaml")}
    assert (Dag(config).gpu, Dag(config, elsewhere=True).gpu) == (here, on_a_cluster)


@pytest.mark.parametrize(("visible", "slots", "jobs"), [("0,1,2,3", 2, 8), ("0", 1, 1), ("", 3, 3)])
def test_as_many_gpu_jobs_run_as_there_are_slots(tmp_path, monkeypatch, visible, slots, jobs):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (tmp_path / "mine.yaml").write_text(HEADER + f"speed: {{slots_per_gpu: {slots}}}\n" + SPLIT)
    assert Dag({"benchmark": str(tmp_path / "mine.yaml")}).gpu_slots == jobs


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A repository of three modules: a imports b, b imports c inside a function."""
    monkeypatch.setattr(fingerprints, "ROOT", tmp_path)
    (tmp_path / "methods").mkdir()
    files = {
        "a": '"""Doc."""\nfrom methods.b import f\nimport numpy\n',
        "b": "def f(x):\n    from methods import c\n    return c.g(x)\n",
        "c": "def g(x):\n    return x\n",
        "d": "z = 1\n",
    }
    for name, text in files.items():
        (tmp_path / "methods" / f"{name}.py").write_text(text)
    return tmp_path / "methods"


def after(path, text):
    fingerprints._tree.cache_clear()
    fingerprints._imports.cache_clear()
    path.write_text(text)
    return fingerprint(["methods.a"])


@pytest.mark.parametrize(
    "text",
    [
        "def g(x):  # a comment\n    return x\n",
        'def g(x):\n    """A docstring."""\n\n    return (x)\n',
        '"""A module docstring."""\n\ndef g(x):\n    return x\n',
    ],
)
def test_comments_docstrings_and_layout_do_not_count(package, text):
    before = after(package / "c.py", (package / "c.py").read_text())
    assert after(package / "c.py", text) == before


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_an_edit_counts_wherever_it_is_imported(package, name):
    path = package / f"{name}.py"
    before = after(path, path.read_text())
    assert after(path, path.read_text() + "q = 3\n") != before


def test_what_is_not_imported_does_not_count(package):
    before = after(package / "d.py", "z = 1\n")
    assert after(package / "d.py", "z = 2\n") == before


def test_a_metric_is_no_part_of_a_trainings_fingerprint():
    files = fingerprints.sources(["workflow.training.loop", "methods.maf_net.method"])
    names = {f.relative_to(fingerprints.ROOT).as_posix() for f in files}
    assert "methods/layers/patchnce.py" in names and "benchmarks/cohorts/store.py" in names
    judge = {n for n in names if n.startswith(("benchmarks/scoring", "benchmarks/reporting"))}
    assert judge <= {"benchmarks/scoring/regions.py"}  # what the stored labels mean
    assert not [n for n in names if n.startswith("methods/cutgan")]
    assert "benchmarks/config.py" not in names
