"""Verdicts on the published numbers, from made-up scores around them."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_scores import check_latex, frame, made_up_results, write_table

from benchmarks.reporting.published import read_published
from benchmarks.reporting.rows import Row
from benchmarks.reporting.tables.table6_reproduced import SIMULATED, reproduced_table

COHORT = "BraTS2020, 369 patients, 74 of them test"
JOINT = Row("maf_net.joint", "MAF-Net, joint", "method")
BLOCK = Row("maf_net+unet", "MAF-Net + UNet", "method")
UNET = Row("unet", "UNet", "method")
ROWS = [JOINT, BLOCK, UNET]
AROUND = np.array([-0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03])


def scored(run, values, metric="dice", region="wt", protocol="paper"):
    task = "synthesis" if metric in ("ssim", "psnr") else "segmentation"
    kept = "lcc" if task == "segmentation" else ""
    return [
        [run.run, 0, f"p{i}", "", protocol, task, region, metric, kept, value, ""]
        for i, value in enumerate(values)
    ]


@pytest.fixture(scope="module")
def published():
    return read_published()


@pytest.fixture
def verdict():
    """What is said of the joint network's Dice of WT, 0.880 in Table I."""

    def said(*scores, rows=ROWS, simulated=False):
        results = made_up_results(frame(*scores), rows, simulated=simulated)
        numbers = reproduced_table(results, "table1_ablation")
        of = numbers.query("run == @JOINT.run and region == 'wt' and metric == 'dice'")
        return of["verdict"].item()

    return said


@pytest.fixture
def written(tmp_path):
    def texts(*scores, rows=ROWS, simulated=False):
        results = made_up_results(frame(*scores), rows, description=COHORT, simulated=simulated)
        return write_table(tmp_path, "table6_reproduced", results)

    return texts


@pytest.mark.parametrize(
    ("mean", "said"),
    [
        (0.88, "reproduced"),
        (0.87, "reproduced"),
        (0.80, "not reproduced: ours is lower"),
        (0.95, "not reproduced: ours is higher"),
    ],
)
def test_a_number_in_our_interval_is_reproduced(verdict, mean, said):
    assert verdict(scored(JOINT, mean + AROUND)) == said


def test_ours_are_compared_as_finely_as_the_paper_prints(verdict):
    """0.8797 is 0.880, as far as a paper of three digits says."""
    assert verdict(scored(JOINT, [0.8797] * 5)) == "reproduced"
    assert verdict(scored(JOINT, [0.8794] * 5)) == "not reproduced: ours is lower"


def test_what_cannot_be_judged_says_why(verdict):
    one = scored(JOINT, [0.88])
    assert verdict(one) == "too few patients for an interval"
    assert verdict(scored(JOINT, [np.nan, np.nan])) == "no patient has a value"
    assert verdict(scored(UNET, AROUND + 0.5)) == "not run here"
    failed = replace(JOINT, tasks=("segmentation",), failure="out of memory")
    assert verdict(rows=[failed, UNET]) == "failed"
    assert verdict(scored(JOINT, 0.88 + AROUND, protocol="strict")) == "not run here"


def test_simulated_patients_reproduce_nothing(verdict, written):
    same = scored(JOINT, 0.88 + AROUND)
    assert verdict(same, simulated=True) == SIMULATED
    assert verdict(scored(UNET, AROUND + 0.5), simulated=True) == "not run here"
    text = written(same, simulated=True)[".md"]
    assert text.count("neither reproduce nor refute") == 1 and SIMULATED not in text
    assert "| reproduced |" not in text.replace("  ", "")
    assert "neither reproduce nor refute" not in written(same)[".md"]


@pytest.mark.parametrize("simulated", [False, True])
def test_every_number_of_the_paper_has_a_row_and_a_verdict(published, tmp_path, written, simulated):
    written(scored(JOINT, 0.88 + AROUND), simulated=simulated)
    rows = pd.read_csv(tmp_path / "table6_reproduced.csv")
    known = [
        (name, row.label, metric, region, number)
        for name in published.names()
        for row in published.table(name).rows
        for (metric, region), number in row.numbers().items()
    ]
    columns = ["table", "label", "metric", "region", "published"]
    assert len(known) == 56
    assert sorted(rows[columns].itertuples(index=False, name=None)) == sorted(known)
    measured = SIMULATED if simulated else "reproduced"
    assert rows["verdict"].value_counts().to_dict() == {
        "not run here": 41, "no patient has a value": 7, "quoted": 6, measured: 2,
    }  # fmt: skip
    ours = rows[rows["verdict"] == measured]
    assert list(ours["table"]) == ["table1_ablation", "table3_segmentation"]
    assert ours["ours"].tolist() == pytest.approx([0.88, 0.88])
    assert ours["difference"].abs().max() < 1e-9
    assert (ours["low"] < 0.88).all() and (ours["high"] > 0.88).all()


def test_a_quoted_number_is_printed_with_its_verdict_and_a_note(written):
    cutgan = Row("cutgan+unet", "CUTGAN + UNet", "method")
    text = written(scored(cutgan, 0.9 + AROUND), rows=[*ROWS, cutgan])[".md"]
    quoted = next(line for line in text.splitlines() if line.startswith("| Hamghalam"))
    shown = [cell.strip() for cell in quoted.split("|")[2:-1]]
    assert shown == ["III", "Dice WT", "0.880", *["–"] * 5, "quoted"]
    assert "- quoted: the paper prints the number for comparison" in text
    assert "could not be read" not in text and "n/a" not in text
    ours = next(line for line in text.splitlines() if line.startswith("| CUTGAN + UNet"))
    shown = [cell.strip() for cell in ours.split("|")[2:-1]]
    assert shown[:3] == ["III", "Dice WT", "0.856"]
    assert shown[4] == "0.900"
    assert shown[6:] == ["7", "+0.044", "not reproduced: ours is higher"]


