"""What `detection.py calibrate` writes into a card, of scans with phase and of scans without."""

from __future__ import annotations

import numpy as np

from detection import _calibrated
from little_card import little_card
from microbleeds.evaluate import match
from microbleeds.networks.config import DetectorConfig
from microbleeds.training.calibrate import scoring_of
from microbleeds.training.scoring import SubjectScore
from microbleeds.weights import Calibration

CARD = little_card(DetectorConfig(), scores={"test_paper": 0.9}, calibration=Calibration(intercept=3.0, slope=2.0))


def scored(scores: list[float], hits: list[bool]) -> list[SubjectScore]:
    places = np.array([[20.0 * n, 0, 0] for n in range(len(scores))])
    found = match(places, scores, places[np.array(hits)])
    return [SubjectScore(f"sub-{n}", places, np.array(scores), found) for n in range(6)]


WITH_PHASE = scored([0.9, 0.8, 0.2], [True, True, False])
WITHOUT = scored([0.9, 0.8, 0.7, 0.2], [True, False, True, False])


def test_first_with_phase_and_then_without() -> None:
    card = _calibrated(CARD, WITH_PHASE, with_phase=True, keep_scores=False)
    assert card.scoring(with_phase=True) == scoring_of(WITH_PHASE)
    assert card.without_phase is None
    assert all(name.startswith("validation_sens") or name == "validation_mean_sensitivity" for name in card.scores)
    both = _calibrated(card, WITHOUT, with_phase=False, keep_scores=False)
    assert both.scoring(with_phase=True) == scoring_of(WITH_PHASE)
    assert both.without_phase == scoring_of(WITHOUT, with_phase=False)
    assert both.scores.items() > card.scores.items()
    assert both.scores["validation_without_phase_sensitivity_at_half_fp"] < 1


def test_the_calibration_is_kept_where_that_is_asked() -> None:
    card = _calibrated(CARD, WITH_PHASE, with_phase=True, keep_scores=True)
    assert card.calibration == CARD.calibration
    assert card.operating_points != CARD.operating_points
