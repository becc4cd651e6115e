"""Tables from made-up scores, against means worked out by hand."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_scores import (
    COHORT,
    check_latex,
    frame,
    made_up_results,
    sheet_of,
    write_table,
)

from benchmarks.errors import InputError
from benchmarks.reporting import measures, terminal
from benchmarks.reporting.formatting import published_number
from benchmarks.reporting.rows import Row
from benchmarks.reporting.scores import COLUMNS, read_scores
from benchmarks.scoring.metric import read_metrics

NAMES = ["table1_ablation", "table2_synthesis", "table3_segmentation"]

ROWS = [
    Row("real_t1ce+unet", "Real T1ce + UNet", "ceiling"),
    Row("mine+unet", "My_method & 50% more", "method"),
    Row("copy_t1+unet", "T1 copied + UNet", "floor"),
    Row("unet", "UNet", "method"),
    Row("cutgan+unet", "CUTGAN + UNet", "method"),
    Row("maf_net+unet", "MAF-Net + UNet", "method"),
    Row(
        "cyclegan+unet",
        "CycleGAN + UNet",
        "method",
        tasks=("segmentation",),
        failure="loss is NaN at step 120",
    ),
    Row("copy_t1", "T1 copied", "floor"),
    Row("real_t1ce", "Real T1ce", "ceiling"),
    Row("cutgan", "CUTGAN", "method"),
    Row("maf_net", "MAF-Net after the synthesis phase", "method"),
]


def dice(run, values, region="wt", seed=0, protocol="paper", metric="dice"):
    """Scores of patients p0, p1, ... as rows of a score table."""
    return [
        [run, seed, f"p{index}", "HGG", protocol, "segmentation", region, metric, "lcc", v, ""]
        for index, v in enumerate(values)
    ]


def similarity(run, values, region="whole", protocol="paper", metric="psnr"):
    return [
        [run, 0, f"p{index}", "LGG", protocol, "synthesis", region, metric, "", value, ""]
        for index, value in enumerate(values)
    ]


RESULTS = {}


def results_of(scores, rows=ROWS):
    """One Results per table of scores and rows, since measures are cached by it."""
    # The scores are kept, so that their id is not reused.
    return RESULTS.setdefault((id(scores), *rows), (made_up_results(scores, rows), scores))[0]


def table(name, scores, rows=ROWS, protocol="paper"):
    """The rows of one of the paper's tables under a protocol, as in its CSV."""
    csv = sheet_of(name, results_of(scores, rows)).csv
    return csv[csv["protocol"] == protocol].reset_index(drop=True)


@pytest.fixture(scope="module")
def scores():
    return frame(
        dice("unet", [0.5, 0.7]),
        dice("unet", [0.4, np.nan], region="et"),
        dice("unet", [np.nan, np.nan], region="tc"),
        dice("cutgan+unet", [0.6, 0.8], seed=0),
        dice("cutgan+unet", [0.4, 1.0], seed=1),
        dice("maf_net+unet", [0.99]),
        dice("mine+unet", [0.7, 0.7]),
        dice("copy_t1+unet", [0.2, 0.3]),
        dice("real_t1ce+unet", [0.9, 1.0]),
        dice("unet", [0.1, 0.2], protocol="strict"),
        dice("unet", [3.0, 5.0], metric="assd"),
        dice("mine+unet", [2.0, 4.0], metric="assd"),
        similarity("copy_t1", [20.0, 21.0]),
        similarity("cutgan", [22.0, 23.0]),
        similarity("maf_net", [21.0, 23.0]),
        similarity("real_t1ce", [math.inf, 60.0]),
    )


@pytest.fixture
def ablation(scores):
    rows = table("table1_ablation", scores)
    return rows.set_index("run", drop=False)


def written(folder, name, scores, rows=ROWS):
    return write_table(folder, name, results_of(scores, rows))


