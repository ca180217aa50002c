"""Real Excel files: a workbook per scan, a sheet per scan, one sheet for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from little_scans import GRID, SPOTS, blank, close, write
from numpy.typing import NDArray
from openpyxl import Workbook

from microbleeds.annotations import labelled_scans
from microbleeds.errors import InputError

SEEN = np.c_[SPOTS[:, 2], SPOTS[:, 0], SPOTS[:, 1]] + 1  # slice, column, row from 1


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    """Write an Excel file."""
    book = Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def lines(points: NDArray) -> list[list[object]]:
    return [[int(x) for x in point] for point in points]


class TestWorkbookPerScan:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The layout of a published set: the workbook is named like its images."""
        for name in ("001", "002"):
            for kind in ("SWI", "Phase", "Magnitude"):
                blank(tmp_path / "Data" / "HR" / f"{name}_{kind}.nii")
        workbook(tmp_path / "Label" / "HR" / "001.xlsx", {"Sheet1": lines(SEEN)})
        return tmp_path

    def test_without_a_header_it_is_slice_column_row_from_1(self, folder):
        first, second = labelled_scans(folder)
        close(first.positions_ras_mm, GRID.to_mm(SPOTS))
        assert first.form == "points as slice, column, row"
        assert any("taken as slice, column, row" in w for w in first.warnings)
        assert any("start at 1" in w for w in first.warnings)
        assert any("towards L, A, S" in w for w in first.warnings)
        assert [p.name for p in (first.swi, first.phase, first.magnitude) if p] == [
            "001_SWI.nii", "001_Phase.nii", "001_Magnitude.nii",
        ]  # fmt: skip
        assert len(second.positions_ras_mm) == 0

    def test_headers_in_any_order(self, folder):
        table = [["Row (y)", "Column (x)", "Slice No.", "Size mm"], *lines(np.c_[SEEN[:, [2, 1, 0]], SEEN[:, 0]])]
        workbook(folder / "Label" / "HR" / "001.xlsx", {"Sheet1": table})
        write(folder / "labels.json", '{"columns": ["row", "column", "slice", "size_mm"]}')
        scan = labelled_scans(folder)[0]
        close(scan.positions_ras_mm, GRID.to_mm(SPOTS))
        close(scan.diameters_mm, SEEN[:, 0])
        (folder / "labels.json").unlink()
        workbook(folder / "Label" / "HR" / "001.xlsx", {"Sheet1": [["slice", "x", "y"], *lines(SEEN)]})
        close(labelled_scans(folder)[0].positions_ras_mm, GRID.to_mm(SPOTS))

    @pytest.mark.parametrize("above", [[], [["Reader A"], ["2nd reading", None, 2024]]])
    def test_the_header_of_the_published_custom(self, folder, above):
        table = [*above, ["slice", "column (x)", "row (y)"], *lines(SEEN)]
        workbook(folder / "Label" / "HR" / "001.xlsx", {"Sheet1": table})
        close(labelled_scans(folder)[0].positions_ras_mm, GRID.to_mm(SPOTS))

    def test_four_numbers_without_a_header_are_refused(self, folder):
        table = lines(np.c_[np.arange(len(SEEN)), SEEN])
        workbook(folder / "Label" / "HR" / "001.xlsx", {"Sheet1": table})
        with pytest.raises(
            InputError, match=r"Sheet1 of 001\.xlsx has 4 cells where 3 belong \(slice, column, row\)"
        ):
            labelled_scans(folder)

    def test_a_sheet_of_a_scan_without_positions_is_refused(self, folder):
        workbook(folder / "all.xlsx", {"001": [["Schicht", "Spalte"], [1, 2]], "002": lines(SEEN)})
        (folder / "Label" / "HR" / "001.xlsx").unlink()
        with pytest.raises(InputError, match=r"sheet 001 of all\.xlsx \(Schicht, Spalte\) name no positions"):
            labelled_scans(folder)

    def test_empty_margins_and_notes_do_no_harm(self, folder):
        table = [[], [None, None, "slice", "column", "row"], *([None, None, *line] for line in lines(SEEN))]
        notes = [["reader", "remark"], ["JD", "second look on Friday"]]
        workbook(folder / "Label" / "HR" / "001.xlsx", {"Sheet1": table, "notes": notes})
        close(labelled_scans(folder)[0].positions_ras_mm, GRID.to_mm(SPOTS))

    def test_stated_directions(self, folder):
        turned = SEEN.copy()
        turned[:, 2] = 151 - turned[:, 2]
        turned[:, 0] = 29 - turned[:, 0]
        workbook(folder / "Label" / "HR" / "001.xlsx", {"Sheet1": lines(turned)})
        write(
            folder / "labels.json",
            '{"base": 1, "row_direction": "posterior", "slice_direction": "inferior", "column_direction": "left"}',
        )
        scan = labelled_scans(folder)[0]
        close(scan.positions_ras_mm, GRID.to_mm(SPOTS))
        assert not any("start at" in w or "direction" in w for w in scan.warnings)

    def test_formulas_are_not_evaluated(self, folder):
        workbook(folder / "Label" / "HR" / "001.xlsx", {"Sheet1": [["slice", "x", "y"], [3, "=1+1", 5]]})
        with pytest.raises(InputError, match=r"Cell B2 of sheet Sheet1 .* is a formula without a value"):
            labelled_scans(folder)

    def test_text_names_sheet_and_column(self, folder):
        workbook(folder / "Label" / "HR" / "001.xlsx", {"Sheet1": [["slice", "x", "y"], [3, "left", 5]]})
        with pytest.raises(InputError, match=r"Column x of sheet Sheet1 of 001\.xlsx holds 'left'"):
            labelled_scans(folder)


