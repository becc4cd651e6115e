"""Time points of one person: in one split, one unit of statistics, and never two patients."""

from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from made_up import stored_cohort, write_cohort
from made_up_scores import frame, made_up_results, sheet_of

from benchmarks.cohorts.patient import KINDS
from benchmarks.cohorts.replicate import Place
from benchmarks.cohorts.split import Row, headcount, proportional_counts, split, torn
from benchmarks.config import load
from benchmarks.errors import InputError
from benchmarks.reporting.conventions import convention_table
from benchmarks.reporting.drawing.patients import choose
from benchmarks.reporting.measures import by_patient, by_subject, measure
from benchmarks.reporting.results import TIME_POINTS
from benchmarks.reporting.rows import Row as TableRow
from benchmarks.reporting.scores import subject_values
from benchmarks.scoring.statistics import compare, mean_interval
from workflow import checks
from workflow.__main__ import main as workflow
from workflow.cohort import assign, patient_files
from workflow.plan import Plan
from workflow.results import read_results
from workflow.status import run_status
from workflow.training.data import plan_epoch

GLI = [5, 6, 8, 9, 20, 27, 33, 46, 60, 63, 78, 80, 85]
MINE = """
title: made up
cohort: {source: brats, path: data}
results:
  methods: [copy_t1]
  split: {fractions: [7, 1, 2]%s}
  slices: {crop: 32, downsample: 2}
speed: {device: cpu}
"""


def touch(folder, *patients: str) -> None:
    """Write folders of empty files: a split is planned before any of them is opened."""
    suffixes = ("t1n", "t2w", "t2f", "t1c", "seg")
    for patient in patients:
        (folder / patient).mkdir(parents=True)
        for suffix in suffixes:
            (folder / patient / f"{patient}-{suffix}.nii.gz").touch()


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """Return who is in which split, of patients of these names; with a split file of this text."""
    monkeypatch.chdir(tmp_path)

    def plan(patients: list[str], file: str | None = None) -> list[Row]:
        touch(tmp_path / "data", *patients)
        (tmp_path / "own.csv").write_text(file or "")
        (tmp_path / "mine.yaml").write_text(MINE % (", file: own.csv" if file else ""))
        benchmark = load("mine.yaml")
        return assign(benchmark, patient_files(benchmark), Place())

    return plan


# The split


def test_no_patient_of_brats_2024_is_torn(planned):
    names = [f"BraTS-GLI-{number:05}-{point}" for number in GLI for point in (100, 101)]
    # By the folders' names, five are in two splits, three of them in train and test.
    by_name = [Row(*row) for row in split([(n, n, None) for n in names], (7, 1, 2), 0)]
    pairs = torn([row._replace(subject=row.patient[:-4]) for row in by_name])
    assert len(pairs) == 5
    assert sum({a.split, b.split} == {"train", "test"} for a, b in pairs) == 3
    rows = planned(names)
    assert torn(rows) == []
    assert len({row.subject for row in rows}) == 13 and len(rows) == 26
    assert {row.subject for row in rows} == {name[:-4] for name in names}


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("UPENN-GBM-{:05}_{}1", "UPENN-GBM-{:05}"),
        ("BraTS-MET-{:05}-00{}", "BraTS-MET-{:05}"),
        ("sub-{:03}_ses-{:02}", "sub-{:03}"),
    ],
)
def test_other_cohorts_with_time_points(planned, pattern, subject):
    names = [pattern.format(n, point) for n in range(1, 21) for point in (1, 2)]
    rows = planned(names)
    assert {row.subject for row in rows} == {subject.format(n) for n in range(1, 21)}
    assert torn(rows) == []


def test_a_person_falls_where_the_first_scan_alone_would(planned):
    """A cohort may get its time points later: nobody moves."""
    later = planned([f"BraTS-GLI-{number:05}-{point}" for number in GLI for point in (100, 101)])
    alone = split([(f"BraTS-GLI-{n:05}", f"BraTS-GLI-{n:05}", None) for n in GLI], (7, 1, 2), 0)
    assert {r.subject: r.split for r in later} == {r.patient: r.split for r in alone}


def test_advice_counts_people():
    patients = [(f"{name}-{point}", name, None) for name in "ABCD" for point in (1, 2)]
    with pytest.raises(InputError, match="splitting 8 scans of 4 patients 7:1:2 leaves") as fault:
        split(patients, (7, 1, 2), 0)
    seed = int(str(fault.value).split("Set the seed to ")[1].split(",")[0])
    people = dict({(row.subject, row.split) for row in split(patients, (7, 1, 2), seed)})
    counts = {name: [*people.values()].count(name) for name in ("train", "val", "test")}
    assert counts == proportional_counts(4, (7, 1, 2))


