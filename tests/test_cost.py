"""What trainings and syntheses took: how it is measured, and its table against sums by hand."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_up import write_cohort
from made_up_scores import (
    COHORT,
    check_latex,
    cost_frame,
    made_up_results,
    prediction_cost_frame,
    write_table,
)

from benchmarks.errors import InputError
from benchmarks.reporting.costs import (
    COLUMNS,
    cost_table,
    hours,
    read_costs,
    read_prediction_costs,
)
from benchmarks.reporting.rows import Row
from workflow import inference
from workflow.__main__ import main as workflow

GPU = "NVIDIA H200"


def row(run, label, role="method", **given) -> Row:
    """A row of the kind that its name says."""
    if run in ("real_t1ce", "copy_t1"):
        return Row(run, label, role, "control", trained=False, **given)
    if run == "maf_net.joint":
        return Row(run, label, role, "joint", continues="maf_net", **given)
    upstream = run.partition("+")[0] if "+" in run else None
    kind = "segmentation" if "unet" in run else "synthesis"
    return Row(run, label, role, kind, upstream=upstream, **given)


ROWS = [
    row("real_t1ce", "Real T1ce", "ceiling"),
    row("real_t1ce+unet", "Real T1ce + UNet", "ceiling"),
    row("mine", "My_method"),
    row("mine+unet", "My_method + UNet"),
    row("copy_t1", "T1 copied", "floor"),
    row("copy_t1+unet", "T1 copied + UNet", "floor"),
    row("cutgan", "CUTGAN"),
    row("cutgan+unet", "CUTGAN + UNet"),
    row("cyclegan", "CycleGAN", tasks=("synthesis",), failure="loss G is\nNaN"),
    row("cyclegan+unet", "CycleGAN + UNet", failure="it builds on cyclegan, which failed"),
    row("drit", "DRIT"),
    row("drit+unet", "DRIT + UNet"),
    row("maf_net", "MAF-Net"),
    row("maf_net+unet", "MAF-Net + UNet"),
    row("maf_net.joint", "MAF-Net, joint"),
    row("unet", "UNet"),
]


CHAIN = ("maf_net", "maf_net.joint")


def cost(
    run, seed=0, updates=100, images=400, wall=60.0, core=90.0, memory=10**9, device=GPU, fold=0
):
    return [run, seed, 0, fold, updates, images, wall, core, memory, device, 2_500_000]


def predicted(run, seed=0, seconds=2.0, memory=10**9, device=GPU, slices=155 * 4):
    return [run, seed, 0, 0, 4, slices, seconds, memory, device, 2, 16]


def costs_of(*lines, rows=ROWS, predictions=()):
    """Results of these costs of trainings and of syntheses."""
    syntheses = prediction_cost_frame(*predictions)
    return made_up_results(rows=rows, costs=cost_frame(*lines), prediction_costs=syntheses)


def block(name, *lines, rows=ROWS, predictions=()):
    """The rows of a block by run."""
    results = costs_of(*lines, rows=rows, predictions=predictions)
    return cost_table(results, name).set_index("run")


@pytest.fixture
def written(tmp_path):
    def texts(*lines, **given):
        return write_table(tmp_path, "table4_cost", costs_of(*lines, **given))

    return texts


def cells(text, label):
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_rows_stand_as_in_the_tables_of_scores():
    assert list(block("generators").index) == [
        "copy_t1", "drit", "cutgan", "cyclegan", "maf_net.joint", "mine", "maf_net", "real_t1ce",
    ]  # fmt: skip
    assert list(block("segmentors").index) == [
        "copy_t1+unet",
        "drit+unet", "cyclegan+unet", "cutgan+unet",
        "mine+unet", "maf_net+unet", "unet",
        "real_t1ce+unet",
    ]  # fmt: skip
    assert block("generators").loc["drit", "label"] == "DRIT++", "not the paper's label"


def test_what_the_benchmark_does_not_run_has_no_row():
    ids = ("unet", "cutgan", "cutgan+unet")
    few = [row for row in ROWS if row.run in ids]
    rows = block("segmentors", cost("unet"), rows=few)
    assert list(rows.index) == ["cutgan+unet", "unet"]


def test_hours_are_the_gpus_or_the_cores():
    rows = block("generators", cost("cutgan"), cost("mine", device="CPU"))
    assert rows.loc["cutgan", "device_seconds"] == 60
    assert rows.loc["mine", "device_seconds"] == 90
    assert rows.loc["mine", ["wall_seconds", "core_seconds", "device"]].tolist() == [60, 90, "CPU"]


def test_a_run_that_continues_another_counts_that_one_too():
    before = cost("maf_net", updates=10, images=40, wall=7.0, memory=5 * 10**9, device="CPU")
    rows = block("generators", cost("maf_net.joint"), before)
    joint = rows.loc["maf_net.joint"]
    assert (joint["updates"], joint["images"]) == (110, 440)
    assert joint["wall_seconds"] == 67
    # A minute of a GPU and, before that, 90 s of cores.
    assert joint["device_seconds"] == 60 + 90
    assert joint["memory_bytes"] == 5 * 10**9
    assert joint["device"] == f"CPU + {GPU}"
    assert joint["parameters"] == 2_500_000, "networks of both counted, though they are the same"
    assert rows.loc["maf_net", "updates"] == 10


def test_a_cost_without_what_it_continues_is_none():
    assert block("generators", cost("maf_net.joint")).loc["maf_net.joint", "trainings"] == 0


def test_seeds_have_a_mean_time_and_the_highest_memory():
    two = cost("unet", 0, wall=10.0, memory=7), cost("unet", 1, wall=20.0, memory=5)
    unet = block("segmentors", *two).loc["unet"]
    assert (unet["trainings"], unet["updates"], unet["images"]) == (2, 100, 400)
    assert (unet["wall_seconds"], unet["memory_bytes"]) == (15, 7)


def test_only_seeds_of_which_all_is_there_count():
    lines = [
        cost("maf_net", 0),
        cost("maf_net", 1, wall=99.0),
        cost("maf_net.joint", 0),
        cost("maf_net.joint", 2, wall=99.0),
    ]
    joint = block("generators", *lines).loc["maf_net.joint"]
    assert (joint["trainings"], joint["wall_seconds"]) == (1, 120)


def test_a_fold_continues_its_own():
    lines = [cost(run, wall=10.0 * (fold + 1), fold=fold) for run in CHAIN for fold in (0, 1)]
    joint = block("generators", *lines, cost(CHAIN[0], wall=99.0, fold=2)).loc[CHAIN[1]]
    assert (joint["trainings"], joint["wall_seconds"]) == (2, 30)


def test_rows_without_a_cost_say_why(written):
    text = written(cost("cutgan"), cost("unet"))[".md"]
    assert cells(text, "floor: T1 copied") == ["not trained", *["–"] * 8]
    assert cells(text, "ceiling: Real T1ce") == ["not trained", *["–"] * 8]
    assert cells(text, "CycleGAN") == ["failed", *["–"] * 8]
    assert cells(text, "CycleGAN + UNet") == ["failed", *["–"] * 6]
    assert cells(text, "My_method") == ["not run here", *["–"] * 8]
    assert "s per volume:" not in text
    assert "- CycleGAN failed: loss G is NaN.\n" in text
    assert "- CycleGAN + UNet failed: it builds on cyclegan, which failed.\n" in text


def test_a_failure_does_not_hide_what_was_paid(written):
    lines = cost("cyclegan", 1), cost("cutgan", 0), cost("cutgan", 1)
    assert cells(written(*lines)[".md"], "CycleGAN")[:2] == ["1 of 2 failed", "100"]


def test_numbers_are_readable(written):
    text = written(
        cost("unet", updates=25800, images=103200, wall=5400.0, memory=22_345_000_000),
        cost("maf_net"),
        cost("maf_net.joint", wall=120.0),
    )[".md"]
    assert text.startswith(f"# Table IV. Cost of training and of synthesis: {COHORT}.\n")
    assert "**" not in text
    unet = ["1", "25,800", "103,200", GPU, "1.50", "22.34", "2.50"]
    assert cells(text, "UNet") == unet
    assert cells(text, "MAF-Net, joint")[4] == "0.0500"
    assert "- MAF-Net, joint continues MAF-Net, whose training is included.\n" in text
    assert "- The segmentor of MAF-Net, joint is trained along" in text
    assert re.findall("^## (.*)", text, re.M) == [
        "Generators: they synthesise T1ce.",
        "Segmentors: they segment behind a generator, or alone.",
    ]


def test_several_batches_an_update_are_told(written):
    text = written(cost("cutgan"), cost("drit", images=1200), cost("maf_net"))[".md"]
    assert [line for line in text.splitlines() if "each update takes" in line] == [
        "- DRIT++: each update takes 3 batches."
    ]


def test_a_synthesis_has_its_own_cost(written):
    predictions = [
        predicted("copy_t1", seconds=0.01234, memory=400_000_000),
        predicted("maf_net", seconds=9.0, memory=9 * 10**9),
        predicted("maf_net.joint", 0, seconds=2.0, memory=2 * 10**9),
        predicted("maf_net.joint", 1, seconds=3.0, memory=10**9),
    ]
    trained = [cost(run, seed) for run in ("maf_net", "maf_net.joint") for seed in (0, 1)]
    text = written(*trained, predictions=predictions)[".md"]
    assert cells(text, "floor: T1 copied") == ["not trained", *["–"] * 6, "0.0123", "0.40"]
    assert cells(text, "MAF-Net, joint")[-2:] == ["2.50", "2.00"], "not its own, over its seeds"
    assert cells(text, "MAF-Net")[-2:] == ["9.00", "9.00"]
    assert "median volume, of 155 slices, from" in text
    assert f"- Syntheses: all on {GPU} (threads: 2, inference_batch: 16).\n" in text
    segmentors = text.partition("## Segmentors")[2].partition("\n- ")[0]
    assert "volume" not in segmentors and "prediction" not in segmentors


def test_devices_of_syntheses_are_told_apart(written):
    slower = predicted("copy_t1", device="CPU", slices=150 * 4)
    text = written(predictions=[slower, predicted("cutgan"), predicted("drit")])[".md"]
    settings = "(threads: 2, inference_batch: 16)"
    said = f"- Syntheses: T1 copied on CPU {settings}; DRIT++, CUTGAN on {GPU} {settings}.\n"
    assert said in text and "of 150 to 155 slices" in text


def test_who_predicts_with_the_weights_of_another_shows_its_training(written):
    rows = [*ROWS, row("drit.mean", "DRIT++, mean", trained=False, predicts_with="drit")]
    frozen = "copy_t1+unet.frozen"
    rows.append(
        row(frozen, "frozen", "floor", trained=False, frozen=True, predicts_with="real_t1ce+unet")
    )
    lines = cost("drit", wall=3600), cost("real_t1ce+unet", wall=1800)
    text = written(*lines, rows=rows, predictions=[predicted("drit.mean", seconds=70.0)])[".md"]
    assert cells(text, "DRIT++, mean")[:2] == ["1", "100"]
    assert cells(text, "DRIT++, mean")[-2:] == ["70.0", "1.00"]
    assert "- DRIT++, mean predicts with the weights of DRIT++, whose training is" in text
    assert "| floor: frozen" not in text and "- A frozen segmentor is the ceiling's" in text
    taken = hours(costs_of(*lines, rows=rows).whole)
    assert (taken["drit.mean"], taken[frozen]) == (1, 0.5)


def test_an_external_method_was_trained_elsewhere(written):
    external = Row("theirs", "Theirs", "method", "external", tasks=("synthesis",), trained=False)
    rows = [*ROWS, external, Row("masks", "Masks", "method", "external", ("segmentation",), False)]
    text = written(rows=rows)[".md"]
    assert cells(text, "Theirs") == ["trained elsewhere", *["–"] * 8]
    assert cells(text, "Masks") == ["trained elsewhere", *["–"] * 6]
    assert not {"theirs", "masks"} & hours(costs_of(rows=rows)).keys()


def test_the_csv_has_raw_numbers(tmp_path, written):
    lines = cost("unet", updates=25_800_001, memory=22_345_678_901, wall=5400.5), cost("cutgan")
    written(*lines, predictions=[predicted("cutgan", seconds=1.23456, memory=12_345_678_901)])
    rows = pd.read_csv(tmp_path / "table4_cost.csv")
    assert set(rows["cohort"]) == {"made-up cohort"}
    assert list(rows["block"].unique()) == ["generators", "segmentors"]
    unet = rows[rows["run"] == "unet"].iloc[0]
    assert (unet["updates"], unet["memory_bytes"]) == (25_800_001, 22_345_678_901)
    assert (unet["wall_seconds"], unet["parameters"]) == (5400.5, 2_500_000)
    assert pd.isna(unet["volume_seconds"])
    cutgan = rows.set_index("run").loc["cutgan"]
    assert (cutgan["volumes"], cutgan["slices"], cutgan["volume_seconds"]) == (4, 620, 1.23456)
    assert cutgan["prediction_memory_bytes"] == 12_345_678_901
    assert cutgan["predicted_on"] == f"{GPU} (threads: 2, inference_batch: 16)"
    assert ",25800001," in (tmp_path / "table4_cost.csv").read_text()


def test_latex_is_even_and_ascii(written):
    text = written(cost("unet"), cost("cutgan"))[".tex"]
    check_latex(text, tables=2)
    assert r"My\_method" in text


def test_a_benchmark_whose_trainings_all_failed_has_its_table(written):
    failed = [replace(row, failure="no memory") for row in ROWS]
    text = written(rows=failed)[".md"]
    assert cells(text, "UNet")[0] == cells(text, "floor: T1 copied")[0] == "failed"


def test_hours_count_the_generator_and_what_a_run_continues():
    lines = cost("maf_net", wall=3600), cost("maf_net.joint", wall=7200), cost("unet", wall=1800)
    lines += cost("maf_net+unet", wall=900), cost("real_t1ce+unet", wall=360)
    assert hours(costs_of(*lines)) == {
        "maf_net": 1, "maf_net.joint": 3, "unet": 0.5, "maf_net+unet": 1.25,
        "real_t1ce+unet": 0.1, "real_t1ce": 0, "copy_t1": 0,
    }  # fmt: skip
    assert "cutgan+unet" not in hours(costs_of(cost("cutgan+unet"))), "its generator has no cost"


def test_json_cells_can_be_sorted(written):
    content = json.loads(written(cost("unet", updates=25800, wall=5400.0))[".json"])
    row = next(row for row in content["blocks"][1]["rows"] if row["run"] == "unet")
    assert [cell["value"] for cell in row["cells"]] == [1, 25800, 400, None, 1.5, 1.0, 2.5]


def test_costs_of_an_unknown_run_are_an_error():
    with pytest.raises(InputError, match=r"cost files of gone, which this benchmark does not list"):
        block("generators", cost("gone"))
    with pytest.raises(InputError, match=r"cost files of gone, which this benchmark does not list"):
        block("generators", predictions=[predicted("gone")])


@pytest.fixture
def cost_file(tmp_path):
    def write(name, *lines, columns=COLUMNS):
        path = tmp_path / name
        pd.DataFrame(lines, columns=columns).to_csv(path, index=False)
        return path

    return write


def test_cost_files_are_joined(cost_file):
    costs = read_costs([cost_file("a.csv", cost("unet")), cost_file("b.csv", cost("cutgan", 1))])
    assert list(costs.columns) == COLUMNS
    assert list(costs["run"]) == ["unet", "cutgan"]
    assert costs[["seed", "updates", "images", "wall_seconds"]].to_numpy().tolist() == [
        [0, 100, 400, 60.0],
        [1, 100, 400, 60.0],
    ]
    assert read_costs([]).empty


@pytest.mark.parametrize(
    ("column", "wrong"),
    [("updates", "many"), ("updates", "1.5"), ("wall_seconds", ""), ("memory_bytes", "nan")],
)
def test_what_is_not_a_number_is_named(cost_file, column, wrong):
    line = cost("unet")
    line[COLUMNS.index(column)] = wrong
    said = rf"cost\.csv, line 2: {column} is '{wrong}', which is not a"
    with pytest.raises(InputError, match=said):
        read_costs([cost_file("cost.csv", line)])


def test_wrong_columns_and_a_second_cost_are_named(cost_file, tmp_path):
    columns = ["rnu" if column == "run" else column for column in COLUMNS]
    with pytest.raises(InputError, match=r"line 1: columns missing: \['run'\], .*\['rnu'\]"):
        read_costs([cost_file("a.csv", cost("unet"), columns=columns)])
    twice = cost_file("b.csv", cost("unet")), cost_file("c.csv", cost("unet"))
    with pytest.raises(InputError, match=r"c\.csv, line 2: the cost of run unet, .* fold 0 is alr"):
        read_costs(twice)
    with pytest.raises(InputError, match=r"absent\.csv: cannot be read as a cost table"):
        read_costs([tmp_path / "absent.csv"])


MINE = """
title: made up
cohort: {source: brats, path: data}
results:
  methods: [copy_t1]
  split: {fractions: [1, 1, 1], seed: 0}
  slices: {crop: 32, downsample: 2, step: 1}
  protocols: [strict]
  conventions: false
