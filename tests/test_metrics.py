"""Metrics: as independent packages have them, by hand, and each a file that nothing else names."""

import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from made_up import head
from medpy.metric import binary as medpy
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from scipy.ndimage import gaussian_filter
from skimage.metrics import normalized_mutual_information

from benchmarks.errors import InputError
from benchmarks.scoring.metric import METRICS, read_metrics
from benchmarks.scoring.overlap import Masks
from benchmarks.scoring.protocol import PROTOCOLS, load_protocol, metric_modules
from benchmarks.scoring.score import score_segmentation, score_synthesis

ROOT = Path(__file__).resolve().parent.parent
STRICT = load_protocol("strict")
MILLIMETRE = (1.0, 1.0, 1.0)
SPACINGS = pytest.mark.parametrize(
    "spacing", [MILLIMETRE, (0.5, 0.9, 1.3)], ids=["isotropic", "anisotropic"]
)


def blobs(seed, level=1.0, shape=(18, 25, 31)):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0, mode="wrap")
    return noise > level * noise.std()


def measured(name, reference, prediction, spacing=MILLIMETRE):
    return read_metrics()[name].measure(Masks(reference, prediction, spacing), None)


def line(*places):
    mask = np.zeros((3, 3, 30), bool)
    mask[1, 1, list(places)] = True
    return mask


def one_hot(*masks):
    return [torch.from_numpy(mask)[None, None].float() for mask in masks]


# Segmentation


@SPACINGS
@pytest.mark.parametrize("seed", range(4))
def test_hd95_as_monai_has_it(seed, spacing):
    masks = blobs(seed), blobs(seed + 50)
    theirs = compute_hausdorff_distance(*one_hot(*masks), percentile=95, spacing=spacing)
    assert measured("hd95", *masks, spacing) == pytest.approx(theirs.item(), abs=1e-4)


@SPACINGS
@pytest.mark.parametrize("seed", range(4))
def test_nsd_as_monai_has_it(seed, spacing):
    masks = blobs(seed), blobs(seed + 50)
    theirs = compute_surface_dice(*one_hot(*masks), class_thresholds=[1.0], spacing=spacing)
    ours = measured("nsd", *masks, spacing)
    assert ours == pytest.approx(theirs.item(), abs=1e-6)
    assert 0 < ours < 1


def test_hd95_is_the_larger_of_both_directions():
    """A voxel and a line of 20 from it: {0}, whose percentile is 0, and {0, ..., 19}.

    At 95 % of 19 steps of rank is 18.05. Pooled, as medpy has it, it is less.
    """
    point, beam = line(0), line(*range(20))
    assert measured("hd95", point, beam) == measured("hd95", beam, point) == pytest.approx(18.05)
    assert measured("hd95", point, beam, (1, 1, 2)) == pytest.approx(36.1)
    assert medpy.hd95(point, beam) == pytest.approx(18)


def test_nsd_by_hand():
    """From {0, 1, 2, 3} to {0} 0 and 1 are within 1 mm, and the way back 0: 3 of 5."""
    beam, point = line(0, 1, 2, 3), line(0)
    assert measured("nsd", beam, point) == pytest.approx(3 / 5)
    assert measured("nsd", beam, point, (1, 1, 1.01)) == pytest.approx(2 / 5)
    assert measured("nsd", beam, point, (1, 1, 0.5)) == pytest.approx(4 / 5)
    assert measured("nsd", beam, beam) == 1


def test_a_millimetre_of_tenths_is_one():
    """1.2 - 0.2 is a little more in binary. So few voxels in so large a box go to a tree."""
    reference, prediction = np.zeros((2, 12, 12, 30), bool)
    reference[0, 0, 2] = prediction[0, 0, 12] = True
    for corner in ((11, 11, 0), (11, 11, 29)):
        reference[corner] = prediction[corner] = True
    assert measured("nsd", reference, prediction, (0.1, 0.1, 0.1)) == 1


def test_volume_difference_by_hand():
    """5 voxels of 2 mm3 against 2: 6 mm3, either way round."""
    large, small, nothing = line(0, 1, 2, 3, 4), line(8, 9), line()
    spacing = (1, 1, 2)
    assert measured("volume_difference", large, small, spacing) == pytest.approx(0.006)
    assert measured("volume_difference", small, large, spacing) == pytest.approx(0.006)
    assert measured("volume_difference", large, nothing, spacing) == pytest.approx(0.010)
    assert measured("volume_difference", nothing, small, spacing) == pytest.approx(0.004)
    assert measured("volume_difference", nothing, nothing, spacing) == 0


