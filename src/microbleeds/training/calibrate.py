"""Scores that mean something: Platt scaling and operating points from validation subjects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from microbleeds.evaluate import Froc
from microbleeds.training.scoring import SubjectScore
from microbleeds.weights.card import Calibration, OperatingPoints

BALANCED_FALSE_POSITIVES = 1.0
SCREENING_FALSE_POSITIVES = 4.0


def fit_calibration(scored: Sequence[SubjectScore]) -> Calibration:
    """Fit score = sigmoid(a + b logit) to hits and false positives (Platt 1999, with his soft targets).

    The scores must be uncalibrated. With fewer than 5 of either kind nothing can be fitted: identity.
    """
    empty = np.zeros(0)
    counted = [~score.match.ignored for score in scored]
    raw = np.concatenate([empty, *(s.scores[c] for s, c in zip(scored, counted, strict=True))])
    hit = np.concatenate([empty, *(s.match.hit[c] for s, c in zip(scored, counted, strict=True))]) > 0
    positives, negatives = int(hit.sum()), int((~hit).sum())
    if min(positives, negatives) < 5:
        return Calibration()
    safe = np.clip(raw, 1e-6, 1 - 1e-6)
    logit = np.log(safe / (1 - safe))
    target = np.where(hit, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def cross_entropy(parameters: NDArray[np.float64]) -> float:
        z = parameters[0] + np.exp(parameters[1]) * logit  # the slope stays positive: order is kept
        return float(np.mean(np.logaddexp(0, z) - target * z))

    intercept, log_slope = minimize(cross_entropy, np.zeros(2), method="BFGS").x
    return Calibration(intercept=float(intercept), slope=float(np.exp(log_slope)))


def operating_points(curve: Froc, calibration: Calibration) -> OperatingPoints:
    """Calibrated thresholds that give about 1 and 4 false positives per subject on an uncalibrated curve."""
    if np.isnan(curve.sensitivity).any():
        return OperatingPoints()
    thresholds = []
    for wanted in (BALANCED_FALSE_POSITIVES, SCREENING_FALSE_POSITIVES):
        raw = float(np.clip(curve.threshold_at(wanted), 1e-6, 1 - 1e-6))
        # Rounded down, so that the candidate on the threshold itself still passes.
        score = float(calibration.score(np.log(raw / (1 - raw))))
        thresholds.append(float(np.floor(score * 1000) / 1000))
    return OperatingPoints(balanced=thresholds[0], screening=min(thresholds))
