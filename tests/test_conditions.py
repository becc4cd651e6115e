"""Conditions of made-up results with known differences, and the two studies' plans."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from made_up_scores import check_latex, frame, made_up_results, sheet_of, write_table

from benchmarks.config import load
from benchmarks.errors import InputError
from benchmarks.reporting.catalogue import catalogue, figures, tables
from benchmarks.reporting.conditions import (
    MEAN,
    T1CE_PATIENTS,
    all_scores,
    by_condition,
    in_print,
    pairing_leads,
    scale,
)
from benchmarks.reporting.figures.conditions import figure
from benchmarks.reporting.results import Condition
from benchmarks.reporting.rows import Row
from workflow.plan import Plan

SYNTHESIS, SEGMENTATION = ("synthesis",), ("segmentation",)
# By run: label, role and pairing.
GENERATORS = {
    "pix2pix": ("pix2pix", "method", "paired"),
    "unet_l1": ("UNet L1", "method", "paired"),
    "cutgan": ("CUTGAN", "method", "unpaired"),
    "copy_t1": ("T1", "floor", ""),
    "real_t1ce": ("Real T1ce", "ceiling", ""),
}
T1CE = {"all": None, "t1ce_2": 2, "t1ce_4": 4, "t1ce_8": 8}
PATIENTS, SEEDS = 8, (0, 1)


def rows_of(condition):
    """The rows under a condition, "" for the benchmark's own; controls are never changed."""
    rows = []
    for run, (label, role, pairing) in GENERATORS.items():
        changed = condition if role == "method" else ""
        end = f"@{changed}" if changed else ""
        known = {"condition": changed, "pairing": pairing}
        rows.append(Row(f"{run}{end}", label, role, tasks=SYNTHESIS, **known))
        behind = {"upstream": f"{run}{end}", "segmentor": "unet", **known}
        for kind in ("unet", "unet.frozen") if role != "ceiling" else ("unet",):
            name = label + (" + UNet, frozen" if kind != "unet" else " + UNet")
            rows.append(
                Row(f"{run}+{kind}{end}", name, role, "segmentation", SEGMENTATION,
                    frozen=kind != "unet", **behind)
            )  # fmt: skip
    return [*rows, Row("unet", "UNet", "method", "segmentation", SEGMENTATION)]


def scores_of(rows, effect):
    """Values that differ by patient and training alike in all rows, with an effect on each row."""
    made = []
    for row in rows:
        for seed in SEEDS:
            noise = np.random.default_rng([seed, 5]).normal(0, 0.03, PATIENTS)
            own = np.random.default_rng([seed, *row.run.encode()]).normal(0, 0.01, PATIENTS)
            cells = [("synthesis", m, r, "") for m in ("psnr", "ssim") for r in ("brain", "et")]
            cells += [("segmentation", "dice", region, "lcc") for region in ("wt", "tc", "et")]
            for task, metric, region, after in (one for one in cells if one[0] in row.tasks):
                values = 0.4 + noise + own + effect(row)
                if metric == "psnr":
                    values = np.full(PATIENTS, np.inf) if row.role == "ceiling" else 20 + values
                made += [
                    [row.run, seed, f"P{i}", "", "strict", task, region, metric, after, v, ""]
                    for i, v in enumerate(values)
                ]
    return frame(made)


def study(settings, effect, failed=""):
    """Results under conditions, the first of which are the benchmark's own settings."""
    made = {}
    for name, values in settings.items():
        own = name == next(iter(settings))
        rows = rows_of("" if own else name)
        scores = scores_of([row for row in rows if row.run != failed], partial(effect, name))
        rows = [replace(row, failure="loss is NaN") if row.run == failed else row for row in rows]
        of = made_up_results(scores, rows, protocols=("strict",))
        made[name] = replace(of, condition=Condition(name, values))
    own = next(iter(settings))
    return replace(made.pop(own), conditions=made)


def learned(name, row):
    """Paired methods gain 0.06 from each doubling, so that they overtake between 4 and 8."""
    if row.pairing == "paired":
        return 0.06 * np.log2(T1CE[name] or 12) - 0.1
    return 0.05 if row.pairing == "unpaired" else 0.0


def scarcity(**changes):
    return study({name: {T1CE_PATIENTS: n} for name, n in T1CE.items()}, learned, **changes)


def leaked(name, row):
    return 0.07 if row.condition else 0.0


@pytest.fixture(scope="module")
def curve():
    return scarcity()


@pytest.fixture(scope="module")
def leak():
    units = {"by_patient": "patient", "by_slice": "slice"}
    return study({name: {"split.unit": unit} for name, unit in units.items()}, leaked)


