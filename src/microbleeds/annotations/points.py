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

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microbleeds.annotations.columns import names_positions, plain_name, position_columns
from microbleeds.annotations.meaning import is_bleed, meanings_of_rows
from microbleeds.annotations.sheet import (
    MOST_TITLES,
    UNKNOWN,
    Counting,
    Points,
    Sheet,
    cell,
    has_position,
    number_of,
)
from microbleeds.annotations.statement import Statement
from microbleeds.errors import InputError
from microbleeds.evaluate.tables import refuse_repeated
from microbleeds.evaluate.words import CLASSES

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
        InputError: if a cell can't be understood, or a row has more cells than the header.
    """
    header, body, warnings = _header_and_body(sheet, statement, counting)
    columns = {name: n for n, name in reversed(list(enumerate(header)))}
    found = _positions(columns, sheet, statement)
    if found is None:
        return None
    refuse_repeated(header, sheet.where)
    _refuse_long(sheet, header, body)
    _refuse_aside(sheet, body, columns)
    names, kind, base, space, said = found
    rows, numbers = _numbers(sheet, body, [columns[name] for name in names], header)
    _refuse_unplaced(sheet, body, rows, columns)
    values = numbers * [1.0 if letter in "RAS" else -1.0 for letter in space]
    meanings, more = meanings_of_rows(sheet, [body[n] for n in rows], columns, statement)
    return Points(
        sheet.where,
        kind,
        statement.base if statement.base is not None else base,
        values,
        meanings,
        _diameters(sheet, [body[n] for n in rows], columns),
        tuple(joined for joined, _ in _scan_names([body[n] for n in rows], columns)),
        tuple(dict.fromkeys(joined for joined, _ in _scan_names(body, columns))),
        _name_column(columns) in _SURE_NAMES,
        (*warnings, *said, *more),
        {joined: name for joined, name in _scan_names(body, columns) if joined != name},
    )


def _header_and_body(
    sheet: Sheet, statement: Statement, counting: Counting
) -> tuple[list[str], list[tuple[str, ...]], list[str]]:
    """Split header and rows; without a header the columns are named by the form's convention, which is said."""
    rows = list(sheet.rows)
    titles = _titles(rows)
    if statement.columns is not None:
        stated = [plain_name(name) for name in statement.columns]
        return stated, rows[_first_row(rows, stated) if titles is None else titles + 1 :], []
    if titles is not None:
        written = " ".join(text for row in rows[:titles] for text in row if text)
        said = [f"What stands above the header of {sheet.where} ({written[:40]!r}) was left aside."]
        return [plain_name(text) for text in rows[titles]], rows[titles + 1 :], said if titles else []
    if rows and any(number_of(text) is None for text in rows[0]):
        return [plain_name(text) for text in rows[0]], rows[1:], []
    if not rows:
        return ["x_mm", "y_mm", "z_mm"], [], ["The table is empty; it was taken as no microbleed."]
    names = ["slice", "column", "row"] if counting == "image" else ["x_mm", "y_mm", "z_mm"]
    if len(rows[0]) < 3:
        raise InputError(f"The {sheet.where} has {len(rows[0])} columns and no header; three numbers are needed.")
    return names, rows, [f"The table has no header; its columns were taken as {', '.join(names)}."]


def _titles(rows: Sequence[tuple[str, ...]]) -> int | None:
    """Return how many rows stand above the header that names positions; ``None`` if no such header is found."""
    found = next((n for n, row in enumerate(rows[: MOST_TITLES + 1]) if names_positions(row)), None)
    return None if found is None or any(has_position(row) for row in rows[:found]) else found


def _first_row(rows: Sequence[tuple[str, ...]], stated: Sequence[str]) -> int:
    """Return 1 if the first row is a header, of names other than the stated ones, and else 0.

    A subject's name is text in a row too, so only what stands in the columns of positions tells.
    """
    found = position_columns(stated)
    if found is None or not rows:
        return 0
    numbers = [number_of(cell(rows[0], stated.index(name))) for name in found.names]
    return int(None in numbers and all(number is None or np.isnan(number) for number in numbers))


