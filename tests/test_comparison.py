"""The table of differences, from made-up scores, against p-values and ranks worked out by hand."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from made_up_scores import COHORT, check_latex, frame, made_up_results, write_table

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.reporting.measures import notes_on_intervals
from benchmarks.reporting.rows import Row
from benchmarks.reporting.tables.table5_statistics import comparison_table

ROWS = [
    Row("copy_t1+unet", "T1 copied + UNet", "floor"),
    Row("unet", "UNet", "method"),
    Row("cutgan+unet", "CUTGAN + UNet", "method"),
    Row("mine+unet", "My_method", "method"),
    Row(
        "cyclegan+unet",
        "CycleGAN + UNet",
        "method",
        tasks=("segmentation",),
        failure="loss is NaN",
    ),
    Row("real_t1ce+unet", "Real T1ce + UNet", "ceiling"),
]
NAME = "table3_segmentation"
VALUES = np.array([0.6, 0.7, 0.8, 0.9, 0.5, 0.65, 0.75, 0.85])


def scored(run, values, region="wt", seed=0, metric="dice"):
    return [
        [run, seed, f"p{i}", "", "strict", "segmentation", region, metric, "lcc", value, ""]
        for i, value in enumerate(values)
    ]


@pytest.fixture
def column():
    """The cells of a column by run."""

    def of(*scores, metric="dice", region="wt", name=NAME):
        rows = comparison_table(made_up_results(frame(*scores), ROWS), name)
        return rows[(rows["metric"] == metric) & (rows["region"] == region)].set_index("run")

    return of


@pytest.fixture
def written(tmp_path):
    def texts(*scores, **given):
        return write_table(
            tmp_path, "table5_statistics", made_up_results(frame(*scores), ROWS, **given)
        )

    return texts


def cells(text, label):
    """The cells of the label's line in the block of Table III."""
    block = text.partition("## Table III.")[2]
    line = next(line for line in block.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_every_row_is_compared_with_the_best_method(column):
    wt = column(
        scored("unet", VALUES),
        scored("cutgan+unet", VALUES - 0.2),
        scored("copy_t1+unet", VALUES - 0.3),
        scored("real_t1ce+unet", VALUES + 0.1),
    )
    assert list(wt.index[wt["best"]]) == ["unet"], "controls are never the best"
    assert wt.loc["cutgan+unet", "difference"] == pytest.approx(-0.2)
    assert wt["effect"].dropna().to_dict() == {
        "copy_t1+unet": -1, "cutgan+unet": -1, "real_t1ce+unet": 1,
    }  # fmt: skip
    assert wt["p"].dropna().tolist() == pytest.approx([3 * 2 / 256] * 3)
    assert wt["pairs"].to_dict() == {
        "copy_t1+unet": 8, "drit+unet": 0, "cyclegan+unet": 0, "cutgan+unet": 8,
        "maf_net.joint": 0, "unet": 0, "real_t1ce+unet": 8,
    }  # fmt: skip


def test_the_best_is_of_the_most_patients_and_only_those_are_ranked(column):
    spared = [*VALUES[:-1] + 0.1, np.nan]
    wt = column(scored("unet", VALUES), scored("cutgan+unet", spared), scored("mine+unet", VALUES))
    assert list(wt.index[wt["best"]]) == ["unet"]
    assert (wt.loc["cutgan+unet", "pairs"], wt.loc["cutgan+unet", "undefined"]) == (7, 1)
    assert wt.loc["cutgan+unet", "effect"] == 1
    assert wt["first"].dropna().to_dict() == {"unet": 1, "mine+unet": 1}, "alike, both are first"


def test_the_shortest_distance_is_the_best(column):
    assd = column(
        scored("unet", VALUES, metric="assd"),
        scored("cutgan+unet", VALUES + 2, metric="assd"),
        metric="assd",
        name="table1_ablation",
    )
    assert list(assd.index[assd["best"]]) == ["unet"]
    assert assd.loc["cutgan+unet", ["difference", "effect"]].tolist() == pytest.approx([2, 1])
    assert assd.loc[["unet", "cutgan+unet"], "rank_high"].tolist() == [1, 2]


def test_seeds_are_averaged_before_patients_are_compared(column):
    wt = column(
        scored("unet", VALUES),
        scored("cutgan+unet", VALUES - 0.1, seed=0),
        scored("cutgan+unet", VALUES - 0.3, seed=1),
    )
    assert wt.loc["cutgan+unet", "pairs"] == 8
    assert wt.loc["cutgan+unet", "difference"] == pytest.approx(-0.2)
    alone = column(scored("cutgan+unet", VALUES - 0.2)).loc["cutgan+unet"]
    assert wt.loc["cutgan+unet", "high"] > alone["high"] + 0.05, "seeds were not resampled"


def in_folds(run, values, seeds=1):
    """Every second patient is tested by the same fold."""
    return [
        row
        for seed in range(seeds)
        for fold in (0, 1)
        for row in scored(run, values, seed=Replicate(seed, Place(fold=fold)))[fold::2]
    ]


def test_folds_are_one_cohort_and_a_training_each(column):
    """As many patients as all folds have; the t test over them and the folds has no smallest p."""
    wt = column(in_folds("unet", VALUES[:4]), in_folds("cutgan+unet", VALUES[:4] - [0.3, 0.2] * 2))
    unet, cutgan = wt.loc["unet"], wt.loc["cutgan+unet"]
    assert unet[["n", "patients", "seeds", "folds", "repeats"]].tolist() == [4, 4, 1, 2, 1]
    assert unet["mean"] == pytest.approx(0.75)
    assert (cutgan["pairs"], cutgan["trainings"], cutgan["too_few"]) == (4, 2, False)
    assert cutgan["difference"] == pytest.approx(-0.25)
    assert cutgan["difference_low"] < -0.3 and cutgan["difference_high"] > -0.2
    assert cutgan["p"] == pytest.approx(2 * cutgan["false_claim"])
    notes = notes_on_intervals(wt)
    assert "t interval over patients and folds." in notes[0]
    assert notes[1:] == ["n counts the patients of all folds; the trainings of one test each."]


def test_notes_name_what_varies_and_the_rows_of_one_training(column):
    wt = column(in_folds("unet", VALUES, seeds=2), scored("cutgan+unet", VALUES))
    several, once, folds, few = notes_on_intervals(wt)
    assert several.endswith("t interval over patients, seeds and folds.")
    assert once.startswith("Interval of a row with one training: BCa bootstrap over patients.")
    assert "all folds" in folds and "too narrow" in few


def test_of_distances_the_lower_beats(column):
    assd = column(
        scored("unet", VALUES, metric="assd"),
        scored("cutgan+unet", VALUES + 2 * VALUES, metric="assd"),
        metric="assd",
        name="table1_ablation",
    )
    assert assd.loc["cutgan+unet", "beats"] < 0.01
    assert np.isnan(assd.loc["unet", "beats"]), "the best is compared with no row"


@pytest.mark.parametrize(("patients", "too_few"), [(4, True), (5, True), (6, False), (8, False)])
def test_too_few_pairs_are_told_rather_than_a_p_that_means_nothing(
    written, column, patients, too_few
):
    scores = scored("unet", VALUES[:patients]), scored("cutgan+unet", VALUES[:patients] - 0.2)
    wt = column(*scores)
    assert wt.loc["cutgan+unet", "too_few"] == too_few
    assert np.isnan(wt.loc["cutgan+unet", "p"]) == too_few
    text = written(*scores)[".md"]
    shown = {4: "–", 5: "–", 6: "0.031*", 8: "0.008*"}
    assert cells(text, "CUTGAN + UNet")[1] == shown[patients]
    assert ("- – for p: " in text) == too_few


def test_more_rows_need_more_patients(column):
    """Six patients tell two systems apart (2 / 64), but not one of two others (2 x 2 / 64)."""
    six = VALUES[:6]
    wt = column(
        scored("unet", six), scored("cutgan+unet", six - 0.2), scored("mine+unet", six - 0.1)
    )
    assert wt.loc[["cutgan+unet", "mine+unet"], "too_few"].all()


def test_the_page_shows_p_effect_and_rank(written):
    text = written(
        scored("unet", VALUES),
        scored("cutgan+unet", VALUES - 0.2),
        scored("copy_t1+unet", VALUES),
    )[".md"]
    assert text.startswith(f"# Table V. Which differences are more than chance: {COHORT}.\n")
    assert re.findall("^## (Table I+)", text, re.M) == ["Table I", "Table II", "Table III"]
    assert cells(text, "UNet")[:4] == ["8", "**best**", "", "1 (100%)"]
    assert cells(text, "CUTGAN + UNet")[:4] == ["8", "0.016*", "-1.00", "2 (0%)"]
    assert cells(text, "floor: T1 copied + UNet")[:4] == ["8", "1.000", "+0.00", "–"]
    assert cells(text, "CycleGAN + UNet") == ["failed", *["–"] * 9]
    assert cells(text, "DRIT++ + UNet") == ["not run here", *["–"] * 9]
    assert "- CycleGAN + UNet failed: loss is NaN.\n" in text
    assert "Zhou" not in text


def test_the_csv_has_every_row_and_column(tmp_path, written):
    text = written(scored("unet", VALUES), scored("cutgan+unet", VALUES - 0.2))[".csv"]
    rows = pd.read_csv(tmp_path / "table5_statistics.csv")
    assert set(rows["cohort"]) == {"made-up cohort"}
    regions = rows.groupby("table", sort=False).apply(
        lambda of: list(dict.fromkeys(of["metric"] + "_" + of["region"]))
    )
    assert regions["table1_ablation"][:4] == ["dice_wt", "assd_wt", "dice_et", "assd_et"]
    assert len(regions["table2_synthesis"]) == 8
    assert regions["table3_segmentation"] == ["dice_wt", "dice_et", "dice_tc"]
    assert not rows.duplicated(["table", "run", "metric", "region"]).any()
    assert written(scored("unet", VALUES), scored("cutgan+unet", VALUES - 0.2))[".csv"] == text


def test_files_do_not_depend_on_the_order_of_scores(tmp_path):
    generator = np.random.default_rng(3)
    scores = frame(*(scored(s.run, generator.random(9), seed=k) for s in ROWS for k in (0, 1)))
    texts = []
    for order in (scores, scores.sample(frac=1, random_state=1)):
        texts.append(write_table(tmp_path, "table5_statistics", made_up_results(order, ROWS)))
    assert texts[0] == texts[1]


def test_latex_is_even_and_ascii(written):
    text = written(scored("unet", VALUES), scored("cutgan+unet", VALUES - 0.2))[".tex"]
    check_latex(text, tables=3)
    assert r"\textbf{best}" in text


def test_without_scores_there_is_a_table_of_reasons(written):
    text = written()[".md"]
    assert "best**" not in text
    assert cells(text, "CUTGAN + UNet") == ["not run here", *["–"] * 9]


def test_cells_hold_p_effect_and_the_interval_of_the_rank(written):
    text = written(scored("unet", VALUES), scored("cutgan+unet", VALUES - 0.2))[".json"]
    block = json.loads(text)["blocks"][2]
    row = next(row for row in block["rows"] if row["run"] == "cutgan+unet")
    p, effect, rank = row["cells"][1:4]
    assert p["value"] == pytest.approx(2 / 256) and p["n"] == 8
    assert effect["value"] == -1
    assert rank["interval"] == [2, 2]


def test_without_the_strict_protocol_the_scored_one_is_compared(written):
    paper = [[*row[:4], "paper", *row[5:]] for row in scored("unet", VALUES)]
    text = written(paper, protocols=["paper"])[".md"]
    assert "Protocol paper." in text and cells(text, "UNet")[1] == "**best**"
