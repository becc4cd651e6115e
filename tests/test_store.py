"""The slice store, checked against plain numpy and nibabel."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from benchmarks.cohorts.normalisation import PERCENTILES, _percentiles, from_int16, to_int16
from benchmarks.cohorts.patient import KINDS, MODALITIES, PatientFiles
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import (
    Grid,
    StoredPatient,
    center_crop_or_pad,
    prepare,
    to_nifti,
)
from benchmarks.errors import InputError

AFFINE = np.array([[-1.0, 0, 0, 10], [0, -1, 0, 239], [0, 0, 2, -5], [0, 0, 0, 1]])
X, Y, Z = 20, 16, 10
BRAIN = np.s_[5:15, 3:12, 2:9]
BRATS = load_source("brats")


def volumes(background: int = 0, dtype: type = np.int16) -> dict[str, np.ndarray]:
    """(x, y, z) arrays by kind: a box of brain, in it a tumour of every class."""
    rng = np.random.default_rng(3)
    made = {}
    for modality in MODALITIES:
        made[modality] = np.full((X, Y, Z), background, dtype)
        made[modality][BRAIN] = rng.integers(100, 900, (10, 9, 7))
    made["seg"] = np.zeros((X, Y, Z), np.uint8)
    made["seg"][6:12, 4:8, 3:6] = 2
    made["seg"][7:10, 5:7, 4] = 1
    made["seg"][8, 5, 4:6] = 4
    return made


def write(folder: Path, arrays: dict[str, np.ndarray], affine: np.ndarray = AFFINE) -> PatientFiles:
    folder = folder / "P1"
    folder.mkdir(parents=True)
    for kind, array in arrays.items():
        nib.save(nib.Nifti1Image(array, affine), folder / f"P1_{kind}.nii")
    (files,) = find_patients(folder.parent)
    return files


def store(
    tmp_path: Path, arrays: dict[str, np.ndarray] | None = None, grid: Grid | None = None
) -> StoredPatient:
    files = write(tmp_path / "raw", arrays or volumes())
    prepare(files, tmp_path / "store", grid or Grid(crop=12), BRATS)
    return StoredPatient(tmp_path / "store", "P1")


def normalised(volume: np.ndarray, background: float) -> np.ndarray:
    """(z, y, x) float64, the definition of the store's images as plainly as can be."""
    brain = volume != background
    low, high = np.percentile(volume[brain], (0.5, 99.5))
    image = 2 * (np.clip(volume.astype(float), low, high) - low) / (high - low) - 1
    return np.where(brain, image, -1).T


QUANTUM = 1 / 32767


@pytest.mark.parametrize(
    ("background", "dtype"), [(0, np.int16), (500, np.int16), (-7, np.float32)]
)
def test_images_are_normalised_on_their_own_brain(tmp_path, background, dtype):
    arrays = volumes(background, dtype)
    patient = store(tmp_path, arrays)
    scan = patient.volume()
    assert scan.images.dtype == np.float32
    assert scan.labels.dtype == np.int8
    for modality in MODALITIES:
        image = getattr(scan, modality)
        expected = normalised(arrays[modality], background)
        np.testing.assert_allclose(image, expected, atol=QUANTUM)
        assert (image[(arrays[modality] == background).T] == -1).all()
        assert image.max() == 1
        brain = arrays[modality][arrays[modality] != background]
        assert patient.meta.percentiles[modality] == pytest.approx(
            np.percentile(brain, (0.5, 99.5))
        )


def test_labels_are_classes_inside_the_brain_and_minus_one_outside(tmp_path):
    arrays = volumes()
    labels = store(tmp_path, arrays).volume().labels
    expected = np.full((X, Y, Z), -1)
    expected[BRAIN] = np.minimum(arrays["seg"][BRAIN], 3)
    np.testing.assert_array_equal(labels, expected.T)


def test_brain_is_the_union_of_modalities_and_tumour(tmp_path):
    arrays = volumes()
    arrays["flair"][:, :, 6:] = 0
    arrays["t2"][4, 5, 5] = 300
    arrays["seg"][17, 13, 5] = 2
    scan = store(tmp_path, arrays).volume()
    expected = np.zeros((X, Y, Z), bool)
    expected[BRAIN] = True
    expected[4, 5, 5] = expected[17, 13, 5] = True
    np.testing.assert_array_equal(scan.labels >= 0, expected.T)
    assert scan.labels[5, 13, 17] == 2
    assert (scan.images[:, 5, 13, 17] == -1).all()
    assert (scan.flair[6:] == -1).all()


