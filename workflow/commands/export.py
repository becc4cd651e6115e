"""Write a run's predictions as NIfTI, to look at."""

import json

from benchmarks.checksums import checksum
from benchmarks.cohorts.replicate import Replicate
from benchmarks.cohorts.store import center_crop_or_pad, to_nifti
from benchmarks.files import write_atomically, write_gzip
from workflow.layout import Layout
from workflow.plan import Plan
from workflow.predictions import Predictions, volume_checksums
from workflow.records import Record, checksums
from workflow.stored import patient_checksums, stored_patients


def run(plan: Plan, run: str, replicate: Replicate) -> list[Record]:
    """Write the test patients' predictions as NIfTI that overlays the original files.

    index.json, written last, holds the sha256 of every file.
    """
    benchmark, layout = plan.benchmark, Layout(plan.benchmark.name)
    folder, kinds = layout.run(run, replicate), plan[run].makes
    patients = stored_patients(benchmark, replicate.place, "test")
    files = {}
    for patient in patients:
        for kind in kinds:
            volume = Predictions(folder, kind).read(patient)
            fill = -1 if kind == "t1ce" else 0
            volume = center_crop_or_pad(volume, patient.shape[1:], fill=fill)
            name = f"{patient.patient}_{kind}.nii.gz"
            image = to_nifti(volume, patient.meta, "image" if kind == "t1ce" else "labels")
            path = layout.cases(run, replicate) / name
            write_gzip(path, image.to_bytes())
            files[name] = checksum(path)
    index = layout.cases(run, replicate) / "index.json"
    with write_atomically(index) as file:
        file.write(
            json.dumps(
                {"run": run, "replicate": replicate.title, "files": files}, indent=1
            ).encode()
        )
    takes = patient_checksums(benchmark, patients)
    for kind in kinds:
        takes |= volume_checksums(folder, kind, [patient.patient for patient in patients])
    return [Record(f"export {run}, {replicate.title}", takes, checksums([index]))]
