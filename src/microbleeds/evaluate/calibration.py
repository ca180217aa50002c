"""Whether a score of 0.8 is right in 80 % of cases: expected calibration error (Naeini 2015, equation 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microbleeds.errors import InputError


@dataclass(frozen=True, eq=False)
class Calibration:
    """Reliability of scores in B bins of equal width over 0..1.

    Args:
        error: expected calibration error, the mean gap between score and hit share weighted by bin size;
            NaN without candidates.
        mean_score: [B] mean score of each bin, NaN where empty.
        hit_share: [B] share of hits in each bin, NaN where empty.
        count: [B] candidates in each bin.
    """

    error: float
    mean_score: NDArray[np.float64]
    hit_share: NDArray[np.float64]
    count: NDArray[np.int64]


def calibration(scores: ArrayLike, hit: ArrayLike, bins: int = 10) -> Calibration:
    """Return how well scores in 0..1 agree with the share of hits.

    Args:
        scores: [N] in 0..1.
        hit: [N] whether each candidate was a hit.
        bins: number of bins; a score of exactly 1 falls in the last one.

    Raises:
        InputError: if a score lies outside 0..1 (it is then not a probability).
    """
    score = np.asarray(scores, dtype=np.float64).reshape(-1)
    right = np.asarray(hit, dtype=np.float64).reshape(-1)
    if len(score) and (score.min() < 0 or score.max() > 1):
        raise InputError(
            f"Scores must lie in 0..1 to be calibrated, got {score.min():.3g} to {score.max():.3g}; rescale them."
        )
    which = np.minimum((score * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    empty = np.full(bins, np.nan)
    mean_score = np.divide(np.bincount(which, score, bins), count, out=empty.copy(), where=count > 0)
    hit_share = np.divide(np.bincount(which, right, bins), count, out=empty.copy(), where=count > 0)
    gaps = np.nan_to_num(np.abs(mean_score - hit_share)) * count
    error = float(gaps.sum() / count.sum()) if count.sum() else float("nan")
    return Calibration(error, mean_score, hit_share, count)