class TestSheetPerScan:
    def test_sheets_are_named_after_scans(self, tmp_path):
        for name in ("sub-01", "sub-02", "sub-10"):
            blank(tmp_path / name / "swi" / f"{name}_swi.nii.gz")
        sheets = {"1": lines(SEEN[:2]), "sub-02": lines(SEEN[:5]), "10": [["slice", "column", "row"]]}
        workbook(tmp_path / "readings.xlsx", sheets)
        assert [len(scan.positions_ras_mm) for scan in labelled_scans(tmp_path)] == [2, 5, 0]

    def test_a_sheet_of_nobody(self, tmp_path):
        for name in ("sub-01", "sub-02"):
            blank(tmp_path / name / "swi" / f"{name}_swi.nii.gz")
        workbook(tmp_path / "readings.xlsx", {"1": lines(SEEN[:2]), "John": lines(SEEN[:5])})
        with pytest.raises(InputError, match=r"Sheet John of readings\.xlsx matches no scan"):
            labelled_scans(tmp_path)

    def test_one_sheet_for_all(self, tmp_path):
        for name in ("sub-01", "sub-02"):
            blank(tmp_path / name / "swi" / f"{name}_swi.nii.gz")
        table = [["Subject", "Slice", "X", "Y"], ["sub-01", *lines(SEEN)[0]], ["sub-02", *lines(SEEN)[1]]]
        workbook(tmp_path / "readings.xlsx", {"all": table})
        first, second = labelled_scans(tmp_path)
        close(np.concatenate([first.positions_ras_mm, second.positions_ras_mm]), GRID.to_mm(SPOTS[:2]))


class TestDamage:
    @pytest.mark.parametrize(
        ("name", "message"), [("001.xlsx", "can't be read as an Excel workbook"), ("001.xls", "old format")]
    )
    def test_no_workbook(self, tmp_path, name, message):
        blank(tmp_path / "001_SWI.nii")
        write(tmp_path / name, "slice,column,row\n1,2,3\n")
        with pytest.raises(InputError, match=message):
            labelled_scans(tmp_path)
