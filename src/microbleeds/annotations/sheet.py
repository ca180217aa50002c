"""What travels between readers of tables and their meaning: cells, and labelled points as they were written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations.statement import Meaning

Counting = Literal["mm", "array", "image"]
# Rows that may stand above a header.
MOST_TITLES = 10
UNKNOWN = frozenset(("", "n/a", "na", "nan", "none", "null", "-"))


@dataclass(frozen=True)
class Sheet:
    """Cells as they stand in a file.

    Args:
        path: the file.
        sheet: name of the sheet within it; empty for a text file.
        rows: cells as text; the header, if any, is the first row.
        space: of positions in mm, where a comment in the file says it.
    """

    path: Path
    sheet: str
    rows: tuple[tuple[str, ...], ...]
    space: Literal["RAS", "LPS"] | None = None

    @property
    def where(self) -> str:
        """How a sentence names it."""
        return f"sheet {self.sheet} of {self.path.name}" if self.sheet else self.path.name


@dataclass(frozen=True, eq=False)
class Points:
    """Labelled points as they were written.

    Args:
        where: how a sentence names their file.
        counting: ``mm`` (RAS), ``array`` numbers (i, j, k) or ``image`` numbers (column, row, slice).
        base: number of the first voxel, ``None`` if nothing says it.
        values: [N, 3].
        meanings: [N] what each label is.
        diameters_mm: [N], NaN where unknown.
        names: [N] scan of each row; empty if no column says it.
        named: all scans that rows name, also rows without a position: those have no microbleed.
        named_by_scan: whether the head of the column that names them can't be of points.
        warnings: sentences about what was assumed.
        without_visit: a name with the visit of its row to the name alone, where a column of visits made it.
    """

    where: str
    counting: Counting
    base: int | None
    values: NDArray[np.float64]
    meanings: tuple[Meaning, ...]
    diameters_mm: NDArray[np.float64]
    names: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    named_by_scan: bool = False
    warnings: tuple[str, ...] = ()
    without_visit: Mapping[str, str] = field(default_factory=dict)

    def only(self, chosen: Sequence[int]) -> Points:
        """Return some of the rows, without their names."""
        rows = np.asarray(chosen, dtype=int)
        return replace(
            self,
            values=self.values[rows],
            meanings=tuple(self.meanings[n] for n in chosen),
            diameters_mm=self.diameters_mm[rows],
            names=(),
            named=(),
        )


def number_of(written: str) -> float | None:
    """Return a number, NaN for unknown, ``None`` for text. A decimal comma is understood."""
    text = written.strip().lower()
    if text in UNKNOWN:
        return float("nan")
    try:
        return float(text if "." in text else text.replace(",", "."))
    except ValueError:
        return None


def has_position(row: Sequence[str]) -> bool:
    """Whether a row has at least three finite numbers."""
    return sum(number is not None and math.isfinite(number) for number in map(number_of, row)) >= 3


def cell(row: Sequence[str], column: int) -> str:
    """Return one cell of a row; empty where the row is shorter."""
    return row[column].strip() if column < len(row) else ""
