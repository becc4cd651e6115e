"""Which test patients have pictures where not all fit, by a rule that looks at no picture."""

from collections.abc import Mapping, Sequence

WORST = 5  # patients that the summary lists


def main_measure(measures: Sequence[Mapping]) -> Mapping | None:
    """Return the measure that patients are sorted by at first: Dice ET, else the first one."""
    wanted = f"{measures[0]['protocol']}/dice/et" if measures else ""
    return next((one for one in measures if one["key"] == wanted), next(iter(measures), None))


def worst_first(measure: Mapping | None) -> list[int]:
    """Return the numbers of the patients with a score, by the mean of the methods, worst first."""
    scores = [None if one is None else float(one) for one in (measure["mean"] if measure else ())]
    sign = -1 if measure and measure["better"] == "lower" else 1
    known = [number for number, score in enumerate(scores) if score is not None]
    return sorted(known, key=lambda number: sign * scores[number])


def in_order_of_pictures(ordered: Sequence[int], worst: Sequence[int], count: int) -> list[int]:
    """Return the numbers of all `count` patients, so that any first part spans the whole range.

    Parameters
    ----------
    ordered : the patients with a score, the worst first.
    worst : those of them that come first whatever their place.

    Then comes the best, and always the patient in the middle of the widest gap between those
    before; the patients without a score come last.
    """
    places = {number: place for place, number in enumerate(ordered)}
    taken, left = [places[number] for number in worst], set(range(len(ordered)))
    left -= set(taken)
    while left:
        # Of equally far places the better one, so that the first after the worst is the best.
        place = max(left, key=lambda one: (_distance(one, taken), one))
        taken.append(place)
        left.remove(place)
    rest = [number for number in range(count) if number not in places]
    return [ordered[place] for place in taken] + rest


def _distance(place: int, taken: Sequence[int]) -> int:
    return min((abs(place - one) for one in taken), default=place)
