"""Which finding is which, and what is called new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_up import finding
from microbleeds.followup.matching import VisitFindings, assign, match_findings
from microbleeds.followup.rigid import applied, distances_mm, halfway, inverse, nearest_rigid, rotation_deg
from microbleeds.followup.rule import Rule, aria_h_class
from microbleeds.geometry import Grid
from microbleeds.simulate.pose import rigid

GRID = Grid((101, 101, 51), np.array([[1, 0, 0, -50], [0, 1, 0, -50], [0, 0, 2, -50], [0, 0, 0, 1.0]]))
RULE = Rule(low_cut=0.05, sure_cut=0.6, new_cut=None)
COMPARING = Rule(low_cut=0.05, sure_cut=0.6, new_cut=0.15)
TURNED = rigid(20.0, np.array([1.0, 2.0, 0.5]), np.array([3.0, -4.0, 5.0]), np.array([2.0, 1.0, 0.0]))


def matched(baseline, followup, map_=None, tolerance_mm=4.0, followup_grid=GRID, rule=RULE, brain=None):
    return match_findings(
        VisitFindings(baseline, GRID, brain),
        VisitFindings(followup, followup_grid),
        np.eye(4) if map_ is None else map_,
        rule,
        tolerance_mm,
    )


def states(lesions):
    return [lesion.state for lesion in lesions]


class TestStates:
    def test_stable_new_and_no_longer_seen(self):
        lesions = matched(
            [finding(1, (0, 0, 0)), finding(2, (30, 0, 0))], [finding(7, (0, 3, 0)), finding(8, (0, 0, 30))]
        )
        assert states(lesions) == ["stable", "no-longer-seen", "new"]
        assert (lesions[0].baseline.id, lesions[0].followup.id, lesions[0].distance_mm) == (1, 7, 3.0)
        assert lesions[1].followup is None
        assert lesions[2].baseline is None
        assert lesions[2].followup.id == 8

    def test_nothing_at_all(self):
        assert matched([], []) == []
        assert states(matched([], [finding(1, (0, 0, 0))])) == ["new"]
        assert states(matched([finding(1, (0, 0, 0))], [])) == ["no-longer-seen"]

    def test_positions_go_through_the_map(self):
        place = applied(TURNED, np.array([10.0, 20.0, -5.0]))
        assert states(matched([finding(1, (10, 20, -5))], [finding(1, place)], TURNED)) == ["stable"]
        assert states(matched([finding(1, (10, 20, -5))], [finding(1, place)], inverse(TURNED))) == [
            "no-longer-seen",
            "new",
        ]

    def test_beyond_the_tolerance_is_another_lesion(self):
        assert states(matched([finding(1, (0, 0, 0))], [finding(1, (4.0, 0, 0))])) == ["stable"]
        assert states(matched([finding(1, (0, 0, 0))], [finding(1, (4.1, 0, 0))])) == ["no-longer-seen", "new"]

    def test_one_to_one(self):
        # Both are near the baseline's one, so one of them is new: the farther one.
        lesions = matched([finding(1, (0, 0, 0))], [finding(1, (3, 0, 0)), finding(2, (-1, 0, 0))])
        assert states(lesions) == ["stable", "new"]
        assert lesions[0].followup.id == 2

    def test_as_many_pairs_as_possible(self):
        # The nearest pair (2 and A) would leave 1 and B alone.
        baseline = [finding(1, (0, 0, 0)), finding(2, (3, 0, 0))]
        followup = [finding(1, (3.5, 0, 0)), finding(2, (6.5, 0, 0))]
        assert states(matched(baseline, followup)) == ["stable", "stable"]


class TestFlicker:
    def test_candidate_below_the_cut_is_not_new(self):
        (lesion,) = matched([finding(5, (1, 0, 0), 0.1, "score")], [finding(1, (0, 0, 0))])
        assert lesion.state == "stable"
        assert lesion.baseline.score == 0.1
        assert "Not counted at baseline" in lesion.note
        assert "not called new" in lesion.note

    def test_candidate_below_the_low_cut_is_new_and_its_score_is_told(self):
        (lesion,) = matched([finding(5, (1, 0, 0), 0.049, "score")], [finding(1, (0, 0, 0))])
        assert lesion.state == "new"
        assert lesion.baseline.score == 0.049
        assert lesion.distance_mm == 1.0

    def test_the_other_way_round(self):
        (lesion,) = matched([finding(1, (0, 0, 0))], [finding(5, (1, 0, 0), 0.1, "score")])
        assert (lesion.state, lesion.followup.score) == ("stable", 0.1)
        assert "follow-up" in lesion.note
        (lesion,) = matched([finding(1, (0, 0, 0))], [finding(5, (1, 0, 0), 0.01, "score")])
        assert (lesion.state, lesion.followup.score) == ("no-longer-seen", 0.01)

    @pytest.mark.parametrize(("removed_by", "words"), [("reader", "a reader rejected"), ("anatomy", "its place")])
    def test_what_removed_it_is_told(self, removed_by, words):
        (lesion,) = matched([finding(5, (1, 0, 0), 0.8, removed_by)], [finding(1, (0, 0, 0))])
        assert lesion.state == "stable"
        assert words in lesion.note

    def test_a_sure_finding_keeps_its_partner(self):
        # The doubtful candidate is nearer to the follow-up's finding, but the counted one is its partner.
        baseline = [finding(1, (3, 0, 0)), finding(2, (0.5, 0, 0), 0.1, "score")]
        (lesion,) = matched(baseline, [finding(1, (0, 0, 0))])
        assert lesion.baseline.id == 1

    def test_one_candidate_excuses_one_finding(self):
        lesions = matched([finding(5, (0, 0, 0), 0.1, "score")], [finding(1, (2, 0, 0)), finding(2, (-3, 0, 0))])
        assert states(lesions) == ["stable", "new"]


def spots(places, depth):
    """An even image with dark spots, each this share below its surroundings."""
    where = GRID.to_mm(np.moveaxis(np.indices(GRID.shape), 0, -1))
    image = np.full(GRID.shape, 200.0, dtype=np.float32)
    for place in places:
        image[np.linalg.norm(where - place, axis=-1) < 3] = 200 * (1 - depth)
    return image


class TestDarkToo:
    """What the other visit's search passed over is dark there all the same."""

    PLACE, ELSEWHERE = (10.0, 0.0, 0.0), (-20.0, 10.0, 0.0)

    def compared(self, before, after, depth, rule=RULE, map_=None):
        """Baseline has spots of a depth, follow-up of 80 %, both where findings of either are."""
        map_ = np.eye(4) if map_ is None else map_
        here = [f.position_ras_mm for f in after] or [tuple(applied(map_, np.array(before[0].position_ras_mm)))]
        there = [applied(inverse(map_), np.array(place)) for place in here]
        return match_findings(
            VisitFindings(before, GRID, swi=spots(there, depth)),
            VisitFindings(after, GRID, swi=spots(here, 0.8)),
            map_,
            rule,
            4.0,
        )

    @pytest.mark.parametrize(
        ("depth", "state"), [(0.0, "new"), (0.2, "new"), (0.35, "stable"), (0.8, "stable"), (0.9, "stable")]
    )
    def test_what_was_dark_before_is_not_new(self, depth, state):
        for map_ in (np.eye(4), TURNED):
            place = applied(map_, np.array(self.PLACE))
            (lesion,) = self.compared([], [finding(1, place)], depth, map_=map_)
            assert lesion.state == state
            assert lesion.baseline is None
            assert lesion.darkness == pytest.approx((depth, 0.8), abs=0.03)
            assert ("not called new" in (lesion.note or "")) is (state == "stable")

    def test_what_is_dark_still_is_not_lost(self):
        (lesion,) = self.compared([finding(1, self.PLACE)], [], 0.8)
        assert (lesion.state, lesion.followup) == ("stable", None)
        assert "Follow-up has no candidate there but is dark as well (80% against 80%" in lesion.note
        bright = match_findings(
            VisitFindings([finding(1, self.PLACE)], GRID, swi=spots([self.PLACE], 0.8)),
            VisitFindings([], GRID, swi=spots([self.ELSEWHERE], 0.8)),
            np.eye(4), RULE, 4.0,
        )  # fmt: skip
        assert states(bright) == ["no-longer-seen"]

    def test_a_spot_beside_the_place_is_another(self):
        before = VisitFindings([], GRID, swi=spots([(16.0, 0.0, 0.0)], 0.8))
        after = VisitFindings([finding(1, self.PLACE)], GRID, swi=spots([self.PLACE], 0.8))
        assert states(match_findings(before, after, np.eye(4), RULE, 4.0)) == ["new"]

    def test_found_by_comparing_only_where_it_was_bright(self):
        faint = finding(1, self.PLACE, 0.16, "score")
        assert states(self.compared([], [faint], 0.1, COMPARING)) == ["new"]
        assert self.compared([], [faint], 0.5, COMPARING) == []

    def test_found_by_comparing_must_be_dark_itself(self):
        faint = finding(1, self.PLACE, 0.16, "score")
        for depth, count in ((0.1, 0), (0.3, 1)):
            visits = [
                VisitFindings(found, GRID, swi=spots(at, depth))
                for found, at in (([], []), ([faint], [self.PLACE]))
            ]
            assert len(match_findings(*visits, np.eye(4), COMPARING, 4.0)) == count

    def test_a_sure_one_that_its_place_ruled_out(self):
        sure = finding(1, self.PLACE, 0.9, "anatomy")
        assert states(self.compared([], [sure], 0.1)) == ["new"]
        assert self.compared([], [sure], 0.5) == []

    def test_what_is_hardly_dark_itself_is_judged_by_its_candidates(self):
        for places in ([], [self.PLACE]):
            visits = [
                VisitFindings(found, GRID, swi=spots(places, 0.1)) for found in ([], [finding(1, self.PLACE)])
            ]
            assert states(match_findings(*visits, np.eye(4), RULE, 4.0)) == ["new"]

    def test_off(self):
        assert states(self.compared([], [finding(1, self.PLACE)], 0.8, replace(RULE, dark_share=None))) == ["new"]


