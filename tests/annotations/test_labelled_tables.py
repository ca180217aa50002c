"""Text tables of points: mm and voxels, bases, spaces, one per scan or one for all, and words of readers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from little_scans import GRID, SPOTS, blank, close, flatten, rows, write

from microbleeds.annotations import LabelledScan, labelled_scans
from microbleeds.annotations.find import read_data_set
from microbleeds.errors import InputError

MM = GRID.to_mm(SPOTS)


def one(folder: Path, name: str, text: str, statement: str = "") -> LabelledScan:
    """Read a folder with one scan and one table."""
    blank(folder / "sub-1" / "anat" / "sub-1_swi.nii.gz")
    write(folder / "sub-1" / "anat" / name, text)
    if statement:
        write(folder / "labels.json", statement)
    (scan,) = labelled_scans(folder)
    return scan


class TestMillimetres:
    def test_ras(self, tmp_path):
        scan = one(tmp_path, "sub-1_cmb.tsv", "x_mm\ty_mm\tz_mm\tdiameter_mm\n" + rows(np.c_[MM, SPOTS[:, 2]]))
        close(scan.positions_ras_mm, MM)
        close(scan.diameters_mm, SPOTS[:, 2])
        assert not scan.warnings

    @pytest.mark.parametrize("header", ["x_lps_mm,y_lps_mm,z_lps_mm", "L,P,S", "X LPS (mm),Y LPS (mm),Z LPS (mm)"])
    def test_lps_by_its_columns(self, tmp_path, header):
        scan = one(tmp_path, "sub-1_cmb.csv", f"{header}\n" + rows(MM * [-1, -1, 1], ","))
        close(scan.positions_ras_mm, MM)

    def test_lps_by_statement(self, tmp_path):
        text = "x_mm,y_mm,z_mm\n" + rows(MM * [-1, -1, 1], ",")
        close(one(tmp_path, "sub-1_cmb.csv", text, '{"space": "LPS"}').positions_ras_mm, MM)

    def test_fiducials_of_a_viewer(self, tmp_path):
        text = "# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n# columns = id,x,y,z,ow,label\n"
        text += "".join(f"m{n},{-x},{-y},{z},0,F-{n}\n" for n, (x, y, z) in enumerate(MM))
        close(one(tmp_path, "sub-1.fcsv", text).positions_ras_mm, MM)

    @pytest.mark.parametrize(("space", "signs"), [("LPS", (-1, -1, 1)), ("RAS", (1, 1, 1))])
    def test_markups_of_slicer(self, tmp_path, space, signs):
        points = [{"label": f"F-{n}", "position": (p * signs).tolist()} for n, p in enumerate(MM, 1)]
        points.append({"label": "F-9", "position": None, "positionStatus": "undefined"})
        content = {
            "@schema": "x",
            "markups": [{"type": "Fiducial", "coordinateSystem": space, "controlPoints": points}],
        }
        close(one(tmp_path, "sub-1.mrk.json", json.dumps(content)).positions_ras_mm, MM)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("{}", "no point list of 3D Slicer"),
            ('{"markups": [{"controlPoints": [{"position": [1, 2]}]}]}', "no point list of 3D Slicer"),
            ('{"markups": [{"coordinateSystem": "LPS"}, {"coordinateSystem": "RAS"}]}', "different spaces"),
        ],
    )
    def test_damaged_markups_are_refused_by_name(self, tmp_path, content, said):
        with pytest.raises(InputError, match=said):
            one(tmp_path, "sub-1.mrk.json", content)

    def test_no_header_and_no_unit_are_said(self, tmp_path):
        assert any("no header" in w for w in one(tmp_path, "sub-1_cmb.csv", rows(MM, ",")).warnings)
        assert any("no unit" in w for w in one(tmp_path, "sub-1_cmb.csv", "x,y,z\n" + rows(MM, ",")).warnings)

    def test_semicolons_and_decimal_commas(self, tmp_path):
        text = "x_mm;y_mm;z_mm\n" + rows(MM, ";").replace(".", ",")
        close(one(tmp_path, "sub-1_cmb.csv", text).positions_ras_mm, MM)


class TestRowsWithoutAPosition:
    HEADER = "nr\tx_mm\ty_mm\tz_mm\tcertainty\tdiameter_mm\n1\t1\t2\t3\tdefinite\t2\n"

    @pytest.mark.parametrize("row", ["2\t\t\t\tdefinite\t", "2\tn/a\tn/a\tn/a\t\t3.5"])
    def test_of_a_microbleed_it_is_refused(self, tmp_path, row):
        with pytest.raises(InputError, match=r"Row 2 of .* has no position; complete it or take it out"):
            one(tmp_path, "sub-1_cmb.tsv", f"{self.HEADER}{row}\n")

    def test_a_blank_of_a_form_is_none(self, tmp_path):
        assert len(one(tmp_path, "sub-1_cmb.tsv", f"{self.HEADER}2\t\t\t\t\t\n").positions_ras_mm) == 1


class TestVoxels:
    @pytest.mark.parametrize(("header", "shift"), [("i0,j0,k0", 0), ("i1,j1,k1", 1)])
    def test_base_by_the_columns(self, tmp_path, header, shift):
        scan = one(tmp_path, "sub-1_cmb.csv", f"{header}\n" + rows(SPOTS + shift, ","))
        close(scan.positions_ras_mm, MM)
        assert not scan.warnings

    def test_base_by_statement_and_by_sidecar(self, tmp_path):
        text = "i,j,k\n" + rows(SPOTS + 1, ",")
        close(one(tmp_path, "sub-1_cmb.csv", text, '{"base": 1}').positions_ras_mm, MM)
        write(tmp_path / "labels.json", '{"base": 0}')
        write(tmp_path / "sub-1" / "anat" / "sub-1_cmb.json", '{"base": 1, "i": {"Description": "column"}}')
        close(labelled_scans(tmp_path)[0].positions_ras_mm, MM)

    def test_a_silent_base_is_0_and_said(self, tmp_path):
        scan = one(tmp_path, "sub-1_cmb.csv", "i,j,k\n" + rows(SPOTS, ","))
        close(scan.positions_ras_mm, MM)
        assert any("start at 0 (nothing says so" in warning for warning in scan.warnings)

    def test_a_number_as_large_as_the_image_shows_base_1(self, tmp_path):
        """The other scan of the data set, whose numbers would fit both, follows."""
        blank(tmp_path / "sub-2" / "sub-2_swi.nii.gz")
        write(tmp_path / "sub-2" / "sub-2_cmb.csv", "i,j,k\n50,60,28\n")
        blank(tmp_path / "sub-1" / "anat" / "sub-1_swi.nii.gz")
        write(tmp_path / "sub-1" / "anat" / "sub-1_cmb.csv", "i,j,k\n" + rows(SPOTS + 1, ","))
        first, second = labelled_scans(tmp_path)
        close(first.positions_ras_mm, MM)
        close(second.positions_ras_mm, GRID.to_mm([[49, 59, 27]]))
        assert any("as large as the image" in warning for warning in first.warnings)

    def test_x_y_z_as_voxels_when_stated(self, tmp_path):
        scan = one(tmp_path, "sub-1_cmb.csv", "x,y,z\n" + rows(SPOTS, ","), '{"units": "voxel", "base": 0}')
        close(scan.positions_ras_mm, MM)

    def test_directions(self, tmp_path):
        """The image is stored towards L, A, S; a DICOM viewer counts rows to the back."""
        seen = np.c_[SPOTS[:, 2], SPOTS[:, 0], 149 - SPOTS[:, 1]] + 1
        statement = '{"row_direction": "posterior", "column_direction": "left", "slice_direction": "as-stored"}'
        scan = one(tmp_path, "sub-1_cmb.csv", "slice,column,row\n" + rows(seen, ","), statement)
        close(scan.positions_ras_mm, MM)

    def test_a_direction_that_the_axis_has_not_is_refused(self, tmp_path):
        affine = GRID.affine[:, [1, 0, 2, 3]]
        blank(tmp_path / "sub-1" / "sub-1_swi.nii.gz", affine=affine)
        write(tmp_path / "sub-1" / "sub-1.csv", "slice,column,row\n3,4,5\n")
        write(tmp_path / "labels.json", '{"row_direction": "anterior"}')
        with pytest.raises(InputError, match=r"row numbers grow to the anterior.*ALS"):
            labelled_scans(tmp_path)

    def test_outside_the_image_is_said(self, tmp_path):
        scan = one(tmp_path, "sub-1_cmb.csv", "i0,j0,k0\n5,6,7\n500,6,7\n")
        assert any("1 of 2 labels lie outside the image" in warning for warning in scan.warnings)

    @pytest.mark.parametrize("kind", ["swi", "phase"])
    def test_an_image_that_its_affine_places_nowhere_is_refused_alone(self, tmp_path, kind):
        for name in ("sub-1", "sub-2"):
            blank(tmp_path / name / f"{name}_swi.nii.gz")
            blank(tmp_path / name / f"{name}_phase.nii.gz")
            write(tmp_path / name / f"{name}_cmb.csv", "i0,j0,k0\n5,6,7\n")
        flatten(tmp_path / "sub-1" / f"sub-1_{kind}.nii.gz")
        data = read_data_set(tmp_path)
        assert [scan.name for scan in data.scans] == ["sub-2"]
        assert [refused.name for refused in data.refused] == ["sub-1"]
        assert f"sub-1_{kind}.nii.gz is singular" in data.refused[0].sentence


class TestWords:
    TEXT = "i0\tj0\tk0\tcertainty\n1\t2\t3\tDefinite\n4\t5\t6\tpossible\n7\t8\t9\tvessel\n"

    def test_possible_counts_and_is_said(self, tmp_path):
        scan = one(tmp_path, "sub-1_cmb.tsv", self.TEXT)
        close(scan.positions_ras_mm, GRID.to_mm([[1, 2, 3], [4, 5, 6]]))
        assert any("1 possible" in w for w in scan.warnings)
        assert any("1 rows" in w and "no microbleed" in w for w in scan.warnings)

    def test_possible_is_ignored_when_stated(self, tmp_path):
        scan = one(tmp_path, "sub-1_cmb.tsv", self.TEXT, '{"possible": "ignore"}')
        close(scan.positions_ras_mm, GRID.to_mm([[1, 2, 3]]))
        close(scan.ignored_ras_mm, GRID.to_mm([[4, 5, 6]]))

    def test_unknown_words_beside_known_ones_are_asked_for(self, tmp_path):
        text = self.TEXT.replace("vessel", "flow void")
        with pytest.raises(InputError, match=r'"labels": \{"flow void"'):
            one(tmp_path, "sub-1_cmb.tsv", text)
        write(tmp_path / "labels.json", '{"labels": {"flow void": "ignore"}}')
        assert len(labelled_scans(tmp_path)[0].ignored_ras_mm) == 1

    def test_regions_in_a_column_of_types_are_no_judgement(self, tmp_path):
        scan = one(tmp_path, "sub-1_cmb.tsv", "i0\tj0\tk0\ttype\n1\t2\t3\tlobar\n4\t5\t6\tdeep\n")
        assert len(scan.positions_ras_mm) == 2
        assert any("lobar" in warning for warning in scan.warnings)

    @pytest.mark.parametrize("names", [("F-1", "F-2", "F-3"), ("cmb", "cmb", "cmb"), ("", "", "")])
    def test_certainty_counts_beside_names_or_kinds(self, tmp_path, names):
        lines = [f"{n}\t{name}" for n, name in zip(self.TEXT.split("\n")[1:4], names, strict=True)]
        text = "i0\tj0\tk0\tcertainty\tlabel\n" + "\n".join(lines) + "\n"
        scan = one(tmp_path, "sub-1_cmb.tsv", text, '{"possible": "ignore"}')
        close(scan.positions_ras_mm, GRID.to_mm([[1, 2, 3]]))
        close(scan.ignored_ras_mm, GRID.to_mm([[4, 5, 6]]))

    def test_a_kind_that_is_none_stays_none(self, tmp_path):
        text = "i0,j0,k0,label,certainty\n1,2,3,vessel,definite\n4,5,6,cmb,definite\n"
        close(one(tmp_path, "sub-1_cmb.csv", text).positions_ras_mm, GRID.to_mm([[4, 5, 6]]))

    def test_not_visible_is_ignored(self, tmp_path):
        scan = one(tmp_path, "sub-1_cmb.tsv", "x_mm\ty_mm\tz_mm\tvisible\n1\t2\t3\t1\n4\t5\t6\t0\n")
        assert scan.positions_ras_mm.tolist() == [[1, 2, 3]]
        assert scan.ignored_ras_mm.tolist() == [[4, 5, 6]]

    def test_text_for_a_number_and_half_a_row(self, tmp_path):
        with pytest.raises(InputError, match=r"Column j0 of sub-1_cmb.csv holds 'left'"):
            one(tmp_path, "sub-1_cmb.csv", "i0,j0,k0\n1,left,3\n")
        with pytest.raises(InputError, match="only 2 of three"):
            one(tmp_path, "sub-1_cmb.csv", "i0,j0,k0\n1,2,n/a\n")


class TestOneTableForAll:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ("007", "008", "009"):
            blank(tmp_path / "images" / f"{name}_SWI.nii")
            blank(tmp_path / "images" / f"{name}_pha.nii")
        return tmp_path

    def test_rows_find_their_scans(self, folder):
        write(folder / "all.csv", "case,i0,j0,k0\n7,1,2,3\n008_SWI.nii,4,5,6\n7,7,8,9\n9,,,\n")
        scans = labelled_scans(folder)
        assert [scan.name for scan in scans] == ["007", "008", "009"]
        assert [len(scan.positions_ras_mm) for scan in scans] == [2, 1, 0]
        assert scans[0].phase is not None
        assert not scans[2].warnings, "a scan named without a position is known to have no microbleed"

    def test_a_scan_that_is_not_named_is_said(self, folder):
        write(folder / "all.csv", "case,i0,j0,k0\n7,1,2,3\n8,4,5,6\n")
        data = read_data_set(folder)
        assert any("no row for 009" in note for note in data.notes)
        assert "without microbleeds" in data.scans[2].warnings[0]

    def test_a_row_of_nobody_is_refused(self, folder):
        write(folder / "all.csv", "case,i0,j0,k0\n7,1,2,3\n77,4,5,6\n")
        data = read_data_set(folder)
        assert len(data.scans) == 3
        assert "names 77" in data.refused[0].sentence
        with pytest.raises(InputError, match="77"):
            labelled_scans(folder)

    def test_rows_that_name_scans_are_theirs_whatever_the_file_is_called(self, folder):
        write(folder / "images" / "008_all.csv", "subject,i0,j0,k0\n8,1,2,3\n9,4,5,6\n9,7,8,9\n")
        assert [len(scan.positions_ras_mm) for scan in labelled_scans(folder)] == [0, 1, 2]

    def test_names_of_points_do_not_move_them_to_other_scans(self, folder):
        write(folder / "images" / "008_points.csv", "name,i0,j0,k0\n7,1,2,3\n9,4,5,6\n")
        assert [len(scan.positions_ras_mm) for scan in labelled_scans(folder)] == [0, 2, 0]

    def test_tables_of_bids_are_no_labels_whatever_is_stated_of_columns(self, folder):
        write(folder / "participants.tsv", "participant_id\tage\tsex\n007\t70\tM\n")
        write(folder / "all.csv", "7,1,2,3\n8,4,5,6\n")
        write(folder / "labels.json", '{"columns": ["case", "i0", "j0", "k0"]}')
        assert [len(scan.positions_ras_mm) for scan in labelled_scans(folder)] == [1, 1, 0]

    def test_sessions_are_found_without_their_prefix(self, tmp_path):
        for visit in (1, 2):
            blank(tmp_path / "sub-01" / f"ses-{visit}" / "anat" / f"sub-01_ses-{visit}_swi.nii.gz")
        write(tmp_path / "all.csv", "subject,session,i0,j0,k0\n01,1,1,2,3\n01,2,4,5,6\n01,2,7,8,9\n")
        assert [len(scan.positions_ras_mm) for scan in labelled_scans(tmp_path)] == [1, 2]

    def test_without_labels_can_be_left_out(self, folder):
        write(folder / "labels" / "007.csv", "i0,j0,k0\n1,2,3\n")
        write(folder / "labels.json", '{"without_labels": "leave-out"}')
        assert [scan.name for scan in labelled_scans(folder)] == ["007"]

    def test_two_readers_need_a_choice(self, folder):
        for reader, text in (("a", "1,2,3\n"), ("b", "1,2,3\n4,5,6\n")):
            write(folder / f"reader_{reader}" / "007.csv", "i0,j0,k0\n" + text)
        with pytest.raises(InputError, match=r"labels in 2 places.*labels_from"):
            labelled_scans(folder)
        write(folder / "labels.json", '{"labels_from": "reader_b/*"}')
        assert len(labelled_scans(folder)[0].positions_ras_mm) == 2

    def test_a_first_row_is_no_header_if_the_columns_are_stated(self, folder):
        """A subject's name is text, too."""
        write(folder / "labels.json", '{"columns": ["subject", "x_mm", "y_mm", "z_mm"]}')
        for text in ("sub-007,1,2,3\n", "sub-007,n/a,n/a,n/a\n", "Person,links,vorn,oben\nsub-007,1,2,3\n"):
            write(folder / "all.csv", text + "sub-008,4,5,6\n")
            counts = [len(scan.positions_ras_mm) for scan in labelled_scans(folder)]
            assert counts == [int("1" in text), 1, 0]


