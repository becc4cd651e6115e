"""The phantom cohort: BraTS's format, reproducible, and honest about what T1ce adds."""

import hashlib

import nibabel as nib
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from benchmarks.cohorts import simulation
from benchmarks.cohorts.sources import phantom

IMAGES = ("t1", "t1ce", "t2", "flair")
SEED = 0


def read(folder, patient):
    """The five NIfTI images of a patient, by name."""
    return {
        name: nib.load(folder / patient / f"{patient}_{name}.nii.gz") for name in (*IMAGES, "seg")
    }


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def enhancing_patients(count):
    """The first patients planned with a lot of contrast agent; planning is quick."""
    plans = (
        (p, simulation.draw_plan(simulation._generator(SEED, p))) for p in phantom.patients(50)
    )
    return [p for p, plan in plans if plan.uptake > 0.3 and plan.patchiness > 1][:count]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("phantom")


@pytest.fixture(scope="module")
def cohort(folder):
    """Three patients with enhancing tumours: their NIfTI images."""
    names = enhancing_patients(3)
    for patient in names:
        simulation.simulate(patient, folder, SEED)
    return {patient: read(folder, patient) for patient in names}


@pytest.fixture(scope="module")
def arrays(cohort):
    """Images in [0, 1] between the brain's 0.5 and 99.5 percentiles, the segmentation as it is."""

    def normalise(volume):
        low, high = np.percentile(volume[volume > 0], (0.5, 99.5))
        return np.clip((volume - low) / (high - low), 0, 1).astype(np.float32) * (volume > 0)

    def load(images):
        volumes = {name: np.asarray(image.dataobj) for name, image in images.items()}
        brain = volumes["t1"] > 0
        return {name: normalise(volumes[name]) for name in IMAGES} | {
            "seg": volumes["seg"],
            "brain": brain,
        }

    return [load(images) for images in cohort.values()]


def test_names_do_not_depend_on_the_size_of_the_cohort():
    assert phantom.patients(2) == ["Phantom_001", "Phantom_002"]
    assert phantom.patients(12)[:2] == phantom.patients(2)


def test_files_look_like_brats(cohort):
    for images in cohort.values():
        for name, image in images.items():
            assert image.shape == (240, 240, 155)
            assert image.get_data_dtype() == (np.uint8 if name == "seg" else np.int16)
            assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
            assert np.array_equal(image.affine @ [0, 239, 0, 1], [0, 0, 0, 1])
            assert image.header.get_zooms() == (1, 1, 1)


def test_labels_and_their_volumes(arrays):
    for patient in arrays:
        assert set(np.unique(patient["seg"])) == {0, 1, 2, 4}
        assert not patient["seg"][~patient["brain"]].any()
        assert 20 < (patient["seg"] > 0).sum() / 1000 < 180
        assert 2 < (patient["seg"] == 4).sum() / 1000 < 60


def test_brain_is_one_mask_of_human_size_on_a_background_of_zero(cohort):
    for images in cohort.values():
        masks = [np.asarray(images[name].dataobj) != 0 for name in IMAGES]
        assert all(np.array_equal(mask, masks[0]) for mask in masks)
        assert 1.0 < masks[0].sum() / 1e6 < 1.9
        edges = [masks[0].take(end, axis) for axis in (0, 1) for end in (0, -1)]
        assert not any(edge.any() for edge in edges)


def test_same_seed_same_bytes_and_nothing_left_behind(folder, cohort, tmp_path):
    patient = next(iter(cohort))
    simulation.simulate(patient, tmp_path, SEED)
    assert digests(tmp_path / patient) == digests(folder / patient)
    assert [path.name for path in tmp_path.iterdir()] == [patient]


def test_other_seed_or_other_patient_gives_another_brain(folder, cohort, tmp_path):
    first, second, *_ = cohort
    simulation.simulate(first, tmp_path, SEED + 1)
    segmentation = np.asarray(read(tmp_path, first)["seg"].dataobj)
    for patient in (first, second):
        assert not np.array_equal(segmentation, np.asarray(cohort[patient]["seg"].dataobj))
    assert not np.array_equal(*(np.asarray(cohort[p]["t2"].dataobj) for p in (first, second)))