class TestRuledOut:
    def test_a_sure_one_where_nothing_was_is_new(self):
        (lesion,) = matched([finding(1, (2, 0, 0), 0.04, "score")], [finding(1, (0, 0, 0), 0.9, "anatomy")])
        assert (lesion.state, lesion.baseline) == ("new", None)
        assert "its place ruled it out" in lesion.note

    def test_one_bleed_counts_once(self):
        counted = finding(1, (0, 0, 0), 0.9)
        beside = [finding(2, (3.9, 0, 0), 0.8, "anatomy"), finding(3, (-3.9, 0, 0), 0.7, "anatomy")]
        assert [lesion.followup.id for lesion in matched([], [counted, *beside])] == [1]
        assert [
            lesion.followup.id for lesion in matched([], [beside[0], finding(4, (5, 0, 0), 0.9, "anatomy")])
        ] == [4]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ([], finding(1, (0, 0, 0), 0.59, "anatomy")),
            ([], finding(1, (0, 0, 0), 0.9, "score")),
            ([], finding(1, (0, 0, 0), 0.9, "reader")),
            ([], finding(1, (0, 0, 60), 0.9, "anatomy")),
            ([finding(1, (2, 0, 0), 0.06, "score")], finding(1, (0, 0, 0), 0.9, "anatomy")),
            ([finding(1, (2, 0, 0), 0.9, "anatomy")], finding(1, (0, 0, 0), 0.9, "anatomy")),
        ],
    )
    def test_else_it_stays_out(self, before, after):
        assert matched(before, [after]) == []


