"""What `python -m workflow.speed` measures, at the smallest sizes; never how fast anything is."""

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import pytest
import torch
from made_up import write_cohort
from torch import nn

from benchmarks.errors import InputError
from methods.layers import arranged
from workflow.speed import __main__ as command
from workflow.speed import (
    dag,
    growth,
    measurements,
    official,
    packing,
    profiling,
    scoring,
    stages,
)
from workflow.speed.measurements import MEASUREMENTS, QUANTITIES, table
from workflow.speed.measuring import noise, peak_memory, timed
from workflow.speed.official import OFFICIAL
from workflow.speed.processes import ProcessError, call
from workflow.speed.settings import Settings
from workflow.training.devices import use_cpu
from workflow.training.machine import Machine

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
SMALLEST = """
title: the smallest
cohort: {source: brats}
results:
  slices: {crop: 64}
  training: {batch: 2}
  methods: [pix2pix, cyclegan]
speed: {device: cpu}
"""
# An official implementation as far as its adapter is concerned.
FAKE = """
import torch
class CycleGANModel:
    def __init__(self, opt):
        print("initialize network with normal")
        self.net = torch.nn.Conv2d(opt.input_nc, opt.output_nc, 3)
        assert opt.ngf == opt.ndf == 2
    def set_input(self, images):
        self.a = images["A"]
        assert images["A"].shape == images["B"].shape == (2, 3, 64, 64)
    def optimize_parameters(self):
        self.net(self.a).sum().backward()
"""


@pytest.fixture(scope="module")
def smallest(tmp_path_factory) -> Settings:
    """Two made-up patients of 64 x 64 x 8 voxels, networks of width 2."""
    folder = tmp_path_factory.mktemp("speed")
    (folder / "smallest.yaml").write_text(SMALLEST)
    write_cohort(folder / "brats", ["P0", "P1"])
    return Settings(
        folder=str(folder),
        benchmark=str(folder / "smallest.yaml"),
        data=str(folder / "brats"),
        width=2,
        repeats=1,
        patients=10,
    )


def assert_rows(rows: list[dict]) -> None:
    """Each with a name, and positive numbers that the table knows how to show."""
    assert rows
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        numbers = {key: value for key, value in row.items() if key != "name"}
        assert numbers and numbers.keys() <= QUANTITIES.keys(), row
        assert all(math.isfinite(x) and x > 0 for x in numbers.values()), row


@pytest.fixture(scope="module")
def step(smallest) -> dict:
    """The row of a training step of pix2pix."""
    return stages.measure_run("pix2pix", asdict(smallest))


def test_a_step(step):
    row = step
    assert_rows([row])
    assert row["images_per_second"] == pytest.approx(2 / row["seconds_per_step"])
    assert row["share_of_peak"] < 1
    assert row["memory_bytes"] > row["parameters"] * 4


def test_where_a_step_spends_its_time(smallest):
    """Shares add up, and a network has what it is made of: pix2pix's pads nothing."""
    row = profiling.measure_run("cyclegan", asdict(smallest))
    assert_rows([{key: value for key, value in row.items() if key != "share_matrix_product"}])
    shares = [row[f"share_{kind}"] for kind in (*profiling.KINDS, "rest")]
    assert sum(shares) == pytest.approx(1)
    assert row["share_convolution"] == max(shares)
    assert row["share_of_convolution"] < 1


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (nn.Conv2d(4, 4, 3), "convolution"),
        (nn.ConvTranspose2d(4, 4, 3), "convolution"),
        (nn.Linear(16, 16), "matrix_product"),
        (nn.InstanceNorm2d(4), "norm"),
        (nn.GroupNorm(1, 4), "norm"),
        (nn.BatchNorm2d(4), "norm"),
        (nn.ReflectionPad2d(3), "padding"),
        (nn.LeakyReLU(0.2), "activation"),
        (nn.Tanh(), "activation"),
        (arranged.Conv2d(4, 16, 3), "convolution"),
        (arranged.InstanceNorm2d(4), "norm"),
        (arranged.ReflectionPad2d(3), "padding"),
    ],
)
def test_each_kind_of_operation_is_recognised(layer, kind):
    """Forward and backward; the rest is what sums the output up."""
    image = noise(32, 4, 64 if kind != "matrix_product" else 16).requires_grad_()
    shares = profiling.shares_of(lambda: layer(image).sum().backward())
    assert shares.keys() == {kind, "rest"}
    assert shares[kind] > 0.2


