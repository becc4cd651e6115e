"""One image in files that differ; real patients are in test_real.py."""

import itertools
import time

import nibabel as nib
import numpy as np
import pytest
from made_up import write_cohort

from benchmarks.cohorts.duplicates import SAME, duplicates, signature
from benchmarks.cohorts.patient import MODALITIES
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import Grid, StoredPatient, prepare

SHAPE = (48, 60, 36)
FINE, COARSE = Grid(crop=48), Grid(crop=24, downsample=2, step=2)


def plain(image):
    return image


def in_floats(image):
    return nib.Nifti1Image((image.get_fdata() * 0.37).astype(np.float32), image.affine)


def in_8_bits(image):
    voxels = np.asanyarray(image.dataobj)
    brain = np.maximum(1, np.rint(voxels * (255 / voxels.max())))
    return nib.Nifti1Image(np.where(voxels, brain, 0).astype(np.uint8), image.affine)


def with_a_scale(image):
    scaled = nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine)
    scaled.header.set_slope_inter(0.002, 0)
    return scaled


def with_other_axes(image):
    return image.as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))


def with_more_air(image):
    voxels = np.pad(np.asanyarray(image.dataobj), [(1, 4), (3, 0), (0, 1)])
    return nib.Nifti1Image(voxels, image.affine @ shifted(-1, -3, 0))


def with_less_air(image):
    return image.slicer[1:-1, 2:-2, 1:-1]


def shifted(*voxels):
    return nib.affines.from_matvec(np.eye(3), voxels)


OF_IMAGES = [in_floats, in_8_bits, with_a_scale]
OF_ALL = [plain, with_other_axes, with_more_air, with_less_air]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    return find_patients(
        write_cohort(tmp_path_factory.mktemp("raw"), [f"P{i}" for i in range(6)], SHAPE)
    )


def signatures(folder, patients, grid):
    for files in patients:
        prepare(files, folder, grid, load_source("brats"))
    return {
        files.patient: StoredPatient(folder, files.patient).meta.signature for files in patients
    }


@pytest.fixture(scope="module", params=[FINE, COARSE], ids=["voxels", "blocks"])
def known(request, originals, tmp_path_factory):
    return request.param, signatures(tmp_path_factory.mktemp("store"), originals, request.param)


def test_no_two_patients_are_taken_for_one(known):
    assert duplicates(known[1]) == []


@pytest.mark.parametrize("change", OF_IMAGES + OF_ALL)
def test_one_patient_under_two_names_in_other_files(known, originals, change, tmp_path):
    """All are written uncompressed beside originals that are compressed."""
    grid, signed = known
    folder = tmp_path / "raw" / "again"
    folder.mkdir(parents=True)
    for kind, path in originals[2].all_files.items():
        keep = kind == "seg" and change in OF_IMAGES
        nib.save((plain if keep else change)(nib.load(path)), folder / f"again_{kind}.nii")
    again = signatures(tmp_path / "store", find_patients(tmp_path / "raw"), grid)
    assert duplicates(signed | again) == [("P2", "again")]


@pytest.mark.parametrize("modality", range(len(MODALITIES)))
def test_one_image_in_common_is_enough(known, modality):
    signed = {name: np.array(numbers).reshape(4, -1) for name, numbers in known[1].items()}
    signed["P4"][modality] = signed["P1"][modality] + SAME // 2
    assert duplicates({name: one.ravel() for name, one in signed.items()}) == [("P1", "P4")]


def test_every_pair_of_three_copies(known):
    signed = {name: known[1]["P0"] for name in "abc"}
    assert duplicates(signed) == [*itertools.combinations("abc", 2)]


def test_few_patients_have_no_pair(known):
    assert duplicates({}) == duplicates({"P0": known[1]["P0"]}) == []


def test_a_signature_of_few_slices_is_finite():
    array = np.zeros((1, 5, 8, 9), np.int16)
    array[:, 4, 2:5, 3:6] = 1
    assert len(signature(array)) == len(MODALITIES) * 6**3


def test_all_of_brats_2021_are_compared_at_once():
    rng = np.random.default_rng(0)
    many = {str(i): rng.integers(-(10**4), 10**4, 864).tolist() for i in range(1251)}
    many["again"] = [number + 3 for number in many["7"]]
    before = time.process_time()
    assert duplicates(many) == [("7", "again")]
    assert time.process_time() - before < 10
