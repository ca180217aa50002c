"""The record: schema, counts, form and files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from little_head import BLEEDS_MM, PLACES, Head, model
from pydantic import ValidationError

from microbleeds.cohort.task import ScanOrigin, ScanTask, SearchOptions, outcome_of, read_outcome, write_outcome
from microbleeds.errors import InputError
from microbleeds.evaluate import read_predictions
from microbleeds.evaluate.tables import read_table
from microbleeds.pipeline import Request, run
from microbleeds.report.assemble import assemble, count, definite_cut
from microbleeds.report.labels import label_volume, write_labels
from microbleeds.report.record import Record, read_record, schema_json, write_record
from microbleeds.report.tsv import COLUMNS, write_tsv
from microbleeds.report.words import describe_slice, describe_source
from microbleeds.scan import Candidate, SourceImages

DOCS = Path(__file__).parents[2] / "docs" / "findings.schema.json"


class TestRecord:
    def test_kept_first_with_falling_score_then_removed(self, head: Head):
        findings = head.record.findings
        assert [f.id for f in findings] == [1, 2, 3, 4, 5]
        assert [f.score for f in findings] == [0.97, 0.9, 0.7, 0.99, 0.3]
        assert [f.removed_by for f in findings] == [None, None, None, "anatomy", "score"]
        assert [f.reason is None for f in findings] == [True, True, True, False, False]

    def test_position_in_three_spaces(self, head: Head):
        finding = head.record.findings[0]
        assert finding.position_ras_mm == BLEEDS_MM[0]
        assert finding.position_lps_mm == (30, -20, 6)
        # The file is LPS with its middle at 0: i = 44.5 + 30, j = 54.5 - 20, k = 16.5 + 2; halves go to even.
        assert finding.position_ijk == (74, 34, 18)
        voxel = head.scan.source_grid.to_mm(finding.position_ijk)
        assert (np.abs(voxel - finding.position_ras_mm) <= np.array([0.5, 0.5, 1.5])).all()

    def test_counts(self, head: Head):
        counts = head.record.counts
        assert (counts.total, counts.lobar, counts.deep, counts.infratentorial) == (3, 1, 1, 1)
        assert (counts.definite, counts.possible, counts.burden_class) == (2, 1, "2-4")
        assert not counts.strictly_lobar
        assert counts.regions["frontal"] == 1
        assert counts.regions["brainstem"] == 0

    def test_strictly_lobar_with_a_cerebellar_one(self, head: Head):
        kept = [f for f in head.record.findings if f.group != "deep"]
        assert count(kept, False).strictly_lobar

    def test_strictly_lobar_is_unknown_where_it_hangs_on_an_unknown_place(self, head: Head):
        lost = head.record.findings[0].model_copy(update={"group": "none", "region": None, "row": None})
        lobar = [f for f in head.record.findings if f.group == "lobar"]
        assert count([*lobar, lost], False).strictly_lobar is None
        assert count([*head.record.findings, lost], False).strictly_lobar is False, "one is deep for sure"

    def test_strictly_lobar_is_unknown_where_it_hangs_on_a_border(self, head: Head):
        near = [f.model_copy(update={"place_confidence": "border"}) for f in head.record.findings]
        assert count(near, False).strictly_lobar is None
        lobar, deep = (next(f for f in near if f.group == group) for group in ("lobar", "deep"))
        assert count([lobar], False).strictly_lobar is None
        surely_deep = deep.model_copy(update={"place_confidence": "sure"})
        assert count([lobar, surely_deep], False).strictly_lobar is False

    def test_form(self, head: Head):
        cells = {row.row: row for row in head.record.form}
        assert cells["frontal"].definite_left == 1
        assert cells["thalamus"].possible_right == 1
        assert cells["cerebellum"].definite_right == 1
        assert sum(row.total for row in cells.values()) == 3

    def test_warnings_of_scan_and_caller_once(self, head: Head):
        assert head.record.warnings[:2] == ["The phase sign is uncertain.", "Said twice."]
        assert "in the cerebellum" in head.record.warnings[2]
        assert len(head.record.warnings) == 3

    def test_scan_as_in_the_file(self, head: Head):
        assert head.record.scan.orientation == "LPS"
        assert head.record.scan.shape == (90, 110, 34)

    def test_scan_without_findings(self, head: Head):
        record = assemble(head.scan, [], [], model())
        assert (record.counts.total, record.counts.burden_class) == (0, "0")
        assert not record.counts.strictly_lobar

    def test_definite_cut_is_half_way_to_certain(self):
        assert definite_cut(0.5) == 0.75

    def test_number_of_places_must_agree(self, head: Head):
        with pytest.raises(ValueError, match="longer"):
            assemble(head.scan, [], [object()], model())  # type: ignore[list-item]


class TestFiles:
    def test_round_trip(self, head: Head, tmp_path):
        write_record(head.record, tmp_path / "findings.json")
        assert read_record(tmp_path / "findings.json") == head.record

    def test_unknown_field_is_refused(self, head: Head, tmp_path):
        text = json.loads(head.record.model_dump_json()) | {"surprise": 1}
        (tmp_path / "findings.json").write_text(json.dumps(text))
        with pytest.raises(InputError, match="surprise"):
            read_record(tmp_path / "findings.json")

    def test_files_of_schema_1_0_are_read(self, head: Head, tmp_path):
        text = json.loads(head.record.model_dump_json(exclude={"scales", "bombs", "rule", "segmentation"}))
        text["schema_version"] = "1.0.0"
        text["counts"].pop("groups_uncertain")
        new = ("certainty_reason", "roundness", "parenchyma_share", "place_confidence", "bombs_group", "bombs_row")
        for finding in text["findings"]:
            for name in (*new, "kim_group", "score_spread", "score_note"):
                finding.pop(name)
        (tmp_path / "findings.json").write_text(json.dumps(text))
        old = read_record(tmp_path / "findings.json")
        assert old.counts == head.record.counts
        assert old.rule is None
        assert old.findings[0].roundness is None

    def test_files_of_schema_1_1_are_read(self, head: Head, tmp_path):
        text = json.loads(head.record.model_dump_json()) | {"schema_version": "1.1.0"}
        for finding in text["findings"]:
            del finding["score_spread"], finding["score_note"]
        (tmp_path / "findings.json").write_text(json.dumps(text))
        assert read_record(tmp_path / "findings.json").findings == head.record.findings

    def test_not_json(self, tmp_path):
        (tmp_path / "findings.json").write_text("{")
        with pytest.raises(InputError, match="schema"):
            read_record(tmp_path / "findings.json")

    def test_score_out_of_range_is_refused(self, head: Head):
        finding = head.record.findings[0].model_dump() | {"score": 1.2}
        with pytest.raises(ValidationError):
            Record.model_validate(head.record.model_dump() | {"findings": [finding]})

    def test_files_of_schema_1_2_are_read(self, head: Head, tmp_path):
        text = json.loads(head.record.model_dump_json()) | {"schema_version": "1.2.0"}
        del text["scan"]["images"]
        (tmp_path / "findings.json").write_text(json.dumps(text))
        assert read_record(tmp_path / "findings.json").scan == head.record.scan

    def test_docs_hold_the_schema(self):
        assert DOCS.read_text(encoding="utf-8") == schema_json(), (
            "write it anew with: microbleeds schema --out docs/findings.schema.json"
        )

    def test_spread_of_the_score_in_json_and_tsv(self, head: Head, tmp_path):
        candidates = [Candidate(BLEEDS_MM[0], 0.9, 2.5, (0.42, 0.91)), Candidate(BLEEDS_MM[1], 0.3)]
        record = assemble(head.scan, candidates, PLACES[:2], model())
        write_record(record, tmp_path / "findings.json")
        write_tsv(record, tmp_path / "findings.tsv")
        with (tmp_path / "findings.tsv").open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        assert [f.score_spread for f in read_record(tmp_path / "findings.json").findings] == [0.49, None]
        assert [row["score_spread"] for row in rows] == ["0.49", "n/a"]
        assert [row["score_note"] for row in rows] == [record.findings[0].score_note, "n/a"]

    def test_tsv_is_sure_only_of_what_counts(self, head: Head, tmp_path):
        """Whoever counts the words gets the numbers of the result."""
        write_tsv(head.record, tmp_path / "findings.tsv")
        with (tmp_path / "findings.tsv").open(encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t"))
        said = [row["certainty"] for row in rows]
        counts = head.record.counts
        assert (said.count("definite"), said.count("possible")) == (counts.definite, counts.possible)
        assert {(row["certainty"], row["certainty_reason"]) for row in rows if row["kept"] == "0"} == {
            ("n/a", "n/a")
        }

    def test_tsv_and_json_say_the_same_to_the_scorer(self, head: Head, tmp_path):
        write_tsv(head.record, tmp_path / "findings.tsv")
        write_record(head.record, tmp_path / "findings.json")
        a, b = (read_predictions(tmp_path / name) for name in ("findings.tsv", "findings.json"))
        np.testing.assert_array_equal(a.positions_mm, b.positions_mm)
        np.testing.assert_array_equal(a.scores, b.scores)
        np.testing.assert_array_equal(a.kept, b.kept)
        np.testing.assert_array_equal(a.ruled_out, b.ruled_out)
        assert a.groups == b.groups
        assert (tmp_path / "findings.tsv").read_text().splitlines()[0].split("\t") == list(COLUMNS)

    def test_the_scorer_reads_text_as_it_was_written(self, head: Head, tmp_path):
        """Quotation marks at the ends of cells too, which would join them into one."""
        said = ('"Vein" by C:\\notes', 'or a "mimic"')
        changes = dict(zip(("score_note", "certainty_reason"), said, strict=True))
        findings = [finding.model_copy(update=changes) for finding in head.record.findings]
        write_tsv(head.record.model_copy(update={"findings": findings}), tmp_path / "findings.tsv")
        table = read_table(tmp_path / "findings.tsv")
        assert len(read_predictions(tmp_path / "findings.tsv").scores) == len(findings)
        assert (table.text("score_note")[0], table.text("certainty_reason")[0]) == said


class TestSlices:
    def test_count_from_one_across_the_files_slices(self, head: Head):
        scan, finding = head.record.scan, head.record.findings[0]
        assert finding.position_ijk == (74, 34, 18)
        assert (describe_slice(finding, scan), describe_source(finding, scan)) == ("19 of 34", "")
        sagittal = scan.model_copy(update={"spacing_mm": (3.0, 1.0, 1.0)})
        assert describe_slice(finding, sagittal) == "75 of 90"

    @pytest.mark.parametrize(("frames", "expected"), [(False, "series 8, image 16"), (True, "series 8, frame 16")])
    def test_the_archives_number_of_the_image(self, head: Head, frames: bool, expected: str):
        images = SourceImages(8, tuple(range(34, 0, -1)), frames)
        record = assemble(replace(head.scan, images=images), [Candidate(BLEEDS_MM[0], 0.9)], PLACES[:1], model())
        assert describe_source(record.findings[0], record.scan) == expected
        thick = record.scan.model_copy(update={"spacing_mm": (3.0, 1.0, 1.0)})
        assert describe_slice(record.findings[0], thick) == "19 of 34", "a DICOM slice is an image"


class TestNames:
    """Names of an old encoding, which Python reads as surrogates."""

    def test_are_refused_before_the_search(self, tmp_path):
        with pytest.raises(InputError, match=r"/data/M\?ller/swi.nii.gz has characters that are not UTF-8"):
            run(Request(tmp_path / "out", Path("/data/M\udcfcller/swi.nii.gz")))
        with pytest.raises(InputError, match="rename"):
            run(Request(tmp_path / "\udcfc", Path("/data/swi.nii.gz")))
        assert list(tmp_path.iterdir()) == []

    def test_a_cohort_can_note_them(self, tmp_path):
        note = tmp_path / "M_ller.json"
        task = ScanTask(
            "M_ller", {}, tmp_path, note, SearchOptions(), ScanOrigin(notes=("Took M\udcfcller.nii.",))
        )
        write_outcome(outcome_of(task, "failed", sentence="M\udcfcller has no SWI."), note)
        read = read_outcome(note)
        assert (read.sentence, read.notes) == ("M?ller has no SWI.", ["Took M?ller.nii."])


class TestLabels:
    def test_spheres_on_the_input_grid(self, head: Head, tmp_path):
        write_labels(head.record.findings, head.scan.source_grid, tmp_path / "labels.nii.gz")
        image = nib.load(tmp_path / "labels.nii.gz")
        labels = np.asarray(image.dataobj)
        np.testing.assert_allclose(image.affine, head.scan.source_grid.affine)
        assert set(np.unique(labels)) == {0, 1, 2, 3}
        for finding in head.record.kept:
            assert labels[finding.position_ijk] == finding.id
            centre = head.scan.source_grid.to_mm(np.argwhere(labels == finding.id).mean(axis=0))
            assert np.abs(centre - finding.position_ras_mm).max() <= 1.5

    def test_volume_of_a_sphere(self, head: Head):
        big = head.record.findings[0].model_copy(update={"diameter_mm": 20.0})
        volume_mm3 = (label_volume([big], head.scan.source_grid) > 0).sum() * 3.0
        assert volume_mm3 == pytest.approx(4 / 3 * np.pi * 1000, rel=0.05)

    def test_tiny_and_at_the_edge(self, head: Head):
        grid = head.scan.source_grid
        corner = tuple(float(v) for v in grid.to_mm((0, 0, 0)))
        finding = head.record.findings[0].model_copy(
            update={"diameter_mm": 0.1, "position_ras_mm": corner, "position_ijk": (0, 0, 0)}
        )
        labels = label_volume([finding], grid)
        assert labels[0, 0, 0] == 1
        assert (labels > 0).sum() == 1

    def test_surer_finding_wins_an_overlap(self, head: Head):
        first = head.record.findings[0]
        second = first.model_copy(update={"id": 2})
        assert set(np.unique(label_volume([first, second], head.scan.source_grid))) == {0, 1}

    def test_a_small_finding_inside_a_surer_large_one_is_drawn(self, head: Head):
        """It counts, so it has a label, and a segment in DICOM."""
        large = head.record.findings[0].model_copy(update={"diameter_mm": 10.0})
        x, y, z = large.position_ras_mm
        small = large.model_copy(update={"id": 2, "position_ras_mm": (x, y + 4.1, z), "diameter_mm": 2.0})
        grid = head.scan.source_grid
        labels = label_volume([large, small], grid)
        for finding in (large, small):
            assert labels[tuple(np.rint(grid.to_ijk(finding.position_ras_mm)).astype(int))] == finding.id
