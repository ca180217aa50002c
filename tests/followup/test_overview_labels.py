"""Numbers on an overview: none covers another number, a sign or a letter where there is room."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from microbleeds.followup.labels import SIGN, place_labels

WIDTH, HEIGHT = 320, 360
#: Wide enough for the digits as the page draws them, 13 pixels high.
DIGIT, HALF_HEIGHT = 4.3, 6.0


def boxes(dots):
    labels = place_labels(dots, WIDTH, HEIGHT)
    made = {}
    for number, (x, y) in dots.items():
        half = DIGIT * len(str(number))
        x, y = x + labels[number].right, y + labels[number].down
        made[number] = (x - half, y - HALF_HEIGHT, x + half, y + HALF_HEIGHT)
    return made


def apart(one, other) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def check(dots):
    made = boxes(dots)
    assert all(apart(one, other) for one, other in itertools.combinations(made.values(), 2))
    for (x, y), box in itertools.product(dots.values(), made.values()):
        assert apart((x - SIGN, y - SIGN, x + SIGN, y + SIGN), box)
    letters = [(0, 170, 22, 190), (298, 170, 320, 190), (149, 0, 171, 18), (149, 342, 171, 360)]
    assert all(apart(letter, box) for letter, box in itertools.product(letters, made.values()))
    assert all(box[0] >= 0 and box[1] >= 0 and box[2] <= WIDTH and box[3] <= HEIGHT for box in made.values())


def test_alone_it_stands_on_the_right():
    (label,) = place_labels({7: (100.0, 100.0)}, WIDTH, HEIGHT).values()
    assert (label.right > SIGN, label.down, label.led) == (True, 0, False)


def test_two_that_read_as_one_number():
    """Lesions 8 and 10 of a real comparison stood so close that they read as 18."""
    check({8: (95.0, 312.0), 10: (85.0, 317.0)})


def test_at_one_place():
    check({1: (200.0, 120.0), 2: (200.0, 120.0), 3: (201.0, 121.0)})


def test_at_the_border_and_beside_the_letters():
    check({1: (316.0, 180.0), 2: (3.0, 180.0), 3: (160.0, 4.0), 4: (318.0, 356.0), 5: (148.0, 350.0)})
    check({1: (148.0, 10.0)})


def test_the_first_ones_choose_first():
    dots = {1: (100.0, 100.0), 2: (84.0, 100.0)}
    labels = place_labels(dots, WIDTH, HEIGHT)
    assert (labels[1].right > 0, labels[2].right < 0) == (True, True)
    assert place_labels(dots, WIDTH, HEIGHT) == labels, "there is nothing random in it"


@pytest.mark.parametrize("seed", range(5))
def test_thirty_lesions(seed):
    places = np.random.default_rng(seed).uniform((30, 30), (WIDTH - 30, HEIGHT - 30), (30, 2))
    check({n: (float(x), float(y)) for n, (x, y) in enumerate(places, 1)})
