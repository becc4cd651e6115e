"""What the central crop of training cuts off of patients, and which crop would not."""

from collections.abc import Iterator, Sequence

from benchmarks.cohorts.store import Meta
from benchmarks.errors import InputError

_NAMED = 9  # patients of a message, before it only counts


def refuse_lost_tumour(metas: Sequence[Meta], setting: str) -> None:
    """Raise InputError if the crop cuts off tumour, which no score would show.

    Parameters
    ----------
    setting : where the crop is set, for the message.
    """
    if not (losing := [meta for meta in metas if meta.tumour_outside_crop]):
        return
    named = [_lost_tumour(meta) for meta in losing[:_NAMED]]
    if more := len(losing) - len(named):
        named.append(f"and {more} more")
    raise InputError(
        f"{setting}: {losing[0].grid.crop} pixels cut off tumour of {len(losing)} of {len(metas)} "
        f"patients: {', '.join(named)}. Write {max(meta.smallest_crop for meta in metas)}, the "
        "smallest that holds every brain, or raise `results.slices.downsample`."
    )


def lost_brain(metas: Sequence[Meta]) -> Iterator[str]:
    """Yield the patients whose brain the crop cuts, and the smallest crop that would not."""
    for meta in metas:
        if lost := meta.brain_outside_crop:
            voxels = f"{lost} voxel{'s' * (lost != 1)}"
            yield f"{meta.patient}: {voxels}, which a crop of {meta.smallest_crop} would hold"


def _lost_tumour(meta: Meta) -> str:
    lost, whole = meta.tumour_outside_crop, sum(meta.tumour_per_slice)
    return f"{meta.patient} ({lost} of {whole} voxels, {lost / whole:.1%})"
