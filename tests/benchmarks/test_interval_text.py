"""How tables show a value with its interval."""

from __future__ import annotations

import pytest

from interval_text import AnyInterval, number_text, percent_text
from microbleeds.evaluate.intervals import Interval


@pytest.mark.parametrize("kind", [Interval, lambda *v: dict(zip(("value", "low", "high"), v, strict=True))])
def test_value_and_ends(kind: type[Interval]) -> None:
    interval: AnyInterval = kind(0.9492, 0.924, 0.9671)
    assert percent_text(interval) == "94.9 % (92 to 97)"
    assert number_text(interval) == "0.949 (0.924 to 0.967)"
    assert number_text(interval, 2) == "0.95 (0.92 to 0.97)"


def test_an_unknown_end_leaves_the_value() -> None:
    assert percent_text(Interval(0.5, None, 1.0)) == "50.0 %"
    assert number_text(Interval(0.5, 0.0, None), 1) == "0.5"


@pytest.mark.parametrize("value", [None, float("nan")])
def test_no_value(value: float | None) -> None:
    assert percent_text(Interval(value, 0.0, 1.0)) == number_text(Interval(value, None, None)) == "n/a"
