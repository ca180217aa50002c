"""Excel workbooks of points: a workbook per scan, a sheet per scan, or all scans in one sheet.

The published custom is slice, column (x), row (y), counted from 1 (Al-masni et al., NeuroImage: Clinical 2020;28:
102464 and Kim et al., arXiv 2306.13020); it holds for sheets without a header. Formulas aren't evaluated: the
value that Excel stored is read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from microbleeds.annotations.sheet import Sheet
from microbleeds.errors import InputError
from microbleeds.extras import needing

WORKBOOKS = (".xlsx", ".xlsm")
LARGEST_WORKBOOK_BYTES = 32 * 2**20
# Unpacked: a workbook may claim far more than it holds.
LARGEST_CONTENT_BYTES = 512 * 2**20
MOST_ROWS, MOST_COLUMNS = 20_000, 64


def read_workbook(path: Path) -> list[Sheet]:
    """Read the cells of all sheets that hold any.

    Raises:
        InputError: if the file is damaged, too large, or of the old binary format.
    """
    if path.suffix.lower() == ".xls":
        raise InputError(f"{path} is of Excel's old format; save it as .xlsx.")
    _refuse_large(path)
    with needing("train", f"{path} is an Excel workbook, which needs"):
        from openpyxl import load_workbook  # only who has workbooks needs it
    try:
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        written = load_workbook(path, read_only=True, keep_links=False)
        try:
            sheets = []
            for sheet in book.worksheets:
                rows = list(islice(sheet.iter_rows(values_only=True), MOST_ROWS + 1))
                _refuse_unvalued(path, sheet.title, written[sheet.title].iter_rows(), rows)
                sheets.append(_sheet(path, sheet.title, rows))
        finally:
            book.close()
            written.close()
    except InputError:
        raise
    except Exception as error:  # a damaged archive fails in zlib, XML or openpyxl in a dozen ways
        raise InputError(
            f"{path} can't be read as an Excel workbook ({type(error).__name__}); save it again."
        ) from error
    filled = [sheet for sheet in sheets if sheet.rows]
    return filled or [Sheet(path, "", ())]


def _refuse_large(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if path.stat().st_size > LARGEST_WORKBOOK_BYTES or unpacked > LARGEST_CONTENT_BYTES:
            raise InputError(f"{path} is too large for a workbook of labels; take it out of the folder.")
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise InputError(f"{path} can't be read as an Excel workbook; save it again as .xlsx.") from error


def _refuse_unvalued(path: Path, name: str, written: Iterable[Any], values: Iterable[tuple[Any, ...]]) -> None:
    """Refuse formulas whose value no program has stored: they would be empty cells, and rows would be lost.

    Raises:
        InputError: that names the first.
    """
    for stored, cells in zip(values, written, strict=False):
        for cell, value in zip(cells, stored, strict=False):
            if value is None and isinstance(cell.value, str) and cell.value.startswith("="):
                raise InputError(
                    f"Cell {cell.coordinate} of sheet {name} of {path} is a formula without a value; open it in a"
                    " spreadsheet program and save it, or write the value."
                )


def _sheet(path: Path, name: str, rows: Iterable[tuple[Any, ...]]) -> Sheet:
    """Return the cells of a sheet as text, without empty rows and without empty columns at the left."""
    cells = []
    for n, row in enumerate(rows):
        if n >= MOST_ROWS:
            raise InputError(f"Sheet {name} of {path} has more than {MOST_ROWS} rows; take other tables out.")
        text = tuple(_text(value) for value in row[:MOST_COLUMNS])
        if any(text):
            cells.append(text)
    first = min((next(n for n, cell in enumerate(row) if cell) for row in cells), default=0)
    last = max((max(n for n, cell in enumerate(row) if cell) for row in cells), default=0) + 1
    return Sheet(path, name, tuple(row[first:last] for row in cells))


def _text(value: Any) -> str:
    """Return a cell as text; whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