def markdown_line(text, label):
    """The cells of the first line with that label."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ours_is_the_mean_over_patients(ablation):
    assert ablation.loc["unet", "dice_wt"] == pytest.approx(0.6)
    assert ablation.loc["unet", "assd_wt"] == pytest.approx(4.0)


def test_seeds_are_averaged_within_a_patient_first():
    unbalanced = frame(
        dice("unet", [0.2, 0.8], seed=0), dice("unet", [0.4], seed=1), dice("unet", [0.6], seed=2)
    )
    row = table("table1_ablation", unbalanced).iloc[0]
    assert row["dice_wt"] == pytest.approx((0.4 + 0.8) / 2)
    assert (row["dice_wt_n"], row["seeds"], row["patients"]) == (2, 3, 2)


def test_undefined_values_are_counted_and_never_zero(ablation):
    unet = ablation.loc["unet"]
    assert unet["dice_et"] == pytest.approx(0.4)
    assert (unet["dice_et_n"], unet["dice_et_undefined"]) == (1, 1)
    assert np.isnan(unet["dice_tc"])
    assert (unet["dice_tc_n"], unet["dice_tc_undefined"]) == (0, 2)


def test_a_patient_is_undefined_only_if_every_seed_is():
    seeds = frame(dice("unet", [np.nan, np.nan], seed=0), dice("unet", [0.5, np.nan], seed=1))
    row = table("table1_ablation", seeds).iloc[0]
    assert (row["dice_wt"], row["dice_wt_n"], row["dice_wt_undefined"]) == (0.5, 1, 1)


def test_rows_stand_in_the_papers_order_between_floor_and_ceiling(scores):
    rows = table("table3_segmentation", scores)
    assert list(rows["run"]) == [
        "copy_t1+unet",
        "", "", "drit+unet", "cyclegan+unet", "cutgan+unet", "maf_net.joint",
        "mine+unet", "unet", "maf_net+unet",
        "real_t1ce+unet",
    ]  # fmt: skip
    assert list(rows["role"]) == ["floor", *["method"] * 9, "ceiling"]
    synthesis = table("table2_synthesis", scores)
    assert list(synthesis["run"]) == [
        "copy_t1", "drit", "cutgan", "cyclegan", "maf_net.joint", "maf_net", "real_t1ce",
    ]  # fmt: skip


def test_the_ablation_has_its_own_rows_floor_and_ceiling(ablation):
    assert list(ablation["run"]) == [
        "copy_t1+unet",
        "unet", "cutgan+unet", "maf_net.average+unet", "maf_net+unet", "maf_net.joint",
        "real_t1ce+unet",
    ]  # fmt: skip


def test_a_row_without_scores_says_why(scores):
    comparison = table("table3_segmentation", scores)
    status = comparison.set_index("label")["status"]
    assert status["Zhou et al."] == "quoted"
    assert status["CycleGAN + UNet"] == "failed: loss is NaN at step 120"
    assert status["DRIT++ + UNet"] == "not run here"
    assert status["CUTGAN + UNet"] == ""
    unscored = comparison[comparison["status"] != ""]
    assert unscored["dice_wt"].isna().all()


def shows(scores, row):
    """The tables that have a row for it."""
    listed = [*(s for s in ROWS if s.run != row.run), row]
    return [name for name in NAMES if row.run in set(table(name, scores, listed)["run"])]


def test_a_failed_run_without_a_published_row_leaves_no_hole(scores):
    lost = Row("lost", "Lost", "method", failure="out of memory")
    assert shows(scores, lost) == NAMES[1:]
    assert shows(scores, replace(lost, tasks=("synthesis",))) == NAMES[1:2]
    assert shows(scores, replace(lost, tasks=("segmentation",))) == NAMES[2:]
    floor = Row("zeros", "Zeros", "floor", tasks=("segmentation",), failure="out of memory")
    assert shows(scores, floor) == [NAMES[0], NAMES[2]]


@pytest.mark.parametrize(
    ("id", "label"), [("cyclegan+unet", "CycleGAN + UNet"), ("lost+unet", "Lost + UNet")]
)
def test_a_failure_is_a_row_and_a_note_of_one_short_line(tmp_path, scores, id, label):
    """Whether the paper has a row for it or not."""
    reason = "RuntimeError: sizes differ\n\n  at `a_b`: " + "12 x 13, " * 50
    failed = Row(id, label, "method", tasks=("segmentation",), failure=reason)
    listed = [*(s for s in ROWS if s.run != id), failed]
    written(tmp_path, NAMES[2], scores, listed)
    text = (tmp_path / f"{NAMES[2]}.md").read_text()
    assert markdown_line(text, label)[1:] == ["failed", "–", "–", "–"]
    start = f"- {label} failed: "
    (note,) = [line for line in text.splitlines() if line.startswith(start)]
    assert note.startswith(f"{start}RuntimeError: sizes differ at `a_b`: 12 x 13, 12")
    assert note.endswith("…") and 150 < len(note) - len(start) <= 160
    assert r"\dots{}" in (tmp_path / f"{NAMES[2]}.tex").read_text()


def test_a_seed_that_failed_leaves_the_others_scores(tmp_path, scores):
    half = Row("cutgan+unet", "CUTGAN + UNet", "method", failure="seed 1: loss is NaN?")
    listed = [*(s for s in ROWS if s.run != half.run), half]
    written(tmp_path, NAMES[2], scores, listed)
    text = (tmp_path / f"{NAMES[2]}.md").read_text()
    assert markdown_line(text, "CUTGAN + UNet")[1] == "2 failed"
    assert "- CUTGAN + UNet failed: seed 1: loss is NaN?\n" in text


def test_published_numbers_stand_beside_ours_in_the_papers_protocol_only(scores):
    paper = table("table1_ablation", scores).set_index("run")
    strict = table("table1_ablation", scores, protocol="strict").set_index("run")
    assert paper.loc["maf_net.joint", "dice_wt_published"] == 0.880
    assert paper.loc["maf_net+unet", "assd_wt_published"] == 4.120
    assert strict.loc["unet", "dice_wt"] == pytest.approx(0.15)
    assert strict.filter(like="_published").isna().all(axis=None)


def test_only_the_shown_post_processing_counts():
    both = frame(dice("unet", [0.5]), dice("unet", [0.9]))
    both.loc[1, "postprocessing"] = "none"
    row = table("table1_ablation", both).iloc[0]
    assert row["dice_wt"] == 0.5


def test_strict_synthesis_is_told_apart_by_region(scores):
    rows = table("table2_synthesis", scores, protocol="strict")
    regions = {column.removesuffix("_n") for column in rows.columns if column.endswith("_n")}
    wanted = ("whole", "brain", "wt", "et")
    assert regions == {f"{metric}_{region}" for metric in ("ssim", "psnr") for region in wanted}


def test_an_unlisted_run_is_an_error(scores):
    with pytest.raises(InputError, match=r"scores of maf_net\+unet, mine\+unet, which"):
        short = [s for s in ROWS if s.run not in ("maf_net+unet", "mine+unet")]
        table("table1_ablation", scores, short)


def test_markdown_tables_have_the_rule_that_makes_them_tables(tmp_path, scores):
    for name in NAMES:
        written(tmp_path, name, scores)
        lines = (tmp_path / f"{name}.md").read_text().splitlines()
        headers = [i for i, line in enumerate(lines) if re.match(r"\|\s+\|\s+n \|", line)]
        assert len(headers) == 2
        for i in headers:
            assert re.fullmatch(r"\|:-+\|(-+:\|)+", lines[i + 1]), lines[i + 1]
            assert lines[i].count("|") == lines[i + 1].count("|") == lines[i + 2].count("|")


def test_a_charged_diagonal_is_counted_and_shown(tmp_path):
    rows = dice("unet", [374.0, 2.0, np.nan], region="et", metric="assd")
    rows[0][-1], rows[2][-1] = "prediction empty", "both empty"
    scores = frame(rows, dice("unet", [0.0, 0.5, 0.5], region="et"))
    written(tmp_path, NAMES[0], scores)
    text = (tmp_path / f"{NAMES[0]}.md").read_text()
    assert "188.00 [2] {1}" in text and "{k}: k of the patients" in text
    assert table(NAMES[0], scores).assd_et_one_empty.max() == 1


def test_a_mean_of_fewer_patients_is_never_bold(tmp_path):
    scores = frame(
        dice("unet", [0.9, np.nan], region="et"),
        dice("maf_net+unet", [0.5, 0.4], region="et"),
        dice("cutgan+unet", [0.3, 0.3], region="et"),
    )
    written(tmp_path, NAMES[0], scores)
    text = (tmp_path / f"{NAMES[0]}.md").read_text()
    assert "0.900 [1]" in text and "**0.900 [1]**" not in text
    assert "**0.450**" in text


def test_the_best_method_is_bold(tmp_path, scores):
    text = written(tmp_path, "table1_ablation", scores)[".md"]
    assert markdown_line(text, "UNet on T1, T2, FLAIR")[2] == "0.600"
    # Of two that are alike as printed, both are best. MAF-Block's 0.990 is of one patient of two.
    assert markdown_line(text, "SingleEN (CUTGAN + UNet)")[2] == "**0.700**"
    assert markdown_line(text, "MAF-Block")[1:3] == ["1 of 2", "0.990"]
    assert markdown_line(text, "ceiling: Real T1ce + UNet")[2] == "0.950"
    assert markdown_line(text, "UNet on T1, T2, FLAIR")[3] == "**4.00**"
    comparison = written(tmp_path, "table3_segmentation", scores)[".md"]
    assert markdown_line(comparison, "CUTGAN + UNet")[2] == "**0.700**"
    assert markdown_line(comparison, "My_method & 50% more")[2] == "**0.700**"


def test_markdown_shows_counts_gaps_and_published_numbers(tmp_path, scores):
    text = written(tmp_path, "table1_ablation", scores)[".md"]
    assert text.startswith("# Table I. Ablation of MAF-Net, segmentation: " + COHORT)
    unet = markdown_line(text, "UNet on T1, T2, FLAIR")
    assert unet[1] == "2"
    assert "**0.400 [1]**" in unet
    assert "– [0]" in unet
    assert markdown_line(text, "MAF-Block + joint learning")[1:] == ["not run here", *["–"] * 6]
    below = text.partition("| MAF-Block + joint learning")[2].splitlines()[1]
    pairs = ["0.880", "4.700", "0.418", "3.845", "0.679", "4.416"]  # Dice and ASSD of WT, ET, TC
    assert re.findall(r"[\d.]+", below) == pairs, "not all the digits of the paper"
    comparison = written(tmp_path, "table3_segmentation", scores)[".md"]
    assert comparison.count("Zhou et al. (published)") == 1
    assert (
        "- Quoted from the paper, not trained here: Hamghalam et al., Zhou et al.\n" in comparison
    )
    assert "- CycleGAN + UNet failed: loss is NaN at step 120." in comparison


GROUPED = [
    Row("copy_t1+unet", "T1 copied + UNet", "floor", "segmentation", upstream="copy_t1"),
    Row("unet", "UNet", "method", "segmentation"),
    Row("maf_net+unet", "MAF-Net + UNet", "method", "segmentation", upstream="maf_net",
        pairing="unpaired"),
    Row("pix2pix+unet", "pix2pix + UNet", "method", "segmentation", upstream="pix2pix",
        pairing="paired"),
    Row("theirs", "Theirs", "method", "external"),
    Row("cutgan+unet", "CUTGAN + UNet", "method", "segmentation", upstream="cutgan",
        pairing="unpaired"),
    Row("real_t1ce+unet", "Real T1ce + UNet", "ceiling", "segmentation", upstream="real_t1ce"),
]  # fmt: skip


def test_table_three_groups_its_rows_as_the_paper_does(tmp_path):
    """A row that the suite adds is below the paper's rows of its group."""
    made = frame(*(dice(row.run, [0.5, 0.6]) for row in GROUPED))
    texts = written(tmp_path, "table3_segmentation", made, GROUPED)
    paper = texts[".md"].partition("## Protocol strict")[0]
    labels = [line.split("|")[1].strip() for line in paper.splitlines() if line.startswith("|")]
    assert [label for label in labels[2:] if label != "(published)"] == [
        "floor: T1 copied + UNet",
        "*Paired T1ce for training*",
        "Hamghalam et al. (published)", "Zhou et al. (published)", "pix2pix + UNet",
        "*Unpaired T1ce for training*",
        "DRIT++ + UNet", "CycleGAN + UNet", "CUTGAN + UNet", "MAF-Net", "MAF-Net + UNet",
        "*Other methods*", "Theirs",
        "*No T1ce*", "UNet",
        "*Real T1ce*", "ceiling: Real T1ce + UNet",
    ]  # fmt: skip
    assert r"\multicolumn{5}{@{}l@{}}{\textit{Paired T1ce for training}} \\" in texts[".tex"]
    block = json.loads(texts[".json"])["blocks"][0]
    groups = {row["label"]: row["group"] for row in block["rows"]}
    assert groups["Zhou et al."] == groups["pix2pix + UNet"] == "Paired T1ce for training"
    assert groups["floor: T1 copied + UNet"] == ""
    shown = terminal.table(json.loads(texts[".json"]), 80)
    assert re.search(r"^Unpaired T1ce for training\s*\nDRIT\+\+", shown, re.MULTILINE)
    ablation = json.loads(written(tmp_path, "table1_ablation", made, GROUPED)[".json"])
    assert not any(row["group"] for block in ablation["blocks"] for row in block["rows"])


