"""The share of the gap that a synthesis recovers: by hand, as comparisons say, and where shown."""

import numpy as np
import pytest
from made_up_scores import check_latex, frame, made_up_results, sheet_of, write_table
from test_subgroups import Patient as Enhancing

from benchmarks.reporting.figures.gap import figure
from benchmarks.reporting.gap import gaps, invented, share_interval, share_text, shares
from benchmarks.reporting.rows import Row
from benchmarks.scoring.regions import CORE
from benchmarks.scoring.statistics import compare, share_of_gap

SYNTHESIS, SEGMENTATION = ("synthesis",), ("segmentation",)
ROWS = [
    Row("copy_t1", "copy T1", "floor", "control", SYNTHESIS),
    Row("a", "A", "method", tasks=SYNTHESIS),
    Row("b", "B", "method", tasks=SYNTHESIS),
    Row("real_t1ce", "real T1ce", "ceiling", "control", SYNTHESIS),
    *(
        Row(f"{run}+unet", f"{label} + UNet", role, "segmentation", SEGMENTATION,
            upstream=run, segmentor="unet")
        for run, label, role in (("copy_t1", "copy T1", "floor"), ("a", "A", "method"),
                                 ("b", "B", "method"), ("real_t1ce", "real T1ce", "ceiling"))
    ),
    Row("a+unet.frozen", "A + UNet, frozen", "method", "segmentation", SEGMENTATION,
        upstream="a", segmentor="unet", frozen=True),
    Row("unet", "UNet", "method", "segmentation", SEGMENTATION),
]  # fmt: skip
PATIENTS = {f"P{i}": 0 if i < 2 else 100 * i for i in range(12)}  # voxels of ET; two have none
DICE = {"copy_t1+unet": 0.3, "a+unet": 0.5, "b+unet": 0.4, "real_t1ce+unet": 0.8,
        "a+unet.frozen": 0.2, "unet": 0.4}  # fmt: skip
INVENTED = {"copy_t1+unet": (3.0, 0.0), "a+unet": (0.0, 0.0), "unet": (1.0, 2.0)}  # ml of P0 and P1


class Patient(Enhancing):
    """Has a core even without enhancing tumour."""

    def labels(self):
        labels = super().labels().reshape(-1)
        labels[580] = CORE
        return labels.reshape(6, 10, 10)


def results_of(dice=DICE, seeds=(0,), without=(), patients=PATIENTS, rows=ROWS):
    """Every patient is as much easier in all rows as their number says."""
    made = []
    for row in rows:
        if row.run not in dice or row.run in without:
            continue
        for seed in seeds:
            for number, (name, voxels) in enumerate(patients.items()):
                easier = 0.02 * (number - 6.5) + 0.01 * ((number * 7 + len(row.run)) % 5 - 2)
                value = dice[row.run] + easier + 0.02 * seed
                cells = {("dice", "et"): value if voxels else 0.0, ("dice", "tc"): value}
                cells["dice", "wt"] = value
                ml = INVENTED.get(row.run, (0.5, 0.5))[number] if number < 2 else 1.0
                cells["volume_difference", "et"] = ml
                lacks = "reference empty" if ml else "both empty"
                for (metric, region), one in cells.items():
                    cell = [name, "", "strict", "segmentation", region, metric]
                    after = "none" if metric == "volume_difference" else "lcc"
                    note = "" if voxels or region != "et" else lacks
                    made += [[row.run, seed, *cell, kind, one, note] for kind in {after, "lcc"}]
    known = {name: Patient(voxels) for name, voxels in patients.items()}
    return made_up_results(frame(made), rows, protocols=("strict",), patients=known)


@pytest.fixture(scope="module")
def results():
    return results_of()


def share(results, run, region="et"):
    of = shares(results)
    return of[(of["run"] == run) & (of["region"] == region)].iloc[0]


# The statistic


def study(share, patients, trainings=1, seed=0, gap=0.4, noise=0.1):
    """A row, one without T1ce and one with the real one, (trainings, patients) each."""
    draw = np.random.default_rng(seed)
    easy = draw.normal(0.3, 0.15, (1, patients))

    def row(mean):
        each = noise * (trainings > 1) * draw.normal(size=(trainings, patients))
        return easy + mean + draw.normal(0, noise, (1, patients)) + each

    return row(share * gap), row(0), row(gap)


def test_the_share_is_that_of_the_means_over_patients_whom_all_three_have():
    row, start, end = (np.array([one]) for one in ([3.0, 5, 9], [1.0, 3, 100], [5.0, 7, np.nan]))
    assert share_of_gap(row, start, end, [0]).share == pytest.approx(0.5)
    assert share_of_gap(row, start, end, [0]).pairs == 2


@pytest.mark.parametrize("end", [0, 1])
def test_the_ends_of_the_gap_are_0_and_1(end):
    _, *ends = study(0.5, 12)
    found = share_of_gap(ends[end], *ends, [0])
    assert (found.share, found.low, found.high) == pytest.approx((end, end, end))


@pytest.mark.parametrize("trainings", [1, 4])
@pytest.mark.parametrize("seed", range(8))
def test_the_interval_excludes_both_ends_where_the_comparisons_do(trainings, seed):
    row, start, end = study(0.15 + 0.1 * seed, 14, trainings, seed)
    splits = [0] * trainings
    found = share_of_gap(row, start, end, splits)
    assert found.low < found.share < found.high
    assert (found.low > 0) == (compare(row, start, splits).low > 0)
    assert (found.high < 1) == (compare(row, end, splits).high < 0)


@pytest.mark.parametrize(("patients", "trainings"), [(12, 1), (40, 1), (12, 4)])
def test_the_interval_covers_the_share(patients, trainings):
    found = [
        share_of_gap(*study(0.3, patients, trainings, seed), [0] * trainings) for seed in range(150)
    ]
    assert 0.90 <= np.mean([one.low <= 0.3 <= one.high for one in found]) <= 0.99