def test_the_optimisers_own_time():
    weight = nn.Parameter(torch.ones(10**6))
    weight.grad = torch.ones_like(weight)
    shares = profiling.shares_of(torch.optim.Adam([weight], fused=True).step)
    assert shares["optimiser"] > 0.5


def test_trainings_that_share_a_device(smallest, monkeypatch):
    monkeypatch.setattr(packing, "COUNTS", (1, 2))
    row = packing.measure_run("pix2pix", smallest, seconds=0.1)
    rates, gains = row["steps_per_second_of"], row["gain_of"]
    assert len(rates) == 2 and min(rates) > 0
    assert gains == [1, rates[1] / rates[0]]
    assert row.keys() - {"name"} <= QUANTITIES.keys()


def test_flops_are_those_of_forward_and_backward():
    class Convolution:
        def __init__(self):
            self.layer = nn.Conv2d(3, 5, 3, padding=1)

        def train_step(self, batch):
            self.layer(batch).sum().backward()

    forward = 2 * 3 * 5 * 9 * 64 * 64
    made = stages.count_flops(Convolution(), noise(1, 3, 64), Machine(CPU))
    # The images themselves get no gradient.
    assert made == 2 * forward


def test_the_budget(smallest, step):
    """What is counted on tensors without content is what a real step computes."""
    *rows, total = stages.measure_budget(smallest)
    assert_rows([*rows, total])
    assert total["flops"] == sum(row["flops"] for row in rows)
    pix2pix = next(row for row in rows if row["name"] == "pix2pix")
    assert pix2pix["flops_per_step"] == step["flops_per_step"]
    # 7 of 10 patients of 60 slices, in batches of 2, for 10 epochs
    assert pix2pix["steps"] == 7 * 30 * 10
    phantom = Settings(folder=smallest.folder).load()
    # 8 of 20 patients of 60 slices, every fourth of them, in batches of 3
    assert stages.steps_per_epoch(phantom, 20) == 8 * 60 // 4 // 3


def test_the_input_pipeline(smallest):
    rows = stages.measure_pipeline(smallest)
    assert_rows(rows)
    assert [row["name"] for row in rows] == ["paired", "unpaired"]


def test_predictions(smallest):
    rows = stages.measure_prediction(smallest)
    assert_rows(rows)
    assert {row["name"] for row in rows} == {"pix2pix, synthesis", "cyclegan, synthesis"}


def test_preparing(smallest):
    assert_rows(stages.measure_prepare(smallest))


def test_scoring(smallest):
    plain, ours, *_ = rows = scoring.measure(smallest)
    assert ours.pop("largest_difference") < 1e-9
    assert_rows(rows)
    assert [plain["name"], ours["name"]] == ["medpy and scikit-image", "paper and strict"]


@pytest.fixture
def run_dag(tmp_path) -> Path:
    """What Snakemake leaves of three jobs, of 100 s and then 300 s, the last one beside it."""
    logs, kept = tmp_path / ".snakemake" / "log", tmp_path / "results" / "logs" / "small"
    logs.mkdir(parents=True)
    began = datetime(2026, 1, 1, 12).timestamp()
    # The job of another day is no part of this DAG.
    times = {"b/P0": (2, 102.1), "c/x/seed0": (103, 403), "d": (104, 204), "a/P0": (-900, 0)}
    for name, (start, end) in times.items():
        path = kept / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\n{end - start:.4f}\t0:00:00\tNA\n")
        os.utime(path, (began + end, began + end))
    for name, end in (("2026-01-01T120000.000000", 405), ("2026-01-01T130000.000000", 3601)):
        log = logs / f"{name}.snakemake.log"
        log.touch()
        os.utime(log, (began + end, began + end))
    return tmp_path


def test_the_dag(smallest, run_dag, monkeypatch):
    monkeypatch.setattr(dag, "VERBS", ["prepare"])
    rows = dag.measure(replace(smallest, finished=str(run_dag)))
    assert rows[0]["name"] == "planning for 10 patients"
    in_dag = [row for row in rows if row["name"] == "their start, in that"]
    assert in_dag.pop().pop("seconds") == 0  # none of the jobs is of that verb
    assert_rows([row for row in rows if len(row) > 1])