def test_headcount():
    assert headcount(["A", "B"]) == "2"
    assert headcount(["A", "A", "B"]) == "3 scans of 2"


# A user's own split

PAIR = ["BraTS-GLI-00005-100", "BraTS-GLI-00005-101", "BraTS-GLI-00006-100", "BraTS-GLI-00008-100"]


def own(*splits: str, subjects: tuple[str, ...] = ()) -> str:
    if subjects:
        lines = [f"{p},{s},,{x}" for p, s, x in zip(PAIR, subjects, splits, strict=True)]
        return "\n".join(["patient,subject,grade,split", *lines])
    return "\n".join(
        ["patient,grade,split", *(f"{p},,{x}" for p, x in zip(PAIR, splits, strict=True))]
    )


def test_a_split_file_that_tears_a_person_apart_is_refused(planned):
    with pytest.raises(InputError) as fault:
        planned(PAIR, own("train", "test", "val", "train"))
    assert str(fault.value) == (
        "own.csv puts BraTS-GLI-00005-100 in train and BraTS-GLI-00005-101 in test, but both are "
        "scans of BraTS-GLI-00005. Put all scans of a person in one split."
    )


def test_a_split_file_may_leave_subjects_out(planned):
    rows = planned(PAIR, own("train", "train", "val", "test"))
    assert [row.subject for row in rows] == [name[:-4] for name in PAIR]


def test_a_split_file_cannot_declare_one_person_to_be_two(planned):
    subjects = ("A", "B", "BraTS-GLI-00006", "BraTS-GLI-00008")
    with pytest.raises(InputError, match=r"own\.csv, line 2: the subject of .*-100 is A, but the"):
        planned(PAIR, own("train", "test", "val", "train", subjects=subjects))


def test_a_split_file_may_know_persons_whom_names_do_not_tell(planned):
    names = [f"BraTS2021_0000{number}" for number in range(4)]
    lines = [f"{name},{'AABC'[i]},,{{}}" for i, name in enumerate(names)]
    text = "\n".join(["patient,subject,grade,split", *lines])
    with pytest.raises(InputError, match="both are scans of A"):
        planned(names, text.format("train", "test", "val", "test"))


# Statistics


def scored(run: str, values: dict[str, list[float]], seed: int = 0, region: str = "wt") -> list:
    return [
        [run, seed, f"{subject}-{point}", "", "strict", "segmentation", region, "dice", "lcc",
         value, ""]
        for subject, points in values.items()
        for point, value in enumerate(points)
    ]  # fmt: skip


def results_of(*scores: list):
    table = frame(*scores)
    table["subject"] = table["patient"].str.partition("-")[0]
    rows = [TableRow(run, run, "method", tasks=("segmentation",)) for run in table["run"].unique()]
    return made_up_results(table, rows)


def dice_wt(results) -> pd.DataFrame:
    cells = measure(results, "table3_segmentation", "strict")
    return cells[(cells["region"] == "wt") & (cells["n"] > 0)].set_index("run")


UNET = {"A": [0.2, 0.4, 0.6], "B": [0.8], "C": [0.5, np.nan], "D": [np.nan]}


def test_a_person_counts_once_however_many_scans_there_are():
    row = dice_wt(results_of(scored("unet", UNET))).loc["unet"]
    assert row["mean"] == pytest.approx((0.4 + 0.8 + 0.5) / 3)
    assert (row["n"], row["undefined"], row["patients"]) == (3, 1, 4)
    low, high = mean_interval(np.array([[0.4, 0.8, 0.5]]), [0])
    assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_scans_are_averaged_within_a_seed_first():
    other = {"A": [0.3], "B": [0.6], "C": [0.9, 0.7], "D": [np.nan]}
    row = dice_wt(results_of(scored("unet", UNET), scored("unet", other, seed=1))).loc["unet"]
    seeds = np.array([[0.4, 0.8, 0.5, np.nan], [0.3, 0.6, 0.8, np.nan]])
    assert row["mean"] == pytest.approx(np.nanmean(seeds.mean(axis=0)))
    assert (row["low"], row["high"]) == pytest.approx(mean_interval(seeds, [0, 0]))


