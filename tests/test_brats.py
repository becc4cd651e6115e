"""The reader of BraTS folders, on made-up files and, where there are any, on real ones."""

import gzip
import hashlib
import os
import struct
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
    labels = np.minimum(arrays()["seg"], 3)
    folder = write_patient(tmp_path / "BraTS-GLI-00000-000", names=NAMES_2023, seg=labels)
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


def link_patient(folder: Path, store: Path, relative: bool = False) -> None:
    """A folder of links to the files of a patient, as git-annex has them if relative."""
    folder.mkdir(parents=True)
    for path in store.iterdir():
        target = os.path.relpath(path, folder) if relative else path
        (folder / path.name.replace(store.name, folder.name)).symlink_to(target)


def test_links_are_followed_and_keep_the_users_paths(tmp_path):
    """Labs link data sets together: folders, files, or the folder of all patients."""
    store = tmp_path / "store"
    for patient in ("P1", "P2"):
        write_patient(store / patient)
    subset = tmp_path / "subset"
    link_patient(subset / "P1", store / "P1")
    (subset / "P2").symlink_to(store / "P2")
    (subset / "loop").symlink_to("loop")
    (tmp_path / "data").symlink_to(subset)
    for root in (subset, tmp_path / "data"):
        found = find_patients(root)
        assert [files.t2 for files in found] == [
            root / name / f"{name}_t2.nii.gz" for name in ("P1", "P2")
        ]
        assert [files.t2.resolve().parents[1] for files in found] == [store] * 2
        for files in found:
            np.testing.assert_array_equal(read(files).volumes["t2"], arrays()["t2"])


def test_a_subfolder_of_a_datalad_dataset(tmp_path):
    annex = write_patient(tmp_path / ".git" / "annex" / "P1")
    link_patient(tmp_path / "training" / "P1", annex, relative=True)
    (files,) = find_patients(tmp_path / "training")
    np.testing.assert_array_equal(read(files).volumes["t2"], arrays()["t2"])
    (annex / "P1_t2.nii.gz").unlink()
    with pytest.raises(InputError, match=r"P1_t2\.nii\.gz is no file: .*link to nothing.*datalad"):
        find_patients(tmp_path / "training")


def test_a_path_that_leads_up_out_of_a_link(tmp_path, monkeypatch):
    """The folder above a link's target is not the folder above the link."""
    touch_patient(tmp_path / "store" / "LGG" / "P1")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "link").symlink_to(tmp_path / "store" / "LGG")
    monkeypatch.chdir(tmp_path / "inner")
    for path in ("link", "link/../LGG", "../store", Path("link/..")):
        (files,) = find_patients(path)
        assert files.patient == "P1" and files.t1.is_file()
    monkeypatch.chdir(tmp_path / "store" / "LGG")
    assert [files.grade for files in find_patients(".")] == ["LGG"]


@pytest.mark.parametrize("above", ["", "imagesTr", "HGG"])
def test_all_files_of_all_patients_in_one_folder(tmp_path, above):
    for patient in ("P1", "P2"):
        write_patient(tmp_path / "apart" / patient)
    root = tmp_path / "data"
    (root / above).mkdir(parents=True)
    for path in (tmp_path / "apart").rglob("*.nii.gz"):
        path.rename(root / above / path.name)
    (root / above / "name_mapping.csv").write_text("Grade,BraTS_2020_subject_ID\nLGG,P2\n")
    found = find_patients(root)
    grades = ["HGG"] * 2 if above == "HGG" else [None, "LGG"]
    assert [(files.patient, files.grade) for files in found] == [
        ("P1", grades[0]),
        ("P2", grades[1]),
    ]
    np.testing.assert_array_equal(read(found[1]).volumes["t2"], arrays()["t2"])
    (root / above / "P2_flair.nii.gz").unlink()
    with pytest.raises(InputError, match="P2 lacks its flair"):
        find_patients(root)


def test_the_litter_of_other_systems_is_no_patient(tmp_path):
    folder = touch_patient(tmp_path / "P1")
    for place in (folder, tmp_path):
        for name in ("desktop.ini", "Thumbs.db", "._P1_t1.nii.gz", ".P1_seg.nii.gz.swp"):
            (place / name).touch()
    for name in ("$RECYCLE.BIN", "System Volume Information", ".Trash-1000", "lost+found"):
        touch_patient(tmp_path / name / "P9")
    assert [files.patient for files in find_patients(tmp_path)] == ["P1"]


