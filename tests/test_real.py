"""Real patients through the store, the controls and the strict protocol, at full size."""

import os
from pathlib import Path

import pytest
import torch

from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import Grid, StoredPatient, prepare
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.score import score_synthesis
from methods.loading import build
from methods.registry import discover
from workflow.inference import synthesize
from workflow.training.view import View

BRATS_DIR = os.environ.get("BRATS_DIR")
pytestmark = pytest.mark.skipif(
    not BRATS_DIR, reason="BRATS_DIR is unset: it should name a folder of real BraTS patients"
)


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    chosen = find_patients(Path(BRATS_DIR))[:2]
    for files in chosen:
        prepare(files, folder, Grid(), load_source("brats"))
    return [StoredPatient(folder, files.patient) for files in chosen]


def scores(control: str, patient: StoredPatient) -> dict[tuple[str, str], float]:
    method = discover()[control]
    inputs = method.description.inputs
    model = build(method, method.params("base", {}), len(inputs))
    made = synthesize(model, patient, View(inputs, 224), torch.device("cpu"), 32)
    scan = patient.volume(224)
    rows = score_synthesis([load_protocol("strict")], scan.t1ce, made, scan.labels)
    return {(row["metric"], row["region"]): row["value"] for row in rows}


def test_copying_t1_looks_good_over_air_and_fails_inside_the_enhancing_tumour(patients):
    for patient in patients:
        found = scores("copy_t1", patient)
        assert found["ssim", "whole"] > 0.8
        assert found["ssim", "et"] < found["ssim", "brain"] < found["ssim", "whole"]
        assert found["ssim", "et"] < 0.5


def test_the_real_t1ce_is_perfect(patients):
    found = scores("real_t1ce", patients[0])
    assert all(value == 1 for (metric, _), value in found.items() if metric == "ssim")
    assert all(value == float("inf") for (metric, _), value in found.items() if metric == "psnr")
