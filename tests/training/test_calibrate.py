from __future__ import annotations

import numpy as np
import pytest

from microbleeds.evaluate import match
from microbleeds.training.calibrate import fit_calibration, operating_points
from microbleeds.training.scoring import SubjectScore, curve_of
from microbleeds.weights import Calibration, OperatingPoints


def scored(scores: list[float], hits: list[bool]) -> SubjectScore:
    """A subject whose n-th candidate lies on a microbleed or far from all."""
    positions = np.array([[20.0 * n, 0, 0] for n in range(len(scores))]).reshape(-1, 3)
    found = match(positions, scores, positions[np.array(hits, dtype=bool)])
    return SubjectScore("sub-001", positions, np.array(scores), found)


def test_calibration_recovers_the_law_that_drew_the_hits() -> None:
    generator = np.random.default_rng(0)
    logit = generator.normal(0, 2, 4000)
    hit = generator.random(4000) < 1 / (1 + np.exp(-(-1.0 + 0.5 * logit)))
    parts = np.array_split(np.arange(4000), 80)
    raw = 1 / (1 + np.exp(-logit))
    calibration = fit_calibration([scored(raw[p].tolist(), hit[p].tolist()) for p in parts])
    assert calibration.intercept == pytest.approx(-1.0, abs=0.15)
    assert calibration.slope == pytest.approx(0.5, abs=0.08)


def test_too_few_candidates_are_left_as_they_are() -> None:
    assert fit_calibration([scored([0.9, 0.2], [True, False])]) == Calibration()
    assert fit_calibration([]) == Calibration()


def test_operating_points_by_hand() -> None:
    # Two scans. Hits at 0.9, 0.6 and 0.35; false positives at 0.8, 0.5, 0.4, 0.3, 0.25, 0.24, 0.23, 0.22, 0.2.
    one = scored([0.9, 0.8, 0.6, 0.5, 0.4, 0.35, 0.3], [True, False, True, False, False, True, False])
    other = scored([0.25, 0.24, 0.23, 0.22, 0.2], [False] * 5)
    points = operating_points(curve_of([one, other]), Calibration())
    # Balanced: the strictest with the most hits at one false positive in two scans. Screening: eight in two scans.
    assert points.balanced == pytest.approx(0.6, abs=0.002)
    assert points.screening == pytest.approx(0.22, abs=0.002)


def test_without_phase_balanced_allows_one_false_positive_a_scan() -> None:
    one = scored([0.9, 0.8, 0.6, 0.5, 0.45, 0.4, 0.35], [True, False, True, False, True, False, True])
    curve = curve_of([one, scored([0.2], [False])])
    assert operating_points(curve, Calibration()).balanced == pytest.approx(0.6, abs=0.002)
    without = operating_points(curve, Calibration(), with_phase=False)
    assert without.balanced == pytest.approx(0.45, abs=0.002), "two in two scans"
    assert without.screening == operating_points(curve, Calibration()).screening


def test_a_steep_calibration_leaves_thresholds_above_zero() -> None:
    """Of few false positives the loosest within four per scan is the faintest, and scores next to nothing."""
    scans = [scored([0.9, 0.7, 0.05, 0.02], [True, True, False, False]) for _ in range(6)]
    calibration = Calibration(intercept=0.725, slope=2.698)
    points = operating_points(curve_of(scans), calibration)
    faintest = float(calibration.score(np.log(0.02 / 0.98)))
    assert 0 < points.screening <= faintest < 0.001
    assert points.screening == pytest.approx(faintest, rel=0.01)


def test_a_calibration_as_steep_as_they_get_leaves_them_apart() -> None:
    scans = [scored([0.9, 0.7, 0.05, 0.02], [True, True, False, False]) for _ in range(6)]
    points = operating_points(curve_of(scans), Calibration(intercept=0.0, slope=12.0))
    assert 0 < points.screening < 1e-19 < points.balanced


def test_operating_points_without_any_bleed() -> None:
    assert operating_points(curve_of([scored([0.5], [False])]), Calibration()) == OperatingPoints()


def test_calibrated_score_by_hand() -> None:
    calibration = Calibration(intercept=1.0, slope=2.0)
    assert calibration.score([0.0, -0.5, 900.0]).tolist() == pytest.approx([0.731058578, 0.5, 1.0])