class TestFoundByComparing:
    """``HERE`` is a follow-up candidate just above the new cut that does not count by itself."""

    HERE = finding(5, (0, 0, 0), 0.16, "score")

    def test_where_nothing_was_it_is_new(self):
        (lesion,) = matched([], [self.HERE], rule=COMPARING)
        assert (lesion.state, lesion.found_by_comparing, lesion.followup) == ("new", True, self.HERE)
        assert "Not counted in the follow-up's own result" in lesion.note
        assert "(0.16)" in lesion.note
        assert "Look" in lesion.note

    def test_the_score_before_is_told(self):
        before = finding(1, (2, 0, 0), 0.049, "score")
        (lesion,) = matched([before], [self.HERE], rule=COMPARING)
        assert (lesion.state, lesion.baseline, lesion.distance_mm) == ("new", before, 2.0)

    def test_positions_go_through_the_map(self):
        there = finding(5, applied(TURNED, np.array([10.0, 20.0, -5.0])), 0.16, "score")
        at, away = (finding(1, place, 0.1, "score") for place in ((10, 20, -5), tuple(there.position_ras_mm)))
        assert matched([at], [there], TURNED, rule=COMPARING) == []
        assert states(matched([away], [there], TURNED, rule=COMPARING)) == ["new"]

    @pytest.mark.parametrize(
        "here",
        [
            finding(5, (0, 0, 0), 0.149, "score"),
            finding(5, (0, 0, 0), 0.16, "anatomy"),
            finding(5, (0, 0, 0), 0.5, "reader"),
            finding(5, (0, 0, 60), 0.16, "score"),  # outside the baseline's field of view
        ],
    )
    def test_not_below_the_new_cut_nor_ruled_out_nor_out_of_sight(self, here):
        tall = Grid((101, 101, 99), GRID.affine)
        assert matched([], [here], rule=COMPARING, followup_grid=tall) == []

    @pytest.mark.parametrize("removed_by", ["score", "anatomy", "reader"])
    def test_not_where_baseline_has_a_candidate(self, removed_by):
        assert matched([finding(1, (4, 0, 0), 0.05, removed_by)], [self.HERE], rule=COMPARING) == []

    def test_a_candidate_before_beyond_the_tolerance_is_another(self):
        (lesion,) = matched([finding(1, (4.1, 0, 0), 0.1, "score")], [self.HERE], rule=COMPARING)
        assert lesion.found_by_comparing

    def test_not_where_a_reader_added_one_before(self):
        # What a reader adds has score 0; its partner is the nearer candidate, out of reach of the other.
        after = [self.HERE, finding(6, (-5, 0, 0), 0.1, "score")]
        (lesion,) = matched([finding(1, (-3, 0, 0), 0.0)], after, rule=COMPARING)
        assert (lesion.state, lesion.followup.id) == ("stable", 6)

    def test_not_outside_the_brain_of_baseline(self):
        brain = np.zeros(GRID.shape, dtype=bool)
        assert matched([], [self.HERE], rule=COMPARING, brain=brain) == []
        brain[50, 50, 25] = True
        assert states(matched([], [self.HERE], rule=COMPARING, brain=brain)) == ["new"]

    def test_counted_once(self):
        for other in (0.15, 0.16, 0.17):
            near = finding(6, (3, 0, 0), other, "score")
            (lesion,) = matched([], [self.HERE, near], rule=COMPARING)
            assert lesion.followup.score == max(0.16, other)
        far = finding(6, (4.1, 0, 0), 0.15, "score")
        assert states(matched([], [self.HERE, far], rule=COMPARING)) == ["new", "new"]

    @pytest.mark.parametrize("removed_by", ["anatomy", "reader"])
    def test_not_on_the_flank_of_a_better_one(self, removed_by):
        assert matched([], [self.HERE, finding(6, (3, 0, 0), 0.3, removed_by)], rule=COMPARING) == []

    def test_not_near_a_stable_or_a_new_one(self):
        # The baseline's finding lies on the far side of its partner, beyond the tolerance of the candidate.
        after = [finding(1, (3, 0, 0)), self.HERE]
        (lesion,) = matched([finding(1, (6, 0, 0))], after, rule=COMPARING)
        assert (lesion.state, lesion.followup.id) == ("stable", 1)
        (lesion,) = matched([], after, rule=COMPARING)
        assert (lesion.state, lesion.followup.id, lesion.found_by_comparing) == ("new", 1, False)

    def test_not_near_a_flicker_of_a_lower_score(self):
        # The lower one is the partner of a finding that counted at baseline, so this place is known.
        after = [finding(6, (3, 0, 0), 0.1, "score"), self.HERE]
        (lesion,) = matched([finding(1, (6, 0, 0))], after, rule=COMPARING)
        assert (lesion.state, lesion.followup.id) == ("stable", 6)

    def test_not_the_other_way_round(self):
        assert matched([self.HERE], [], rule=COMPARING) == []

    def test_off(self):
        assert matched([], [self.HERE], rule=RULE) == []


