"""Bootstrap intervals over subjects (percentile method, Efron and Tibshirani 1993, chapter 13).

Subjects are drawn, not microbleeds: those of one subject share a head and a scanner and aren't independent.
Where nothing happened, or always, every draw says the same and an interval would have no width: then the exact
bound of Clopper and Pearson (1934) or, for a rate, of Garwood (1936) is its other end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its interval; ``None`` where no draw gave one, or there is one subject alone."""

    value: float | None
    low: float | None
    high: float | None


def bootstrap(
    subjects: Sequence[Item],
    statistic: Callable[[Sequence[Item]], NDArray[np.float64]],
    *,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Interval]:
    """Return the statistics of a cohort, each with its bootstrap interval over subjects.

    Args:
        subjects: what each subject adds.
        statistic: from drawn subjects to Q numbers, shape [Q]; NaN where undefined.
        repeats: number of draws; 1000 leave an error of about half a percent of sensitivity in the ends.
        level: share of draws between the ends.
        seed: the same seed gives the same interval.
    """
    value = np.atleast_1d(statistic(subjects))
    generator = np.random.default_rng(seed)
    draws = np.full((repeats, len(value)), np.nan)
    if len(subjects) > 1:
        for n in range(repeats):
            chosen = generator.integers(0, len(subjects), len(subjects))
            draws[n] = statistic([subjects[i] for i in chosen])
    return [_interval(v, draw, level) for v, draw in zip(value, draws.T, strict=True)]


def of_share(interval: Interval, total: int, level: float = 0.95) -> Interval:
    """Give the interval of a share its exact end where all draws are 0 or all are 1.

    Args:
        interval: of the share.
        total: how many it is of.
        level: as the bootstrap's.
    """
    if not _without_width(interval, total) or interval.value not in (0, 1):
        return interval
    least = ((1 - level) / 2) ** (1 / total)
    return replace(interval, low=least) if interval.value == 1 else replace(interval, high=1 - least)


def of_mean(interval: Interval, one: Interval, other: Interval) -> Interval:
    """Give the interval of a harmonic mean of two shares (F1) the end that theirs allow, where no draw moves it.

    F1 is no share of a number of things, so it has no exact end of its own.

    Args:
        interval: of the mean.
        one: of a share, with its exact ends.
        other: of the other share.
    """
    if interval.low is None or interval.low != interval.high or interval.value not in (0, 1):
        return interval
    ends = (one.low, other.low) if interval.value == 1 else (one.high, other.high)
    first, second = (0.0 if end is None else end for end in ends)
    mean = 2 * first * second / (first + second) if first + second else 0.0
    return replace(interval, low=mean) if interval.value == 1 else replace(interval, high=mean)


def of_rate(interval: Interval, total: int, level: float = 0.95) -> Interval:
    """Give the interval of a number per scan its exact end where all draws are 0.

    Args:
        interval: of the rate.
        total: scans.
        level: as the bootstrap's.
    """
    if not _without_width(interval, total) or interval.value != 0:
        return interval
    return replace(interval, high=-math.log((1 - level) / 2) / total)


def _without_width(interval: Interval, total: int) -> bool:
    return total > 0 and interval.low is not None and interval.low == interval.high


def _interval(value: float, draws: NDArray[np.float64], level: float) -> Interval:
    """Return one statistic's interval from its draws [R]; NaN draws (undefined) are left out."""
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return Interval(finite(value), None, None)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(finite(value), float(low), float(high))


def finite(value: float) -> float | None:
    """Return the number, or ``None`` for NaN and infinities, which JSON can't hold."""
    return float(value) if np.isfinite(value) else None
