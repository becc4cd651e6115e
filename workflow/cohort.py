"""The commands that make a cohort ready: simulate, prepare, split."""

import hashlib
from pathlib import Path

from benchmarks.cohorts.brats import PatientFiles, find_patients
from benchmarks.cohorts.split import SPLITS, Row, read_split, split, write_split
from benchmarks.cohorts.store import Grid, StoredPatient, prepare
from benchmarks.config import Benchmark
from benchmarks.errors import InputError
from benchmarks.files import write_csv
from workflow.layout import Layout


def patient_files(benchmark: Benchmark) -> dict[str, PatientFiles]:
    """The five files of each patient, by patient; those of a phantom need not exist yet."""
    if benchmark.cohort.source == "brats":
        return {files.patient: files for files in find_patients(benchmark.cohort.path)}
    from benchmarks.cohorts.phantom import patients

    folder = Layout(benchmark.name).phantom
    return {name: _phantom_files(folder, name) for name in patients(benchmark.cohort.patients)}


def _phantom_files(folder: Path, patient: str) -> PatientFiles:
    paths = {
        kind: folder / patient / f"{patient}_{kind}.nii.gz"
        for kind in ("t1", "t2", "flair", "t1ce", "seg")
    }
    return PatientFiles(patient=patient, grade=None, **paths)


def stored_patients(benchmark: Benchmark, split: str | None = None) -> list[StoredPatient]:
    """The prepared patients of one split, or all, in the split file's order."""
    layout = Layout(benchmark.name)
    rows = read_split(layout.split)
    return [stored(benchmark, row.patient) for row in rows if split in (None, row.split)]


def stored(benchmark: Benchmark, patient: str) -> StoredPatient:
    """One prepared patient, prepared for this benchmark's grid."""
    one = StoredPatient(Layout(benchmark.name).store, patient)
    if one.grid != _grid(benchmark):
        raise InputError(
            f"Patient {patient} was prepared for another `results.slices`: {one.grid} instead of "
            f"{_grid(benchmark)}. Run prepare for all patients again, then split."
        )
    return one


def _grid(benchmark: Benchmark) -> Grid:
    return Grid(**benchmark.results.slices.model_dump())


def with_cohort(digest: str, benchmark: Benchmark) -> str:
    """`digest`, made to depend on the patients' files and their split too."""
    layout = Layout(benchmark.name)
    missing = [str(path) for path in (layout.manifest, layout.split) if not path.is_file()]
    if missing:
        raise InputError(f"There is no {' and no '.join(missing)}. Make it with the split command.")
    parts = [digest.encode(), layout.manifest.read_bytes(), layout.split.read_bytes()]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def run_simulate(benchmark: Benchmark, patient: str) -> None:
    """Write a phantom patient's BraTS folder."""
    from benchmarks.cohorts.phantom import simulate

    if benchmark.cohort.source != "phantom":
        raise InputError(f"Benchmark `{benchmark.name}` reads BraTS folders: nothing to simulate.")
    _known(patient, patient_files(benchmark))
    simulate(patient, Layout(benchmark.name).phantom, benchmark.cohort.seed)


def run_prepare(benchmark: Benchmark, patient: str) -> None:
    """Check, normalise and store one patient."""
    known = patient_files(benchmark)
    _known(patient, known)
    prepare(known[patient], Layout(benchmark.name).store, _grid(benchmark))


def _known(patient: str, cohort: dict[str, PatientFiles]) -> None:
    if patient not in cohort:
        raise InputError(f"There is no patient {patient!r}; there are {', '.join(cohort)}.")


def assign(benchmark: Benchmark, files: dict[str, PatientFiles]) -> list[Row]:
    """Who trains, validates and tests; known before any file is opened."""
    settings = benchmark.results.split
    if settings.file is None:
        cohort = [(name, one.grade) for name, one in files.items()]
        return split(cohort, settings.fractions, settings.seed)
    rows = read_split(settings.file)
    _check_same_patients(set(files), {row.patient for row in rows}, settings.file)
    if empty := ", ".join(name for name in SPLITS if name not in {row.split for row in rows}):
        raise InputError(f"{settings.file} gives no patient to {empty}. Give at least one to each.")
    return rows


def run_split(benchmark: Benchmark) -> None:
    """Write the split, and the manifest of what was read."""
    layout = Layout(benchmark.name)
    files = patient_files(benchmark)
    rows = assign(benchmark, files)
    prepared = [stored(benchmark, name) for name in files]
    _check_tumours(prepared, {r.patient: r.split for r in rows})
    _write_manifest(prepared, layout.manifest)
    write_split(rows, layout.split)
    for name in ("train", "val", "test"):
        grades = [r.grade or "grade not known" for r in rows if r.split == name]
        counts = ", ".join(f"{grades.count(g)} {g}" for g in sorted(set(grades)))
        print(f"{name}: {len(grades)} patients ({counts})")


def _check_same_patients(cohort: set[str], listed: set[str], path: Path) -> None:
    for patients, fault in (
        (cohort - listed, f"{path} does not list"),
        (listed - cohort, f"{path} lists, but the cohort lacks,"),
    ):
        if patients:
            raise InputError(f"{fault} {', '.join(sorted(patients))}. List every patient once.")


def _check_tumours(stored: list[StoredPatient], splits: dict[str, str]) -> None:
    for name in ("train", "val", "test"):
        if not any(len(p.tumour_slices) for p in stored if splits[p.patient] == name):
            raise InputError(
                f"No {name} patient has a tumour in their segmentation. Choose another "
                "`results.split.seed`, or check the segmentation files."
            )


def _write_manifest(stored: list[StoredPatient], path: Path) -> None:
    """A line a file that was read: patient, kind, name, sha256."""
    rows = [
        (patient.patient, kind, source["file"], source["sha256"])
        for patient in stored
        for kind, source in patient.meta.sources.items()
    ]
    write_csv(path, ["patient", "kind", "file", "sha256"], rows)
