"""The columns of the viewer: a method's T1ce above the masks of the segmentor behind it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.reporting.page.pictures import Volumes
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, in_order


@dataclass(frozen=True)
class Column:
    """What the viewer shows of one method.

    Attributes
    ----------
    t1ce, seg : the runs whose T1ce and whose masks are shown; None where there are none.
    label, seg_label : the labels of the method and of `seg`.
    notes : which seeds are shown, where there are several.
    failures : why something is missing.
    """

    label: str
    role: str
    t1ce: str | None = None
    seg: str | None = None
    seg_label: str = ""
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def columns(results: Results) -> list[Column]:
    """Return the columns in the order of tables: floors first, ceilings last."""
    groups = _groups(results)
    several = len({seed for seeds in results.seeds.values() for seed in seeds}) > 1
    return [
        _column(groups[row.run], shown_seeds(groups[row.run], results.seeds), results, several)
        for row in in_order([group[0] for group in groups.values()])
    ]


def shown_seeds(group: Sequence[Row], scored: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return the seed of each run that is shown: the first that all scored runs of a column share.

    Where they share none, the first of each. Runs without a scored seed are left out.
    """
    seeds = {row.run: scored[row.run] for row in group if scored.get(row.run)}
    first = seeds.get(group[0].run, ())
    common = [seed for seed in first if all(seed in others for others in seeds.values())]
    return {run: (common or own)[0] for run, own in seeds.items()}


def patients(results: Results) -> Iterator[Volumes]:
    """Read the volumes of each test patient and the predictions of the shown seeds, one by one."""
    # scipy takes half a second to import.
    from benchmarks.scoring.overlap import largest_component

    seeds: dict[str, int] = {}
    for group in _groups(results).values():
        seeds |= shown_seeds(group, results.seeds)
    for name, patient in results.patients.items():
        t1ce = {run: results.prediction(run, "t1ce", name, seed) for run, seed in seeds.items()}
        seg = {run: results.prediction(run, "seg", name, seed) for run, seed in seeds.items()}
        yield Volumes(
            patient=name,
            spacing=patient.spacing,
            scan=patient.volume(patient.grid.crop),
            t1ce={run: volume for run, volume in t1ce.items() if volume is not None},
            seg={run: largest_component(mask) for run, mask in seg.items() if mask is not None},
        )


def _groups(results: Results) -> dict[str, list[Row]]:
    """Return the rows of each column by its first run: that run, then the segmentors behind it."""
    groups = {row.run: [row] for row in results.rows if not row.upstream}
    for row in results.rows:
        if row.upstream:
            groups[row.upstream].append(row)
    return groups


def _column(
    group: Sequence[Row], seeds: Mapping[str, int], results: Results, several: bool
) -> Column:
    shown = [row for row in group if row.run in seeds]
    synthesizer = next((row for row in shown if "synthesis" in row.tasks), None)
    segmentor = next((row for row in shown if "segmentation" in row.tasks), None)
    return Column(
        label=group[0].title,
        role=group[0].role,
        t1ce=synthesizer.run if synthesizer else None,
        seg=segmentor.run if segmentor else None,
        seg_label=segmentor.label if segmentor else "",
        notes=tuple(f"{row.label}: seed {seeds[row.run]}" for row in shown if several),
        failures=tuple(_failure(row, results) for row in group if row.failure or row not in shown),
    )


def _failure(row: Row, results: Results) -> str:
    lacks = "lacks the scores of a seed" if results.seeds.get(row.run) else "has no scores"
    return f"{row.label} {lacks}: {row.failure or 'not run here'}"
