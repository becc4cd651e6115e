"""The split by patient."""

from collections import Counter

import pytest

from benchmarks.cohorts.split import (
    Row,
    proportional_counts,
    proportional_seed,
    read_split,
    split,
    write_split,
)
from benchmarks.errors import InputError

FRACTIONS = (7, 1, 2)


def cohort_of(names, grade=None):
    """Patients of whom each is a subject."""
    return [(name, name, grade) for name in names]


COHORT = cohort_of(f"P{number:04d}" for number in range(3000))


def counts(rows: list[Row]) -> dict[str, int]:
    return dict(Counter(row.split for row in rows))


def test_shares_come_out_near_the_fractions():
    found = counts(split(COHORT, FRACTIONS, seed=1))
    # Five standard deviations of a binomial count.
    assert found["train"] == pytest.approx(2100, abs=126)
    assert found["val"] == pytest.approx(300, abs=83)
    assert found["test"] == pytest.approx(600, abs=110)


def test_place_depends_on_patient_and_seed_alone():
    whole = {row.patient: row.split for row in split(COHORT, FRACTIONS, seed=5)}
    graded = cohort_of((patient for patient, *_ in COHORT[100:200]), "HGG")
    for row in split(graded[::-1], FRACTIONS, seed=5):
        assert row.split == whole[row.patient]


def test_places_are_these_for_ever():
    # A change here would move the patients of every published table.
    rows = split(cohort_of(f"P{number}" for number in range(10)), FRACTIONS, seed=7)
    expected = dict.fromkeys((f"P{number}" for number in range(10)), "train")
    expected |= {"P2": "test", "P7": "val"}
    assert {row.patient: row.split for row in rows} == expected


def test_seeds_differ():
    first, second = (split(COHORT, FRACTIONS, seed) for seed in (1, 2))
    moved = sum(a.split != b.split for a, b in zip(first, second, strict=True))
    # Two independent draws agree with probability 0.49 + 0.01 + 0.04.
    assert moved == pytest.approx(0.46 * len(COHORT), abs=140)


def test_rows_are_sorted_and_keep_grades():
    cohort = [("B", "B", "LGG"), ("C", "C", None), ("A", "A", "HGG"), *COHORT[:40]]
    rows = split(cohort, FRACTIONS, seed=0)
    assert [row[:3] for row in rows] == sorted(cohort)


def test_fractions_may_have_any_sum():
    assert split(COHORT, (0.7, 0.1, 0.2), seed=3) == split(COHORT, (70, 10, 20), seed=3)


def test_share_of_zero_stays_empty():
    assert set(counts(split(COHORT, (3, 1, 0), seed=3))) == {"train", "val"}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (369, (258, 37, 74)),
        (76, (53, 8, 15)),
        (20, (14, 2, 4)),
        (17, (12, 2, 3)),
        (4, (2, 1, 1)),
        (2, (1, 0, 1)),
        (0, (0, 0, 0)),
    ],
)
def test_proportional_counts(number, expected):
    assert tuple(proportional_counts(number, FRACTIONS).values()) == expected


def test_proportional_counts_respect_a_share_of_zero():
    assert proportional_counts(5, (1, 0, 1)) == {"train": 2, "val": 0, "test": 3}


def test_proportional_seed_is_the_smallest_that_fits():
    names = [f"Phantom_{number:03d}" for number in range(1, 21)]
    target = proportional_counts(20, FRACTIONS)
    fitting = [seed for seed in range(30) if Counter(_places(names, seed)) == Counter(target)]
    assert fitting
    assert proportional_seed([(name, None) for name in names], FRACTIONS) == fitting[0]


def _places(names, seed):
    try:
        return [row.split for row in split(cohort_of(names), FRACTIONS, seed)]
    except InputError:
        return []