def test_the_papers_block_has_dice_and_assd_of_a_region_beside_each_other(tmp_path, scores):
    blocks = blocks_of("table1_ablation", scores, folder=tmp_path)
    heads = [column["title"] for column in blocks["paper"]["columns"]]
    assert heads == ["n", "Dice WT", "ASSD WT", "Dice ET", "ASSD ET", "Dice TC", "ASSD TC"]


@pytest.fixture(scope="module")
def strict():
    """Eight patients: UNet is the best method, CUTGAN lower in each, My_method about as good."""
    ours = np.array([0.6, 0.7, 0.8, 0.9, 0.5, 0.65, 0.75, 0.85])
    about = ours + np.array([0.02, -0.03, 0.01, -0.04, 0.05, -0.06, 0.0, 0.02])
    return frame(
        dice("unet", ours, protocol="strict"),
        dice("cutgan+unet", ours - 0.2, protocol="strict"),
        dice("mine+unet", about, protocol="strict"),
        dice("real_t1ce+unet", ours + 0.1, protocol="strict"),
        dice("unet", ours, protocol="paper"),
        dice("cutgan+unet", ours - 0.2, protocol="paper"),
    )


def test_strict_means_have_an_interval_below_them(tmp_path, strict):
    text = written(tmp_path, "table3_segmentation", strict)[".md"]
    paper, _, below = text.partition("## Protocol strict")
    assert "95 %" not in paper and not re.search(r"\d\*(?!\*)", paper)
    rows = table("table3_segmentation", strict, protocol="strict").set_index("run")
    cutgan = rows.loc["cutgan+unet"]
    assert cutgan["dice_wt_low"] < cutgan["dice_wt"] < cutgan["dice_wt_high"]
    line = below.partition("| CUTGAN + UNet ")[2].splitlines()[1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    ends = f"{cutgan['dice_wt_low']:.3f}–{cutgan['dice_wt_high']:.3f}"
    assert cells == ["(95 % interval)", "", ends, "–", "–"]
    # What was not run has no second line.
    assert "interval" not in below.partition("| DRIT++ + UNet ")[2].splitlines()[1]
    assert "- 95 % interval: of the mean" in text and "One seed" in text
    assert "the interval is too narrow" in text
    tex = written(tmp_path, "table3_segmentation", strict)[".tex"]
    assert r"(95 \% interval)" in tex


def test_what_differs_from_the_best_method_is_marked(tmp_path, strict):
    text = written(tmp_path, "table3_segmentation", strict)[".md"]
    below = text.partition("## Protocol strict")[2]
    assert markdown_line(below, "UNet")[2] == "**0.719**"
    assert markdown_line(below, "CUTGAN + UNet")[2] == "0.519*"
    assert markdown_line(below, "My_method & 50% more")[2] == "0.715"
    assert markdown_line(below, "ceiling: Real T1ce + UNet")[2] == "0.819*"
    assert "- *: differs from the best method of the column: p < 0.05, two-sided" in text
    rows = table("table3_segmentation", strict, protocol="strict").set_index("run")
    # Of 2 ** 8 signs, 2 are as extreme; Holm multiplies the first of three by 3, the second by 2.
    assert rows.loc["cutgan+unet", "dice_wt_p"] == pytest.approx(3 * 2 / 256)
    assert rows.loc["real_t1ce+unet", "dice_wt_p"] == pytest.approx(3 * 2 / 256)
    assert rows.loc["cutgan+unet", "dice_wt_effect"] == -1
    assert rows.loc["real_t1ce+unet", "dice_wt_effect"] == 1
    assert rows.loc["mine+unet", "dice_wt_p"] > 0.5
    assert np.isnan(rows.loc["unet", "dice_wt_p"])


def test_the_paper_protocol_has_no_statistics(strict):
    rows = table("table3_segmentation", strict)
    ends = ("_low", "_high", "_p", "_effect")
    assert rows[[c for c in rows.columns if c.endswith(ends)]].isna().all(axis=None)


def test_too_few_patients_for_any_mark_are_told(tmp_path, strict):
    few = strict[strict["patient"] < "p5"]
    text = written(tmp_path, "table3_segmentation", few)[".md"]
    assert "- A mean of so few patients that p" in text and "- *: differs" not in text
    assert "0.500*" not in text
    rows = table("table3_segmentation", few, protocol="strict")
    assert rows["dice_wt_p"].isna().all() and rows["dice_wt_effect"].notna().sum() == 3


def test_counts_marks_and_stars_stand_together(tmp_path, strict):
    """BraTS's lesion-wise HD95 is of all patients, with a fixed length for what is missed."""
    lesions = {"metric": "lesion_hd95", "region": "et", "protocol": "strict"}
    worse, good = (
        dice(run, values, **lesions)
        for run, values in (
            ("cutgan+unet", [20.0] * 7 + [np.nan]),
            ("unet", [1.0] * 7 + [2.0]),
        )
    )
    worse[0][-1] = "prediction empty"
    for row in (*worse, *good):
        row[8] = "none"
    text = written(tmp_path, "table8_metrics", frame(worse, good))[".md"]
    assert "20.00* [7] {1}" in text


def test_several_seeds_are_said_to_be_resampled(tmp_path, strict):
    again = strict.assign(seed=1, value=strict["value"] - 0.05)
    both = pd.concat([strict, again], ignore_index=True)
    text = written(tmp_path, "table3_segmentation", both)[".md"]
    assert "t interval over patients and seeds." in text and "One seed" not in text


def test_an_infinite_mean_stays_infinite(tmp_path, scores):
    rows = table("table2_synthesis", scores).set_index("run")
    assert rows.loc["real_t1ce", "psnr_whole"] == math.inf
    texts = written(tmp_path, "table2_synthesis", scores)
    assert markdown_line(texts[".md"], "ceiling: Real T1ce")[3] == "∞"
    assert "- ∞: at least one slice, or volume, equals its reference." in texts[".md"]
    assert r"$\infty$" in texts[".tex"]
    assert ",inf," in texts[".csv"]
    assert "**22.50**" in markdown_line(texts[".md"], "CUTGAN")


def test_published_numbers_keep_their_digits(tmp_path, scores):
    text = written(tmp_path, "table2_synthesis", scores)[".md"]
    assert "0.8879" in text
    assert "22.78" in text
    text = written(tmp_path, "table1_ablation", scores)[".md"]
    assert " 5.990 " in text and " 4.120 " in text and " 0.350 " in text


def test_the_markdown_grid_is_even(tmp_path, scores):
    for name in NAMES:
        text = written(tmp_path, name, scores)[".md"]
        for block in text.split("## ")[1:]:
            lines = [line for line in block.splitlines() if line.startswith("|")]
            assert len({len(line) for line in lines}) == 1


def test_latex_is_escaped_and_even(tmp_path, scores):
    for name in NAMES:
        text = written(tmp_path, name, scores)[".tex"]
        check_latex(text, tables=2)
        assert text.count(COHORT) == text.count(r"\caption{")
        unescaped = re.sub(r"\\[_&%#$]|\\label\{.*?\}|^% .*$", "", text, flags=re.M)
        assert not re.search("[_%#]", unescaped)
    comparison = written(tmp_path, "table3_segmentation", scores)[".tex"]
    assert r"My\_method \& 50\% more" in comparison
    assert r"\textbf{0.700}" in comparison


def test_the_csv_can_be_read_back(tmp_path, scores):
    written(tmp_path, "table1_ablation", scores)
    rows = pd.read_csv(tmp_path / "table1_ablation.csv")
    assert set(rows["cohort"]) == {"made-up cohort"}
    assert list(rows["protocol"].unique()) == ["paper", "strict"]
    unet = rows[(rows["run"] == "unet") & (rows["protocol"] == "paper")].iloc[0]
    assert (unet["dice_wt"], unet["dice_wt_n"], unet["dice_et_undefined"]) == (0.6, 2, 1)


def test_the_csv_has_six_significant_digits(tmp_path):
    thirds = frame(dice("unet", [1.0, 0.0, 0.0]))
    text = written(tmp_path, "table1_ablation", thirds)[".csv"]
    assert ",0.333333," in text


def test_files_do_not_depend_on_the_order_of_scores(tmp_path, scores):
    shuffled = scores.sample(frac=1, random_state=1)
    for name in NAMES:
        first = written(tmp_path / "first", name, scores)
        assert written(tmp_path / "second", name, shuffled) == first
    left = {path.name for path in (tmp_path / "first").iterdir()}
    assert left == {f"{name}{suffix}" for name in NAMES for suffix in first}


def test_a_benchmark_without_scores_still_has_its_tables(tmp_path):
    for name in NAMES:
        text = written(tmp_path, name, frame())[".md"]
        assert "not run here" in text
        assert "**" not in text


@pytest.fixture
def score_file(tmp_path):
    def write(name, rows, **cells):
        path = tmp_path / name
        frame(rows).assign(**cells).to_csv(path, index=False)
        return path

    return write


def test_score_files_are_joined(score_file):
    one = score_file("one.csv", dice("unet", [0.5, np.nan]))
    two = score_file("two.csv", similarity("real_t1ce", [math.inf]))
    scores = read_scores([one, two])
    assert list(scores.columns) == COLUMNS
    assert list(scores["run"]) == ["unet", "unet", "real_t1ce"]
    assert scores["value"].tolist() == pytest.approx([0.5, math.nan, math.inf], nan_ok=True)
    assert scores["note"].tolist() == ["", "", ""]


def test_identifiers_stay_text(score_file):
    rows = dice("unet", [0.5])
    rows[0][2] = "00012"
    assert read_scores([score_file("one.csv", rows)])["patient"].tolist() == ["00012"]


def test_a_score_that_occurs_twice_is_named(score_file):
    one = score_file("one.csv", dice("unet", [0.5, 0.6]))
    two = score_file("two.csv", dice("cutgan+unet", [0.5]) + dice("unet", [0.7]))
    with pytest.raises(InputError) as error:
        read_scores([one, two])
    assert f"{two}, line 3" in str(error.value)
    assert f"{one}, line 2" in str(error.value)
    assert "run unet, seed 0, repeat 0, fold 0, patient p0" in str(error.value)


@pytest.mark.parametrize(
    ("column", "wrong"), [("value", "good"), ("seed", ""), ("seed", "one"), ("seed", "1.5")]
)
def test_what_is_not_a_number_is_named(score_file, column, wrong):
    path = score_file("one.csv", dice("unet", [0.5, 0.6]), **{column: ["0", wrong]})
    with pytest.raises(InputError, match=rf"one\.csv, line 3: {column} is '{wrong}', which"):
        read_scores([path])


def test_wrong_columns_are_named(tmp_path):
    path = tmp_path / "one.csv"
    frame(dice("unet", [0.5])).rename(columns={"run": "rnu"}).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"line 1: columns missing: \['run'\], .*\['rnu'\]"):
        read_scores([path])
    (tmp_path / "empty.csv").touch()
    for name in ("empty.csv", "absent.csv"):
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            read_scores([tmp_path / name])
    with pytest.raises(InputError, match="No score files"):
        read_scores([])