def test_tests_are_over_people_and_not_over_their_scans():
    """Five people with three scans each are five pairs, which can give no p below 1/16."""
    names = "ABCDE"
    ours = {
        name: [0.5 + 0.01 * i + 0.1 * point for point in range(3)] for i, name in enumerate(names)
    }
    others = {
        name: [value - 0.1 - 0.01 * i for value in ours[name]] for i, name in enumerate(names)
    }
    cells = dice_wt(results_of(scored("unet", ours), scored("cutgan+unet", others)))
    assert cells.loc["cutgan+unet", "pairs"] == 5
    assert cells.loc["cutgan+unet", "too_few"]
    naive = compare(*(np.array([*of.values()]).reshape(1, -1) for of in (ours, others)), [0])
    assert naive.p < 0.001
    assert cells.loc["unet", "rank_low"] == cells.loc["unet", "rank_high"] == 1


def test_the_interval_covers_the_mean_as_often_as_it_says():
    """Of 20 people with one to five scans, more alike within a person than between people."""
    draw = np.random.default_rng(0)
    hits = {"people": 0, "scans": 0}
    for _ in range(300):
        person, scans = draw.normal(0.7, 0.1, 20), draw.permutation([*range(1, 6)] * 4)
        values = [m + draw.normal(0, 0.03, n) for m, n in zip(person, scans, strict=True)]
        table = pd.DataFrame(
            [(i, v) for i, of in enumerate(values) for v in of], columns=["subject", "value"]
        ).assign(seed=0, repeat=0, fold=0)
        means = subject_values(table).to_numpy()
        for unit, of in (("people", means), ("scans", np.concatenate(values))):
            low, high = mean_interval(of[None], [0])
            hits[unit] += low <= 0.7 <= high
    assert hits["people"] / 300 >= 0.92
    assert hits["scans"] / 300 <= 0.8


def test_without_time_points_all_numbers_are_those_of_the_scans():
    """To the bit: a mean of one value is that value, also where it is infinite or undefined."""
    draw = np.random.default_rng(1)
    values = {f"P{i:02}": [draw.random()] for i in range(23)} | {"P05": [np.nan]}
    runs = {"unet": values, "cutgan+unet": {k: [v[0] / 2] for k, v in values.items()}}
    results = results_of(*(scored(run, of) for run, of in runs.items()))
    cells = dice_wt(results)
    for run, of in runs.items():
        row, plain = cells.loc[run], np.array([of[name] for name in sorted(of)]).T
        assert (row["low"], row["high"]) == mean_interval(plain, [0])
        assert row["mean"] == np.nanmean(plain[0])
    assert by_subject(results, "dice", "wt", "strict").to_numpy() == pytest.approx(
        by_patient(results, "dice", "wt", "strict").to_numpy(), rel=0, abs=0, nan_ok=True
    )
    assert TIME_POINTS not in sheet_of("table3_segmentation", results).notes


def test_every_table_counts_people_and_says_so():
    results = results_of(scored("unet", UNET), scored("cutgan+unet", UNET))
    for name in ("table3_segmentation", "table5_statistics", "table7_conventions"):
        assert TIME_POINTS in sheet_of(name, results).notes
    csv = sheet_of("table3_segmentation", results).csv
    assert set(csv.loc[csv["run"] == "unet", "patients"]) >= {4}
    conventions = convention_table(results)
    line = conventions[(conventions["run"] == "unet") & (conventions["region"] == "wt")].iloc[0]
    assert (line["patients"], line["n"]) == (4, 3)
    assert line["mean"] == dice_wt(results).loc["unet", "mean"]
    assert TIME_POINTS in results.cohort.sentence
    assert list(by_patient(results, "dice", "wt", "strict").index)[:3] == ["A-0", "A-1", "A-2"]
    assert list(by_subject(results, "dice", "wt", "strict").index) == ["A", "B", "C", "D"]


# Training


def test_t1ce_of_another_patient_is_of_another_person(tmp_path):
    patients = stored_cohort(tmp_path, 4)
    for patient, subject in zip(patients, "ABAA", strict=True):
        patient.subject = subject
    draw = np.random.default_rng(0)
    picks = [pick for batch in plan_epoch(patients, "other", 2, draw) for pick in batch]
    assert {(pick.inputs.patient == 1) + (pick.t1ce.patient == 1) for pick in picks} == {1}
    halves = plan_epoch(patients, "disjoint", 2, draw)
    sides = [{pick.inputs.patient, pick.t1ce.patient} for batch in halves for pick in batch]
    assert all(1 in side and len(side) == 2 for side in sides)
    for patient in patients:
        patient.subject = "A"
    with pytest.raises(InputError, match="only one training patient has tumour"):
        plan_epoch(patients, "other", 2, draw)


# Checks


