"""Which finding is which, and what is called new."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import finding

from microbleeds.followup.matching import VisitFindings, assign, match_findings
from microbleeds.followup.rigid import applied, distances_mm, halfway, inverse, nearest_rigid, rotation_deg
from microbleeds.followup.rule import Rule, aria_h_class
from microbleeds.geometry import Grid
from microbleeds.simulate.pose import rigid

GRID = Grid((101, 101, 51), np.array([[1, 0, 0, -50], [0, 1, 0, -50], [0, 0, 2, -50], [0, 0, 0, 1.0]]))
RULE = Rule(low_cut=0.05, sure_cut=0.6)
TURNED = rigid(20.0, np.array([1.0, 2.0, 0.5]), np.array([3.0, -4.0, 5.0]), np.array([2.0, 1.0, 0.0]))


def matched(baseline, followup, map_=None, tolerance_mm=4.0, followup_grid=GRID):
    return match_findings(
        VisitFindings(baseline, GRID),
        VisitFindings(followup, followup_grid),
        np.eye(4) if map_ is None else map_,
        RULE,
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


class TestRuledOut:
    def test_a_sure_one_where_nothing_was_is_new(self):
        (lesion,) = matched([finding(1, (2, 0, 0), 0.04, "score")], [finding(1, (0, 0, 0), 0.9, "anatomy")])
        assert (lesion.state, lesion.baseline) == ("new", None)
        assert "its place ruled it out" in lesion.note

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
