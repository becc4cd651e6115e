"""The reader of BraTS folders, on made-up files and, where there are any, on real ones."""

import gzip
import hashlib
import os
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from benchmarks.cohorts.patient import KINDS, MODALITIES
from benchmarks.cohorts.sources.brats import find_patients, read
from benchmarks.errors import InputError

NAMES_2023 = {"t1": "t1n", "t2": "t2w", "flair": "t2f", "t1ce": "t1c", "seg": "seg"}
LPS = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
SHAPE = (6, 5, 4)


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Four int16 volumes with a background of 0 at the faces, and a tumour of every class."""
    rng = np.random.default_rng(seed)
    volumes = {}
    for modality in MODALITIES:
        volumes[modality] = np.zeros(SHAPE, np.int16)
        volumes[modality][1:-1, 1:-1, 1:-1] = rng.integers(1, 32767, (4, 3, 2))
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2, 1] = 1, 2, 4
    return {**volumes, "seg": labels}


def write_patient(
    folder: Path,
    ending: str = ".nii.gz",
    names: dict[str, str] | None = None,
    affine: np.ndarray = LPS,
    **changed: np.ndarray,
) -> Path:
    """A patient's folder; `changed` replaces arrays by kind, `names` the words in file names."""
    folder.mkdir(parents=True)
    mark = "-" if names == NAMES_2023 else "_"
    for kind, array in {**arrays(), **changed}.items():
        name = f"{folder.name}{mark}{(names or {}).get(kind, kind)}{ending}"
        nib.save(nib.Nifti1Image(array, affine), folder / name)
    return folder


def touch_patient(folder: Path, ending: str = ".nii.gz") -> Path:
    """A patient's folder of empty files: enough for a listing, which opens none."""
    folder.mkdir(parents=True)
    for kind in KINDS:
        (folder / f"{folder.name}_{kind}{ending}").touch()
    return folder


def read_one(folder: Path):
    (files,) = find_patients(folder.parent)
    return read(files)


def rewrite(folder: Path, kind: str, array: np.ndarray, affine: np.ndarray = LPS) -> Path:
    path = folder / f"{folder.name}_{kind}.nii.gz"
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


# Finding patients


def test_flat_folder_is_sorted_and_other_files_are_ignored(tmp_path):
    for patient in ("BraTS2021_00003", "BraTS2021_00001", "BraTS2021_00002"):
        touch_patient(tmp_path / patient)
    for name in (".DS_Store", "README.md", "survival_info.csv"):
        (tmp_path / name).touch()
    (tmp_path / "__MACOSX" / "BraTS2021_00009").mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "._BraTS2021_00001_t1.nii").touch()
    (tmp_path / "BraTS2021_00001" / "._BraTS2021_00001_t1.nii").touch()

    found = find_patients(tmp_path)

    assert [files.patient for files in found] == [f"BraTS2021_0000{i}" for i in (1, 2, 3)]
    assert [files.grade for files in found] == [None] * 3
    assert list(found[0].all_files) == ["t1", "t2", "flair", "t1ce", "seg"]
    for kind, path in found[0].all_files.items():
        assert path == tmp_path / "BraTS2021_00001" / f"BraTS2021_00001_{kind}.nii.gz"


@pytest.mark.parametrize("above", ["", "MICCAI_BraTS_2019_Data_Training"])
def test_grades_are_the_subfolders_of_2018_and_2019(tmp_path, above):
    touch_patient(tmp_path / above / "LGG" / "BraTS19_TCIA10_628_1")
    touch_patient(tmp_path / above / "HGG" / "BraTS19_2013_2_1")
    found = find_patients(tmp_path)
    assert [(files.patient, files.grade) for files in found] == [
        ("BraTS19_2013_2_1", "HGG"),
        ("BraTS19_TCIA10_628_1", "LGG"),
    ]