def _refuse_long(sheet: Sheet, header: Sequence[str], body: Sequence[tuple[str, ...]]) -> None:
    """Refuse rows of more cells than the header: their cells stand under wrong names."""
    if sheet.path.suffix.lower() == ".fcsv":  # 3D Slicer writes more cells than it names
        return
    for row in body:
        cells = max((n for n, text in enumerate(row, 1) if text), default=0)
        if cells > len(header):
            remedy = "" if sheet.sheet else "; with decimal commas separate columns by semicolons"
            raise InputError(
                f"A row of {sheet.where} has {cells} cells where {len(header)} belong ({', '.join(header)}): name "
                f"all columns{remedy}."
            )


def _positions(
    columns: dict[str, int], sheet: Sheet, statement: Statement
) -> tuple[tuple[str, str, str], Counting, int | None, str, list[str]] | None:
    """Return the three columns, what they count, their base and space, and what was assumed."""
    found = position_columns(columns)
    if found is None:
        return None
    stated_space = statement.space or sheet.space or "RAS"
    if found.counting == "mm":
        return found.names, "mm", None, found.space or stated_space, []
    if found.counting is not None:
        return found.names, found.counting, found.base, "RAS", []
    if statement.units == "voxel":
        return found.names, "array", None, "RAS", []
    said = 'Columns x, y, z name no unit; mm were assumed (state {"units": "voxel"} in labels.json otherwise).'
    assumed = [] if statement.units == "mm" or sheet.space else [said]
    return found.names, "mm", None, stated_space, assumed


def _numbers(
    sheet: Sheet, body: Sequence[tuple[str, ...]], columns: Sequence[int], header: Sequence[str]
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the rows that have a position, and the positions [N, 3]."""
    kept, values = [], []
    for n, row in enumerate(body):
        texts = [cell(row, c) for c in columns]
        numbers = [number_of(text) for text in texts]
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


def _refuse_unplaced(
    sheet: Sheet, body: Sequence[tuple[str, ...]], placed: Sequence[int], columns: dict[str, int]
) -> None:
    """Refuse rows that name a microbleed, or give its size, without its position: it would be lost.

    Raises:
        InputError: that names the first; other rows without a position are blanks of a form, or scans without any.
    """
    classes = [columns[name] for name in CLASSES if name in columns]
    sizes = [columns[name] for name in _DIAMETERS if name in columns]
    for n in sorted({*range(len(body))} - {*placed}):
        said = [text for text in (cell(body[n], c) for c in classes) if is_bleed(text)]
        said += [text for text in (cell(body[n], c) for c in sizes) if (number_of(text) or 0) > 0]
        if said:
            raise InputError(
                f"Row {n + 1} of {sheet.where} says {said[0][:40]!r} but has no position; complete it or take it"
                " out."
            )


def _diameters(sheet: Sheet, body: Sequence[tuple[str, ...]], columns: dict[str, int]) -> NDArray[np.float64]:
    name = next((name for name in _DIAMETERS if name in columns), None)
    if name is None:
        return np.full(len(body), np.nan)
    values = [number_of(cell(row, columns[name])) for row in body]
    if None in values:
        raise InputError(f"Column {name} of {sheet.where} holds text where a number belongs; correct it.")
    diameters = _DIAMETERS[name] * np.asarray(values, dtype=np.float64)
    if (diameters < 0).any():
        raise InputError(
            f"Column {name} of {sheet.where} holds a negative size; correct it, or leave it empty if unknown."
        )
    return np.where(diameters > 0, diameters, np.nan)


def _refuse_aside(sheet: Sheet, body: Sequence[tuple[str, ...]], columns: dict[str, int]) -> None:
    """Refuse a list of candidates, such as this program's findings.tsv, for labels of microbleeds."""
    column = columns.get("kept")
    aside = 0 if column is None else sum(cell(row, column).lower() in ("0", "false", "no") for row in body)
    if aside:
        raise InputError(
            f"Column kept of {sheet.where} says of {aside} rows that they don't count; take them out."
        )


def _name_column(columns: dict[str, int]) -> str | None:
    """Return the column that names scans."""
    return next((name for name in _NAMES if name in columns), None)


def _scan_names(body: Sequence[tuple[str, ...]], columns: dict[str, int]) -> tuple[tuple[str, str], ...]:
    """Return the scan that each row names, with its visit and without; empty if no column does."""
    name = _name_column(columns)
    if name is None:
        return ()
    session = next((name for name in _SESSIONS if name in columns), None)
    names = []
    for row in body:
        text, visit = cell(row, columns[name]), cell(row, columns[session]) if session else ""
        names.append((f"{text}_{visit}" if visit and visit.lower() not in UNKNOWN else text, text))
    return tuple(names)
