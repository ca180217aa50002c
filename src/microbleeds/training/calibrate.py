"""Scores that mean something: Platt scaling and operating points from validation subjects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from microbleeds.evaluate import Froc
from microbleeds.training.scoring import SubjectScore, curve_of
from microbleeds.weights.card import Calibration, OperatingPoints, Scoring

BALANCED_FALSE_POSITIVES = 0.5  # the paper reports 0.56 per subject; at 1, a last microbleed set the threshold
# Without phase half a one costs a third of the microbleeds (64 % found on validation scans, 80 % at 1, 91 % at 2);
# of these rates 1 gives the best F1.
BALANCED_WITHOUT_PHASE = 1.0
SCREENING_FALSE_POSITIVES = 4.0
FEWEST_OF_A_KIND = 5  # hits, and false positives; fewer say nothing


def kinds_of(scored: Sequence[SubjectScore]) -> tuple[int, int]:
    """How many candidates are hits, and how many are false positives."""
    hits = sum(int(score.match.hit.sum()) for score in scored)
    return hits, sum(int(score.match.false_positive.sum()) for score in scored)


def fit_calibration(scored: Sequence[SubjectScore]) -> Calibration:
    """Fit score = sigmoid(a + b logit) to hits and false positives (Platt 1999, with his soft targets).

    The scores must be uncalibrated. With fewer than 5 of either kind nothing can be fitted: identity.
    """
    positives, negatives = kinds_of(scored)
    if min(positives, negatives) < FEWEST_OF_A_KIND:
        return Calibration()
    empty = np.zeros(0)
    counted = [~score.match.ignored for score in scored]
    raw = np.concatenate([empty, *(s.scores[c] for s, c in zip(scored, counted, strict=True))])
    hit = np.concatenate([empty, *(s.match.hit[c] for s, c in zip(scored, counted, strict=True))]) > 0
    safe = np.clip(raw, 1e-6, 1 - 1e-6)
    logit = np.log(safe / (1 - safe))
    target = np.where(hit, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def cross_entropy(parameters: NDArray[np.float64]) -> float:
        z = parameters[0] + np.exp(parameters[1]) * logit  # the slope stays positive: order is kept
        return float(np.mean(np.logaddexp(0, z) - target * z))

    intercept, log_slope = minimize(cross_entropy, np.zeros(2), method="BFGS").x
    return Calibration(intercept=float(intercept), slope=float(np.exp(log_slope)))


def operating_points(curve: Froc, calibration: Calibration, *, with_phase: bool = True) -> OperatingPoints:
    """Calibrated thresholds for an uncalibrated curve.

    Balanced is the strictest that reaches the best sensitivity at half a false positive per subject, at one where
    the subjects were searched without phase; screening is the loosest that stays within 4.
    """
    if np.isnan(curve.sensitivity).any():
        return OperatingPoints()
    loosest = np.searchsorted(curve.false_positives, SCREENING_FALSE_POSITIVES, side="right") - 1
    most = BALANCED_FALSE_POSITIVES if with_phase else BALANCED_WITHOUT_PHASE
    balanced = _calibrated(curve.threshold_at(most), calibration)
    screening = _calibrated(float(curve.thresholds[loosest]), calibration)
    return OperatingPoints(balanced=balanced, screening=min(balanced, screening))


def scoring_of(
    scored: Sequence[SubjectScore], *, with_phase: bool = True, calibration: Calibration | None = None
) -> Scoring:
    """Calibration and operating points of the same uncalibrated scores.

    Args:
        scored: subjects, searched with their phase or without.
        with_phase: which of both.
        calibration: to keep, where only operating points are to be chosen.
    """
    calibration = calibration or fit_calibration(scored)
    points = operating_points(curve_of(scored), calibration, with_phase=with_phase)
    return Scoring(calibration=calibration, operating_points=points)


def _calibrated(raw: float, calibration: Calibration) -> float:
    """Calibrate a threshold and round it down, so that the candidate on it still passes.

    Three digits that count are kept, not three decimals: of few false positives a steep calibration leaves scores
    below 0.001, and at a threshold of 0 every peak of the map would count.
    """
    raw = float(np.clip(raw, 1e-6, 1 - 1e-6))
    score = float(calibration.score(np.log(raw / (1 - raw))))
    unit = 10.0 ** (np.floor(np.log10(score)) - 2)
    return float(f"{np.floor(score / unit) * unit:.3g}")