class TestCells:
    """Cells that stand under a wrong name, or in another cell, are refused."""

    @pytest.mark.parametrize("header", ["x_mm,y_mm,z_mm\n", "", "x_mm,y_mm,z_mm,size_mm\n"])
    def test_decimal_commas_between_commas(self, tmp_path, header):
        with pytest.raises(InputError, match=r"sub-1_cmb\.csv has 6 cells where [34] belong.*semicolons"):
            one(tmp_path, "sub-1_cmb.csv", header + "-2,3,-78,8,34,9\n")

    def test_empty_cells_at_the_end_do_no_harm(self, tmp_path):
        assert len(one(tmp_path, "sub-1_cmb.csv", "x_mm,y_mm,z_mm\n1,2,3,,\n").positions_ras_mm) == 1

    def test_a_viewer_writes_more_cells_than_it_names(self, tmp_path):
        text = "# columns = id,x,y,z,label\n1,10,20,30,F-1,,,2,0\n"
        close(one(tmp_path, "sub-1.fcsv", text).positions_ras_mm, [[10, 20, 30]])

    @pytest.mark.parametrize("end", ["", 'x"', '"'])
    def test_an_open_quotation_mark(self, tmp_path, end):
        """It would take all rows up to the next one."""
        text = f'x_mm,y_mm,z_mm,comment\n# two\n1,2,3,"small, unclear\n4,5,6,x\n7,8,9,{end}\n'
        with pytest.raises(InputError, match=r"Line 3 of .*sub-1_cmb\.csv can't be split into cells"):
            one(tmp_path, "sub-1_cmb.csv", text)

    def test_a_closed_one_keeps_its_comma(self, tmp_path):
        text = 'x_mm,y_mm,z_mm,comment\n1,2,3,"small, unclear"\n4,5,6,5" wide\n'
        assert len(one(tmp_path, "sub-1_cmb.csv", text).positions_ras_mm) == 2


