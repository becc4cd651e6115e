"""Write names beside points, where they cover neither points nor each other."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels

_MARKER = 4  # points from the middle of a marker that names keep away
_DISTANCES = (5, 9, 15, 22, 30, 40)  # points from a marker that names may be placed at
_PASSES = 4  # a name may move again once all others have their places
_POINTS = 20  # of a line, at which it is compared with boxes
_LINE_FROM = 6  # points of distance above which a line joins name and marker
# What a place costs beside its distance: per covered square pixel, and, in square points, where a
# name seems to belong to another marker, or its line crosses a name.
_COVERED, _MISTAKEN, _CROSSED = 4, 60, 60


def label_points(
    ax: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    levels: Mapping[str, float],
) -> None:
    """Write a name beside each point, and names of horizontal lines by their heights (`levels`).

    Each goes to the nearest free place, or the least covered one. The layout must be finished.
    """
    renderer = ax.figure.canvas.get_renderer()
    frame = tuple(ax.get_window_extent(renderer).extents)
    unit = ax.figure.dpi / 72  # pixels in a point
    to_data = ax.transData.inverted().transform
    dots = ax.transData.transform(points) if points else np.empty((0, 2))
    reach = _MARKER * unit
    taken: list[Box] = [(x - reach, y - reach, x + reach, y + reach) for x, y in dots]
    for name, height in levels.items():
        text = ax.text(0, 0, name, color="0.25", ha="left", va="bottom")
        size = text.get_window_extent(renderer)
        y = ax.transData.transform((ax.get_xlim()[0], height))[1]
        places = _along(frame, y, size.width, size.height, unit)
        box = min(places, key=lambda box: _covered(box, taken, frame))
        taken.append(box)
        text.set_position(to_data(box[:2]))

    texts = [ax.text(0, 0, name, ha="left", va="bottom") for name in names]
    sizes = [text.get_window_extent(renderer) for text in texts]
    chosen: dict[int, tuple[float, Box]] = {}
    for number in [*range(len(dots))] * _PASSES:
        (x, y), size = dots[number], sizes[number]
        others = {key: place for key, place in chosen.items() if key != number}
        # Its own marker is the only one that its line may touch.
        boxes = [*taken[:number], *taken[number + 1 :], *(box for _, box in others.values())]
        lines = [line for key, other in others.items() for line in _line(dots[key], *other)]
        rivals = dots[np.hypot(*(dots - (x, y)).T) > 0.1]

        def cost(place, number=number, dot=(x, y), boxes=boxes, lines=lines, rivals=rivals):
            distance, box = place
            mistaken = _MISTAKEN * _mistaken(distance, box, rivals, unit)
            crossed = _CROSSED * (_crossings(_line(dot, *place), boxes) + _crossings(lines, [box]))
            covered = _COVERED * _covered(box, [*boxes, taken[number]], frame)
            return covered + unit**2 * (mistaken + crossed) + distance * unit

        chosen[number] = min(_around(x, y, size.width, size.height, unit), key=cost)
    for number, (distance, box) in chosen.items():
        x, y = dots[number]
        texts[number].set_position(to_data(box[:2]))
        for line in _line((x, y), distance, box):
            ax.plot(*to_data(line[[0, -1]]).T, color="0.6", linewidth=0.4, zorder=1)


def _along(frame: Box, y: float, width: float, height: float, unit: float) -> Iterator[Box]:
    """Boxes for a name along a horizontal line, above it and below."""
    left, right = frame[0] + 2 * unit, frame[2] - 2 * unit - width
    for low in (y + unit, y - unit - height):
        for x in (right, left, (left + right) / 2):
            yield (x, low, x + width, low + height)


def _around(
    x: float, y: float, width: float, height: float, unit: float
) -> Iterator[tuple[float, Box]]:
    """Boxes for a name about a point, with their distance from it in points."""
    for distance in _DISTANCES:
        away = distance * unit
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            left = x + dx * away + (dx - 1) / 2 * width
            low = y + dy * away + (dy - 1) / 2 * height
            yield distance, (left, low, left + width, low + height)


def _line(dot: Sequence[float], distance: float, box: Box) -> list[np.ndarray]:
    """Return points (n, 2) of the line from a marker to its name, if the name is not near."""
    if distance <= _LINE_FROM:
        return []
    return [np.linspace(dot, np.clip(dot, box[:2], box[2:]), _POINTS)]


def _crossings(lines: Sequence[np.ndarray], boxes: Sequence[Box]) -> int:
    """How often a line runs through a box."""
    if not lines or not boxes:
        return 0
    low, high = np.split(np.array(boxes)[:, None, None], 2, axis=-1)
    return int(((lines > low) & (lines < high)).all(axis=-1).any(axis=-1).sum())


def _mistaken(distance: float, box: Box, rivals: np.ndarray, unit: float) -> int:
    """How many other points a name seems to belong to: those as near as its own."""
    away = np.maximum(np.maximum(box[:2] - rivals, rivals - box[2:]), 0)
    return int((np.hypot(*away.T) < (distance + 2) * unit).sum())


def _covered(box: Box, taken: Sequence[Box], frame: Box) -> float:
    """Square pixels of a box that others cover, or that are outside the axes."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return 3 * (area - _overlap(box, frame)) + sum(_overlap(box, other) for other in taken)


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)
