"""Seeds, folds, repeats and conditions: who is tested where, and what is trained anew."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import write_cohort
from made_up_scores import made_up_results
from pipeline import planned, runs_of, snakemake
from repository import copy_repository

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.split import Row, split
from benchmarks.config import load
from benchmarks.errors import InputError
from benchmarks.reporting.rows import Row as TableRow
from methods.errors import MethodError
from workflow import checks
from workflow.__main__ import main as workflow
from workflow.dag import Dag
from workflow.plan import Plan
from workflow.results import read_results
from workflow.status import run_status
from workflow.stored import refuse_without_tumour

# Of every third person there are two scans.
COHORT = [
    (f"P{number:02}-{scan}", f"P{number:02}", None)
    for number in range(40)
    for scan in range(2 if number % 3 == 0 else 1)
]
SHARES, SEED = (7, 1, 2), 2
HEADER = "title: mine\ncohort: {source: phantom, patients: 20, seed: 14}\n"


def by_split(rows: list[Row]) -> dict[str, set[str]]:
    return {
        name: {row.patient for row in rows if row.split == name}
        for name in Counter(row.split for row in rows)
    }


# Names


@pytest.mark.parametrize(
    ("one", "name", "title", "arguments"),
    [
        (Replicate(0), "seed0", "seed 0", "--seed 0"),
        (Replicate(3, Place(0, 2)), "seed3-fold2", "seed 3, fold 2", "--seed 3 --fold 2"),
        (Replicate(0, Place(1)), "seed0-repeat1", "seed 0, repeat 1", "--seed 0 --repeat 1"),
        (
            Replicate(12, Place(1, 0)),
            "seed12-repeat1-fold0",
            "seed 12, repeat 1, fold 0",
            "--seed 12 --repeat 1 --fold 0",
        ),
    ],
)
def test_names(one, name, title, arguments):
    assert (str(one), one.title, one.arguments) == (name, title, arguments)
    assert Replicate.parse(name) == one


# The split


@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("repeat", [0, 1])
def test_folds_test_everyone_once(folds, repeat):
    tested = Counter()
    for fold in range(folds):
        rows = split(COHORT, SHARES, SEED, Place(repeat, fold), folds)
        assert [row.patient for row in rows] == sorted(patient for patient, *_ in COHORT)
        parts = by_split(rows)
        assert set(parts) == {"train", "val", "test"}
        assert len(parts["train"]) > len(parts["val"])
        people = [{patient[:3] for patient in part} for part in parts.values()]
        assert sum(map(len, people)) == 40, "somebody is in two splits"
        tested.update(parts["test"])
    assert set(tested.values()) == {1} and len(tested) == len(COHORT)


def test_repeats_differ_and_the_first_is_the_plain_split():
    plain = split(COHORT, SHARES, SEED)
    assert split(COHORT, SHARES, SEED, Place()) == plain
    repeats = [split(COHORT, SHARES, SEED, Place(repeat)) for repeat in range(4)]
    assert repeats[0] == plain
    assert len({frozenset(by_split(rows)["test"]) for rows in repeats}) == 4
    folds = [split(COHORT, SHARES, SEED, Place(repeat, 0), 4) for repeat in range(4)]
    assert len({frozenset(by_split(rows)["test"]) for rows in folds}) == 4


def test_a_patients_fold_depends_on_no_other():
    whole = {row.patient: row.split for row in split(COHORT, SHARES, SEED, Place(1, 2), 4)}
    for row in split(COHORT[::2], SHARES, SEED, Place(1, 2), 4):
        assert row.split == whole[row.patient]


def planning(tmp_path: Path, text: str, header: str = HEADER) -> Dag:
    (tmp_path / "mine.yaml").write_text(header + text)
    return Dag({"benchmark": str(tmp_path / "mine.yaml")})


FAULTS = [
    ("results:\n  split: {file: own.csv, folds: 3}\n", ["line 4, `results.split.folds`", "remove"]),
    ("results:\n  split: {file: own.csv, repeats: 2}\n", ["line 4, `results.split.repeats`"]),
    ("results:\n  split: {folds: 1}\n", ["line 4, `results.split.folds`: found 1"]),
    ("results:\n  split: {run_folds: [0]}\n", ["`results.split.run_folds`", "`folds` first"]),
    ("results:\n  split: {folds: 3, run_folds: [1, 3]}\n", ["numbers from 0 to 2"]),
    ("results:\n  split: {folds: 3, run_folds: []}\n", ["`results.split.run_folds`"]),
    ("results:\n  split: {folds: 21}\n", ["`results.split.seed: 0`, fold", "Write `folds: "]),
]


@pytest.mark.parametrize(("text", "parts"), FAULTS)
def test_faults_of_the_split(tmp_path, text, parts):
    with pytest.raises(InputError) as caught:
        planning(tmp_path, text)
    assert all(part in str(caught.value) for part in parts), caught.value


def advised(folds: int | None, patients: int, repeats: int = 1) -> str:
    cohort = [(f"P{number}", f"P{number}", None) for number in range(patients)]
    with pytest.raises(InputError) as caught:
        for repeat in range(repeats):
            for fold in range(folds) if folds else (None,):
                split(cohort, (1, 1, 1), 0, Place(repeat, fold), folds)
    return str(caught.value)


def test_the_advice_on_folds_can_be_followed():
    cohort = [(f"P{number}", f"P{number}", None) for number in range(6)]
    seed = int(advised(3, 6).partition("Set the seed to ")[2].partition(",")[0])
    for fold in range(3):
        split(cohort, (1, 1, 1), seed, Place(0, fold), 3)
    twelve = [(f"P{number}", f"P{number}", None) for number in range(12)]
    folds = int(advised(13, 12).partition("Write `folds: ")[2].partition("`")[0])
    assert 2 <= folds < 12
    for fold in range(folds):
        split(twelve, (1, 1, 1), 0, Place(0, fold), folds)
    assert "Write fewer `folds` or `repeats`, or add patients." in advised(3, 2)


def test_a_fold_without_tumour_is_named():
    rows = [Row(f"P{n}", f"P{n}", None, name) for n, name in enumerate(("train", "val", "test"))]
    metas = [SimpleNamespace(patient=f"P{n}", tumour_per_slice=[0, n < 2]) for n in range(3)]
    with pytest.raises(InputError, match=r"No test patient of fold 2 has a tumour.*split\.seed"):
        refuse_without_tumour(None, metas, rows, Place(0, 2))
    with pytest.raises(InputError, match="No test patient has a tumour"):
        refuse_without_tumour(None, metas, rows, Place())


# The plan


def test_each_replicate_has_its_files(tmp_path):
    dag = planning(
        tmp_path, "results:\n  seeds: [0, 4]\n  split: {folds: 3, repeats: 2, seed: 8}\n"
    )
    replicates = dag.benchmark.results.replicates
    assert len(replicates) == len(set(replicates)) == 2 * 3 * 2
    assert len(dag.plan.pairs) == 12 * len(dag.plan.runs)
    assert {path.name for path in dag.splits()} == {
        f"split{repeat}-fold{fold}.csv" for repeat in ("", "-repeat1") for fold in range(3)
    }
    targets = [str(path) for path in dag.targets()]
    assert len(set(targets)) == len(targets)
    assert "results/runs/mine/cutgan/seed4-repeat1-fold2/weights.pt" in targets
    few = planning(tmp_path, "results:\n  split: {folds: 3, run_folds: [2], seed: 8}\n")
    assert [str(one) for one in few.benchmark.results.replicates] == ["seed0-fold2"]


RULES = ("simulate", "prepare", "cohort", "split", "score")
GROWING = [
    "seeds: [0]\n  split: {folds: 3, run_folds: [1], seed: 8}",
    "seeds: [0, 1]\n  split: {folds: 3, run_folds: [1], seed: 8}",
    "seeds: [0]\n  split: {folds: 3, run_folds: [1, 2], seed: 8}",
    "seeds: [0]\n  split: {folds: 3, run_folds: [1], seed: 8, repeats: 2}",
    "seeds: [3, 0]\n  split: {folds: 3, seed: 8, repeats: 2}",
]


def test_what_grows_makes_nothing_stale(tmp_path):
    first, *others = [planning(tmp_path, f"results:\n  {text}\n") for text in GROWING]
    known = set(first.targets())
    digests = {name: first.plan.digest(run, 0) for name, run in first.plan.runs.items()}
    for other in others:
        assert known < set(other.targets())
        assert {rule: other.digest(rule) for rule in RULES} == {x: first.digest(x) for x in RULES}
        assert {n: other.plan.digest(run, 0) for n, run in other.plan.runs.items()} == digests
    folds = planning(tmp_path, "results:\n  split: {folds: 4, run_folds: [1], seed: 8}\n")
    assert folds.digest("split") != first.digest("split")


# Folds of a small cohort

REASON = "every run has scores of today's settings, code and patients, or a failure with its reason"
PATIENTS = [f"P{number}" for number in range(5)]
FOLDED = """
title: made up
cohort: {source: brats, path: data}
results:
  split: {fractions: [2, 1, 1], seed: 7, folds: 2}
  slices: {crop: 32, downsample: 2, step: 1}
  methods: [copy_t1]
  protocols: [strict]
  conventions: false
  training: {batch: 2, steps_per_epoch: 1, epochs: {segmentation: 1}}
  params: {unet: {width: 2}}