class TestHeader:
    @pytest.mark.parametrize(
        "above", ["sep=;\n", "Reader A\n", "Reader A, 2nd reading\n\n", "Reader A;;\n3 scans;;\n"]
    )
    def test_what_stands_above_it_is_left_aside(self, tmp_path, above):
        scan = one(tmp_path, "sub-1_cmb.csv", above + "x_mm;y_mm;z_mm\n" + rows(MM, ";"))
        close(scan.positions_ras_mm, MM)
        assert any("left aside" in w for w in scan.warnings) == above.startswith("Reader")

    @pytest.mark.parametrize("header", ["#,x_mm,y_mm,z_mm", "# n, X (mm), Y (mm), Z (mm)"])
    def test_in_a_comment(self, tmp_path, header):
        text = f"# by hand\n{header}\n" + rows(np.c_[np.arange(len(MM)), MM], ",")
        close(one(tmp_path, "sub-1_cmb.csv", text).positions_ras_mm, MM)

    @pytest.mark.parametrize("name", ["sub-1_cmb.csv", "sub-1_cmb.txt", "points.csv"])
    def test_a_table_of_a_scan_without_positions_is_refused(self, tmp_path, name):
        """Its scan would be one without microbleeds."""
        with pytest.raises(InputError, match=rf"{name} \(rechts, vorn, oben\) name no positions"):
            one(tmp_path, name, "rechts,vorn,oben\n1,2,3\n")
        (refused,) = read_data_set(tmp_path).refused
        assert refused.name == "sub-1"
        assert not read_data_set(tmp_path).scans

    def test_beside_other_labels_it_is_a_note_that_training_logs(self, tmp_path, caplog):
        write(tmp_path / "sub-1" / "anat" / "sub-1_volumes.csv", "region,ml\nlobe,3\n")
        write(tmp_path / "sub-1" / "anat" / "sub-1_task-rest_events.tsv", "onset\tduration\n1\t2\n")
        write(tmp_path / "sub-1" / "anat" / "sub-1.txt", "Scanned on Friday\nby night, at 10\n")
        assert len(one(tmp_path, "sub-1_cmb.csv", "x_mm,y_mm,z_mm\n1,2,3\n").positions_ras_mm) == 1
        assert [r.getMessage() for r in caplog.records] == [
            "The sub-1_volumes.csv names no positions; it was not taken for labels."
        ]

    def test_a_table_that_cant_be_read_makes_no_negative(self, tmp_path):
        with pytest.raises(InputError, match=r"Column j0 of sub-1_cmb\.txt"):
            one(tmp_path, "sub-1_cmb.txt", "i0,j0,k0\n1,left,3\n")
        assert [refused.name for refused in read_data_set(tmp_path).refused] == ["sub-1"]
        assert not read_data_set(tmp_path).scans


