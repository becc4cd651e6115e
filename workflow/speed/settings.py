"""What is measured, at which sizes, and where: the command line's choices, for every process."""

import json
from dataclasses import asdict, dataclass, field

from pydantic import BaseModel, ValidationError

from benchmarks.config import Benchmark, load
from benchmarks.errors import InputError


@dataclass(frozen=True)
class Settings:
    """The sizes are the benchmark file's; what is None here is as the file says.

    Attributes
    ----------
    folder : a scratch folder that all processes of one measurement share.
    data : a folder of BraTS patients; without one, a phantom patient is simulated.
    size : side of the slices in px, a multiple of 16.
    width : of all networks: every parameter of an entry that is named `width` or `..._width`.
    repeats : how often each thing is timed; the median counts.
    patients : how many the DAG is planned for.
    figure : a file (.png) for the curves of growth.
    finished : a folder in which Snakemake has run, whose DAG's overhead is looked at.
    official : the folder of an official implementation's checkout, by the entry's name.
    """

    folder: str
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
    official: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Settings":
        return cls(**json.loads(text))

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def load(self) -> Benchmark:
        """The benchmark at these sizes.

        Raises
        ------
        InputError : no such benchmark, or a size out of its range.
        """
        benchmark = self._load()
        results = benchmark.results
        changed = results.model_copy(
            update={
                "slices": _changed(results.slices, crop=self.size),
                "training": _changed(results.training, batch=self.batch),
                "params": self._params(results.params),
            }
        )
        names = ("device", "precision", "compile", "channels_last", "threads")
        speed = _changed(benchmark.speed, **{name: getattr(self, name) for name in names})
        return benchmark.model_copy(update={"results": changed, "speed": speed})

    def _load(self) -> Benchmark:
        try:
            return load(self.benchmark, self.data, self.scale)
        except InputError as error:
            if self.data is not None or "`cohort.path` is missing" not in str(error):
                raise
        # A phantom patient will do; the folder is never opened.
        return load(self.benchmark, ".", self.scale)

    def _params(self, params: dict[str, dict]) -> dict[str, dict]:
        if self.width is None:
            return params
        # Imported here since it imports torch, which the process that prints the table lacks.
        from methods.registry import discover

        return {
            name: params.get(name, {}) | {key: self.width for key in _widths(method.entry.Params)}
            for name, method in discover().items()
        }


def _widths(params: type[BaseModel]) -> list[str]:
    return [key for key in params.model_fields if key == "width" or key.endswith("_width")]


def _changed(section: BaseModel, **values: int | str | None) -> BaseModel:
    """The section with those of `values` that are not None."""
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return type(section).model_validate(section.model_dump() | given)
    except ValidationError as error:
        fault = error.errors()[0]
        key = str(fault["loc"][-1])
        option = {"crop": "size"}.get(key, key)
        raise InputError(f"--{option} {fault['input']}: {fault['msg']}.") from None