def test_what_metrics_share_is_measured_once():
    calls = []

    def count(masks):
        calls.append(masks)
        return masks.reference.sum()

    masks = Masks(line(1), line(2), MILLIMETRE)
    assert masks.once(count) == masks.once(count) == 1
    assert calls == [masks]


# Synthesis


def volumes():
    rng = np.random.default_rng(7)
    reference = np.where(head() >= 0, rng.uniform(-1, 1, head().shape), -1.0)
    prediction = np.clip(0.7 * reference + rng.normal(0, 0.2, head().shape), -1, 1)
    for volume in (reference, prediction):
        volume[5, 10, 10:12] = -1, 1  # so that scikit-image's bins span [0, 1] in the tumour too
    return reference, prediction


def synthesis(metric, reference, prediction, labels=None):
    rows = score_synthesis([STRICT], reference, prediction, head() if labels is None else labels)
    return {row["region"]: row for row in rows if row["metric"] == metric}


REGIONS = {"whole": range(-1, 4), "brain": range(4), "wt": (1, 2, 3)}


def test_mae_by_hand_and_in_each_region():
    reference, prediction = volumes()
    rows = synthesis("mae", reference, prediction)
    for region, labels in REGIONS.items():
        mask = np.isin(head(), labels)
        expected = np.abs(reference - prediction)[mask].mean() / 2
        assert rows[region]["value"] == pytest.approx(expected, abs=1e-12)
    shifted = synthesis("mae", np.full(head().shape, 0.5), np.full(head().shape, 0.1))
    assert shifted["et"]["value"] == pytest.approx(0.2)


@pytest.mark.parametrize("region", REGIONS)
def test_nmi_is_scikit_images(region):
    reference, prediction = volumes()
    mask = np.isin(head(), REGIONS[region])
    ours = synthesis("nmi", reference, prediction)[region]["value"]
    theirs = normalized_mutual_information(reference[mask], prediction[mask], bins=64)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_nmi_by_hand():
    """Four equal cells of a 2 x 2 joint histogram know nothing of each other; two, all."""
    labels = np.zeros((1, 12, 12), np.int8)
    rows, columns = np.indices((12, 12)) % 2
    a, b = (np.where(x, 0.8, -0.8)[None] for x in (rows, columns))
    assert synthesis("nmi", a, b, labels)["whole"]["value"] == pytest.approx(1)
    assert synthesis("nmi", a, -a, labels)["whole"]["value"] == pytest.approx(2)
    flat = synthesis("nmi", np.full(a.shape, 0.5), np.full(a.shape, -0.5), labels)["whole"]
    assert math.isnan(flat["value"]) and flat["note"] == "undefined"


def test_an_empty_region_has_neither():
    labels = np.minimum(head(), 2)
    for metric in ("mae", "nmi"):
        row = synthesis(metric, *volumes(), labels)["et"]
        assert math.isnan(row["value"]) and row["note"] == "region empty"


def test_a_mean_of_slices_is_of_each():
    reference, prediction = volumes()
    rules = STRICT.synthesis.model_copy(update={"average": "slice"})
    rows = score_synthesis(
        [STRICT.model_copy(update={"synthesis": rules})], reference, prediction, head()
    )
    nmi = {row["region"]: row["value"] for row in rows if row["metric"] == "nmi"}
    values = []
    for z in range(len(head())):
        one = (x[z : z + 1] for x in (reference, prediction, head()))
        values.append(synthesis("nmi", *one)["wt"]["value"])
    assert nmi["wt"] == pytest.approx(np.nanmean(values))


# Protocols


def protocol(folder, change, name="strict"):
    content = yaml.safe_load((PROTOCOLS / "strict.yaml").read_text())
    content["name"] = name
    change(content)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return load_protocol(name, folder)