def test_volume_without_contrast_is_refused(tmp_path):
    arrays = volumes()
    arrays["t2"] = np.where(arrays["t2"] > 0, 40, 0).astype(np.int16)
    with pytest.raises(InputError, match="Patient P1: t2 is 40 in 99 % of the brain"):
        store(tmp_path, arrays)


def test_only_the_box_of_the_brain_is_stored(tmp_path):
    patient = store(tmp_path)
    assert patient.meta.box == ((2, 9), (3, 12), (5, 15))
    array = np.load(tmp_path / "store" / "P1.npy")
    assert array.shape == (7, 5, 9, 10)
    assert array.dtype == np.int16


def test_meta_describes_the_patient(tmp_path):
    arrays = volumes()
    patient = store(tmp_path, arrays)
    meta, tumour = patient.meta, arrays["seg"] > 0
    assert patient.shape == (Z, Y, X)
    assert patient.spacing == (2, 1, 1)
    assert patient.grade is None
    assert patient.grid == Grid(crop=12)
    assert patient.diagonal_mm == pytest.approx((20**2 + 16**2 + 20**2) ** 0.5)
    assert meta.source == "brats"
    assert meta.original_shape == (X, Y, Z)
    assert meta.tumour_per_slice == tumour.sum(axis=(0, 1)).tolist()
    np.testing.assert_array_equal(patient.tumour_slices, [3, 4, 5])
    # The central 12 x 12 of 20 x 16 starts at x = 4, y = 2: all of the tumour.
    assert meta.tumour_outside_crop == 0
    assert list(meta.files) == list(KINDS)
    for kind, file in meta.files.items():
        stored = (tmp_path / "raw" / "P1" / file.name).read_bytes()
        assert file.name == f"P1_{kind}.nii"
        assert file.sha256 == hashlib.sha256(stored).hexdigest()
    stored = (tmp_path / "store" / "P1.npy").read_bytes()
    assert (meta.array_bytes, meta.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())


def test_tumour_that_the_crop_cuts_off_is_counted(tmp_path):
    arrays = volumes()
    # The central 4 x 4 of 20 x 16 is x 8 to 11 and y 6 to 9.
    expected = int((arrays["seg"] > 0).sum() - (arrays["seg"][8:12, 6:10] > 0).sum())
    assert 0 < expected < (arrays["seg"] > 0).sum()
    assert store(tmp_path, arrays, Grid(crop=4)).meta.tumour_outside_crop == expected


def test_brats_diagonal(tmp_path):
    patient = store(tmp_path)
    meta = json.loads((tmp_path / "store" / "P1.json").read_text())
    meta["original_shape"], meta["original_affine"] = [240, 240, 155], np.eye(4).tolist()
    meta["shape"], meta["tumour_per_slice"] = [155, 240, 240], [0] * 155
    (tmp_path / "store" / "P1.json").write_text(json.dumps(meta))
    reopened = StoredPatient(tmp_path / "store", patient.patient)
    assert reopened.diagonal_mm == pytest.approx(373.13, abs=0.005)


# Reading slices


@pytest.mark.parametrize("crop", [4, 7, 12, 16, 19, 20, 33])
def test_slice_is_the_centred_crop_of_the_volume(tmp_path, crop):
    patient = store(tmp_path)
    whole = patient.volume()
    for z in range(Z):
        scan = patient.slice(z, crop)
        assert scan.images.dtype == np.float32
        assert scan.labels.dtype == np.int64
        assert scan.images.shape == (4, crop, crop)
        images = center_crop_or_pad(whole.images[:, z], crop, -1)
        np.testing.assert_array_equal(scan.images, images)
        np.testing.assert_array_equal(scan.labels, center_crop_or_pad(whole.labels[z], crop, -1))


def test_cropped_volume_is_its_slices(tmp_path):
    patient = store(tmp_path)
    whole = patient.volume(14)
    assert whole.images.shape == (4, Z, 14, 14)
    for z in range(Z):
        scan = patient.slice(z, 14)
        np.testing.assert_array_equal(whole.images[:, z], scan.images)
        np.testing.assert_array_equal(whole.labels[z], scan.labels)


