"""Real patients through the store, the controls and the strict protocol, whoever they are."""

import os
from itertools import islice
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from benchmarks.cohorts.duplicates import duplicates
from benchmarks.cohorts.normalisation import stored_slices
from benchmarks.cohorts.patient import MODALITIES
from benchmarks.cohorts.plausibility import suspicious
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import Grid, Scan, StoredPatient, prepare
from benchmarks.errors import InputError
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.regions import ENHANCING
from benchmarks.scoring.score import score_synthesis
from methods.loading import build
from methods.registry import discover
from workflow.inference import synthesize
from workflow.training.view import View

BRATS_DIR = os.environ.get("BRATS_DIR")
pytestmark = pytest.mark.skipif(
    not BRATS_DIR, reason="BRATS_DIR is unset: it should name a folder of real BraTS patients"
)
BRATS = load_source("brats")
# Voxels. Smaller ones, of a few hundred in some patients, can be as alike in T1 and T1ce as brain.
LARGE = 5000


def enhancing(files) -> int:
    """Voxels of enhancing tumour, which is the highest label of all releases."""
    labels = np.asanyarray(nib.load(files.seg).dataobj)
    return int((labels >= ENHANCING).sum())


@pytest.fixture(scope="module")
def with_large_tumours(tmp_path_factory):
    """The first two patients whose enhancing tumour has `LARGE` voxels."""
    folder = tmp_path_factory.mktemp("store")
    large = (files for files in find_patients(Path(BRATS_DIR)) if enhancing(files) >= LARGE)
    chosen = list(islice(large, 2))
    if not chosen:
        pytest.skip(f"no patient of {BRATS_DIR} has {LARGE} voxels of enhancing tumour")
    for files in chosen:
        prepare(files, folder, Grid(), BRATS)
    return [StoredPatient(folder, files.patient) for files in chosen]


@pytest.fixture(scope="module")
def everybody(tmp_path_factory):
    """All patients, in blocks of 3 mm."""
    folder, grid = tmp_path_factory.mktemp("coarse"), Grid(crop=80, downsample=3, step=3)
    everybody = find_patients(Path(BRATS_DIR))
    for files in everybody:
        prepare(files, folder, grid, BRATS)
    return [StoredPatient(folder, files.patient) for files in everybody]


def scores(control: str, patient: StoredPatient) -> dict[tuple[str, str], float]:
    method = discover()[control]
    inputs = method.description.inputs
    model = build(method, method.params("base", {}), len(inputs))
    made = synthesize(model, patient, View(inputs, 224), torch.device("cpu"), 32)
    scan = patient.volume(224)
    rows = score_synthesis([load_protocol("strict")], scan.t1ce, made, scan.labels)
    return {(row["metric"], row["region"]): row["value"] for row in rows}


def test_copying_t1_looks_good_over_air_and_fails_inside_the_enhancing_tumour(with_large_tumours):
    for patient in with_large_tumours:
        found = scores("copy_t1", patient)
        assert found["ssim", "whole"] > 0.75
        assert found["ssim", "et"] < found["ssim", "brain"] < found["ssim", "whole"]
        assert found["ssim", "et"] < 0.5


def test_the_real_t1ce_is_perfect(with_large_tumours):
    found = scores("real_t1ce", with_large_tumours[0])
    assert all(value == 1 for (metric, _), value in found.items() if metric == "ssim")
    assert all(value == float("inf") for (metric, _), value in found.items() if metric == "psnr")


def test_few_patients_are_doubted_and_most_swaps_are(everybody):
    scans = [patient.volume() for patient in everybody]
    assert sum(bool(suspicious(scan)) for scan in scans) <= max(1, len(scans) // 50)
    for swapped in ("t1 t2", "t1 flair", "t2 flair", "t2 t1ce", "flair t1ce"):
        a, b = map(MODALITIES.index, swapped.split())
        order = [{a: b, b: a}.get(place, place) for place in range(len(MODALITIES))]
        doubted = [suspicious(Scan(scan.images[order], scan.labels)) for scan in scans]
        assert sum(map(bool, doubted)) >= 0.95 * len(scans), swapped


def test_no_two_patients_are_taken_for_one(everybody):
    assert duplicates({patient.patient: patient.meta.signature for patient in everybody}) == []


def test_brain_of_a_real_patient_is_found_in_noisy_and_in_padded_air():
    one, block = BRATS.read(find_patients(Path(BRATS_DIR))[0]), (3, 3, 3)
    volumes, (_, expected, _) = one.volumes.copy(), stored_slices(one, block)
    rng = np.random.default_rng(0)
    air = {modality: volume == 0 for modality, volume in volumes.items()}
    for modality, volume in volumes.items():
        noise = rng.normal(0, 1e-6, volume.shape).astype(np.float32)
        one.volumes[modality] = np.where(air[modality], noise, volume).astype(np.float32)
    np.testing.assert_array_equal(stored_slices(one, block)[1], expected)
    for modality, volume in volumes.items():
        one.volumes[modality] = np.where(air[modality], 0, volume)
        one.volumes[modality][:, :, 103:][air[modality][:, :, 103:]] = -1
    np.testing.assert_array_equal(stored_slices(one, block)[1], expected)
    one.volumes["t2"] = np.where(air["t2"], rng.integers(0, 30, volumes["t2"].shape), volumes["t2"])
    with pytest.raises(InputError, match="t2 is not skull-stripped"):
        stored_slices(one, block)
