"""The rows of tables: which there are, in which order, and what is said of one without numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.errors import InputError
from benchmarks.reporting.published import PublishedRow, Table

Role = Literal["floor", "method", "ceiling"]
ROLES: tuple[Role, ...] = ("floor", "method", "ceiling")  # in the order of tables
# What stands above the rows of each group of a table that groups them, in this order.
GROUPS = {
    "floor": "",
    "paired": "Paired T1ce for training",
    "unpaired": "Unpaired T1ce for training",
    "other": "Other methods",
    "without": "No T1ce",
    "ceiling": "Real T1ce",
}
REASON = 160  # the most characters of a failure's reason that a table shows


def marked(label: str, role: str) -> str:
    """Return a label as rows print it: floors and ceilings are marked."""
    return label if role == "method" else f"{role}: {label}"


@dataclass(frozen=True)
class Row:
    """What tables and figures may show of a run's seeds.

    Attributes
    ----------
    run : its id, e.g. `cutgan+unet`.
    kind : as its method.yaml or its variant says.
    tasks : the tasks that it is scored on. Their tables list it even without scores; if empty,
        those of every task list it where it failed.
    upstream : the run whose T1ce it segments.
    segmentor : the method that segments behind `upstream`, "" where there is none.
    frozen : whether that segmentor was trained on the real T1ce, and only predicts here.
    continues : the run whose weights it starts from; that one's cost belongs to its own.
    predicts_with : the run whose weights it predicts with, and whose training is thus its own.
    condition : of the benchmark, whose settings change it; "" of the benchmark's own runs.
    pairing : of the images that its T1ce is learned from, as its method.yaml says; "" where none
        is learned here. A segmentor has that of the synthesis before it.
    remark : what tables must say of it, e.g. of what it was trained on; a sentence.
    failure : the reason why it has no scores, or not all of them.
    """

    run: str
    label: str
    role: Role
    kind: Literal["synthesis", "joint", "segmentation", "control", "external"] = "synthesis"
    tasks: tuple[str, ...] = ()
    trained: bool = True
    upstream: str | None = None
    segmentor: str = ""
    frozen: bool = False
    continues: str | None = None
    predicts_with: str | None = None
    condition: str = ""
    pairing: Literal["paired", "unpaired", ""] = ""
    remark: str = ""
    failure: str = ""

    @property
    def title(self) -> str:
        return marked(self.label, self.role)

    @property
    def without_t1ce(self) -> bool:
        """Whether it is a segmentor that has T1, T2 and FLAIR alone."""
        return (self.kind, self.role, self.upstream) == ("segmentation", "method", None)

    def belongs(self, task: str, scored: Iterable[str]) -> bool:
        """Return whether a task's tables list it, given the runs that are scored on the task."""
        if self.run in scored or task in self.tasks:
            return True
        # A failure that no table listed would go unnoticed.
        return bool(self.failure) and not self.tasks


@dataclass(frozen=True)
class Line:
    """A row of one table before its numbers.

    Attributes
    ----------
    run : "" for a quoted line.
    printed : the paper's row, if it has one.
    quoted : whether the line shows nothing but numbers that the paper quotes.
    group : of `GROUPS`, by the T1ce that it was trained on.
    """

    label: str
    run: str
    role: Role
    failure: str = ""
    printed: PublishedRow | None = None
    quoted: bool = False
    group: str = "other"

    def status(self, measured: bool) -> str:
        """Return why numbers are missing, "" where all exist."""
        if self.quoted:
            return "quoted"
        if self.failure:
            return f"failed: {_shortened(self.failure)}"
        return "" if measured else "not run here"


def _shortened(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= REASON else line[: REASON - 1].rstrip() + "…"


def line_up(printed: Table, rows: Sequence[Row]) -> list[Line]:
    """Return floors, the paper's rows in the paper's order, other methods, and ceilings.

    Other methods have no line in a table with `others: false`, and stand below the paper's rows of
    their group in a table that groups them. A row that the paper quotes is like the paper's own
    rows where the benchmark runs its method.
    """
    failures = {row.run: row.failure for row in rows}
    listed = [
        Line(one.label, "", "method", "", one, quoted=True, group=one.t1ce or "other")
        if one.quoted and one.run not in failures
        else Line(
            one.label, one.run, "method", failures.get(one.run, ""), one, group=one.t1ce or "other"
        )
        for one in printed.rows
    ]
    others = {
        role: [lined(row) for row in rows if row.role == role and row.run not in printed.runs]
        for role in ROLES
    }
    methods = others["method"] if printed.others else []
    lines = others["floor"] + listed + methods + others["ceiling"]
    return by_group(lines) if printed.grouped else lines


def lined(row: Row) -> Line:
    """Return the line of a row that the paper has none for."""
    return Line(row.label, row.run, row.role, row.failure, group=_group(row))


def _group(row: Row) -> str:
    if row.role != "method":
        return row.role
    return row.pairing or ("without" if row.without_t1ce else "other")


def by_group(lines: Iterable[Line]) -> list[Line]:
    """Return lines in the order of `GROUPS`, those of a group in the given order."""
    return sorted(lines, key=lambda line: [*GROUPS].index(line.group))


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return floors first and ceilings last, otherwise in the given order."""
    return sorted(rows, key=lambda row: ROLES.index(row.role))


def refuse_unknown_runs(measured: Iterable[str], rows: Sequence[Row], subject: str) -> None:
    """Raise InputError if a `subject`, e.g. "cost files", is of runs that no row has."""
    if unknown := sorted(set(measured) - {row.run for row in rows}):
        raise InputError(
            f"There are {subject} of {', '.join(unknown)}, which this benchmark does not list. "
            "Remove those files or list the runs."
        )