def test_suffixes_in_capitals(tmp_path):
    folder = touch_patient(tmp_path / "P1")
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("_flair.nii.gz", "_FLAIR.NII.GZ"))
    (files,) = find_patients(tmp_path)
    assert files.flair == folder / "P1_FLAIR.NII.GZ"


@pytest.mark.parametrize(
    "there", ["P1_t1.nii.gz ", "P1_t1.hdr", "P1_t1.nii.gz.part", "P1_t1w.nii.gz", "P2_t1.nii.gz"]
)
def test_a_file_of_nearly_the_right_name_is_named(tmp_path, there):
    folder = touch_patient(tmp_path / "P1")
    (folder / "P1_t1.nii.gz").rename(folder / there)
    with pytest.raises(InputError) as caught:
        find_patients(tmp_path)
    assert f"P1 lacks its t1: {folder} has neither P1_t1.nii.gz" in str(caught.value)
    assert f"the nearest name is {there!r}" in str(caught.value)


# What may not be read. Root may read everything, so the system's answers are made up.


def forbid(monkeypatch, forbidden: Path, name: str = "listdir") -> None:
    real = getattr(os, name)

    def answer(path, **options):
        if path == forbidden:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(os, name, answer)


@pytest.mark.parametrize("name", ["backup", "subjects-of-others"])
def test_an_unreadable_folder_beside_the_patients_is_skipped(tmp_path, monkeypatch, capsys, name):
    touch_patient(tmp_path / "P1")
    (tmp_path / name).mkdir()
    forbid(monkeypatch, tmp_path / name)
    for _ in range(2):
        assert [files.patient for files in find_patients(tmp_path)] == ["P1"]
    said = f"Skipped: {tmp_path / name} cannot be opened (Permission denied).\n"
    assert capsys.readouterr().err == said


def test_an_unreadable_lost_and_found_is_not_even_opened(tmp_path, monkeypatch, capsys):
    touch_patient(tmp_path / "P1")
    (tmp_path / "lost+found").mkdir()
    forbid(monkeypatch, tmp_path / "lost+found")
    assert len(find_patients(tmp_path)) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["BraTS2021_00002", "LGG", "UPENN-GBM-00001_11", "BRATS_001"])
def test_an_unreadable_folder_of_patients_is_not_skipped(tmp_path, monkeypatch, name):
    touch_patient(tmp_path / "P1")
    (tmp_path / name).mkdir()
    forbid(monkeypatch, tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} cannot be opened \(Permission.*right to read"):
        find_patients(tmp_path)


def test_an_unreadable_root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match=f"{tmp_path} cannot be opened: its permissions"):
        find_patients(tmp_path)


def test_an_unreadable_file_is_found_before_any_job(tmp_path, monkeypatch):
    path = touch_patient(tmp_path / "P1") / "P1_t2.nii.gz"
    monkeypatch.setattr(os, "access", lambda asked, mode: asked != path)
    with pytest.raises(InputError, match=r"P1: .*P1_t2\.nii\.gz cannot be read: its permissions"):
        find_patients(tmp_path)


def test_a_folder_that_may_be_listed_but_not_entered(tmp_path, monkeypatch):
    folder = touch_patient(tmp_path / "P1")
    forbid(monkeypatch, folder / "P1_t1.nii.gz", "stat")
    with pytest.raises(InputError, match=r"P1: .*P1_t1\.nii\.gz cannot be read: its permissions"):
        find_patients(tmp_path)


def test_an_unreadable_file_is_not_called_damaged(tmp_path, monkeypatch):
    """Rights may end after planning, or differ on the machine of the job."""
    write_patient(tmp_path / "P1")
    (files,) = find_patients(tmp_path)

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(
        InputError, match=r"P1: .*P1_t1\.nii\.gz cannot be read: its perm"
    ) as caught:
        read(files)
    assert "damaged" not in str(caught.value)


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
        ("seg", damaged(arrays()["seg"], np.nan), r"P_seg.* nan \(1 voxels\)"),
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
    with pytest.raises(InputError, match=r"P_seg.* elsewhere in space than P_t1.*up to 2\.5 vox"):
        read_one(folder)


def sheared(shear: float) -> tuple[np.ndarray, np.ndarray]:
    """An affine with a shear, and what a qform can hold of it."""
    affine = LPS.copy()
    affine[0, 1] = shear
    header = nib.Nifti1Header()
    header.set_qform(affine, strip_shears=True)
    return affine, header.get_qform()


