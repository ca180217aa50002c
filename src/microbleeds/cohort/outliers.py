"""Which scans differ from the others: the robust z of Iglewicz and Hoaglin (1993), 0.6745 (x - median) / MAD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Beyond this a value is called an outlier, as Iglewicz and Hoaglin advise.
OUTLIER_Z = 3.5
#: Fewer values have no spread to speak of.
LEAST_VALUES = 6


def robust_z(values: Sequence[float | None]) -> list[float | None]:
    """Return the robust z of each value; ``None`` where there is no value, or too few to compare with.

    Where more than half of all values are the same the median deviation is 0; the mean deviation takes its place.
    """
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if known.size < LEAST_VALUES:
        return [None] * len(values)
    median = float(np.median(known))
    deviations = np.abs(known - median)
    spread = float(np.median(deviations)) / 0.6745 or 1.2533 * float(deviations.mean())
    if spread == 0:
        return [None if value is None else 0.0 for value in values]
    return [None if value is None else round((value - median) / spread, 2) for value in values]