def test_one_grade_alone_may_be_given(tmp_path):
    touch_patient(tmp_path / "LGG" / "Brats18_TCIA10_628_1")
    assert [files.grade for files in find_patients(tmp_path / "LGG")] == ["LGG"]


@pytest.mark.parametrize("at", ["", "MICCAI_BraTS2020_TrainingData"])
def test_name_mapping_of_2020_gives_grades(tmp_path, at):
    training = tmp_path / "MICCAI_BraTS2020_TrainingData"
    for number in (1, 2, 3):
        touch_patient(training / f"BraTS20_Training_00{number}", ".nii")
    (tmp_path / at / "name_mapping.csv").write_text(
        "Grade,BraTS_2017_subject_ID,BraTS_2020_subject_ID\n"
        "HGG,Brats17_CBICA_AAB_1,BraTS20_Training_001\n"
        "LGG,NA,BraTS20_Training_002\n"
    )
    for root in (tmp_path, training):
        assert [files.grade for files in find_patients(root)] == ["HGG", "LGG", None]


def test_kaggle_puts_two_folders_around_the_patients(tmp_path):
    training = tmp_path / "BraTS2020_TrainingData" / "MICCAI_BraTS2020_TrainingData"
    touch_patient(training / "BraTS20_Training_001")
    (training / "name_mapping.csv").write_text(
        "\ufeffBraTS_2020_subject_ID,Grade\nBraTS20_Training_001,LGG\n", encoding="utf-8"
    )
    (files,) = find_patients(tmp_path)
    assert (files.patient, files.grade) == ("BraTS20_Training_001", "LGG")


def test_name_mapping_of_another_year_is_passed_over(tmp_path):
    touch_patient(tmp_path / "BraTS20_Training_001")
    (tmp_path / "name_mapping.csv").write_text("Grade,BraTS_2019_subject_ID\nHGG,BraTS19_2_1\n")
    assert [files.grade for files in find_patients(tmp_path)] == [None]


def test_names_of_2023(tmp_path):
    folder = write_patient(tmp_path / "BraTS-GLI-00000-000", names=NAMES_2023)
    (files,) = find_patients(tmp_path)
    assert files.t1ce == folder / "BraTS-GLI-00000-000-t1c.nii.gz"
    assert files.flair == folder / "BraTS-GLI-00000-000-t2f.nii.gz"
    np.testing.assert_array_equal(read(files).volumes["t2"], arrays()["t2"])


def test_patient_355_has_a_segmentation_of_another_name(tmp_path):
    folder = touch_patient(tmp_path / "BraTS20_Training_355", ".nii")
    stray = folder / "W39_1998.09.19_Segm.nii"
    (folder / "BraTS20_Training_355_seg.nii").rename(stray)
    (files,) = find_patients(tmp_path)
    assert files.seg == stray


def test_listing_369_patients_takes_under_half_a_second(tmp_path):
    for number in range(1, 370):
        touch_patient(tmp_path / f"BraTS20_Training_{number:03d}")
    seconds = []
    for _ in range(3):
        start = time.process_time()
        assert len(find_patients(tmp_path)) == 369
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


def test_links_are_followed(tmp_path):
    """Labs link data sets together, and DataLad and git-annex keep nothing but links."""
    elsewhere = write_patient(tmp_path / "elsewhere" / "P1")
    (tmp_path / "annex").mkdir()
    root = tmp_path / "data"
    (root / "P2").mkdir(parents=True)
    (root / "P1").symlink_to(elsewhere)
    for kind in KINDS:
        content = tmp_path / "annex" / f"{kind}.content"
        content.write_bytes((elsewhere / f"P1_{kind}.nii.gz").read_bytes())
        (root / "P2" / f"P2_{kind}.nii.gz").symlink_to(content)
    first, second = find_patients(root)
    assert (first.patient, second.patient) == ("P1", "P2")
    np.testing.assert_array_equal(read(first).volumes["t2"], read(second).volumes["t2"])
    (tmp_path / "annex" / "t2.content").unlink()
    with pytest.raises(InputError, match=r"P2_t2\.nii\.gz is no file: .* link to nothing"):
        find_patients(root)


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match=r"There is no folder .*/absent"):
        find_patients(tmp_path / "absent")