def test_overhead_is_what_cores_wait_for_snakemake(run_dag):
    jobs, began, ended = dag.finished(run_dag)
    assert [rule for rule, _, _ in jobs] == ["b", "c", "d"]
    found = {row["name"]: row for row in dag.overhead(jobs, began, ended, {"b": 20.0, "c": 30.0})}
    took = {name: pytest.approx(row["seconds"], abs=1e-3) for name, row in found.items()}
    assert took == {
        "the DAG's jobs": 500.1,
        "their start, in that": 50,
        "Snakemake before the first": 2,
        "Snakemake between jobs": 0.9 + 1.9,
        "Snakemake after the last": 2,
        "Snakemake": 6.8,
    }
    assert found["the DAG's jobs"]["jobs"] == 3
    assert found["Snakemake"]["overhead"] == pytest.approx(6.8 / 450.1)


def test_without_data_a_phantom_will_do(smallest, monkeypatch):
    from benchmarks.cohorts import simulation

    def simulate(name: str, folder: Path, seed: int) -> None:
        write_cohort(folder, [name])

    monkeypatch.setattr(simulation, "simulate", simulate)
    settings = Settings(folder=smallest.folder, benchmark="brats2020")
    assert [files.patient for files in settings.patient_files()] == ["Phantom_001"]


def test_a_new_method_is_measured(tmp_path):
    """By the command itself, in a copy of the repository."""
    for folder in ("benchmarks", "methods", "workflow"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    (tmp_path / "mine.yaml").write_text(SMALLEST.replace("[pix2pix, cyclegan]", "[mine]"))

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    python("methods", "new", "mine")
    options = ["--benchmark", "mine.yaml", "--only", "steps", "--repeats", "1"]
    printed = python("workflow.speed", *options, "--json", "speed.json")
    told = json.loads((tmp_path / "speed.json").read_text())
    assert told.keys() == {
        "date", "commit", "dirty", "machine", "python", "torch", "threads", "settings", "pieces"
    }  # fmt: skip
    assert told["pieces"].keys() == {"steps"}
    rows = told["pieces"]["steps"]["rows"]
    assert [row["name"] for row in rows] == ["mine"]
    assert_rows(rows)
    assert told["pieces"]["steps"]["seconds"] > 0
    assert "| mine " in printed and "images/s" in printed


def test_beside_an_official_implementation(smallest, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "cycle_gan_model.py").write_text(FAKE)
    settings = Settings(**vars(smallest) | {"official": {"cyclegan": str(tmp_path)}})
    (row,) = official.measure(settings)
    assert_rows([row])
    assert row["name"] == "cyclegan" and row["side"] == 64
    assert row["memory_ratio"] == row["memory_bytes"] / row["official_memory_bytes"]
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files == ["cycle_gan_model.py"]  # the checkout stays as it is


def test_an_official_implementation_that_fails_says_why(smallest, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "cycle_gan_model.py").write_text("raise RuntimeError('too old')")
    settings = Settings(**vars(smallest) | {"official": {"cyclegan": str(tmp_path)}})
    (row,) = official.measure(settings)
    assert "workflow.speed.official:official_steps" in row["failed"] and "too old" in row["failed"]
    assert row["failed"] in table([row])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "steps,speps"], ["no speps", *MEASUREMENTS]),
        (["--only", "official"], ["--official NAME=PATH"]),
        (["--official", "cyclegan"], ["NAME=PATH", *OFFICIAL]),
        (["--official", "unet=."], ["unet=.", *OFFICIAL]),
        (["--official", "drit=/nowhere"], ["/nowhere", "src/model.py", "DRIT", "f19f50a8"]),
        (["--official", f"cutgan={ROOT}"], ["models/cut_model.py", "b3ac2977"]),
        (["--benchmark", "brats"], ["brats.yaml", "phantom"]),
        (["--size", "100"], ["--size 100", "multiple of 16"]),
        (["--batch", "0"], ["--batch 0", "1"]),
        (["--repeats", "0"], ["--repeats 0", "at least 1"]),
        (["--finished", "/nowhere"], ["--finished /nowhere", "no DAG", "snakemake"]),
    ],
)
def test_what_cannot_be_measured_is_told_at_once(options, said, capsys):
    assert command.main(options) == 2
    told = capsys.readouterr().err
    assert all(words in told for words in said), told


