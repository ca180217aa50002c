"""Whole-brain scores of a model on training or validation subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.compute import Compute
from microbleeds.detect import DetectSettings, detect
from microbleeds.evaluate import Froc, Match, froc, match, result_of
from microbleeds.networks.detector import Detector
from microbleeds.training.subjects import TrainingSubject


@dataclass(frozen=True, eq=False)
class SubjectScore:
    """Candidates of one subject and their match with its truth.

    Args:
        name: of the subject.
        positions_mm: [N, 3].
        scores: [N].
        match: with the subject's truth.
    """

    name: str
    positions_mm: NDArray[np.float64]
    scores: NDArray[np.float64]
    match: Match


def score_subject(
    subject: TrainingSubject,
    model: Detector,
    settings: DetectSettings,
    compute: Compute,
    *,
    with_phase: bool = True,
) -> SubjectScore:
    """Search one subject, with its phase or without, and match what is found."""
    found = detect(subject.prepared(with_phase=with_phase), model, settings, compute)
    positions = np.array([candidate.position_ras_mm for candidate in found]).reshape(-1, 3)
    scores = np.array([candidate.score for candidate in found])
    to_mm = subject.grid.to_mm
    matched = match(positions, scores, to_mm(subject.bleeds), to_mm(subject.ignored))
    return SubjectScore(subject.name, positions, scores, matched)


def score_subjects(
    subjects: Sequence[TrainingSubject],
    model: Detector,
    settings: DetectSettings,
    compute: Compute,
    *,
    with_phase: bool = True,
) -> list[SubjectScore]:
    """Search several subjects."""
    return [score_subject(subject, model, settings, compute, with_phase=with_phase) for subject in subjects]


def curve_of(scored: Sequence[SubjectScore]) -> Froc:
    """FROC curve of the subjects."""
    return froc([result_of(score.name, score.scores, score.match) for score in scored])


def summary(curve: Froc) -> dict[str, float]:
    """The figures that are logged; NaN where no subject has a visible microbleed."""
    half, one, two = (float(value) for value in curve.sensitivity_at([0.5, 1.0, 2.0]))
    return {
        "sensitivity_at_half_fp": half,
        "sensitivity_at_1_fp": one,
        "sensitivity_at_2_fp": two,
        "mean_sensitivity": curve.mean_sensitivity,
    }