def cell(results, condition, row, metric="dice", region="et"):
    cells = by_condition(results)
    here = (cells["metric"] == metric) & (cells["region"] == region) & (cells["row"] == row)
    return cells[here & (cells["condition"] == condition)].iloc[0]


def test_rows_are_matched_and_their_change_is_paired(leak):
    own, other = (cell(leak, name, "cutgan+unet") for name in ("by_patient", "by_slice"))
    assert (own["run"], other["run"]) == ("cutgan+unet", "cutgan+unet@by_slice")
    assert other["change"] == pytest.approx(other["mean"] - own["mean"])
    assert other["change"] == pytest.approx(0.07, abs=0.01)
    assert other["change_low"] < 0.07 < other["change_high"]
    assert (other["pairs"], other["trainings"]) == (PATIENTS, len(SEEDS))
    width, of_mean = other["change_high"] - other["change_low"], other["high"] - other["low"]
    assert width < 0.6 * of_mean, "what patients share cancels"
    assert np.isnan(own["change"]) and not own["shared"]


def test_what_a_condition_does_not_change_is_shared(leak):
    unet = cell(leak, "by_slice", "unet")
    assert unet["shared"] and unet["run"] == "unet" and np.isnan(unet["change"])
    assert unet["mean"] == cell(leak, "by_patient", "unet")["mean"]
    assert not cell(leak, "by_slice", "cutgan", "ssim", "et")["shared"]


def test_the_mean_change_is_of_the_changed_methods_alone(leak):
    mean = cell(leak, "by_slice", MEAN)
    behind = [f"{run}+unet" for run in ("pix2pix", "unet_l1", "cutgan")]
    changes = [cell(leak, "by_slice", row)["change"] for row in behind]
    assert mean["change"] == pytest.approx(np.mean(changes))
    assert mean["change_low"] < 0.07 < mean["change_high"] and np.isnan(mean["mean"])


def test_every_run_is_in_the_long_table_once(curve):
    scores = all_scores(curve)
    names = ["run", "seed", "patient", "metric", "region"]
    assert not scores.duplicated(names).any()
    runs = set(scores["run"])
    assert {"cutgan", "cutgan@t1ce_2", "cutgan+unet.frozen@t1ce_8", "unet"} <= runs
    assert len(runs) == len(rows_of("")) + 3 * 9
    alone = replace(curve, conditions={})
    assert set(all_scores(alone)["run"]) == {row.run for row in curve.whole.rows}


# What the conditions differ in


def test_numbers_are_in_rising_order_and_all_comes_last(curve):
    found = scale(curve)
    assert found.places == {"t1ce_2": 2, "t1ce_4": 4, "t1ce_8": 8, "all": 16}
    assert found.labels["all"] == "all" and in_print(curve)[-1] == "all"
    known = replace(curve, cohort=replace(curve.cohort, train=12))
    assert scale(known).places["all"] == 12 and scale(known).labels["all"] == "all (12)"


@pytest.mark.parametrize(
    "settings",
    [
        {"a": {"split.unit": "patient"}, "b": {"split.unit": "slice"}},
        {"a": {"training.batch": None}, "b": {"training.batch": 4}},
        {"a": {"x": 1, "y": 2}, "b": {"x": 2, "y": 2}},
        {"a": {"x": True}, "b": {"x": False}},
        {"a": {"x": 0}, "b": {"x": 1}},
    ],
)
def test_what_is_no_number_has_no_scale(curve, settings):
    (own, other) = (replace(curve, condition=Condition(*of)) for of in settings.items())
    results = replace(own, conditions={"b": other})
    assert scale(results) is None and in_print(results) == ["a", "b"]
    assert scale(replace(own, conditions={})) is None


def test_any_number_is_a_scale(curve):
    other = replace(curve, condition=Condition("b", {"training.epochs.synthesis": 2}))
    own = replace(
        curve, condition=Condition("a", {"training.epochs.synthesis": 8}), conditions={"b": other}
    )
    assert scale(own).places == {"b": 2, "a": 8}
    assert scale(own).title == "epochs of a synthesis"


# Paired against unpaired


def test_leads_have_the_sign_that_was_made_up(curve):
    leads = pairing_leads(curve)
    dice = leads[(leads["metric"] == "dice") & (leads["region"] == "et")]
    found = dice[dice["utility"] == "retrained"].set_index("condition")
    expected = {name: 0.06 * np.log2(n or 12) - 0.15 for name, n in T1CE.items()}
    assert set(found.index) == set(T1CE) and set(dice["utility"]) == {"retrained", "frozen"}
    for name, lead in expected.items():
        assert found.loc[name, "difference"] == pytest.approx(lead, abs=0.012)
    assert (found.loc[["t1ce_2"], "high"] < 0).all() and (found.loc[["all"], "low"] > 0).all()


