"""A source of patients is one file: found, read by its own `read`, refused where it is broken."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from made_up import AFFINE, SHAPE, write_cohort

from benchmarks import config
from benchmarks.cohorts import sources
from benchmarks.cohorts.sources import load_source, source_names
from benchmarks.cohorts.store import Grid, StoredPatient, prepare
from benchmarks.errors import InputError

ROOT = Path(__file__).parents[1]
PLAIN = '''\
"""One folder per patient, with T1.nii.gz, T2, FLAIR, T1CE and MASK, whose tumour is 9.

More about it.
"""

from benchmarks.cohorts.patient import KINDS, PatientFiles

SETTINGS = ("path",)
SIMULATED = False
FILES = dict(zip(KINDS, ("T1", "T2", "FLAIR", "T1CE", "MASK"), strict=True))


def find(cohort, folder):
    return [
        PatientFiles(one.name, None, **{k: one / f"{n}.nii.gz" for k, n in FILES.items()})
        for one in sorted(cohort.path.iterdir())
    ]


def read(files):
    from benchmarks.cohorts import nifti

    return nifti.read_patient(files, lambda files, labels: (labels == 9) * 3)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy of the folder of sources, which tests may change."""
    copy = shutil.copytree(sources.FOLDER, tmp_path / "sources")
    monkeypatch.setattr(sources, "FOLDER", copy)
    monkeypatch.setattr(sources, "__path__", [str(copy)])
    yield copy
    for name in [name for name in sys.modules if name.startswith(f"{sources.__name__}.mine")]:
        del sys.modules[name]


def fault(name: str = "mine") -> str:
    with pytest.raises(InputError) as caught:
        load_source(name)
    return str(caught.value)


def loaded(tmp_path: Path, cohort: str, **options: str) -> config.Benchmark:
    path = tmp_path / "mine.yaml"
    path.write_text(f"title: mine\ncohort: {cohort}\n")
    return config.load(str(path), **options)


def refused(tmp_path: Path, cohort: str, **options: str) -> str:
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, cohort, **options)
    return str(caught.value)


def write_plain(root: Path) -> dict[str, np.ndarray]:
    """A patient P0 as `PLAIN` expects it; returns its arrays by kind."""
    write_cohort(root / "brats", ["P0"])
    (root / "plain" / "P0").mkdir(parents=True)
    arrays = {}
    for kind, name in (("t1", "T1"), ("t2", "T2"), ("flair", "FLAIR"), ("t1ce", "T1CE")):
        path = root / "brats" / "P0" / f"P0_{kind}.nii.gz"
        arrays[kind] = np.asanyarray(nib.load(path).dataobj)
        shutil.copy(path, root / "plain" / "P0" / f"{name}.nii.gz")
    arrays["seg"] = np.zeros(SHAPE, np.uint8)
    arrays["seg"][30:34, 30:34, 4] = 9
    nib.save(nib.Nifti1Image(arrays["seg"], AFFINE), root / "plain" / "P0" / "MASK.nii.gz")
    return arrays


def test_the_suites_sources_keep_the_interface():
    assert source_names() == ["brats", "phantom"]
    brats, phantom = map(load_source, source_names())
    assert (brats.settings, brats.simulated, brats.simulate) == (
        ("path", "release"),
        False,
        None,
    )
    assert (phantom.settings, phantom.simulated) == (("patients", "seed"), True)


def test_a_new_file_is_a_new_source(folder, tmp_path):
    arrays = write_plain(tmp_path)
    (folder / "mine.py").write_text(PLAIN)

    benchmark = loaded(tmp_path, "{source: mine}", data=str(tmp_path / "plain"))
    source = load_source(benchmark.cohort.source)
    (files,) = source.find(benchmark.cohort, tmp_path / "simulated")
    prepare(files, tmp_path / "store", Grid(crop=64), source)

    assert source_names() == ["brats", "mine", "phantom"]
    assert source.title.startswith("One folder per patient") and "More" not in source.title
    patient = StoredPatient(tmp_path / "store", "P0")
    assert patient.meta.source == "mine"
    assert patient.meta.files["seg"].name == "MASK.nii.gz"
    np.testing.assert_array_equal(patient.volume().labels == 3, (arrays["seg"] == 9).T)
    np.testing.assert_array_equal(patient.volume().t1ce > -1, _bright(arrays["t1ce"]).T)


def _bright(volume: np.ndarray) -> np.ndarray:
    """Where the store has more than -1: above the lowest percentile of the brain."""
    return volume > np.percentile(volume[volume != 0], 0.5)


def test_a_damaged_file_of_a_new_source_is_refused_by_the_general_reader(folder, tmp_path):
    write_plain(tmp_path)
    (folder / "mine.py").write_text(PLAIN)
    path = tmp_path / "plain" / "P0" / "T2.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    source = load_source("mine")
    (files,) = source.find(SimpleNamespace(path=tmp_path / "plain"), tmp_path)
    with pytest.raises(InputError, match=r"Patient P0: .*T2\.nii\.gz cannot be read") as caught:
        source.read(files)
    assert "BraTS" not in str(caught.value)


