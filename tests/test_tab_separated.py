"""One way to write a table: a cell comes back as it was, whatever marks it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from microbleeds.bids.dictionaries import write_rows
from microbleeds.cohort.table import COLUMNS as SCANS
from microbleeds.cohort.table import write_table as write_scans
from microbleeds.tab_separated import write_table

TEXT = 'The "SWI" in C:\\data  can\'t be read, \\n'


def cells(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def test_text_stays_as_it_is(tmp_path: Path):
    write_table(["a", "b"], [[TEXT, '"x"']], tmp_path / "t.tsv")
    assert cells(tmp_path / "t.tsv") == [["a", "b"], [TEXT, '"x"']]


@pytest.mark.parametrize("end", ["\t", "\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028"])
def test_what_ends_a_cell_or_a_row_is_a_blank(tmp_path: Path, end: str):
    write_table(["a", "b"], [[f"one{end}two", 3]], tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text(encoding="utf-8").splitlines() == ["a\tb", "one two\t3"]


def test_what_is_unknown_and_what_is_true(tmp_path: Path):
    write_table(["a", "b", "c", "d", "e"], [[None, "", True, False, 0]], tmp_path / "t.tsv")
    assert cells(tmp_path / "t.tsv")[1] == ["n/a", "n/a", "1", "0", "0"]


def test_the_tables_of_scans_and_of_derivatives(tmp_path: Path):
    write_scans([{"scan": "a", "message": TEXT}], tmp_path / "scans.tsv")
    assert cells(tmp_path / "scans.tsv")[1][SCANS.index("message")] == TEXT
    write_rows(["name", "note"], [{"name": "a", "note": TEXT}], tmp_path / "t.tsv")
    assert cells(tmp_path / "t.tsv") == [["name", "note"], ["a", TEXT]]
