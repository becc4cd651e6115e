"""What is brain: air that is noisy or padded is found, all else is refused.

The volumes are round brains, as real ones are: of 27 BraTS patients none reaches an edge of its
own bounding box.
"""

import itertools
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from made_up import write_cohort

from benchmarks.cohorts.normalisation import LABELS, same_image, stored_slices
from benchmarks.cohorts.patient import MODALITIES, Patient
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import Grid, prepare
from benchmarks.errors import InputError
from benchmarks.scoring.regions import OUTSIDE

SHAPE = (40, 48, 32)  # x, y, z
WHOLE = (1, 1, 1)
RNG = np.random.default_rng(5)


def ellipsoid(half_axes: tuple[float, float, float]) -> np.ndarray:
    grid = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in SHAPE), indexing="ij")
    return sum((g / a) ** 2 for g, a in zip(grid, half_axes, strict=True)) < 1


BRAIN = ellipsoid((13, 17, 12))
INTENSITIES = RNG.integers(1, 900, (len(MODALITIES), *SHAPE))


def patient(change=lambda volume: volume, brain=BRAIN, mm=1.0, modalities=MODALITIES) -> Patient:
    """Integers with air of 0, those of `modalities` changed."""
    volumes = {
        modality: np.where(brain, values, 0).astype(np.int16)
        for modality, values in zip(MODALITIES, INTENSITIES, strict=True)
    }
    volumes |= {modality: change(volumes[modality]) for modality in modalities}
    labels = np.zeros(SHAPE, np.uint8)
    labels[20, 24, 16] = 3
    return Patient("P1", None, volumes, labels, np.eye(4), (mm, mm, mm), {})


def stored(change=lambda volume: volume) -> np.ndarray:
    return stored_slices(patient(change), WHOLE)[1]


def mostly(value, others, dtype=np.float32):
    """Air of `value`, with `others` added to it."""

    def change(volume):
        air = np.full(SHAPE, value, dtype) + others(SHAPE).astype(dtype)
        return np.where(volume > 0, volume, air).astype(dtype)

    return change


def padded(value, *where, dtype=np.int16):
    """Planes of `value` around a volume whose air is 0."""

    def change(volume):
        volume = volume.astype(dtype)
        for place in where:
            volume[place] = value
        return volume

    return change


TOP, BOTTOM = np.s_[:, :, 29:], np.s_[:, :, :3]
FRONT, LEFT = np.s_[:, :5], np.s_[:4]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(mostly(0, lambda n: 1e-6 * RNG.standard_normal(n)), id="ringing"),
        pytest.param(mostly(0, lambda n: 1e-3 * RNG.standard_normal(n)), id="more noise"),
        pytest.param(mostly(-1000, lambda n: 1e-3 * RNG.uniform(-1, 1, n)), id="around -1000"),
        pytest.param(mostly(0, lambda n: 1e-40 * np.ones(n)), id="denormal numbers"),
        pytest.param(mostly(0, lambda n: RNG.choice([0, -1], n), np.int16), id="two integers"),
        pytest.param(mostly(0, lambda n: RNG.choice([0, -1, -2], n, p=[0.9, 0.05, 0.05]), np.int16),
                     id="three integers"),
        pytest.param(padded(-1, TOP), id="padded by -1"),
        pytest.param(padded(-1, TOP, FRONT, LEFT), id="padded by -1 on three sides"),
        pytest.param(padded(-1000, TOP, BOTTOM), id="padded above and below"),
        pytest.param(padded(65535, TOP, dtype=np.uint16), id="padded by the largest integer"),
        pytest.param(padded(-1, TOP, dtype=np.float32), id="padded floats"),
        pytest.param(lambda v: mostly(0, lambda n: 1e-6 * RNG.standard_normal(n))(v)
                     - padded(2, TOP, dtype=np.float32)(0 * v), id="noise and padding"),
        pytest.param(lambda v: np.where(v > 0, v, 65535).astype(np.uint16), id="air of 65535"),
    ],
)  # fmt: skip
def test_air_that_is_noisy_or_padded_is_found(change):
    np.testing.assert_array_equal(stored(change), stored())


