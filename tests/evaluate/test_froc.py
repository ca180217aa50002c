"""FROC curves against values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from microbleeds.evaluate import SubjectResult, froc, subject_result

NONE = np.zeros((0, 3))


def subject(scores, hit, truth_count, name="sub-001") -> SubjectResult:
    return SubjectResult(name, np.array(scores, dtype=float), np.array(hit, dtype=bool), truth_count)


class TestFroc:
    def test_perfect_result_with_one_lesion_scores_one(self):
        # MONAI's froc.py drops the lowest score as a threshold and gives 0 here.
        curve = froc([subject_result("a", [[0, 0, 0]], [0.8], [[0, 0, 0]])])
        assert curve.thresholds.tolist() == [np.inf, 0.8]
        assert curve.sensitivity.tolist() == [0, 1]
        assert curve.false_positives.tolist() == [0, 0]
        assert curve.mean_sensitivity == 1

    def test_lesion_below_a_false_positive(self):
        curve = froc([subject([0.9, 0.2], [False, True], 1)])
        assert curve.sensitivity_at([0.5, 1.0]).tolist() == [0, 1]

    def test_worked_by_hand(self):
        # Two subjects, three bleeds; falling: .9 hit, .8 false, .7 hit and .7 false (a tie), .1 false.
        curve = froc([subject([0.9, 0.7, 0.1], [True, False, False], 2), subject([0.8, 0.7], [False, True], 1)])
        assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.1]
        np.testing.assert_allclose(curve.sensitivity, [0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
        np.testing.assert_allclose(curve.false_positives, [0, 0, 0.5, 1.0, 1.5])
        np.testing.assert_allclose(curve.precision, [np.nan, 1, 0.5, 0.5, 0.4])
        np.testing.assert_allclose(
            curve.sensitivity_at([0.125, 0.25, 0.5, 1, 2, 4, 8]), np.array([1, 1, 1, 2, 2, 2, 2]) / 3
        )
        assert curve.mean_sensitivity == pytest.approx(11 / 21)
        assert curve.threshold_at(1.0) == 0.7
        assert curve.threshold_at(8.0) == 0.7, "the strictest threshold with that sensitivity"

    def test_negative_subjects_count(self):
        one = froc([subject([0.9, 0.8], [True, False], 1)])
        two = froc([subject([0.9, 0.8], [True, False], 1), subject([], [], 0)])
        assert one.false_positives[-1] == 1
        assert two.false_positives[-1] == 0.5

    def test_no_lesions_at_all(self):
        curve = froc([subject([0.9], [False], 0)])
        assert np.isnan(curve.sensitivity).all()
        assert curve.false_positives.tolist() == [0, 1]
        assert np.isnan(curve.mean_sensitivity)
        assert curve.threshold_at(1.0) == np.inf

    def test_no_candidates_at_all(self):
        curve = froc([subject([], [], 2)])
        assert curve.sensitivity.tolist() == [0]
        assert curve.mean_sensitivity == 0

    def test_tied_scores_come_in_together(self):
        curve = froc([subject([0.5, 0.5], [True, False], 1)])
        assert curve.thresholds.tolist() == [np.inf, 0.5]
        assert curve.sensitivity_at(0.5) == 0

    def test_curve_never_falls(self):
        generator = np.random.default_rng(3)
        curve = froc([subject(generator.random(30).round(1), generator.random(30) < 0.3, 30) for _ in range(4)])
        assert (np.diff(curve.sensitivity) >= 0).all()
        assert (np.diff(curve.false_positives) >= 0).all()
        assert (np.diff(curve.thresholds) < 0).all()

    def test_ignored_candidates_are_left_out(self):
        result = subject_result("a", [[0, 0, 0]], [0.8], NONE, [[1, 0, 0]])
        assert len(result.scores) == 0
        assert froc([result]).false_positives.tolist() == [0]