class TestFieldOfView:
    def test_outside_the_other_scan_is_its_own_state(self):
        low = Grid((101, 101, 20), GRID.affine)  # ends at z = -12
        lesions = matched([finding(1, (0, 0, 20))], [], followup_grid=low)
        assert states(lesions) == ["outside-field-of-view"]
        assert lesions[0].baseline.id == 1
        assert states(matched([finding(1, (0, 0, -20))], [], followup_grid=low)) == ["no-longer-seen"]

    def test_of_the_baseline(self):
        (lesion,) = matched([], [finding(4, (0, 0, 60))], followup_grid=Grid((101, 101, 99), GRID.affine))
        assert (lesion.state, lesion.followup.id, lesion.baseline) == ("outside-field-of-view", 4, None)

    def test_the_outer_half_of_the_last_slice_shows_nothing(self):
        (lesion,) = matched([], [finding(4, (0, 0, 50.5))])
        assert lesion.state == "outside-field-of-view"


class TestRule:
    @pytest.mark.parametrize(
        ("new", "name"),
        [(0, "none"), (1, "mild"), (4, "mild"), (5, "moderate"), (9, "moderate"), (10, "severe"), (40, "severe")],
    )
    def test_aria_h(self, new, name):
        assert aria_h_class(new) == name

    def test_tolerance_grows_with_error_and_slices_up_to_a_limit(self):
        rule, thin = Rule(), [[0.5, 0.5, 2.0]]
        assert rule.tolerance_mm(0.0, thin) == rule.centre_mm
        assert rule.tolerance_mm(1.0, thin) == rule.centre_mm + rule.errors
        assert rule.tolerance_mm(0.0, [[0.5, 0.5, 2.0], [0.9, 0.9, 5.0]]) == rule.centre_mm + 1.5
        assert rule.tolerance_mm(9.0, thin) == rule.largest_mm

    def test_assign_takes_what_is_allowed(self):
        gate = np.array([[1.0, np.inf], [np.inf, np.inf]])
        assert assign(gate, [0, 1], [0, 1]) == [(0, 0)]
        assert assign(gate, [1], [0, 1]) == []
        assert assign(gate, [], [0]) == []