def test_chosen_slices_are_those_of_the_volume_in_their_order(tmp_path):
    patient = store(tmp_path)
    whole, chosen = patient.volume(14), [5, 0, 4]
    scan = patient.slices(chosen, 14)
    assert (scan.images.dtype, scan.labels.dtype) == (np.float32, np.int8)
    np.testing.assert_array_equal(scan.images, whole.images[:, chosen])
    np.testing.assert_array_equal(scan.labels, whole.labels[chosen])


def test_modalities_are_selected_in_the_order_asked_for(tmp_path):
    scan = store(tmp_path).slice(4, 12)
    np.testing.assert_array_equal(scan.select(["t1ce", "t2"]), [scan.t1ce, scan.t2])
    assert not np.array_equal(scan.t1ce, scan.t2)


def test_files_behind_links_are_recorded_with_their_targets(tmp_path):
    files = write(tmp_path / "shared", volumes())
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "P1").symlink_to(files.t1.parent)
    linked = {k: tmp_path / "raw" / "P1" / path.name for k, path in files.all_files.items()}
    prepare(replace(files, **linked), tmp_path / "store", Grid(crop=12), BRATS)
    assert StoredPatient(tmp_path / "store", "P1").meta.links == {
        kind: str(path.resolve()) for kind, path in files.all_files.items()
    }
    assert store(tmp_path / "plain").meta.links == {}


def test_what_the_crop_cuts_off_is_counted(tmp_path):
    whole = store(tmp_path / "a", grid=Grid(crop=16)).meta
    small = store(tmp_path / "b", grid=Grid(crop=4)).meta
    labels = StoredPatient(tmp_path / "b" / "store", "P1").volume().labels
    kept = StoredPatient(tmp_path / "b" / "store", "P1").volume(4).labels
    assert (whole.tumour_outside_crop, whole.brain_outside_crop) == (0, 0)
    assert small.tumour_outside_crop == (labels > 0).sum() - (kept > 0).sum()
    assert small.brain_outside_crop == (labels >= 0).sum() - (kept >= 0).sum() > 0


@pytest.mark.parametrize("factor", [1, 3])
def test_a_modality_that_was_filled_up_with_another_is_refused(tmp_path, factor):
    arrays = volumes()
    arrays["t1ce"] = arrays["t1"] * factor
    with pytest.raises(InputError, match=r"P1_t1\.nii and .*P1_t1ce\.nii hold one image"):
        store(tmp_path, arrays)
    assert not (tmp_path / "store").exists()


def test_slice_outside_the_brain_is_background(tmp_path):
    scan = store(tmp_path).slice(0, 8)
    assert (scan.images == -1).all()
    assert (scan.labels == -1).all()


@pytest.mark.parametrize("z", [-1, Z])
def test_slice_that_does_not_exist(tmp_path, z):
    patient = store(tmp_path)
    with pytest.raises(IndexError, match="P1, which has 0 to 9"):
        patient.slice(z, 8)
    with pytest.raises(IndexError, match="P1, which has 0 to 9"):
        patient.slices([3, z], 8)


def test_a_patient_keeps_no_file_open_and_is_pickled_without_its_array(tmp_path):
    patient = store(tmp_path)
    files = len(os.listdir("/proc/self/fd"))
    expected = patient.slice(4, 12).images
    assert len(os.listdir("/proc/self/fd")) == files
    sent = pickle.dumps(patient)
    assert len(sent) < patient.meta.array_bytes
    np.testing.assert_array_equal(pickle.loads(sent).slice(4, 12).images, expected)


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_of_the_array_is_noticed(tmp_path):
    patient = store(tmp_path)
    flip_a_byte(tmp_path / "store" / "P1.npy")
    with pytest.raises(InputError, match=r"P1\.npy.*changed after it was written.*prepare again"):
        patient.slice(4, 12)


def test_a_copy_sent_to_a_worker_trusts_what_was_verified(tmp_path):
    """Else each loader process would read each array once more in each epoch."""
    patient = store(tmp_path)
    patient.verify()
    sent = pickle.loads(pickle.dumps(patient))
    flip_a_byte(tmp_path / "store" / "P1.npy")
    sent.slice(4, 12)


