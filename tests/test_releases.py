"""The release says what a label stands for; names or `cohort.release` say the release."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from benchmarks.cohorts.patient import KINDS, MODALITIES
from benchmarks.cohorts.releases import RELEASES, possible_releases, release_of
from benchmarks.cohorts.sources.brats import find_patients, read
from benchmarks.errors import InputError

SHAPE = (40, 40, 40)
WORDS_2023 = ("t1n", "t2w", "t2f", "t1c", "seg")
CORE, OEDEMA, ENHANCING = 11738, 12836, 32731
HALVES = 5859, 5879  # of the core


def write(
    root: Path,
    patient: str,
    counts: dict[float, int],
    hyphens: bool = False,
    dtype: type = np.int16,
) -> Path:
    """Write a patient whose segmentation has so many voxels of each label; return the latter."""
    rng = np.random.default_rng(0)
    labels = np.zeros(np.prod(SHAPE), dtype)
    values = np.repeat([*counts], [*counts.values()])
    labels[: len(values)] = values
    folder = root / patient
    folder.mkdir(parents=True)
    for kind, word in zip(KINDS, WORDS_2023 if hyphens else KINDS, strict=True):
        array = labels if kind == "seg" else rng.integers(0, 999, labels.size).astype(np.int16)
        path = folder / f"{patient}{'-' if hyphens else '_'}{word}.nii"
        nib.save(nib.Nifti1Image(array.reshape(SHAPE), np.diag([-1, -1, 1, 1])), path)
    return path


def classes(root: Path, release: str | None = None) -> tuple[list[int], dict[str, int], str]:
    """Read the one patient: voxels of core, oedema and enhancing tumour; uncounted; release."""
    (files,) = find_patients(root, release)
    patient = read(files)
    assert patient.labels.dtype == np.uint8
    counts = np.bincount(patient.labels.ravel(), minlength=4)[1:]
    return counts.tolist(), patient.uncounted, files.release


def refused(root: Path, release: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        classes(root, release)
    return str(caught.value)


@pytest.mark.parametrize(
    ("patient", "declared", "labels", "expected", "cavity"),
    [
        # The cases that were misread.
        ("BraTS-GLI-00005-100", "gli2024", {2: OEDEMA, 4: CORE}, (0, OEDEMA, 0), CORE),
        ("BraTS-GLI-00005-100", "gli2024", {1: HALVES[0], 2: OEDEMA, 4: HALVES[1]},
         (HALVES[0], OEDEMA, 0), HALVES[1]),
        ("brats_2013_pat0103_1", None, {2: OEDEMA, 3: CORE}, (CORE, OEDEMA, 0), 0),
        ("BraTS-PED-00001-000", "ped2024", {1: ENHANCING, 2: CORE, 4: OEDEMA},
         (CORE, OEDEMA, ENHANCING), 0),
        ("BraTS-PED-00001-000", "ped2024", {1: ENHANCING, 2: HALVES[0], 3: HALVES[1]},
         (CORE, 0, ENHANCING), 0),
        ("BRATS_001", None, {1: OEDEMA, 2: CORE, 3: ENHANCING}, (CORE, OEDEMA, ENHANCING), 0),
        # Others of their kind.
        ("BraTS-MET-00001-000", "met2025", {1: 1, 2: 2, 3: 3, 4: 4}, (1, 2, 3), 4),
        ("BraTS-GLI-00005-100", "gli2024", {4: CORE}, (0, 0, 0), CORE),
        ("brats_tcia_pat101_1", None, {1: 1, 2: 2, 3: 3, 4: 4}, (4, 2, 4), 0),
        ("brats_hg0001", "brats2015", {1: 1, 2: 2, 3: 3, 4: 4}, (4, 2, 4), 0),
        ("BraTS-PED-00001-000", "brats2023", {1: 1, 2: 2, 3: 3}, (1, 2, 3), 0),
        ("BraTS-GLI-00000-000", None, {2: OEDEMA, 3: CORE}, (0, OEDEMA, CORE), 0),
        ("BraTS2021_00002", None, {2: OEDEMA, 4: CORE}, (0, OEDEMA, CORE), 0),
        ("FeTS2022_01341", None, {1: 1, 2: 2, 4: 4}, (1, 2, 4), 0),
        ("UPENN-GBM-00001_11", None, {4: 4}, (0, 0, 4), 0),
        # Names that tell nothing.
        ("P1", "msd", {1: OEDEMA, 2: CORE}, (CORE, OEDEMA, 0), 0),
        ("P1", "gli2024", {2: OEDEMA, 4: CORE}, (0, OEDEMA, 0), CORE),
        ("P1", None, {1: 1, 2: 2, 4: 4}, (1, 2, 4), 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_labels_are_read_by_release(tmp_path, patient, declared, labels, expected, cavity, dtype):
    write(tmp_path, patient, labels, patient.startswith("BraTS-"), dtype)
    found, uncounted, release = classes(tmp_path, declared)
    assert found == list(expected)
    assert uncounted == ({"resection cavity": cavity} if cavity else {})
    assert declared in (None, release)


@pytest.mark.parametrize(("hyphens", "label"), [(False, 4), (True, 3)])
def test_file_names_decide_where_the_name_tells_nothing(tmp_path, hyphens, label):
    write(tmp_path, "P1", {1: 1, 2: 2, label: 5}, hyphens)
    assert classes(tmp_path)[0] == [1, 2, 5]
    write(tmp_path / "other", "P1", {1: 1, 2: 2, 7 - label: 5}, hyphens)
    assert f"which has 1 core, 2 oedema, {label} enhancing" in refused(tmp_path / "other")


@pytest.mark.parametrize(
    ("patient", "declared", "labels", "says", "silent"),
    [
        ("BraTS-GLI-00005-100", None, {2: OEDEMA, 4: CORE},
         ["BraTS-GLI-00005-100-seg.nii has labels 2 (12836 voxels), 4 (11738 voxels)",
          "read as `brats2023`", "which has 1 core, 2 oedema, 3 enhancing",
          "`gli2024` (BraTS 2024 GLI (post-treatment)) gives core 0, oedema 12836, enhancing 0, "
          "resection cavity 11738: write `cohort: {release: gli2024}` in the benchmark file or "
          "`--config release=gli2024`",
          "`brats2021`", "core 0, oedema 12836, enhancing 11738: rename the folder and its files",
          "e.g. BraTS2021_00002", "`ped2024`", "core 12836, oedema 11738, enhancing 0"],
         ["release: brats2021", "`msd`"]),
        ("BraTS-SSA-00002-000", None, {2: OEDEMA, 4: CORE},
         ["rename the folder and its files as there, e.g. BraTS-GLI-00005-100, and write "
          "`cohort: {release: gli2024}`", "e.g. BraTS2021_00002."], ["release=brats2021"]),
        ("BraTS-GLI-00005-100", None, {1: 1, 2: 2, 3: 3, 4: 4},
         ["`gli2024`", "core 1, oedema 2, enhancing 3, resection cavity 4", "`brats2015`"],
         ["`brats2021`"]),
        ("BraTS-MET-00001-000", None, {3: 3, 4: 4}, ["release=met2025"],
         ["e.g. BraTS-MET"]),
        ("BraTS-MET-00001-000", "brats2023", {3: 3, 4: 4}, ["release=met2025"], []),
        ("Brats18_2013_2_1", None, {2: OEDEMA, 3: CORE},
         ["1 core, 2 oedema, 4 enhancing", "`brats2023`", "rename", "`brats2015`",
          "core 11738, oedema 12836, enhancing 0"], ["release=brats2023"]),
        # As nnU-Net converts BraTS: 1 oedema, 2 core, 3 enhancing tumour.
        ("BraTS20_Training_001", None, {1: OEDEMA, 2: CORE, 3: ENHANCING},
         ["`msd`", "core 11738, oedema 12836, enhancing 32731: rename", "BRATS_001"], []),
        ("BRATS_001", None, {1: 1, 2: 2, 4: 4}, ["read as `msd`", "`brats2021`"], []),
        ("BraTS-PED-00001-000", "brats2023", {1: 1, 4: 4}, ["release=ped2024", "core 0"], []),
        ("P1", None, {2: 2, 3: 3}, ["release=msd", "release=brats2015", "release=ped2024"],
         ["rename"]),
        ("P1", "gli2024", {1: 1, 5: 5}, ["5 (5 voxels)", "No release has", "by the original"], []),
        ("P1", None, {n: n for n in range(1, 31)}, ["8 (8 voxels), 22 more", "No release"], []),
        ("P1", None, {-1: 1}, ["-1 (1 voxels)", "No release"], []),
        ("P1", None, {300: 1}, ["300 (1 voxels)", "No release"], []),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused_with_what_they_could_be(
    tmp_path, patient, declared, labels, says, silent
):
    write(tmp_path, patient, labels, patient.startswith("BraTS-"))
    message = refused(tmp_path, declared)
    missing = [part for part in (f"Patient {patient}: ", *says) if part not in message]
    assert not missing and not [part for part in silent if part in message], message


@pytest.mark.parametrize("value", [3.9999998, 4.0009, 3.9991])
def test_labels_that_are_whole_but_for_rounding(tmp_path, value):
    write(tmp_path, "P1", {1: 1, 1.0000001: 2, value: 4}, dtype=np.float32)
    assert classes(tmp_path)[0] == [3, 0, 4]


@pytest.mark.parametrize(
    ("value", "shown"), [(3.998, "3.998"), (4.0011, "4.0011"), (0.5, "0.5"), (np.nan, "nan")]
)
def test_labels_that_are_not_whole_are_shown_with_their_digits(tmp_path, value, shown):
    write(tmp_path, "P1", {1: 1, 3.9999998: 2, value: 4}, dtype=np.float32)
    message = refused(tmp_path)
    for part in ("1 (1 voxels)", "4 (2 voxels)", f"{shown} (4 voxels)", "by the original"):
        assert part in message


# Names


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_a_releases_example_can_be_read_as_it(release):
    assert release.name in possible_releases(release.example)
    assert release_of(release.example, hyphens=False, declared=release.name) == release.name


@pytest.mark.parametrize(
    ("release", "names"),
    [
        ("brats2015", ["brats_2013_pat0001_1", "brats_tcia_pat117_0001"]),
        ("brats2021", ["Brats17_TCIA_105_1", "Brats18_2013_2_1", "BraTS19_CBICA_AAB_1",
                       "BraTS20_Training_001", "BraTS2020_Training_001", "BraTS2021_00000",
                       "FeTS21_Training_001", "FeTS2022_00000", "UCSF-PDGM-0004",
                       "UCSF-PDGM-0409_FU001d_nifti", "UPENN-GBM-00002_21"]),
        ("brats2023", ["BraTS-GLI-00000-000", "BraTS-MEN-00004-000", "BraTS-MET-00001-000",
                       "BraTS-SSA-00002-000", "BraTS-GoAT-00000"]),
        ("msd", ["BRATS_001", "BRATS_484"]),
    ],
)  # fmt: skip
def test_names_that_tell_a_release(release, names):
    for name in names:
        for hyphens in (False, True):
            assert release_of(name, hyphens) == release


@pytest.mark.parametrize(
    "name", ["P1", "Phantom_001", "BraTS-MEN-RT-0001-1", "BRATS_0001", "sub-1"]
)
def test_names_that_tell_nothing(name):
    assert possible_releases(name) == []
    assert [release_of(name, hyphens) for hyphens in (False, True)] == ["brats2021", "brats2023"]
    assert release_of(name, False, "ped2024") == "ped2024"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("BraTS-PED-00001-000", ["`brats2023` (BraTS 2023", "1 core", "`ped2024` (BraTS 2024 PED: "
                                 "1 enhancing, 2 core, 3 core, 4 oedema)"]),
        ("BRATS_HG0001", ["`brats2015`"]),
        ("brats_lg0025", ["`brats2015`"]),
    ],
)  # fmt: skip
def test_names_that_need_a_declaration(name, says):
    with pytest.raises(InputError) as caught:
        release_of(name, hyphens=True)
    for part in (f"Patient {name}", "`--config release=NAME`", "{release: NAME}", *says):
        assert part in str(caught.value)


def test_a_cohort_of_several_releases(tmp_path):
    """What is declared holds for the patients whose names leave it open."""
    patients = {"BraTS-GLI-00005-100": 4, "BraTS2021_00002": 4, "BRATS_001": 3, "P1": 4}
    for patient, label in patients.items():
        write(tmp_path, patient, {label: 1}, patient.startswith("BraTS-"))
    found = {files.patient: files.release for files in find_patients(tmp_path, "gli2024")}
    assert found == {"BraTS-GLI-00005-100": "gli2024", "BraTS2021_00002": "brats2021",
                     "BRATS_001": "msd", "P1": "gli2024"}  # fmt: skip


def test_a_declared_release_that_no_patient_can_be_of(tmp_path):
    for patient in ("BraTS2021_00002", "BraTS2021_00003", "BraTS-GLI-00005-100"):
        write(tmp_path, patient, {1: 1}, patient.startswith("BraTS-"))
    message = refused(tmp_path, "met2025")
    assert "`cohort.release` is `met2025`" in message and str(tmp_path) in message
    assert "2 of `brats2021`" in message and "1 of `brats2023`" in message
    assert len(find_patients(tmp_path, "brats2021")) == 3  # declared, and told by the names too


def test_an_unknown_release_lists_the_known_ones(tmp_path):
    write(tmp_path, "P1", {1: 1})
    message = refused(tmp_path, "gli-2024")
    assert "there is no `gli-2024`. Did you mean `gli2024`?" in message
    assert all(f"`{name}` ({one.title})" in message for name, one in RELEASES.items())


@pytest.mark.parametrize(
    ("patient", "subject"),
    [
        ("BraTS-GLI-00005-100", "BraTS-GLI-00005"),
        ("BraTS-MET-00001-000", "BraTS-MET-00001"),
        ("UPENN-GBM-00001_11", "UPENN-GBM-00001"),
        ("UPENN-GBM-00001_21", "UPENN-GBM-00001"),
        ("UCSF-PDGM-0409", "UCSF-PDGM-0409"),
        ("UCSF-PDGM-0409_FU001d", "UCSF-PDGM-0409"),
        ("sub-01_ses-02", "sub-01"),
        ("sub-01", "sub-01"),
        ("BraTS-GoAT-00000", "BraTS-GoAT-00000"),
        ("Brats18_2013_2_1", "Brats18_2013_2_1"),
        ("BraTS20_Training_001", "BraTS20_Training_001"),
        ("BraTS2021_00002", "BraTS2021_00002"),
        ("P-1-2", "P-1-2"),
    ],
)
def test_the_person_of_a_time_point(tmp_path, patient, subject):
    write(tmp_path, patient, {1: 1})
    (files,) = find_patients(tmp_path)
    assert (files.patient, files.subject) == (patient, subject)


# A real patient

BRATS_DIR = os.environ.get("BRATS_DIR")


@pytest.mark.skipif(not BRATS_DIR, reason="BRATS_DIR is unset: it should name real patients")
@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_a_real_tumour_is_the_same_in_the_labels_of_each_release(tmp_path, release):
    real = find_patients(Path(BRATS_DIR))[0]
    seg, truth = nib.load(real.seg), read(real).labels
    label_of = {tissue: label for label, tissue in reversed(release.labels.items())}
    relabelled = np.array([0, *(label_of[tissue] for tissue in (1, 2, 3))], np.uint8)[truth]
    folder = tmp_path / release.example
    folder.mkdir()
    for modality in MODALITIES:
        path = real.all_files[modality]
        (folder / f"{folder.name}_{modality}.nii.gz").symlink_to(path.absolute())
    nib.save(nib.Nifti1Image(relabelled, seg.affine), folder / f"{folder.name}_seg.nii")
    (files,) = find_patients(tmp_path, release.name)
    assert np.array_equal(read(files).labels, truth)
