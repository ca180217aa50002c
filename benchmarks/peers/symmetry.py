"""Radial symmetry of dark spots, after Loy and Zelinsky (2003), with votes in mm on an anisotropic grid.

Each voxel with a clear gradient votes for the point that lies ``radius`` against its gradient: the middle of a
dark ball of that radius. Points with many votes from all around are candidates; a vessel gathers votes from two
sides only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

RADII_MM = (1.0, 2.0, 3.0)
SMOOTHING_MM = 0.5
LEAST_GRADIENT = 0.03  # of the brain's brightness per mm; noise stays below
FULL_GRADIENT = 0.15  # votes of steeper edges weigh no more than this one
SEPARATION_MM = 2.0  # of candidates


def symmetry_map(
    swi: NDArray[np.float32], brain: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the votes for each voxel [X, Y, Z], mean over radii.

    Args:
        swi: [X, Y, Z], 1 is the brightness of the brain.
        brain: [X, Y, Z]; only its voxels vote, since its border is an edge everywhere.
        spacing_mm: [3].
    """
    smooth = ndimage.gaussian_filter(swi, SMOOTHING_MM / spacing_mm)
    gradient = [np.gradient(smooth, step, axis=axis).astype(np.float32) for axis, step in enumerate(spacing_mm)]
    size = np.sqrt(sum(g**2 for g in gradient))
    voters = np.argwhere((size > LEAST_GRADIENT) & brain)
    steep = size[tuple(voters.T)]
    direction = np.stack([g[tuple(voters.T)] for g in gradient], axis=1) / steep[:, None]
    weight = np.minimum(steep, FULL_GRADIENT) / FULL_GRADIENT
    total = np.zeros(swi.shape, dtype=np.float32)
    for radius in RADII_MM:
        # Voters of a larger ball are more, by its surface.
        total += _votes(voters, direction, weight, radius, spacing_mm, swi.shape) / radius**2
    smoothed = ndimage.gaussian_filter(total, SMOOTHING_MM / spacing_mm) / np.float32(len(RADII_MM))
    return np.asarray(smoothed * brain, dtype=np.float32)


def _votes(
    voters: NDArray[np.int64],
    direction: NDArray[np.float32],
    weight: NDArray[np.float32],
    radius_mm: float,
    spacing_mm: NDArray[np.float64],
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """Return the sum of weights that fall on each voxel [X, Y, Z]."""
    targets = np.round(voters - radius_mm * direction / spacing_mm).astype(np.int64)
    inside = np.all((targets >= 0) & (targets < shape), axis=1)
    index = np.ravel_multi_index(tuple(targets[inside].T), shape)
    votes = np.bincount(index, weights=weight[inside], minlength=int(np.prod(shape)))
    return votes.reshape(shape).astype(np.float32)


def peaks(
    votes: NDArray[np.float32], spacing_mm: NDArray[np.float64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the voxels [N, 3] with the most votes around them, and the votes [N], most first."""
    reach = np.maximum(1, np.round(SEPARATION_MM / spacing_mm)).astype(int)
    largest = ndimage.maximum_filter(votes, 2 * reach + 1)
    voxels = np.argwhere((votes == largest) & (votes > 0))
    found = votes[tuple(voxels.T)]
    order = np.argsort(-found, kind="stable")[:most]
    return voxels[order], found[order]
