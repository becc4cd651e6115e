"""Reference bands from ten made-up seeds: who is within, who is not, and what a verdict says."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.__main__ import main
from benchmarks.checksums import checksum
from benchmarks.config import load
from benchmarks.manifest import Check, Code, Data, File, Manifest, write_manifest
from benchmarks.reporting import bands
from benchmarks.reporting.bands import CELL, COLUMNS, allowed, bands_of, numbers_of
from benchmarks.reporting.measures import columns_of, postprocessing_of
from benchmarks.reporting.published import read_published
from benchmarks.reporting.scores import COLUMNS as SCORES
from benchmarks.scoring.metric import read_metrics

PATIENTS = [f"P{n}" for n in range(4)]
TRAINED = ("cutgan", "drit", "maf_net", "pix2pix", "unet_l1")
SYNTHESES = ("copy_t1", "real_t1ce", *TRAINED)
SEGMENTING = ("copy_t1+unet", "real_t1ce+unet", *(f"{run}+unet" for run in TRAINED))
TYPICAL = {"ssim": (0.6, 0.02), "psnr": (18, 0.4), "dice": (0.6, 0.05), "assd": (3, 0.3)}
# The rows of the paper's tables have 2 + 8 numbers of a synthesis, 6 + 6 of a segmentation.
NUMBERS = 10 * len(SYNTHESES) + 12 * len(SEGMENTING)


def numbers_of_runs() -> list[tuple[str, ...]]:
    tables = {"synthesis": "table2_synthesis", "segmentation": "table1_ablation"}
    return [
        (run, protocol, task, metric, region, postprocessing_of(read_metrics()[metric], protocol))
        for task, runs in (("synthesis", SYNTHESES), ("segmentation", SEGMENTING))
        for run in runs
        for protocol in ("paper", "strict")
        for metric, region in columns_of(read_published().table(tables[task]), protocol)
    ]


def seed_scores(seed: int) -> pd.DataFrame:
    """Scores of one seed: half of what a training has of luck is common to all its numbers."""
    rng, rows = np.random.default_rng([14, seed]), []
    luck = {run: rng.normal() for run in (*SYNTHESES, *SEGMENTING)}
    for run, protocol, task, metric, region, postprocessing in numbers_of_runs():
        mean, sd = TYPICAL[metric]
        value = mean + sd * (luck[run] + rng.normal()) / math.sqrt(2)
        if run in ("copy_t1", "real_t1ce"):
            value = mean
        if run == "real_t1ce" and metric == "psnr":
            value = math.inf
        if run == "drit+unet" and region == "et":  # finds none in any seed
            value = 0.0 if metric == "dice" else math.nan
        for place, patient in enumerate(PATIENTS):
            known = dict(run=run, seed=seed, patient=patient, subject=patient, protocol=protocol)
            known |= dict(task=task, region=region, metric=metric, postprocessing=postprocessing)
            offset = 0 if value in (0, math.inf) else 0.01 * (place - 1.5)
            rows.append({**known, "grade": "", "note": "", "value": value + offset})
    # Columns that tell apart the divisions of the patients are 0 where there is one.
    return pd.DataFrame(rows).reindex(columns=SCORES).fillna(dict.fromkeys(["repeat", "fold"], 0))


def settings(**changes: object) -> dict:
    known = load("phantom").model_dump(mode="json")
    known["results"]["training"] |= changes
    return known


def write_scores(
    folder: Path, scores: pd.DataFrame, known: dict | None = None, runs: tuple[str, ...] = ()
) -> Path:
    """Write scores with their manifest as a benchmark leaves them; the path of the scores."""
    path = folder / "results/tables/phantom/scores.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {column: int for column in ("repeat", "fold") if column in SCORES}
    scores.astype(whole).to_csv(path, index=False)
    size, sha256 = path.stat().st_size, checksum(path)
    manifest = Manifest(
        benchmark="phantom",
        written="2026-01-01 00:00:00 UTC",
        command=["snakemake", "--cores", "2"],
        code=Code(commit="c" * 40, dirty=False, changed=[]),
        environment={"python": "3.11", "packages": {"torch": "2.13.0+cpu"}},
        machine={"platform": "Linux", "cpu": "some"},
        settings=known or settings(),
        runs={run: {} for run in runs or (*SYNTHESES, *SEGMENTING)},
        checks=[Check(name="made up", holds=True)],
        data=Data(folder="data", files={}),
        files={"results/tables/phantom/scores.csv": File(bytes=size, sha256=sha256)},
        arrays={},
        steps={},
        folders=[],
        shown=[],
    )
    write_manifest(manifest, folder / "results/manifest/phantom.json")
    return path


@pytest.fixture(scope="module")
def ten(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("ten")
    return [write_scores(folder / str(seed), seed_scores(seed)) for seed in range(10)]


@pytest.fixture(scope="module")
def reference(ten, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "phantom.csv"
    assert main(["bands", "--write", str(path), *map(str, ten)]) == 0
    return path


@pytest.fixture
def compared(reference, tmp_path, capsys):
    """Return the exit code and the text of comparing scores with the reference."""

    def run(scores: pd.DataFrame, *known: object) -> tuple[int, str]:
        path = write_scores(tmp_path, scores, *known)
        capsys.readouterr()
        code = main(["bands", str(path), "--reference", str(reference)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def one_number(values: list[float], **cell: str) -> pd.Series:
    """The band of one number of a trained run, beside another number that differs by seed."""
    known = {"run": "cutgan+unet", "protocol": "paper", "metric": "dice", "region": "et"}
    known |= {"postprocessing": "lcc", **cell}
    index = pd.MultiIndex.from_tuples(
        [tuple(known.values()), ("cutgan+unet", "strict", "ssim", "wt", "")], names=CELL
    )
    other = np.linspace(0.5, 0.6, len(values))
    return bands_of(pd.DataFrame([values, other], index=index)).iloc[0]


def test_a_band_by_hand():
    values = [0.50, 0.52, 0.54, 0.56, 0.58]
    band = one_number(values)
    # t(4, 0.995) is 4.604, the sd 0.0316; and ten units of the last of three digits.
    half = 4.6041 * 0.0316228 * math.sqrt(1.2) + 0.01
    assert band["mean"] == pytest.approx(0.54) and band["sd"] == pytest.approx(0.0316228)
    assert (band["low"], band["high"]) == pytest.approx((0.54 - half, 0.54 + half), abs=1e-5)
    assert (band["seeds"], band["undefined"]) == (5, 0)


def test_a_band_holds_its_own_seeds_and_stays_in_bounds():
    band = one_number([0.02] * 9 + [0.95])
    assert band["low"] == 0 and 0.96 <= band["high"] <= 1


def test_a_new_seed_of_a_number_stuck_at_zero_has_room():
    alone = one_number([0.0] * 10)
    assert (alone["low"], alone["high"]) == (0, pytest.approx(0.01))
    runs = {f"{name}+unet": [0.1, 0.16, 0.12, 0.2, 0.14] for name in TRAINED[1:]}
    runs["cutgan+unet"] = [0.0] * 5
    cells = [(run, "paper", "dice", "et", "lcc") for run in runs]
    other = [("cutgan+unet", "paper", "dice", "wt", "lcc")]
    index = pd.MultiIndex.from_tuples(cells + other, names=CELL)
    values = pd.DataFrame([*runs.values(), runs["drit+unet"]], index=index)
    stuck = bands_of(values).set_index(CELL).loc[cells[-1]]
    sd = np.std(runs["drit+unet"], ddof=1) / 4
    assert stuck["high"] == pytest.approx(4.6041 * sd * math.sqrt(1.2) + 0.01, abs=1e-4)


def test_a_run_without_training_has_one_unit():
    index = pd.MultiIndex.from_tuples([("copy_t1", "paper", "psnr", "whole", "")], names=CELL)
    band = bands_of(pd.DataFrame([[15.95] * 10], index=index)).iloc[0]
    assert (band["low"], band["high"]) == pytest.approx((15.94, 15.96))


@pytest.mark.parametrize(
    ("values", "within", "outside"),
    [
        ([math.inf] * 10, [math.inf], [40.0, math.nan]),
        ([math.inf] + [40.0, 41.0] * 4 + [40.0], [math.inf, 40.5, 100.0], [30.0]),
        ([math.nan] * 10, [math.nan], [20.0]),
        ([math.nan] * 8 + [20.0, 30.0], [math.nan, 5.0, 500.0], []),
        ([math.nan] * 2 + [20.0, 20.5, 21.0, 20.0] * 2, [math.nan, 20.2], [40.0]),
        ([20.0, 20.5, 21.0, 20.0, 20.5] * 2, [20.2], [math.nan, 40.0]),
    ],
)
def test_numbers_that_are_infinite_or_have_no_value(values, within, outside):
    other = {"metric": "psnr", "region": "whole", "postprocessing": ""}
    table = one_number(values, **other).to_frame().T.convert_dtypes().infer_objects()
    table = table.astype(dict.fromkeys(COLUMNS[-4:], float))
    index = pd.MultiIndex.from_frame(table[CELL])
    for new, expected in [(x, False) for x in within] + [(x, True) for x in outside]:
        found = bands.compare(table, pd.Series([new], index=index))
        assert found["outside"].tolist() == [expected], new


def test_numbers_are_means_over_subjects_of_the_tables_numbers():
    scores = seed_scores(0)
    assert len(numbers_of(scores)) == NUMBERS
    mine = (scores["run"] == "cutgan+unet") & (scores["protocol"] == "paper")
    mine &= (scores["metric"] == "dice") & (scores["region"] == "wt")
    scores.loc[mine, "value"] = [0.2, 0.4, 0.9, math.nan]
    scores.loc[mine, "subject"] = ["P0", "P0", "P2", "P3"]
    key = ("cutgan+unet", "paper", "dice", "wt", "lcc", 0)
    assert numbers_of(scores)[key] == pytest.approx((0.3 + 0.9) / 2)
    others = pd.concat([scores, scores.assign(protocol="min_max")])
    pd.testing.assert_series_equal(numbers_of(others), numbers_of(scores))


def test_a_new_seed_is_outside_as_often_as_stated():
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_tuples(
        [(run, "strict", "ssim", "wt", "") for run in map("r{:03}".format, range(400))], names=CELL
    )
    # An sd to which the width that is added for rounding is small.
    share = np.mean(
        [
            bands.compare(bands_of(values.iloc[:, :10]), values[10])["outside"].mean()
            for values in (
                pd.DataFrame(rng.normal(0, 0.2, (400, 11)), index=index) for _ in range(40)
            )
        ]
    )
    assert 0.005 <= share <= 0.0105


def test_the_allowed_count():
    # The binomial 99.9 % quantile of 415 numbers at 1 % is 12.
    assert allowed([4] * 10, 415) == 12
    # t(9, 0.999) is 4.297; sd 4.22.
    assert allowed([0, 0, 0, 0, 0, 2, 4, 6, 8, 12], 415) == math.ceil(
        3.2 + 4.2968 * np.std([0, 0, 0, 0, 0, 2, 4, 6, 8, 12], ddof=1) * math.sqrt(1.1)
    )


def test_the_files(reference):
    table, record = bands.read_bands(reference)
    assert list(table.columns) == COLUMNS and len(table) == NUMBERS
    assert record.benchmark == "phantom" and list(record.left_out) == list(range(10))
    assert record.sources[0].torch == "2.13.0+cpu" and len(record.sources) == 1
    assert record.settings["results"]["slices"]["crop"] == 64
    assert "seeds" not in record.settings["results"]
    assert "unet" in record.settings["results"]["params"]
    assert "yoda" not in record.settings["results"]["params"]


def test_every_seed_of_the_reference_is_within(ten, reference, capsys):
    assert main(["bands", str(ten[3]), "--reference", str(reference)]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{NUMBERS} of {NUMBERS} numbers are within their reference bands (")
    assert text.strip().endswith("expected by chance).")


def test_new_seeds_are_plausible(compared):
    texts = [compared(seed_scores(seed)) for seed in range(100, 110)]
    assert [code for code, _ in texts] == [0] * 10
    outside = [NUMBERS - int(text.split()[0]) for _, text in texts]
    assert np.mean(outside) <= 0.02 * NUMBERS


def broken(scores: pd.DataFrame, run: str, **values: float) -> pd.DataFrame:
    worse = scores.copy()
    for metric, value in values.items():
        worse.loc[(worse["run"] == run) & (worse["metric"] == metric), "value"] = value
    return worse


def test_a_constant_volume_falls_outside_and_is_named(compared):
    code, text = compared(broken(seed_scores(200), "pix2pix", ssim=0.02, psnr=5.0))
    assert code == 1
    assert "pix2pix is broken or another method: 10 of its 10 numbers are far outside." in text
    listed = text.partition("Outside, the farthest first:\n")[2].splitlines()
    assert len([line for line in listed if line.split()[0] == "pix2pix"]) == 10
    line = next(line for line in listed if line.split()[1:4] == ["paper", "ssim", "whole"])
    low, to, high = line.split()[5:]
    assert line.split()[4] == "0.020" and to == "to" and 0.5 < float(low) < float(high) < 0.7


def test_swapped_labels_fall_outside(compared):
    scores = seed_scores(200)
    enhancing = (scores["run"] == "cutgan+unet") & (scores["region"] == "et")
    scores.loc[enhancing & (scores["metric"] == "dice"), "value"] = 0.0
    scores.loc[enhancing & (scores["metric"] == "assd"), "value"] = 40.0
    code, text = compared(scores)
    cells = [line.split()[:4] for line in text.splitlines() if line.startswith("  cutgan+unet")]
    for protocol in ("paper", "strict"):
        for metric in ("dice", "assd"):
            assert ["cutgan+unet", protocol, metric, "et"] in cells
    assert code == 0  # four numbers: named, though chance may do as much
    scores = broken(seed_scores(200), "cutgan+unet", dice=0.0, assd=40.0)
    code, text = compared(scores)
    assert code == 1 and "cutgan+unet is broken" in text


def test_many_rows_a_little_off_are_more_than_chance_allows(compared):
    scores = seed_scores(200)
    scores.loc[(scores["metric"] == "ssim") & scores["run"].isin(TRAINED), "value"] += 0.08
    code, text = compared(scores)
    assert code == 1 and "outside are more than chance allows" in text
    assert "is broken" not in text
    assert text.rstrip().splitlines()[-1].startswith("  and ")
    assert len(text.partition("first:\n")[2].splitlines()) == 1 + bands.SHOWN + 1


def test_a_run_that_failed(compared):
    scores = seed_scores(200)
    code, text = compared(scores[scores["run"] != "maf_net"])
    assert code == 1 and "Not scored, so that it has no numbers: maf_net." in text
    assert f" of {NUMBERS - 10} numbers are within" in text


def test_other_methods_and_protocols_are_no_fault(compared):
    scores = seed_scores(200)
    mine = scores[scores["run"] == "cutgan"].assign(run="mine")
    fewer = scores[~scores["run"].str.startswith("maf_net") & (scores["protocol"] == "paper")]
    runs = [run for run in (*SYNTHESES, *SEGMENTING, "mine") if not run.startswith("maf_net")]
    known = settings()
    known["results"] |= {"seeds": [200], "protocols": ["paper"], "without": ["maf_net"]}
    known["results"]["params"] |= {"mine": {"width": 8}}
    code, text = compared(pd.concat([fewer, mine]), known, tuple(runs))
    assert code == 0, text
    assert "Not in this benchmark: maf_net, maf_net+unet." in text
    assert "Without bands: mine." in text
    rows = len(SYNTHESES) - 1, len(SEGMENTING) - 1
    assert f"Not scored here: {8 * rows[0] + 6 * rows[1]} numbers of the reference." in text


def test_other_settings_are_not_compared(compared):
    worse = broken(seed_scores(200), "cutgan", ssim=0.02)
    code, text = compared(worse, settings(batch=8))
    assert code == 0
    expected = "do not apply, so nothing was compared: results.training.batch is 8, not "
    assert expected in text and "within" not in text


def test_settings_that_an_older_record_lacks_have_their_default(compared):
    older = settings()
    del older["results"]["training"]["unpaired"]
    assert compared(seed_scores(200), older)[0] == 0
    older["results"]["training"]["unpaired"] = "shuffled"
    assert "unpaired is shuffled, not other" in compared(seed_scores(200), older)[1]
    older["results"]["training"]["unheard_of"] = 1
    code, text = compared(seed_scores(200), older)
    assert code == 2 and "of another version of this suite" in text


def test_several_seeds_have_a_verdict_each(compared):
    code, text = compared(pd.concat([seed_scores(201), seed_scores(202)]))
    assert code == 0 and "Seed 201: " in text and "\nSeed 202: " in text


def refused(capsys, *arguments: object) -> str:
    capsys.readouterr()
    assert main(["bands", *map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_compared_is_refused(ten, reference, tmp_path, capsys):
    assert "There is no" in refused(capsys, tmp_path / "scores.csv")
    none = refused(capsys, ten[0], "--reference", tmp_path / "none.csv")
    assert "There are no reference bands" in none and "--write" in none
    path = write_scores(tmp_path, seed_scores(0))
    path.write_text(path.read_text(encoding="utf-8").replace("0.6", "0.5"), encoding="utf-8")
    text = refused(capsys, path, "--reference", reference)
    assert "is the manifest of other scores" in text
    (tmp_path / "results/manifest/phantom.json").unlink()
    assert "which has the settings of" in refused(capsys, path, "--reference", reference)


def test_what_no_bands_are_made_of_is_refused(ten, tmp_path, capsys):
    out = tmp_path / "bands.csv"
    assert "4 seeds are too few" in refused(capsys, "--write", out, *ten[:4])
    assert "Remove one of them" in refused(capsys, "--write", out, *ten, ten[0])
    other = write_scores(tmp_path / "a", seed_scores(20), settings(batch=8))
    text = refused(capsys, "--write", out, *ten, other)
    assert "is of other settings than" in text and "batch is 8, not " in text
    scores = seed_scores(21)
    partly = write_scores(tmp_path / "b", scores[scores["run"] != "drit"])
    assert "Numbers of drit are missing in seeds [21]" in refused(
        capsys, "--write", out, *ten, partly
    )
    assert not out.exists()