# Cells as data


def blocks_of(name, scores, rows=ROWS, folder=None):
    """The blocks of a table's JSON by name, as another program reads them."""
    content = json.loads(written(folder, name, scores, rows)[".json"])
    return {block["name"]: block for block in content["blocks"]}


def json_cell(block, run, head):
    column = [column["title"] for column in block["columns"]].index(head)
    return next(row for row in block["rows"] if row["run"] == run)["cells"][column]


def test_json_cells_hold_value_interval_published_number_and_n(tmp_path, strict):
    blocks = blocks_of("table1_ablation", strict, folder=tmp_path)
    paper = json_cell(blocks["paper"], "cutgan+unet", "Dice WT")
    assert (paper["text"], paper["published"], paper["published_text"]) == ("0.519", 0.856, "0.856")
    assert paper["value"] == pytest.approx(0.51875) and paper["n"] == 8
    assert paper["interval"] is None and not paper["best"]
    ours = json_cell(blocks["strict"], "unet", "Dice WT")
    low, high = ours["interval"]
    assert low < ours["value"] < high and ours["best"] and ours["published"] is None
    assert ours["interval_text"] == f"{low:.3f}–{high:.3f}"
    assert json_cell(blocks["strict"], "cutgan+unet", "Dice WT")["text"] == "0.519*"
    missing = json_cell(blocks["strict"], "maf_net.joint", "Dice WT")
    assert (missing["text"], missing["value"], missing["n"]) == ("–", None, 0)


