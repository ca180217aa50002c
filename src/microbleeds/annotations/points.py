"""Rows under column names become labelled points, in mm or as voxel numbers, whoever wrote the rows.

Columns that are understood (upper and lower case, blanks and brackets don't matter):

    * ``x_mm y_mm z_mm`` (RAS), ``x_lps_mm ...``, ``r a s``, ``l p s``: mm
    * ``i j k``, ``x_voxel y_voxel z_voxel``; ``i0 j0 k0`` and ``i1 j1 k1`` say their base: array numbers
    * ``slice column row``, ``slice x y``: image numbers as a viewer shows them
    * ``x y z``: mm, if ``labels.json`` doesn't say ``{"units": "voxel"}``
    * ``diameter_mm`` (``size_mm``, ``radius_mm``), ``label`` (``class``, ``type``, ``certainty``, ``rating``),
      ``visible``, and ``subject`` (``scan``, ``participant_id``, ``name``, ``case``, ``file``) with ``session``
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations.meaning import meanings_of_rows
from microbleeds.annotations.sheet import UNKNOWN, Counting, Points, Sheet, cell
from microbleeds.annotations.statement import Statement
from microbleeds.errors import InputError

_AXES = ("x", "y", "z")
# Names of the three columns, what they count and what the name itself says (space, or base).
_MM: tuple[tuple[tuple[str, str, str], str], ...] = (
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
_SLICE = ("slice", "slice_number", "slice_no", "slice_nr", "slice_index", "slice_num", "z_slice")
_COLUMN = ("column", "col", "columns", "x_column", "x_column_wise", "x_col", "x_pixel", "x")
_ROW = ("row", "rows", "y_row", "y_row_wise", "y_pixel", "y")
_NAMES = (
    "participant_id", "subject", "subject_id", "sub", "scan", "scan_id", "patient", "patient_id", "case",
    "case_id", "name", "file", "filename", "file_name", "image",
)  # fmt: skip
# "name", "case", "file" and "image" may be of points too.
_SURE_NAMES = (
    "participant_id", "subject", "subject_id", "sub", "scan", "scan_id", "patient", "patient_id",
)  # fmt: skip
_SESSIONS = ("session", "session_id", "ses", "visit", "timepoint")
_DIAMETERS = {"diameter_mm": 1.0, "size_mm": 1.0, "diameter": 1.0, "diam_mm": 1.0, "radius_mm": 2.0}


def points_of_sheet(sheet: Sheet, statement: Statement, counting: Counting = "mm") -> Points | None:
    """Understand a sheet.

    Args:
        sheet: cells.
        statement: what the user states.
        counting: what three numbers without a header are: ``mm`` as x, y, z or ``image`` as slice, column, row.

    Returns:
        The points; ``None`` if the sheet has a header that names no position (some other table).

    Raises:
        InputError: if a cell can't be understood.
    """
    header, body, warnings = _header_and_body(sheet, statement, counting)
    columns = {name: n for n, name in reversed(list(enumerate(header)))}
    found = _positions(columns, sheet, statement)
    if found is None:
        return None
    names, kind, base, space, said = found
    rows, numbers = _numbers(sheet, body, [columns[name] for name in names], header)
    values = numbers * [1.0 if letter in "RAS" else -1.0 for letter in space]
    meanings, more = meanings_of_rows(sheet, [body[n] for n in rows], columns, statement)
    return Points(
        sheet.where,
        kind,
        statement.base if statement.base is not None else base,
        values,
        meanings,
        _diameters(sheet, [body[n] for n in rows], columns),
        _scan_names([body[n] for n in rows], columns),
        tuple(dict.fromkeys(_scan_names(body, columns))),
        _name_column(columns) in _SURE_NAMES,
        (*warnings, *said, *more),
    )


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _number(written: str) -> float | None:
    """Return a number, NaN for unknown, ``None`` for text. A decimal comma is understood."""
    text = written.strip().lower()
    if text in UNKNOWN:
        return float("nan")
    try:
        return float(text if "." in text else text.replace(",", "."))
    except ValueError:
        return None


def _header_and_body(
    sheet: Sheet, statement: Statement, counting: Counting
) -> tuple[list[str], list[tuple[str, ...]], list[str]]:
    """Split header and rows; without a header the columns are named by the form's convention, which is said."""
    rows = list(sheet.rows)
    has_header = bool(rows) and any(_number(text) is None for text in rows[0])
    body = rows[1:] if has_header else rows
    if statement.columns is not None:
        return [_normal(name) for name in statement.columns], body, []
    if has_header:
        return [_normal(text) for text in rows[0]], body, []
    if not rows:
        return ["x_mm", "y_mm", "z_mm"], [], ["The table is empty; it was taken as no microbleed."]
    names = ["slice", "column", "row"] if counting == "image" else ["x_mm", "y_mm", "z_mm"]
    if len(rows[0]) < 3:
        raise InputError(f"The {sheet.where} has {len(rows[0])} columns and no header; three numbers are needed.")
    return names, body, [f"The table has no header; its columns were taken as {', '.join(names)}."]


