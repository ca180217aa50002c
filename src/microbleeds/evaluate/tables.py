"""Point lists as text: a table with a header, or plain numbers.

Accepted: tab, comma, semicolon or blank separated; with a header that names ``x_mm y_mm z_mm`` (or ``x y z``)
and any other columns, or without one: three numbers a row, or four with the score last. ``n/a`` and empty
cells are unknown. Positions are RAS mm, or LPS where a comment of 3D Slicer says so
(``# CoordinateSystem = LPS``). A file with a header and no rows is a scan without findings.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError

Space = Literal["RAS", "LPS"]
_SLICER_SPACE = re.compile(r"#\s*CoordinateSystem\s*=\s*(LPS|RAS|0|1)\b", re.IGNORECASE)
# Written by Excel in the first line of a text table.
_SEPARATOR = re.compile(r'\s*"?sep=([;,\t|])', re.IGNORECASE)
_UNKNOWN = {"", "n/a", "na", "nan"}
_TRUE, _FALSE = {"1", "true", "yes", "1.0"}, {"0", "false", "no", "0.0"}


@dataclass(frozen=True)
class Table:
    """Rows of text cells under column names; ``space`` is that of positions."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    space: Space = "RAS"

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __contains__(self, column: str) -> bool:
        """Whether a column of this name exists."""
        return column in self.columns

    def text(self, column: str) -> tuple[str | None, ...]:
        """Return a column's cells, ``None`` where unknown or where there is no such column."""
        if column not in self.columns:
            return (None,) * len(self.rows)
        index = self.columns.index(column)
        return tuple(None if row[index].lower() in _UNKNOWN else row[index] for row in self.rows)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Return a column as numbers [rows], NaN where unknown or where there is no such column."""
        return np.array([self._number(cell, column) for cell in self.text(column)], dtype=np.float64)

    def flags(self, column: str, default: bool) -> NDArray[np.bool_]:
        """Return a column as booleans [rows]; ``default`` where unknown."""
        values = []
        for cell in self.text(column):
            lowered = "" if cell is None else cell.lower()
            if lowered and lowered not in _TRUE | _FALSE:
                raise InputError(f"Column {column} of {self.path} holds {cell!r}; write 1 or 0.")
            values.append(default if not lowered else lowered in _TRUE)
        return np.array(values, dtype=bool)

    def positions_mm(self) -> NDArray[np.float64]:
        """Return the positions [rows, 3] in RAS mm."""
        names = ("x_mm", "y_mm", "z_mm") if "x_mm" in self.columns else ("x", "y", "z")
        if any(name not in self.columns for name in names):
            raise InputError(
                f"The table {self.path} has the columns {', '.join(self.columns)}; it needs x_mm, y_mm and z_mm."
            )
        position = np.stack([self.numbers(name) for name in names], axis=1).reshape(-1, 3)
        if not np.isfinite(position).all():
            raise InputError(f"A row of {self.path} has no position; give x_mm, y_mm and z_mm in each row.")
        return position * ([-1, -1, 1] if self.space == "LPS" else 1)

    def _number(self, cell: str | None, column: str) -> float:
        """Read one cell as a number."""
        try:
            return float("nan") if cell is None else float(cell)
        except ValueError as error:
            raise InputError(f"Column {column} of {self.path} holds {cell!r}, which is no number.") from error


def read_table(path: Path) -> Table:
    """Read a point list.

    Raises:
        InputError: if the file can't be read as text, a quotation mark isn't closed or its rows are ragged.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The table {path} can't be read as text; check the path and the file.") from error
    space = space_of(lines) or "RAS"
    rows = _cells([(n, line) for n, line in enumerate(lines, 1) if line.strip() and line[0] != "#"], Path(path))
    if not rows:
        raise InputError(f"The table {path} is empty; a scan without findings has a header x_mm y_mm z_mm.")
    has_header = any(not _is_number(cell) for cell in rows[0])
    columns = _header(rows[0], Path(path)) if has_header else _plain_columns(len(rows[0]), Path(path))
    body = rows[1:] if has_header else rows
    ragged = next((row for row in body if len(row) != len(columns)), None)
    if ragged is not None:
        raise InputError(f"A row of {path} has {len(ragged)} cells where {len(columns)} belong; repair it.")
    return Table(Path(path), columns, tuple(tuple(row) for row in body), space)


def space_of(lines: Sequence[str]) -> Space | None:
    """Return the space that a comment of 3D Slicer names (0 and 1 in its old files)."""
    found = next((match[1].upper() for line in lines if (match := _SLICER_SPACE.match(line.strip()))), None)
    if found is None:
        return None
    return "RAS" if found in ("RAS", "0") else "LPS"


def stated_separator(line: str) -> str | None:
    """Return the separator that Excel states in a first line such as ``sep=;``; ``None`` if it is another line."""
    found = _SEPARATOR.match(line)
    return found[1] if found else None


def separator_of(line: str) -> str | None:
    """Return the mark at which a line is split; ``None`` for blanks."""
    return next((mark for mark in ("\t", ";", ",") if mark in line), None)


def split_line(line: str, separator: str | None, where: str) -> list[str]:
    """Split one line of a table into its cells.

    A quotation mark that is not closed in its line would take all further rows into its cell. Between tabs it is
    text unless a pair surrounds a cell: this program's tables quote nothing, spreadsheets quote whole cells.

    Raises:
        InputError: that begins with ``where``, if a quotation mark is not closed or text follows a closed one.
    """
    if separator is None:
        return line.split()
    if separator == "\t":
        return [_unquoted(cell.strip()) for cell in line.split("\t")]
    try:
        (row,) = csv.reader([line], delimiter=separator, strict=True)
    except csv.Error as error:
        raise InputError(
            f"{where} can't be split into cells ({error}); take quotation marks and line breaks out of its cells."
        ) from error
    return [cell.strip() for cell in row]


def _unquoted(cell: str) -> str:
    """Return a cell without the quotation marks of a spreadsheet, which doubles those inside."""
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if quoted else cell


def _cells(numbered: Sequence[tuple[int, str]], path: Path) -> list[list[str]]:
    """Split numbered lines at the separator of the first one, or at the one that it states."""
    if not numbered:
        return []
    stated = stated_separator(numbered[0][1])
    separator = stated or separator_of(numbered[0][1])
    body = numbered[1:] if stated else numbered
    rows = [split_line(line, separator, f"Line {n} of {path}") for n, line in body]
    return rows if separator == "\t" else [[cell.strip('"') for cell in row] for row in rows]


def _header(row: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return column names in lower case."""
    names = tuple(cell.lower() for cell in row)
    refuse_repeated(names, f"table {path}")
    return names


def refuse_repeated(names: Sequence[str], where: str) -> None:
    """Refuse two columns of one name: nobody knows which counts.

    Raises:
        InputError: that names the table as ``where`` does, if there are such.
    """
    repeated = next((name for name in names if name and names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"The {where} has {names.count(repeated)} columns {repeated}; keep one.")


def _plain_columns(count: int, path: Path) -> tuple[str, ...]:
    """Name the columns of a table without header."""
    if count not in (3, 4):
        raise InputError(
            f"The table {path} has {count} numbers in a row and no header; "
            "give x, y, z and a score, or a header with x_mm, y_mm and z_mm."
        )
    return ("x_mm", "y_mm", "z_mm", "score")[:count]


def _is_number(cell: str) -> bool:
    """Whether a cell reads as a number or as unknown."""
    try:
        float(cell)
    except ValueError:
        return cell.lower() in _UNKNOWN
    return True