class TestStatement:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "can't be read as JSON"),
            ("[1]", "must hold an object"),
            ('{"bass": 1}', "unknown key bass"),
            ('{"base": 2}', "gives base as 2"),
            ('{"axes": "RLS"}', "three letters"),
            ('{"voxel_mm": [1, 1]}', "voxel_mm"),
        ],
    )
    def test_wrong_ones_are_refused(self, tmp_path, text, message):
        with pytest.raises(InputError, match=message):
            one(tmp_path, "sub-1_cmb.csv", "i0,j0,k0\n1,2,3\n", text)

    def test_no_folder_no_image_no_label(self, tmp_path):
        with pytest.raises(InputError, match="no folder"):
            labelled_scans(tmp_path / "nothing")
        with pytest.raises(InputError, match="no SWI"):
            labelled_scans(tmp_path)
        blank(tmp_path / "a" / "swi.nii.gz")
        write(tmp_path / "README.txt", "These are scans of volunteers.\n")
        with pytest.raises(InputError, match="1 scans but no labels"):
            labelled_scans(tmp_path)


def test_rows_of_another_subject_are_not_given_to_the_only_scan(tmp_path: Path) -> None:
    blank(tmp_path / "B_SWI.nii.gz")
    write(tmp_path / "l.csv", "subject,x_mm,y_mm,z_mm\nC,1,2,3\n")
    data = read_data_set(tmp_path)
    assert any("names C, which matches no scan" in one.sentence for one in data.refused)
    assert all(not len(scan.positions_ras_mm) for scan in data.scans)


