"""Where the numbers on an overview stand, so that none covers another number, a lesion's sign or a letter.

All lengths are pixels of the picture. Numbers are placed one after the other, each at the first free place around
its sign: beside it, above or below, askew, then the same farther off with a line to the sign. Where none is free,
the one that covers least is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]

SIGN = 7.5
_DIGIT, _HALF_HEIGHT, _FARTHER = 4.6, 6.5, 11.0
_RINGS = 4
# The letters stand in the middle of each border.
_LETTER = (22.0, 20.0)
_DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


@dataclass(frozen=True)
class Label:
    """A number's middle, off its sign; ``led`` where a line leads to it."""

    right: float
    down: float
    led: bool


def place_labels(dots: Mapping[int, tuple[float, float]], width: int, height: int) -> dict[int, Label]:
    """Return where the number of each lesion stands.

    Args:
        dots: lesions by number, (left, top) of their signs; the first ones have the first choice.
        width: of the picture.
        height: of the picture.
    """
    across, tall = _LETTER
    middle, centre = height / 2 - tall / 2, width / 2 - across / 2
    taken: list[Box] = [(x - SIGN, y - SIGN, x + SIGN, y + SIGN) for x, y in dots.values()]
    taken += [(0, middle, across, middle + tall), (width - across, middle, width, middle + tall)]
    taken += [(centre, 0, centre + across, tall), (centre, height - tall, centre + across, height)]
    labels = {}
    for number, (x, y) in dots.items():
        half = _DIGIT * len(str(number)) + 1
        best = min(_choices(half), key=lambda label: _cost(_box(label, x, y, half), taken, width, height))
        taken.append(_box(best, x, y, half))
        labels[number] = best
    return labels


def _choices(half: float) -> Iterator[Label]:
    """Return the places around a sign, the best first."""
    for ring in range(_RINGS):
        for right, down in _DIRECTIONS:
            off = (SIGN + half + ring * _FARTHER, SIGN + _HALF_HEIGHT + ring * _FARTHER)
            yield Label(right * off[0], down * off[1], ring > 0)


def _box(label: Label, x: float, y: float, half: float) -> Box:
    """Return left, top, right and bottom of a number."""
    x, y = x + label.right, y + label.down
    return x - half, y - _HALF_HEIGHT, x + half, y + _HALF_HEIGHT


def _cost(box: Box, taken: Sequence[Box], width: float, height: float) -> float:
    """Return the area that a number would cover, and as much as lies beyond the picture tenfold."""
    size = (box[2] - box[0]) * (box[3] - box[1])
    return sum(_common(box, other) for other in taken) + 10 * (size - _common(box, (0, 0, width, height)))


def _common(one: Box, other: Box) -> float:
    """Return the area that two boxes share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)
