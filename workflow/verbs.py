"""The commands of `python -m workflow`: the one table that the command line and the DAG read."""

from dataclasses import dataclass

# What every command takes, and Snakemake as `--config KEY=VALUE`.
CONFIG = {
    "benchmark": "a name, or the path of a .yaml",
    "data": "the BraTS folder",
    "scale": "a name below benchmarks/scales, for smaller machines",
    "release": "the BraTS release, where the names of the patients do not tell it",
}
ARGUMENTS = {
    "patient": "the patient's name, as its folder has it",
    "run": "e.g. cutgan, maf_net.joint, or cutgan+unet for the segmentor behind cutgan",
    "seed": "one of the benchmark's seeds",
    "repeat": "of the split, where the benchmark has several",
    "fold": "of the split, where the benchmark has folds",
    "kind": "t1ce or seg",
    "table": "its number or name, or all; the headline if none is given",
}
_PATIENT, _PLACE = ("patient",), ("repeat", "fold")
_RUN = ("run", "seed", *_PLACE)


@dataclass(frozen=True)
class Verb:
    """A command, whose function is `run` in `workflow/commands/<name>.py`.

    It is given the benchmark, or, if it is about a run, the plan; and then the arguments by name.

    Attributes
    ----------
    help : what it does, in one sentence.
    arguments : of `ARGUMENTS`, beside the benchmark.
    code : the modules whose edit reruns its rule, with all that they import; `.*` means every file
        of a folder. An edit of the command's own file reruns it too. Trainings and predictions have
        `Plan.digest` instead.
    shown : whether a table shows the reason if it fails.
    benchmark : that it takes if none is given.
    """

    help: str
    arguments: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    shown: bool = False
    benchmark: str = "phantom"


VERBS = {
    "simulate": Verb("Simulate a patient.", _PATIENT),
    "prepare": Verb(
        "Check, normalise and store a patient.", _PATIENT, code=("benchmarks.cohorts.store",)
    ),
    "cohort": Verb("Check the prepared patients together.", code=("benchmarks.cohorts.crop",)),
    "split": Verb(
        "Divide the patients into train, val and test.",
        _PLACE,
        code=("benchmarks.cohorts.split",),
    ),
    "train": Verb("Train a run, or resume its training.", _RUN, shown=True),
    "synthesize": Verb("Predict T1ce volumes.", _RUN, shown=True),
    "segment": Verb("Predict segmentations.", _RUN, shown=True),
    "ingest": Verb("Check and store an external method's volumes.", (*_RUN, "kind"), shown=True),
    "score": Verb(
        "Score a run's predictions.",
        _RUN,
        code=("benchmarks.scoring.score", "benchmarks.cohorts.slice_split"),
        shown=True,
    ),
    "export": Verb("Write a run's predictions as NIfTI.", _RUN),
    "tabulate": Verb(
        "Write the tables.",
        code=("benchmarks.reporting.sheet", "benchmarks.reporting.tables.*"),
    ),
    "draw": Verb(
        "Draw the figures.",
        code=("benchmarks.reporting.drawing.*", "benchmarks.reporting.figures.*"),
    ),
    "manifest": Verb(
        "Record what all results were made from.", code=("benchmarks.manifest", "workflow.checks")
    ),
    "page": Verb("Write the page.", code=("benchmarks.reporting.page.*",)),
    "status": Verb("Say what is done, running, failed and waiting, from files alone."),
    "show": Verb("Print the headline, a table, or all tables.", ("table",)),
    "check": Verb("Say what a folder of patients holds; train nothing.", benchmark="brats2020"),
}


def module(verb: str) -> str:
    """Return the name of a verb's module."""
    return f"workflow.commands.{verb}"