def test_folder_without_patients_says_what_a_patient_looks_like(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds no patient.*BraTS20_Training_001_t1\.nii\.gz"):
        find_patients(tmp_path)


def test_folder_of_one_patient_points_to_the_folder_above(tmp_path):
    with pytest.raises(InputError, match="folder of one patient"):
        find_patients(touch_patient(tmp_path / "BraTS20_Training_001"))


@pytest.mark.parametrize("kind", KINDS)
def test_missing_file_says_the_name_sought(tmp_path, kind):
    folder = touch_patient(tmp_path / "BraTS20_Training_007")
    (folder / f"BraTS20_Training_007_{kind}.nii.gz").unlink()
    name = f"BraTS20_Training_007_{kind}.nii.gz"
    with pytest.raises(InputError, match=f"BraTS20_Training_007 lacks its {kind}: .*{name}"):
        find_patients(tmp_path)


def test_emptied_patient_is_not_passed_over(tmp_path):
    touch_patient(tmp_path / "BraTS20_Training_001")
    (tmp_path / "BraTS20_Training_002").mkdir()
    with pytest.raises(InputError, match="BraTS20_Training_002 lacks its t1"):
        find_patients(tmp_path)


def test_patient_in_both_grades(tmp_path):
    for grade in ("HGG", "LGG"):
        touch_patient(tmp_path / grade / "Brats18_2013_2_1")
    with pytest.raises(InputError, match=r"Brats18_2013_2_1 lies twice.*HGG.*LGG"):
        find_patients(tmp_path)


def test_compressed_and_plain_file_of_one_modality(tmp_path):
    folder = touch_patient(tmp_path / "Brats18_2013_2_1")
    (folder / "Brats18_2013_2_1_t2.nii").touch()
    with pytest.raises(InputError, match=r"more than one t2 .*_t2\.nii\.gz, .*_t2\.nii"):
        find_patients(tmp_path)


# Reading one patient


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
def test_volumes_keep_their_type_and_values(tmp_path, ending):
    written = arrays()
    written["t2"] = written["t2"].astype(np.float32) / 7
    patient = read_one(write_patient(tmp_path / "P", ending, **written))
    for modality in MODALITIES:
        assert patient.volumes[modality].dtype == written[modality].dtype
        np.testing.assert_array_equal(patient.volumes[modality], written[modality])
    np.testing.assert_array_equal(patient.affine, LPS)
    assert patient.spacing == (1, 1, 1)
    assert patient.labels.any()


def test_scaled_volume_becomes_float32(tmp_path):
    folder = write_patient(tmp_path / "P")
    image = nib.Nifti1Image(arrays()["t1"], LPS)
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, folder / "P_t1.nii.gz")
    expected = nib.load(folder / "P_t1.nii.gz").get_fdata()
    assert expected.min() != arrays()["t1"].min()
    volume = read_one(folder).volumes["t1"]
    assert volume.dtype == np.float32
    np.testing.assert_allclose(volume, expected, rtol=1e-6)


def test_digests_are_of_the_files_on_disk(tmp_path):
    folder = write_patient(tmp_path / "P")
    digests = read_one(folder).sha256
    assert list(digests) == list(KINDS)
    for kind, digest in digests.items():
        stored = (folder / f"P_{kind}.nii.gz").read_bytes()
        assert digest == hashlib.sha256(stored).hexdigest()


