"""Record what all results were made from: collect what each job wrote down.

`benchmarks.manifest.Manifest` lists the fields and their limits.
"""

import importlib.metadata
import json
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from benchmarks.checksums import checksum
from benchmarks.cohorts.description import describe
from benchmarks.config import Benchmark
from benchmarks.manifest import EXTERNAL, Check, Data, File, Manifest, Step, write_manifest
from benchmarks.reporting.catalogue import catalogue_for
from benchmarks.reporting.costs import read_costs, read_prediction_costs
from workflow.checks import all_checks, check
from workflow.layout import Layout
from workflow.machine import ROOT, describe_machine, git_state, remembered_command
from workflow.plan import Plan
from workflow.predictions import read_index
from workflow.records import DATA, Checksums, Record, checksums, read_records
from workflow.status import Status, jobs, run_status, verify_scored
from workflow.stored import patient_checksums, stored_patients

MAKE = {"table": "tabulate", "figure": "draw"}  # the commands that make each kind of item


def run(benchmark: Benchmark) -> list[Record]:
    """Write the manifest of all results that exist, and print the checks that do not hold."""
    plan, layout = Plan(benchmark), Layout(benchmark.name)
    status = run_status(plan)
    verify_scored(plan, status)
    checks = list(all_checks(plan, status))  # first: what it reads is not held beside the records
    found = _Collected(plan, status)
    checks += found.checks()
    manifest = Manifest(
        benchmark=benchmark.name,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        command=remembered_command(),
        code=git_state(ROOT),
        environment=_environment(),
        machine=describe_machine(),
        settings=benchmark.model_dump(mode="json", exclude={"page"}),
        runs=_describe(plan, status),
        checks=checks,
        data=found.data(),
        external=found.external(plan),
        files=found.files,
        arrays=found.arrays,
        steps=found.steps(),
        folders=[path.as_posix() for path in (layout.store, layout.tables, layout.figures)],
        shown=[path.as_posix() for path in (layout.tables, layout.figures)],
        listings=[path.as_posix() for path in _listings(plan)],
    )
    write_manifest(manifest, layout.manifest)
    for one in checks:
        print(f"{'holds' if one.holds else 'DOES NOT HOLD'}: {one.name}. {one.found}".strip())
    # What it took is all that it lists.
    return [Record(f"manifest {benchmark.name}", makes=checksums([layout.manifest]))]


def _listings(plan: Plan) -> list[Path]:
    """Where the page and the exported cases list their files, whether or not they exist yet."""
    layout = Layout(plan.benchmark.name)
    cases = [layout.cases(run.name, one) / "index.json" for run, one in plan.pairs]
    return [layout.page_checksums, *cases]