def test_without_a_clear_gap_there_is_no_share():
    found = share_of_gap(*study(0.5, 12, gap=0.01), [0])
    assert np.isnan([found.share, found.low, found.high]).all() and found.pairs == 12
    assert share_of_gap(*(np.full((1, 3), np.nan),) * 3, [0]).pairs == 0


def test_the_interval_is_wider_where_the_gap_is_less_certain():
    wide, narrow = (share_of_gap(*study(0.5, 12, gap=gap), [0]) for gap in (0.12, 0.4))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


# The rows


def test_shares_are_of_the_patients_who_have_the_region(results):
    (et, tc) = gaps(results)
    assert (et.region, et.found.pairs) == ("et", 10) and (tc.region, tc.found.pairs) == ("tc", 12)
    assert (et.start, et.end) == ("unet", "real_t1ce+unet") and et.clear
    found = share(results, "a+unet")
    assert found["n"] == 10 and found["share"] == pytest.approx(0.25, abs=0.03)
    assert share(results, "copy_t1+unet")["share"] == pytest.approx(-0.25, abs=0.03)
    assert share(results, "a+unet.frozen")["share"] == pytest.approx(-0.5, abs=0.03)
    assert np.isnan(share(results, "unet")["share"])
    assert set(shares(results)["utility"]) == {"retrained", "frozen"}


def test_invented_tumour_is_of_the_patients_without_any(results):
    found = invented(results).set_index("run")
    assert found.loc["copy_t1+unet"].to_list() == [2, 1, 1.5]
    assert found.loc["a+unet"].to_list() == [2, 0, 0]
    assert found.loc["unet"].to_list() == [2, 2, 1.5]
    everyone = results_of(patients={name: of + 50 for name, of in PATIENTS.items()})
    assert invented(everyone).empty
    sheet = sheet_of("table0_gap", everyone)
    assert not any("invented" in head.title for head in sheet.blocks[0].columns)
    assert any(note.startswith("Every test patient has") for note in sheet.notes)


def test_the_table_is_a_ladder_from_no_t1ce_to_the_real_one(results, tmp_path):
    sheet = sheet_of("table0_gap", results)
    assert [block.name for block in sheet.blocks] == ["unet_retrained", "unet_frozen"]
    rows = {row.label: [cell.text for cell in row.cells] for row in sheet.blocks[0].rows}
    assert list(rows) == ["ceiling: real T1ce", "A", "B", "no T1ce", "floor: copy T1"]
    assert rows["ceiling: real T1ce"][1] == "100 %" and rows["no T1ce"][1] == "0 %"
    assert rows["A"][1] == share_text(share(results, "a+unet")["share"])
    assert rows["floor: copy T1"][-1] == "1, 1.5"
    assert [cell.best for cell in sheet.blocks[0].rows[1].cells[:2]] == [False, True]
    text = write_table(tmp_path, "table0_gap", results)
    check_latex(text[".tex"], 2)
    assert "| A " in text[".md"] and "Gap in Dice ET of 10 patients: 0.4" in text[".md"]


def test_a_gap_that_is_not_clear_is_printed_without_shares():
    flat = results_of(DICE | {"real_t1ce+unet": 0.4})
    sheet = sheet_of("table0_gap", flat)
    assert {row.cells[1].text for row in sheet.blocks[0].rows} == {"–"}
    assert any("no share is defined" in note for note in sheet.notes)
    assert figure(flat).axes[0].texts, "the figure says why it is empty"


@pytest.mark.parametrize("run", ["unet", "real_t1ce+unet"])
def test_without_an_end_there_is_no_gap(run):
    half = results_of(without={run})
    assert gaps(half) == () and shares(half).empty
    sheet = sheet_of("table0_gap", half)
    assert not sheet.blocks and sheet.notes[0].startswith("No gap")
    assert figure(half).axes[0].texts


def test_a_row_without_scores_is_last_and_says_why():
    rows = [row if row.run != "b+unet" else Row(
        "b+unet", "B + UNet", "method", "segmentation", SEGMENTATION, upstream="b",
        segmentor="unet", failure="loss is NaN") for row in ROWS]  # fmt: skip
    broken = results_of(without={"b+unet"}, rows=rows)
    sheet = sheet_of("table0_gap", broken)
    last = sheet.blocks[0].rows[-1]
    assert last.label == "B" and last.cells[0].text == "failed"
    assert any("loss is NaN" in note for note in sheet.notes)


def test_seeds_widen_intervals_and_are_counted():
    several = results_of(seeds=(0, 1, 2))
    found = share(several, "a+unet")
    assert found["trainings"] == 3 and found["share"] == pytest.approx(0.25, abs=0.03)
    assert not any(
        note.startswith("One training") for note in sheet_of("table0_gap", several).notes
    )


def test_the_figure_marks_each_share_once(results):
    drawn = figure(results)
    assert [ax.get_title(loc="left").splitlines()[0] for ax in drawn.axes] == [
        "Dice ET, n = 10", "Dice TC, n = 12",
    ]  # fmt: skip
    (mark,) = [line for line in drawn.axes[0].lines if line.get_gid() == "a+unet"]
    assert mark.get_xdata()[0] == pytest.approx(share(results, "a+unet")["share"])
    names = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    assert names == ["A", "B", "floor: copy T1"]


def test_shares_are_printed_as_percent():
    assert [share_text(x) for x in (0.114, -0.1, 0.001, -0.001)] == ["+11 %", "-10 %", "0 %", "0 %"]
    assert share_interval(-0.001, np.inf) == "0 to ∞ %"
