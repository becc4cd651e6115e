"""The table of conventions, from made-up scores, against ranks worked out by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from made_up_scores import check_latex, frame, made_up_results, write_table

from benchmarks.reporting.conventions import convention_table
from benchmarks.reporting.rows import Row
from benchmarks.scoring.metric import read_metrics

NAN = math.nan
COHORT = "BraTS2020, 369 patients, 74 of them test"
BOTH = ("synthesis", "segmentation")
ROWS = [
    Row("real", "real T1ce", "ceiling", tasks=BOTH),
    Row("a", "Alpha", "method", tasks=BOTH),
    Row("b", "Beta", "method", tasks=BOTH),
    Row("c", "Gamma", "method", tasks=BOTH),
    Row("copy", "copy T1", "floor", tasks=BOTH),
]


def results_of(scores, rows=ROWS):
    return made_up_results(scores, rows, description=COHORT)


def scored(run, metric, protocol, values, region="wt", after="lcc"):
    task = read_metrics()[metric].task
    region, after = ("whole", "") if task == "synthesis" and region == "wt" else (region, after)
    after = "" if task == "synthesis" else after
    return [
        [run, 0, f"p{i}", "", protocol, task, region, metric, after, value, ""]
        for i, value in enumerate(values)
    ]


def shown(table, metric, convention, column, region="wt"):
    of = table[
        (table.metric == metric) & (table.convention == convention) & (table.region == region)
    ]
    return dict(zip(of["run"], of[column], strict=True))


@pytest.fixture
def swapped():
    """Dice of WT: a, b, c under strict; c, b, a where slices are averaged."""
    order = {"a": 0.8, "b": 0.7, "c": 0.6}
    return frame(
        *(scored(s, "dice", "strict", [v, v + 0.1]) for s, v in order.items()),
        *(scored(s, "dice", "slice_dice", [1 - v, NAN]) for s, v in order.items()),
        *(scored(s, "dice", "strict", [0.5, 0.5], after="none") for s in "abc"),
        scored("copy", "dice", "strict", [0.1, 0.1]),
        scored("real", "dice", "strict", [0.9, 0.9]),
    )


def test_ranks_are_those_of_the_methods_under_each_convention(swapped):
    table = convention_table(results_of(swapped))
    strict = shown(table, "dice", "strict", "rank")
    assert list(strict) == ["copy", "a", "b", "c", "real"]
    assert [strict[s] for s in "abc"] == [1, 2, 3]
    assert np.isnan([strict["copy"], strict["real"]]).all()
    changed = shown(table, "dice", "slice_dice", "rank")
    assert [changed[s] for s in "abc"] == [3, 2, 1]
    assert shown(table, "dice", "slice_dice", "n")["a"] == 1
    assert shown(table, "dice", "slice_dice", "mean")["a"] == pytest.approx(0.2)


def test_agreement_is_kendalls(swapped):
    table = convention_table(results_of(swapped))
    taus = {name: shown(table, "dice", name, "tau")["a"] for name in ("strict", "slice_dice")}
    assert taus == pytest.approx({"strict": 1, "slice_dice": -1})
    equal = shown(table, "dice", "all_components", "rank")
    assert [equal[s] for s in "abc"] == [1, 1, 1]
    assert math.isnan(shown(table, "dice", "all_components", "tau")["a"])


def test_scores_that_are_there_anyway_are_shown_under_their_convention():
    scores = frame(
        scored("a", "ssim", "strict", [0.9], region="whole"),
        scored("a", "ssim", "strict", [0.3], region="et"),
        scored("a", "ssim", "paper", [0.8], region="whole"),
        scored("a", "dice", "strict", [0.5]),
        scored("a", "dice", "strict", [0.4], after="none"),
        scored("a", "dice_brats", "strict", [0.6]),
    )
    table = convention_table(results_of(scores))
    synthesis = table[(table.metric == "ssim") & (table.run == "a")]
    means = dict(zip(synthesis.convention, synthesis["mean"], strict=True))
    assert means == {"strict": 0.9, "paper": 0.8, "et": 0.3}
    overlap = table[(table.metric == "dice") & (table.region == "wt") & (table.run == "a")]
    means = dict(zip(overlap.convention, overlap["mean"], strict=True))
    assert means == {"strict": 0.5, "all_components": 0.4, "every_value": 0.5, "brats": 0.6}


@pytest.fixture
def written(tmp_path):
    def texts(scores, rows=ROWS):
        return write_table(tmp_path, "table7_conventions", results_of(scores, rows))

    return texts


def line(text, start):
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in found.split("|")[2:-1]]


def test_the_page_shows_means_ranks_and_agreement(swapped, written):
    text = written(swapped)[".md"]
    assert text.startswith(
        f"# Table VII. How much each number depends on the scoring convention: {COHORT}.\n"
    )
    assert line(text, "  ") == ["n", "strict", "slice mean", "all components"]
    assert line(text, "floor: copy T1") == ["2", "0.100", "–", "–"]
    assert line(text, "Alpha") == ["2", "**0.850 (1)**", "0.200 [1] (3)", "**0.500 (1)**"]
    assert line(text, "tau with strict") == ["", "1.00", "-1.00", "–"]
    assert "slice mean (Dice): Dice of each slice" in text
    assert "min-max (SSIM, PSNR): Each slice" not in text
    assert "Without scores here, so without a column: paper; brain;" in text
    assert "[k]: mean over k" in text and "∞" not in text


def test_what_failed_or_was_not_run_is_said(swapped, written):
    failed = Row("d", "Delta", "method", tasks=BOTH, failure="train: loss is NaN")
    unrun = Row("e", "Epsilon", "method", tasks=BOTH)
    text = written(swapped, [*ROWS, failed, unrun])[".md"]
    assert line(text, "Delta") == ["failed", "–", "–", "–"]
    assert line(text, "Epsilon") == ["not run here", "–", "–", "–"]
    assert "Delta failed: train: loss is NaN." in text


def test_an_identical_volume_is_first_and_one_method_has_no_order(written, tmp_path):
    scores = frame(
        scored("a", "psnr", "strict", [math.inf, 20]), scored("b", "psnr", "strict", [30, 30])
    )
    text = written(scores)[".md"]
    assert line(text, "Alpha")[1] == "**∞ (1)**"
    assert "∞: at least" in text
    alone = written(frame(scored("a", "psnr", "strict", [20, 20])), ROWS[1:2])[".md"]
    assert line(alone, "tau with strict") == ["", "–"]


def test_without_the_base_nothing_is_compared(written):
    text = written(frame(scored("a", "dice", "paper", [0.5]), scored("b", "dice", "paper", [0.6])))
    assert line(text[".md"], "tau with strict") == ["", "–"]


def test_no_score_at_all_gives_no_block_and_no_error(written):
    text = written(frame())[".md"]
    assert "|" not in text.partition("\n- ")[0]


def test_latex_is_even_and_ascii(swapped, written):
    text = written(swapped)[".tex"]
    check_latex(text, tables=1)
    assert "?" not in text


def test_the_csv_is_long_and_has_all(swapped, written, tmp_path):
    written(swapped)
    rows = pd.read_csv(tmp_path / "table7_conventions.csv")
    assert not rows.duplicated(["metric", "region", "convention", "run"]).any()
    assert set(rows["cohort"]) == {"made-up cohort"}
    assert len(rows) == 4 * len(ROWS)
    assert set(rows.loc[rows["alike"], "convention"]) == {"every_value"}


def test_json_cells_hold_mean_n_and_the_first(swapped, written):
    content = json.loads(written(swapped)[".json"])
    rows = {row["label"]: row for row in content["blocks"][0]["rows"]}
    strict, changed = rows["Alpha"]["cells"][1:3]
    assert (strict["value"], strict["n"], strict["best"]) == (pytest.approx(0.85), 2, True)
    assert (changed["value"], changed["n"], changed["best"]) == (pytest.approx(0.2), 1, False)
    agreement = rows["tau with strict"]
    assert (agreement["run"], agreement["role"]) == ("", "")
    assert agreement["cells"][2]["value"] == -1
