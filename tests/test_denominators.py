"""Which patients a mean is of: the same in every row, in tables, tests and conventions."""

import math

import numpy as np
import pytest
from made_up_scores import frame, made_up_results, sheet_of

from benchmarks.reporting.bands import numbers_of
from benchmarks.reporting.claims import claims, variation
from benchmarks.reporting.conventions import convention_table
from benchmarks.reporting.denominators import of_the_same, selective, where_found
from benchmarks.reporting.measures import by_patient, by_subject, invented_of
from benchmarks.reporting.rows import Row
from benchmarks.reporting.tables.table5_statistics import comparison_table
from benchmarks.scoring.protocol import load_protocol

NAN, DIAGONAL = math.nan, 373.13
SEGMENTATION = ("segmentation",)
ROWS = [
    Row("unet", "UNet", "method", "segmentation", SEGMENTATION),
    Row("cutgan+unet", "CUTGAN + UNet", "method", "segmentation", SEGMENTATION, upstream="cutgan"),
    Row("mine+unet", "Mine + UNet", "method", "segmentation", SEGMENTATION, upstream="mine"),
]
HAVE, LACK = 8, 2  # patients with and without enhancing tumour
BOTH, INVENTED, MISSED = "both empty", "reference empty", "prediction empty"
# By run: Dice of those with ET, how many of them are missed, and the ml invented in the others.
MADE = {
    "unet": (0.6, 0, (2.0, 4.0)),
    "cutgan+unet": (0.5, 3, (0.0, 0.0)),
    "mine+unet": (0.4, 0, (0.0, 1.0)),
}


def scored(made=MADE, seeds=(0,), protocols=("paper", "strict"), region="et"):
    rows = []
    for run, (mean, missed, inventions) in made.items():
        for seed in seeds:
            for number in range(HAVE + LACK):
                value, note = mean + 0.01 * number, ""
                if number >= HAVE:
                    ml = inventions[number - HAVE] * (seed == seeds[0])
                    value, note = (0.0, INVENTED) if ml else (NAN, BOTH)
                elif number < missed:
                    value, note, ml = 0.0, MISSED, 1.0
                else:
                    ml = 0.1
                for protocol in protocols:
                    charged = DIAGONAL if protocol == "strict" else NAN
                    length = 10 * (1 - mean) if not note else NAN if note == BOTH else charged
                    brats = 1.0 if note == BOTH else value
                    cells = {"dice": value, "assd": length}
                    if protocol == "strict":
                        cells |= {"volume_difference": ml, "dice_brats": brats, "hd95": length}
                    for metric, one in cells.items():
                        cell = [f"p{number}", "", protocol, "segmentation", region, metric, "lcc"]
                        rows.append([run, seed, *cell, one, note])
    return frame(rows)


def results_of(**given):
    return made_up_results(scored(**given), ROWS)


@pytest.fixture(scope="module")
def results():
    return results_of()


@pytest.fixture(scope="module")
def strict(results):
    csv = sheet_of("table1_ablation", results).csv
    return csv[csv["protocol"] == "strict"].set_index("run")


def block(results, protocol="strict", name="table1_ablation"):
    return {block.name: block for block in sheet_of(name, results).blocks}[protocol]


def texts(block, head):
    place = [column.title for column in block.columns].index(head)
    return {row.run: row.cells[place].text for row in block.rows if row.run in MADE}


def mean(run, missed=0):
    dice = MADE[run][0]
    return sum(dice + 0.01 * number for number in range(missed, HAVE)) / HAVE


def test_rules_follow_from_the_protocol():
    paper, strict, brasyn = map(load_protocol, ("paper", "strict", "brasyn"))
    assert {"dice", "assd", "nsd"} <= of_the_same(strict) and "ssim" in of_the_same(strict)
    assert not {"dice_brats", "lesion_dice", "volume_difference"} & of_the_same(strict)
    assert not {"dice", "assd"} & of_the_same(paper) and not {"dice", "hd95"} & of_the_same(brasyn)
    assert where_found(strict) == {"assd", "hd95"} and not where_found(paper)
    assert selective(strict) == {"assd", "hd95"} and selective(paper) == {"assd"}
    assert "dice" in of_the_same(load_protocol("held_out"))


