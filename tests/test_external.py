"""Volumes that were predicted elsewhere: found, checked, converted, ingested, scored."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from made_up import write_cohort
from nibabel import orientations

from benchmarks.cohorts.external import Brains, read_seg, read_t1ce
from benchmarks.cohorts.normalisation import to_int16
from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.split import Row, read_split
from benchmarks.cohorts.store import Grid, StoredPatient, center_crop_or_pad, prepare, to_nifti
from benchmarks.config import load
from benchmarks.errors import InputError
from methods import registry
from methods.__main__ import main as methods_command
from methods.__main__ import new_external
from methods.errors import MethodError
from methods.external import Pattern, guess_patterns
from methods.registry import Method
from workflow import external
from workflow.__main__ import main as workflow_command
from workflow.layout import Layout
from workflow.plan import Plan
from workflow.predictions import Predictions, read_index
from workflow.stored import stored_patients

CROP = 48  # cuts air off
SHAPE = (66, 65, 9)  # no multiple of a block's side


def method(folder: Path, name: str = "theirs", **keys) -> Method:
    """An external method with these keys, its folder below `folder`."""
    content = {"title": name.capitalize(), "summary": "x", "kind": "external"} | keys
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "method.yaml").write_text(yaml.safe_dump(content))
    return Method(path)


@pytest.fixture(scope="module", params=[1, 2], ids=["original", "blocks"])
def cohort(request, tmp_path_factory) -> tuple[Path, list[StoredPatient]]:
    """Raw patients, and as they are stored, on the original grid or in blocks of 2."""
    root = tmp_path_factory.mktemp("cohort")
    raw = write_cohort(root / "raw", ["P0", "P1", "P2"], shape=SHAPE)
    grid = Grid(crop=CROP, downsample=request.param, step=request.param)
    for files in find_patients(raw):
        prepare(files, root / "store", grid, load_source("brats"))
    return raw, [StoredPatient(root / "store", f"P{i}") for i in range(3)]


def truth(raw: Path, name: str, kind: str = "t1ce") -> nib.Nifti1Image:
    return nib.load(raw / name / f"{name}_{kind}.nii.gz")


def written(path: Path, array, affine, codes: str = "LPS", **header) -> Path:
    """Write an array in another orientation; returns its path."""
    image = nib.Nifti1Image(array, affine)
    turn = orientations.ornt_transform(
        orientations.io_orientation(affine), orientations.axcodes2ornt(codes)
    )
    turned = image.as_reoriented(turn)
    for key, value in header.items():
        turned.header[key] = value
    nib.save(turned, path)
    return path


def stored_t1ce(patient: StoredPatient) -> np.ndarray:
    return to_int16(patient.volume(CROP).t1ce)


@pytest.mark.parametrize(
    ("values", "dtype", "ending", "codes"),
    [
        ("scanner", np.int16, ".nii.gz", "RAS"),
        ("scanner", np.float32, ".nii", "PIR"),
        ("unit", np.float64, ".nii.gz", "LPS"),
        ("unit", np.int16, ".nii.gz", "ASL"),
        ("signed", np.float32, ".nii.gz", "RPI"),
        ("signed", np.int16, ".nii", "LPS"),
    ],
)
def test_the_true_t1ce_is_what_the_store_has(cohort, tmp_path, values, dtype, ending, codes):
    """Whoever wrote it, in whatever orientation, type and range."""
    raw, (patient, *_) = cohort
    image = truth(raw, "P0")
    array = np.asanyarray(image.dataobj)
    low, high = patient.meta.percentiles["t1ce"]
    if values != "scanner":
        air, array = array == 0, np.clip((array - low) / (high - low), 0, 1)
        array[air] = 0
        array = array if values == "unit" else 2 * array - 1
    path = tmp_path / f"anything{ending}"
    if values != "scanner" and dtype == np.int16:
        # As SPM and others write fractions: integers with a slope in the header.
        turned = nib.Nifti1Image(array, image.affine)
        turned.set_data_dtype(np.int16)
        nib.save(turned, path)
    else:
        written(path, array.astype(dtype), image.affine, codes)
    volume, sha256 = read_t1ce(path, patient, values)
    assert volume.dtype == np.int16 and len(sha256) == 64
    tolerance = 3 if dtype == np.int16 else 1
    brain = center_crop_or_pad(patient.labels(), CROP, fill=-1) >= 0
    apart = np.abs(volume.astype(int) - stored_t1ce(patient))
    assert apart[brain].max() <= tolerance
    # A block that is less than half brain is air in the store, but has a mean here.
    assert patient.grid.step > 1 or apart.max() <= tolerance


def test_what_export_writes_is_read_as_it_was(cohort, tmp_path):
    _, (patient, *_) = cohort
    scan = patient.volume()
    nib.save(to_nifti(scan.t1ce, patient.meta, "image"), tmp_path / "t1ce.nii.gz")
    nib.save(to_nifti(scan.labels, patient.meta, "labels"), tmp_path / "seg.nii.gz")
    volume, _ = read_t1ce(tmp_path / "t1ce.nii.gz", patient, "signed")
    assert np.abs(volume.astype(int) - stored_t1ce(patient)).max() <= 1
    classes, _ = read_seg(tmp_path / "seg.nii.gz", patient)
    labels = center_crop_or_pad(scan.labels, CROP, fill=0)
    assert classes.dtype == np.uint8 and (classes == np.maximum(labels, 0)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_a_segmentation_has_the_releases_labels(cohort, tmp_path, dtype):
    raw, (patient, *_) = cohort
    image = truth(raw, "P0", "seg")
    path = tmp_path / "seg.nii"
    written(path, np.asanyarray(image.dataobj).astype(dtype), image.affine, "RAI")
    classes, _ = read_seg(path, patient)
    labels = center_crop_or_pad(patient.labels(), CROP, fill=0)
    assert set(np.unique(classes)) == {0, 1, 2, 3}
    assert (classes == np.maximum(labels, 0)).all()


def test_no_tumour_may_be_found(cohort, tmp_path):
    raw, (patient, *_) = cohort
    path = written(tmp_path / "seg.nii", np.zeros(SHAPE, np.uint8), truth(raw, "P0").affine)
    assert not read_seg(path, patient)[0].any()


def signed(raw: Path, patient: StoredPatient) -> np.ndarray:
    low, high = patient.meta.percentiles["t1ce"]
    array = np.asanyarray(truth(raw, patient.patient).dataobj).astype(float)
    return np.clip(2 * (array - low) / (high - low) - 1, -1, 1)


def with_nan(array):
    array[3, 3, 3] = np.nan
    return array


@pytest.mark.parametrize(
    ("values", "change", "message"),
    [
        ("unit", lambda x: x, r"from -1 to 1, but `range: unit` is 0 to 1.*`range: signed`"),
        ("signed", lambda x: (x + 1) / 2, r"air is -1.*like `range: unit`"),
        ("scanner", lambda x: (x + 1) / 2, r"none above \d.*like `range: unit`"),
        ("scanner", lambda x: x, r"none above \d.*like `range: signed`"),
        ("signed", lambda x: (x + 1) * 500, r"to 1000, but .*like `range: scanner`"),
        ("unit", lambda x: (x + 1) * 500, r"like `range: scanner`"),
        ("signed", lambda x: x * 1.01, r"to 1.01, but .*Clip"),
        ("signed", lambda x: x * 0, r"every voxel of .* is -?0.*no image"),
        ("signed", with_nan, r"holds NaN or infinite voxels"),
        ("signed", lambda x: x[:-1], r"shape \(65, 65, 9\).*not the patient's \(66, 65, 9\)"),
        ("signed", lambda x: np.stack([x, x], axis=-1), r"not one 3-D volume"),
    ],
)
def test_a_t1ce_that_is_refused(cohort, tmp_path, values, change, message):
    raw, (patient, *_) = cohort
    array = change(signed(raw, patient)).astype(np.float32)
    path = written(tmp_path / "x.nii.gz", array, truth(raw, "P0").affine)
    with pytest.raises(InputError, match=message) as caught:
        read_t1ce(path, patient, values)
    assert "Patient P0" in str(caught.value) and "x.nii.gz" in str(caught.value)


def test_rounding_beyond_the_range_is_no_fault(cohort, tmp_path):
    raw, (patient, *_) = cohort
    array = (signed(raw, patient) * 1.0005).astype(np.float32)
    path = written(tmp_path / "x.nii.gz", array, truth(raw, "P0").affine)
    assert read_t1ce(path, patient, "signed")[0].min() == -32767


def test_a_damaged_file_another_place_and_another_unit(cohort, tmp_path):
    raw, (patient, *_) = cohort
    affine, array = truth(raw, "P0").affine, signed(raw, patient).astype(np.float32)
    path = written(tmp_path / "x.nii.gz", array, affine)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"Patient P0: .*x.nii.gz cannot be read as NIfTI"):
        read_t1ce(path, patient, "signed")
    moved = affine.copy()
    moved[0, 3] += 10
    written(path, array, moved)
    for read in (lambda: read_t1ce(path, patient, "signed"), lambda: read_seg(path, patient)):
        with pytest.raises(InputError, match=r"lies elsewhere in space .* voxels\)"):
            read()
    written(path, array, affine, xyzt_units=1)
    with pytest.raises(InputError, match=r"another than millimetres"):
        read_t1ce(path, patient, "signed")


def test_labels_of_another_release_and_a_tumour_outside_the_brain(cohort, tmp_path):
    raw, (patient, *_) = cohort
    image = truth(raw, "P0", "seg")
    array = np.asanyarray(image.dataobj).copy()
    array[array == 4] = 3
    path = written(tmp_path / "x.nii.gz", array, image.affine)
    with pytest.raises(InputError, match=r"P0: .*x.nii.gz has labels.* 3 \(\d+ voxels\).*4 enh"):
        read_seg(path, patient)
    corner = np.zeros(SHAPE, np.uint8)
    corner[:4, :4, :4] = 2
    written(path, corner, image.affine)
    with pytest.raises(InputError, match=r"P0: the whole tumour of .*x.nii.gz is outside"):
        read_seg(path, patient)


def head(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
    z, y, x = (np.arange(64)[place] for place in np.ogrid[:64, :64, :64])
    places = zip((z, y, x), centre, radii, strict=True)
    return sum(((axis - middle) / radius) ** 2 for axis, middle, radius in places) < 1


class Stored:
    """As much of a stored patient as `Brains` reads."""

    def __init__(self, name: str, brain: np.ndarray):
        self.patient, self.brain = name, brain
        self.grid, self.meta = Grid(crop=64), self
        self.original_shape, self.original_affine = (64, 64, 64), ((1,),)

    def labels(self) -> np.ndarray:
        return np.where(self.brain, 0, -1).astype(np.int8)


def test_another_patients_t1ce_is_noticed_and_a_bad_one_is_not():
    own = Stored("A", head((32, 32, 32), (24, 28, 22)))
    others = [
        Stored("B", head((33, 31, 32), (22, 26, 26))),
        Stored("C", head((31, 33, 32), (27, 25, 23))),
    ]
    brains, rng = Brains([own, *others]), np.random.default_rng(0)
    noise = rng.normal(0, 0.3, (64, 64, 64))

    def refused(brain, lit=0.5, air=-1.0) -> bool:
        volume = to_int16(np.where(brain, lit, air) + noise)
        try:
            brains.refuse_another(Path("x.nii"), "A", volume)
        except InputError as error:
            assert "Patient A: x.nii" in str(error) and "that of B" in str(error)
            return True
        return False

    assert refused(others[0].brain) and refused(others[0].brain, lit=-0.7, air=0.8)
    assert not refused(own.brain)
    # Nothing but noise; skull left on; stripped too far; half of the head; moved by 4 mm.
    assert not refused(own.brain, lit=0, air=0)
    assert not refused(head((32, 32, 32), (31, 31, 31)))
    assert not refused(head((32, 32, 32), (19, 23, 17)))
    assert not refused(own.brain & (np.arange(64) < 32))
    assert not refused(np.roll(own.brain, 4, axis=1))


# Patterns.


def pattern(folder: Path, text: str) -> Pattern:
    return Pattern("theirs", "t1ce", text, folder / "theirs")


def test_a_pattern_finds_one_file(tmp_path):
    files = tmp_path / "theirs" / "pre[d]s"
    files.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere.nii.gz"
    elsewhere.touch()
    (files / "A_v1.nii.gz").symlink_to(elsewhere)
    (files / "B_v2.nii").touch()
    (files / "B_v2.json").touch()
    one = pattern(tmp_path, "pre[d]s/{patient}_v*")
    assert one.find("A").name == "A_v1.nii.gz" and one.find("B").name == "B_v2.nii"
    assert one.root == files and len(one.state()) == 2
    assert pattern(tmp_path, f"{files}/{{patient}}_v1.nii.gz").find("A").is_file()
    (files / "B_v3.nii.gz").touch()
    with pytest.raises(MethodError, match=r"theirs.*patient B: .*B_v2.nii and .*B_v3.nii.gz both"):
        one.find("B")
    with pytest.raises(MethodError, match=r"theirs, `t1ce`, patient C: there is no file .*C_v\*"):
        one.find("C")
    for name in ("../A", "..", "A/B", "", "*"):
        with pytest.raises(MethodError):
            pattern(tmp_path, "pre[d]s/{patient}_v1.nii.gz").find(name)


def test_a_pattern_without_its_folder(tmp_path):
    one = pattern(tmp_path, "/nowhere/{patient}/*.nii.gz")
    assert one.state() == [] and one.root == Path("/nowhere")
    with pytest.raises(MethodError, match=r"there is no folder /nowhere"):
        one.find("A")


def test_the_state_follows_files_and_what_is_said_of_them(tmp_path):
    (tmp_path / "theirs").mkdir()
    keys = {"t1ce": "{patient}.nii.gz", "range": "unit", "patients": "test"}
    one = tmp_path / "theirs/A.nii.gz"
    states = [method(tmp_path, **keys).volumes_state()]
    one.write_bytes(b"1")
    states.append(method(tmp_path, **keys).volumes_state())
    one.write_bytes(b"22")
    states.append(method(tmp_path, **keys).volumes_state())
    for more in ({"range": "signed"}, {"learned_from": ["X"]}, {"learned_from": "list.txt"}):
        states.append(method(tmp_path, **keys | more).volumes_state())
    (tmp_path / "theirs/list.txt").write_text("X # a comment\n\nY\n")
    states.append(method(tmp_path, **keys | {"learned_from": "list.txt"}).volumes_state())
    assert len({json.dumps(state) for state in states}) == len(states)
    assert states[-1]["learned_from"] == ("X", "Y")


T1CE = {"t1ce": "{patient}.nii.gz", "range": "unit", "patients": "test"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, r"`external` needs `t1ce` or `seg`"),
        (T1CE | {"range": None}, r"line \d, `t1ce`: it needs `range`.*scanner, unit or signed"),
        (T1CE | {"patients": None}, r"`t1ce`: it needs `patients`"),
        ({"seg": "{patient}.nii", "range": "unit"}, r"`range`: .*remove it"),
        (T1CE | {"t1ce": "t1ce.nii.gz"}, r"write {patient} in the place"),
        (T1CE | {"t1ce": "{patient}_{kind}.nii.gz"}, r"no other braces"),
        (T1CE | {"t1ce": "../{patient}.nii.gz"}, r"`\.\.` leads out of the folder"),
        (T1CE | {"t1ce": "{patient}.npy"}, r"{patient}.npy names no NIfTI files"),
        (T1CE | {"range": "0..1"}, r"`range`: found '0..1'"),
        (T1CE | {"params": {"width": 4}}, r"`params`: an external method has none"),
        (T1CE | {"kind": "synthesis"}, r"`t1ce`: only a method of kind `external`"),
        (
            {"kind": "control", "variants": {"a": {"summary": "x", "kind": "external"}}},
            r"only a whole method can be `external`",
        ),
    ],
)
def test_a_description_that_is_refused(tmp_path, keys, message):
    with pytest.raises(MethodError, match=message):
        method(tmp_path, **keys)


# `python -m methods new NAME --external PATH`.


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["A_1_t1ce.nii.gz", "B_1_t1ce.nii.gz"], {"t1ce": "{patient}_t1ce.nii.gz"}),
        (["BraTS-GLI-00000-000-t1c.nii.gz"], {"t1ce": "{patient}-t1c.nii.gz"}),
        (
            ["BraTS21_1_seg.nii", "BraTS21_1_t1ce.nii"],
            {"t1ce": "{patient}_t1ce.nii", "seg": "{patient}_seg.nii"},
        ),
        (["A_1/A_1_pred.nii.gz"], {"t1ce": "{patient}/{patient}_pred.nii.gz"}),
        (["A_1/seg.nii.gz"], {"seg": "{patient}/seg.nii.gz"}),
        (["BraTS2021_00002.nii.gz", "dataset.json"], {"t1ce": "{patient}.nii.gz"}),
    ],
)
def test_how_a_folders_files_are_named(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert guess_patterns(tmp_path) == {k: f"{tmp_path}/{text}" for k, text in expected.items()}


def test_names_of_two_kinds_and_no_names(tmp_path):
    with pytest.raises(MethodError, match=r"holds no NIfTI files"):
        guess_patterns(tmp_path)
    for name in ("A_1_t1ce.nii.gz", "A_1_other.nii.gz"):
        (tmp_path / name).touch()
    with pytest.raises(MethodError, match=r"files named .*_other.nii.gz and .*_t1ce.nii.gz"):
        guess_patterns(tmp_path)


def test_new_writes_a_description_that_works(tmp_path, monkeypatch, capsys):
    files = tmp_path / "files"
    files.mkdir()
    for kind in ("t1ce", "seg"):
        (files / f"A_1_{kind}.nii.gz").touch()
    # The default of `folder` is bound already.
    defaults = (*new_external.__defaults__[:-1], tmp_path)
    monkeypatch.setattr(new_external, "__defaults__", defaults)

    def new(*arguments: str) -> int:
        return methods_command(["new", *arguments])

    assert new("both", "--external", str(files)) == 2
    assert "--range scanner" in capsys.readouterr().err
    assert new("both", "--external", str(files), "--range", "unit", "--benchmark", "mine") == 0
    shown = capsys.readouterr().out
    assert f"{files}/{{patient}}_seg.nii.gz" in shown and "benchmark=mine" in shown
    one = Method(tmp_path / "both")
    one.check()
    assert one.description.range == "unit" and one.description.benchmarks == ("mine",)
    assert one.pattern("t1ce").find("A_1") == files / "A_1_t1ce.nii.gz"
    assert new("seg", "--external", f"{files}/{{patient}}_seg.nii.gz") == 0
    text = (tmp_path / "seg/method.yaml").read_text()
    assert "range" not in text and Method(tmp_path / "seg").pattern("t1ce") is None
    assert new("both", "--external", str(files), "--range", "unit") == 2


# From planning to scores.


@pytest.fixture
def entered(tmp_path, monkeypatch):
    """A function that plans a benchmark with external methods, in a folder with its patients."""
    raw = write_cohort(tmp_path / "raw", [f"P{i}" for i in range(3)], shape=(64, 64, 8))
    text = f"""