def test_json_rows_name_run_role_and_status(tmp_path, scores):
    block = blocks_of("table3_segmentation", scores, folder=tmp_path)["paper"]
    rows = {row["label"]: row for row in block["rows"]}
    assert rows["floor: T1 copied + UNet"]["role"] == "floor"
    assert rows["ceiling: Real T1ce + UNet"]["run"] == "real_t1ce+unet"
    assert rows["CycleGAN + UNet"]["status"] == "failed: loss is NaN at step 120"
    quoted = rows["Zhou et al."]
    assert (quoted["status"], quoted["cells"][1]["published"]) == ("quoted", 0.854)
    assert quoted["cells"][1]["text"] == "", "a quoted number is not ours"
    assert [column["better"] for column in block["columns"]] == ["", *["higher"] * 3]


def test_json_has_no_numbers_that_json_lacks(tmp_path, scores):
    block = blocks_of("table2_synthesis", scores, folder=tmp_path)["paper"]
    assert json_cell(block, "real_t1ce", "PSNR whole")["value"] == "Infinity"


def test_without_published_numbers_a_cell_has_none():
    assert published_number(math.nan, "dice") == ""


# Table VIII


def test_every_metric_with_scores_is_a_column_in_the_registrys_order(tmp_path, strict):
    scores = frame(
        strict.drop(columns=["subject", "repeat", "fold"]).to_numpy().tolist(),
        dice("unet", [1.0, 2.0], "et", metric="volume_difference", protocol="strict"),
        dice("unet", [3.0, 4.0], metric="hd95", region="et", protocol="strict"),
        dice("unet", [9.0, 9.0], metric="hd95", protocol="paper"),
        similarity("cutgan", [0.1, 0.2], "brain", "strict", "mae"),
        similarity("copy_t1", [0.3, 0.5], "brain", "strict", "mae"),
        similarity("real_t1ce", [0.0, 0.0], "brain", "strict", "mae"),
    )
    blocks = blocks_of("table8_metrics", scores, folder=tmp_path)
    assert list(blocks) == ["synthesis", "segmentation"]
    heads = {name: [c["title"] for c in block["columns"]] for name, block in blocks.items()}
    assert heads["synthesis"] == ["n", "MAE brain"]
    assert heads["segmentation"] == ["n", "Dice WT", "HD95 ET", "Volume difference ET"]
    roles = [row["role"] for row in blocks["synthesis"]["rows"]]
    assert (roles[0], roles[-1]) == ("floor", "ceiling")
    assert not [row for row in blocks["segmentation"]["rows"] if row["status"] == "quoted"]
    mae = json_cell(blocks["synthesis"], "cutgan", "MAE brain")
    assert mae["best"] and mae["n"] == 2 and mae["interval"] is not None
    assert json_cell(blocks["segmentation"], "cutgan+unet", "Dice WT")["text"] == "0.519*"


