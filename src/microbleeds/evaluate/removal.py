"""What the rule on places removed: false positives, and true microbleeds that it should have left.

Candidates that their place ruled out are put back, at and above the scan's operating point, and the cohort is
matched again: what that adds in hits was lost, what it adds in false positives was removed.
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
        lowest_score: candidates below it don't count, whatever their place (the lowest of all scans, each of which
            may have its own operating point); ``None`` where nothing tells.
        candidates: ruled out by their place, from their scan's operating point on.
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
        threshold: operating point; where ``None``, the one that each scan's findings say.
        radius_mm: a hit lies within it.
    """
    unsaid = _lowest_kept([case for case in cases if case.predictions.cut is None])
    own = [unsaid if case.predictions.cut is None else case.predictions.cut for case in cases]
    cuts = own if threshold is None else [threshold] * len(cases)
    told = [(case, cut) for case, cut in zip(cases, cuts, strict=True) if cut is not None]
    if not told:
        return RemovalScores(None, 0, 0, 0)
    numbers = np.sum([_one(case, threshold, cut, radius_mm) for case, cut in told], axis=0)
    return RemovalScores(min(cut for _, cut in told), *(int(number) for number in numbers))


def _lowest_kept(cases: Sequence[Case]) -> float | None:
    """Return the lowest score that counted, in place of an operating point; a reader's additions have score 0."""
    kept = np.concatenate([np.zeros(0), *(case.predictions.scores[case.predictions.kept] for case in cases)])
    scored = kept[kept != 0]
    return float(scored.min()) if len(scored) else None


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
