"""What the rule on places removed: false positives, and true microbleeds that it should have left.

Candidates that their place ruled out are put back, at and above the operating point, and the cohort is matched
again: what that adds in hits was lost, what it adds in false positives was removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.evaluate.cases import Case
from microbleeds.evaluate.matching import match


@dataclass(frozen=True)
class RemovalScores:
    """What the rule removed of what would have counted.

    Args:
        lowest_score: candidates below it don't count, whatever their place; ``None`` where nothing counted.
        candidates: ruled out by their place, from that score on.
        bleeds_lost: visible microbleeds that only a ruled-out candidate found.
        false_positives_removed: those that would have counted.
    """

    lowest_score: float | None
    candidates: int
    bleeds_lost: int
    false_positives_removed: int


def removal_scores(cases: Sequence[Case], threshold: float | None, radius_mm: float) -> RemovalScores:
    """Score the removals of a cohort.

    Args:
        cases: predictions and truth of each scan.
        threshold: operating point; where ``None``, the lowest score that any program kept.
        radius_mm: a hit lies within it.
    """
    kept = np.concatenate([np.zeros(0), *(case.predictions.scores[case.predictions.kept] for case in cases)])
    lowest = threshold if threshold is not None else float(kept.min()) if len(kept) else None
    if lowest is None:
        return RemovalScores(None, 0, 0, 0)
    numbers = np.sum([_one(case, threshold, lowest, radius_mm) for case in cases], axis=0)
    return RemovalScores(lowest, *(int(number) for number in numbers))


def _one(case: Case, threshold: float | None, lowest: float, radius_mm: float) -> NDArray[np.int64]:
    """Return the candidates, the bleeds lost and the false positives removed of one scan, [3]."""
    found = case.predictions
    counted = found.kept if threshold is None else ~found.ruled_out & (found.scores >= threshold)
    back = found.ruled_out & (found.scores >= lowest)
    without, with_them = (_hits_and_false(case, chosen, radius_mm) for chosen in (counted, counted | back))
    return np.array([int((back & ~counted).sum()), *(with_them - without)], dtype=np.int64)


def _hits_and_false(case: Case, chosen: NDArray[np.bool_], radius_mm: float) -> NDArray[np.int64]:
    """Return hits and false positives of the chosen candidates, [2]."""
    found, truth = case.predictions, case.truth
    result = match(found.positions_mm[chosen], found.scores[chosen], truth.counted_mm, truth.ignored_mm, radius_mm)
    return np.array([result.hit.sum(), result.false_positive.sum()], dtype=np.int64)
