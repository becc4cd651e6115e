"""What the crop cuts off: tumour is refused before training, brain is in the manifest."""

import nibabel as nib
import numpy as np
import pytest
from made_up import AFFINE, SHAPE, write_cohort

from benchmarks.cohorts.crop import lost_brain, refuse_lost_tumour
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import Grid, Meta, StoredPatient, center_crop_or_pad, prepare
from benchmarks.errors import InputError
from workflow.__main__ import main as workflow
from workflow.results import _pixel

MINE = """
title: made up
cohort: {{source: brats, path: data}}
results:
  split: {{fractions: [1, 1, 1], seed: 7}}
  slices: {{crop: {crop}, downsample: 2}}
"""
HALF_MM = AFFINE @ np.diag([0.5, 0.5, 1, 1])
PATIENTS = [f"P{n}" for n in range(6)]


def prepared(folder, grid: Grid) -> dict[str, StoredPatient]:
    for files in find_patients(folder / "data"):
        prepare(files, folder / "store", grid, load_source("brats"))
    return {p.stem: StoredPatient(p.parent, p.stem) for p in (folder / "store").glob("*.json")}


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """Six patients of 160 x 160 voxels of 0.5 mm, whose brains are 144 voxels wide."""
    folder = tmp_path_factory.mktemp("native")
    write_cohort(folder / "data", PATIENTS, shape=(160, 160, 8), affine=HALF_MM)
    return folder


def split(folder, monkeypatch, crop: int) -> int:
    monkeypatch.chdir(folder)
    (folder / "mine.yaml").write_text(MINE.format(crop=crop))
    for patient in PATIENTS:
        assert workflow(["prepare", "--patient", patient, "--benchmark", "mine.yaml"]) == 0
    return workflow(["cohort", "--benchmark", "mine.yaml"])


def test_lost_tumour_is_refused_before_training(native, monkeypatch, capsys):
    assert split(native, monkeypatch, crop=32) == 2
    said = capsys.readouterr().err
    assert "mine.yaml, line 6, `results.slices.crop`: 32 pixels cut off tumour of 6 of 6" in said
    assert "Write 80, the smallest that holds every brain, or raise `results.slices.downs" in said
    for patient in PATIENTS:
        stored = StoredPatient(native / "results/store/mine", patient)
        whole = np.count_nonzero(stored.volume().labels > 0)
        lost = whole - np.count_nonzero(stored.volume(32).labels > 0)
        assert lost / whole > 0.05
        assert f"{patient} ({lost} of {whole} voxels, {lost / whole:.1%})" in said
    assert not (native / "results/store/mine/split.csv").exists()


def test_the_proposed_crop_cuts_nothing_off(native, monkeypatch):
    assert split(native, monkeypatch, crop=80) == 0
    metas = [StoredPatient(native / "results/store/mine", name).meta for name in PATIENTS]
    assert not any(meta.tumour_outside_crop or meta.brain_outside_crop for meta in metas)


def test_brain_alone_is_no_reason_to_refuse_but_is_named(tmp_path):
    """As in the demo, whose crop of 192 mm cuts the brow of some patients off."""
    write_cohort(tmp_path / "data", ["P0", "P1"], shape=(96, 96, 8))
    metas = [one.meta for one in prepared(tmp_path, Grid(crop=80)).values()]
    refuse_lost_tumour(metas, "crop")
    found = list(lost_brain(metas))
    assert len(found) == 2
    for meta, text in zip(metas, found, strict=True):
        lost = meta.brain_outside_crop
        assert text == f"{meta.patient}: {lost} voxels, which a crop of 96 would hold"
        assert 0 < lost < 1000


def test_a_grid_that_is_no_square_needs_its_longer_side(tmp_path):
    write_cohort(tmp_path / "data", ["P0"], shape=(64, 200, 8))
    meta = prepared(tmp_path, Grid(crop=64))["P0"].meta
    assert meta.smallest_crop == 192
    with pytest.raises(InputError, match=r"P0 \(\d+ of \d+ voxels, .*Write 192"):
        refuse_lost_tumour([meta], "crop")


def test_a_tumour_at_the_side_is_found_where_the_brain_is_small(tmp_path):
    """The head is not in the middle of the image, as after a registration that went astray."""
    write_cohort(tmp_path / "data", ["P0"])
    for path in (tmp_path / "data/P0").iterdir():
        image = nib.load(path)
        aside = np.pad(np.asarray(image.dataobj), [(0, 64), (0, 0), (0, 0)])
        nib.save(nib.Nifti1Image(aside, AFFINE), path)
    meta = prepared(tmp_path, Grid(crop=64))["P0"].meta
    assert 0 < meta.tumour_outside_crop <= sum(meta.tumour_per_slice)
    assert meta.smallest_crop == 128
    with pytest.raises(InputError, match="1 of 1 patients: P0"):
        refuse_lost_tumour([meta], "crop")


def test_the_smallest_crop_holds_the_brain_and_none_below_does(tmp_path):
    draw = np.random.default_rng(3)
    write_cohort(tmp_path / "data", ["P0"])
    known = prepared(tmp_path, Grid())["P0"].meta
    for _ in range(200):
        shape = draw.integers(40, 300, 2)
        starts = draw.integers(0, shape - 1)
        stops = draw.integers(starts + 1, shape)
        box = [(0, 1), *((int(a), int(b)) for a, b in zip(starts, stops, strict=True))]
        update = {"shape": (8, *map(int, shape)), "box": tuple(box)}
        meta: Meta = known.model_copy(update=update)
        assert _holds(meta, meta.smallest_crop)
        assert meta.smallest_crop == 32 or not _holds(meta, meta.smallest_crop - 16)


def _holds(meta: Meta, crop: int) -> bool:
    plane = np.zeros(meta.shape[1:], np.uint8)
    plane[tuple(slice(*span) for span in meta.box[1:])] = 1
    return center_crop_or_pad(plane, crop, fill=0).sum() == plane.sum()


def test_pixels_of_titles_are_those_of_the_patients(tmp_path):
    write_cohort(tmp_path / "data", ["P0"])
    write_cohort(tmp_path / "data", ["P1"], affine=HALF_MM)
    write_cohort(tmp_path / "data", ["P2"], affine=AFFINE @ np.diag([0.9375, 0.9375, 1, 1]))
    write_cohort(tmp_path / "data", ["P3"], affine=AFFINE @ np.diag([1.0000001, 1, 1, 1]))
    stored = prepared(tmp_path, Grid(crop=64))
    downsampled = prepared(tmp_path, Grid(crop=32, downsample=3))
    assert _pixel([stored["P0"]]) == _pixel([stored["P0"], stored["P3"]]) == "1"
    assert _pixel([stored["P0"], stored["P1"]]) == "0.5 to 1"
    assert _pixel([stored["P2"]]) == "0.938"
    assert _pixel([downsampled["P0"]]) == "3"
    assert _pixel([downsampled["P1"], downsampled["P2"]]) == "1.5 to 2.81"
    assert stored["P0"].shape[1:] == SHAPE[:2]
