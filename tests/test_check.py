"""What `python -m workflow check` says of a folder of patients."""

import nibabel as nib
import numpy as np
import pytest
from made_up import AFFINE, write_cohort

from workflow.__main__ import main

BENCHMARK = """\
title: made up
cohort: {source: brats}
results:
  split: {seed: SEED}
  slices: {crop: 64, downsample: 1}
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Write patients, let `damage` change them, and return the exit code and both outputs."""

    def run(names, damage=lambda folder: None, seed=7, labels=(0, 2, 1, 4), **options):
        folder = write_cohort(tmp_path / "data", names, labels=labels)
        damage(folder)
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.yaml").write_text(BENCHMARK.replace("SEED", str(seed)))
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        code = main(["check", "--benchmark", "mine.yaml", "--data", str(folder), *words])
        said = capsys.readouterr()
        assert not (tmp_path / "results").exists()
        return code, said.out, said.err

    return run


NAMES = [f"BraTS20_Training_{number:03}" for number in range(1, 9)]


def test_a_good_folder(check):
    code, said, _ = check(NAMES)
    assert code == 0
    assert said.startswith("8 patients\n")
    assert "Labels of BraTS 2017 to 2021" in said and "4 enhancing): 8 patients." in said
    assert "64 x 64 x 8 of 1 mm (8)" in said
    assert "Grades: not known (8)." in said
    assert "Refused: none" in said


def test_time_points_are_counted_as_scans(check):
    names = [f"BraTS-GLI-{number:05}-{time}" for number in range(1, 7) for time in (100, 101)]
    code, said, _ = check(names, seed=0, labels=(0, 4, 2, 3), release="gli2024")
    assert code == 0
    assert said.startswith("12 scans of 6 patients\n")
    assert "6 of them have several time points, which share a split." in said
    assert "BraTS 2024 GLI (post-treatment)" in said
    assert "Resection cavity: " in said and " voxels in 12 patients, outside every region" in said


def test_everything_that_is_refused_is_listed_at_once(check):
    def damage(folder):
        labels = folder / NAMES[1] / f"{NAMES[1]}_seg.nii.gz"
        voxels = np.asanyarray(nib.load(labels).dataobj)
        nib.save(nib.Nifti1Image(np.where(voxels == 4, 3, voxels).astype("u1"), AFFINE), labels)
        image = folder / NAMES[2] / f"{NAMES[2]}_t2.nii.gz"
        image.write_bytes(image.read_bytes()[:500])

    code, said, error = check(NAMES, damage)
    assert code == 2
    refused = said.partition("Refused:")[2]
    assert f"{NAMES[1]}_seg.nii.gz" in refused and "brats2023" in refused
    assert f"{NAMES[2]}_t2.nii.gz" in refused
    assert "2 faults" in error


def test_the_same_patient_twice_is_a_doubt(check):
    def damage(folder):
        for kind in ("t1", "t2", "flair", "t1ce", "seg"):
            one, other = (folder / name / f"{name}_{kind}.nii.gz" for name in NAMES[:2])
            nib.save(nib.load(one), other.with_suffix(""))
            other.unlink()

    code, said, _ = check(NAMES, damage)
    assert code == 0
    assert f"{NAMES[0]} and {NAMES[1]} are the same images" in said


def test_a_folder_of_which_nothing_can_be_read(check):
    code, said, _ = check(NAMES[:1], labels=(0, 2, 1, 3))
    assert code == 2
    assert said.startswith("1 patient\n\nDoubts, to be looked at: none\n")
    assert "3 (" in said.partition("Refused:")[2]


def test_a_split_without_patients_is_refused(check):
    code, said, _ = check(NAMES[:3], seed=0)
    assert code == 2
    assert "leaves no patient" in said.partition("Refused:")[2]


def test_a_lost_tumour_is_refused(check, monkeypatch):
    monkeypatch.setitem(globals(), "BENCHMARK", BENCHMARK.replace("crop: 64", "crop: 32"))
    code, said, _ = check(NAMES)
    assert code == 2
    assert "cut off tumour" in said.partition("Refused:")[2]
