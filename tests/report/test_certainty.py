"""Definite or possible."""

from __future__ import annotations

import pytest
from little_head import BLEEDS_MM, PLACES, Head, model

from microbleeds.report.assemble import assemble
from microbleeds.report.certainty import LEAST_ROUNDNESS, judge, note_on_spread, rule_from
from microbleeds.scan import Candidate

RULE = rule_from(0.75)


class TestRule:
    def test_all_met_is_definite(self):
        assert judge(0.9, 3.0, 0.8, RULE) == ("definite", "Definite: score 0.90, 3 mm across, roundness 0.8.")
        assert judge(0.75, 2.0, LEAST_ROUNDNESS, RULE)[0] == "definite", "the limits belong to it"
        assert judge(0.75, 10.0, LEAST_ROUNDNESS, RULE)[0] == "definite"

    @pytest.mark.parametrize(
        ("score", "diameter_mm", "roundness", "reason"),
        [
            (0.74, 3.0, 0.8, "score 0.74 is below 0.75"),
            (0.9, 1.99, 0.8, "1.99 mm is below 2 mm"),
            (0.9, 10.2, 0.8, "10.2 mm is above 10 mm"),
            (0.9, None, 0.8, "diameter can't be measured"),
            (0.9, 3.0, 0.2, "elongated (roundness 0.2, below 0.4)"),
            (0.9, 3.0, None, "shape can't be measured"),
        ],
    )
    def test_each_miss_makes_it_possible_and_is_named(self, score, diameter_mm, roundness, reason):
        certainty, sentence = judge(score, diameter_mm, roundness, RULE)
        assert certainty == "possible"
        assert reason in sentence

    def test_all_misses_are_named(self):
        assert judge(0.1, None, None, RULE)[1].count(";") == 2


class TestSpread:
    def test_said_above_the_limit_only(self):
        assert note_on_spread((0.42, 0.91)) == (
            "Its score changes between 0.42 and 0.91 when the image is flipped or shifted: look with care."
        )
        assert note_on_spread((0.65, 0.91)) is None
        assert note_on_spread(None) is None

    def test_changes_neither_certainty_nor_counts(self, head: Head):
        steady = Candidate(BLEEDS_MM[0], 0.97, 2.5, (0.95, 0.97))
        unsteady = Candidate(BLEEDS_MM[0], 0.97, 2.5, (0.4, 0.97))
        one, other = (assemble(head.scan, [c], [PLACES[0]], model()) for c in (steady, unsteady))
        assert (one.findings[0].score_spread, other.findings[0].score_spread) == (0.02, 0.57)
        assert one.findings[0].score_note is None
        assert "between 0.40 and 0.97" in other.findings[0].score_note
        assert one.findings[0].certainty_reason == other.findings[0].certainty_reason
        assert one.counts == other.counts


class TestFindings:
    def test_a_line_is_possible_whatever_its_score(self, head: Head):
        """A vessel drawn through the little head at a place without a bleed."""
        swi = head.scan.swi.copy()
        i, j, k = (round(v) for v in head.scan.grid.to_ijk((-12.0, -20.0, 0.0)))
        swi[i - 1 : i + 2, j - 12 : j + 13, k] = 10
        scan = type(head.scan)(**{**vars(head.scan), "swi": swi})
        record = assemble(scan, [Candidate((-12.0, -20.0, 0.0), 0.99, 3.0)], [PLACES[0]], model())
        (finding,) = record.findings
        assert finding.roundness < 0.3
        assert finding.certainty == "possible"
        assert "elongated" in finding.certainty_reason

    def test_balls_are_round_and_the_rule_is_in_the_record(self, head: Head):
        kept = head.record.kept
        # Each voxel of the little head is dark or not: a ball of 5 mm may be one slice of 3 mm.
        assert all(finding.roundness > 0.55 for finding in kept)
        assert [finding.certainty for finding in kept] == ["definite", "definite", "possible"]
        assert head.record.rule == rule_from(model().operating_point.definite_cut)

    def test_below_the_cut_nothing_is_measured(self, head: Head):
        assert [f.roundness for f in head.record.findings if f.removed_by == "score"] == [None]
