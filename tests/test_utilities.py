"""The two utilities of made-up syntheses, and how similarity is correlated with them."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_scores import check_latex, frame, made_up_results, sheet_of, write_table
from scipy.stats import spearmanr

from benchmarks.reporting.figures.utilities import figure
from benchmarks.reporting.rows import Row
from benchmarks.reporting.utilities import agreements, correlations, first_segmentor, judged
from benchmarks.scoring.statistics import rank_correlation

SYNTHESIS, SEGMENTATION = ("synthesis",), ("segmentation",)
QUALITY = {"a": 0.3, "b": 0.5, "c": 0.7, "joint": 0.6, "copy_t1": 0.1, "real_t1ce": 0.9}
REMARK = "Outside: was trained elsewhere."


def synthesis(run, role="method", **more):
    return Row(run, run.upper(), role, tasks=SYNTHESIS, **more)


def behind(run, role="method", segmentor="unet", frozen=False):
    end = ".frozen" if frozen else ""
    return Row(
        f"{run}+{segmentor}{end}", f"{run.upper()} + {segmentor}{end}", role, "segmentation",
        SEGMENTATION, upstream=run, segmentor=segmentor, frozen=frozen,
    )  # fmt: skip


ROWS = [
    *(synthesis(run) for run in "abc"),
    Row("joint", "JOINT", "method", "joint", SYNTHESIS + SEGMENTATION),
    synthesis("outside", kind="external", remark=REMARK),
    synthesis("copy_t1", "floor"),
    synthesis("real_t1ce", "ceiling"),
    *(
        behind(run, role, segmentor)
        for segmentor in ("unet", "res_unet")
        for run, role in [*((x, "method") for x in "abc"), ("copy_t1", "floor")]
    ),
    *(behind("real_t1ce", "ceiling", segmentor) for segmentor in ("unet", "res_unet")),
    *(
        behind(run, role, segmentor, frozen=True)
        for segmentor in ("unet", "res_unet")
        for run, role in [
            *((x, "method") for x in (*"abc", "joint", "outside")), ("copy_t1", "floor"),
        ]
    ),
]  # fmt: skip


def scores(rows, patients=6):
    """Similarity in the order of `QUALITY`; the frozen Dice in the reverse order."""
    made = []
    for row in rows:
        quality = QUALITY.get(row.upstream or row.run, 0.2)
        if row.frozen:
            quality = 1 - quality
        cells = [("synthesis", "ssim", "et", quality), ("synthesis", "mae", "et", 1 - quality)]
        cells += [("segmentation", "dice", region, quality) for region in ("wt", "tc", "et")]
        for task, metric, region, value in (cell for cell in cells if cell[0] in row.tasks):
            after = "lcc" if task == "segmentation" else ""
            made += [
                [
                    row.run,
                    0,
                    f"P{i}",
                    "",
                    "strict",
                    task,
                    region,
                    metric,
                    after,
                    value + i / 100,
                    "",
                ]
                for i in range(patients)
            ]
    return frame(made)


@pytest.fixture(scope="module")
def results():
    return made_up_results(scores(ROWS), ROWS, protocols=("strict",), left_out=["YODA", "ResViT"])


def test_frozen_rows_and_scores_are_apart(results):
    assert not any(row.frozen for row in results.rows)
    assert not results.scores["run"].str.endswith("frozen").any()
    alone = [row for row in results.frozen.rows if not row.frozen]
    assert {row.run for row in alone} == {"real_t1ce+unet", "real_t1ce+res_unet"}
    assert results.frozen.frozen is None and results.frozen.seeds["a+unet.frozen"] == (0,)
    assert {row.run for row in results.whole.rows} == {row.run for row in ROWS}
    assert len(results.whole.scores) == len(scores(ROWS))
    assert results.whole is results.whole and results.whole.frozen is None


def test_each_synthesis_has_its_segmentations(results):
    pairs = {
        one.synthesis.run: tuple(x and x.run for x in (one.retrained, one.frozen))
        for one in judged(results, "res_unet")
    }
    assert pairs == {
        **{run: (f"{run}+res_unet", f"{run}+res_unet.frozen") for run in ("copy_t1", *"abc")},
        "joint": ("joint", "joint+res_unet.frozen"),
        "outside": (None, "outside+res_unet.frozen"),
        "real_t1ce": ("real_t1ce+res_unet", "real_t1ce+res_unet"),
    }
    assert next(iter(pairs)) == "copy_t1" and list(pairs)[-1] == "real_t1ce"


def test_figures_show_the_first_segmentor_and_say_so(results):
    shown, said = first_segmentor(results)
    assert {row.segmentor for row in shown.rows} == {"", "unet"} and "res_unet" in said
    assert set(shown.scores["run"]) == {row.run for row in shown.rows}
    one = made_up_results(frame(), [row for row in ROWS if row.segmentor != "res_unet"])
    assert first_segmentor(one) == (one, "")


def test_table_three_has_a_block_of_the_frozen_utility(results):
    sheet = sheet_of("table3_segmentation", results)
    assert [block.name for block in sheet.blocks] == ["strict", "strict_frozen"]
    frozen = sheet.blocks[1]
    assert frozen.heading.startswith("Frozen segmentor")
    runs = [row.run for row in frozen.rows]
    assert runs[0] == "copy_t1+unet.frozen" and set(runs[-2:]) == {
        "real_t1ce+unet", "real_t1ce+res_unet",
    }  # fmt: skip
    # The worst synthesis by similarity is the best here, so it alone is bold.
    bold = {row.run for row in frozen.rows if row.cells[1].best}
    assert bold == {"outside+unet.frozen", "outside+res_unet.frozen"}
    csv = sheet.csv.set_index(["utility", "run"])
    assert csv.loc[("frozen", "a+unet.frozen"), "dice_et"] == pytest.approx(0.725)
    assert csv.loc[("retrained", "a+unet"), "dice_et"] == pytest.approx(0.325)
    assert REMARK in sheet.notes and "This benchmark does not run: YODA, ResViT." in sheet.notes
    assert "utility" not in sheet_of("table2_synthesis", results).csv


def test_correlations_have_the_sign_of_more_similar_more_useful(results):
    found = correlations(results).set_index(["segmentor", "metric", "utility", "aim"])
    for metric in ("ssim", "mae"):
        for aim in ("ET", "mean of WT, TC, ET"):
            retrained = found.loc[("unet", metric, "retrained", aim)]
            frozen = found.loc[("unet", metric, "frozen", aim)]
            assert (retrained["rho"], retrained["methods"]) == (pytest.approx(1), 4)
            assert (frozen["rho"], frozen["methods"]) == (pytest.approx(-1), 5)
            assert frozen["low"] <= frozen["rho"] <= frozen["high"]
    assert agreements(results)["rho"].tolist() == pytest.approx([-1] * 4)
    assert set(agreements(results)["methods"]) == {4}


def test_table_nine_has_both_utilities_and_their_correlations(tmp_path, results):
    sheet = sheet_of("table9_utilities", results)
    assert [block.name for block in sheet.blocks] == [
        "dice_unet", "correlation_unet", "dice_res_unet", "correlation_res_unet", "agreement",
    ]  # fmt: skip
    rows = {row.label: row.cells for row in sheet.blocks[0].rows}
    assert [cell.text.rstrip("*") for cell in rows["A"][1:3]] == ["0.325", "0.725"]
    assert rows["OUTSIDE"][0].text == "6" and rows["OUTSIDE"][1].text == "–"
    ssim = sheet.blocks[1].rows[0]
    assert [cell.text for cell in ssim.cells] == ["5", "6", *["1.00 (4)"] * 2, *["-1.00"] * 2]
    assert sheet.runs == []  # so that it is recorded as made from every run
    assert any("JOINT" in note for note in sheet.notes) and REMARK in sheet.notes
    check_latex(write_table(tmp_path, "table9_utilities", results)[".tex"], 5)


def test_without_frozen_runs_or_with_two_methods_nothing_is_invented():
    rows = [row for row in ROWS if not row.frozen and row.run[0] in "ab" and row.run != "joint"]
    results = made_up_results(scores(rows), rows, protocols=("strict",))
    assert results.frozen is None and correlations(results)["rho"].isna().all()
    sheet = sheet_of("table9_utilities", results)
    assert {cell.text for cell in sheet.blocks[-1].rows[0].cells[2:]} == {"–"}
    assert "No synthesis has both" in figure(results).axes[0].texts[0].get_text().replace("\n", " ")


def test_the_figure_has_a_point_per_synthesis_and_a_dot_per_metric(results):
    axes = figure(results).axes
    ids = [{line.get_gid() for line in ax.lines if line.get_gid()} for ax in axes]
    assert ids[0] == ids[1] == {"a", "b", "c", "joint", "copy_t1", "real_t1ce"}
    assert ids[2] == {
        f"{u}:strict:{m}:et" for u in ("retrained", "frozen") for m in ("ssim", "mae")
    }
    assert "rho = -1.00" in axes[0].get_title(loc="left")


# ------------------------------------------------------------------ the statistic


def test_the_coefficient_is_scipys():
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, 4, (2, 1, 8, 5)).astype(float)  # with ties
    found = rank_correlation(one, other)
    expected = spearmanr(one[0].mean(axis=1), other[0].mean(axis=1)).statistic
    assert found.rho == pytest.approx(expected) and (found.rows, found.patients) == (8, 5)
    parts = rng.random((3, 8, 5))
    expected = spearmanr(one[0].mean(axis=1), parts.mean(axis=(0, 2))).statistic
    assert rank_correlation(one, parts).rho == pytest.approx(expected)


def test_the_interval_of_two_patients_by_hand():
    """Resamples are the first twice (1/4), both (1/2), the second twice (1/4)."""
    one = np.array([[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]])
    other = np.array([[[1.0, 5.0], [2.0, 3.0], [3.0, 1.0]]])
    # The first patient alone has the same order, rho 1; the second, and both, the reverse.
    found = rank_correlation(one, other)
    assert (found.rho, found.low, found.high) == pytest.approx((-1, -1, 1))
    same = rank_correlation(one, one)
    assert (same.rho, same.low, same.high) == pytest.approx((1, 1, 1))


def test_undefined_correlations_and_missing_values():
    two = rank_correlation(*np.random.default_rng(0).random((2, 1, 2, 5)))
    assert np.isnan([two.rho, two.low, two.high]).all() and two.rows == 2
    equal = rank_correlation(np.ones((1, 4, 5)), np.random.default_rng(0).random((1, 4, 5)))
    assert np.isnan(equal.rho) and equal.rows == 4
    values = np.random.default_rng(1).random((1, 4, 5))
    holes = values.copy()
    holes[0, 3] = np.nan  # a row without any value
    holes[0, :, 4] = np.nan  # a patient whom only the other measure has
    found = rank_correlation(holes, values)
    assert (found.rows, found.patients) == (3, 5) and not np.isnan(found.low)
    alone = rank_correlation(values[..., :1], values[..., :1])
    assert alone.rho == pytest.approx(1) and np.isnan(alone.low)


def test_a_failed_frozen_run_is_named(results):
    failed = [
        replace(row, failure="segment: out of memory") if row.run == "a+unet.frozen" else row
        for row in ROWS
    ]
    scored = scores([row for row in ROWS if row.run != "a+unet.frozen"])
    sheet = sheet_of("table9_utilities", made_up_results(scored, failed, protocols=("strict",)))
    assert any("segment: out of memory" in note for note in sheet.notes)
