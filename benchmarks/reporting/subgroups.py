"""Subgroups of the test patients: by grade, and by how much of the tumour enhances.

They follow from the patients alone, so that no score decides who is in which. Of the enhancing
tumour (ET) it is the volume in the truth, and its thirds are of the patients that have any.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from benchmarks.cohorts.patient import GRADES
from benchmarks.reporting.measures import COMPLETE, Column, lines_of, measure_columns
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Line
from benchmarks.reporting.utilities import frozen_lines
from benchmarks.scoring.protocol import load_protocol
from benchmarks.scoring.regions import region_mask

KINDS = {"grade": "Grade", "et": "Volume of the enhancing tumour"}
NO_ET, THIRDS = "no_et", ("smallest", "middle", "largest")
COLUMNS: dict[str, list[Column]] = {
    "synthesis": [("psnr", "brain"), ("ssim", "brain"), ("ssim", "et")],
    "segmentation": [("dice", "wt"), ("dice", "tc"), ("dice", "et")],
}  # by task

_NAMED = [
    "kind", "subgroup", "utility", "run", "role", "status", "metric", "region", "mean", "n",
]  # fmt: skip
_GRADES = dict(zip((*GRADES, ""), ("high grade", "low grade", "grade not known"), strict=True))


@dataclass(frozen=True)
class Subgroup:
    """Some of the test patients.

    Attributes
    ----------
    kind : one of `KINDS`.
    name : as files have it, e.g. `HGG` or `smallest`.
    title : for readers.
    subjects : who is in it; a person counts once.
    """

    kind: str
    name: str
    title: str
    subjects: frozenset[str]

    @property
    def heading(self) -> str:
        return f"{self.title} (n = {len(self.subjects)})"


@lru_cache(maxsize=8)
def true_volumes(results: Results, region: str) -> pd.Series:
    """Return the volume of a region by subject in ml, the mean over their scans.

    It is as of `scan_volumes`. The result is shared: do not write to it.
    """
    return scan_volumes(results, region).groupby(dict(results.cohort.test)).mean()


@lru_cache(maxsize=8)
def scan_volumes(results: Results, region: str) -> pd.Series:
    """Return the volume of a region by patient in ml, of the truth on the benchmark's grid.

    The result is shared: do not write to it.
    """
    volumes = {
        name: volume_ml(region_mask(patient.labels(), region), patient.spacing)
        for name, patient in results.patients.items()
    }
    return pd.Series(volumes, dtype=float)


def volume_ml(mask: np.ndarray, spacing: Sequence[float]) -> float:
    """Return the volume of a mask's voxels in ml; `spacing` is in mm."""
    return np.count_nonzero(mask) * math.prod(spacing) / 1000


def et_groups(results: Results) -> pd.Series:
    """Return `NO_ET` or one of `THIRDS` by subject; nobody where fewer than three have any ET."""
    volumes = true_volumes(results, "et")
    # Ties are in the order of names.
    ordered = volumes[volumes > 0].sort_index().sort_values(kind="stable").index
    if len(ordered) < len(THIRDS):
        return pd.Series(dtype=object)
    parts = np.array_split(ordered, len(THIRDS))
    thirds = {one: name for name, part in zip(THIRDS, parts, strict=True) for one in part}
    return pd.Series({one: thirds.get(one, NO_ET) for one in volumes.index})


def with_et_groups(scores: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Return scores with the column `et_third` of `et_groups`, "" where there are no thirds."""
    place = scores.columns.get_loc("grade") + 1
    thirds = et_groups(results).to_dict()
    groups = [thirds.get(subject, "") for subject in scores["subject"]]
    wide = scores.copy()
    wide.insert(place, "et_third", groups)
    return wide


@lru_cache(maxsize=8)
def subgroups(results: Results) -> tuple[Subgroup, ...]:
    """Return all subgroups that have a patient; none by a grade that is known of nobody."""
    known = results.scores[results.scores["grade"] != ""].drop_duplicates("subject")
    grades = known.set_index("subject")["grade"]
    everyone = frozenset(results.cohort.test.values())
    found = [
        Subgroup("grade", name or "unknown", title, frozenset(everyone & _of(grades, name)))
        for name, title in _GRADES.items()
        if name and len(grades)
    ]
    if found:
        rest = everyone - frozenset().union(*(one.subjects for one in found))
        found.append(Subgroup("grade", "unknown", _GRADES[""], rest))
    volumes, groups = true_volumes(results, "et"), et_groups(results)
    for name in (NO_ET, *THIRDS) if len(groups) else ():
        subjects = _of(groups, name)
        title = "no ET"
        if subjects and name != NO_ET:
            of = volumes[list(subjects)]
            ends = dict.fromkeys(f"{ml:.1f}" for ml in (of.min(), of.max()))
            title = f"{name} third: {' to '.join(ends)} ml"
        found.append(Subgroup("et", name, title, subjects))
    return tuple(one for one in found if one.subjects)


def _of(groups: pd.Series, name: str) -> frozenset[str]:
    return frozenset(groups.index[groups == name])


@lru_cache(maxsize=8)
def by_subgroup(results: Results) -> pd.DataFrame:
    """Return one row per subgroup, row of a table, and (metric, region) of `COLUMNS`.

    Beside `kind`, `subgroup` (its name) and `utility` ("" of a synthesis) these are the cells of
    `measure_columns` without its comparisons: subgroups are described, not tested. The result is
    shared: do not write to it.
    """
    frames = []
    for group in subgroups(results):
        within = _within(results, group)
        frames += [
            _measured(within, group, task, utility, lines_of(results, COMPLETE[task]))
            for task, utility in (("synthesis", ""), ("segmentation", "retrained"))
        ]
        if within.frozen:
            lines = frozen_lines(results)
            frames.append(_measured(within.frozen, group, "segmentation", "frozen", lines))
    cells = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=_NAMED)
    return cells[~cells["status"].isin(["quoted", "not run here"])]


def _within(results: Results, group: Subgroup) -> Results:
    return replace(
        results,
        scores=results.scores[results.scores["subject"].isin(group.subjects)],
        frozen=results.frozen and _within(results.frozen, group),
    )


def _measured(
    within: Results, group: Subgroup, task: str, utility: str, lines: Sequence[Line]
) -> pd.DataFrame:
    rules = getattr(load_protocol(within.protocol), task)
    columns = [
        (metric, region)
        for metric, region in COLUMNS[task]
        if metric in rules.metrics and region in rules.regions
    ]
    cells = measure_columns(within, task, lines, columns, within.protocol)
    known = {"kind": group.kind, "subgroup": group.name, "utility": utility}
    return cells.assign(**known, published=np.nan, p=np.nan, too_few=False)