@pytest.mark.parametrize(
    ("header", "row", "sentence"),
    [
        ("x_mm,y_mm,z_mm,x_mm", "1,2,3,4", "has 2 columns x_mm"),
        ("x_mm,y_mm,z_mm,diameter_mm", "1,2,3,-5", "negative"),
    ],
)
def test_columns_that_can_not_be_meant_so(tmp_path: Path, header: str, row: str, sentence: str) -> None:
    blank(tmp_path / "sub-1" / "anat" / "sub-1_swi.nii.gz")
    write(tmp_path / "sub-1" / "anat" / "sub-1_cmb.csv", f"{header}\n{row}\n")
    assert any(sentence in one.sentence for one in read_data_set(tmp_path).refused)


def test_words_of_a_review_are_understood_and_strange_ones_asked_for(tmp_path):
    table = "x_mm\ty_mm\tz_mm\trating\n1\t2\t3\t{}\n4\t5\t6\t{}\n"
    scan = one(tmp_path / "a", "sub-1_cmb.tsv", table.format("accepted", "Rejected"))
    close(scan.positions_ras_mm, [[1, 2, 3]])
    with pytest.raises(InputError, match=r"'sicher'; say what it means in labels\.json"):
        one(tmp_path / "b", "sub-1_cmb.tsv", table.format("sicher", "keine"))