def test_dice_is_of_the_patients_who_have_the_region_in_every_row(strict):
    """A missed one scores 0; who lacks it counts neither as 0 nor by its absence."""
    of = strict.loc[list(MADE)[:2]]
    assert of["dice_et_n"].tolist() == [HAVE, HAVE] and not of["dice_et_undefined"].any()
    assert of["dice_et"].tolist() == pytest.approx([mean("unet"), mean("cutgan+unet", 3)])


def test_the_papers_protocol_keeps_whoever_has_a_value(results):
    csv = sheet_of("table1_ablation", results).csv
    paper = csv[csv["protocol"] == "paper"].set_index("run")
    assert paper.loc[["unet", "cutgan+unet"], "dice_et_n"].tolist() == [HAVE + 2, HAVE]
    assert paper.loc["unet", "dice_et"] == pytest.approx(HAVE * mean("unet") / (HAVE + 2))
    assert "[8]" in texts(block(results, "paper"), "Dice ET")["cutgan+unet"]


def test_what_is_invented_stands_beside(results, strict):
    shown = texts(block(results), "invented ET of 2, ml")
    assert shown == {"unet": "2, 3.0", "cutgan+unet": "0, 0.0"}
    assert strict.loc["unet", ["dice_et_without", "dice_et_invented"]].tolist() == [2, 2]
    assert strict.loc["unet", "dice_et_invented_ml"] == pytest.approx(3)
    assert "Dice ET, n = 8" in [column.title for column in block(results).columns]


def test_an_invention_in_any_training_counts_and_its_volume_is_the_mean():
    found = invented_of(results_of(seeds=(0, 1)), "et", "strict")
    assert found.loc["unet"].tolist() == [2, 2, 1.5]


def test_without_volumes_inventions_are_still_counted():
    scores = scored()
    scores = scores[~scores["metric"].isin(["volume_difference"])]
    found = invented_of(made_up_results(scores, ROWS), "et", "paper")
    assert found.empty, "the paper's means are of these patients"
    held_out = scores[scores["protocol"] == "strict"].assign(protocol="held_out")
    found = invented_of(made_up_results(held_out, ROWS, protocols=("held_out",)), "et", "held_out")
    assert found.loc["mine+unet", ["without", "invented"]].tolist() == [2, 1]
    assert np.isnan(found.loc["mine+unet", "invented_ml"])


def test_assd_is_where_found_and_no_method_is_best_of_unequal_numbers(results, strict):
    shown = block(results)
    assert texts(shown, "found ET of 8") == {"unet": "8", "cutgan+unet": "5"}
    assert texts(shown, "ASSD ET where found") == {"unet": "4.00", "cutgan+unet": "5.00"}
    assert strict.loc["cutgan+unet", ["assd_et_n", "assd_et_undefined"]].tolist() == [5, 3]
    place = [column.title for column in shown.columns].index("ASSD ET where found")
    assert not any(row.cells[place].best for row in shown.rows)
    paper = block(results, "paper")
    place = [column.title for column in paper.columns].index("ASSD ET")
    assert not any(row.cells[place].best for row in paper.rows)
    cells = comparison_table(results, "table1_ablation")
    assd = cells[(cells["metric"] == "assd") & (cells["region"] == "et")]
    assert not assd["best"].any() and assd[["p", "first"]].isna().all(axis=None)
    notes = sheet_of("table1_ablation", results).notes
    assert any(note.startswith("where found: ") for note in notes)
    assert any(note.startswith("invented: ") for note in notes)


def test_a_distance_that_all_have_is_ranked_and_needs_no_count():
    found = {run: (dice, 0, inventions) for run, (dice, _, inventions) in MADE.items()}
    shown = block(results_of(made=found))
    titles = [column.title for column in shown.columns]
    assert "ASSD ET, n = 8" in titles and not any("found" in title for title in titles)
    best = {row.run: row.cells[titles.index("ASSD ET, n = 8")].best for row in shown.rows}
    assert best["unet"] and not best["cutgan+unet"]


