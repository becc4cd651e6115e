"""The columns of the viewer: a method's T1ce above the masks of the segmentor behind it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.reporting.page.pictures import Volumes
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row, in_order
from benchmarks.reporting.utilities import first_segmentor


@dataclass(frozen=True)
class Column:
    """What the viewer shows of one method.

    Attributes
    ----------
    t1ce, seg : the runs whose T1ce and whose masks are shown; None where there are none. The masks
        are of the first segmentor: the retrained one's, else the frozen one's.
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
    seeds = results.whole.seeds
    several = len({seed for scored in seeds.values() for seed in scored}) > 1
    return [
        _column(group, shown_seeds(group, seeds), seeds, several) for group in _ordered(results)
    ]


def column_of(results: Results) -> dict[str, int]:
    """Return the number of each run's column: its own or, of any segmentor, that of its T1ce."""
    number = {group[0].run: place for place, group in enumerate(_ordered(results))}
    columns = {row.run: number.get(row.upstream or row.run) for row in results.whole.rows}
    return {run: place for run, place in columns.items() if place is not None}


def shown_seeds(group: Sequence[Row], scored: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return the seed of each run that is shown: the first that all scored runs of a column share.

    Where they share none, the first of each. Runs without a scored seed are left out.
    """
    seeds = {row.run: scored[row.run] for row in group if scored.get(row.run)}
    first = seeds.get(group[0].run, ())
    common = [seed for seed in first if all(seed in others for others in seeds.values())]
    return {run: (common or own)[0] for run, own in seeds.items()}


def seeds_of_columns(results: Results) -> dict[str, int]:
    """Return the shown seed of each run that the columns show."""
    scored, seeds = results.whole.seeds, {}
    for group in _groups(results).values():
        of_group = shown_seeds(group, scored)
        seeds |= {row.run: of_group[row.run] for row in _shown(group, scored) if row}
    return seeds


def truth(results: Results, name: str) -> Volumes:
    """Read the volumes of a test patient without predictions."""
    patient = results.patients[name]
    scan = patient.volume(patient.grid.crop)
    return Volumes(patient=name, spacing=patient.spacing, scan=scan, t1ce={}, seg={})


def patients(results: Results, names: Iterable[str]) -> Iterator[Volumes]:
    """Read the volumes of test patients and the predictions of the shown seeds, one by one."""
    # scipy takes half a second to import.
    from benchmarks.scoring.overlap import largest_component

    whole, seeds = results.whole, seeds_of_columns(results)
    for name in names:
        t1ce = {run: whole.prediction(run, "t1ce", name, seed) for run, seed in seeds.items()}
        seg = {run: whole.prediction(run, "seg", name, seed) for run, seed in seeds.items()}
        yield replace(
            truth(results, name),
            t1ce={run: volume for run, volume in t1ce.items() if volume is not None},
            seg={run: largest_component(mask) for run, mask in seg.items() if mask is not None},
        )


def _ordered(results: Results) -> list[list[Row]]:
    groups = _groups(results)
    return [groups[row.run] for row in in_order([group[0] for group in groups.values()])]


def _groups(results: Results) -> dict[str, list[Row]]:
    """Return the rows of each column by its first run: that run, then the segmentors behind it.

    Of several segmentors the first is behind it, retrained and then frozen.
    """
    shown, _ = first_segmentor(results.whole)
    groups = {row.run: [row] for row in shown.rows if not row.upstream}
    for row in shown.rows:
        if row.upstream:
            groups[row.upstream].append(row)
    return groups


def _column(
    group: Sequence[Row],
    seeds: Mapping[str, int],
    scored: Mapping[str, Sequence[int]],
    several: bool,
) -> Column:
    synthesizer, segmentor = shown = _shown(group, scored)
    return Column(
        label=group[0].title,
        role=group[0].role,
        t1ce=synthesizer.run if synthesizer else None,
        seg=segmentor.run if segmentor else None,
        seg_label=segmentor.label if segmentor else "",
        notes=tuple(
            f"{row.label}: seed {seeds[row.run]}" for row in dict.fromkeys(shown) if row and several
        ),
        failures=tuple(
            _failure(row, scored) for row in group if row.failure or not scored.get(row.run)
        ),
    )


def _shown(
    group: Sequence[Row], scored: Mapping[str, Sequence[int]]
) -> tuple[Row | None, Row | None]:
    """Return the rows of a column whose T1ce and whose masks are shown."""
    rows = [row for row in group if scored.get(row.run)]
    return tuple(
        next((row for row in rows if task in row.tasks), None)
        for task in ("synthesis", "segmentation")
    )


def _failure(row: Row, scored: Mapping[str, Sequence[int]]) -> str:
    lacks = "lacks the scores of a seed" if scored.get(row.run) else "has no scores"
    return f"{row.label} {lacks}: {row.failure or 'not run here'}"