@pytest.mark.parametrize("codes", ["RAS", "LAS", "PIR", "SLP"])
def test_other_orientations_are_turned_to_lps(tmp_path, codes):
    upright = {k: nib.Nifti1Image(a, LPS @ np.diag([1, 2, 3, 1])) for k, a in arrays().items()}
    from_lps = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("LPS"), nib.orientations.axcodes2ornt(codes)
    )
    folder = tmp_path / "P"
    folder.mkdir()
    for kind, image in upright.items():
        nib.save(image.as_reoriented(from_lps), folder / f"P_{kind}.nii.gz")

    patient = read_one(folder)

    assert nib.aff2axcodes(nib.load(folder / "P_t1.nii.gz").affine) == tuple(codes)
    np.testing.assert_allclose(patient.affine, upright["t1"].affine)
    assert patient.spacing == pytest.approx((1, 2, 3))
    for modality in MODALITIES:
        np.testing.assert_array_equal(patient.volumes[modality], arrays()[modality])


def test_label_4_and_label_3_of_2023_are_both_class_3(tmp_path):
    expected = np.minimum(arrays()["seg"], 3)
    for name, labels in (("old", arrays()["seg"]), ("new", expected.astype(np.float32))):
        patient = read_one(write_patient(tmp_path / name / "P", seg=labels))
        assert patient.labels.dtype == np.uint8
        np.testing.assert_array_equal(patient.labels, expected)


def test_trailing_axis_of_one_is_dropped(tmp_path):
    patient = read_one(write_patient(tmp_path / "P", flair=arrays()["flair"][..., None]))
    np.testing.assert_array_equal(patient.volumes["flair"], arrays()["flair"])


def test_extensions_between_header_and_voxels_are_passed_over(tmp_path):
    folder = write_patient(tmp_path / "P")
    image = nib.Nifti1Image(arrays()["t2"], LPS)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"made by hand " * 200))
    nib.save(image, folder / "P_t2.nii.gz")
    np.testing.assert_array_equal(read_one(folder).volumes["t2"], arrays()["t2"])


def test_segmentation_without_tumour_is_allowed(tmp_path):
    patient = read_one(write_patient(tmp_path / "P", seg=np.zeros(SHAPE, np.uint8)))
    assert not patient.labels.any()


def test_volume_without_background_is_allowed(tmp_path):
    full = np.arange(1, 121, dtype=np.int16).reshape(SHAPE)
    patient = read_one(write_patient(tmp_path / "P", t1=full))
    np.testing.assert_array_equal(patient.volumes["t1"], full)


def damaged(array: np.ndarray, value: float) -> np.ndarray:
    array = array.astype(np.float32)
    array[2, 2, 2] = value
    return array


@pytest.mark.parametrize(
    ("kind", "array", "message"),
    [
        ("t2", np.ones((*SHAPE, 2), np.int16), r"P_t2\.nii\.gz .*\(6, 5, 4, 2\).*not one 3-D"),
        ("t2", np.ones(SHAPE, np.complex64), "complex64, not one 3-D volume of numbers"),
        ("flair", np.arange(8).reshape(2, 2, 2).astype(np.int16), r"P_flair.*\(2, 2, 2\).*P_t1"),
        ("t1ce", np.zeros(SHAPE, np.int16), "every voxel of .*P_t1ce.* is 0"),
        ("t1", np.full(SHAPE, 7, np.int16), "every voxel of .*P_t1.* is 7"),
        ("t1", damaged(arrays()["t1"], np.nan), "P_t1.* holds NaN or infinite"),
        ("t2", damaged(arrays()["t2"], -np.inf), "P_t2.* holds NaN or infinite"),
        ("seg", damaged(arrays()["seg"], 3), "both label 3 and label 4"),
        ("seg", damaged(arrays()["seg"], 1.5), r"P_seg.* such as 1\.5"),
        ("seg", damaged(arrays()["seg"], -1), "such as -1"),
        ("seg", damaged(arrays()["seg"], 5), "such as 5"),
        ("seg", damaged(arrays()["seg"], np.nan), "such as nan"),
    ],
)
def test_faulty_volume(tmp_path, kind, array, message):
    folder = write_patient(tmp_path / "P", **{kind: array})
    with pytest.raises(InputError, match=message) as fault:
        read_one(folder)
    assert "Patient P" in str(fault.value)