def test_a_method_that_finds_none_leaves_nothing_to_rank():
    made = MADE | {"cutgan+unet": (0.5, HAVE, (0.0, 0.0))}
    shown = block(results_of(made=made))
    assert texts(shown, "found ET of 8") == {"unet": "8", "cutgan+unet": "0"}
    place = [column.title for column in shown.columns].index("ASSD ET where found")
    assert not any(row.cells[place].best for row in shown.rows)


def test_statistics_are_of_the_same_patients_as_the_means(results):
    cells = comparison_table(results, "table3_segmentation").set_index(["run", "metric", "region"])
    assert cells.loc[("cutgan+unet", "dice", "et"), "pairs"] == HAVE
    difference = cells.loc[("cutgan+unet", "dice", "et"), "difference"]
    assert difference == pytest.approx(mean("cutgan+unet", 3) - mean("unet"))
    assert set(claims(results)["pairs"]) == {HAVE}
    assert set(variation(results)["n"]) == {HAVE}
    assert by_subject(results, "dice", "et", "strict").notna().sum().tolist() == [HAVE] * 3


def test_pictures_have_the_scores_of_every_patient(results):
    values = by_patient(results, "dice", "et", "strict")
    assert values.loc["p8", "unet"] == 0 and np.isnan(values.loc["p8", "cutgan+unet"])
    assert by_patient(results, "assd", "et", "strict").loc["p0", "cutgan+unet"] == DIAGONAL


def test_metrics_of_all_patients_stay_so(results):
    table = convention_table(results)
    brats = table[(table["convention"] == "brats") & (table["region"] == "et")]
    assert set(brats["n"]) == {HAVE + LACK}


def test_distances_of_a_region_share_the_count_of_where_it_was_found(results):
    heads = [c.title for c in block(results, "segmentation", "table8_metrics").columns]
    assert [head for head in heads if "found" in head] == [
        "ASSD ET where found", "found ET of 8", "HD95 ET where found",
    ]  # fmt: skip


def test_conventions_show_what_the_other_rules_give(results):
    table = convention_table(results).set_index(["metric", "convention", "run"]).sort_index()
    strict, every = (table.loc["dice", name] for name in ("strict", "every_value"))
    assert set(strict["n"]) == {HAVE}
    assert every["n"].to_dict() == {"unet": 10, "cutgan+unet": 8, "mine+unet": 9}
    found, charged = (table.loc["assd", name] for name in ("strict", "charged_assd"))
    assert found["n"].to_dict() == {"unet": 8, "cutgan+unet": 5, "mine+unet": 8}
    expected = (5 * 5.0 + 3 * DIAGONAL) / 8
    assert charged.loc["cutgan+unet", "mean"] == pytest.approx(expected)


def test_a_convention_without_effect_has_no_column(results):
    same = {run: (dice, 0, (0.0, 0.0)) for run, (dice, _, _) in MADE.items()}
    sheet = sheet_of("table7_conventions", results_of(made=same))
    heads = {block.name: [c.title for c in block.columns] for block in sheet.blocks}
    assert heads["dice_et"] == ["n", "strict", "both empty 1"]
    assert any("invented 0 (Dice ET)" in note for note in sheet.notes)
    assert set(sheet.csv["convention"]) >= {"every_value", "charged_assd"}


def test_a_scan_without_the_region_does_not_count_its_person_out():
    """p0 and p9 are scans of one person, who has ET in the first alone."""
    scores = scored()
    scores["subject"] = scores["subject"].replace({"p9": "p0"})
    results = made_up_results(scores, ROWS)
    values = by_subject(results, "dice", "et", "strict")
    assert values.loc["p0", "unet"] == pytest.approx(MADE["unet"][0])
    assert set(invented_of(results, "et", "strict")["without"]) == {1}


def test_reference_bands_are_of_the_scores_as_they_are():
    """An invention is a number outside its band too, and bands of older scores stay valid."""
    numbers = numbers_of(scored())
    assert numbers["unet", "strict", "dice", "et", "lcc", 0] == pytest.approx(
        HAVE * mean("unet") / (HAVE + 2)
    )