def test_proportional_seed_balances_grades():
    grades = {f"P{number}": "LGG" if number < 10 else "HGG" for number in range(40)}
    seed = proportional_seed([*grades.items()], FRACTIONS)
    rows = split([(name, name, grade) for name, grade in grades.items()], FRACTIONS, seed)
    assert counts(rows) == proportional_counts(40, FRACTIONS)
    assert counts([row for row in rows if row.grade == "LGG"]) == proportional_counts(10, FRACTIONS)


def test_proportional_seed_gives_the_closest_of_few():
    names = [f"P{number}" for number in range(50)]
    target = proportional_counts(50, FRACTIONS)
    distances = [
        sum(
            abs(counts(split(cohort_of(names), FRACTIONS, seed))[name] - n)
            for name, n in target.items()
        )
        for seed in range(8)
    ]
    assert 0 not in distances
    assert distances.count(min(distances)) > 1
    subjects = [(name, None) for name in names]
    assert proportional_seed(subjects, FRACTIONS, tries=8) == distances.index(min(distances))


def test_seed_of_brats_2020_gives_the_published_counts_in_both_grades():
    names = [f"BraTS20_Training_{number:03d}" for number in range(1, 370)]
    low = cohort_of(names[259:335], "LGG")
    rows = split([*low, *cohort_of(names[:259] + names[335:], "HGG")], FRACTIONS, seed=402237)
    assert counts(rows) == {"train": 258, "val": 37, "test": 74}
    low_grade = [row for row in rows if row.grade == "LGG"]
    assert counts(low_grade) == {"train": 53, "val": 8, "test": 15}


def test_empty_split_proposes_a_seed_that_works():
    cohort = cohort_of(f"Phantom_{number:03d}" for number in range(1, 5))
    with pytest.raises(InputError, match=r"With seed 0, .* 4 patients 7:1:2 .* for test") as fault:
        split(cohort, FRACTIONS, seed=0)
    proposed = int(str(fault.value).split("Set the seed to ")[1].split(",")[0])
    assert counts(split(cohort, FRACTIONS, proposed)) == {"train": 2, "val": 1, "test": 1}


def test_too_few_patients_for_three_splits():
    with pytest.raises(InputError, match="Add patients"):
        split(COHORT[:2], FRACTIONS, seed=0)


def test_csv_round_trip(tmp_path):
    rows = [
        Row("B", "B", "HGG", "train"),
        Row("A-1", "A", None, "test"),
        Row("A-2", "A", None, "test"),
        Row("C", "C", "LGG", "val"),
    ]
    path = tmp_path / "new" / "split.csv"
    write_split(rows, path)
    assert path.read_text() == (
        "patient,subject,grade,split\nB,B,HGG,train\nA-1,A,,test\nA-2,A,,test\nC,C,LGG,val\n"
    )
    assert read_split(path) == rows


def test_csv_of_a_spreadsheet_reads_too(tmp_path):
    path = tmp_path / "split.csv"
    path.write_bytes(b"\xef\xbb\xbfpatient,grade,split\r\nA,,train\r\n")
    assert read_split(path) == [Row("A", "A", None, "train")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the columns are missing"),
        (
            "patient,split\nA,train\n",
            "line 1: the columns are patient,split. .*patient,subject,grade,split",
        ),
        ("patient,grade,split\n", "lists no patient"),
        ("patient,grade,split\nA,,train\nB,,dev\n", "line 3: dev is no split.*train, val, test"),
        ("patient,grade,split\nA,II,train\n", "line 2: II is no grade.*HGG, LGG"),
        ("patient,grade,split\nA,,train\nA,,val\n", "line 3: patient A is already"),
        ("patient,grade,split\nA,train\n", r"line 2: found \['A', 'train'\]"),
        ("patient,grade,split\n,,train\n", "line 2: found"),
        ("patient,subject,grade,split\nA,,train\n", "line 2: found.*Write patient, subject, grade"),
    ],
)
def test_faulty_csv(tmp_path, text, message):
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as fault:
        read_split(path)
    assert str(path) in str(fault.value)


def test_missing_csv(tmp_path):
    with pytest.raises(InputError, match=r"There is no split file .*absent\.csv"):
        read_split(tmp_path / "absent.csv")
