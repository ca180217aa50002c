"""Scoring of detections against the truth (no torch): matching, FROC, intervals, strata, patients."""

from __future__ import annotations

from microbleeds.evaluate.calibration import Calibration, calibration
from microbleeds.evaluate.cases import Case, Predictions, Truth, predictions, truth
from microbleeds.evaluate.froc import (
    REPORTED_FALSE_POSITIVES,
    Froc,
    SubjectResult,
    froc,
    result_of,
    subject_result,
)
from microbleeds.evaluate.intervals import Interval, bootstrap
from microbleeds.evaluate.matching import HIT_RADIUS_MM, STRICT_RADIUS_MM, Match, match
from microbleeds.evaluate.pairing import read_cases
from microbleeds.evaluate.patient import (
    BURDEN_CLASSES,
    Agreement,
    burden_agreement,
    burden_class,
    is_strictly_lobar,
)
from microbleeds.evaluate.placement import PlacementScores, placement_scores
from microbleeds.evaluate.readers import read_predictions, read_truth
from microbleeds.evaluate.removal import RemovalScores, removal_scores
from microbleeds.evaluate.scores import Scores, evaluate_cohort
from microbleeds.evaluate.strata import Stratum, by_label, by_value

__all__ = [
    "BURDEN_CLASSES",
    "HIT_RADIUS_MM",
    "REPORTED_FALSE_POSITIVES",
    "STRICT_RADIUS_MM",
    "Agreement",
    "Calibration",
    "Case",
    "Froc",
    "Interval",
    "Match",
    "PlacementScores",
    "Predictions",
    "RemovalScores",
    "Scores",
    "Stratum",
    "SubjectResult",
    "Truth",
    "bootstrap",
    "burden_agreement",
    "burden_class",
    "by_label",
    "by_value",
    "calibration",
    "evaluate_cohort",
    "froc",
    "is_strictly_lobar",
    "match",
    "placement_scores",
    "predictions",
    "read_cases",
    "read_predictions",
    "read_truth",
    "removal_scores",
    "result_of",
    "subject_result",
    "truth",
]
