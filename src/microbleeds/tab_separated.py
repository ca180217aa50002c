"""Tables that others read: tab separated, as BIDS and spreadsheets take them.

A cell holds its text as it is: no quotation marks around it and nothing escaped, since many programs that read
such files take both for part of the text. Only what would end a cell or a row becomes a blank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from microbleeds.atomic import atomic_file

UNKNOWN = "n/a"
#: Tab, and whatever some program takes for the end of a line (`str.splitlines`).
_ENDS = re.compile("\r\n|[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> None:
    """Write a table whole or not at all.

    Args:
        columns: their names, the first row.
        rows: values in the order of ``columns``; ``n/a`` is written where nothing is known (``None``, no text),
            1 or 0 for truth.
        path: of the file.
    """
    lines = (columns, *([cell(value) for value in row] for row in rows))
    with atomic_file(path) as partial:
        partial.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8", newline="\n")


def cell(value: object) -> str:
    """Return a value as it stands in a table."""
    if value is None or value == "":
        return UNKNOWN
    return str(int(value)) if isinstance(value, bool) else _ENDS.sub(" ", str(value))