speed: {device: cpu, threads: 1}
"""


def do(*arguments: str) -> int:
    return workflow([*arguments, "--benchmark", "folded.yaml"])


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """The floor's scores of both folds; the current folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("folded"))
        Path("folded.yaml").write_text(FOLDED, encoding="utf-8")
        write_cohort(Path("data"), PATIENTS)
        for patient in PATIENTS:
            assert do("prepare", "--patient", patient) == 0
        assert do("cohort") == 0
        for fold in "01":
            assert do("split", "--fold", fold) == 0
            for verb in ("synthesize", "score"):
                assert do(verb, "--run", "copy_t1", "--seed", "0", "--fold", fold) == 0
        yield load("folded.yaml")


def test_every_patient_is_scored_in_the_fold_that_tests_it(folded):
    results = read_results(folded)
    assert results.replicates == {"copy_t1": tuple(Replicate(0, Place(0, f)) for f in (0, 1))}
    folds = results.scores.groupby("patient")["fold"].unique()
    assert len(folds) == 5 and set(folds.map(len)) == {1}
    for place, names in results.tested.items():
        assert {folds[name][0] for name in names} == {place.fold}
    assert "5 patients, 5 of them test" in results.cohort.description
    assert set(results.patients) == set(folds.index)


def test_a_prediction_is_that_of_the_fold_that_tests_the_patient(folded):
    results = read_results(folded)
    for place, names in results.tested.items():
        for name in names:
            path = Path(f"results/runs/folded/copy_t1/seed0-fold{place.fold}/t1ce/{name}.npy")
            np.testing.assert_allclose(
                results.prediction("copy_t1", "t1ce", name), np.load(path) / 32767, atol=1e-4
            )
    assert results.prediction("copy_t1", "seg", name) is None
    assert results.prediction("copy_t1", "t1ce", name, seed=1) is None


