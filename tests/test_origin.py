"""Whose results these are: one name below `results/` is of one benchmark file and one cohort."""

import os
import shutil
import time

import pytest
from made_up import write_cohort

from benchmarks.config import load
from benchmarks.errors import InputError
from workflow import origin
from workflow.origin import check_origin, record_origin

REAL = "title: mine\ncohort: {source: brats}\n"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A function that loads benchmark files where results are of `mine.yaml` and `data`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(origin, "ROOT", tmp_path)
    (tmp_path / "mine.yaml").write_text(REAL)
    write_cohort(tmp_path / "data", ["A", "B"], shape=(16, 16, 4))

    def benchmark(path="mine.yaml", data="data", scale=None):
        return load(str(path), str(data) if data else None, scale)

    record_origin(benchmark())
    return benchmark


def test_without_results_everything_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(REAL)
    check_origin(load("mine.yaml", "nowhere"))


def test_the_same_file_may_be_edited_and_its_cohort_may_grow(mine, tmp_path):
    (tmp_path / "mine.yaml").write_text(REAL.replace("mine", "edited"))
    write_cohort(tmp_path / "data", ["C"], shape=(16, 16, 4))
    check_origin(mine())


def test_another_folder_of_other_patients_is_refused(mine, tmp_path):
    write_cohort(tmp_path / "other", ["A", "C"], shape=(16, 16, 4))
    with pytest.raises(InputError) as caught:
        check_origin(mine(data="other"))
    for part in ("results/*/mine", "from data,", "other is", "mine.yaml`", "results/origins/mine"):
        assert part in str(caught.value), caught.value


def test_files_of_other_sizes_are_other_patients(mine, tmp_path):
    shutil.copytree("data", "other")
    with (tmp_path / "other/B/B_seg.nii.gz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="other is another cohort"):
        check_origin(mine(data="other"))


def test_a_part_of_the_patients_is_another_cohort(mine):
    shutil.copytree("data", "other")
    shutil.rmtree("other/A")
    with pytest.raises(InputError, match="other is another cohort"):
        check_origin(mine(data="other"))


@pytest.mark.parametrize("place", ["moved", "moved/deeper"])
def test_moved_patients_are_the_same(mine, tmp_path, place):
    os.renames("data", place)
    record_origin(mine(data="moved"))
    write_cohort(tmp_path / place, ["C"], shape=(16, 16, 4))  # the record is of the new place
    check_origin(mine(data="moved"))


def test_a_link_to_the_folder_is_the_folder(mine, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "data")
    write_cohort(tmp_path / "data", ["C"], shape=(16, 16, 4))
    check_origin(mine(data="link"))


def test_a_moved_repository_is_not_refused(mine, tmp_path, monkeypatch):
    """Though its cohort grew and its file was edited since."""
    write_cohort(tmp_path / "data", ["C"], shape=(16, 16, 4))
    (tmp_path / "mine.yaml").write_text(REAL.replace("mine", "edited"))
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    monkeypatch.chdir(moved)
    monkeypatch.setattr(origin, "ROOT", moved)
    check_origin(mine())
    moved.rename(tmp_path)


def test_another_file_of_the_same_name_is_refused_unless_it_says_the_same(mine, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine.yaml").write_text(REAL)
    check_origin(mine("folder/mine.yaml"))
    (tmp_path / "folder/mine.yaml").write_text(REAL + "results: {seeds: [1]}\n")
    with pytest.raises(InputError, match=r"from mine\.yaml, and folder/mine\.yaml has the same"):
        check_origin(mine("folder/mine.yaml"))


def test_a_file_and_a_scale_may_spell_another_files_name(mine, tmp_path):
    (tmp_path / "mine-small.yaml").write_text(REAL)
    (tmp_path / "small.yaml").write_text("results: {seeds: [1]}\n")
    record_origin(mine(scale="small.yaml"))
    with pytest.raises(InputError, match=r"mine\.yaml with small\.yaml, and mine-small\.yaml"):
        check_origin(mine("mine-small.yaml"))


def test_simulated_and_real_patients_are_not_mixed(mine, tmp_path):
    (tmp_path / "mine.yaml").write_text("title: mine\ncohort: {source: phantom}\n")
    with pytest.raises(InputError, match="simulated patients is another cohort"):
        check_origin(mine(data=None))


def test_a_damaged_record_is_named(mine, tmp_path):
    (tmp_path / "results/origins/mine").write_text("{}")
    with pytest.raises(InputError, match=r"results/origins/mine is damaged\. Delete it"):
        check_origin(mine())


def test_many_patients_are_checked_at_once(mine, tmp_path):
    for number in range(1251):
        folder = tmp_path / "many" / f"BraTS2021_{number:05}"
        folder.mkdir(parents=True)
        for kind in ("t1", "t2", "flair", "t1ce", "seg"):
            (folder / f"{folder.name}_{kind}.nii.gz").touch()
    (tmp_path / "results/origins/mine").unlink()
    record_origin(mine(data="many"))
    (tmp_path / "many").rename(tmp_path / "moved")
    moved, began = mine(data="moved"), time.perf_counter()
    check_origin(moved)
    assert time.perf_counter() - began < 2
