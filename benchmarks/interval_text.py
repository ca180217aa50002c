"""A value with its interval, as tables show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from microbleeds.evaluate.intervals import Interval

AnyInterval = Interval | Mapping[str, float | None]


def number_text(interval: AnyInterval, digits: int = 3) -> str:
    """``0.160 (0.103 to 0.241)``; the value alone where an end is unknown, ``n/a`` without a value."""
    return _joined(interval, lambda x: f"{x:.{digits}f}", lambda x: f"{x:.{digits}f}")


def percent_text(interval: AnyInterval) -> str:
    """``94.9 % (92 to 97)``; the value alone where an end is unknown, ``n/a`` without a value."""
    return _joined(interval, lambda x: f"{100 * x:.1f} %", lambda x: f"{100 * x:.0f}")


def _joined(interval: AnyInterval, of_value: Callable[[float], str], of_end: Callable[[float], str]) -> str:
    value, low, high = (
        (interval.value, interval.low, interval.high)
        if isinstance(interval, Interval)
        else (interval["value"], interval["low"], interval["high"])
    )
    if value is None or math.isnan(value):
        return "n/a"
    if low is None or high is None:
        return of_value(value)
    return f"{of_value(value)} ({of_end(low)} to {of_end(high)})"
