"""What is claimed of pairs of made-up rows whose differences are known: verdicts, words, files."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from made_up_scores import check_latex, frame, made_up_results, sheet_of, write_table
from PIL import Image
from scipy import stats
from test_page import browser, in_chromium, manifest  # noqa: F401

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.reporting import claims as claims_module
from benchmarks.reporting.catalogue import catalogue
from benchmarks.reporting.claims import (
    BETTER,
    INFINITE,
    MAYBE,
    OPEN,
    TOO_FEW,
    VERDICTS,
    against,
    claims,
    compared_columns,
    references,
    variation,
)
from benchmarks.reporting.figures import claims as figures
from benchmarks.reporting.figures.claims import figure
from benchmarks.reporting.page.claims import claimed
from benchmarks.reporting.page.write import write_page
from benchmarks.reporting.rows import Row
from benchmarks.reporting.sheet import write_sheet
from benchmarks.scoring.statistics import holm

SYNTHESIS, SEGMENTATION = ("synthesis",), ("segmentation",)


def behind(run, label, role="method", frozen=False):
    run, end, said = f"{run}+unet", ".frozen" if frozen else "", ", frozen" if frozen else ""
    return Row(
        run + end, f"{label} + UNet{said}", role, "segmentation", SEGMENTATION,
        upstream=run.partition("+")[0], segmentor="unet", frozen=frozen,
    )  # fmt: skip


SYNTHESES = [
    Row("copy_t1", "T1 copied", "floor", "control", SYNTHESIS, trained=False),
    Row("one", "One", "method", tasks=SYNTHESIS),
    Row("two", "Two", "method", tasks=SYNTHESIS),
    Row("real_t1ce", "Real T1ce", "ceiling", "control", SYNTHESIS, trained=False),
]
SEGMENTED = [behind(row.run, row.label, row.role) for row in SYNTHESES]
UNET = Row("unet", "UNet", "method", "segmentation", SEGMENTATION)
ROWS = [*SYNTHESES, *SEGMENTED, UNET]
FROZEN = [behind(row.run, row.label, row.role, frozen=True) for row in SYNTHESES[:3]]
# Of 14 patients: distinct differences, so that Wilcoxon's test is exact and quick.
RNG = np.random.default_rng(5)
PATIENTS = RNG.normal(0.5, 0.1, 14)
NOISE = RNG.normal(0, 0.01, (8, 14))
EQUAL = np.array([-1, 1] * 7) * (0.02 + 0.001 * np.arange(14))


def scored(run, values, metric="dice", region="et", replicate=0, first=0):
    task = "synthesis" if metric in ("psnr", "ssim") else "segmentation"
    after = "lcc" if task == "segmentation" else ""
    return [
        [run, replicate, f"P{place:02}", "", "strict", task, region, metric, after, value, ""]
        for place, value in enumerate(values, first)
    ]


def results_of(*scores, rows=ROWS, **given):
    return made_up_results(frame(*scores), rows, protocols=("strict",), **given)


def everything(**given):
    """Scores of all columns: the ceiling leads, the floor is last, One and Two are equal."""
    level = {"copy_t1": -0.2, "one": 0, "two": 0, "real_t1ce": 0.2, "unet": -0.1}
    scores = []
    for place, row in enumerate([*ROWS, *FROZEN]):
        noise = NOISE[place % 8] + (EQUAL if row.run.startswith("two") else 0)
        values = PATIENTS + level[row.run.partition("+")[0]] + noise
        if "synthesis" in row.tasks:
            psnr = np.full(14, np.inf) if row.role == "ceiling" else 20 + 10 * values
            scores += scored(row.run, psnr, "psnr", "brain")
            scores += scored(row.run, values, "ssim", "brain")
        else:
            for region in ("wt", "tc", "et"):
                scores += scored(row.run, values, region=region)
    return results_of(scores, rows=[*ROWS, *FROZEN], **given)


@pytest.fixture(scope="module")
def results():
    return everything()


def pair(results, one, other, metric="dice", region="et", utility="retrained"):
    """The only pair of two runs in a column."""
    of = claims(results).query("metric == @metric and region == @region and utility == @utility")
    (found,) = of[of["a"].isin([one, other]) & of["b"].isin([one, other])].to_dict("records")
    return found


# ------------------------------------------------------------------ verdicts


def test_every_pair_of_every_column_is_compared_once(results):
    names = [column.name for column in compared_columns(results)]
    assert names == [
        "psnr_brain", "ssim_brain",
        *(f"dice_{region}_retrained" for region in ("wt", "tc", "et")),
        *(f"dice_{region}_frozen" for region in ("wt", "tc", "et")),
    ]  # fmt: skip
    for column in compared_columns(results):
        pairs = column.of(claims(results))
        wanted = {frozenset(two) for two in combinations(column.runs, 2)}
        assert {frozenset(two) for two in zip(pairs["a"], pairs["b"], strict=True)} == wanted
        assert len(pairs) == len(wanted) == len(column.runs) * (len(column.runs) - 1) / 2
    assert set(claims(results)["verdict"]) <= set(VERDICTS)


def test_a_clear_difference_is_claimed_and_an_equal_one_is_not(results):
    clear = pair(results, "one+unet", "real_t1ce+unet")
    assert (clear["a"], clear["verdict"]) == ("real_t1ce+unet", BETTER)
    assert clear["difference"] == pytest.approx(0.2, abs=0.02)
    assert clear["low"] > 0.15 and clear["beats"] > 0.99 and clear["false_claim"] < 0.001
    equal = pair(results, "one+unet", "two+unet")
    assert equal["verdict"] == OPEN and equal["difference"] >= 0
    assert equal["low"] < 0 < equal["high"] and equal["p_corrected"] > 0.05
    assert equal["false_claim"] > 0.1


def test_p_is_scipys_corrected_for_all_pairs_of_the_column(results):
    column = next(one for one in compared_columns(results) if one.name == "dice_et_retrained")
    pairs = column.of(claims(results))
    raw = [
        stats.wilcoxon(column.scores[a][0] - column.scores[b][0]).pvalue
        for a, b in zip(pairs["a"], pairs["b"], strict=True)
    ]
    assert len(raw) == 10 and pairs["p"].tolist() == pytest.approx(raw)
    assert pairs["p_corrected"].tolist() == pytest.approx(holm(np.array(raw)).tolist())


def test_too_few_patients_claim_nothing_whatever_the_scores():
    """Of 8 patients the smallest p is 1/128: times 3 it is below 0.05, times 10 it is not."""
    values = {run.run: PATIENTS[:8] + 0.1 * place + NOISE[place, :8]
              for place, run in enumerate([*SEGMENTED, UNET])}  # fmt: skip
    three = results_of(*(scored(run, values[run]) for run in list(values)[:3]))
    assert set(claims(three)["verdict"]) == {BETTER}
    assert claims(three)["p_corrected"].tolist() == pytest.approx([3 / 128] * 3)
    five = claims(results_of(*(scored(run, of) for run, of in values.items())))
    assert set(five["verdict"]) == {TOO_FEW}
    assert (
        "so few patients cannot bring p, corrected for 10 pairs of rows, below"
        in (five["sentence"].iloc[0])
    )


def test_one_patient_and_no_patient_in_common():
    alone = claims(results_of(scored("one+unet", [0.3]), scored("two+unet", [0.4])))
    assert alone["verdict"].tolist() == [TOO_FEW] and "this 1 patient" in alone["sentence"][0]
    apart = results_of(scored("one+unet", [0.3, 0.4]), scored("two+unet", [0.4], first=5))
    assert claims(apart).empty and len(variation(apart)) == 2
    assert "Fewer than two rows" in figure(apart).axes[0].texts[0].get_text()
    assert claims(results_of()).empty and variation(results_of()).empty


def test_an_infinite_difference_is_neither_tested_nor_drawn(results):
    infinite = pair(results, "one", "real_t1ce", "psnr", "brain", "")
    assert (infinite["a"], infinite["verdict"]) == ("real_t1ce", INFINITE)
    assert infinite["difference"] == np.inf and np.isnan(infinite["p"])
    assert infinite["sentence"] == (
        "PSNR brain of Real T1ce is infinite, as where a volume equals its reference, so the "
        "difference of Real T1ce from One has no interval and no test."
    )
    finite = pair(results, "one", "copy_t1", "psnr", "brain", "")
    assert finite["verdict"] == BETTER
    # The three finite pairs alone count.
    assert finite["p_corrected"] == pytest.approx(3 * 2**-13)
    of = variation(results).query("metric == 'psnr' and run == 'real_t1ce'")
    assert of["mean"].item() == np.inf and np.isnan(of["sd_patients"].item())


def test_where_lower_is_better_a_has_the_lower_mean(monkeypatch):
    monkeypatch.setitem(claims_module.MAIN, "segmentation", (("assd", "wt"),))
    made = results_of(
        scored("one+unet", 3 + PATIENTS, "assd", "wt"),
        scored("two+unet", 5 + PATIENTS + NOISE[0], "assd", "wt"),
    )
    (found,) = claims(made).to_dict("records")
    assert (found["a"], found["verdict"]) == ("one+unet", BETTER)
    assert found["difference"] == pytest.approx(-2, abs=0.02)
    assert found["low"] < found["difference"] < found["high"] < 0
    assert found["effect"] == 1 and found["beats"] > 0.99
    assert "One + UNet beats Two + UNet in ASSD WT (difference -2.0" in found["sentence"]


def test_a_difference_that_seeds_may_reverse_is_no_claim():
    """Beyond chance on the mean of 30 trainings, of which two in five reverse it."""
    shifts = np.resize([0.04, 0.05, 0.045, -0.03, -0.025], 30)
    scores = [
        scored(run, PATIENTS + (shift if run == "one+unet" else 0), replicate=seed)
        for seed, shift in enumerate(shifts)
        for run in ("one+unet", "two+unet")
    ]
    (found,) = claims(results_of(*scores)).to_dict("records")
    assert (found["a"], found["verdict"]) == ("one+unet", MAYBE)
    assert found["p_corrected"] < 0.05 and 0.5 < found["beats"] < 0.75
    assert found["beats"] == pytest.approx(stats.norm.cdf(shifts.mean() / shifts.std(ddof=1)))
    assert "only, less than 0.75." in found["sentence"]


# ----------------------------------------------------------------- in words


def test_one_training_does_not_cover_another_seed(results):
    clear, equal = (pair(results, "one+unet", run) for run in ("real_t1ce+unet", "two+unet"))
    assert clear["sentence"].startswith(
        "With these 14 patients and one training of each, Real T1ce + UNet beats One + UNet in "
        "Dice ET (difference 0.2"
    )
    assert clear["sentence"].endswith(
        "): on 14 new patients it would lead with probability above 0.99. "
        "Another seed is not covered."
    )
    assert " cannot be told from " in equal["sentence"]
    assert equal["sentence"].endswith("). Another seed is not covered.")
    controls = pair(results, "copy_t1", "real_t1ce", "ssim", "brain", "")
    assert controls["sentence"].startswith("With these 14 patients, Real T1ce beats T1 copied")
    assert "seed" not in controls["sentence"], "nothing is trained"


def test_several_seeds_and_folds_are_counted():
    def trained(replicates, members):
        shift = {"one+unet": 0.2, "two+unet": 0.0}
        return results_of(*(
            scored(run, PATIENTS[members(r)] + shift[run] + NOISE[2 * r.seed + (run[0] == "o"),
                   members(r)], replicate=r, first=members(r).start)
            for r in replicates for run in shift
        ))  # fmt: skip

    seeds = trained([Replicate(seed) for seed in range(4)], lambda r: slice(0, 14))
    (found,) = claims(seeds).to_dict("records")
    assert (found["trainings"], found["seeds"], found["folds"]) == (4, 4, 1)
    assert found["verdict"] == BETTER
    assert found["sentence"].startswith("With these 14 patients and 4 seeds, One + UNet beats")
    assert "in a new training of both and on 14 new patients it would lead" in found["sentence"]
    assert "not covered" not in found["sentence"]
    spread = variation(seeds).iloc[0]
    assert spread["sd_seeds"] >= 0 and np.isnan(spread["sd_splits"])

    halves = [Replicate(seed, Place(0, fold)) for seed in (0, 1) for fold in (0, 1)]
    folds = trained(halves, lambda r: slice(7 * r.place.fold, 7 * r.place.fold + 7))
    (found,) = claims(folds).to_dict("records")
    assert (found["pairs"], found["trainings"], found["folds"]) == (14, 4, 2)
    assert found["sentence"].startswith("With these 14 patients, 2 seeds and 2 folds, One")
    assert "One split" not in " ".join(sheet_of("table10_claims", folds).notes)
    assert "One split" in " ".join(sheet_of("table10_claims", seeds).notes)


def test_a_control_with_one_training_is_paired_with_every_seed():
    scores = [
        scored("one", PATIENTS + NOISE[seed], "ssim", "brain", replicate=seed) for seed in range(3)
    ]
    (found,) = claims(
        results_of(*scores, scored("copy_t1", PATIENTS - 0.3 + NOISE[4], "ssim", "brain"))
    ).to_dict("records")
    assert (found["a"], found["trainings"], found["verdict"]) == ("one", 3, BETTER)
    assert "and 3 seeds, One beats T1 copied" in found["sentence"]
    assert "in a new training and on 14 new patients" in found["sentence"]


# ------------------------------------------------- references, table, figure


def test_turned_pairs_say_the_same_of_the_other_row(results):
    column = next(one for one in compared_columns(results) if one.name == "dice_wt_retrained")
    pairs = column.of(claims(results))
    turned = against(pairs, "real_t1ce+unet").set_index("a")
    assert set(turned["b"]) == {"real_t1ce+unet"} and len(turned) == 4
    assert set(turned["verdict"]) == {"B is better"} and (turned["high"] < 0).all()
    assert (turned["beats"] < 0.01).all() and (turned["effect"] == -1).all()
    floor = against(pairs, "copy_t1+unet").set_index("a")
    assert set(floor["verdict"]) == {BETTER} and (floor["low"] > 0).all()
    one = turned.loc["copy_t1+unet", ["difference", "low", "high", "p", "false_claim"]]
    other = floor.loc["real_t1ce+unet", ["difference", "high", "low", "p", "false_claim"]]
    assert (one * [-1, -1, -1, 1, 1]).tolist() == pytest.approx(other.tolist())


def test_the_references_are_ceiling_floor_best_and_the_segmentor_without_t1ce(results):
    found = {column.name: references(results, column) for column in compared_columns(results)}
    assert found["dice_et_retrained"] == {
        "ceiling": "real_t1ce+unet", "floor": "copy_t1+unet",
        "best": variation(results).query(
            "best and region == 'et' and utility == 'retrained'")["run"].item(),
        "no T1ce": "unet",
    }  # fmt: skip
    assert set(found["ssim_brain"]) == {"ceiling", "floor", "best"}
    assert found["dice_et_frozen"]["ceiling"] == "real_t1ce+unet"
    assert found["dice_et_frozen"]["floor"] == "copy_t1+unet.frozen"


def test_the_table_prints_some_pairs_and_its_csv_has_all(tmp_path, results):
    sheet = sheet_of("table10_claims", results)
    names = [column.name for column in compared_columns(results)]
    spreads = ["variation_synthesis", "variation_retrained", "variation_frozen"]
    assert [block.name for block in sheet.blocks] == names + spreads
    csv = sheet.csv
    assert (csv["block"] == "claims").sum() == len(claims(results)) == 2 * 6 + 3 * 10 + 3 * 6
    assert csv.loc[csv["block"] == "claims", "sentence"].str.endswith(".").all()
    (et,) = (block for block in sheet.blocks if block.name == "dice_et_retrained")
    assert {row.cells[0].text for row in et.rows} == {"ceiling", "floor", "best", "no T1ce"}
    ceiling = {row.label: row.cells for row in et.rows if row.cells[0].text == "ceiling"}
    assert list(ceiling) == [
        "floor: T1 copied + UNet", "One + UNet", "Two + UNet", "UNet",
    ]  # fmt: skip
    one = ceiling["One + UNet"]
    assert one[-1].text == "B is better" and one[1].text.startswith("-0.2")
    low, high = one[1].interval
    assert f"[{low:.3f} to {high:.3f}]" in one[1].text and one[2].value < 0.05
    assert "The CSV has all pairs" in sheet.notes[0]
    assert any("do not cover another seed" in note for note in sheet.notes)
    assert set(sheet.runs) == {row.run for row in [*ROWS, *FROZEN]}
    written = write_table(tmp_path, "table10_claims", results)
    check_latex(written[".tex"], len(names + spreads))
    json.loads(written[".json"])


def test_variation_is_of_patients_and_seeds():
    """Patients of SD 0.1, seeds of SD 0.05 and nothing else: the components by hand."""
    patients, seeds = np.linspace(0.3, 0.7, 14), np.array([-0.05, 0.0, 0.05])
    made = results_of(*(
        scored("one+unet", patients + shift, replicate=seed) for seed, shift in enumerate(seeds)
    ))  # fmt: skip
    (row,) = variation(made).to_dict("records")
    assert row["sd_patients"] == pytest.approx(patients.std(ddof=1))
    assert row["sd_seeds"] == pytest.approx(0.05)
    assert row["sd_residual"] == pytest.approx(0, abs=1e-6) and np.isnan(row["sd_splits"])
    (block,) = sheet_of("table10_claims", made).blocks[1:]
    assert [head.title for head in block.columns] == [
        "n", "Dice ET: patients", "Dice ET: seeds", "Dice ET: residual", "rank",
    ]  # fmt: skip
    assert [cell.text for cell in block.rows[0].cells[2:]] == ["0.050", "0.000", "1 (100%)"]


def test_the_figure_draws_every_finite_pair_with_its_verdict(results):
    made = figure(results)
    axes = [ax for ax in made.axes if ax.get_xlabel()]
    ids = [{line.get_gid() for line in ax.lines if ":" in str(line.get_gid())} for ax in axes]
    assert len(axes) == 6
    for name in ("dice_et_retrained", "dice_et_frozen"):
        (column,) = (one for one in compared_columns(results) if one.name == name)
        for drawn, run in zip(ids[:3], list(references(results, column).values())[:3], strict=True):
            wanted = {f"{name}:{one}:{run}" for one in column.runs if one != run}
            assert {gid for gid in drawn if gid.startswith(name)} == wanted
    assert ids[3] == set() and "infinite" in axes[3].texts[0].get_text()
    assert ids[4] == {"psnr_brain:one:copy_t1", "psnr_brain:two:copy_t1"}
    labels = [label.get_text() for label in axes[0].get_yticklabels()]
    assert labels == [
        "floor: T1 copied + UNet", "One + UNet", "Two + UNet", "UNet", "ceiling: Real T1ce + UNet",
    ]  # fmt: skip
    assert "another seed is not covered" in made.caption.text


def test_every_verdict_has_a_colour_and_the_key_stays_on_the_page(monkeypatch, results):
    pairs = claims(results).copy()
    pairs["verdict"] = np.resize(VERDICTS[:4], len(pairs))
    monkeypatch.setattr(figures, "claims", lambda _: pairs)
    made = figure(results)
    made.canvas.draw()
    (key,) = (ax.legend_ for ax in made.axes if ax.legend_)
    box = key.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= made.bbox.width
    assert [text.get_text() for text in key.get_texts()] == [
        "better", "worse", "may be better", "may be worse", OPEN, TOO_FEW, "retrained", "frozen",
    ]  # fmt: skip
    drawn = {line.get_color() for ax in made.axes[:6] for line in ax.lines if line.get_gid()}
    assert len(drawn) == 6


def test_table_and_figure_are_in_the_catalogue():
    found = {item.name: item for item in catalogue()}
    assert found["table10_claims"].kind == "table" and found["claims"].kind == "figure"
    assert found["table10_claims"].function and found["claims"].function is figure


def test_claims_are_of_the_benchmarks_own_rows_alone(results):
    """A condition has rows, and values of its own, which no pair takes."""
    other = everything()
    with_conditions = replace(results, conditions={"t1ce_2": replace(other, rows=other.rows[:3])})
    pd.testing.assert_frame_equal(claims(with_conditions), claims(results))


# ------------------------------------------------------------------ the page


def test_the_page_has_every_sentence_those_of_the_best_first(results):
    listed = claimed(results)
    assert [one["title"] for one in listed][2:6] == [
        "Dice WT", "Dice TC", "Dice ET", "Dice WT (frozen segmentor)",
    ]  # fmt: skip
    assert sum(len(one["pairs"]) for one in listed) == len(claims(results))
    et = listed[4]
    of_best = [et["best"] in (a, b) for a, b, *_ in et["pairs"]]
    assert of_best == sorted(of_best, reverse=True) and sum(of_best) == 4
    a, b, verdict, sentence = et["pairs"][0]
    assert et["rows"][a] in sentence and et["rows"][b] in sentence and verdict in VERDICTS
    json.dumps(listed, allow_nan=False)


@pytest.fixture(scope="module")
def page(tmp_path_factory, results):
    made = tmp_path_factory.mktemp("tables")
    write_sheet(made, "table10_claims", sheet_of("table10_claims", results))
    Image.new("L", (8, 8)).save(made / "claims.png")
    (made / "claims.pdf").write_bytes(b"%PDF-")
    (made / "claims.md").write_text("**Claims.** A note.\n")
    (made / "claims.tex").touch()
    return write_page(made / "page", replace(results, patients={}), manifest(), made, made)


def test_a_page_without_the_table_has_no_sentences(page, tmp_path, results):
    text = (page.parent / "data.js").read_text()
    assert "cannot be told from" in text and '"claims":[{' in text
    other = write_page(tmp_path / "page", replace(results, patients={}), manifest(), tmp_path,
                       tmp_path)  # fmt: skip
    assert '"claims":[]' in (other.parent / "data.js").read_text()


@in_chromium
def test_sentences_are_folded_and_filtered(browser, page):  # noqa: F811
    browser.get(page.as_uri())
    browser.execute_script("globalThis.all = (at) => [...document.querySelectorAll(at)]"
                           ".map(one => one.textContent)")  # fmt: skip

    def shown(at):
        return browser.execute_script("return globalThis.all(arguments[0])", at)

    def choose(name, text):
        browser.execute_script(
            "const select = document.getElementById(arguments[0]);"
            "select.selectedIndex = [...select.options].findIndex(o => o.text === arguments[1]);"
            "select.dispatchEvent(new Event('change'))", name, text)  # fmt: skip

    folded = browser.find_element("id", "claims")
    assert folded.get_property("open") is False and shown("#claims summary") == [
        "What may be claimed"
    ]
    assert len(shown("#claims li")) == 6
    choose("claims-column", "Dice ET")
    assert len(shown("#claims li")) == 10
    headings = shown("#claims h3")
    assert headings[0].startswith("The best method, ") and headings[1] == "Other pairs"
    choose("claims-row", "UNet")
    sentences = shown("#claims li")
    assert len(sentences) == 4 and all("UNet" in one for one in sentences)
    choose("claims-column", "Dice WT")
    assert shown("#claims-row option:checked") == ["UNet"] and len(shown("#claims li")) == 4
    assert browser.get_log("browser") == []
