"""The table of what trainings took, from made-up costs, against sums worked out by hand."""

import re

import pandas as pd
import pytest
from made_up_scores import COHORT, check_latex

from benchmarks.errors import InputError
from benchmarks.reporting.cost import (
    COLUMNS,
    Training,
    cost_table,
    read_costs,
    write_cost_table,
)
from benchmarks.reporting.published import read_published
from benchmarks.reporting.rows import System

GPU = "NVIDIA H200"

SYSTEMS = [
    System("real_t1ce", "Real T1ce", "oracle"),
    System("real_t1ce+unet", "Real T1ce + UNet", "oracle"),
    System("mine", "My_method", "entry"),
    System("mine+unet", "My_method + UNet", "entry"),
    System("copy_t1", "T1 copied", "floor"),
    System("copy_t1+unet", "T1 copied + UNet", "floor"),
    System("cutgan", "CUTGAN", "entry"),
    System("cutgan+unet", "CUTGAN + UNet", "entry"),
    System("cyclegan", "CycleGAN", "entry", "loss G is\nNaN", ("synthesis",)),
    System("cyclegan+unet", "CycleGAN + UNet", "entry", "it builds on cyclegan, which failed"),
    System("drit", "DRIT", "entry"),
    System("drit+unet", "DRIT + UNet", "entry"),
    System("maf_net", "MAF-Net", "entry"),
    System("maf_net+unet", "MAF-Net + UNet", "entry"),
    System("maf_net.joint", "MAF-Net, joint", "entry"),
    System("unet", "UNet", "entry"),
]
CONTROLS = ("real_t1ce", "copy_t1")


def training(system) -> Training:
    if system in CONTROLS:
        return Training(system, "control", trained=False)
    if system == "maf_net.joint":
        return Training(system, "joint", continues="maf_net")
    return Training(system, "segmentation" if "unet" in system else "synthesis")


TRAININGS = [training(system.id) for system in SYSTEMS]


def cost(system, seed=0, updates=100, images=400, wall=60.0, core=90.0, memory=10**9, device=GPU):
    return [system, seed, updates, images, wall, core, memory, device, 2_500_000]


def frame(*lines):
    return pd.DataFrame(lines, columns=COLUMNS)


@pytest.fixture(scope="module")
def published():
    return read_published()


@pytest.fixture
def block(published):
    def rows(name, *lines, systems=SYSTEMS, trainings=TRAININGS):
        return cost_table(published, name, frame(*lines), systems, trainings).set_index("system")

    return rows


@pytest.fixture
def written(tmp_path, published):
    def texts(*lines, systems=SYSTEMS):
        paths = write_cost_table(tmp_path, published, frame(*lines), systems, TRAININGS, COHORT)
        assert {path.stem for path in paths} == {"table4_cost"}
        return {path.suffix: path.read_text(encoding="utf-8") for path in paths}

    return texts


def cells(text, label):
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_rows_stand_as_in_the_tables_of_scores(block):
    assert list(block("generators").index) == [
        "copy_t1", "cyclegan", "drit", "cutgan", "maf_net.joint", "mine", "maf_net", "real_t1ce",
    ]  # fmt: skip
    assert list(block("segmentors").index) == [
        "copy_t1+unet",
        "cyclegan+unet", "cutgan+unet", "drit+unet",
        "mine+unet", "maf_net+unet", "unet",
        "real_t1ce+unet",
    ]  # fmt: skip
    assert block("generators").loc["drit", "label"] == "DRIT++", "not the paper's label"


def test_what_the_benchmark_does_not_run_has_no_row(block):
    ids = ("unet", "cutgan", "cutgan+unet")
    few = [s for s in SYSTEMS if s.id in ids], [t for t in TRAININGS if t.system in ids]
    rows = block("segmentors", cost("unet"), systems=few[0], trainings=few[1])
    assert list(rows.index) == ["cutgan+unet", "unet"]


def test_hours_are_the_gpus_or_the_cores(block):
    rows = block("generators", cost("cutgan"), cost("mine", device="CPU"))
    assert rows.loc["cutgan", "device_seconds"] == 60
    assert rows.loc["mine", "device_seconds"] == 90
    assert rows.loc["mine", ["wall_seconds", "core_seconds", "device"]].tolist() == [60, 90, "CPU"]


def test_a_run_that_goes_on_from_another_counts_that_one_too(block):
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


def test_a_cost_without_what_it_goes_on_from_is_none(block):
    assert block("generators", cost("maf_net.joint")).loc["maf_net.joint", "seeds"] == 0


