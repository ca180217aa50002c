"""Names of the forms of labels, and how numbers of each become positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations.sheet import Counting, Points
from microbleeds.annotations.statement import Statement
from microbleeds.errors import InputError
from microbleeds.geometry import Grid

PROGRAM = "truth tables of this program"
MASK = "masks, each connected part a microbleed"
MATLAB = "MATLAB centres, array numbers"
OF_COUNTING: dict[Counting, str] = {
    "mm": "points in mm",
    "array": "points as array numbers i, j, k",
    "image": "points as slice, column, row",
}
NO_LABELS = "no labels"
# NIfTI readers count from 0; viewers, spreadsheets and MATLAB from 1.
_DEFAULT_BASE: dict[Counting, int] = {"mm": 0, "array": 0, "image": 1}
_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}
_LETTER = {"left": "L", "right": "R", "anterior": "A", "posterior": "P", "superior": "S", "inferior": "I"}


@dataclass(frozen=True)
class Base:
    """From where numbers are counted, and why that is thought."""

    number: int
    why: str = ""


def bases_of(points: Sequence[Points], grids: Sequence[Grid]) -> dict[Counting, Base]:
    """Derive from all scans of a data set from where each kind of numbers is counted, where nothing states it.

    A 0 shows that counting starts at 0; a number as large as the image has voxels, that it starts at 1.

    Args:
        points: of all scans.
        grids: of the same scans.
    """
    bases = {}
    for counting in ("array", "image"):
        open_ones = [
            (p, g) for p, g in zip(points, grids, strict=True) if p.counting == counting and p.base is None
        ]
        if not open_ones:
            continue
        usual = _DEFAULT_BASE[counting]
        if any((p.values < 0.5).any() for p, _ in open_ones):
            base = Base(0, "a 0 occurs among them")
        elif any((p.values > np.asarray(g.shape) - 0.5).any() for p, g in open_ones):
            base = Base(1, "one is as large as the image has voxels")
        else:
            base = Base(usual, f'nothing says so; state {{"base": {1 - usual}}} in labels.json otherwise')
        bases[counting] = base
    return bases  # type: ignore[return-value]


def positions_mm(points: Points, grid: Grid, base: int, statement: Statement) -> NDArray[np.float64]:
    """Return RAS mm [N, 3] of points on the grid of their scan's file; array axes are column, row and slice.

    Raises:
        InputError: if directions are stated that the image's axes don't have.
    """
    if points.counting == "mm":
        return points.values
    ijk = points.values - base
    return grid.to_mm(_turned(ijk, grid, statement))


def _turned(ijk: NDArray[np.float64], grid: Grid, statement: Statement) -> NDArray[np.float64]:
    """Mirror numbers whose stated direction is against the stored one."""
    stated = (statement.column_direction, statement.row_direction, statement.slice_direction)
    turned = ijk.copy()
    for axis, (direction, what) in enumerate(zip(stated, ("column", "row", "slice"), strict=True)):
        if direction is None or direction == "as-stored":
            continue
        stored, wanted = grid.axis_codes[axis], _LETTER[direction]
        if wanted == _OPPOSITE[stored]:
            turned[:, axis] = grid.shape[axis] - 1 - turned[:, axis]
        elif wanted != stored:
            raise InputError(
                f"labels.json states that {what} numbers grow to the {direction}, but the image is stored as "
                f"{grid.axis_codes}; state directions of its own axes."
            )
    return turned
