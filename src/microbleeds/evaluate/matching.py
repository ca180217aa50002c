"""Which candidate is a hit on which microbleed.

Conventions:
    * Positions are RAS mm, shape [N, 3]; an empty set has shape [0, 3].
    * Matching is one-to-one, highest score first (picai_eval's Hungarian assignment on overlap can discard
      the confident candidate; ours cannot). The match of all candidates above any threshold is therefore a
      prefix of the match of all candidates, so one pass serves the whole FROC curve.
    * A hit lies within 5 mm of the truth (the rule of VALDO 2021, Sudre et al. 2024); 3 mm is reported too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microbleeds.errors import InputError

HIT_RADIUS_MM = 5.0
STRICT_RADIUS_MM = 3.0
MISSED = -np.inf


@dataclass(frozen=True, eq=False)
class Match:
    """The outcome of matching N candidates with M truths of one scan.

    Args:
        hit: [N] whether the candidate was matched with a truth.
        ignored: [N] whether the candidate is neither a hit nor a false positive.
        truth_index: [N] index of the matched truth, -1 without one.
        distance_mm: [N] distance to the matched truth, NaN without one.
        truth_score: [M] score of the candidate that found each truth, ``-inf`` where it was missed.
    """

    hit: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    truth_index: NDArray[np.int64]
    distance_mm: NDArray[np.float64]
    truth_score: NDArray[np.float64]

    @property
    def false_positive(self) -> NDArray[np.bool_]:
        """[N] whether the candidate is a false positive (a second candidate on one truth is one)."""
        return ~(self.hit | self.ignored)

    @property
    def found(self) -> NDArray[np.bool_]:
        """[M] whether each truth was found."""
        return self.truth_score > MISSED


def match(
    candidates_mm: ArrayLike,
    scores: ArrayLike,
    truth_mm: ArrayLike,
    ignored_mm: ArrayLike | None = None,
    radius_mm: float = HIT_RADIUS_MM,
) -> Match:
    """Match candidates with truths one-to-one, highest score first, each with its nearest free truth.

    A candidate whose nearest free neighbour within the radius is an ignored point (a microbleed that is not
    visible, say) is neither a hit nor a false positive; an ignored point absorbs any number of candidates.
    Equal scores are taken in the order of their distance to the nearest truth, then of their coordinates,
    so that the result doesn't depend on the order of the input.

    Args:
        candidates_mm: [N, 3] RAS mm.
        scores: [N].
        truth_mm: [M, 3] RAS mm.
        ignored_mm: [K, 3] RAS mm.
        radius_mm: largest distance of a hit, included.

    Raises:
        InputError: if a shape is wrong or a number isn't finite.
    """
    candidates, truth = points(candidates_mm, "Candidates"), points(truth_mm, "Truths")
    ignored = points(ignored_mm if ignored_mm is not None else [], "Ignored truths")
    score = np.asarray(scores, dtype=np.float64).reshape(-1)
    if len(score) != len(candidates):
        raise InputError(f"There are {len(candidates)} candidates but {len(score)} scores; give each one.")
    if not np.isfinite(score).all():
        raise InputError("A candidate's score is not a finite number; remove or repair it.")

    to_truth, to_ignored = _distances(candidates, truth), _distances(candidates, ignored)
    nearest_ignored = to_ignored.min(axis=1, initial=np.inf)
    nearest_truth = to_truth.min(axis=1, initial=np.inf)
    order = np.lexsort((*candidates.T[::-1], nearest_truth, -score))

    truth_index = np.full(len(candidates), -1)
    is_ignored = np.zeros(len(candidates), dtype=bool)
    for n in order:
        target = int(np.argmin(to_truth[n])) if len(truth) else -1
        distance = to_truth[n, target] if len(truth) else np.inf
        if min(distance, nearest_ignored[n]) > radius_mm:
            continue
        if nearest_ignored[n] < distance:
            is_ignored[n] = True
        else:
            truth_index[n] = target
            to_truth[:, target] = np.inf
    return _match(candidates, score, truth, truth_index, is_ignored)


def points(positions_mm: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return positions as float64 [N, 3]; ``what`` names them in the sentence of an error.

    Raises:
        InputError: if the shape isn't [N, 3] or a coordinate isn't finite.
    """
    array = np.asarray(positions_mm, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 3))
    if array.ndim != 2 or array.shape[1] != 3:
        raise InputError(f"{what} must have shape (N, 3) in RAS mm, got {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError(f"{what} hold a coordinate that is not a finite number; remove or repair it.")
    return array


def _match(
    candidates: NDArray[np.float64],
    score: NDArray[np.float64],
    truth: NDArray[np.float64],
    truth_index: NDArray[np.int64],
    ignored: NDArray[np.bool_],
) -> Match:
    """Fill a :class:`Match` from the truth that each candidate took."""
    hit = truth_index >= 0
    distance = np.full(len(candidates), np.nan)
    distance[hit] = np.linalg.norm(candidates[hit] - truth[truth_index[hit]], axis=1)
    truth_score = np.full(len(truth), MISSED)
    truth_score[truth_index[hit]] = score[hit]
    return Match(hit, ignored, truth_index, distance, truth_score)


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Euclidean distances [N, M] between points [N, 3] and [M, 3]."""
    return np.linalg.norm(a[:, None, :] - b[None, :, :], axis=2)
