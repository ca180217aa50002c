"""Text tables of points: comma, semicolon, tab or blank separated, and 3D Slicer's fiducial lists."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from microbleeds.annotations.sheet import Sheet
from microbleeds.errors import InputError
from microbleeds.evaluate.tables import space_of

TABLES = (".tsv", ".csv", ".txt", ".fcsv")
# A thousand labels take some 100 kB; a table of more than this is something else.
LARGEST_TABLE_BYTES = 16 * 2**20
_COLUMNS = re.compile(r"#\s*columns\s*=\s*(.+)", re.IGNORECASE)


def read_sheet(path: Path) -> Sheet:
    """Read the cells of a text table.

    Raises:
        InputError: if it is too large or no text.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE_BYTES:
            raise InputError(f"{path} is too large for a table of labels; take it out of the folder.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The table {path} can't be read as text; save it as UTF-8.") from error
    comments = [line for line in lines if line.lstrip().startswith("#")]
    cells = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    header = next((found[1].split(",") for line in comments if (found := _COLUMNS.match(line))), None)
    rows = _rows(cells)
    return Sheet(path, "", tuple(([tuple(header)] if header else []) + rows), space_of(comments))


def _rows(lines: list[str]) -> list[tuple[str, ...]]:
    """Split lines at the separator of the first one."""
    separator = next((mark for mark in ("\t", ";", ",") if lines and mark in lines[0]), None)
    split = csv.reader(lines, delimiter=separator) if separator else (line.split() for line in lines)
    return [tuple(cell.strip() for cell in row) for row in split]
