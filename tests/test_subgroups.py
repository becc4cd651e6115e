"""Subgroups of made-up patients: who is in which, their means, and where they are shown."""

import numpy as np
import pytest
from made_up_scores import check_latex, frame, made_up_results, sheet_of, write_table

from benchmarks.reporting.figures.subgroups import figure
from benchmarks.reporting.rows import Row
from benchmarks.reporting.scores import COLUMNS, read_scores
from benchmarks.reporting.subgroups import (
    by_subgroup,
    et_groups,
    subgroups,
    true_volumes,
    with_et_groups,
)
from benchmarks.scoring.regions import ENHANCING, OEDEMA

SYNTHESIS, SEGMENTATION = ("synthesis",), ("segmentation",)
ROWS = [
    Row("copy_t1", "T1", "floor", "control", SYNTHESIS),
    Row("a", "A", "method", tasks=SYNTHESIS),
    Row("real_t1ce", "Real", "ceiling", "control", SYNTHESIS),
    *(
        Row(f"{run}+{by}", f"{label} + {by}", role, "segmentation", SEGMENTATION,
            upstream=run, segmentor=by)
        for by in ("unet", "res_unet")
        for run, label, role in (("a", "A", "method"), ("real_t1ce", "Real", "ceiling"))
    ),
    Row("a+unet.frozen", "A + unet, frozen", "method", "segmentation", SEGMENTATION,
        upstream="a", segmentor="unet", frozen=True),
]  # fmt: skip
# By patient: grade, and voxels of enhancing tumour.
PATIENTS = {
    "P0": ("HGG", 0), "P1": ("HGG", 400), "P2": ("HGG", 100), "P3": ("LGG", 200),
    "P4": ("HGG", 300), "P5": ("", 100), "P6": ("HGG", 500),
}  # fmt: skip


class Patient:
    """What subgroups take of a prepared patient."""

    spacing = (2.0, 2.0, 2.5)  # 0.01 ml

    def __init__(self, voxels):
        self.voxels = voxels

    def labels(self):
        labels = np.zeros(600, np.int8)
        labels[: self.voxels] = ENHANCING
        labels[590:] = OEDEMA
        return labels.reshape(6, 10, 10)


def value(row, patient):
    """A Dice of 0.5 for P0, 0.51 for P1 and so on, 0.1 more for the ceiling and the frozen."""
    return 0.5 + int(patient[1]) / 100 + 0.1 * (row.frozen or row.role == "ceiling")


def scores(rows=ROWS, patients=PATIENTS):
    made = []
    for row in rows:
        task = row.tasks[0]
        cells = {"synthesis": [("psnr", "brain"), ("ssim", "brain"), ("ssim", "et")]}
        for metric, region in cells.get(task, [("dice", x) for x in ("wt", "tc", "et")]):
            for name, (grade, voxels) in patients.items():
                one = np.nan if region == "et" and not voxels else value(row, name)
                if metric == "psnr":
                    one = np.inf if row.role == "ceiling" and voxels else 20 + one
                after = "lcc" if task == "segmentation" else ""
                cell = [name, grade, "strict", task, region, metric, after, one, ""]
                made.append([row.run, 0, *cell])
    return frame(made)


def results_of(patients=PATIENTS, volumes=True, rows=ROWS):
    known = {name: Patient(voxels) for name, (_, voxels) in patients.items()}
    return made_up_results(
        scores(rows, patients), rows, protocols=("strict",), patients=known if volumes else None
    )


@pytest.fixture(scope="module")
def results():
    return results_of()


def cell(results, run, subgroup, metric="dice", region="wt"):
    cells = by_subgroup(results)
    here = (cells["metric"] == metric) & (cells["region"] == region)
    return cells[here & (cells["run"] == run) & (cells["subgroup"] == subgroup)].iloc[0]


def test_volumes_are_in_ml(results):
    assert (
        true_volumes(results, "et")["P1"] == pytest.approx(4)
        and true_volumes(results, "et")["P0"] == 0
    )


def test_thirds_are_of_the_patients_that_have_any(results):
    """Of equal volumes the name decides, so that a third never depends on the order of files."""
    assert et_groups(results).to_dict() == {
        "P0": "no_et", "P2": "smallest", "P5": "smallest", "P3": "middle", "P4": "middle",
        "P1": "largest", "P6": "largest",
    }  # fmt: skip
    titles = {one.name: one.title for one in subgroups(results) if one.kind == "et"}
    assert titles == {
        "no_et": "no ET",
        "smallest": "smallest third: 1.0 ml",
        "middle": "middle third: 2.0 to 3.0 ml",
        "largest": "largest third: 4.0 to 5.0 ml",
    }


def test_too_few_tumours_have_no_thirds():
    few = results_of({"P0": ("HGG", 0), "P1": ("HGG", 1), "P2": ("HGG", 2)})
    assert et_groups(few).empty and {one.kind for one in subgroups(few)} == {"grade"}
    assert any("fewer than 3" in note for note in sheet_of("table11_subgroups", few).notes)


def test_scans_of_a_person_are_averaged_and_count_once():
    made = scores().assign(subject=lambda of: of["patient"].replace({"P6": "P0"}))
    known = {name: Patient(voxels) for name, (_, voxels) in PATIENTS.items()}
    once = made_up_results(made, ROWS, protocols=("strict",), patients=known)
    assert (
        true_volumes(once, "et")["P0"] == pytest.approx(2.5) and len(true_volumes(once, "et")) == 6
    )
    assert sum(len(one.subjects) for one in subgroups(once) if one.kind == "et") == 6


