"""The files of a comparison: `comparison.json`, `comparison.tsv` and `comparison.html` in one folder."""

from __future__ import annotations

from pathlib import Path

from microbleeds.followup.drawn import Drawn
from microbleeds.followup.page import render_page
from microbleeds.followup.record import Comparison, write_record
from microbleeds.followup.table import write_table
from microbleeds.report.run_record import sha256_of

RECORD, TABLE, PAGE = ("comparison.json", "comparison.tsv", "comparison.html")


def write_files(comparison: Comparison, drawn: Drawn, folder: Path, reading: str | None = None) -> None:
    """Write all three into a folder; ``reading`` is the sentence on the reading of a signed comparison."""
    write_record(comparison, folder / RECORD)
    write_table(comparison, folder / TABLE)
    page = render_page(comparison, drawn, sha256_of(folder / RECORD), reading)
    (folder / PAGE).write_text(page, encoding="utf-8")