def test_an_unknown_metric_is_never_dice(tmp_path):
    """An overlap metric that is not known was once scored as Dice under its own name."""

    def change(content):
        rule = content["segmentation"]["metrics"].pop("dice")
        content["segmentation"]["metrics"]["jaccard"] = rule

    with pytest.raises(
        InputError, match=r"jaccard`: found 'jaccard'; the metrics of segmentation are: dice,"
    ):
        protocol(tmp_path, change)
    rule = STRICT.segmentation.metrics["dice"]
    rules = STRICT.segmentation.model_copy(update={"metrics": {"jaccard": rule}})
    with pytest.raises(KeyError, match="jaccard"):
        score_segmentation(
            [STRICT.model_copy(update={"segmentation": rules})],
            head(),
            np.maximum(head(), 0).astype(np.uint8),
            MILLIMETRE,
            99.0,
        )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda c: c["synthesis"]["metrics"].append("dice"),
            "line N, `synthesis.metrics.4`: found 'dice'; the m.* are: ssim",
        ),
        (lambda c: c["synthesis"]["metrics"].append("ssim"), "metrics`: .*ssim is listed twice"),
        (
            lambda c: c["segmentation"]["metrics"].update(ssim={}),
            "line N, .*ssim`: found 'ssim'; the metrics of segmentation are",
        ),
        (
            lambda c: c["segmentation"]["metrics"]["dice"].update(both_empty="measured"),
            "line N, `segmentation.metrics.dice.both_empty`: found 'measured', but dice",
        ),
        (
            lambda c: c["segmentation"]["metrics"]["nsd"].update(one_empty="diagonal"),
            "line N, .*one_empty`: found 'diagonal', but nsd is not in mm",
        ),
        (
            lambda c: c["segmentation"]["metrics"]["nsd"].update(one_empty="zero"),
            "line N, .*nsd.one_empty`: found 'zero'; write a number or one of: undefined",
        ),
        (
            lambda c: c["segmentation"].update(average="slice", metrics={"lesion_dice": {
                "one_empty": "undefined", "both_empty": "undefined"}}),
            "line N, `segmentation.metrics.lesion_dice`: lesion_dice compares whole volumes",
        ),
    ],
)  # fmt: skip
def test_a_wrong_metric_or_case_is_named_with_its_line(tmp_path, change, complaint):
    with pytest.raises(InputError, match=complaint.replace("line N", r"strict.yaml, line \d+")):
        protocol(tmp_path, change)


def test_a_protocol_of_any_name_is_loaded(tmp_path):
    def change(content):
        content["segmentation"]["metrics"] = {"hd95": {"one_empty": 500, "both_empty": 0}}
        content["synthesis"]["metrics"] = ["mae"]

    mine = protocol(tmp_path, change, name="mine")
    nothing = np.zeros(head().shape, np.uint8)
    rows = score_segmentation([mine], head(), nothing, MILLIMETRE, 99.0)
    assert {row["value"] for row in rows} == {500}
    assert metric_modules([mine]) == [
        "benchmarks.scoring.metrics.hd95",
        "benchmarks.scoring.metrics.mae",
    ]


# Files

NEW = '''"""Jaccard index."""
from benchmarks.scoring.metric import Metric

METRIC = Metric(
    title="Jaccard", task="segmentation", unit="", better="higher", bounds=(0, 1), digits=3,
    source="Jaccard 1901", shown=("wt",),
)


def measure(masks, rules):
    shared = (masks.reference & masks.prediction).sum()
    return float(shared / (masks.reference | masks.prediction).sum())
'''
NEW_SYNTHESIS = '''"""Median absolute error, which no sums give."""
import numpy as np

from benchmarks.scoring.metric import Metric

METRIC = Metric(
    title="Median error", task="synthesis", unit="", better="lower", bounds=(0, None), digits=3,
    source="nobody", shown=(),
)


def measure(voxels, rules):
    return float(np.median(np.abs(voxels.reference - voxels.prediction)))
'''
SCORE = """
import numpy as np
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.score import score_segmentation, score_synthesis
labels = np.zeros((4, 12, 12), np.int8)
labels[1:3, 2:6, 2:6] = 2
predicted = np.roll(np.maximum(labels, 0), 2, axis=2).astype(np.uint8)
strict = [load_protocol("strict")]
rows = score_segmentation(strict, labels, predicted, (1, 1, 1), 9.0)
rows += score_synthesis(strict, np.full(labels.shape, -1.0), labels / 4, labels)
new = [row for row in rows if row["metric"] in ("jaccard", "median")]
print({(row["metric"], row["region"]): row["value"] for row in new})
"""


