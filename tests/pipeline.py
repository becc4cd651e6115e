"""A small DAG of phantom patients, and how tests run it and ask what would be rerun."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import torch
from repository import copy_repository

TINY = """
title: tiny phantom
cohort: {source: phantom, patients: 6, seed: 14}
results:
  split: {fractions: [4, 1, 1], seed: 6}
  slices: {crop: 64, downsample: 3, step: 5}
  training:
    batch: 2
    steps_per_epoch: 8
    epochs: {synthesis: 1, segmentation: 3, joint: 3}
  without: [latent_correlation, mgp_vae, res_unet, resvit, unet_l1]
  params:
    cyclegan: {width: 2}
    drit: {width: 4, content_stages: 1}
    pix2pix: {width: 2, halvings: 4}
    cutgan: {width: 2, head_features: 8}
    maf_net: {width: 2, head_features: 8, unet_width: 4, unet_rate: 0.01}
    unet: {width: 4, learning_rate: 0.01}
    yoda: {width: 4, noise_side: 64}
speed: {device: cpu, threads: 1}
"""
# The fewest jobs that include one of every rule.
SMALLEST = """
title: smallest phantom, 3 Kästchen
cohort: {source: phantom, patients: 3, seed: 14}
results:
  split: {fractions: [1, 1, 1], seed: 8}
  slices: {crop: 32, downsample: 6, step: 8}
  training:
    batch: 2
    steps_per_epoch: 1
    epochs: {synthesis: 1, segmentation: 1, joint: 1}
  methods: [copy_t1]
  protocols: [strict]
  conventions: false
  params: {unet: {width: 2}}
speed: {device: cpu, threads: 1}
"""
# Without the figures, and without the manifest and the page, which follow from them.
TABLES_ALONE = ("--omit-from", "draw")
RUNS = [
    "copy_t1",
    "copy_t1+unet",
    "cutgan",
    "cutgan+unet",
    "cyclegan",
    "cyclegan+unet",
    "drit",
    "drit+unet",
    "empty",
    "empty+unet",
    "maf_net",
    "maf_net+unet",
    "maf_net.average",
    "maf_net.average+unet",
    "maf_net.joint",
    "pix2pix",
    "pix2pix+unet",
    "real_t1ce",
    "real_t1ce+unet",
    "unet",
    "yoda",
    "yoda+unet",
    "yoda.ddim10",
    "yoda.ddim10+unet",
]
SYNTHESES = [run for run in RUNS if run != "unet" and "+" not in run]
UNTRAINED = ["copy_t1", "empty", "real_t1ce", "yoda.ddim10"]
# Their T1ce is segmented by the ceiling's segmentor too.
FROZEN = [f"{run}+unet.frozen" for run in SYNTHESES if run != "real_t1ce"]
_DIGESTS = """
import json
from workflow.dag import Dag
dag = Dag({"benchmark": "tiny.yaml"})
rules = ["simulate", "prepare", "cohort", "split", "score", "tabulate", "draw", "manifest", "page"]
digests = {rule: dag.digest(rule) for rule in rules}
digests |= {f"train {run.name}": dag.plan.digest(run, 0) for run in dag.plan.runs.values()}
print(json.dumps(digests))
"""


def with_benchmark(folder: Path) -> Path:
    """A copy of the repository that has the tiny benchmark."""
    copy = copy_repository(folder)
    (copy / "tiny.yaml").write_text(TINY)
    return copy


def run(folder: Path, command: list[str]) -> subprocess.CompletedProcess:
    """Run a command in a copy; its output and errors are together in `stdout`."""
    # A test that itself runs under Snakemake or with other threads must not pass that on.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return run(folder, [sys.executable, *arguments])


def snakemake(folder: Path, *arguments: str, **config: str) -> subprocess.CompletedProcess:
    settings = [f"{key}={value}" for key, value in config.items()]
    return python(folder, "-m", "snakemake", "--cores", "2", *arguments, "--config", *settings)


def planned(folder: Path, *arguments: str, benchmark: str = "tiny.yaml") -> list[str]:
    """The commands that Snakemake would run now; seconds, so ask `planned_digests` if you can."""
    dry = snakemake(folder, "-n", *arguments, benchmark=benchmark)
    assert dry.returncode == 0, dry.stdout[-5000:]
    commands = re.findall(r"python -m workflow [^>\n]*", dry.stdout)
    nothing = r"^total +0$|Nothing to be done"  # with --until, and without
    assert commands or re.search(nothing, dry.stdout, re.MULTILINE), dry.stdout
    return commands


def planned_digests(folder: Path) -> dict[str, str]:
    """The digest of each rule and each training, whose change makes Snakemake run it again."""
    done = python(folder, "-c", _DIGESTS)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


def runs_of(commands: list[str]) -> set[str]:
    return {m.group(1) for c in commands if (m := re.search(r"--run (\S+)", c))}


def assert_same(a, b) -> None:
    """Nested weights and states that are equal to the bit."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b
