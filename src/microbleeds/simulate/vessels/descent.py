"""Paths that run down a distance field, all at once: the course of medullary veins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.simulate.vessels.head import Field, Head

STEP_MM = 0.75


@dataclass(frozen=True)
class Descent:
    """How paths run.

    Args:
        level_mm: a path ends where the field falls to this.
        longest_mm: a path that has not arrived after this length is dropped.
        persistence: share of the old direction kept at each step (straight veins: near 1).
        noise: standard deviation of the random turn per step, as a share of the step.
    """

    level_mm: float
    longest_mm: float
    persistence: float = 0.75
    noise: float = 0.12


def descend(
    head: Head,
    field: Field,
    starts_mm: NDArray[np.float64],
    rule: Descent,
    generator: np.random.Generator,
) -> list[NDArray[np.float64]]:
    """Return for each start [N, 3] its path [M, 3] to the level, without those that did not arrive."""
    count = len(starts_mm)
    if count == 0:
        return []
    steps = int(rule.longest_mm / STEP_MM)
    track = np.empty((steps + 1, count, 3))
    track[0] = starts_mm
    direction = -head.gradient(field, starts_mm)
    length = np.full(count, -1)
    for step in range(1, steps + 1):
        turn = -head.gradient(field, track[step - 1]) + 0.0
        noise = rule.noise * generator.standard_normal((count, 3))
        direction = rule.persistence * direction + (1 - rule.persistence) * turn + noise
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-6)
        track[step] = track[step - 1] + STEP_MM * direction
        arrived = (length < 0) & (head.sample(field, track[step]) <= rule.level_mm)
        length[arrived] = step
    return [track[: length[n] + 1, n] for n in range(count) if length[n] > 1]