def test_seeds_have_a_mean_time_and_the_highest_memory(block):
    two = cost("unet", 0, wall=10.0, memory=7), cost("unet", 1, wall=20.0, memory=5)
    unet = block("segmentors", *two).loc["unet"]
    assert (unet["seeds"], unet["updates"], unet["images"]) == (2, 100, 400)
    assert (unet["wall_seconds"], unet["memory_bytes"]) == (15, 7)


def test_only_seeds_of_which_all_is_there_count(block):
    lines = [
        cost("maf_net", 0),
        cost("maf_net", 1, wall=99.0),
        cost("maf_net.joint", 0),
        cost("maf_net.joint", 2, wall=99.0),
    ]
    joint = block("generators", *lines).loc["maf_net.joint"]
    assert (joint["seeds"], joint["wall_seconds"]) == (1, 120)


def test_rows_without_a_cost_say_why(written):
    text = written(cost("cutgan"), cost("unet"))[".md"]
    assert cells(text, "floor: T1 copied") == ["not trained", *["–"] * 6]
    assert cells(text, "ceiling: Real T1ce") == ["not trained", *["–"] * 6]
    assert cells(text, "CycleGAN") == cells(text, "CycleGAN + UNet") == ["failed", *["–"] * 6]
    assert cells(text, "My_method") == ["not run here", *["–"] * 6]
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
    assert text.startswith(f"# Table IV. Cost of training: {COHORT}.\n")
    assert "**" not in text
    unet = ["1", "25,800", "103,200", GPU, "1.50", "22.34", "2.50"]
    assert cells(text, "UNet") == unet
    assert cells(text, "MAF-Net, joint")[4] == "0.0500"
    assert "- MAF-Net, joint goes on from MAF-Net: what that took is included.\n" in text
    assert "- The segmentor of MAF-Net, joint is trained along" in text
    assert re.findall("^## (.*)", text, re.M) == [
        "Generators: what synthesises T1ce.",
        "Segmentors: what segments behind a generator, or alone.",
    ]


def test_several_batches_an_update_are_told(written):
    text = written(cost("cutgan"), cost("drit", images=1200), cost("maf_net"))[".md"]
    assert [line for line in text.splitlines() if "each update takes" in line] == [
        "- DRIT++: each update takes 3 batches."
    ]


def test_the_csv_has_raw_numbers(tmp_path, written):
    lines = cost("unet", updates=25_800_001, memory=22_345_678_901, wall=5400.5), cost("cutgan")
    written(*lines)
    rows = pd.read_csv(tmp_path / "table4_cost.csv")
    assert set(rows["cohort"]) == {COHORT}
    assert list(rows["block"].unique()) == ["generators", "segmentors"]
    unet = rows[rows["system"] == "unet"].iloc[0]
    assert (unet["updates"], unet["memory_bytes"]) == (25_800_001, 22_345_678_901)
    assert (unet["wall_seconds"], unet["parameters"]) == (5400.5, 2_500_000)
    assert ",25800001," in (tmp_path / "table4_cost.csv").read_text()


def test_latex_is_even_and_ascii(written):
    text = written(cost("unet"), cost("cutgan"))[".tex"]
    check_latex(text, tables=2)
    assert r"My\_method" in text


def test_a_benchmark_whose_trainings_all_failed_has_its_table(written):
    failed = [System(s.id, s.label, s.role, "no memory") for s in SYSTEMS]
    text = written(systems=failed)[".md"]
    assert cells(text, "UNet")[0] == cells(text, "floor: T1 copied")[0] == "failed"


def test_costs_of_a_stranger_are_an_error(block):
    with pytest.raises(InputError, match=r"cost files of gone, which this benchmark does not list"):
        block("generators", cost("gone"))


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
    assert list(costs["system"]) == ["unet", "cutgan"]
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
    columns = ["sytem" if column == "system" else column for column in COLUMNS]
    with pytest.raises(InputError, match=r"line 1: columns missing: \['system'\], .*\['sytem'\]"):
        read_costs([cost_file("a.csv", cost("unet"), columns=columns)])
    twice = cost_file("b.csv", cost("unet")), cost_file("c.csv", cost("unet"))
    with pytest.raises(InputError, match=r"c\.csv, line 2: the cost of system unet, seed 0 is alr"):
        read_costs(twice)
    with pytest.raises(InputError, match=r"absent\.csv: cannot be read as a cost table"):
        read_costs([tmp_path / "absent.csv"])
