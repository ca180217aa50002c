"""Verdicts: what is read, what is refused, what they do to the counts."""

from __future__ import annotations

import hashlib
import json
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from little_head import BLEEDS_MM, PLACES, Head, model, segmented, source_grid
from reader_verdicts import HASH, addition, content, placement, verdict

from microbleeds.errors import InputError
from microbleeds.report.assemble import assemble
from microbleeds.report.dicom.reading import reading_of
from microbleeds.report.dicom.statements import statements
from microbleeds.report.html import render_html
from microbleeds.report.record import Record, read_record, write_record
from microbleeds.report.regions_image import segmentation_record
from microbleeds.report.review.signed import REJECTED, SignedResult, sign
from microbleeds.report.review.verdicts import MOST_BYTES, Verdicts, read_verdicts
from microbleeds.report.scale_tables import recounted
from microbleeds.scan import Candidate


def signed(
    record: Record, verdicts: list | None = None, added: list | None = None, places: list | None = None
) -> SignedResult:
    given = Verdicts.model_validate_json(json.dumps(content(verdicts, added, places=places or [])))
    return sign(record, given, source_grid(), findings_sha256=HASH, verdicts_sha256="cd" * 32)


def test_a_signed_part_of_a_head_says_nothing_by_place_but_what_the_reader_placed(head: Head):
    unknown = segmentation_record(replace(segmented(head), located=False))
    record = recounted(head.record, []).model_copy(update={"segmentation": unknown})
    assert signed(record).record.counts.strictly_lobar is None
    assert signed(record, added=[addition()]).record.counts.strictly_lobar is True


class TestReading:
    def test_an_export_is_read(self, tmp_path: Path):
        path = tmp_path / "verdicts.json"
        path.write_text(json.dumps(content([verdict(1, "accepted")], [addition()])), encoding="utf-8")
        read = read_verdicts(path)
        assert (read.verdicts[0].verdict, read.added[0].region) == ("accepted", "occipital_white")

    def test_findings_given_by_mistake_lead_to_the_review_page(self, head: Head, tmp_path: Path):
        write_record(head.record, tmp_path / "findings.json")
        with pytest.raises(InputError, match=r"holds what was found, .* open the page beside it \(review\.html"):
            read_verdicts(tmp_path / "findings.json")

    def test_an_export_of_before_places_is_read(self, tmp_path: Path):
        path = tmp_path / "verdicts.json"
        older = content([verdict(1, "accepted")], schema_version="1.0.0")
        del older["places"]
        path.write_text(json.dumps(older), encoding="utf-8")
        assert read_verdicts(path).places == []

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"reader": "   "}, "reader"),
            ({"findings_sha256": "short"}, "findings_sha256"),
            ({"started": "2026-03-01T10:00:00"}, "started"),
            ({"exported": "2026-02-01T10:00:00Z"}, "before the start"),
            ({"schema_version": "9.0.0"}, "schema_version"),
            ({"surprise": 1}, "surprise"),
            ({"verdicts": [verdict(1, "maybe")]}, "verdict"),
            ({"verdicts": [verdict(1, "accepted"), verdict(1, "rejected")]}, "two verdicts"),
            ({"verdicts": [verdict(0, "accepted")]}, "finding"),
            ({"places": [placement(1, "elbow", "left")]}, "no region 'elbow'"),
            ({"places": [placement(1, "thalamus", "none")]}, "on side 'none'"),
            ({"places": [placement(1, None, "none"), placement(1, "thalamus", "left")]}, "two places"),
            ({"added": [addition(region="elbow")]}, "no region 'elbow'"),
            ({"added": [addition(side="none")]}, "on side 'none'"),
            ({"added": [addition(position_ras_mm=[1, 2])]}, "position_ras_mm"),
            ({"added": [addition(diameter_mm=-1)]}, "diameter_mm"),
            ({"added": [addition(), addition(certainty="possible")]}, "at the same place"),
        ],
    )
    def test_anything_else_is_refused_in_a_sentence(self, tmp_path: Path, change: dict, words: str):
        path = tmp_path / "verdicts.json"
        path.write_text(json.dumps(content() | change), encoding="utf-8")
        with pytest.raises(InputError, match="no export of the page that was read") as caught:
            read_verdicts(path)
        assert words in str(caught.value)

    def test_what_is_no_file_of_verdicts(self, tmp_path: Path):
        path = tmp_path / "verdicts.json"
        with pytest.raises(InputError, match="can't be read"):
            read_verdicts(path)
        path.write_bytes(b"\xff\xfe{")
        with pytest.raises(InputError, match="can't be read"):
            read_verdicts(path)
        path.write_text("[1", encoding="utf-8")
        with pytest.raises(InputError, match="no export"):
            read_verdicts(path)
        path.write_text(" " * (MOST_BYTES + 1), encoding="utf-8")
        with pytest.raises(InputError, match="larger"):
            read_verdicts(path)


