"""Where every file of a benchmark's results lies: the only module that knows."""

from dataclasses import dataclass
from pathlib import Path

RESULTS = Path("results")
CAPTIONS = Path(__file__).parent / "report"
"""What is said of a table or figure, `<name>.rst`, in Snakemake's report and on the page."""


@dataclass(frozen=True)
class Layout:
    """The folders of one benchmark, relative to the repository.

    `results/store`   the cohort as training reads it, its split and its manifest
    `results/runs`    a folder a training: weights, loss history, cost, predictions, scores
    `results/cases`   the test patients' predictions as NIfTI
    `results/tables`  what to read
    """

    benchmark: str

    @property
    def phantom(self) -> Path:
        return RESULTS / "phantom" / self.benchmark

    @property
    def store(self) -> Path:
        return RESULTS / "store" / self.benchmark

    @property
    def split(self) -> Path:
        return self.store / "split.csv"

    @property
    def manifest(self) -> Path:
        return self.store / "manifest.csv"

    @property
    def provenance(self) -> Path:
        """What all results were made from and on; `python -m benchmarks verify` reads it."""
        return RESULTS / "manifest" / f"{self.benchmark}.json"

    @property
    def figures(self) -> Path:
        return RESULTS / "figures" / self.benchmark

    @property
    def page(self) -> Path:
        """Written last of its folder: where it lies, all that it needs lies beside it."""
        return RESULTS / "page" / self.benchmark / "index.html"

    @property
    def tables(self) -> Path:
        return RESULTS / "tables" / self.benchmark

    def run(self, name: str, seed: int | str) -> Path:
        return RESULTS / "runs" / self.benchmark / name / f"seed{seed}"

    def weights(self, run: str, seed: int | str) -> Path:
        return self.run(run, seed) / "weights.pt"

    def history(self, run: str, seed: int | str) -> Path:
        """The losses, a line an epoch."""
        return self.run(run, seed) / "history.csv"

    def cost(self, run: str, seed: int | str) -> Path:
        """What the training took."""
        return self.run(run, seed) / "cost.csv"

    def checkpoints(self, run: str, seed: int | str) -> Path:
        """What a training resumes from, and its result once it has ended.

        No rule declares it: Snakemake deletes what it declares.
        """
        return self.run(run, seed) / "checkpoints"

    def predictions(self, run: str, seed: int | str, what: str) -> Path:
        """The folder of a run's `t1ce` or `seg` volumes, one .npy a patient."""
        return self.run(run, seed) / what

    def index(self, run: str, seed: int | str, what: str) -> Path:
        """Written last, when all volumes of `predictions` are there."""
        return self.run(run, seed) / f"{what}.json"

    def scores(self, run: str, seed: int | str) -> Path:
        return self.run(run, seed) / "scores.csv"

    def origin(self, run: str, seed: int | str) -> Path:
        """What the scores follow from, as one number that changes with any of it."""
        return self.run(run, seed) / "scores.origin"

    def failure(self, run: str, seed: int | str, verb: str) -> Path:
        """Why `verb` did not end well; there only if it did not."""
        return self.run(run, seed) / f"failed-{verb}.txt"

    def cases(self, run: str, seed: int | str) -> Path:
        return RESULTS / "cases" / self.benchmark / run / f"seed{seed}"

    def log(self, *parts: str) -> Path:
        return RESULTS / "logs" / self.benchmark / ("/".join(parts) + ".log")