def test_what_holds_of_all_folds(folded):
    plan = Plan(folded)
    found = {one.name: one for one in checks.all_checks(plan, run_status(plan))}
    for part in ("in one of train", "scored on the test patients", "learned from", "n is the"):
        (check,) = [one for name, one in found.items() if part in name]
        assert check.holds, check
    unscored = found[REASON].found
    assert "copy_t1+unet, seed 0, fold 0" in unscored and "copy_t1," not in unscored


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("split",), ["`results.split`", "neither --repeat nor --fold", "--fold 0; --fold 1"]),
        (("split", "--fold", "2"), ["line 5, `results.split`: found --fold 2", "--fold 1"]),
        (("split", "--fold", "0", "--repeat", "1"), ["found --repeat 1 --fold 0"]),
        (("score", "--run", "copy_t1", "--seed", "7", "--fold", "0"), ["7 is none of the seeds"]),
        (("train", "--run", "unet", "--seed", "0"), ["neither --repeat nor --fold"]),
    ],
)
def test_a_wrong_replicate_is_refused(folded, capsys, arguments, parts):
    assert do(*arguments) == 2
    said = capsys.readouterr().err
    assert all(part in said for part in ("folded.yaml, line", *parts)), said
    assert not list(Path("results").rglob("*failed*"))


def test_a_leak_is_of_the_fold_that_tests_the_patient():
    tested = {Place(0, 0): {"A"}, Place(0, 1): {"B"}}
    run = SimpleNamespace(name="unet")
    indices = [
        ((run, Replicate(0, place)), "seg", {"learned": {"patients": {"train": ["A"]}}})
        for place in tested
    ]
    assert list(checks._leaks(indices, tested)) == ["unet, seed 0, fold 0: A (train)"]


