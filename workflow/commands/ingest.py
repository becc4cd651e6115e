"""Check and store an external method's volumes."""

from collections.abc import Mapping, Sequence

from benchmarks.cohorts.external import Brains, read_seg, read_t1ce
from benchmarks.cohorts.replicate import Replicate
from benchmarks.cohorts.split import SPLITS, Row, read_split
from benchmarks.cohorts.store import StoredPatient
from benchmarks.errors import InputError
from benchmarks.manifest import EXTERNAL
from workflow import predictions
from workflow.external import find
from workflow.layout import Layout
from workflow.plan import Plan, Run
from workflow.predictions import Kind, volume_checksums
from workflow.records import Checksums, Record, checksums
from workflow.stored import cohort_checksums, patient_checksums, stored_patients


def run(plan: Plan, run: str, replicate: Replicate, kind: Kind) -> list[Record]:
    """Write an external run's volumes of one kind as those of other runs are, and their index.

    Raises
    ------
    InputError, MethodError : the run has no such volumes; one is missing, damaged, on another grid,
        in other units or labels than declared, or another patient's; or the method learned from a
        test patient.
    """
    benchmark, chosen = plan.benchmark, plan[run]
    layout = Layout(benchmark.name)
    folder = layout.run(run, replicate)
    if chosen.kind != "external" or kind not in chosen.makes:
        raise InputError(f"`{run}` is of kind `{chosen.kind}`, without files of {kind} to ingest.")
    rows = read_split(layout.split(replicate.place))
    files = find(chosen.method, kind, rows)
    everyone = stored_patients(benchmark, replicate.place)
    patients = [one for one in everyone if one.patient in files]
    brains = Brains(patients) if kind == "t1ce" else None
    root = chosen.method.pattern(kind).root
    volumes, seen, sources = {}, {}, {}
    for patient in patients:
        name, path = patient.patient, files[patient.patient]
        if kind == "t1ce":
            volume, sha256 = read_t1ce(path, patient, chosen.method.description.range)
            brains.refuse_another(path, name, volume)
        else:
            volume, sha256 = read_seg(path, patient)
        volumes[name] = predictions.write_prediction(folder, kind, name, volume)
        seen[name] = predictions.summary(volume, kind, patient)
        source = f"{EXTERNAL}{chosen.method.name}/{kind}/{path.relative_to(root).as_posix()}"
        sources[name] = {source: sha256}
    names = chosen.method.learned_from()
    learned = {"inputs": [], "patients": {} if names is None else {"train": names}}
    index = {"run": run, "replicate": replicate.title, "volumes": volumes, "learned": learned}
    predictions.write_index(folder, kind, index | {"seen": seen, "attention": {}})
    return _records(plan, chosen, replicate, kind, patients, rows, sources)


def _records(
    plan: Plan,
    run: Run,
    replicate: Replicate,
    kind: Kind,
    patients: Sequence[StoredPatient],
    rows: Sequence[Row],
    sources: Mapping[str, Checksums],
) -> list[Record]:
    """One record per split, so that a changed test patient does not seem to change trainings."""
    folder = Layout(plan.benchmark.name).run(run.name, replicate)
    shared = cohort_checksums(plan.benchmark, replicate.place)
    split = {row.patient: row.split for row in rows}
    records = []
    for place in SPLITS:
        members = [one for one in patients if split[one.patient] == place]
        names = [one.patient for one in members]
        takes = shared | patient_checksums(plan.benchmark, members)
        for name in names:
            takes |= sources[name]
        makes = checksums([folder.index(kind)]) | volume_checksums(folder, kind, names)
        if members:
            step = f"ingest {run.name}, {replicate.title}, {kind} ({place} patients)"
            records.append(Record(step, takes, makes))
    return records