def healthy_tissue(patient):
    """Voxels of white matter and of CSF, told by T1 and T2 outside of the tumour."""
    healthy = patient["brain"] & (patient["seg"] == 0)
    white = healthy & (patient["t1"] > np.percentile(patient["t1"][healthy], 75))
    csf = healthy & (patient["t1"] < np.percentile(patient["t1"][healthy], 3))
    return white, csf


def test_contrasts_of_healthy_tissue_and_oedema(arrays):
    for patient in arrays:
        white, csf = healthy_tissue(patient)
        oedema = patient["seg"] == simulation.OEDEMA
        median = {
            name: [np.median(patient[name][where]) for where in (white, csf, oedema)]
            for name in IMAGES
        }
        assert median["t1"][1] < 0.4 * median["t1"][0]
        assert median["t2"][1] > 2 * median["t2"][0]
        assert median["flair"][1] < 0.7 * median["flair"][0]
        assert median["flair"][2] > 1.3 * median["flair"][0]


def test_tumour_enhances_only_with_contrast_agent(arrays):
    for patient in arrays:
        white, _ = healthy_tissue(patient)
        enhancing = patient["seg"] == simulation.ENHANCING
        ratio = {
            name: np.median(patient[name][enhancing]) / np.median(patient[name][white])
            for name in ("t1", "t1ce")
        }
        assert ratio["t1"] < 0.95
        assert ratio["t1ce"] > 1.2


def test_copying_t1_fails_in_enhancing_tumour(arrays):
    for patient in arrays:
        _, ssim = structural_similarity(
            patient["t1"], patient["t1ce"], data_range=1, gaussian_weights=True, full=True
        )
        enhancing = patient["seg"] == simulation.ENHANCING
        assert ssim[enhancing].mean() < 0.5 * ssim[patient["brain"]].mean()


def features(patient, where):
    """T1, T2, FLAIR, their squares and products, and a constant, (voxels, 10)."""
    t1, t2, flair = (patient[name][where] for name in ("t1", "t2", "flair"))
    products = (t1 * t1, t2 * t2, flair * flair, t1 * t2, t1 * flair, t2 * flair)
    return np.stack([t1, t2, flair, *products, np.ones_like(t1)], axis=1)


def test_regression_learnt_on_other_patients_beats_copying_in_enhancing_tumour(arrays):
    learnt, copied = [], []
    for held_out in arrays:
        others = [patient for patient in arrays if patient is not held_out]
        design = np.concatenate([features(p, p["seg"] > 0) for p in others])
        target = np.concatenate([p["t1ce"][p["seg"] > 0] for p in others])
        weights = np.linalg.lstsq(design, target, rcond=None)[0]
        enhancing = held_out["seg"] == simulation.ENHANCING
        truth = held_out["t1ce"][enhancing]
        learnt.append(np.mean((features(held_out, enhancing) @ weights - truth) ** 2))
        copied.append(np.mean((held_out["t1"][enhancing] - truth) ** 2))
    assert np.mean(learnt) < 0.7 * np.mean(copied)


def test_enhancing_tumour_is_told_from_the_rest_of_the_core_by_t1ce_alone(arrays):
    def separation(patient, name):
        enhancing = patient[name][patient["seg"] == simulation.ENHANCING]
        rest = patient[name][patient["seg"] == simulation.NECROSIS]
        return abs(enhancing.mean() - rest.mean()) / np.sqrt((enhancing.var() + rest.var()) / 2)

    for patient in arrays:
        others = max(separation(patient, name) for name in ("t1", "t2", "flair"))
        assert separation(patient, "t1ce") > 1.6 * others


def test_spin_echo_and_inversion_recovery_against_closed_forms():
    long, short = 1e9, 1e-9
    assert simulation.spin_echo(0.8, 1000, 100, long, short) == pytest.approx(0.8)
    assert simulation.spin_echo(1, 1000, 100, 1000 * np.log(2), 100) == pytest.approx(0.5 / np.e)
    null = 4300 * np.log(2)
    assert simulation.inversion_recovery(1, 4300, 2000, long, short, null) == pytest.approx(0)


def test_contrast_agent_adds_relaxation_rates():
    t1, t2 = simulation.with_contrast_agent(1000, 100, 0.2, (5.0, 5.0))
    assert (t1, t2) == pytest.approx((500, 1000 / 11))