def test_affines_that_differ(tmp_path):
    folder = write_patient(tmp_path / "P")
    shifted = LPS.copy()
    shifted[0, 3] += 1e-6
    rewrite(folder, "seg", arrays()["seg"], shifted)
    assert read_one(folder).labels.any()
    shifted[0, 3] = 2.5
    rewrite(folder, "seg", arrays()["seg"], shifted)
    with pytest.raises(InputError, match=r"P_seg.* elsewhere in space than P_t1.*up to 2\.5"):
        read_one(folder)


@pytest.mark.parametrize("keep", [0, 10, 60, -9])
def test_truncated_gzip(tmp_path, keep):
    folder = write_patient(tmp_path / "P")
    path = folder / "P_t2.nii.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"Patient P: .*P_t2\.nii\.gz cannot be read.*damaged"):
        read_one(folder)


def test_gzip_with_a_changed_byte(tmp_path):
    folder = write_patient(tmp_path / "P")
    path = folder / "P_t2.nii.gz"
    stored = bytearray(path.read_bytes())
    stored[len(stored) // 2] ^= 0xFF
    path.write_bytes(bytes(stored))
    with pytest.raises(InputError, match=r"P_t2\.nii\.gz cannot be read"):
        read_one(folder)


@pytest.mark.parametrize("padding", [b"", bytes(512)])
def test_gzip_of_several_members(tmp_path, padding):
    """As block-wise and parallel compressors write it; some pad to whole blocks of a tape."""
    folder = write_patient(tmp_path / "P")
    path = folder / "P_t2.nii.gz"
    plain = gzip.decompress(path.read_bytes())
    parts = [plain[:100], plain[100:400], plain[400:]]
    path.write_bytes(b"".join(map(gzip.compress, parts)) + padding)
    assert np.array_equal(read_one(folder).volumes["t2"], arrays()["t2"])

    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputError, match=r"P_t2\.nii\.gz cannot be read"):
        read_one(folder)


@pytest.mark.parametrize("content", [b"\x00" * 2000, b"not an image" * 100, b"", b"short"])
def test_file_that_is_no_nifti(tmp_path, content):
    folder = write_patient(tmp_path / "P", ".nii")
    (folder / "P_t1ce.nii").write_bytes(content)
    with pytest.raises(InputError, match=r"P_t1ce\.nii"):
        read_one(folder)


def test_truncated_plain_file(tmp_path):
    folder = write_patient(tmp_path / "P", ".nii")
    path = folder / "P_t1.nii"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"P_t1\.nii cannot be read"):
        read_one(folder)


# Real patients

BRATS_DIR = os.environ.get("BRATS_DIR")
real = pytest.mark.skipif(
    not BRATS_DIR, reason="BRATS_DIR is unset: it should name a folder of real BraTS patients"
)


@real
def test_real_patients_read_as_nibabel_reads_them():
    found = find_patients(Path(BRATS_DIR))
    assert found
    for files in found:
        patient = read(files)
        images = {kind: nib.load(path) for kind, path in files.all_files.items()}
        assert patient.labels.any()
        assert nib.aff2axcodes(patient.affine) == ("L", "P", "S")
        np.testing.assert_array_equal(patient.affine, images["t1"].affine)
        for modality in MODALITIES:
            assert patient.volumes[modality].dtype == np.int16
            assert np.array_equal(
                patient.volumes[modality], np.asanyarray(images[modality].dataobj)
            )
        stored = np.asanyarray(images["seg"].dataobj)
        assert np.array_equal(patient.labels == 3, stored == 4)
        assert np.array_equal(patient.labels > 0, stored > 0)