def turned(degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[:2, :2] = [[cos, -sin], [sin, cos]]
    return LPS @ turn


def shifted(*voxels: float) -> np.ndarray:
    return LPS @ nib.affines.from_matvec(np.eye(3), voxels)


@pytest.mark.parametrize(
    ("affine", "other", "fits"),
    [
        (*sheared(2.8e-3), True),  # the affines differ by 1.4e-3
        (LPS, turned(0.05), True),
        (LPS, shifted(0, 0, 1e-3), True),
        (LPS, shifted(1, 0, 0), False),
        (LPS, shifted(0, 0, -0.5), False),  # voxels counted from their corners
        (LPS, turned(0.5), False),  # 2 mm at the far corner
        (LPS, LPS @ np.diag([1.01, 1, 1, 1]), False),
        (LPS @ np.diag([0.5, 0.5, 3, 1]), shifted(0.5, 0, 0) @ np.diag([0.5, 0.5, 3, 1]), False),
    ],
)
def test_affines_may_differ_by_less_than_half_a_voxel(tmp_path, affine, other, fits):
    rng = np.random.default_rng(0)
    volumes = {kind: rng.integers(0, 9, (240, 240, 2)).astype(np.uint8) for kind in MODALITIES}
    labels = np.zeros((240, 240, 2), np.uint8)
    folder = write_patient(tmp_path / "P", ".nii", affine=affine, **volumes, seg=labels)
    nib.save(nib.Nifti1Image(labels, other), folder / "P_seg.nii")
    if fits:
        np.testing.assert_array_equal(read_one(folder).affine, affine.astype(np.float32))
    else:
        with pytest.raises(InputError, match=r"P_seg\.nii lies elsewhere .* voxels"):
            read_one(folder)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("image", [nib.Nifti1Image, nib.Nifti2Image])
def test_both_versions_of_nifti_in_both_byte_orders(tmp_path, image, order, ending):
    folder = write_patient(tmp_path / "P", ending)
    array = arrays()["t2"].astype(f"{order}i2")
    header = image.header_class(endianness=order)
    header.set_data_dtype(array.dtype)
    nib.save(image(array, LPS, header), folder / f"P_t2{ending}")
    volume = read_one(folder).volumes["t2"]
    assert volume.dtype == np.int16
    np.testing.assert_array_equal(volume, arrays()["t2"])


@pytest.mark.parametrize(
    ("place", "form", "value", "says"),
    [
        (16, "<q", 0, "cannot be read as NIfTI"),
        (24, "<q", 2**40, r"its header says \[1099511627776, 5, 4\] voxels"),
        (24, "<q", -1, "its header says"),
        (168, "<q", 2**62, "begin at byte 4611686018427387904"),
        (500, "<i", 1, "another than millimetres"),
    ],
)
def test_a_damaged_header_of_nifti_2(tmp_path, place, form, value, says):
    folder = write_patient(tmp_path / "P", ".nii")
    data = bytearray(nib.Nifti2Image(arrays()["t2"], LPS).to_bytes())
    struct.pack_into(form, data, place, value)
    (folder / "P_t2.nii").write_bytes(data)
    with pytest.raises(InputError, match=f"P_t2.*({says})"):
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
        enhancing = {"brats2021": 4, "brats2023": 3}[files.release]
        assert np.array_equal(patient.labels == 3, stored == enhancing)
        assert np.array_equal(patient.labels > 0, stored > 0)


def test_all_incomplete_patients_are_named_at_once(tmp_path):
    for number in range(12):
        (touch_patient(tmp_path / f"P{number:02}") / f"P{number:02}_t2.nii.gz").unlink()
    with pytest.raises(InputError) as refused:
        find_patients(tmp_path)
    said = str(refused.value).splitlines()
    assert all(f"Patient P{n:02} lacks its t2" in line for n, line in enumerate(said[:9]))
    assert said[9:] == ["And 3 more."]


def test_what_concerns_all_patients_is_said_once(tmp_path):
    for number in range(3):
        touch_patient(tmp_path / f"P{number}")
    with pytest.raises(InputError, match="there is no `brats2o21`") as refused:
        find_patients(tmp_path, "brats2o21")
    assert len(str(refused.value).splitlines()) == 1