def test_a_metrics_file_alone_gives_it_a_column(tmp_path, monkeypatch, strict):
    metrics = read_metrics()
    new = metrics["dice"].model_copy(update={"name": "kappa", "title": "Kappa", "digits": 1})
    known = metrics | {"kappa": new}
    for module in ("measures", "formatting", "tables._means", "tables.table8_metrics"):
        monkeypatch.setattr(f"benchmarks.reporting.{module}.read_metrics", lambda: known)
    scores = frame(
        strict.drop(columns=["subject", "repeat", "fold"]).to_numpy().tolist(),
        dice("unet", [0.5, 0.7], metric="kappa", protocol="strict"),
    )
    block = blocks_of("table8_metrics", scores, folder=tmp_path)["segmentation"]
    assert json_cell(block, "unet", "Kappa WT")["text"] == "0.6 [2]"


def test_each_metric_is_shown_of_its_own_postprocessing(tmp_path):
    rows = []
    for postprocessing, value in (("lcc", 0.5), ("none", 0.9)):
        for metric in ("dice", "lesion_dice"):
            scored = dice("unet", [value] * 3, "et", metric=metric, protocol="strict")
            rows += [[*row[:8], postprocessing, *row[9:]] for row in scored]
    block = blocks_of("table8_metrics", frame(rows), folder=tmp_path)["segmentation"]
    assert json_cell(block, "unet", "Dice ET")["value"] == 0.5
    assert json_cell(block, "unet", "Lesion Dice ET")["value"] == 0.9
    text = (tmp_path / "table8_metrics.md").read_text()
    assert "- Of the whole prediction, not of its largest component: Lesion Dice.\n" in text


def test_table_eight_without_scores_has_no_block_and_no_error(tmp_path):
    texts = written(tmp_path, "table8_metrics", frame())
    assert "|" not in texts[".md"]
    check_latex(texts[".tex"], tables=0)


def test_measures_are_worked_out_once_per_results(monkeypatch, strict):
    results, calls = made_up_results(strict, ROWS), []
    original = measures.measure_columns
    monkeypatch.setattr(
        measures, "measure_columns", lambda *given: calls.append(given) or original(*given)
    )
    for name in ("table3_segmentation", "table5_statistics", "table6_reproduced"):
        sheet_of(name, results)
    assert len(calls) == 3 * 2, "three tables under two protocols"


def test_values_by_patient_are_means_over_seeds_in_the_order_of_rows():
    scores = frame(
        dice("mine+unet", [0.2, 0.4]),
        dice("unet", [0.5, np.nan], seed=0),
        dice("unet", [0.7, 0.1], seed=1),
    )
    values = measures.by_patient(made_up_results(scores, ROWS), "dice", "wt", "paper")
    assert list(values.columns) == ["mine+unet", "unet"]
    assert values["unet"].tolist() == pytest.approx([0.6, 0.1])