class TestRigid:
    def test_halfway_is_as_far_from_both(self):
        points = np.random.default_rng(0).normal(0, 40, (50, 3))
        middle = halfway(np.eye(4), TURNED, np.zeros(3))
        assert rotation_deg(middle) == pytest.approx(10.0)
        np.testing.assert_allclose(
            distances_mm(middle, np.eye(4), points), distances_mm(middle, TURNED, points), atol=2.0
        )

    def test_nearest_rigid_has_no_scale_and_no_mirror(self):
        affine = TURNED @ np.diag([1.1, 0.9, 1.05, 1.0])
        found = nearest_rigid(affine, np.array([5.0, 6.0, 7.0]))
        assert np.linalg.det(found[:3, :3]) == pytest.approx(1.0)
        np.testing.assert_allclose(found[:3, :3], TURNED[:3, :3], atol=0.02)
        np.testing.assert_allclose(
            applied(found, np.array([5.0, 6.0, 7.0])), applied(affine, np.array([5.0, 6.0, 7.0]))
        )


def test_a_candidate_stands_beside_one_lost_finding_alone():
    lost = [finding(1, (0, 0, 0)), finding(2, (6, 0, 0))]
    faint = finding(7, (3, 0, 0), 0.02, "score")
    assert [(lesion.state, lesion.followup) for lesion in matched(lost, [faint])] == [
        ("no-longer-seen", faint),
        ("no-longer-seen", None),
    ]