def test_grades_and_those_that_are_not_known(results):
    grades = {one.name: set(one.subjects) for one in subgroups(results) if one.kind == "grade"}
    assert grades == {"HGG": {"P0", "P1", "P2", "P4", "P6"}, "LGG": {"P3"}, "unknown": {"P5"}}
    unknown = results_of({name: ("", voxels) for name, (_, voxels) in PATIENTS.items()})
    assert {one.kind for one in subgroups(unknown)} == {"et"}
    assert any("grade is known of no" in x for x in sheet_of("table11_subgroups", unknown).notes)


def test_means_are_of_the_subgroup_alone(results):
    high = cell(results, "a+unet", "HGG")
    assert high["mean"] == pytest.approx(0.526) and (high["n"], high["patients"]) == (5, 5)
    assert high["low"] < 0.526 < high["high"]
    enhancing = cell(results, "a+unet", "HGG", region="et")
    assert enhancing["mean"] == pytest.approx(0.5325) and enhancing["n"] == 4
    assert cell(results, "a+unet.frozen", "largest")["mean"] == pytest.approx(0.635)
    assert cell(results, "a", "no_et", "psnr", "brain")["mean"] == pytest.approx(20.5)


def test_one_patient_has_no_interval(results):
    low = cell(results, "a+unet", "LGG")
    assert low["n"] == 1 and np.isnan([low["low"], low["high"]]).all()


def test_the_table_has_a_block_per_kind_and_column(tmp_path, results):
    sheet = sheet_of("table11_subgroups", results)
    assert [block.name for block in sheet.blocks] == [
        f"{kind}_{column}"
        for kind in ("grade", "et")
        for column in ("psnr_brain", *(f"dice_{x}_retrained" for x in ("wt", "tc", "et")),
                       "dice_et_frozen")
    ]  # fmt: skip
    heads = {block.name: [column.title for column in block.columns] for block in sheet.blocks}
    assert heads["grade_psnr_brain"] == [
        "n", "high grade (n = 5)", "low grade (n = 1)", "grade not known (n = 1)",
    ]  # fmt: skip
    assert "no ET (n = 1)" in heads["et_dice_wt_retrained"]
    assert "no ET (n = 1)" not in heads["et_dice_et_retrained"], "nobody has a value there"
    rows = {row.run: row.cells for row in sheet.blocks[1].rows}
    assert [one.text for one in rows["a+unet"]] == ["7", "0.526", "0.530", "0.550"]
    assert "T1" not in {row.label for row in sheet.blocks[1].rows}
    notes = " ".join(sheet.notes)
    assert "not compared by a test" in notes and "the interval is too narrow" in notes
    assert "A mean of one patient has no interval." in notes
    csv = sheet.csv.set_index(["kind", "subgroup", "run", "metric", "region"])
    assert csv.loc[("et", "middle", "a+unet.frozen", "dice", "tc"), "mean"] == pytest.approx(0.635)
    check_latex(write_table(tmp_path, "table11_subgroups", results)[".tex"], 10)


def test_a_failed_run_is_a_row_without_numbers(results):
    lost = Row("lost", "Lost", "method", tasks=SYNTHESIS, failure="out of memory")
    made = made_up_results(
        scores(), [*ROWS, lost], protocols=("strict",), patients=results.patients
    )
    sheet = sheet_of("table11_subgroups", made)
    row = next(row for row in sheet.blocks[0].rows if row.run == "lost")
    assert row.cells[0].text == "failed" and {one.text for one in row.cells[1:]} == {"–"}
    assert any("out of memory" in note for note in sheet.notes)


def test_without_grades_and_volumes_nothing_is_invented(tmp_path):
    none = results_of({name: ("", 0) for name in PATIENTS}, volumes=False)
    assert subgroups(none) == () and by_subgroup(none).empty
    texts = write_table(tmp_path, "table11_subgroups", none)
    assert "|" not in texts[".md"] and "the grade is known of no test patient" in texts[".md"]
    assert "No grade is known" in figure(none).axes[0].texts[0].get_text().replace("\n", " ")


def test_the_figure_has_a_point_per_row_and_subgroup(results):
    drawn = figure(results)
    assert len(drawn.axes) == 4
    psnr_by_grade, _, dice_by_grade, dice_by_volume = drawn.axes
    ids = [{line.get_gid() for line in ax.lines if line.get_gid()} for ax in drawn.axes]
    assert ids[0] == {"copy_t1", "a"}, "the ceiling's synthesis is the reference itself"
    assert ids[2] == ids[3] == {"a+unet", "real_t1ce+unet"}, "the first segmentor's alone"
    heights = {line.get_gid(): line.get_ydata() for line in dice_by_volume.lines}
    np.testing.assert_allclose(heights["a+unet"], [0.535, 0.535, 0.535])
    ticks = [text.get_text().split("\n")[-1] for text in dice_by_grade.get_xticklabels()]
    assert ticks == ["n = 5", "n = 1", "n = 1"]
    assert psnr_by_grade.get_title(loc="left") == "Grade"


def test_the_long_table_names_each_patients_third(results):
    wide = with_et_groups(results.scores, results)
    assert list(wide).index("et_third") == list(wide).index("grade") + 1
    thirds = wide.drop_duplicates("patient").set_index("patient")["et_third"]
    assert thirds["P0"] == "no_et" and thirds["P6"] == "largest"
    assert "et_third" not in results.scores
    unknown = results_of({"P0": ("HGG", 0)})
    assert set(with_et_groups(unknown.scores, unknown)["et_third"]) == {""}


def test_the_long_table_reads_as_the_score_files_do(tmp_path, results):
    path = tmp_path / "scores.csv"
    with_et_groups(results.scores, results).to_csv(path, index=False)
    assert "et_third" in path.read_text().splitlines()[0]
    assert list(read_scores([path])) == COLUMNS
