"""The table of what trainings took, from made-up costs, against sums worked out by hand."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from made_up_scores import COHORT, check_latex, cost_frame, made_up_results, write_table

from benchmarks.errors import InputError
from benchmarks.reporting.costs import COLUMNS, cost_table, hours, read_costs
from benchmarks.reporting.rows import Row

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


def cost(run, seed=0, updates=100, images=400, wall=60.0, core=90.0, memory=10**9, device=GPU):
    return [run, seed, updates, images, wall, core, memory, device, 2_500_000]


def costs_of(*lines, rows=ROWS):
    return made_up_results(rows=rows, costs=cost_frame(*lines))


def block(name, *lines, rows=ROWS):
    """The rows of a block by run."""
    return cost_table(costs_of(*lines, rows=rows), name).set_index("run")


@pytest.fixture
def written(tmp_path):
    def texts(*lines, rows=ROWS):
        return write_table(tmp_path, "table4_cost", costs_of(*lines, rows=rows))

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
    assert block("generators", cost("maf_net.joint")).loc["maf_net.joint", "seeds"] == 0


def test_seeds_have_a_mean_time_and_the_highest_memory():
    two = cost("unet", 0, wall=10.0, memory=7), cost("unet", 1, wall=20.0, memory=5)
    unet = block("segmentors", *two).loc["unet"]
    assert (unet["seeds"], unet["updates"], unet["images"]) == (2, 100, 400)
    assert (unet["wall_seconds"], unet["memory_bytes"]) == (15, 7)


def test_only_seeds_of_which_all_is_there_count():
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
    assert "- MAF-Net, joint continues MAF-Net, whose cost is included.\n" in text
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


def test_the_csv_has_raw_numbers(tmp_path, written):
    lines = cost("unet", updates=25_800_001, memory=22_345_678_901, wall=5400.5), cost("cutgan")
    written(*lines)
    rows = pd.read_csv(tmp_path / "table4_cost.csv")
    assert set(rows["cohort"]) == {COHORT}
    assert list(rows["block"].unique()) == ["generators", "segmentors"]
    unet = rows[rows["run"] == "unet"].iloc[0]
    assert (unet["updates"], unet["memory_bytes"]) == (25_800_001, 22_345_678_901)
    assert (unet["wall_seconds"], unet["parameters"]) == (5400.5, 2_500_000)
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
    with pytest.raises(InputError, match=r"c\.csv, line 2: the cost of run unet, seed 0 is alr"):
        read_costs(twice)
    with pytest.raises(InputError, match=r"absent\.csv: cannot be read as a cost table"):
        read_costs([tmp_path / "absent.csv"])
