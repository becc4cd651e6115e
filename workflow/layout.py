"""Where every file of a benchmark's results is: the only module that knows."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.cohorts.replicate import Place, Replicate

RESULTS = Path("results")


@dataclass(frozen=True)
class RunFolder:
    """The files of one run's replicate: `results/runs/<benchmark>/<run>/<replicate>/`."""

    path: Path

    @property
    def weights(self) -> Path:
        return self.path / "weights.pt"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def cost(self) -> Path:
        """The time, memory and updates of the training."""
        return self.path / "cost.csv"

    @property
    def prediction_cost(self) -> Path:
        """The time and memory of a synthesis. No index has them, since they vary."""
        return self.path / "t1ce_cost.csv"

    @property
    def checkpoints(self) -> Path:
        """The state that a training resumes from, and its result once it has ended.

        No rule declares this folder, since Snakemake deletes declared outputs of failed jobs.
        """
        return self.path / "checkpoints"

    @property
    def growing_history(self) -> Path:
        """The losses of a training that has not ended; no rule declares it, see `checkpoints`."""
        return self.checkpoints / self.history.name

    @property
    def scores(self) -> Path:
        return self.path / "scores.csv"

    @property
    def scores_digest(self) -> Path:
        """A hash of everything that the scores follow from."""
        return self.path / "scores.digest"

    def predictions(self, kind: str) -> Path:
        return self.path / kind

    def prediction(self, kind: str, patient: str) -> Path:
        return self.predictions(kind) / f"{patient}.npy"

    def index(self, kind: str) -> Path:
        """The volumes' checksums. Written last, so its presence means that all of them exist."""
        return self.path / f"{kind}.json"

    def attention(self, patient: str) -> Path:
        return self.path / "attention" / f"{patient}.npz"

    def lock(self, verb: str) -> Path:
        """The file that the process at work on `verb` holds."""
        return self.path / f".{verb}.lock"

    def failure(self, verb: str, kind: str = "") -> Path:
        """The reason why `verb` failed, of volumes of a `kind`. Exists only if it did."""
        return self.path / f"failed-{verb}{f'-{kind}' if kind else ''}.txt"

    def failures(self, verb: str) -> list[Path]:
        """The reasons that exist of `verb`, whatever the kind."""
        paths = [self.failure(verb), *(self.failure(verb, kind) for kind in ("t1ce", "seg"))]
        return [path for path in paths if path.exists()]


@dataclass(frozen=True)
class Layout:
    """The folders of one benchmark, relative to the repository.

    `results/store`   the cohort as training reads it, its split and its input checksums
    `results/runs`    one folder per run and replicate: weights, losses, cost, predictions, scores
    `results/cases`   the test patients' predictions as NIfTI
    `results/tables`  the tables
    `results/records` what each job took and made
    `results/origins` the benchmark file and the patients that these results are made from
    `results/locks`   the file that the Snakemake at work holds
    `results/logs`    the log of each job; TensorBoard's event files
    """

    benchmark: str

    @property
    def phantom(self) -> Path:
        return RESULTS / "phantom" / self.benchmark

    @property
    def store(self) -> Path:
        return RESULTS / "store" / self.benchmark

    def stored(self, patient: str) -> Path:
        """The description of a prepared patient, which holds the checksum of its array."""
        return self.store / f"{patient}.json"

    def array(self, patient: str) -> Path:
        return self.store / f"{patient}.npy"

    def split(self, place: Place) -> Path:
        return self.store / f"split{place.suffix}.csv"

    @property
    def input_checksums(self) -> Path:
        return self.store / "input_checksums.csv"

    @property
    def manifest(self) -> Path:
        """The record of what all results were made from; `python -m benchmarks verify` reads it."""
        return RESULTS / "manifest" / f"{self.benchmark}.json"

    @property
    def figures(self) -> Path:
        return RESULTS / "figures" / self.benchmark

    @property
    def page(self) -> Path:
        """Written last of its folder, so its presence means that everything it loads exists."""
        return RESULTS / "page" / self.benchmark / "index.html"

    @property
    def page_checksums(self) -> Path:
        return self.page.with_name("checksums.json")

    @property
    def tables(self) -> Path:
        return RESULTS / "tables" / self.benchmark

    @property
    def long_table(self) -> Path:
        return self.tables / "scores.csv"

    def run(self, name: str, replicate: Replicate | str) -> RunFolder:
        return RunFolder(RESULTS / "runs" / self.benchmark / name / str(replicate))

    def cases(self, run: str, replicate: Replicate | str) -> Path:
        return RESULTS / "cases" / self.benchmark / run / str(replicate)

    @property
    def origin(self) -> Path:
        return RESULTS / "origins" / self.benchmark

    @property
    def lock(self) -> Path:
        return RESULTS / "locks" / self.benchmark

    def record(self, *parts: str) -> Path:
        """What one job took and made, e.g. of `train`, `cutgan`, `seed0`."""
        return RESULTS / "records" / self.benchmark / f"{'/'.join(parts)}.json"

    def log(self, *parts: str) -> Path:
        return RESULTS / "logs" / self.benchmark / f"{'/'.join(parts)}.log"

    def events(self, run: str, replicate: Replicate | str) -> Path:
        """TensorBoard's event files of a training, which follow its process: no rule has them."""
        return RESULTS / "logs" / self.benchmark / "tensorboard" / run / str(replicate)

    def timing(self, *parts: str) -> Path:
        """What Snakemake's `benchmark:` directive measures of a job."""
        return self.log(*parts).with_suffix(".tsv")
