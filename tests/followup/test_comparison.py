"""Two visits become a comparison: counts, warnings, files, page."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from made_up import finding, record, sequence, visit
from microbleeds.bids.dictionaries import LESIONS
from microbleeds.errors import InputError
from microbleeds.followup import Rule, compare_visits, follow, read_comparison, write_comparison
from microbleeds.followup import series as series_module
from microbleeds.followup.counting import LOST_ALONE, counted
from microbleeds.followup.differences import differences
from microbleeds.followup.drawn import draw
from microbleeds.followup.interval import interval_days
from microbleeds.followup.page import methods, render_page
from microbleeds.followup.record import comparison_schema_json
from microbleeds.followup.registration import Registration
from microbleeds.followup.rigid import applied
from microbleeds.report.planes import PLANES
from microbleeds.simulate.pose import rigid

POSE = rigid(6.0, np.array([0.2, 1.0, -0.5]), np.array([4.0, -7.0, 3.0]), np.zeros(3))
OLD, GONE, NEW, FLICKER = (20.0, 5.0, 3.0), (-18.0, 20.0, 6.0), (10.0, -25.0, -9.0), (-12.0, -12.0, 12.0)
ALIGNED = Registration(POSE, 0.2, 0.95, 0.9, None)
FAILED = replace(ALIGNED, failure="The scans could not be aligned: made up.")


def page_of(comparison, baseline, followup):
    return render_page(comparison, draw(comparison, baseline, followup), "ab" * 32)


def moved(place):
    return tuple(applied(POSE, np.array(place)))


@pytest.fixture(scope="module")
def visits():
    before = [finding(1, OLD, 0.95), finding(2, GONE, 0.7, group="deep"), finding(3, FLICKER, 0.1, "score")]
    after = [finding(1, moved(OLD), 0.9), finding(2, moved(NEW), 0.8), finding(3, moved(FLICKER), 0.3)]
    return (
        visit(before, noise=1, bleeds=(OLD, GONE, FLICKER)),
        visit(after, noise=2, pose=POSE, bleeds=(OLD, NEW, FLICKER)),
    )


@pytest.fixture(scope="module")
def comparison(visits):
    return compare_visits(*visits, registration=ALIGNED)


def on(made, day):
    """A visit whose scan says when it was acquired."""
    return replace(made, scan=replace(made.scan, day=day))


class TestOrder:
    def test_days_are_kept_and_dates_are_not(self, visits):
        one, two = on(visits[0], date(2023, 3, 1)), on(visits[1], date(2024, 2, 29))
        found = compare_visits(one, two, registration=ALIGNED)
        assert found.interval_days == 365
        page = page_of(found, one, two)
        assert "<dd>365 days</dd>" in page
        assert not [day for day in ("2023-03", "2024-02") if day in page + found.model_dump_json()]
        assert found.warnings == ["Said by both."]

    def test_the_wrong_order_by_the_dates_is_the_first_warning(self, visits):
        one, two = on(visits[0], date(2024, 3, 2)), on(visits[1], date(2024, 3, 1))
        found = compare_visits(one, two, registration=ALIGNED)
        assert found.interval_days == -1
        assert "acquired 1 day before the baseline" in found.warnings[0]
        assert "1 day backwards" in page_of(found, one, two)

    def test_unknown_where_one_date_alone_was_shifted_into_the_past(self) -> None:
        assert interval_days(date(1863, 3, 2), date(1864, 3, 2)) == 366
        assert interval_days(date(1863, 3, 2), date(2024, 3, 2)) is None
        assert interval_days(date(2024, 3, 2), date(1863, 3, 2)) is None

    def test_unknown_where_one_has_no_date(self, visits):
        found = compare_visits(on(visits[0], date(2024, 3, 2)), visits[1], registration=ALIGNED)
        assert found.interval_days is None
        assert "<dd>not stated</dd>" in page_of(found, *visits)

    @pytest.mark.parametrize(
        ("before", "after", "said"), [((OLD, GONE), (), True), ((GONE,), (), False), ((OLD, GONE), (NEW,), False)]
    )
    def test_lost_ones_without_new_ones_are_odd(self, before, after, said):
        one = visit([finding(n, place) for n, place in enumerate(before, 1)], noise=1)
        two = visit([finding(n, place) for n, place in enumerate(after, 1)], noise=2)
        found = compared(one, two)
        assert len(found.of("no-longer-seen")) == len(before)
        assert (LOST_ALONE in found.warnings) is said
        assert (LOST_ALONE in page_of(found, one, two)) is said

    def test_a_reader_may_settle_it(self):
        found = compared(visit([finding(1, OLD), finding(2, GONE)], noise=1), visit(noise=2))
        kept = [lesion.model_copy(update={"state": "stable"}) for lesion in found.lesions]
        assert LOST_ALONE not in counted(found, kept).warnings


class TestDoubts:
    NOTE = "Its score changes between 0.12 and 0.95 when the image is flipped or shifted: look with care."

    @pytest.fixture(scope="class")
    def doubtful(self):
        unsteady = {"score_spread": 0.83, "score_note": self.NOTE, "place_confidence": "border"}
        after = [
            finding(1, NEW, certainty="possible", **unsteady),
            finding(2, FLICKER),
            finding(3, GONE, 0.16, "score", certainty="possible"),
            finding(4, OLD, 0.1, "score", certainty="possible"),
        ]
        made = visit([finding(1, OLD, score_spread=0.01)], noise=1), visit(after, noise=2)
        return compared(*made, Rule(new_cut=0.15)), made

    def test_are_kept_of_each_visit(self, doubtful):
        found, _ = doubtful
        first = next(lesion for lesion in found.lesions if lesion.followup.finding_id == 1)
        assert (first.followup.certainty, first.followup.score_spread) == ("possible", 0.83)
        assert (first.followup.score_note, first.followup.place_confidence) == (self.NOTE, "border")
        assert (first.baseline.certainty, first.baseline.score_note) == (None, None)

    def test_are_counted_of_the_new_ones(self, doubtful):
        found, _ = doubtful
        assert (found.counts["new"].total, found.aria_h) == (3, "mild")
        assert found.new_certainty.model_dump() == {"definite": 1, "possible": 2, "unsteady": 1}
        (stable,) = found.of("stable")
        assert stable.decisive is stable.baseline, "it counts there alone"
        assert (stable.baseline.certainty, stable.followup.certainty) == ("definite", None)

    def test_are_on_the_page(self, doubtful):
        found, made = doubtful
        page = page_of(found, *made)
        assert '<span data-new="possible">2</span> possible' in page
        assert "Possible ones count in it as definite ones do" in page
        assert page.count(">unsteady</span>") == 1, "the card's badge"
        assert page.count(f'title="{self.NOTE}">unsteady</small>') == 2, "the table and the card"
        assert f"Follow-up: {self.NOTE}" in page
        assert page.count("<br><small>border</small>") == 1
        assert "<td>0.83</td>" in page

    def test_are_in_the_table(self, doubtful, tmp_path):
        found, made = doubtful
        write_comparison(found, *made, tmp_path)
        with (tmp_path / "comparison.tsv").open(newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        row = next(row for row in rows if row["followup_id"] == "1")
        assert (row["followup_certainty"], row["followup_score_spread"]) == ("possible", "0.83")
        assert (row["followup_place_confidence"], row["baseline_certainty"]) == ("border", "n/a")
        assert row["followup_score_note"] == self.NOTE
        assert set(rows[0]) == set(LESIONS), "the dictionary of the BIDS App names every column"


class TestComparison:
    def test_states_counts_and_class(self, comparison):
        assert [lesion.state for lesion in comparison.lesions] == ["new", "stable", "stable", "no-longer-seen"]
        assert comparison.counts["new"].model_dump() == {
            "total": 1, "lobar": 1, "deep": 0, "infratentorial": 0, "unplaced": 0,
        }  # fmt: skip
        assert comparison.counts["no-longer-seen"].deep == 1
        assert comparison.aria_h == "mild"
        assert [lesion.id for lesion in comparison.lesions] == [1, 2, 3, 4]

    def test_where_a_new_one_lies_at_baseline(self, comparison):
        (lesion,) = comparison.of("new")
        assert lesion.baseline.finding_id is None
        assert lesion.baseline.score is None
        np.testing.assert_allclose(lesion.baseline.position_ras_mm, NEW, atol=0.02)
        np.testing.assert_allclose(lesion.followup.position_ras_mm, moved(NEW), atol=1e-6)

    def test_scans_are_aligned_where_nothing_is_given(self, visits):
        found = compare_visits(*visits)
        assert found.registration.succeeded
        np.testing.assert_allclose(found.registration.followup_from_baseline, POSE, atol=0.6)
        assert [lesion.state for lesion in found.lesions] == ["new", "stable", "stable", "no-longer-seen"]

    def test_a_failed_alignment_is_said_and_matches_nothing(self, visits):
        failed = compare_visits(*visits, registration=FAILED)
        assert failed.lesions == []
        assert failed.counts is None
        assert failed.aria_h is None
        assert failed.warnings[0] == f"{FAILED.failure} No finding was matched."
        page = page_of(failed, *visits)
        assert "Nothing was matched" in page
        assert "matched one to one" not in page
        assert FAILED.failure in page
        assert 'data-state="new"' not in page

    def test_warnings_of_both_are_said_once(self, comparison):
        assert comparison.warnings == ["Said by both."]

    def test_the_same_scan_twice_is_said(self, visits):
        baseline, _ = visits
        said = compare_visits(baseline, replace(baseline, name="again"), registration=ALIGNED).warnings
        assert said[0].startswith("Both visits are the same scan")

    def test_a_reader_at_one_visit_only(self, visits):
        baseline, followup = visits
        said = compare_visits(replace(baseline, signed=True), followup, registration=ALIGNED).warnings
        assert "signed the baseline's findings but not the follow-up's" in said[0]


def faint(baseline=(), low=0.16, **changes):
    """Visits of one pose; follow-up has a counted finding and one that its score alone keeps from counting."""
    after = [finding(1, NEW), finding(2, GONE, low, "score", group="deep")]
    return visit(baseline, noise=1), visit(after, noise=2, **changes)


def compared(baseline, followup, rule=None):
    return compare_visits(baseline, followup, rule, replace(ALIGNED, followup_from_baseline=np.eye(4)))


class TestFoundByComparing:
    RULE = Rule(new_cut=0.15)

    def test_is_in_the_counts_and_in_the_class(self):
        many = [finding(n, (6.0 * n - 20, 0, 0), 0.16, "score") for n in range(1, 6)]
        found = compared(visit(noise=1), visit(many, noise=2), self.RULE)
        assert (found.counts["new"].total, found.new_by_comparing, found.aria_h) == (5, 5, "moderate")
        assert found.followup.counts.total == 0

    def test_is_told_apart(self):
        found = compared(*faint(), self.RULE)
        assert [(lesion.state, lesion.found_by_comparing) for lesion in found.lesions] == [
            ("new", False),
            ("new", True),
        ]
        assert (found.counts["new"].deep, found.new_by_comparing, found.rule.new_cut) == (1, 1, 0.15)
        assert not found.lesions[1].followup.counted

    def test_the_page_tells_it(self):
        visits = faint()
        page = page_of(compared(*visits, self.RULE), *visits)
        assert 'data-count="new_by_comparing">1<' in page
        assert page.count("new, by comparing") == 1
        assert page.count(">found by comparing<") == 1
        assert "Not counted in the follow-up&#39;s own result" in page
        assert "scores 0.15 or more where baseline has nothing" in page

    def test_not_outside_the_brain_of_baseline(self):
        baseline, followup = faint()
        nowhere = replace(baseline.segmentation, brain=np.zeros_like(baseline.segmentation.brain))
        assert compared(replace(baseline, segmentation=nowhere), followup, self.RULE).new_by_comparing == 0

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"phase": False}, "only one visit has phase"),
            ({"kind": "t2star"}, "not of the same kind"),
            ({"files": {"magnitude": "m.nii", "phase": "p.nii"}}, "not of the same kind"),
        ],
    )
    def test_off_for_other_images(self, changes, words):
        self.is_off(*faint(**changes), words)

    def test_off_for_other_weights(self):
        baseline, followup = faint()
        model = followup.record.model.model_copy(update={"sha256": "cd" * 32})
        other = replace(followup, record=followup.record.model_copy(update={"model": model}))
        self.is_off(baseline, other, "different weights")

    def test_off_where_neither_has_phase(self):
        blind = [
            replace(
                one,
                record=one.record.model_copy(update={"scan": one.record.scan.model_copy(update={"phase": None})}),
            )
            for one in faint()
        ]
        self.is_off(*blind, "neither visit has phase")

    def test_off_for_another_calibration(self):
        baseline, followup = faint()
        point = followup.record.model.operating_point.model_copy(update={"cut": 0.21})
        model = followup.record.model.model_copy(update={"operating_point": point})
        other = replace(followup, record=followup.record.model_copy(update={"model": model}))
        self.is_off(baseline, other, "calibration of the weights changed")
        found = compared(baseline, other, self.RULE)
        assert "(score from 0.20 at baseline, 0.21 at follow-up)" in methods(found)

    def test_off_where_a_reader_decided(self):
        baseline, followup = faint()
        self.is_off(replace(baseline, signed=True), replace(followup, signed=True), "a reader decided")
        assert compared(replace(baseline, signed=True), followup, self.RULE).new_by_comparing == 1

    def test_what_the_reader_did_not_count_is_not_new_whatever_it_scores(self):
        baseline, followup = visit(noise=1), visit([finding(1, NEW, 0.9, "anatomy")], noise=2)
        assert len(compared(baseline, followup, self.RULE).of("new")) == 1
        read = compared(replace(baseline, signed=True), replace(followup, signed=True), self.RULE)
        assert (read.of("new"), read.rule.sure_cut, read.aria_h) == ([], None, "none")

    def is_off(self, baseline, followup, words):
        found = compared(baseline, followup, self.RULE)
        assert [lesion.followup.finding_id for lesion in found.of("new")] == [1]
        assert (found.rule.new_cut, found.new_by_comparing) == (None, None)
        assert words in found.rule.why_no_new_cut
        page = page_of(found, baseline, followup)
        assert f"among the candidates that do not count at follow-up: {found.rule.why_no_new_cut}." in page
        assert ">not looked for<" in page

    def test_off_by_choice(self):
        visits = faint()
        found = compared(*visits, Rule(new_cut=None))
        assert (found.new_by_comparing, found.rule.why_no_new_cut) == (None, None)
        assert "among the candidates that do not count at follow-up." in page_of(found, *visits)


class TestDifferences:
    def test_none(self):
        assert differences(record([]), record([])) == []

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"sequence": sequence(field_strength_t=1.5)}, "baseline 3 T, follow-up 1.5 T"),
            ({"sequence": sequence(echo_time_ms=40.0)}, "baseline 20 ms, follow-up 40 ms"),
            ({"sequence": sequence(manufacturer="Other")}, "different makers"),
            ({"sequence": sequence(echo_time_ms=None)}, "not compared: echo time"),
            ({"spacing_mm": (1.2, 1.2, 4.0)}, "voxel sizes differ"),
            ({"phase": None}, "The follow-up has no phase"),
            ({"kind": "t2star"}, "a T2*-weighted magnitude"),
            ({"files": {"magnitude": "m.nii", "phase": "p.nii"}}, "made here from magnitude and phase"),
        ],
    )
    def test_each_is_a_sentence(self, changes, words):
        (sentence,) = differences(record([]), record([], **changes))
        assert words in sentence
        assert sentence.endswith(".")

    def test_small_ones_are_none(self):
        facts = sequence(field_strength_t=2.89, echo_time_ms=20.5, manufacturer="acme")
        assert differences(record([]), record([], sequence=facts, spacing_mm=(3.0, 1.21, 1.19))) == []

    def test_of_the_search(self):
        one = record([])
        other = one.model_copy(update={"model": one.model.model_copy(update={"sha256": "cd" * 32})})
        assert "different weights" in differences(one, other)[0]
        point = one.model.operating_point.model_copy(update={"name": "screening", "cut": 0.02})
        other = one.model_copy(update={"model": one.model.model_copy(update={"operating_point": point})})
        assert "balanced and screening" in differences(one, other)[0]
        point = one.model.operating_point.model_copy(update={"cut": 0.02})
        other = one.model_copy(update={"model": one.model.model_copy(update={"operating_point": point})})
        assert "(scores from 0.2 and 0.02): the calibration of the weights changed" in differences(one, other)[0]
        other = other.model_copy(update={"scan": other.scan.model_copy(update={"phase": None})})
        assert "(scores from 0.2 and 0.02): they are others without phase." in differences(one, other)[-1]


class TestFiles:
    def test_written_and_read(self, comparison, visits, tmp_path):
        write_comparison(comparison, *visits, tmp_path)
        assert read_comparison(tmp_path / "comparison.json") == comparison
        with (tmp_path / "comparison.tsv").open(newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        assert [row["state"] for row in rows] == [lesion.state for lesion in comparison.lesions]
        assert rows[0]["baseline_score"] == "n/a"
        assert rows[0]["followup_score"] == "0.8"
        assert (tmp_path / "comparison.html").stat().st_size < 1_500_000

    def test_a_file_of_the_minor_version_before_is_read(self, comparison, visits, tmp_path):
        content = comparison.model_dump(mode="json") | {"schema_version": "1.0.0"}
        del content["new_by_comparing"], content["rule"]["new_cut"], content["rule"]["why_no_new_cut"]
        del content["interval_days"], content["new_certainty"]
        for lesion in content["lesions"]:
            del lesion["found_by_comparing"]
            for name in ("certainty", "score_spread", "score_note", "place_confidence"):
                del lesion["baseline"][name], lesion["followup"][name]
        (tmp_path / "comparison.json").write_text(json.dumps(content))
        read = read_comparison(tmp_path / "comparison.json")
        assert (read.new_by_comparing, read.rule.new_cut) == (None, None)
        assert read.counts == comparison.counts
        assert (read.interval_days, read.new_certainty, read.lesions[0].followup.certainty) == (None, None, None)
        assert counted(read, read.lesions).new_certainty is None, "what is not stated is not counted as none"
        assert "how sure the new ones are is not stated" in page_of(read, *visits)

    def test_another_file_is_refused_in_a_sentence(self, tmp_path):
        (tmp_path / "comparison.json").write_text('{"schema_version": "9.0.0"}')
        with pytest.raises(InputError, match="doesn't follow schema"):
            read_comparison(tmp_path / "comparison.json")
        with pytest.raises(InputError, match="can't be read"):
            read_comparison(tmp_path / "none.json")

    def test_schema_is_json(self):
        assert json.loads(comparison_schema_json())["properties"]["aria_h"]


class TestPage:
    @pytest.fixture(scope="class")
    def page(self, comparison, visits):
        return page_of(comparison, *visits)

    def test_needs_nothing_from_elsewhere(self, page):
        assert all(source.startswith("data:image/") for source in re.findall(r'\bsrc="([^"]*)"', page))
        assert not re.search(r"https?://|@import|url\(", page.replace("http-equiv", ""))
        assert "default-src 'none'" in page

    def test_file_names_are_escaped(self, page):
        assert "<b>swi</b>" not in page
        assert "&lt;b&gt;swi" in page

    def test_pairs_of_pictures(self, page):
        # Four lesions, SWI and phase, axial and coronal, two visits; three projections, three checkerboards.
        assert page.count("<img ") == 4 * 8 + 3 + 3
        assert page.count("at baseline, axial plane") == page.count("at follow-up, axial plane") == 8

    def test_checkerboards_and_projections_say_where_they_lie(self, page):
        for alt in ("Checkerboard of both scans", "Projection of the follow-up"):
            for plane in PLANES:
                (drawn,) = re.findall(rf'alt="{alt}[^"]*\b{plane.name}\b[^>]*>\s*(<svg.*?</svg>)', page, re.DOTALL)
                letters = re.findall(r'<text class="letter"[^>]*>(\w)</text>', drawn)
                assert letters == list(plane.letters)

    def test_every_link_has_its_target(self, page):
        targets = set(re.findall(r'id="([^"]+)"', page))
        assert set(re.findall(r'href="#([^"]+)"', page)) <= targets

    def test_phase_needs_both(self, visits):
        baseline = replace(visits[0], scan=replace(visits[0].scan, phase_rad=None))
        page = page_of(compare_visits(baseline, visits[1], registration=ALIGNED), baseline, visits[1])
        assert page.count("<img ") == 4 * 4 + 3 + 3

    def test_says_what_it_must(self, page, comparison):
        for words in (comparison.disclaimer, "no diagnosis", "mild", "No reader has confirmed", "Said by both."):
            assert words in page

    def test_says_that_a_visit_was_read(self, comparison, visits):
        read = comparison.model_copy(update={"warnings": ["Baseline: Read by A on 2026-01-02: 1 accepted."]})
        page = page_of(read, *visits)
        assert "No reader has confirmed" not in page
        assert "nobody the comparison" in page


def test_readers_of_both_visits_decide_what_is_new():
    made = visit([], noise=1, bleeds=[NEW]), visit([finding(1, NEW)], noise=2)
    for signed, state in (((False, False), "stable"), ((False, True), "stable"), ((True, True), "new")):
        pair = [replace(one, signed=by) for one, by in zip(made, signed, strict=True)]
        (lesion,) = compare_visits(*pair, registration=Registration(np.eye(4), 0.0, 1.0, 1.0, None)).lesions
        assert lesion.state == state


class TestSeries:
    def test_what_comes_back_is_not_new(self, monkeypatch):
        monkeypatch.setattr(series_module, "register", lambda *_: Registration(np.eye(4), 0.1, 0.9, 0.9, None))
        all_visits = [
            visit([finding(1, OLD), finding(2, FLICKER)], noise=1),
            visit([finding(1, OLD), finding(2, NEW)], noise=2),
            visit([finding(1, OLD), finding(2, FLICKER), finding(3, NEW), finding(4, GONE)], noise=3),
        ]
        found = follow(all_visits)
        assert [step.new_ids for step in found.steps] == [(2,), (4,)]
        assert [(step.new_so_far, step.aria_h) for step in found.steps] == [(1, "mild"), (2, "mild")]
        last = found.steps[1]
        assert {lesion.followup.finding_id for lesion in last.since_first.of("new")} == {3, 4}
        assert {lesion.followup.finding_id for lesion in last.since_previous.of("new")} == {2, 4}

    @pytest.mark.parametrize("removed_by", ["score", "anatomy"])
    def test_what_never_counts_is_new_once(self, monkeypatch, removed_by):
        monkeypatch.setattr(series_module, "register", lambda *_: Registration(np.eye(4), 0.1, 0.9, 0.9, None))
        again = [finding(1, NEW, 0.7, removed_by)]
        steps = follow([visit(noise=1), visit(again, noise=2), visit(again, noise=3)], Rule(new_cut=0.15)).steps
        assert [step.new_ids for step in steps] == [(1,), ()]
        assert [step.new_so_far for step in steps] == [1, 1]

    def test_found_by_comparing_then_counted_is_new_once(self, monkeypatch):
        monkeypatch.setattr(series_module, "register", lambda *_: Registration(np.eye(4), 0.1, 0.9, 0.9, None))
        later = [visit([finding(1, NEW, 0.16, "score")], noise=2), visit([finding(1, NEW)], noise=3)]
        steps = follow([visit(noise=1), *later], Rule(new_cut=0.15)).steps
        assert [step.new_ids for step in steps] == [(1,), ()]

    def test_a_visit_that_cannot_be_aligned_has_no_new_ones(self, monkeypatch):
        failed = Registration(np.eye(4), 0.1, 0.9, 0.1, "The scans are not alike.")
        monkeypatch.setattr(series_module, "register", lambda *_: failed)
        (step,) = follow([visit(noise=1), visit([finding(1, NEW)], noise=2)]).steps
        assert (step.new_ids, step.new_so_far, step.aria_h) == (None, None, None)

    def test_one_visit_is_refused(self):
        with pytest.raises(InputError, match="at least two"):
            follow([visit()])
