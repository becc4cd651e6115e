"""Verdicts on the published numbers, from made-up scores around them."""

import re

import numpy as np
import pandas as pd
import pytest
from made_up_scores import frame

from benchmarks.reporting.published import read_published
from benchmarks.reporting.reproduced import SIMULATED, reproduced_table, write_reproduced_table
from benchmarks.reporting.rows import System

COHORT = "BraTS2020, 369 patients, 74 of them test"
JOINT = System("maf_net.joint", "MAF-Net, joint", "entry")
BLOCK = System("maf_net+unet", "MAF-Net + UNet", "entry")
UNET = System("unet", "UNet", "entry")
SYSTEMS = [JOINT, BLOCK, UNET]
AROUND = np.array([-0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03])


def scored(system, values, metric="dice", region="wt", protocol="paper"):
    task = "synthesis" if metric in ("ssim", "psnr") else "segmentation"
    kept = "lcc" if task == "segmentation" else ""
    return [
        [system.id, 0, f"p{i}", "", protocol, task, region, metric, kept, value, ""]
        for i, value in enumerate(values)
    ]


@pytest.fixture(scope="module")
def published():
    return read_published()


@pytest.fixture
def verdict(published):
    """What is said of the joint network's Dice of WT, 0.880 in Table I."""

    def said(*scores, systems=SYSTEMS, simulated=False):
        rows = reproduced_table(published, "table1_ablation", frame(*scores), systems, simulated)
        return rows.query("system == @JOINT.id and region == 'wt'")["verdict"].item()

    return said


@pytest.fixture
def written(tmp_path, published):
    def texts(*scores, systems=SYSTEMS, simulated=False, numbers=published):
        paths = write_reproduced_table(
            tmp_path, numbers, frame(*scores), systems, COHORT, simulated
        )
        assert {path.stem for path in paths} == {"table6_reproduced"}
        return {path.suffix: path.read_text(encoding="utf-8") for path in paths}

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
    failed = System(JOINT.id, JOINT.label, "entry", "out of memory", ("segmentation",))
    assert verdict(systems=[failed, UNET]) == "failed"
    assert verdict(scored(JOINT, 0.88 + AROUND, protocol="strict")) == "not run here"


def test_simulated_patients_reproduce_nothing(verdict, written):
    same = scored(JOINT, 0.88 + AROUND)
    assert verdict(same, simulated=True) == SIMULATED
    assert verdict(scored(UNET, AROUND + 0.5), simulated=True) == "not run here"
    text = written(same, simulated=True)[".md"]
    assert "neither reproduced nor refuted" in text
    assert SIMULATED in text and "| reproduced |" not in text.replace("  ", "")
    assert "neither reproduced nor refuted" not in written(same)[".md"]


def test_every_number_that_is_known_has_a_row(published, tmp_path, written):
    written(scored(JOINT, 0.88 + AROUND))
    rows = pd.read_csv(tmp_path / "table6_reproduced.csv")
    known = [
        (name, row.label, metric, region, number)
        for name in published.names()
        for row in published.table(name).rows
        for (metric, region), number in row.numbers().items()
        if number is not None
    ]
    columns = ["table", "label", "metric", "region", "published"]
    assert sorted(rows[columns].itertuples(index=False, name=None)) == sorted(known)
    ours = rows[rows["verdict"] == "reproduced"]
    assert list(ours["table"]) == ["table1_ablation", "table3_segmentation"]
    assert ours["ours"].tolist() == pytest.approx([0.88, 0.88])
    assert ours["difference"].abs().max() < 1e-9
    assert (ours["low"] < 0.88).all() and (ours["high"] > 0.88).all()


def test_the_page_counts_the_numbers_that_could_not_be_read(published, written):
    numbers = [
        number
        for name in published.names()
        for row in published.table(name).rows
        for number in row.numbers().values()
    ]
    text = written()[".md"]
    unread = f"{numbers.count(None)} of {len(numbers)} published numbers could not be read"
    assert unread in text


def test_a_number_filled_in_gets_its_row_and_a_quoted_one_no_verdict(published, written):
    content = published.model_dump()
    rows = content["tables"]["table3_segmentation"]["rows"]
    rows[0]["dice"]["wt"], rows[0]["where"] = 0.9, "Table III, p. 4"
    rows[3]["dice"]["wt"], rows[3]["where"] = 0.8775, "Table III, p. 4"
    filled = type(published).model_validate(content)
    cutgan = System("cutgan+unet", "CUTGAN + UNet", "entry")
    text = written(scored(cutgan, 0.9 + AROUND), systems=[*SYSTEMS, cutgan], numbers=filled)[".md"]
    quoted = next(line for line in text.splitlines() if line.startswith("| Hamghalam"))
    assert quoted.split("|")[-2].strip() == "quoted"
    ours = next(line for line in text.splitlines() if line.startswith("| CUTGAN + UNet"))
    shown = [cell.strip() for cell in ours.split("|")[2:-1]]
    assert shown[:4] == ["III", "Dice WT", "0.8775", "0.9000"]
    assert shown[5:] == ["7", "+0.0225", "not reproduced: ours is higher"]


def test_the_page_shows_the_numbers_side_by_side(written):
    text = written(scored(BLOCK, [4.0, 4.1, 4.2, 4.3], metric="assd"))[".md"]
    assert text.startswith(f"# Table VI. Reproduced or not: {COHORT}.\n")
    line = next(line for line in text.splitlines() if line.startswith("| MAF-Block "))
    shown = [cell.strip() for cell in line.split("|")[2:-1]]
    assert shown[:4] == ["I", "ASSD WT", "4.12", "4.15"]
    assert shown[4] == "4.00–4.30"
    assert shown[5:] == ["4", "+0.03", "reproduced"]
    assert "of 4 it covers the mean" in text


def test_latex_is_even_and_ascii(written):
    text = written(scored(JOINT, 0.88 + AROUND))[".tex"]
    ((columns, body),) = re.findall(r"\\begin\{tabular\}\{(lr*)\}(.*?)\\end", text, re.DOTALL)
    rows = [line for line in body.splitlines() if line.endswith(r" \\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(columns) - 1}
    assert text.isascii()


def test_files_are_the_same_every_time(written):
    scores = scored(JOINT, 0.8 + AROUND), scored(BLOCK, 4 + AROUND, metric="assd")
    assert written(*scores) == written(*scores)