def test_the_figure_marks_where_paired_methods_overtake(curve):
    drawn = figure(curve)
    panels = [ax for ax in drawn.axes if ax.has_data()]
    assert len(panels) == 5
    psnr, *_, frozen = panels
    lines = {line.get_gid(): line for line in psnr.lines if line.get_gid()}
    assert set(lines) == {"pix2pix", "unet_l1", "cutgan", "copy_t1"}
    np.testing.assert_allclose(lines["cutgan"].get_xdata(), [2, 4, 8, 16])
    means = [cell(curve, name, "cutgan", "psnr", "brain")["mean"] for name in in_print(curve)]
    np.testing.assert_allclose(lines["cutgan"].get_ydata(), means)
    looks = {name: line.get_linestyle() for name, line in lines.items()}
    assert looks == {"pix2pix": "-", "unet_l1": "-", "cutgan": "--", "copy_t1": ":"}
    said = frozen.get_title(loc="left").replace("\n", " ")
    assert said == "paired ahead at 8, all; unpaired ahead at 2, 4"
    shaded = next(patch for patch in frozen.patches if patch.get_gid() == "overtaken")
    assert (shaded.get_x(), shaded.get_x() + shaded.get_width()) == (4, 8)
    assert [text.get_text() for text in psnr.get_xticklabels()] == ["2", "4", "8", "all"]
    assert psnr.get_xlabel() == "training patients with T1ce"


def test_without_a_clear_difference_nobody_is_ahead():
    equal = study({name: {T1CE_PATIENTS: n} for name, n in T1CE.items()}, lambda name, row: 0.0)
    for ax in figure(equal).axes:
        assert "ahead at" not in ax.get_title(loc="left")
        assert "undecided" in ax.get_title(loc="left") and not ax.patches


def test_points_are_drawn_where_conditions_are_no_numbers(leak):
    drawn = figure(leak)
    ids = {line.get_gid() for line in drawn.axes[0].lines if line.get_gid()}
    assert ids == {f"{run}{end}" for run in ("pix2pix", "unet_l1", "cutgan")
                   for end in ("", "@by_slice")}  # fmt: skip
    dice = drawn.axes[3]
    change = cell(leak, "by_slice", "cutgan+unet")["change"]
    assert f"{change:+.3f}" in " ".join(text.get_text() for text in dice.texts)
    labels = [text.get_text().replace("\n", " ") for text in dice.get_yticklabels()]
    assert labels == ["pix2pix + UNet", "UNet L1 + UNet", "CUTGAN + UNet", MEAN]


# The table


def test_two_conditions_have_blocks_of_their_difference(tmp_path, leak):
    sheet = sheet_of("table12_conditions", leak)
    names = [block.name for block in sheet.blocks]
    assert names[:2] == ["psnr_brain", "ssim_brain"] and "dice_et_frozen" in names
    assert names[-3:] == ["difference_synthesis", "difference_retrained", "difference_frozen"]
    dice = next(block for block in sheet.blocks if block.name == "dice_et_retrained")
    assert [column.title for column in dice.columns] == ["n", "by patient", "by slice"]
    rows = {row.label: row.cells for row in dice.rows}
    assert rows["UNet"][2].text == "=" and rows["UNet"][2].value == rows["UNet"][1].value
    assert rows["CUTGAN + UNet"][2].interval is not None
    difference = sheet.blocks[-2]
    assert difference.heading == "Segmentors, retrained: difference, by slice minus by patient."
    assert [row.label for row in difference.rows] == [
        "pix2pix + UNet", "UNet L1 + UNet", "CUTGAN + UNet", MEAN,
    ]  # fmt: skip
    shown = difference.rows[2].cells[-1]
    assert shown.text == f"{cell(leak, 'by_slice', 'cutgan+unet')['change']:+.3f}"
    assert shown.interval_text.count("+") == 2 and shown.n == PATIENTS
    assert sheet.runs == []  # so that it is recorded as made from every run
    assert any("by slice: split.unit=slice" in note for note in sheet.notes)
    check_latex(write_table(tmp_path, "table12_conditions", leak)[".tex"], len(sheet.blocks))