def test_pictures_show_the_first_replicate_that_tests_the_patient():
    places = [Place(0, 0), Place(0, 1), Place(1, 0), Place(1, 1)]
    read = []
    results = made_up_results(
        rows=[TableRow("cutgan", "CUTGAN", "method", kind="synthesis", tasks=("synthesis",))],
        patients={"A": "A", "B": "B"},
        read_prediction=lambda run, replicate, kind, patient: read.append((replicate, patient)),
        read_attention=lambda run, replicate, patient: read.append((replicate, patient)),
    )
    results.replicates["cutgan"] = tuple(Replicate(s, x) for x in places for s in (0, 1))
    results.tested.update({x: ("A",) if x.fold == x.repeat else ("B",) for x in places})
    results.prediction("cutgan", "t1ce", "A")
    results.prediction("cutgan", "t1ce", "B", seed=1)
    results.attention("cutgan", "B")
    assert read == [
        (Replicate(0, Place(0, 0)), "A"),
        (Replicate(1, Place(0, 1)), "B"),
        (Replicate(0, Place(0, 1)), "B"),
    ]


# Conditions


OWN = "results:\n  methods: [cutgan, pix2pix, maf_net.joint]\n  seeds: [0, 1]\n"
FEW = "few: {training: {t1ce_patients: 2}}\n"


def conditions(tmp_path: Path, text: str, own: str = OWN) -> Plan:
    (tmp_path / "mine.yaml").write_text(f"{HEADER}{own}conditions:\n  {text}")
    return Plan(load(str(tmp_path / "mine.yaml")))


def digests(plan: Plan) -> dict[str, str]:
    return {n: plan.digest(run, 0) for n, run in plan.runs.items() if not run.condition}


def test_a_condition_shares_what_it_does_not_change(tmp_path):
    plain = Plan(load(str(planning(tmp_path, OWN).benchmark.paths[0])))
    plan = conditions(tmp_path, f"all: {{}}\n  {FEW}")
    assert plan.benchmark.base == "all" and [*plan.shared] == ["few"]
    assert digests(plan) == digests(plain), "the benchmark's own runs depend on its conditions"
    anew = {name for name, run in plan.runs.items() if run.condition}
    assert anew == {f"{run}@few" for run in plain.runs if run.startswith(("cut", "pix", "maf"))}
    assert plan.shared["few"] == {n: f"{n}@few" if f"{n}@few" in anew else n for n in plain.runs}
    assert plan["cutgan+unet@few"].upstream == "cutgan@few"
    assert plan["maf_net.joint@few"].continues == "maf_net@few"
    frozen = plan["cutgan+unet.frozen@few"]
    assert (frozen.upstream, frozen.predicts_with) == ("cutgan@few", "real_t1ce+unet")
    for name in anew:
        assert plan.digest(plan[name], 0) != plan.digest(plan[name.partition("@")[0]], 0)
        assert set(plan[name].builds_on) <= set(plan.runs)
    assert len(plan.pairs) == 2 * len(plan.runs)