title: mine
cohort: {{source: brats, path: {raw}}}
results:
  split: {{fractions: [1, 1, 1], seed: 8, file: split.csv}}
  slices: {{crop: 32, downsample: 2, step: 1}}
  methods: NAMES
"""
    splits = ["P0,,train", "P1,,val", "P2,,test"]
    (tmp_path / "split.csv").write_text("\n".join(["patient,grade,split", *splits, ""]))
    monkeypatch.chdir(tmp_path)

    def plan(**methods: dict) -> Plan:
        made = {name: method(tmp_path / "methods", name, **keys) for name, keys in methods.items()}
        known = {k: v for k, v in registry.discover().items() if k in ("real_t1ce", "unet")}
        monkeypatch.setattr("workflow.plan.discover", lambda: known | made)
        content = text.replace("NAMES", f"[{', '.join(methods)}]")
        Path("mine.yaml").write_text(content, encoding="utf-8")
        return Plan(load("mine.yaml"))

    return plan


def prepared(plan: Plan) -> None:
    for patient in ("P0", "P1", "P2"):
        assert command("prepare", "--patient", patient) == 0
    assert command("cohort") == 0 and command("split") == 0


def command(verb: str, *arguments: str) -> int:
    return workflow_command([verb, "--benchmark", "mine.yaml", *arguments])


def ingested(name: str, kind: str = "t1ce") -> int:
    return command("ingest", "--run", name, "--seed", "0", "--kind", kind)


def test_ingested_exported_and_ingested_again(entered, tmp_path):
    """The exported volumes of a run are another method's files, with the same scores."""
    raw, cases = f"{tmp_path}/raw/{{patient}}/{{patient}}", "results/cases/mine/first/seed0"
    first = {"t1ce": f"{raw}_t1ce.nii.gz", "seg": f"{raw}_seg.nii.gz", "range": "scanner"}
    again = {kind: f"{tmp_path}/{cases}/{{patient}}_{kind}.nii.gz" for kind in ("t1ce", "seg")} | {
        "range": "signed"
    }
    plan = entered(
        first=first | {"patients": "all", "learned_from": ["P0", "elsewhere_1"]},
        again=again | {"patients": "test"},
    )
    prepared(plan)
    rows = external.needed(plan["first"].method, "t1ce", external_rows())
    assert rows == ["P0", "P1", "P2"]
    folders, scores = {}, {}
    for name in ("first", "again"):
        for kind in ("t1ce", "seg"):
            assert ingested(name, kind) == 0
        for verb in ("score", "export"):
            assert command(verb, "--run", name, "--seed", "0") == 0
        folders[name] = Layout("mine").run(name, Replicate(0))
        scores[name] = pd.read_csv(folders[name].scores)
    assert read_index(folders["first"], "t1ce")["volumes"].keys() == {"P0", "P1", "P2"}
    index = read_index(folders["first"], "seg")
    assert index["volumes"].keys() == {"P2"} and index["attention"] == {}
    assert index["learned"] == {"inputs": [], "patients": {"train": ["P0", "elsewhere_1"]}}
    assert read_index(folders["again"], "seg")["learned"]["patients"] == {}
    (patient,) = stored_patients(plan.benchmark, Place(), "test")
    for kind, most in (("t1ce", 1.01 / 32767), ("seg", 0)):
        one, other = (Predictions(folders[name], kind).read(patient) for name in folders)
        assert np.abs(one.astype(float) - other).max() <= most
    values = [scores[name]["value"].to_numpy() for name in scores]
    assert len(values[0]) > 50
    np.testing.assert_allclose(*values, atol=1e-4, rtol=1e-4)
    record = json.loads(Layout("mine").record("ingest", "first", "t1ce", "seed0").read_text())
    takes = [name for step in record["steps"] for name in step["takes"]]
    assert "external:first/t1ce/P2/P2_t1ce.nii.gz" in takes and len(record["steps"]) == 3


