"""Free-response receiver operating characteristic: sensitivity against false positives per subject.

Conventions:
    * Every score is a candidate threshold, the lowest included (MONAI's FROC drops it, so that a perfect
      result with one lesion scores 0 there); candidates with equal scores come in together.
    * A subject without microbleeds counts in the denominator of the false positives.
    * The curve is a staircase: the sensitivity *at* a number of false positives is the best that a threshold
      reaches without exceeding that number; nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microbleeds.evaluate.matching import HIT_RADIUS_MM, Match, match

#: False positives per subject at which sensitivities are reported and averaged (LUNA16, Setio et al. 2017).
REPORTED_FALSE_POSITIVES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, eq=False)
class SubjectResult:
    """What one subject adds to a curve.

    Args:
        name: the subject.
        scores: [N] of the candidates that count (ignored ones are left out).
        hit: [N] whether each is a hit; otherwise it is a false positive.
        truth_count: number of microbleeds that count.
    """

    name: str
    scores: NDArray[np.float64]
    hit: NDArray[np.bool_]
    truth_count: int


@dataclass(frozen=True, eq=False)
class Froc:
    """A FROC curve over T thresholds, from the strictest (nothing passes) to the loosest.

    Args:
        thresholds: [T] falling; the first is ``inf``. A candidate passes with ``score >= threshold``.
        sensitivity: [T] found share of the microbleeds; NaN when the cohort has none.
        false_positives: [T] per subject.
        precision: [T] NaN where nothing passes.
    """

    thresholds: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    false_positives: NDArray[np.float64]
    precision: NDArray[np.float64]

    def sensitivity_at(self, false_positives: ArrayLike) -> NDArray[np.float64]:
        """Return the best sensitivity at no more than these false positives per subject, same shape."""
        wanted = np.asarray(false_positives, dtype=np.float64)
        last = np.searchsorted(self.false_positives, wanted, side="right") - 1
        return self.sensitivity[last]

    def threshold_at(self, false_positives: float) -> float:
        """Return the strictest threshold that reaches :meth:`sensitivity_at` this number."""
        sensitivity = float(self.sensitivity_at(false_positives))
        if np.isnan(sensitivity):
            return float("inf")
        return float(self.thresholds[np.argmax(self.sensitivity >= sensitivity)])

    @property
    def mean_sensitivity(self) -> float:
        """Mean sensitivity over :data:`REPORTED_FALSE_POSITIVES`: the curve as one number."""
        return float(np.mean(self.sensitivity_at(REPORTED_FALSE_POSITIVES)))


def subject_result(
    name: str,
    candidates_mm: ArrayLike,
    scores: ArrayLike,
    truth_mm: ArrayLike,
    ignored_mm: ArrayLike | None = None,
    radius_mm: float = HIT_RADIUS_MM,
) -> SubjectResult:
    """Match one subject (see :func:`microbleeds.evaluate.matching.match`) and keep what a curve needs."""
    found = match(candidates_mm, scores, truth_mm, ignored_mm, radius_mm)
    return result_of(name, scores, found)


def result_of(name: str, scores: ArrayLike, found: Match) -> SubjectResult:
    """Keep from a match what a curve needs; ignored candidates are dropped."""
    counted = ~found.ignored
    score = np.asarray(scores, dtype=np.float64).reshape(-1)
    return SubjectResult(name, score[counted], found.hit[counted], len(found.truth_score))


def froc(results: Sequence[SubjectResult]) -> Froc:
    """Return the FROC curve of a cohort; subjects without microbleeds and without candidates count."""
    scores = np.concatenate([np.zeros(0), *(r.scores for r in results)])
    hit = np.concatenate([np.zeros(0, dtype=bool), *(r.hit for r in results)])
    order = np.argsort(-scores, kind="stable")
    scores, hit = scores[order], hit[order]
    last_of_tie = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    hits = np.concatenate([[0], np.cumsum(hit)[last_of_tie]])
    passed = np.concatenate([[0], np.arange(1, len(scores) + 1)[last_of_tie]])
    truths = sum(r.truth_count for r in results)
    return Froc(
        thresholds=np.concatenate([[np.inf], scores[last_of_tie]]),
        sensitivity=hits / truths if truths else np.full(len(hits), np.nan),
        false_positives=(passed - hits) / max(1, len(results)),
        precision=np.divide(hits, passed, out=np.full(len(hits), np.nan), where=passed > 0),
    )
