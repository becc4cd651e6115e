"""The phantom's DAG through a real SLURM: this machine as a cluster, with GPUs that are not there.

`make slurm` installs what it needs and runs it.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pipeline import TINY, assert_same
from repository import copy_repository

CLUSTER = Path(__file__).with_name("slurm_cluster.sh")
MISSING = [name for name in ("munged", "slurmctld", "slurmd", "srun") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: say `make slurm`"),
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start SLURM's daemons"),
]
# Everything but the NIfTI files to look at, to save time.
TARGET = "results/manifest/tiny.json"
KILLED = "real_t1ce+unet"
FLAGS = ["--profile", "profiles/slurm", "--slurm-status-command", "squeue"]
FLAGS += ["--slurm-init-seconds-before-status-checks", "5"]
CHANGES = {
    "patients: 6": "patients: 3",
    "[4, 1, 1], seed: 6": "[1, 1, 1], seed: 8",
    "without: [latent_correlation, mgp_vae, res_unet, resvit, unet_l1]": "methods: [copy_t1]",
    # Long enough to be killed in the middle.
    "segmentation: 3": "segmentation: 15",
    # The cluster's GPUs are asked for though torch has no use of them.
    "device: cpu": "device: auto",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The environment in which commands talk to the cluster."""
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([CLUSTER, "start", folder], text=True, capture_output=True)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        outside = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
        yield outside | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
    finally:
        subprocess.run([CLUSTER, "stop", folder], check=True)


def repository(folder: Path) -> Path:
    copy, text = copy_repository(folder), TINY
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new, 1)
    (copy / "tiny.yaml").write_text(text)
    return copy


def snakemake(folder: Path, environment: dict, *flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", *flags, "--config", "benchmark=tiny.yaml"]
    with (folder / "output").open("w") as output:
        return subprocess.Popen(
            [*command, "--", TARGET],
            cwd=folder,
            env=environment | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def jobs(cluster: dict) -> list[dict[str, str]]:
    """All jobs that the cluster ever had, in their order."""
    fields = ["jobid", "comment", "state", "minmemory", "tres-per-job"]
    command = ["squeue", "--states=all", "--noheader", "--sort=i"]
    command += ["-O", ",".join(f"{field}:80" for field in fields)]
    listed = subprocess.run(command, env=cluster, text=True, capture_output=True, check=True)
    columns = [range(n * 80, n * 80 + 80) for n in range(len(fields))]
    return [
        {f: line[c.start : c.stop].strip() for f, c in zip(fields, columns, strict=True)}
        for line in listed.stdout.splitlines()
    ]


def wait_for_epoch(log: Path, epoch: int, process: subprocess.Popen) -> None:
    while f"epoch {epoch}/" not in (log.read_text(encoding="utf-8") if log.exists() else ""):
        assert process.poll() is None, "it ended without the training"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def finished(cluster, tmp_path_factory):
    """A repository whose results were made by the cluster, one training killed in its middle."""
    folder = repository(tmp_path_factory.mktemp("cluster"))
    process = snakemake(folder, cluster, *FLAGS)
    try:
        log = folder / f"results/logs/tiny/train/{KILLED}/seed0.log"
        wait_for_epoch(log, 2, process)
        (job,) = [j for j in jobs(cluster) if KILLED in j["comment"]]
        subprocess.run(["scancel", job["jobid"]], env=cluster, check=True)
        assert process.wait() == 0, (folder / "output").read_text()[-5000:]
    finally:
        process.kill()
    return folder


def test_every_rule_ran_on_the_cluster(finished, cluster):
    done = " ".join(job["comment"] for job in jobs(cluster) if job["state"] == "COMPLETED")
    rules = {"simulate", "prepare", "cohort", "split", "train", "synthesize", "segment", "score"}
    rules |= {"tabulate", "draw", "manifest"}
    assert {rule for rule in rules if rule not in done} == set()


def test_trainings_and_predictions_alone_ask_for_a_gpu(finished, cluster):
    for job in jobs(cluster):
        wanted = re.match("rule_(train|synthesize|segment)_", job["comment"])
        assert (job["tres-per-job"] == "gres:gpu:1") == bool(wanted), job


def test_a_cancelled_training_is_submitted_again_with_more_memory(finished, cluster):
    trained = [j for j in jobs(cluster) if f"rule_train_wildcards_{KILLED}" in j["comment"]]
    found = [(job["state"], job["minmemory"]) for job in trained]
    assert found == [("CANCELLED", "24000M"), ("COMPLETED", "48000M")]
    log = (finished / f"results/logs/tiny/train/{KILLED}/seed0.log").read_text()
    assert "resuming after epoch" in log
    assert not list(finished.glob("results/runs/**/failed-*"))


def test_results_are_those_of_a_local_run(finished, tmp_path):
    local = repository(tmp_path)
    process = snakemake(local, dict(os.environ), "--cores", "2")
    assert process.wait() == 0, (local / "output").read_text()[-5000:]
    for name in (KILLED, "copy_t1+unet"):
        weights = f"results/runs/tiny/{name}/seed0/weights.pt"
        ours, theirs = (torch.load(x / weights, weights_only=True) for x in (finished, local))
        assert_same(ours, theirs)
    names = ["scores.csv"]
    for table in ("table1_ablation", "table2_synthesis", "table3_segmentation"):
        names += [f"{table}.csv", f"{table}.md"]
    for name in names:
        path = f"results/tables/tiny/{name}"
        assert (finished / path).read_bytes() == (local / path).read_bytes(), name
