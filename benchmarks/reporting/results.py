"""The results of a benchmark as plain data, from which tables, figures and the page are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

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
    """

    title: str
    description: str
    simulated: bool
    test: Mapping[str, str]

    @property
    def notes(self) -> list[str]:
        """What tables and figures must say of these patients."""
        return [TIME_POINTS] if len(set(self.test.values())) < len(self.test) else []

    @property
    def sentence(self) -> str:
        """The description as a sentence, with the notes, for the footers of figures."""
        return " ".join([f"{self.description[:1].upper()}{self.description[1:]}.", *self.notes])

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
    histories : by run and seed, one row per epoch: `epoch`, one column per loss, and `val_dice` of
        runs that segment.
    seeds : by run, the seeds that are scored.
    patients : the prepared test patients by name.
    left_out : the titles of the methods of which the benchmark runs nothing.
    frozen : these results with the frozen segmentors alone, and the ceilings' own segmentors, which
        are the same; None where there are none.
    """

    cohort: Cohort
    rows: tuple[Row, ...]
    protocols: tuple[str, ...]
    scores: pd.DataFrame
    costs: pd.DataFrame
    prediction_costs: pd.DataFrame
    histories: Mapping[tuple[str, int], pd.DataFrame]
    published: Published
    conventions: tuple[Convention, ...]
    seeds: Mapping[str, tuple[int, ...]]
    patients: Mapping[str, StoredPatient]
    read_prediction: Callable[[str, int, Kind, StoredPatient], np.ndarray] = field(repr=False)
    read_attention: Callable[[str, int, StoredPatient], Attention | None] = field(repr=False)
    left_out: tuple[str, ...] = ()
    frozen: Results | None = field(default=None, repr=False)

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
            seeds={**self.seeds, **self.frozen.seeds},
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
            seeds={run: seeds for run, seeds in self.seeds.items() if run in runs},
        )

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

        T1ce is float32 in [-1, 1], a segmentation uint8 classes in 0..3 before post-processing.
        None where the run makes none, or is not scored.
        """
        makes = {"t1ce": "synthesis", "seg": "segmentation"}[kind] in self.row(run).tasks
        if not makes or not self.seeds.get(run):
            return None
        seed = self.seeds[run][0] if seed is None else seed
        return self.read_prediction(run, seed, kind, self.patients[patient])

    def attention(self, run: str, patient: str) -> Attention | None:
        """Return the attention weights of a run's first scored seed; None where it has none."""
        if not self.seeds.get(run):
            return None
        return self.read_attention(run, self.seeds[run][0], self.patients[patient])
