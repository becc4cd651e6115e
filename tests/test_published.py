"""published.yaml: complete, plausible, in step with what is known of the paper."""

import pytest
import yaml

from benchmarks.errors import InputError
from benchmarks.reporting.published import PUBLISHED, read_published


@pytest.fixture(scope="module")
def published():
    return read_published()


@pytest.fixture
def edited(tmp_path):
    """Writes a copy of the file after `edit(content)` and returns its path."""

    def write(edit):
        content = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
        edit(content)
        path = tmp_path / "published.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


def rows(content, name):
    return content["tables"][name]["rows"]


def test_every_row_of_the_paper_is_there_in_its_order(published):
    assert {name: published.table(name).runs for name in published.names()} == {
        "table1_ablation": [
            "unet", "cutgan+unet", "maf_net.average+unet", "maf_net+unet", "maf_net.joint",
        ],
        "table2_synthesis": ["drit", "cutgan", "cyclegan", "maf_net.joint"],
        "table3_segmentation": [
            "mgp_vae+unet", "latent_correlation",
            "drit+unet", "cyclegan+unet", "cutgan+unet", "maf_net.joint",
        ],
    }  # fmt: skip
    rows = published.table("table3_segmentation").rows
    quoted = {row.label: row.run for row in rows if row.quoted}
    assert quoted == {"Hamghalam et al.": "mgp_vae+unet", "Zhou et al.": "latent_correlation"}
    assert {"mgp_vae", "latent_correlation"} <= published.methods


def test_the_numbers_of_the_abstract(published):
    dice = {("dice", "wt"): 0.880, ("dice", "et"): 0.418, ("dice", "tc"): 0.679}
    assert published.table("table3_segmentation").rows[-1].numbers() == dice
    assert dice.items() <= published.table("table1_ablation").rows[-1].numbers().items()
    synthesis = published.table("table2_synthesis").rows[-1].numbers()
    assert synthesis == {("ssim", "whole"): 0.8879, ("psnr", "whole"): 22.78}


def test_metrics_follow_from_the_rows(published):
    metrics = {name: published.table(name).metrics for name in published.names()}
    assert metrics == {
        "table1_ablation": ["dice", "assd"],
        "table2_synthesis": ["ssim", "psnr"],
        "table3_segmentation": ["dice"],
    }


def test_all_fifty_six_numbers_of_the_paper_are_there(published):
    counts = {
        name: sum(len(row.numbers()) for row in published.table(name).rows)
        for name in published.names()
    }
    assert counts == {"table1_ablation": 30, "table2_synthesis": 8, "table3_segmentation": 18}


def test_numbers_are_where_such_numbers_are(published):
    ranges = {"dice": (0.1, 1), "assd": (0.5, 40), "ssim": (0.5, 1), "psnr": (10, 40)}
    for name in published.names():
        for row in published.table(name).rows:
            for (metric, _), number in row.numbers().items():
                low, high = ranges[metric]
                assert low < number < high, (name, row.label, metric)


def test_one_run_has_the_same_dice_in_tables_one_and_three(published):
    ablation = {row.run: row.dice for row in published.table("table1_ablation").rows}
    comparison = {row.run: row.dice for row in published.table("table3_segmentation").rows}
    for run in ("cutgan+unet", "maf_net.joint"):
        assert ablation[run] == comparison[run]
    assert ablation["maf_net.average+unet"].wt == comparison["cyclegan+unet"].wt


def test_the_fourth_row_has_the_best_whole_tumour_assd(published):
    assds = [row.assd.wt for row in published.table("table1_ablation").rows]
    assert assds[3] == 4.120 == min(assds)


def test_the_baselines_ssims_rise_in_the_papers_order(published):
    ssims = [row.ssim for row in published.table("table2_synthesis").rows[:-1]]
    assert ssims == [0.8417, 0.8432, 0.8574]


def test_the_ablation_alone_leaves_out_other_methods(published):
    assert [name for name in published.names() if not published.table(name).others] == [
        "table1_ablation"
    ]


def misspell(content):
    dice = rows(content, "table1_ablation")[0]["dice"]
    dice["wtt"] = dice.pop("wt")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (misspell, "`tables.table1_ablation.rows.0.dice.wtt`: there is no such key"),
        (misspell, "`tables.table1_ablation.rows.0.dice.wt`: this key is missing; add it"),
        (
            lambda content: rows(content, "table1_ablation")[4]["dice"].update(wt=88.0),
            "rows.4.dice.wt`: found 88.0. Input should be less than or equal to 1",
        ),
        (
            lambda content: rows(content, "table2_synthesis")[0].update(psnr=None),
            "rows.0.psnr`: found None. Input should be a valid number",
        ),
        (
            lambda content: rows(content, "table2_synthesis")[0].pop("where"),
            "rows.0.where`: this key is missing",
        ),
        (
            lambda content: rows(content, "table3_segmentation")[2].update(run=None),
            "a row without a run must be `quoted: true`",
        ),
        (
            lambda content: rows(content, "table3_segmentation")[1].pop("t1ce"),
            "write `t1ce` in each row of a table, or in none",
        ),
        (
            lambda content: rows(content, "table2_synthesis")[0].update(run="CycleGAN"),
            "rows.0.run`: found 'CycleGAN'. String should match pattern",
        ),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(edited, edit, said):
    path = edited(edit)
    with pytest.raises(InputError) as error:
        read_published(path)
    assert f"{path}, line " in str(error.value)
    assert said in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml is not valid: it cannot be read"):
        read_published(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("paper: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.yaml is not valid"):
        read_published(broken)