class _Collected:
    """The records of the patients, runs, tables and figures that exist today, and their files.

    Attributes
    ----------
    records : by step.
    unrecorded : the jobs without a record.
    named : the files that the steps took or made, but for input data and volumes from elsewhere.
    files : those of them that exist, as they are now.
    arrays : the checksums of predicted volumes, as their indices have them now.
    """

    def __init__(self, plan: Plan, status: Status):
        self.benchmark, self.layout = plan.benchmark, Layout(plan.benchmark.name)
        places = self.benchmark.results.split.places
        self.patients = stored_patients(self.benchmark, places[0])
        self.records: dict[str, Record] = {}
        self.unrecorded: list[str] = []
        for patient in self.patients:
            self._add("prepare", patient.patient)
        self._add("cohort")
        for place in places:
            self._add("split", *filter(None, [str(place)]))
        for pair in status.scored:
            for job in jobs(*pair):
                self._add(*job)
        items = catalogue_for(self.benchmark.conditions)
        shown = {"tabulate scores", *(f"{MAKE[item.kind]} {item.name}" for item in items)}
        for verb in MAKE.values():
            records = read_records(self.layout.record(verb))
            self.records |= {one.step: one for one in records if one.step in shown}
        names = {name for one in self.records.values() for name in (*one.takes, *one.makes)}
        self.named = sorted(name for name in names if not name.startswith((DATA, EXTERNAL)))
        self._describe_files(plan)

    def _add(self, *parts: str) -> None:
        records = read_records(self.layout.record(*parts))
        self.records |= {one.step: one for one in records}
        if not records:
            self.unrecorded.append(" ".join(parts))

    def _describe_files(self, plan: Plan) -> None:
        """List the files as they are now; arrays are not read, but known by their descriptions."""
        stored = patient_checksums(self.benchmark, self.patients)
        volumes: Checksums = {}
        for one, replicate in plan.pairs:
            folder = self.layout.run(one.name, replicate)
            for kind in (kind for kind in one.makes if folder.index(kind).is_file()):
                listed = read_index(folder, kind)["volumes"].items()
                volumes |= {folder.prediction(kind, p).as_posix(): sha for p, sha in listed}
        self.arrays = {name: volumes[name] for name in self.named if name in volumes}
        self.files = {
            name: File(bytes=path.stat().st_size, sha256=stored.get(name) or checksum(path))
            for name in self.named
            if name not in volumes and (path := Path(name)).is_file()
        }
        self._now = self.arrays | {name: file.sha256 for name, file in self.files.items()}

    def data(self) -> Data:
        """Return the input data, with the checksums that were taken while reading it."""
        prepared = [one for step, one in self.records.items() if step.startswith("prepare ")]
        files = {
            name.removeprefix(DATA): sha256
            for one in prepared
            for name, sha256 in one.takes.items()
            if name.startswith(DATA)
        }
        folder = str(self.benchmark.cohort.path or self.layout.phantom)
        metas = [patient.meta for patient in self.patients]
        return Data(folder=folder, files=files, read_as=list(describe(metas)))

    def external(self, plan: Plan) -> dict[str, Data]:
        """Return the volumes that were predicted elsewhere, with the checksums of their reading."""
        found: dict[str, Data] = {}
        for method in {run.method for run in plan.runs.values() if run.kind == "external"}:
            for kind in ("t1ce", "seg"):
                prefix = f"{EXTERNAL}{method.name}/{kind}/"
                files = {
                    name.removeprefix(prefix): sha256
                    for one in self.records.values()
                    for name, sha256 in one.takes.items()
                    if name.startswith(prefix)
                }
                if files:
                    root = method.pattern(kind).root
                    folder = root.relative_to(ROOT) if root.is_relative_to(ROOT) else root
                    found[f"{method.name}/{kind}"] = Data(folder=str(folder), files=files)
        return found

    def steps(self) -> dict[str, Step]:
        return {
            name: Step(
                takes=[x for x in one.takes if x.startswith((DATA, EXTERNAL)) or x in self._now],
                makes=[x for x in one.makes if x in self._now],
                outdated=self._others(one.takes),
            )
            for name, one in self.records.items()
        }

    def checks(self) -> list[Check]:
        """Return whether the files are those that the steps took and made."""
        records = self.records.items()
        lacking = [name for name in self.named if name not in self._now]
        altered = [f"{made} ({n})" for n, one in records for made in self._others(one.makes)]
        outdated = [f"{taken} ({n})" for n, one in records for taken in self._others(one.takes)]
        return [
            check("every step has recorded what it took and made", self.unrecorded),
            check("all files that the results follow from exist", lacking),
            check("every file is as the step that made it left it", altered),
            check("every step took the files that exist now", outdated),
        ]

    def _others(self, named: Checksums) -> list[str]:
        """Return the files that are of another version now."""
        return [name for name, sha256 in named.items() if self._now.get(name, sha256) != sha256]


def _describe(plan: Plan, status: Status) -> dict:
    layout = Layout(plan.benchmark.name)
    runs: dict[str, dict[str, dict]] = {}
    for one, replicate in plan.pairs:
        reason, folder = status.reasons.get((one, replicate)), layout.run(one.name, replicate)
        costs = {"cost": None, "prediction_cost": None}
        if one.trained and reason is None:
            costs["cost"] = _only_row(read_costs([folder.cost]))
        if one.synthesizes and reason is None:
            costs["prediction_cost"] = _only_row(read_prediction_costs([folder.prediction_cost]))
        runs.setdefault(one.name, {})[replicate.title] = {
            "digest": plan.digest(one, replicate.seed),
            "scored": reason is None,
            "reason": reason,
            **costs,
        }
    return runs


def _only_row(table: pd.DataFrame) -> dict:
    """Return the row of a table of one row, in types that JSON has."""
    return json.loads(table.to_json(orient="records"))[0]


def _environment() -> dict:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [m.group() for line in lines if (m := re.match(r"[A-Za-z0-9][A-Za-z0-9_.-]*", line))]
    return {"python": platform.python_version(), "packages": {n: _version(n) for n in names}}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
