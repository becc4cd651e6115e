"""The choices of the command line, and the benchmark and the patients that follow from them."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError

from benchmarks.cohorts.patient import PatientFiles
from benchmarks.cohorts.sources import load_source
from benchmarks.cohorts.sources.brats import find_patients
from benchmarks.cohorts.store import Grid, StoredPatient, prepare
from benchmarks.config import Benchmark, load
from benchmarks.errors import InputError
from methods.registry import discover

MOST = 2  # patients that are looked at


@dataclass(frozen=True)
class Settings:
    """The options of the command line, see `--help`; None is as the benchmark file says."""

    folder: str  # for scratch files, shared by all processes of one measurement
    benchmark: str = "phantom"
    scale: str | None = None
    data: str | None = None
    size: int | None = None
    batch: int | None = None
    width: int | None = None
    device: str | None = None
    precision: str | None = None
    compile: str | None = None
    channels_last: bool | None = None
    threads: int | None = None
    repeats: int = 5
    patients: int = 369
    figure: str | None = None
    finished: str | None = None
    official: dict[str, str] = field(default_factory=dict)  # checkouts by the method's name

    def load(self) -> Benchmark:
        """Return the benchmark at these sizes; one out of range raises an InputError."""
        try:
            benchmark = load(self.benchmark, self.data, self.scale)
        except InputError as error:
            if self.data is not None or "`cohort.path` is missing" not in str(error):
                raise
            # A phantom will do; this folder is never opened.
            benchmark = load(self.benchmark, ".", self.scale)
        results = benchmark.results
        changed = {
            "slices": _changed(results.slices, crop=self.size),
            "training": _changed(results.training, batch=self.batch),
            "params": self._params(results.params),
        }
        names = ("device", "precision", "compile", "channels_last", "threads")
        speed = _changed(benchmark.speed, **{name: getattr(self, name) for name in names})
        update = {"results": results.model_copy(update=changed), "speed": speed}
        return benchmark.model_copy(update=update)

    def _params(self, params: dict[str, dict]) -> dict[str, dict]:
        if self.width is None:
            return params
        widths = {
            name: [x for x in method.description.params if x == "width" or x.endswith("_width")]
            for name, method in discover().items()
        }
        return {x: params.get(x, {}) | dict.fromkeys(widths[x], self.width) for x in widths}

    def grid(self) -> Grid:
        return Grid(**self.load().results.slices.model_dump())

    def patient_files(self) -> list[PatientFiles]:
        """Return the first patients of `data`, else a phantom, which needs nilearn."""
        if self.data:
            return find_patients(Path(self.data))[:MOST]
        folder = Path(self.folder) / "phantom"
        if not folder.exists():
            load_source("phantom").simulate("Phantom_001", folder, self.load().cohort.seed)
        return find_patients(folder)

    def stored_patients(self) -> list[StoredPatient]:
        """Return the same patients, prepared; one at least must have a tumour."""
        folder, stored = Path(self.folder) / "store", []
        for files in self.patient_files():
            if not (folder / f"{files.patient}.json").exists():
                prepare(files, folder, self.grid(), load_source("brats"))
            stored.append(StoredPatient(folder, files.patient))
        if not any(len(patient.tumour_slices) for patient in stored):
            names = ", ".join(patient.patient for patient in stored)
            raise InputError(f"{self.data}: {names} have no tumour. Give another folder.")
        return stored


def _changed(section: BaseModel, **values: int | str | None) -> BaseModel:
    """Return the section with those of `values` that are not None."""
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return type(section).model_validate(section.model_dump() | given)
    except ValidationError as error:
        fault = error.errors()[0]
        option = str(fault["loc"][-1]).replace("crop", "size")
        raise InputError(f"--{option} {fault['input']}: {fault['msg']}.") from None