def test_conditions_share_with_each_other(tmp_path):
    width = "params: {pix2pix: {width: 8}}"
    plan = conditions(
        tmp_path,
        f"{FEW}  thin: {{{width}}}\n  both: {{training: {{t1ce_patients: 2}}, {width}}}\n",
    )
    assert plan.benchmark.base == "base"
    assert {n for n in plan.runs if n.endswith("@thin")} == {
        "pix2pix@thin", "pix2pix+unet@thin", "pix2pix+unet.frozen@thin",
    }  # fmt: skip
    both = plan.shared["both"]
    assert both["cutgan+unet"] == "cutgan+unet@few" and both["pix2pix"] == "pix2pix@both"
    assert both["unet" if "unet" in both else "copy_t1"] in plan.runs
    unique = [plan.digest(run, 0) for run in plan.runs.values()]
    assert len(set(unique)) == len(unique), "a training is planned twice"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("few: {}\n  none: {}\n", ["line 8, `conditions.none`: it changes nothing", "remove"]),
        (
            "same: {training: {batch: 4}}\n",
            ["line 7, `conditions.same`: it changes no training", "Remove it"],
        ),
        (
            f"{FEW}  again: {{training: {{t1ce_patients: 2}}}}\n",
            ["line 8, `conditions.again`: it trains what `few` does"],
        ),
        (
            "few:\n    training: {t1ce_patient: 2}\n",
            ["line 8, `conditions.few.training.t1ce_patient`", "Did you mean `t1ce_patients`"],
        ),
        ("few: {seeds: [3]}\n", ["line 7, `conditions.few.seeds`", "training, params, split.unit"]),
        ("few: {slices: {crop: 64}}\n", ["line 7, `conditions.few.slices.crop`", "may change"]),
        ("few: {protocols: [strict]}\n", ["line 7, `conditions.few.protocols`", "may change"]),
        ("few: {split: {seed: 3}}\n", ["line 7, `conditions.few.split.seed`", "may change"]),
        (
            "few: {training: {t1ce_patients: none}}\n",
            ["line 7, `conditions.few.training.t1ce_patients`: found 'none'"],
        ),
        ("Few: {training: {batch: 2}}\n", ["line 7, `conditions.Few`", "found 'Few'"]),
        ("few: null\n", ["line 7, `conditions.few`", "found None"]),
        ("base: {training: {batch: 2}}\n", ["line 7, `conditions.base`", "another name"]),
        (
            "few: {params: {cutgam: {width: 8}}}\n",
            ["line 7, `conditions.few.params.cutgam`", "Did you mean `cutgan`"],
        ),
        (
            "few:\n    params: {cutgan: {widht: 8}}\n",
            ["line 8, `conditions.few.params.cutgan.widht`", "Did you mean `width`"],
        ),
        ("few: {split: {unit: slice}}\n", ["line 7, `conditions.few.split.unit`", "held_out"]),
    ],
)
def test_faults_of_conditions(tmp_path, text, parts):
    with pytest.raises((InputError, MethodError)) as caught:
        conditions(tmp_path, text)
    assert all(part in str(caught.value) for part in ("mine.yaml", *parts)), caught.value


# Growing, with Snakemake


ONE_FOLD = FOLDED.replace("folds: 2", "folds: 2, run_folds: [0]")
GROWN = {
    "--seed 5 --fold 0": ONE_FOLD.replace("results:\n", "results:\n  seeds: [0, 5]\n"),
    "--seed 0 --repeat 1 --fold 0": ONE_FOLD.replace("folds: 2", "folds: 2, repeats: 2"),
    "--seed 0 --fold 1": FOLDED,
}


@pytest.mark.slow
def test_only_what_is_new_is_trained(tmp_path):
    """From one fold of one seed to another seed, repeat and fold."""
    folder = copy_repository(tmp_path)
    write_cohort(folder / "data", PATIENTS)

    def jobs(text: str) -> list[str]:
        (folder / "mine.yaml").write_text(text)
        return planned(folder, "--until", "train", benchmark="mine.yaml")

    (folder / "mine.yaml").write_text(ONE_FOLD)
    done = snakemake(folder, "--until", "train", benchmark="mine.yaml")
    assert done.returncode == 0, done.stdout[-5000:]
    assert jobs(ONE_FOLD) == []
    runs = folder / "results/runs/mine"
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in runs.glob("*/*/weights.pt")}
    everyone = {"copy_t1+unet", "empty+unet", "real_t1ce+unet"}
    assert {path.parts[-3] for path in before} == everyone
    for arguments, text in GROWN.items():
        anew = jobs(text)
        counts = Counter(job.split()[3] for job in anew)
        assert counts.pop("split", 0) == ("seed 5" not in arguments)
        assert counts == {"synthesize": 3, "train": 3}, anew
        assert runs_of([job for job in anew if " train " in job]) == everyone
        assert all(job.strip().endswith(arguments) for job in anew if "--run" in job), anew

    first, other = (f"real_t1ce+unet/seed0-fold{fold}/weights.pt" for fold in (0, 1))
    done = snakemake(folder, f"results/runs/mine/{other}", benchmark="mine.yaml")
    assert done.returncode == 0, done.stdout[-5000:]
    assert (runs / first).read_bytes() != (runs / other).read_bytes()
    assert {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in before} == before
    left = runs_of([job for job in jobs(FOLDED) if " train " in job])
    assert left == everyone - {"real_t1ce+unet"}
