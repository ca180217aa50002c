"""Rigid maps between the worlds of two visits: parts, means and distances.

Conventions:
    * A map is a [4, 4] matrix on RAS mm; ``b_from_a`` takes a point of ``a`` to ``b``.
    * ITK works in LPS mm; a matrix crosses over by :func:`flipped`, its own inverse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def flipped(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same map in LPS mm for one in RAS mm, and back."""
    return _FLIP @ matrix @ _FLIP


def applied(matrix: NDArray[np.float64], points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map points [..., 3]."""
    return np.asarray(points_mm, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map the other way round."""
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def nearest_rigid(affine: NDArray[np.float64], centre_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rigid map nearest to an affine one; both take ``centre_mm`` [3] to the same point."""
    left, _, right = np.linalg.svd(affine[:3, :3])
    sides = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(left @ right)))])
    matrix = np.eye(4)
    matrix[:3, :3] = left @ sides @ right
    matrix[:3, 3] = applied(affine, centre_mm) - matrix[:3, :3] @ centre_mm
    return matrix


def halfway(
    one: NDArray[np.float64], other: NDArray[np.float64], centre_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean of two rigid maps: half the turn between them, and the mean of where they take a centre."""
    between = Rotation.from_matrix(other[:3, :3] @ one[:3, :3].T).as_rotvec()
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(between / 2).as_matrix() @ one[:3, :3]
    middle = (applied(one, centre_mm) + applied(other, centre_mm)) / 2
    matrix[:3, 3] = middle - matrix[:3, :3] @ centre_mm
    return matrix


def distances_mm(
    one: NDArray[np.float64], other: NDArray[np.float64], points_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far apart two maps take each point: [N] mm for points [N, 3]."""
    return np.linalg.norm(applied(one, points_mm) - applied(other, points_mm), axis=-1)


def rotation_deg(matrix: NDArray[np.float64]) -> float:
    """Return the angle of a rigid map's turn in degrees."""
    return float(np.rad2deg(Rotation.from_matrix(matrix[:3, :3]).magnitude()))