speed: {device: cpu, threads: 1, inference_batch: 5}
"""
FLOOR = Path("results/runs/mine/copy_t1/seed0")


def do(verb: str, *arguments: str) -> int:
    return workflow([verb, "--benchmark", "mine.yaml", *arguments])


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Three prepared patients, one of each part of the split, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(MINE, encoding="utf-8")
    patients = ["P0", "P1", "P2"]
    write_cohort(Path("data"), patients)
    assert not any(do("prepare", "--patient", patient) for patient in patients)
    assert do("cohort") == 0 and do("split") == 0


def test_a_synthesis_measures_its_median_volume(prepared, monkeypatch):
    """Its index, by whose content Snakemake compares, is the same whatever it took."""
    synthesize, calls = inference.synthesize, []

    def warming_up(*arguments):
        calls.append(arguments)
        time.sleep(1.0 if len(calls) == 1 else 0.1)
        return synthesize(*arguments)

    monkeypatch.setattr(inference, "synthesize", warming_up)
    assert do("synthesize", "--run", "copy_t1", "--seed", "0") == 0
    [took] = read_prediction_costs([FLOOR / "t1ce_cost.csv"]).to_dict("records")
    assert 0.1 < took.pop("seconds") < 1, "not the median volume"
    assert took.pop("memory_bytes") > 10**7
    assert took == {
        "run": "copy_t1", "seed": 0, "repeat": 0, "fold": 0, "volumes": 3, "slices": 3 * 8,
        "device": "CPU", "threads": 1, "inference_batch": 5,
    }  # fmt: skip
    index = (FLOOR / "t1ce.json").read_bytes()
    assert do("synthesize", "--run", "copy_t1", "--seed", "0") == 0
    assert (FLOOR / "t1ce.json").read_bytes() == index


@pytest.mark.parametrize("verb", ["tabulate", "manifest"])
def test_a_missing_cost_of_a_synthesis_is_named(prepared, capsys, verb):
    """As in results that were made before it was measured."""
    assert not any(do(verb, "--run", "copy_t1", "--seed", "0") for verb in ("synthesize", "score"))
    assert do(verb) == 0
    (FLOOR / "t1ce_cost.csv").unlink()
    capsys.readouterr()
    assert do(verb) == 2
    said = capsys.readouterr().err
    assert f"There is no {FLOOR}/t1ce_cost.csv" in said
    assert "python -m workflow synthesize --run copy_t1 --seed 0" in said