def test_air_that_is_one_value_has_no_tolerance():
    """Else floats centred on 0, whose air is 0, would lose voxels amid the brain."""
    floats = {m: v.astype(np.float32) for m, v in patient().volumes.items()}
    for volume in floats.values():
        volume[20, 24, 12:15] = 1e-6
    labels = stored_slices(replace(patient(), volumes=floats), WHOLE)[1][:, LABELS]
    assert np.count_nonzero(labels != OUTSIDE) == BRAIN.sum()


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(mostly(0, lambda n: RNG.integers(0, 30, n), np.int16),
                     "30 values from 0 to 29", id="not stripped"),
        pytest.param(mostly(0, lambda n: 20 * RNG.standard_normal(n)), "values from -",
                     id="noisy floats"),
        pytest.param(mostly(0, lambda n: np.add.outer(np.arange(n[0]), np.zeros(n[1:])), np.int16),
                     "40 values from 0 to 39", id="a gradient"),
        pytest.param(padded(100, TOP), "2 values from 0 to 100", id="padding like brain"),
        pytest.param(lambda v: np.where(RNG.random(SHAPE) < 0.02, RNG.integers(1, 900, SHAPE), v),
                     "values from 0 to", id="salt"),
        pytest.param(lambda v: INTENSITIES[0].astype(np.int16), "values from 1 to",
                     id="brain everywhere"),
    ],
)  # fmt: skip
def test_air_that_is_not_one_value_is_refused(modality, change, says):
    with pytest.raises(InputError) as refused:
        stored_slices(patient(change, modalities=[modality]), WHOLE)
    assert f"Patient P1: {modality} is not skull-stripped" in str(refused.value)
    assert says in str(refused.value)
    assert "Strip the skull and set all air to 0" in str(refused.value)


@pytest.mark.parametrize(
    ("brain", "mm", "says"),
    [
        pytest.param(ellipsoid((26, 31, 21)), 1, "90 % of the volume", id="most of it"),
        pytest.param(ellipsoid((20, 24, 16)), 1, "52 % of the volume", id="over half"),
        pytest.param(BRAIN, 6.2, "2.6. litres, differ from the 0 of its edges", id="a head"),
    ],
)
def test_brain_larger_than_any_is_refused(brain, mm, says):
    with pytest.raises(InputError, match=f"P1: t1 is not skull-stripped.*{says}.*13 to 19 %"):
        stored_slices(patient(brain=brain, mm=mm), WHOLE)


def test_air_of_another_value_within_padding_is_refused():
    """The box of the air within is taken for brain; it is larger than one."""
    inner = np.zeros(SHAPE, bool)
    inner[3:-3, 3:-3, 3:-3] = True
    change = lambda volume: np.where(inner, volume, -1)  # noqa: E731
    with pytest.raises(InputError, match="differ from the -1 of its edges"):
        stored_slices(patient(change), WHOLE)


def test_volume_cut_to_its_brain_is_as_good_as_the_whole():
    box = np.s_[7:33, 7:41, 4:28]
    whole = patient()
    assert all(BRAIN.any(axis=o).sum() == n for o, n in (((1, 2), 26), ((0, 2), 34), ((0, 1), 24)))
    cut = replace(
        whole,
        volumes={modality: volume[box] for modality, volume in whole.volumes.items()},
        labels=whole.labels[box],
    )
    # An ellipsoid has more of its box than a brain, so some air is left on one side.
    padded = {m: np.pad(v, [(0, 4), (0, 0), (0, 0)]) for m, v in cut.volumes.items()}
    cut = replace(cut, volumes=padded, labels=np.pad(cut.labels, [(0, 4), (0, 0), (0, 0)]))
    np.testing.assert_array_equal(stored_slices(cut, WHOLE)[1], stored())


# Two modalities, one image

COPIES = {
    "voxel by voxel": lambda image: image,
    "scaled": lambda image: image * 7,
    "as floats": lambda image: (image * 0.01).astype(np.float32),
    "in 8 bits": lambda image: np.where(image > 0, 1 + image // 4, 0).astype(np.uint8),
    "with noise": lambda image: np.where(image > 0, image + RNG.integers(0, 20, SHAPE), 0),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("block", [WHOLE, (2, 2, 2)])
@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(MODALITIES, 2)])
def test_two_modalities_that_are_one_image(one, other, block, copy):
    twice = patient()
    twice.volumes[other] = copy(twice.volumes[one])
    assert same_image(stored_slices(twice, block)[1]) == (one, other)


@pytest.mark.parametrize("block", [WHOLE, (2, 2, 2)])
def test_modalities_that_are_alike_are_not_one_image(block):
    alike = patient()
    noise = RNG.integers(0, 400, SHAPE)
    alike.volumes["t1ce"] = np.where(BRAIN, alike.volumes["t1"] + noise, 0)
    array = stored_slices(alike, block)[1]
    assert np.corrcoef(*array[:, [0, 3]].swapaxes(0, 1)[:, array[:, 4] >= 0])[0, 1] > 0.85
    assert same_image(array) is None


def test_prepare_names_both_files_of_one_image(tmp_path):
    write_cohort(tmp_path / "raw", ["P1"])
    (files,) = find_patients(tmp_path / "raw")
    image = nib.load(files.t1)
    nib.save(nib.Nifti1Image(image.dataobj[:] * 2, image.affine), files.t1ce)
    with pytest.raises(InputError) as refused:
        prepare(files, tmp_path / "store", Grid(crop=64), load_source("brats"))
    assert all(name in str(refused.value) for name in ("P1_t1.nii.gz", "P1_t1ce.nii.gz"))
    assert not (tmp_path / "store" / "P1.json").exists()
