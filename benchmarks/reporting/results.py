"""The results of a benchmark as plain data, from which tables, figures and the page are made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.reporting.caption import Caption
from benchmarks.reporting.published import Published
from benchmarks.reporting.rows import Row
from benchmarks.scoring.conventions import Convention

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from benchmarks.cohorts.store import StoredPatient

Kind = Literal["t1ce", "seg"]
TIME_POINTS = (
    "Some patients have several scans (time points). A patient's value is the mean over the scans "
    "that have one, so that n, intervals and tests count each patient once."
)


@dataclass(frozen=True)
class Cohort:
    """The measured patients.

    Attributes
    ----------
    title : a few words.
    description : counts and grid, for the titles of tables, without a full stop.
    simulated : whether the patients are simulated, which every title then says.
    test : by the name of each test patient the subject, which several share if they are scans of
        one person.
    train : how many subjects with tumour are trained on, in the first fold or repeat; 0 if unknown.
    note : what the benchmark's file says that readers of Tables I to III must know.
    """

    title: str
    description: str
    simulated: bool
    test: Mapping[str, str]
    train: int = 0
    note: str = ""

    @property
    def name(self) -> str:
        """The title for the rows of a CSV, which says if the patients are simulated."""
        known = not self.simulated or "simulated" in self.title.lower()
        return self.title if known else f"{self.title} (simulated)"

    @property
    def notes(self) -> list[str]:
        """What tables and figures must say of these patients."""
        return [TIME_POINTS] if len(set(self.test.values())) < len(self.test) else []

    @property
    def sentence(self) -> str:
        """The description as a sentence, with the notes, for captions."""
        return " ".join([f"{self.description[:1].upper()}{self.description[1:]}.", *self.notes])

    def caption(self, subject: str, *notes: str) -> Caption:
        """Return the caption of a figure about a subject, whose last note names these patients."""
        return Caption(self.heading(subject), (*notes, self.sentence), self.simulated)

    def heading(self, subject: str) -> str:
        """Return the title of a figure about a subject."""
        name = self.title[:1].upper() + self.title[1:]
        stop = "" if subject.endswith("?") else "."
        return f"{subject}{stop} {name}{', SIMULATED patients' if self.simulated else ''}"


@dataclass(frozen=True)
class Attention:
    """Attention weights of a run over one patient.

    Attributes
    ----------
    slices : the slices that were looked at.
    weights : (slices, modalities, h, w), which sum to 1 over the modalities.
    """

    slices: tuple[int, ...]
    weights: np.ndarray


@dataclass(frozen=True)
class Condition:
    """A condition of a benchmark.

    Attributes
    ----------
    name : as its file has it, or `base` of a benchmark without conditions.
    settings : its value of each setting that a condition of the benchmark changes, by dotted keys.
    """

    name: str = "base"
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")


@dataclass(frozen=True, eq=False)
class Results:
    """Everything that was measured, read once by the organiser.

    Rows, scores and seeds are of all runs but the frozen segmentors, which `frozen` has, so that
    means are compared, ranked and corrected for their number within one utility.

    Attributes
    ----------
    rows : what can be a row of a table, failed runs with their reasons included.
    protocols : the names of the scored protocols.
    scores : the long table (see `scores.COLUMNS`) of all runs that are scored.
    costs : one row per training (see `costs.COLUMNS`).
    prediction_costs : one row per synthesis (see `costs.PREDICTION_COLUMNS`).
    histories : by run and replicate, one row per epoch: `epoch`, one column per loss, and
        `val_dice` of runs that segment.
    replicates : by run, those that are scored.
    tested : by fold and repeat, the patients whom it tests.
    patients : the prepared patients by name whom any fold or repeat tests.
    left_out : the titles of the methods of which the benchmark runs nothing.
    frozen : these results with the frozen segmentors alone, and the ceilings' own segmentors, which
        are the same; None where there are none.
    condition : whose results these are.
    conditions : by name, the results under the benchmark's other conditions: the rows that a
        condition changes, and these results' own that it does not.
    """

    cohort: Cohort
    rows: tuple[Row, ...]
    protocols: tuple[str, ...]
    scores: pd.DataFrame
    costs: pd.DataFrame
    prediction_costs: pd.DataFrame
    histories: Mapping[tuple[str, Replicate], pd.DataFrame]
    published: Published
    conventions: tuple[Convention, ...]
    replicates: Mapping[str, tuple[Replicate, ...]]
    tested: Mapping[Place, tuple[str, ...]]
    patients: Mapping[str, StoredPatient]
    read_prediction: Callable[[str, Replicate, Kind, StoredPatient], np.ndarray] = field(repr=False)
    read_attention: Callable[[str, Replicate, StoredPatient], Attention | None] = field(repr=False)
    left_out: tuple[str, ...] = ()
    frozen: Results | None = field(default=None, repr=False)
    condition: Condition = Condition()
    conditions: Mapping[str, Results] = field(default_factory=dict, repr=False)

    @property
    def seeds(self) -> dict[str, tuple[int, ...]]:
        """The seeds of each run that are scored in any fold or repeat."""
        return {
            run: tuple(dict.fromkeys(one.seed for one in scored))
            for run, scored in self.replicates.items()
        }

    @property
    def protocol(self) -> str:
        """The protocol of figures and of tests: `strict` where it is scored."""
        return "strict" if "strict" in self.protocols else self.protocols[0]

    @cached_property
    def whole(self) -> Results:
        """The results with the frozen segmentors among the other rows."""
        import pandas as pd  # planning reads this module, and takes no tables

        if self.frozen is None:
            return self
        rows = [row for row in self.frozen.rows if row.frozen]
        scores = self.frozen.scores[self.frozen.scores["run"].isin([row.run for row in rows])]
        return replace(
            self,
            rows=(*self.rows, *rows),
            scores=pd.concat([self.scores, scores], ignore_index=True),
            replicates={**self.replicates, **self.frozen.replicates},
            frozen=None,
        )

    def of(self, rows: Sequence[Row]) -> Results:
        """Return the results of some of the rows."""
        runs = {row.run for row in rows}
        return replace(
            self,
            rows=tuple(rows),
            scores=self.scores[self.scores["run"].isin(runs)],
            costs=self.costs[self.costs["run"].isin(runs)],
            prediction_costs=self.prediction_costs[self.prediction_costs["run"].isin(runs)],
            histories={pair: one for pair, one in self.histories.items() if pair[0] in runs},
            replicates={run: some for run, some in self.replicates.items() if run in runs},
        )

    def of_runs(self, runs: Collection[str]) -> Results:
        """Return the results of some runs, in the order of the rows."""
        return self.of([row for row in self.rows if row.run in runs])

    def with_frozen_apart(self) -> Results:
        """Return the results of all rows with the frozen segmentors in `frozen` alone."""
        if not any(row.frozen for row in self.rows):
            return self
        alike = [row for row in self.rows if row.frozen or (row.upstream and row.role == "ceiling")]
        others = [row for row in self.rows if not row.frozen]
        return replace(self.of(others), frozen=self.of(alike))

    def row(self, run: str) -> Row:
        return next(row for row in self.rows if row.run == run)

    def prediction(
        self, run: str, kind: Kind, patient: str, seed: int | None = None
    ) -> np.ndarray | None:
        """Return a test patient's volume, (Z, crop, crop), of a run's first or given scored seed.

        Of several folds or repeats it is the first that tests the patient.

        T1ce is float32 in [-1, 1], a segmentation uint8 classes in 0..3 before post-processing.
        None where the run makes none, or is not scored.
        """
        makes = {"t1ce": "synthesis", "seg": "segmentation"}[kind] in self.row(run).tasks
        replicate = self.replicate(run, patient, seed) if makes else None
        if replicate is None:
            return None
        return self.read_prediction(run, replicate, kind, self.patients[patient])

    def attention(self, run: str, patient: str) -> Attention | None:
        """Return the attention weights of a run's first scored seed; None where it has none."""
        replicate = self.replicate(run, patient)
        if replicate is None:
            return None
        return self.read_attention(run, replicate, self.patients[patient])

    def replicate(self, run: str, patient: str, seed: int | None = None) -> Replicate | None:
        """Return a run's first scored replicate, of a seed if given, that tests the patient."""
        scored = (one for one in self.replicates.get(run, ()) if seed in (None, one.seed))
        return next((one for one in scored if patient in self.tested[one.place]), None)