class TestSigning:
    def test_rejected_does_not_count(self, head: Head):
        after = signed(head.record, [verdict(1, "rejected")]).record
        assert after.counts.total == head.record.counts.total - 1
        (gone,) = [f for f in after.findings if f.removed_by == "reader"]
        assert (gone.id, gone.kept, gone.reason) == (1, False, REJECTED)
        assert sum(row.total for row in after.form) == after.counts.total

    def test_uncertain_is_possible_and_accepted_definite(self, head: Head):
        after = signed(head.record, [verdict(1, "uncertain"), verdict(2, "accepted"), verdict(3, "accepted")])
        assert (after.record.counts.definite, after.record.counts.possible) == (2, 1)
        assert {f.id: f.certainty for f in after.record.kept} == {1: "possible", 2: "definite", 3: "definite"}
        assert after.review.unreviewed == []

    def test_a_removed_candidate_can_be_brought_back(self, head: Head):
        removed = next(f for f in head.record.findings if f.removed_by == "score")
        after = signed(head.record, [verdict(removed.id, "accepted")]).record
        back = next(f for f in after.findings if f.id == removed.id)
        assert (back.kept, back.removed_by, back.reason) == (True, None, None)
        assert after.counts.total == head.record.counts.total + 1

    def test_added_ones_count_with_their_place(self, head: Head):
        result = signed(head.record, added=[addition()])
        new = result.record.kept[-1]
        assert new.id == max(f.id for f in head.record.findings) + 1
        assert (new.group, new.row, new.side, new.score) == ("lobar", "occipital", "left", 0)
        assert source_grid().to_mm(new.position_ijk) == pytest.approx((-20, -20, 6), abs=1.6)
        assert new.position_lps_mm == (20, 20, 6)
        row = next(row for row in result.record.form if row.row == "occipital")
        assert row.possible_left == 1
        (read,) = [f for f in result.review.findings if f.source == "reader"]
        assert (read.id, read.verdict, read.unaided) == (new.id, "added", True)

    def test_an_added_one_of_unknown_place(self, head: Head):
        after = signed(head.record, added=[addition(region=None, side="none")]).record
        assert (after.counts.unplaced, after.counts.strictly_lobar) == (1, False), "another is surely deep"
        deep = next(finding.id for finding in head.record.findings if finding.group == "deep")
        after = signed(head.record, [verdict(deep, "rejected")], [addition(region=None, side="none")]).record
        assert (after.counts.unplaced, after.counts.strictly_lobar) == (1, None)

    def test_a_place_confirmed_is_no_border_case(self, head: Head):
        near = [f.model_copy(update={"place_confidence": "border"}) for f in head.record.findings]
        record = recounted(head.record, near)
        assert record.counts.strictly_lobar is None
        deep = next(f for f in record.kept if f.group == "deep")
        after = signed(record, places=[placement(deep.id, deep.region, deep.side)])
        assert after.record.counts.strictly_lobar is False
        assert after.record.counts.model_dump(exclude={"strictly_lobar"}) == record.counts.model_dump(
            exclude={"strictly_lobar"}
        )
        assert "places: 1 confirmed, 0 corrected" in after.review.sentence
        assert deep.id in after.review.unreviewed, "a place is no verdict"

    def test_a_reader_overrules_a_doubtful_segmentation(self, head: Head):
        candidates = [Candidate(p, 0.9, 2.5) for p in BLEEDS_MM[:2]]
        doubtful = replace(segmented(head), confident=False)
        record = assemble(head.scan, candidates, PLACES[:2], model(), (), doubtful)
        lobar, deep = (
            placement(f.id, f.region, f.side) for f in sorted(record.kept, key=lambda f: f.group != "lobar")
        )
        for places, strictly, uncertain in (
            ([lobar], None, True),
            ([deep], False, True),
            ([lobar, deep], False, False),
            ([lobar, placement(deep["finding"], "occipital_white", "left")], True, False),
        ):
            after = signed(record, places=places)
            assert (after.record.counts.strictly_lobar, after.record.counts.groups_uncertain) == (
                strictly,
                uncertain,
            )
            said = " ".join(statements(after.record, reading_of(after.review)))
            assert ("The segmentation looks wrong: the groups are uncertain." in said) == uncertain
            badge = re.search(r"<span>lobar .*?</span>", render_html(after.record, head.scan, head.brain))
            assert ("uncertain" in badge[0]) == uncertain

    def test_a_place_corrected_counts_on_every_scale(self, head: Head):
        deep = next(f for f in head.record.kept if f.group == "deep")
        after = signed(head.record, places=[placement(deep.id, "occipital_white", "right")])
        moved = next(f for f in after.record.findings if f.id == deep.id)
        assert (moved.group, moved.row, moved.side) == ("lobar", "occipital", "right")
        assert (moved.bombs_group, moved.kim_group) == ("lobar", "lobar")
        assert (moved.place_confidence, moved.margin_mm) == ("reader", None)
        assert after.record.counts.deep == head.record.counts.deep - 1
        (said,) = after.review.places
        assert (said.region, said.model_region, said.is_correction) == ("occipital_white", deep.region, True)
        assert "places: 0 confirmed, 1 corrected" in after.review.sentence

    def test_a_place_can_be_taken_back_as_unknown(self, head: Head):
        after = signed(head.record, places=[placement(1, None, "none")]).record
        (first,) = [f for f in after.findings if f.id == 1]
        assert (first.group, first.place_confidence, after.counts.unplaced) == ("none", "unknown", 1)

    def test_no_verdict_leaves_the_finding_as_it_was(self, head: Head):
        result = signed(head.record)
        assert result.record.findings == signed(head.record, []).record.findings
        assert result.record.counts == head.record.counts
        assert result.review.unreviewed == [f.id for f in head.record.kept]
        assert "3 counted without a verdict" in result.review.sentence
        assert result.record.warnings[0] == result.review.sentence

    def test_the_record_given_does_not_change(self, head: Head):
        before = deepcopy(head.record)
        signed(head.record, [verdict(1, "rejected")], [addition()])
        assert head.record == before

    def test_the_signed_record_follows_the_schema(self, head: Head, tmp_path: Path):
        path = tmp_path / "findings.json"
        after = signed(head.record, [verdict(1, "rejected")], [addition()]).record
        path.write_text(after.model_dump_json(), encoding="utf-8")
        assert read_record(path) == after
        assert [f.kept for f in after.findings] == sorted((f.kept for f in after.findings), reverse=True)

    def test_verdicts_of_another_result_are_refused(self, head: Head):
        other = Verdicts.model_validate_json(json.dumps(content()))
        digest = hashlib.sha256(b"other").hexdigest()
        with pytest.raises(InputError, match="another result"):
            sign(head.record, other, source_grid(), findings_sha256=digest, verdicts_sha256=HASH)

    def test_an_unknown_finding_is_refused(self, head: Head):
        with pytest.raises(InputError, match="finding 99, which"):
            signed(head.record, [verdict(99, "accepted")])
        with pytest.raises(InputError, match="finding 98, which"):
            signed(head.record, places=[placement(98, None, "none")])

    def test_an_added_one_outside_of_the_scan_is_refused(self, head: Head):
        with pytest.raises(InputError, match="outside of the scan"):
            signed(head.record, added=[addition(position_ras_mm=[500, 0, 0])])