def test_opening_needs_no_heavy_library():
    code = (
        "import sys, benchmarks.cohorts.store\n"
        "heavy = {'torch', 'pandas', 'skimage', 'scipy.ndimage'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Coarser working grids


def test_images_are_block_means_of_the_normalised_volume(tmp_path):
    arrays = volumes()
    patient = store(tmp_path, arrays, Grid(crop=6, downsample=2, step=5))
    assert patient.shape == (2, 8, 10)
    assert patient.spacing == (10, 2, 2)
    scan = patient.volume()
    brain = np.zeros((X, Y, Z), bool)
    brain[BRAIN] = True
    share = brain.T.reshape(2, 5, 8, 2, 10, 2).mean(axis=(1, 3, 5))
    np.testing.assert_array_equal(scan.labels >= 0, share >= 0.5)
    for image, modality in zip(scan.images, MODALITIES, strict=True):
        blocks = normalised(arrays[modality], 0).reshape(2, 5, 8, 2, 10, 2)
        expected = np.where(share >= 0.5, blocks.mean(axis=(1, 3, 5)), -1)
        np.testing.assert_allclose(image, expected, atol=QUANTUM)


def test_label_of_a_block_is_its_majority_and_at_a_tie_the_highest(tmp_path):
    arrays = volumes()
    seg = np.zeros((X, Y, Z), np.uint8)
    seg[6:8, 4, 4] = 1, 2  # two of four voxels are class 0
    seg[8:10, 4, 4] = 4, 4  # as many of class 3 as of class 0
    seg[6:8, 6:8, 4] = [[1, 2], [2, 4]]
    arrays["seg"] = seg
    labels = store(tmp_path, arrays, Grid(crop=6, downsample=2)).volume().labels
    assert labels[4, 2, 3] == 0
    assert labels[4, 2, 4] == 3
    assert labels[4, 3, 3] == 2


def test_incomplete_last_block_is_filled_up_with_background(tmp_path):
    arrays = volumes()
    for modality in MODALITIES:
        arrays[modality][15:19, 3:12, 8:] = 500
    patient = store(tmp_path, arrays, Grid(crop=6, downsample=3, step=4))
    assert patient.shape == (3, 6, 7)
    scan = patient.volume()
    padded = np.pad(arrays["t1"], [(0, 1), (0, 2), (0, 2)])
    expected = normalised(padded, 0).reshape(3, 4, 6, 3, 7, 3).mean(axis=(1, 3, 5))
    # Of the last block's 36 voxels 1 x 3 x 2 are brain; of the one before it 3 x 3 x 2.
    assert scan.labels[2, 2, 6] == -1
    assert scan.labels[2, 2, 5] == 0
    assert scan.t1[2, 2, 5] == pytest.approx(expected[2, 2, 5], abs=QUANTUM)


# A store that cannot be trusted


def test_patient_that_was_never_prepared(tmp_path):
    with pytest.raises(InputError, match=r"Patient P2 is not in the store .*P2\.json is missing"):
        StoredPatient(tmp_path, "P2")


def rewrite_meta(tmp_path: Path, **changed: object) -> None:
    path = tmp_path / "store" / "P1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_faulty_meta(tmp_path):
    store(tmp_path)
    rewrite_meta(tmp_path, unknown=1)
    with pytest.raises(InputError, match=r"P1\.json cannot be used, .*`unknown` is 1"):
        StoredPatient(tmp_path / "store", "P1")
    rewrite_meta(tmp_path, format=0)
    with pytest.raises(InputError, match=r"its `format` is 0 \(.*should be 3\)"):
        StoredPatient(tmp_path / "store", "P1")
    (tmp_path / "store" / "P1.json").write_text("{")
    with pytest.raises(InputError, match="it is not JSON"):
        StoredPatient(tmp_path / "store", "P1")


def changed(key: str, value: object) -> tuple[str, dict[str, object]]:
    return key, {key: value}


@pytest.mark.parametrize(
    ("says", "change"),
    [
        changed("grid", {"crop": 0}),
        changed("grid", {"crop": 12, "downsample": 1, "step": 1, "tilt": 3}),
        changed("shape", [Z, Y]),
        changed("shape", [Z, Y, X + 1]),
        changed("shape", ["10", Y, X]),
        changed("original_shape", [0, Y, Z]),
        changed("box", [[2, 9], [3, 12], [15, 5]]),
        changed("box", [[2, 9], [3, 12], [5, 99]]),
        changed("original_affine", [[1, 0, 0, 0]] * 3),
        changed("spacing", [1, 1]),
        changed("spacing", [1, 1, float("inf")]),
        changed("tumour_per_slice", [0] * (Z - 1)),
        changed("files", {"t3": {"name": "x", "sha256": "y"}}),
        changed("percentiles", {"t1": [0]}),
        changed("patient", "../P1"),
        changed("array_bytes", 10**30),
        changed("source", None),
    ],
)
def test_meta_that_contradicts_itself(tmp_path, says, change):
    store(tmp_path)
    rewrite_meta(tmp_path, **change)
    with pytest.raises(InputError, match=rf"P1\.json cannot be used, .*`{says}.*Delete it"):
        StoredPatient(tmp_path / "store", "P1")


def test_meta_without_a_key(tmp_path):
    store(tmp_path)
    path = tmp_path / "store" / "P1.json"
    content = json.loads(path.read_text())
    del content["source"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="its `source` is missing"):
        StoredPatient(tmp_path / "store", "P1")


def test_array_that_is_cut_short_or_gone(tmp_path):
    store(tmp_path)
    path = tmp_path / "store" / "P1.npy"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=rf"P1\.npy .* has {size - 2} bytes instead of {size}"):
        StoredPatient(tmp_path / "store", "P1")
    path.unlink()
    with pytest.raises(InputError, match="has 0 bytes"):
        StoredPatient(tmp_path / "store", "P1")


