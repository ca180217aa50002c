"""Names of the columns that hold positions, and what the names say about how they count.

Upper and lower case, blanks and brackets don't matter: ``Column (x)`` is ``column_x``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from microbleeds.annotations.sheet import Counting

# Names of the three columns, what they count and what the name itself says (space, or base).
_MM: tuple[tuple[tuple[str, str, str], Literal["", "RAS", "LPS"]], ...] = (
    (("x_mm", "y_mm", "z_mm"), ""),
    (("x_ras_mm", "y_ras_mm", "z_ras_mm"), "RAS"),
    (("x_ras", "y_ras", "z_ras"), "RAS"),
    (("r", "a", "s"), "RAS"),
    (("x_lps_mm", "y_lps_mm", "z_lps_mm"), "LPS"),
    (("x_lps", "y_lps", "z_lps"), "LPS"),
    (("l", "p", "s"), "LPS"),
)
_ARRAY: tuple[tuple[tuple[str, str, str], int | None], ...] = (
    (("i", "j", "k"), None),
    (("i0", "j0", "k0"), 0),
    (("i1", "j1", "k1"), 1),
    (("i_voxel", "j_voxel", "k_voxel"), None),
    (("x_voxel", "y_voxel", "z_voxel"), None),
    (("x_vox", "y_vox", "z_vox"), None),
    (("vox_x", "vox_y", "vox_z"), None),
)
_SLICE = ("slice", "slice_number", "slice_no", "slice_nr", "slice_index", "slice_num", "slice_z", "z_slice")
_COLUMN = ("column", "col", "columns", "column_x", "x_column", "x_column_wise", "x_col", "x_pixel", "x")
_ROW = ("row", "rows", "row_y", "y_row", "y_row_wise", "y_pixel", "y")
_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class PositionColumns:
    """The three columns of positions.

    Args:
        names: of the columns, in the order x, y, z; i, j, k; or column, row, slice.
        counting: what they count; ``None`` if the names don't say (x, y, z).
        base: number of the first voxel, where the names say it.
        space: of mm, where the names say it.
    """

    names: tuple[str, str, str]
    counting: Counting | None
    base: int | None = None
    space: Literal["", "RAS", "LPS"] = ""


def position_columns(columns: Collection[str]) -> PositionColumns | None:
    """Find the columns of positions among names in their plain form; ``None`` if there are none."""
    for names, space in _MM:
        if all(name in columns for name in names):
            return PositionColumns(names, "mm", space=space)
    for names, base in _ARRAY:
        if all(name in columns for name in names):
            return PositionColumns(names, "array", base)
    slices = next((name for name in _SLICE if name in columns), None)
    column = next((name for name in _COLUMN if name in columns), None)
    row = next((name for name in _ROW if name in columns), None)
    if slices and column and row:
        return PositionColumns((column, row, slices), "image")
    return PositionColumns(_AXES, None) if all(name in columns for name in _AXES) else None


def plain_name(name: str) -> str:
    """Return a column's name in its plain form: ``X LPS (mm)`` is ``x_lps_mm``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def names_positions(row: Sequence[str]) -> bool:
    """Whether the cells of a row are a header that names positions."""
    return position_columns({plain_name(cell) for cell in row}) is not None