def test_one_file_and_a_protocols_line_are_a_metric(tmp_path):
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    scoring = tmp_path / "benchmarks" / "scoring" / "metrics"
    (scoring / "jaccard.py").write_text(NEW)
    (scoring / "median.py").write_text(NEW_SYNTHESIS)
    strict = tmp_path / "benchmarks" / "protocols" / "strict.yaml"
    text = strict.read_text().replace("metrics: [ssim,", "metrics: [median, ssim,")
    strict.write_text(text + "    jaccard: {one_empty: 0, both_empty: undefined}\n")
    run = subprocess.run(
        [sys.executable, "-c", SCORE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    scores = eval(run.stdout, {"nan": math.nan})
    assert scores["jaccard", "wt"] == pytest.approx(1 / 3)
    assert scores["median", "wt"] == pytest.approx(0.75)
    assert scores["median", "whole"] == pytest.approx(0.5)


def test_a_metric_is_all_that_its_file_says():
    metrics = read_metrics()
    assert list(metrics)[:4] == ["ssim", "psnr", "mae", "nmi"]
    assert list(metrics)[4:9] == ["ssim_3d", "ssim_masked", "dice", "dice_brats", "assd"]
    assert {path.stem for path in METRICS.glob("[!_]*.py")} == set(metrics)
    psnr, lesions = metrics["psnr"], metrics["lesion_hd95"]
    assert (psnr.bounds, psnr.unit, psnr.postprocessing) == ((0, math.inf), "dB", "")
    assert (lesions.postprocessing, lesions.measures_empty) == ("none", True)
    lower = {name for name, metric in metrics.items() if metric.better == "lower"}
    assert lower == {"mae", "assd", "hd95", "lesion_hd95", "volume_difference"}


def test_what_is_read_is_what_the_module_declares():
    for name, metric in read_metrics().items():
        declared = sys.modules[metric.measure.__module__].METRIC
        assert declared.model_copy(update={"name": name}) == metric


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("METRIC = Metric(", "METRICS = Metric(", "line 1: write `METRIC = Metric"),
        ('title="Jaccard", ', "", "line 4: `title`: this key is missing; add it"),
        ("unit=", "units=", "line 5: `units`: there is no such key. Did you mean `unit`"),
        (
            'better="higher"',
            'better="more"',
            "line 5: `better`: found 'more'. Input should be 'higher' or",
        ),
        (
            "bounds=(0, 1)",
            "bounds=(1, 0)",
            r"line 5: `bounds`: found \(1.0, 0.0\); write the small",
        ),
        ("digits=3", "digits=THREE", "line 5: `digits`: found THREE; write a literal"),
        ('shown=("wt",)', 'shown=("skull",)', "line 6: `shown`: found 'skull'; regions of segment"),
        ('shown=("wt",)', 'shown=("brain",)', "line 6: `shown`: found 'brain'; regions of segment"),
        ("def measure(masks, rules)", "def mesure(masks, rules)", "no function `measure`; define"),
        ("def measure(masks, rules)", "def measure(masks)", "line 10: `measure` takes 1 arguments"),
        ('task="segmentation"', 'task="synthesis", postprocessing="lcc"', "line 5: `postproc"),
        ("def measure(masks, rules):", "def measure(masks, rules)", "line 10: it is not Python"),
    ],
)
def test_a_broken_file_is_one_error(tmp_path, old, new, complaint):
    assert old in NEW
    (tmp_path / "jaccard.py").write_text(NEW.replace(old, new, 1))
    with pytest.raises(InputError, match=complaint) as error:
        read_metrics(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'jaccard.py'}, line ")
    assert len(str(error.value).splitlines()) == 1


def test_two_metrics_of_one_title_are_an_error(tmp_path):
    for name in ("jaccard", "tanimoto"):
        (tmp_path / f"{name}.py").write_text(NEW)
    with pytest.raises(InputError, match=r"tanimoto.py, line 5: `title`: .*jaccard.py; write ano"):
        read_metrics(tmp_path)


def test_a_files_name_is_a_name(tmp_path):
    (tmp_path / "Jaccard-2.py").write_text(NEW)
    with pytest.raises(InputError, match="`name`: found 'Jaccard-2'"):
        read_metrics(tmp_path)


def test_planning_needs_no_numpy():
    code = (
        "import sys\n"
        "from benchmarks.scoring import conventions, metric, protocol\n"
        "protocol.load_protocol('strict'), conventions.read_conventions()\n"
        "print(sorted({'numpy', 'scipy', 'pandas', 'torch'} & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