def test_a_person_in_two_splits_is_named():
    patients = [
        SimpleNamespace(patient=name, meta=SimpleNamespace(subject=subject))
        for name, subject in (("P-1", "P"), ("P-2", "P"), ("Q", "Q"), ("R", "R"))
    ]
    rows = [Row("P-1", "P", None, "train"), Row("P-2", "P", None, "train"),
            Row("Q", "Q", None, "val"), Row("R", "R", None, "test")]  # fmt: skip
    assert checks._torn({Place(): rows}, patients) == []
    rows[1] = rows[1]._replace(split="test")
    assert checks._torn({Place(): rows}, patients) == ["P-1 (train) and P-2 (test)"]
    # As in a split file of before, or one that somebody edited: the names still tell.
    unaware = [row._replace(subject=row.patient) for row in rows]
    assert checks._torn({Place(): unaware}, patients) == ["P-1 (train) and P-2 (test)"]
    joined = [row._replace(subject="Q") if row.patient == "R" else row for row in rows[2:]]
    assert checks._torn({Place(): joined}, patients) == ["Q (val) and R (test)"]


# A finished benchmark

SCANS = {
    "BraTS-GLI-00001-000": "train",
    "BraTS-GLI-00001-001": "train",
    "BraTS-GLI-00002-000": "val",
    "BraTS-GLI-00003-000": "test",
    "BraTS-GLI-00003-001": "test",
    "BraTS-GLI-00004-000": "test",
    "BraTS-GLI-00005-000": "test",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The floor's scores of four scans of three people, of which the last is also in train."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "mine.yaml").write_text(MINE % ", file: own.csv")
    lines = [f"{name},,{place}" for name, place in SCANS.items()]
    (folder / "own.csv").write_text("\n".join(["patient,grade,split", *lines]))
    write_cohort(folder / "data", [*SCANS], labels=(0, 2, 1, 3))
    for kind in KINDS:
        first, last = (
            folder / f"data/{name}/{name}_{kind}" for name in (*SCANS,)[:: len(SCANS) - 1]
        )
        nib.save(nib.load(f"{first}.nii.gz"), f"{last}.nii")
        Path(f"{last}.nii.gz").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = ["--run", "copy_t1", "--seed", "0"]
        prepared = [["prepare", "--patient", name] for name in SCANS]
        for command in (*prepared, ["cohort"], ["split"], ["synthesize", *run], ["score", *run]):
            assert workflow([*command, "--benchmark", "mine.yaml"]) == 0
        yield folder


def test_the_long_table_names_the_person(finished):
    scores = pd.read_csv(finished / "results/runs/mine/copy_t1/seed0/scores.csv")
    assert list(scores.columns)[4:6] == ["patient", "subject"]
    test = [name for name, place in SCANS.items() if place == "test"]
    assert dict(zip(scores["patient"], scores["subject"], strict=True)) == {
        name: name[:-4] for name in test
    }


def test_titles_count_scans_and_people(finished):
    results = read_results(load("mine.yaml"))
    assert results.cohort.description == (
        "made up, 7 scans of 5 patients, 4 scans of 3 of them test, 32 x 32 pixels of 2 mm"
    )
    sheet = sheet_of("table2_synthesis", results)
    assert sheet.title.endswith("4 scans of 3 of them test, 32 x 32 pixels of 2 mm.")
    assert set(sheet.csv.loc[sheet.csv["run"] == "copy_t1", "patients"]) == {3}
    _, rule = choose(results)
    assert rule == "the first 3 of 4 scans of 3 test patients with enhancing tumour"


def test_split_prints_scans_and_people(finished, capsys):
    assert workflow(["split", "--benchmark", "mine.yaml"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "train: 2 scans of 1 patients (2 grade not known)",
        "val: 1 patients (1 grade not known)",
        "test: 4 scans of 3 patients (4 grade not known)",
    ]


def test_the_same_images_in_train_and_test_are_found_by_their_voxels(finished):
    plan = Plan(load("mine.yaml"))
    found = {one.name: one for one in checks.all_checks(plan, run_status(plan))}
    shared = found["no image of a test patient is a train or val patient's too, under another name"]
    pair = "BraTS-GLI-00001-000 and BraTS-GLI-00005-000"
    assert not shared.holds and shared.critical
    assert shared.found == f"{pair} are the same images"
    assert found["no patient has time points in two splits"].holds
    twice = found["no patient is in the cohort twice, under two names"]
    assert twice.found == pair and not twice.critical
    assert found["in every table n is the number of test patients"].holds
    brain = found["the crop cuts no brain off"]
    assert brain.holds and not brain.critical
