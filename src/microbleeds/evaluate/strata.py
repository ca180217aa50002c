"""Sensitivity by region, size and contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Apparent diameter; most microbleeds are 2 to 5 mm across and at most 10 (Greenberg 2009).
DIAMETER_EDGES_MM = (2.0, 3.0, 4.0, 5.0)
#: Contrast to the local clutter; visible microbleeds start at 2 (`docs/scoring.md`).
CONTRAST_EDGES = (3.0, 5.0, 8.0)


@dataclass(frozen=True)
class Stratum:
    """Found and all microbleeds of one kind."""

    name: str
    found: int
    total: int

    @property
    def sensitivity(self) -> float | None:
        """Found share, ``None`` when there is none to find."""
        return self.found / self.total if self.total else None


def by_label(labels: Sequence[str | None], found: ArrayLike) -> list[Stratum]:
    """Return one stratum per label, in alphabetical order; ``None`` is named ``unknown``."""
    is_found = np.asarray(found, dtype=bool).reshape(-1)
    names = np.array([label or "unknown" for label in labels], dtype=object)
    return [
        Stratum(str(name), int(is_found[names == name].sum()), int((names == name).sum()))
        for name in sorted(set(names))
    ]


def by_value(values: ArrayLike, found: ArrayLike, edges: Sequence[float], unit: str = "") -> list[Stratum]:
    """Return one stratum per half-open range between edges, with open ends; NaN is named ``unknown``.

    Args:
        values: [M] of each microbleed.
        found: [M] whether it was found.
        edges: rising; M values fall into ``len(edges) + 1`` ranges.
        unit: written behind each range's name.
    """
    value = np.asarray(values, dtype=np.float64).reshape(-1)
    which = np.where(np.isnan(value), -1, np.digitize(value, edges))
    is_found = np.asarray(found, dtype=bool).reshape(-1)
    strata = [_stratum(name, which == n, is_found) for n, name in enumerate(_range_names(edges, unit))]
    unknown = _stratum("unknown", which == -1, is_found)
    return strata + ([unknown] if unknown.total else [])


def _stratum(name: str, chosen: NDArray[np.bool_], found: NDArray[np.bool_]) -> Stratum:
    """Count the found and all of the chosen."""
    return Stratum(name, int((found & chosen).sum()), int(chosen.sum()))


def _range_names(edges: Sequence[float], unit: str) -> list[str]:
    """Name the ranges between edges: '<2 mm', '2-3 mm', ..., '>=5 mm'."""
    end = f" {unit}" if unit else ""
    inner = [f"{low:g}-{high:g}{end}" for low, high in pairwise(edges)]
    return [f"<{edges[0]:g}{end}", *inner, f">={edges[-1]:g}{end}"]
