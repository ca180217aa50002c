"""Centrelines as arrays [N, 3] of mm: resampling, smoothing, wandering."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

Points = NDArray[np.float64]


def arc_length_mm(points: Points) -> NDArray[np.float64]:
    """Return the length from the first point to each point, [N]."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def spline(points: ArrayLike, step_mm: float = 1.0) -> Points:
    """Return a natural cubic spline through ``points`` [K, 3] at about every ``step_mm``, [N, 3]."""
    knots: Points = np.asarray(points, dtype=np.float64)
    keep = np.concatenate([[True], np.linalg.norm(np.diff(knots, axis=0), axis=1) > 1e-6])
    knots = knots[keep]
    if len(knots) < 3:
        return resample(knots, step_mm)
    length = arc_length_mm(knots)
    count = max(2, int(np.ceil(length[-1] / step_mm)) + 1)
    return CubicSpline(length, knots, bc_type="natural")(np.linspace(0, length[-1], count))


def resample(points: Points, step_mm: float) -> Points:
    """Return the polyline at even steps of about ``step_mm``, [N, 3], ends kept."""
    length = arc_length_mm(points)
    at = np.linspace(0, length[-1], max(2, int(np.ceil(length[-1] / step_mm)) + 1))
    return np.stack([np.interp(at, length, points[:, axis]) for axis in range(3)], axis=1)


def smooth(points: Points, rounds: int, keep_ends: bool = True) -> Points:
    """Return ``points`` after ``rounds`` of (1, 2, 1)/4 averaging along the line."""
    points = points.copy()
    for _ in range(rounds):
        inner = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
        if not keep_ends:
            points[0] = (points[0] + points[1]) / 2
            points[-1] = (points[-1] + points[-2]) / 2
        points[1:-1] = inner
    return points


def refine(points: Points, radius: NDArray[np.float64]) -> tuple[Points, NDArray[np.float64]]:
    """Insert a point between each pair by the four-point rule (Dyn et al. 1987), so bends become round."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    middle = (9 * (padded[1:-2] + padded[2:-1]) - padded[:-3] - padded[3:]) / 16
    fine = np.empty((2 * len(points) - 1, 3))
    fine[::2], fine[1::2] = points, middle
    fine_radius = np.empty(len(fine))
    fine_radius[::2], fine_radius[1::2] = radius, (radius[:-1] + radius[1:]) / 2
    return fine, fine_radius


def wander(count: int, amplitude_mm: float, correlation: int, generator: np.random.Generator) -> Points:
    """Return a smooth random offset [count, 3] of the given standard deviation that is zero at both ends."""
    noise = generator.standard_normal((count + 2 * correlation, 3))
    kernel = np.hanning(2 * correlation + 3)[1:-1]
    kernel /= np.sqrt((kernel**2).sum())
    walk = np.stack([np.convolve(noise[:, axis], kernel, "same") for axis in range(3)], axis=1)
    window = np.sin(np.pi * np.linspace(0, 1, count)) ** 0.5
    return amplitude_mm * walk[correlation : correlation + count] * window[:, None]
