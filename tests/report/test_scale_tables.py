"""The same findings by MARS, BOMBS and Kim, and how far their groups are trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from little_head import BLEEDS_MM, PLACES, Head, Place, Segmented, model, segmented

from microbleeds.report.assemble import BORDER_MM, UNSURE, assemble
from microbleeds.report.record import Finding, Record
from microbleeds.report.scale_tables import bombs_column, bombs_form, count, recounted, scale_counts
from microbleeds.scan import Candidate


@pytest.fixture
def finding(head: Head) -> Finding:
    return head.record.findings[0]


def placed(head: Head, places: list[Place], segmentation: Segmented | None = None) -> Record:
    candidates = [Candidate(p, 0.9, 2.5) for p, _ in zip(BLEEDS_MM, places, strict=False)]
    return assemble(head.scan, candidates, places, model(), (), segmentation)


class TestScales:
    def test_where_they_differ(self, head: Head):
        record = placed(
            head,
            [Place("deep", "corpus_callosum", "left"), Place("deep", "periventricular_white", "right")],
        )
        groups = {scale.name: (scale.lobar, scale.deep) for scale in record.scales}
        assert groups == {"MARS": (0, 2), "BOMBS": (2, 0), "Kim": (2, 0)}
        assert record.scale == "MARS"
        assert record.counts.deep == 2
        assert {row.row: row.total for row in record.bombs}["subcortical white matter"] == 2
        assert {(f.bombs_group, f.kim_group) for f in record.findings} == {("lobar", "lobar")}

    def test_mars_counts_agree_with_the_counts(self, head: Head):
        mars = head.record.scales[0]
        counts = head.record.counts
        assert (mars.lobar, mars.deep, mars.infratentorial) == (counts.lobar, counts.deep, counts.infratentorial)
        assert mars.rows == counts.regions

    def test_unknown_place_is_unplaced_on_each(self, head: Head, finding: Finding):
        lost = finding.model_copy(update={"region": None, "group": "none", "row": None})
        assert [scale.unplaced for scale in scale_counts([lost])] == [1, 1, 1]
        assert sum(row.total for row in bombs_form([lost])) == 0


class TestBombs:
    @pytest.mark.parametrize(
        ("diameter_mm", "certainty", "side", "column"),
        [
            (4.99, "definite", "left", "certain_left_below_5mm"),
            (5.0, "definite", "right", "certain_right_5_to_10mm"),
            (10.0, "possible", "right", "uncertain_right_5_to_10mm"),
            (10.1, "possible", "right", "without_size"),
            (None, "definite", "left", "without_size"),
        ],
    )
    def test_columns(self, finding: Finding, diameter_mm, certainty, side, column):
        changed = finding.model_copy(update={"diameter_mm": diameter_mm, "certainty": certainty, "side": side})
        assert bombs_column(changed) == column
        row = next(row for row in bombs_form([changed]) if row.total)
        assert (row.row, getattr(row, column)) == ("subcortical white matter", 1)
        cells = row.model_dump(exclude={"row", "group", "total"})
        assert sum(cells.values()) == row.total == 1

    def test_removed_findings_do_not_count(self, finding: Finding):
        assert not any(row.total for row in bombs_form([finding.model_copy(update={"kept": False})]))


class TestTrust:
    def test_border_says_how_near(self, head: Head):
        places = [replace(PLACES[0], margin_mm=BORDER_MM - 0.5), replace(PLACES[1], margin_mm=BORDER_MM)]
        findings = placed(head, places, segmented(head)).findings
        assert [f.place_confidence for f in findings] == ["border", "sure"]
        assert findings[0].margin_mm == BORDER_MM - 0.5

    def test_a_doubtful_segmentation_that_leaves_nothing_is_no_clean_result(self, head: Head):
        doubtful = replace(segmented(head), confident=False)
        record = assemble(head.scan, [], [], model(), (), doubtful)
        assert record.counts.total == 0
        assert record.counts.groups_uncertain
        assert record.counts.strictly_lobar is None
        assert recounted(record, []).counts == record.counts

    def test_a_doubtful_segmentation_makes_every_group_uncertain(self, head: Head):
        doubtful = replace(segmented(head), confident=False)
        record = placed(head, [PLACES[0]], doubtful)
        assert record.findings[0].place_confidence == "uncertain"
        assert record.counts.groups_uncertain
        assert record.counts.strictly_lobar is None, "one lobar finding, but who knows"
        assert record.counts.lobar == 1
        assert record.warnings[0] == UNSURE
        assert not record.segmentation.confident

    def test_the_same_without_doubt(self, head: Head):
        record = placed(head, [PLACES[0]], segmented(head))
        assert record.counts.strictly_lobar
        assert not record.counts.groups_uncertain
        assert UNSURE not in record.warnings

    def test_without_regions_the_place_is_unknown(self, head: Head):
        nothing = replace(segmented(head), located=False, confident=False)
        record = placed(head, [Place("none", "unknown", "none", margin_mm=None)], nothing)
        assert record.findings[0].place_confidence == "unknown"
        assert record.counts.strictly_lobar is None
        assert UNSURE not in record.warnings
        assert record.segmentation.regions == []


class TestRecount:
    def test_all_that_is_counted_follows(self, head: Head):
        left_out = [f.model_copy(update={"kept": False, "removed_by": "reader"}) for f in head.record.findings]
        empty = recounted(head.record, left_out)
        assert empty.counts.total == 0
        assert not any(row.total for row in (*empty.form, *empty.bombs))
        assert all(scale.lobar == scale.deep == 0 for scale in empty.scales)

    def test_moved_findings_move_on_every_scale(self, head: Head):
        moved = head.record.findings[0].model_copy(
            update={"region": "corpus_callosum", "row": "corpus callosum", "group": "deep"}
        )
        record = recounted(head.record, [moved])
        assert record.findings[0].bombs_row == "subcortical white matter"
        assert [scale.deep for scale in record.scales] == [1, 0, 0]
        assert not count([moved], False).strictly_lobar