def _positions(
    columns: dict[str, int], sheet: Sheet, statement: Statement
) -> tuple[tuple[str, str, str], Counting, int | None, str, list[str]] | None:
    """Return the three columns, what they count, their base and space, and what was assumed."""
    for names, space in _MM:
        if all(name in columns for name in names):
            return names, "mm", None, space or statement.space or sheet.space or "RAS", []
    for names, base in _ARRAY:
        if all(name in columns for name in names):
            return names, "array", base, "RAS", []
    slices = next((name for name in _SLICE if name in columns), None)
    column = next((name for name in _COLUMN if name in columns), None)
    row = next((name for name in _ROW if name in columns), None)
    if slices and column and row:
        return (column, row, slices), "image", None, "RAS", []
    if not all(name in columns for name in _AXES):
        return None
    if statement.units == "voxel":
        return ("x", "y", "z"), "array", None, "RAS", []
    said = 'Columns x, y, z name no unit; mm were assumed (state {"units": "voxel"} in labels.json otherwise).'
    assumed = [] if statement.units == "mm" or sheet.space else [said]
    return ("x", "y", "z"), "mm", None, statement.space or sheet.space or "RAS", assumed


def _numbers(
    sheet: Sheet, body: Sequence[tuple[str, ...]], columns: Sequence[int], header: Sequence[str]
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the rows that have a position, and the positions [N, 3]."""
    kept, values = [], []
    for n, row in enumerate(body):
        texts = [cell(row, c) for c in columns]
        numbers = [_number(text) for text in texts]
        for text, number, c in zip(texts, numbers, columns, strict=True):
            if number is None or np.isinf(number):
                raise InputError(f"Column {header[c]} of {sheet.where} holds {text[:40]!r}, which is no number.")
        known = [number for number in numbers if number is not None and not np.isnan(number)]
        if len(known) == 3:
            kept.append(n)
            values.append(known)
        elif known:
            raise InputError(f"Row {n + 1} of {sheet.where} has only {len(known)} of three numbers; complete it.")
    return kept, np.asarray(values, dtype=np.float64).reshape(-1, 3)


def _diameters(sheet: Sheet, body: Sequence[tuple[str, ...]], columns: dict[str, int]) -> NDArray[np.float64]:
    name = next((name for name in _DIAMETERS if name in columns), None)
    if name is None:
        return np.full(len(body), np.nan)
    values = [_number(cell(row, columns[name])) for row in body]
    if None in values:
        raise InputError(f"Column {name} of {sheet.where} holds text where a number belongs; correct it.")
    diameters = _DIAMETERS[name] * np.asarray(values, dtype=np.float64)
    return np.where(diameters > 0, diameters, np.nan)


def _name_column(columns: dict[str, int]) -> str | None:
    """Return the column that names scans."""
    return next((name for name in _NAMES if name in columns), None)


def _scan_names(body: Sequence[tuple[str, ...]], columns: dict[str, int]) -> tuple[str, ...]:
    """Return the scan that each row names; empty if no column does."""
    name = _name_column(columns)
    if name is None:
        return ()
    session = next((name for name in _SESSIONS if name in columns), None)
    names = []
    for row in body:
        text, visit = cell(row, columns[name]), cell(row, columns[session]) if session else ""
        names.append(f"{text}_{visit}" if visit and visit.lower() not in UNKNOWN else text)
    return tuple(names)
