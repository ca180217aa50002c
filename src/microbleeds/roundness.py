"""Roundness of a dark spot: its smallest over its largest extent, in mm, with what voxels blur taken off.

Readers call a microbleed round or oval and a vessel linear (Greenberg 2009). The spot is what is darker than
half-way between its darkest point and its surroundings, in three dimensions and in mm, so that neither a slice of
3 mm nor an oblique grid matters. Its extents are those along the principal axes of its second moments.

Conventions:
    * 1 is a ball, 0 a line; a disc is as little round as a line.
    * A voxel cannot show what is smaller than itself, and a ball between two slices darkens both. So an extent
      counts as long only by what exceeds :data:`BLUR_VOXELS` voxels along it: coarse slices never make a ball a
      tube, but may hide that a small spot is one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

REACH_MM = 8.0  # bleeds are at most 10 mm across, so their rim lies within 5 mm
SEARCH_MM = 1.5  # the detector's centre is good to about 0.3 mm, its worst case to about 1
RING_MM = 5.0
FINE_MM = 0.5
SHALLOWEST = 0.1  # of the surroundings; below it noise decides the shape
BLUR_VOXELS = 2.0


def roundness(swi: NDArray[np.float32], voxel: ArrayLike, spacing_mm: ArrayLike) -> float | None:
    """Measure the dark spot at ``voxel``.

    Args:
        swi: [X, Y, Z], any scale, slices along any axis.
        voxel: [3] floating-point position.
        spacing_mm: [3].

    Returns:
        0..1; ``None`` where there is no spot darker than its surroundings by a tenth.
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    patch, offsets_mm = _neighbourhood(swi, np.asarray(voxel, dtype=np.float64), spacing)
    spot = _spot(patch, np.linalg.norm(offsets_mm, axis=-1))
    if spot is None:
        return None
    return _roundness_of(offsets_mm[spot], spacing)


def _neighbourhood(
    swi: NDArray[np.float32], position: NDArray[np.float64], spacing: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the image around a position in cubes of :data:`FINE_MM`, [N, N, N], and their offsets in mm."""
    steps = np.arange(-REACH_MM, REACH_MM + FINE_MM / 2, FINE_MM)
    offsets_mm = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    coordinates = np.moveaxis(position + offsets_mm / spacing, -1, 0)
    # Beyond the image its mirror image: the last slice repeated would make a tube of a ball.
    return ndimage.map_coordinates(swi, coordinates, order=1, mode="mirror"), offsets_mm


def _spot(patch: NDArray[np.float32], radius_mm: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Return what hangs together with the darkest point near the middle and is darker than half its depth."""
    near = np.where(radius_mm <= SEARCH_MM, patch, np.inf)
    darkest = np.unravel_index(int(np.argmin(near)), near.shape)
    shell = patch[(radius_mm >= RING_MM) & (radius_mm <= REACH_MM) & (patch > 0)]
    if len(shell) == 0:
        return None
    around = float(np.median(shell))
    depth = around - float(near[darkest])
    if depth < SHALLOWEST * around:
        return None
    # A ball: at its corners a cube would hold more of a vessel that runs along its diagonal.
    labels, _ = ndimage.label((patch < around - depth / 2) & (radius_mm <= REACH_MM))
    return labels == labels[darkest]


def _roundness_of(points_mm: NDArray[np.float64], spacing: NDArray[np.float64]) -> float:
    """Return the roundness of the points [N, 3] of a spot.

    The variance along a principal axis is that of the spot and its blur. Its upper end serves for the shortest
    extent, its lower end (less a box of :data:`BLUR_VOXELS` voxels) for the longest: the roundest shape that
    would look so.
    """
    centred = points_mm - points_mm.mean(axis=0)
    # The points stand for cubes, whose own variance keeps a spot of one point from having none.
    covariance = centred.T @ centred / len(points_mm) + np.eye(3) * FINE_MM**2 / 12
    variance, axes = np.linalg.eigh(covariance)
    along_voxels = np.sqrt(np.square(axes.T) @ np.square(spacing))
    longest = float((variance - np.square(BLUR_VOXELS * along_voxels) / 12).max())
    shortest = float(variance.min())
    return 1.0 if longest <= shortest else float(np.sqrt(shortest / longest))
