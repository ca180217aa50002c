"""Text tables of points: comma, semicolon, tab or blank separated, and 3D Slicer's fiducial lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from microbleeds.annotations.columns import names_positions
from microbleeds.annotations.markups import MARKUPS, read_markups
from microbleeds.annotations.sheet import MOST_TITLES, Sheet, has_position
from microbleeds.errors import InputError
from microbleeds.evaluate.tables import separator_of, space_of, split_line, stated_separator

TABLES = (".tsv", ".csv", ".txt", ".fcsv")
# A thousand labels take some 100 kB; a table of more than this is something else.
LARGEST_TABLE_BYTES = 16 * 2**20
_TRANSFORM = "#Insight Transform File"  # of ITK and ANTs, which fMRIPrep leaves beside each subject
_COLUMNS = re.compile(r"#\s*columns\s*=\s*(.+)", re.IGNORECASE)


def read_sheet(path: Path) -> Sheet | None:
    """Read the cells of a text table.

    Returns:
        The cells; ``None`` for a ``.txt`` file that is no table (a README).

    Raises:
        InputError: if it is too large or no text, or a line can't be split into cells.
    """
    if path.name.lower().endswith(MARKUPS):
        return read_markups(path)
    try:
        if path.stat().st_size > LARGEST_TABLE_BYTES:
            raise InputError(f"{path} is too large for a table of labels; take it out of the folder.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The table {path} can't be read as text; save it as UTF-8.") from error
    comments = [line.strip() for line in lines if line.lstrip().startswith("#")]
    cells = {n: line for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")}
    transform = any(line.startswith(_TRANSFORM) for line in comments[:1])
    if path.suffix.lower() == ".txt" and (transform or _is_prose(list(cells.values()))):
        return None
    header = _commented_header(comments, list(cells.values()))
    return Sheet(path, "", tuple(([header] if header else []) + _rows(cells, path)), space_of(comments))


def _is_prose(lines: Sequence[str]) -> bool:
    """Whether no header names positions, and most lines hold none."""
    if any(names_positions(_loosely(line)) for line in lines[: MOST_TITLES + 1]):
        return False
    return 2 * sum(has_position(_loosely(line)) or has_position(line.split()) for line in lines) < len(lines)


def _commented_header(comments: Sequence[str], lines: Sequence[str]) -> tuple[str, ...]:
    """Return the header that stands in a comment; empty if none does."""
    stated = next((found[1].split(",") for line in comments if (found := _COLUMNS.match(line))), None)
    if stated is None and not any(names_positions(_loosely(line)) for line in lines[: MOST_TITLES + 1]):
        stated = next((cells for line in comments if names_positions(cells := _loosely(line[1:]))), None)
    return tuple(stated or ())


def _rows(lines: dict[int, str], path: Path) -> list[tuple[str, ...]]:
    """Split lines, by their numbers in the file, at the separator of the table."""
    first = next(iter(lines), 0)
    stated = stated_separator(lines[first]) if lines else None
    if stated:
        del lines[first]
    separator = stated or _separator(list(lines.values()))
    return [tuple(split_line(line, separator, f"Line {n} of {path}")) for n, line in lines.items()]


def _separator(lines: Sequence[str]) -> str | None:
    """Return the separator of the header, above which titles may stand; else of the first row of three cells."""
    top = lines[: MOST_TITLES + 1]
    header = next((line for line in top if names_positions(_loosely(line))), None)
    first = next((line for line in top if len(_loosely(line)) >= 3), "")
    return separator_of(header or first)


def _loosely(line: str) -> list[str]:
    """Split a line at its own separator, whatever its quotation marks hold."""
    separator = separator_of(line)
    return [cell.strip(' "') for cell in (line.split(separator) if separator else line.split())]