def external_rows() -> list[Row]:
    return read_split(Layout("mine").split(Place()))


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"t1ce": "{patient}.nii.gz"}, r"`t1ce`, patient P2: there is no file .*P2.nii.gz"),
        ({"t1ce": "/nowhere/{patient}.nii"}, r"patient P2: there is no folder /nowhere"),
        ({"learned_from": ["X", "P2"]}, r"`learned_from`: P2 is a test patient"),
        ({"learned_from": "list.txt"}, r"`learned_from`: .*list.txt cannot be read"),
        ({"range": "unit"}, r"P2: .*P2_t1ce.nii.gz holds values .* like `range: scanner`"),
    ],
)
def test_planning_warns_and_the_run_fails_with_the_reason(entered, tmp_path, capsys, keys, fault):
    good = {"t1ce": f"{tmp_path}/raw/{{patient}}/{{patient}}_t1ce.nii.gz", "range": "scanner"}
    plan = entered(theirs=good | {"patients": "test"} | keys)
    assert plan.digest(plan["theirs"], 0)
    prepared(plan)
    capsys.readouterr()
    external.warn([plan["theirs"].method], external_rows())
    warned = capsys.readouterr().err
    if "range" not in keys:
        assert warned.count("\n") == 1 and "methods/theirs" in warned
        assert re.search(fault, warned), warned
    assert ingested("theirs") == 2
    (reason,) = Layout("mine").run("theirs", Replicate(0)).failures("ingest")
    assert re.search(fault, reason.read_text()), reason.read_text()


def test_another_scan_of_a_test_patient_is_a_leak(tmp_path):
    rows = [Row("BraTS-GLI-00005-100", "BraTS-GLI-00005", None, "test")]
    for names, found in ((["BraTS-GLI-00005-101"], True), (["BraTS-GLI-00006-100"], False)):
        one = method(tmp_path, **T1CE, learned_from=names)
        if found:
            with pytest.raises(MethodError, match=r"00005-101 is a scan of BraTS-GLI-00005-100"):
                external.refuse_learned_from_test(one, rows)
        else:
            external.refuse_learned_from_test(one, rows)
