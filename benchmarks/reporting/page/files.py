"""Where the NIfTI files of the test patients are: those that were read, and the predictions."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.cohorts.replicate import Replicate
from benchmarks.manifest import Manifest
from benchmarks.reporting.page.columns import seeds_of_columns
from benchmarks.reporting.results import Results

READ = ("t1ce", "seg")
Cases = Callable[[str, Replicate], Path]  # the folder of a replicate's exported predictions


def nifti_files(results: Results, manifest: Manifest, cases: Cases | None) -> dict:
    """Return the paths from the repository's root, as plain JSON.

    `read` holds, per patient, the true T1ce and segmentation by `READ`, as far as the manifest
    knows them by their checksum. `cases` holds, by run, the folder of the predictions per patient,
    or the one folder of them all; their names are `<patient>_t1ce.nii.gz` and
    `<patient>_seg.nii.gz`.
    """
    data = manifest.data
    known = {sha256: (Path(data.folder) / name).as_posix() for name, sha256 in data.files.items()}
    read = [
        {
            kind: known[file.sha256]
            for kind in READ
            if (file := one.meta.files[kind]).sha256 in known
        }
        for one in results.patients.values()
    ]
    folders = {}
    for run, seed in seeds_of_columns(results).items() if cases else ():
        found = [results.whole.replicate(run, patient, seed) for patient in results.patients]
        paths = [cases(run, one).as_posix() if one else None for one in found]
        folders[run] = paths[:1] if len(set(paths)) == 1 else paths
    return {"read": read, "cases": folders}