def test_more_conditions_have_their_differences_in_the_csv(curve):
    sheet = sheet_of("table12_conditions", curve)
    assert not any(block.name.startswith("difference") for block in sheet.blocks)
    titles = [column.title for column in sheet.blocks[0].columns]
    assert titles == ["n", "t1ce 2", "t1ce 4", "t1ce 8", "all"]
    csv = sheet.csv[sheet.csv["block"] == "means"]
    one = csv[(csv["run"] == "pix2pix@t1ce_2") & (csv["region"] == "brain")].iloc[0]
    assert one["settings"] == "training.t1ce_patients=2" and one["change"] < 0
    assert set(sheet.csv["block"]) == {"means", "paired_minus_unpaired"}


def test_a_run_that_failed_under_one_condition_is_named(tmp_path):
    broken = scarcity(failed="cutgan@t1ce_2")
    sheet = sheet_of("table12_conditions", broken)
    row = next(row for row in sheet.blocks[0].rows if row.label == "CUTGAN")
    assert row.cells[0].text == "failed" and row.cells[1].text == "–"
    assert row.cells[2].text != "–"
    assert "CUTGAN (t1ce 2) failed: loss is NaN." in sheet.notes
    assert np.isnan(cell(broken, "t1ce_2", "cutgan", "psnr", "brain")["change"])
    panel = figure(broken).axes[0]
    line = next(line for line in panel.lines if line.get_gid() == "cutgan")
    assert np.isnan(line.get_ydata()[0]) and np.isfinite(line.get_ydata()[1:]).all()
    assert "2" not in panel.get_title(loc="left"), "one side has no value there"


def test_a_run_that_failed_under_the_benchmarks_own_settings_leaves_the_conditions_shown():
    broken = scarcity(failed="cutgan+unet")
    cells = by_condition(broken)
    change = cells[(cells["row"] == MEAN) & (cells["utility"] == "retrained")]["change"]
    assert len(change) and change.notna().all(), "the mean is over the methods that have both"
    assert np.isnan(cell(broken, "t1ce_2", "cutgan+unet")["change"])
    assert np.isfinite(cell(broken, "t1ce_2", "cutgan+unet")["mean"])
    figure(broken)


# Which benchmarks have them


def test_a_benchmark_without_conditions_has_neither_table_nor_figure():
    names = {item.name for item in catalogue()}
    without = {item.name for item in (*tables(), *figures())}
    assert names - without == {"table12_conditions", "conditions"}
    assert {item.name for item in (*tables(["a"]), *figures(["a"]))} == names


def test_another_value_of_only_is_named(tmp_path):
    for kind in ("tables", "figures"):
        (tmp_path / kind).mkdir()
    text = '"""Mine."""\n\nONLY = "folds"\n\n\ndef table(results):\n    pass\n'
    (tmp_path / "tables" / "mine.py").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.py, line 3: ONLY is 'folds'; write \"conditions"):
        catalogue(tmp_path)


@pytest.mark.parametrize("name", ["scarcity", "brats2020_scarcity"])
def test_few_t1ce_retrain_syntheses_and_share_the_rest(name, tmp_path):
    benchmark = load(name, **({"data": str(tmp_path)} if "brats" in name else {}))
    plan = Plan(benchmark)
    assert benchmark.base == "all" and len(plan.shared) >= 3
    for condition, names in plan.shared.items():
        for run in ("unet", "real_t1ce+unet", "copy_t1+unet.frozen"):
            assert names[run] == run
        for run in ("pix2pix", "cutgan+unet", "cutgan+unet.frozen"):
            assert names[run] == f"{run}@{condition}"
    frozen = plan["cutgan+unet.frozen@t1ce_2"]
    assert frozen.upstream == "cutgan@t1ce_2" and frozen.predicts_with == "real_t1ce+unet"
    pairings = {row.run: row.pairing for row in plan.rows()}
    assert pairings["pix2pix+unet.frozen@t1ce_8"] == pairings["unet_l1"] == "paired"
    assert pairings["cutgan@t1ce_2"] == pairings["cutgan+unet"] == "unpaired"
    assert {pairings[run] for run in ("unet", "copy_t1", "copy_t1+unet", "real_t1ce+unet")} == {""}


@pytest.mark.parametrize("name", ["leak", "brats2020_leak"])
def test_a_split_by_slice_retrains_everything(name, tmp_path):
    plan = Plan(load(name, **({"data": str(tmp_path)} if "brats" in name else {})))
    assert plan.benchmark.base == "by_patient" and list(plan.shared) == ["by_slice"]
    trained = {run.name for run in plan.runs.values() if run.trained and not run.condition}
    assert {plan.shared["by_slice"][run] for run in trained} == {f"{x}@by_slice" for x in trained}
    assert {one.slices for one in plan.protocols} == {"held_out"}