def test_preparing_again_replaces_the_patient(tmp_path):
    first = store(tmp_path)
    (files,) = find_patients(tmp_path / "raw")
    prepare(files, tmp_path / "store", Grid(crop=6, downsample=2), BRATS)
    assert StoredPatient(tmp_path / "store", "P1").shape != first.shape
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"P1.npy", "P1.json"}


def test_failed_preparation_leaves_no_patient(tmp_path, monkeypatch):
    store(tmp_path)
    (files,) = find_patients(tmp_path / "raw")

    def disk_full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("benchmarks.cohorts.store.np.save", disk_full)
    with pytest.raises(OSError, match="no space"):
        prepare(files, tmp_path / "store", Grid(crop=6, downsample=2), BRATS)
    with pytest.raises(InputError, match="not in the store"):
        StoredPatient(tmp_path / "store", "P1")


# Helpers


def test_quantisation_round_trip():
    values = np.random.default_rng(0).uniform(-1, 1, 10_000).astype(np.float32)
    stored = to_int16(values)
    assert stored.dtype == np.int16
    assert np.abs(from_int16(stored) - values).max() <= QUANTUM / 2 * 1.001
    every = np.arange(-32767, 32768, dtype=np.int16)
    np.testing.assert_array_equal(to_int16(from_int16(every)), every)
    np.testing.assert_array_equal(from_int16(np.array([-32767, 0, 32767], np.int16)), [-1, 0, 1])


def test_quantisation_clips_and_refuses_nan():
    np.testing.assert_array_equal(to_int16(np.array([-1.5, 1.5])), [-32767, 32767])
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinite"):
            to_int16(np.array([0, value]))


def test_quantisation_leaves_its_input_alone():
    values = np.array([-1.5, 0.3])
    to_int16(values)
    np.testing.assert_array_equal(values, [-1.5, 0.3])


def test_center_crop_or_pad_by_hand():
    row = np.arange(1, 6)[None]
    np.testing.assert_array_equal(center_crop_or_pad(row, (1, 3), 0), [[2, 3, 4]])
    np.testing.assert_array_equal(center_crop_or_pad(row, (1, 2), 0), [[2, 3]])
    np.testing.assert_array_equal(center_crop_or_pad(row, (1, 8), 0), [[0, 1, 2, 3, 4, 5, 0, 0]])
    np.testing.assert_array_equal(center_crop_or_pad(row, 3, 9), [[9, 9, 9], [2, 3, 4], [9, 9, 9]])


@pytest.mark.parametrize("full", [9, 10])
@pytest.mark.parametrize("crop", [1, 4, 5, 9, 10, 13, 14])
def test_crop_and_pad_back_puts_pixels_where_they_were(full, crop):
    image = np.arange(1, full * full + 1).reshape(1, full, full)
    back = center_crop_or_pad(center_crop_or_pad(image, crop, 0), full, 0)
    kept = back != 0
    assert kept.sum() == min(full, crop) ** 2
    np.testing.assert_array_equal(back[kept], image[kept])