def test_a_piece_whose_packages_are_absent_is_skipped(smallest, monkeypatch, tmp_path):
    """As on a GPU machine with torch alone; the file stands in for the package's absence."""
    (tmp_path / "snakemake.py").write_text("raise ModuleNotFoundError(name='snakemake')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert measurements.measure("dag", smallest) == {"skipped": "snakemake is not installed"}


def test_sizes_replace_those_of_the_file(smallest):
    given = {"size": 96, "batch": 3, "threads": 2, "compile": "kernels", "channels_last": True}
    settings = Settings(**vars(smallest) | given)
    benchmark = settings.load()
    assert benchmark.speed.compile == "kernels" and benchmark.speed.channels_last
    assert benchmark.results.slices.crop == 96
    assert benchmark.results.training.batch == 3
    assert benchmark.speed.threads == 2
    params = benchmark.results.params
    assert params["maf_net"] == {"width": 2, "unet_width": 2}


def test_a_process_that_fails_says_why():
    function = "workflow.speed.measurements:measured"
    with pytest.raises(ProcessError, match=f"{function} failed: KeyError: 'nonsense'"):
        call(function, "nonsense", {})


def test_a_peak_is_that_of_its_own_process():
    """Of a new one, since this one's lies wherever the tests before have left it."""
    code = (
        "from workflow.speed.measuring import peak_memory\n"
        "before = peak_memory()\n"
        "held = bytearray(b'x' * 2**26)\n"
        "print(before, peak_memory())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)
    before, after = map(int, done.stdout.split())
    assert 2**24 < before < before + 2**25 < after < peak_memory() + 2**30


def test_times_and_rates_are_positive():
    product, flops = stages.matrix_product(CPU, torch.float32)
    took = timed(product)
    assert took.wall > 0 and took.core > 0
    assert flops == 2 * 1024**3


def test_hard_coded_widths_are_scaled(tmp_path):
    (tmp_path / "networks.py").write_text("ch = 64\ntch = 256 + 8\nkernel = 7\n")
    made = official._scaled(tmp_path / "networks.py", 8)
    assert (made.ch, made.tch, made.kernel) == (8, 40, 7)
    assert (tmp_path / "networks.py").read_text().startswith("ch = 64")


def test_a_step_that_autograd_does_not_notice():
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    official._step_unseen(optimizer)
    loss = weight.square().sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    assert torch.allclose(weight, torch.full((2,), 0.9))
    optimizer.zero_grad()
    loss.backward()  # would complain of the change
    # The gradient is that at the new weights, as before torch 1.5.
    assert torch.allclose(weight.grad, 2 * weight)


def test_memory_that_is_kept_changes_no_number():
    torch.manual_seed(0)
    layer, images = nn.Conv2d(3, 8, 3), noise(2, 3, 64)
    before = layer(images)
    threads = torch.get_num_threads()
    use_cpu(threads)
    assert torch.equal(layer(images), before)
    assert torch.get_num_threads() == threads


def test_a_size_out_of_range_names_the_option(smallest):
    with pytest.raises(InputError, match="--threads 0"):
        Settings(**vars(smallest) | {"threads": 0}).load()


def test_exponents_are_those_of_powers():
    sizes = (10, 100, 369)
    assert growth.exponent(sizes, [0.1 * n**2 for n in sizes]) == pytest.approx(2)


def test_what_is_constant_has_no_exponent():
    sizes = (10, 100, 369)
    assert growth.exponent(sizes, [5 + 0.1 * n for n in sizes]) == pytest.approx(1)
    assert growth.exponent(sizes, [5, 6, 5]) == 0


def test_growth_reads_the_labels_of_the_patients_own_release(smallest, tmp_path, monkeypatch):
    """The copies do not have the names that tell it."""
    write_cohort(tmp_path / "data", ["BraTS2021_00002"])
    gli = [f"BraTS-GLI-0000{number}-000" for number in range(2)]
    write_cohort(tmp_path / "data", gli, labels=(0, 2, 1, 3))
    monkeypatch.setattr(growth, "STEPS", ("prepare",))
    given = replace(smallest, data=str(tmp_path / "data"), folder=str(tmp_path))
    rows = growth.measure(given, {"patients": (4,), "methods": (1,), "seeds": (1,)})
    assert all(row["core_seconds_at"][0] > 0 for row in rows)


def test_growth(smallest, tmp_path):
    """Every step, with two patients' files under five names and one made-up method."""
    figure = tmp_path / "growth.png"
    sizes = {"patients": (5,), "methods": (2,), "seeds": (1,)}
    rows = growth.measure(replace(smallest, figure=str(figure)), sizes)
    every = [f"{step}, {grows}" for grows in sizes for step in growth.STEPS]
    assert [row["name"] for row in rows] == every
    for row in rows:
        assert row.keys() - {"name"} <= QUANTITIES.keys()
        assert row["core_seconds_at"][0] > 0 and row["memory_bytes_at"][0] > 0
    assert "| verify, seeds " in table(rows)
    assert figure.read_bytes().startswith(b"\x89PNG")
