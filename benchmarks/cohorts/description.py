"""Say in sentences what a cohort was read as, for the manifest, the page and `check`."""

from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.cohorts.releases import RELEASES
from benchmarks.cohorts.split import headcount
from benchmarks.cohorts.store import Meta


def describe(metas: Sequence[Meta]) -> list[str]:
    """Return sentences on the releases, time points, grids and uncounted tissues of patients."""
    return [
        *_releases(metas),
        *_time_points(metas),
        f"Voxels and their sides: {_counted(map(_grid, metas))}.",
        f"Grades: {_counted(meta.grade or 'not known' for meta in metas)}.",
        *_uncounted(metas),
    ]


def _releases(metas: Sequence[Meta]) -> Iterable[str]:
    for name, number in Counter(meta.release for meta in metas).items():
        if name is not None:
            one = RELEASES[name]
            yield f"Labels of {one.title} (`{name}`: {one.tissues}): {_patients(number)}."


def _time_points(metas: Sequence[Meta]) -> Iterable[str]:
    people = Counter(meta.subject for meta in metas)
    if several := sum(number > 1 for number in people.values()):
        yield (
            f"{headcount([meta.subject for meta in metas])} patients; {several} of them have "
            "several time points, which share a split."
        )


def _uncounted(metas: Sequence[Meta]) -> Iterable[str]:
    for tissue in sorted({name for meta in metas for name in meta.uncounted}):
        voxels = [meta.uncounted[tissue] for meta in metas if tissue in meta.uncounted]
        yield (
            f"{tissue.capitalize()}: {sum(voxels):,} voxels in {_patients(len(voxels))}, outside "
            "every region of the tumour."
        )


def _grid(meta: Meta) -> str:
    """Voxels and mm along x, y, z of the volumes read."""
    sides = [mm / n for mm, n in zip(meta.spacing, meta.grid.block, strict=True)][::-1]
    voxels, mm = (" x ".join(map(str, numbers)) for numbers in (meta.original_shape, _short(sides)))
    return f"{voxels} of {mm} mm"


def _short(sides: list[float]) -> list[str]:
    short = [f"{side:.3g}" for side in sides]
    return short[:1] if len(set(short)) == 1 else short


def _counted(names: Iterable[str]) -> str:
    """Each name with its number, the most frequent first."""
    return ", ".join(f"{name} ({number})" for name, number in Counter(names).most_common())


def _patients(number: int) -> str:
    return f"{number} patient{'s' * (number != 1)}"