def test_labels_that_are_no_classes_are_refused(folder, tmp_path):
    write_plain(tmp_path)
    (folder / "mine.py").write_text(PLAIN.replace("(labels == 9) * 3", "labels"))
    source = load_source("mine")
    (files,) = source.find(SimpleNamespace(path=tmp_path / "plain"), tmp_path)
    with pytest.raises(InputError, match=r"Patient P0: .*`mine` gives label 9.*\(0, 1, 2, 3\)"):
        prepare(files, tmp_path / "store", Grid(crop=64), source)


def test_a_hidden_file_is_no_source(folder):
    (folder / "_helper.py").write_text("x = 1\n")
    assert source_names() == ["brats", "phantom"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"""One', 'x = """One', ["line 1", "no docstring"]),
        ("SETTINGS =", "SETTING =", ["line 1", 'no `SETTINGS`; write SETTINGS = a tuple out of']),
        ('("path",)', '("path", "colour")', ["line 8", "'colour'", "write a tuple out of", "seed"]),
        ('("path",)', '"path"', ["line 8", "`SETTINGS` is 'path'"]),
        ('("path",)', "tuple(x)", ["line 8", "`SETTINGS` must be a literal"]),
        ("SIMULATED = False", "", ["no `SIMULATED`"]),
        ("SIMULATED = False", "SIMULATED = 'no'", ["line 9", "`SIMULATED` is 'no'", "a bool"]),
        ("SIMULATED = False", "SIMULATED = True", ["no function `simulate`"]),
        ("def find(", "def search(", ["no function `find`"]),
        ("def find(cohort, folder)", "def find(folder, cohort)",
         ["line 13", "takes (folder, cohort); write `def find(cohort, folder)`"]),
        ("def read(files)", "def read(files, deep)", ["line 20", "`read` takes 2", "must take 1"]),
        ("def read(files)", "def read(patient)", ["line 20", "write `def read(files)`"]),
        ("from bench", "import nibabel as nib\nfrom bench", ["line 6", "`nibabel`", "inside"]),
        ("from bench", "from numpy.linalg import norm\nfrom bench", ["line 6", "`numpy`"]),
        ("import KINDS", "import KIND", ["line 6", "cannot be imported", "'KIND'"]),
        ("FILES = ", "FILES = 1 / 0, ", ["line 10", "ZeroDivisionError"]),
        ("def find(", "def find(:", ["line 13", "not Python"]),
    ],
)  # fmt: skip
def test_a_broken_source(folder, tmp_path, old, new, says):
    assert PLAIN.count(old) >= 1
    (folder / "mine.py").write_text(PLAIN.replace(old, new, 1))
    message = fault()
    missing = [part for part in (str(folder / "mine.py"), *says) if part not in message]
    assert not missing, message
    assert message == refused(tmp_path, "{source: mine, path: x}")


def test_an_unknown_source_lists_the_known_ones(tmp_path):
    message = refused(tmp_path, "{source: phantm}")
    assert "mine.yaml, line 2, `cohort.source`: found 'phantm'" in message
    assert "Did you mean `phantom`? Known sources: brats, phantom" in message
    assert "Did you mean" not in refused(tmp_path, "{source: '../../evil'}")


@pytest.mark.parametrize(
    ("cohort", "says"),
    [
        (
            "{source: brats, path: x, seed: 3}",
            ["`cohort.seed`", "`brats` takes path and release", "no `seed`"],
        ),
        ("{source: brats, path: x, patients: 5}", ["`cohort.patients`", "found 5"]),
        ("{source: phantom, path: x}", ["`cohort.path`", "takes patients and seed", "brats2020"]),
        ("{source: brats}", ["`cohort.path` is missing", "data=/path/to/BraTS"]),
        ("{source: phantom, colour: 1}", ["`cohort.colour`", "no such key"]),
    ],
)
def test_keys_that_do_not_fit_the_source(tmp_path, cohort, says):
    message = refused(tmp_path, cohort)
    missing = [part for part in ("mine.yaml, line 2", *says) if part not in message]
    assert not missing, message


def test_two_faults_are_reported_together(tmp_path):
    lines = refused(tmp_path, "{source: phantom, path: x, patients: 1}").splitlines()
    assert len(lines) == 2 and "`cohort.path`" in lines[1] and "`cohort.patients`" in lines[0]


def test_planning_finds_patients_where_only_snakemake_is_installed(tmp_path):
    """Every other package is barred, as if it were not installed."""
    write_cohort(tmp_path / "data", ["P0", "P1"], (16, 16, 4))
    code = f"""
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"numpy", "nibabel", "scipy", "torch", "pandas", "skimage"}}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from benchmarks.cohorts import split
from benchmarks.cohorts.sources import load_source
from benchmarks.config import load

for name, data in (("brats2020", {str(tmp_path / "data")!r}), ("phantom", None)):
    cohort = load(name, data=data).cohort
    print(*[files.patient for files in load_source(cohort.source).find(cohort, Path("x"))])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    real, simulated = done.stdout.splitlines()
    assert real == "P0 P1"
    assert simulated.startswith("Phantom_001 Phantom_002 ") and simulated.endswith(" Phantom_026")