@pytest.mark.parametrize("simulated", [False, True])
def test_a_quoted_number_has_ours_beside_it_and_no_verdict(written, simulated):
    mgp_vae = Row("mgp_vae+unet", "MGP-VAE + UNet", "method")
    text = written(scored(mgp_vae, 0.7 + AROUND), rows=[*ROWS, mgp_vae], simulated=simulated)[".md"]
    line = next(line for line in text.splitlines() if line.startswith("| Hamghalam"))
    shown = [cell.strip() for cell in line.split("|")[2:-1]]
    assert shown[:5] == ["III", "Dice WT", "0.880", "–", "0.700"]
    assert shown[6:] == ["7", "-0.180", "quoted"]
    assert "Ours is of the suite's reading" in text


def test_json_cells_hold_both_numbers_and_the_interval(written):
    content = json.loads(written(scored(JOINT, 0.8 + AROUND))[".json"])
    (block,) = content["blocks"]
    assert len(block["rows"]) == 56
    row = next(row for row in block["rows"] if row["run"] == JOINT.run)
    ours = row["cells"][[column["title"] for column in block["columns"]].index("ours")]
    assert (ours["value"], ours["published"], ours["n"]) == (pytest.approx(0.8), 0.88, 7)
    low, high = ours["interval"]
    assert low < 0.8 < high < 0.88


def test_the_page_shows_the_numbers_side_by_side(written):
    text = written(scored(BLOCK, [4.0, 4.1, 4.2, 4.3], metric="assd"))[".md"]
    assert text.startswith(f"# Table VI. Reproduced or not: {COHORT}.\n")
    lines = [line for line in text.splitlines() if line.startswith("| MAF-Block ")]
    line = next(line for line in lines if " ASSD WT " in line)
    shown = [cell.strip() for cell in line.split("|")[2:-1]]
    assert shown[:5] == ["I", "ASSD WT", "4.120", "4.090–4.150", "4.150"]
    assert shown[5] == "4.000–4.300"
    assert shown[6:] == ["4", "+0.030", "reproduced"]
    assert "of 4 it covers the mean" in text


def rebuilt(run, *scores, simulated=False):
    """The rebuilt intervals of a run's numbers in Table I, by metric and region."""
    results = made_up_results(frame(*scores), ROWS, simulated=simulated)
    numbers = reproduced_table(results, "table1_ablation").query("run == @run.run")
    return numbers.set_index(["metric", "region"])


def t_interval(mean, sd):
    """Of the paper's 74 test patients; 1.99299709 is Student's 97.5 % point of 73."""
    half = 1.99299709 * sd / math.sqrt(74)
    return pytest.approx([mean - half, mean + half])


ENDS = ["published_low", "published_high"]


def test_a_published_number_gets_the_spread_of_our_real_patients():
    values = 0.8 + AROUND
    cells = rebuilt(JOINT, scored(JOINT, values))
    wt = cells.loc["dice", "wt"]
    assert wt[ENDS].tolist() == t_interval(0.880, np.std(values, ddof=1))
    assert wt["assumption"] == "ours"
    # ET is not measured.
    et = cells.loc["dice", "et"]
    mean = et["published"]
    assert et[ENDS].tolist() == t_interval(mean, math.sqrt(mean * (1 - mean)))
    assert et["assumption"] == "largest" and et["assumed_sd"] > wt["assumed_sd"]


def test_the_spread_of_ours_is_of_patients_not_of_trainings():
    one, other = ([[*row[:1], seed, *row[2:]] for row in scored(JOINT, 0.8 + AROUND * sign)]
                  for seed, sign in ((0, 3), (1, -1)))  # fmt: skip
    wt = rebuilt(JOINT, one, other).loc["dice", "wt"]
    assert wt["assumed_sd"] == pytest.approx(np.std(AROUND, ddof=1))


def test_simulated_patients_lend_no_spread():
    cells = rebuilt(JOINT, scored(JOINT, 0.8 + AROUND), simulated=True)
    assert "ours" not in set(cells["assumption"])
    assert cells.loc[("dice", "wt"), ENDS].tolist() == t_interval(0.880, math.sqrt(0.88 * 0.12))
    block = rebuilt(BLOCK, scored(BLOCK, 4 + AROUND, metric="assd"), simulated=True)
    assert block.loc[("assd", "wt"), ENDS].isna().all(), "a distance has no largest spread"
    real = rebuilt(BLOCK, scored(BLOCK, 4 + AROUND, metric="assd"))
    assert real.loc[("assd", "wt"), ENDS].tolist() == t_interval(4.12, np.std(AROUND, ddof=1))


def test_the_assumption_is_named(written):
    simulated = written(scored(JOINT, 0.88 + AROUND), simulated=True)[".md"]
    assert "taken as 74 patients" in simulated and "as if each patient scored 0 or 1" in simulated
    assert "that of our own patients" not in simulated
    line = next(line for line in simulated.splitlines() if line.startswith("| MAF-Net "))
    assert "0.805–0.955" in line
    real = written(scored(JOINT, 0.88 + AROUND))[".md"]
    assert "that of our own patients in the same cell" in real


def test_latex_is_even_and_ascii(written):
    text = written(scored(JOINT, 0.88 + AROUND))[".tex"]
    check_latex(text, tables=1)


def test_files_are_the_same_every_time(written):
    scores = scored(JOINT, 0.8 + AROUND), scored(BLOCK, 4 + AROUND, metric="assd")
    assert written(*scores) == written(*scores)