# Export


def test_nifti_overlays_the_original(tmp_path):
    arrays = volumes()
    patient = store(tmp_path, arrays)
    scan = patient.volume()
    image = to_nifti(scan.t1, patient.meta, "image")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_allclose(image.affine, AFFINE)
    np.testing.assert_array_equal(image.get_fdata(), scan.t1.T)
    exported = to_nifti(scan.labels, patient.meta, "labels")
    assert exported.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asanyarray(exported.dataobj), arrays["seg"])


def test_nifti_of_a_coarser_grid_lies_where_the_original_does(tmp_path):
    patient = store(tmp_path, grid=Grid(crop=6, downsample=2, step=5))
    image = to_nifti(patient.volume().t1, patient.meta, "image")
    assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
    # The block that begins at voxel (6, 4, 5) is 2 x 2 x 5 voxels, centred at (6.5, 4.5, 7).
    np.testing.assert_allclose(image.affine @ [3, 2, 1, 1], AFFINE @ [6.5, 4.5, 7, 1])
    np.testing.assert_allclose(image.header.get_zooms(), (2, 2, 10))


def test_nifti_of_another_grid_is_refused(tmp_path):
    patient = store(tmp_path)
    with pytest.raises(ValueError, match="not the working grid"):
        to_nifti(np.zeros((Z, 12, 12)), patient.meta, "image")


def test_original_in_another_orientation_gives_the_same_store(tmp_path):
    expected = store(tmp_path / "lps").volume()
    flipped = {kind: array[::-1, ::-1] for kind, array in volumes().items()}
    affine = AFFINE @ np.array([[-1, 0, 0, X - 1], [0, -1, 0, Y - 1], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert nib.aff2axcodes(affine) == ("R", "A", "S")
    prepare(write(tmp_path / "ras", flipped, affine), tmp_path / "ras_store", Grid(crop=12), BRATS)
    found = StoredPatient(tmp_path / "ras_store", "P1")
    np.testing.assert_array_equal(found.volume().images, expected.images)
    np.testing.assert_array_equal(found.volume().labels, expected.labels)
    np.testing.assert_allclose(found.meta.original_affine, AFFINE)


# Real patients

BRATS_DIR = os.environ.get("BRATS_DIR")


@pytest.mark.skipif(
    not BRATS_DIR, reason="BRATS_DIR is unset: it should name a folder of real BraTS patients"
)
def test_real_patient_is_stored_as_plain_numpy_says(tmp_path):
    files = find_patients(Path(BRATS_DIR))[0]
    prepare(files, tmp_path, Grid(), BRATS)
    patient = StoredPatient(tmp_path, files.patient)
    scan = patient.volume(224)
    central = np.s_[8:232, 8:232]
    stored = {k: np.asanyarray(nib.load(path).dataobj) for k, path in files.all_files.items()}
    brain = stored["seg"] > 0
    for image, modality in zip(scan.images, MODALITIES, strict=True):
        brain |= stored[modality] != 0
        expected = normalised(stored[modality], 0)[:, 8:232, 8:232]
        assert np.abs(image - expected).max() <= QUANTUM
    classes = np.minimum(stored["seg"], 3)  # enhancing tumour is 4, in 2023 3
    np.testing.assert_array_equal(scan.labels, np.where(brain, classes, -1)[central].T)
    assert patient.meta.tumour_outside_crop == 0
    assert patient.diagonal_mm == pytest.approx(373.13, abs=0.005)
    assert (tmp_path / f"{files.patient}.npy").stat().st_size <= 40e6
    exported = to_nifti(patient.volume().labels, patient.meta, "labels")
    np.testing.assert_array_equal(exported.affine, nib.load(files.seg).affine)
    assert np.array_equal(np.minimum(np.asanyarray(exported.dataobj), 3), classes)


@pytest.mark.parametrize("size", [1, 2, 201, 5000])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_percentiles_are_numpys(size, dtype):
    values = np.random.default_rng(size).normal(0, 9000, size).clip(-32768, 32767).astype(dtype)
    expected = np.percentile(values, PERCENTILES)
    assert _percentiles(values) == pytest.approx(tuple(expected), rel=1e-12)
