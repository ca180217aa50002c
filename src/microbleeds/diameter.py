"""Apparent diameter of a dark spot: full width at half depth on the SWI, in its slice.

The apparent size is what a reader measures; it exceeds the bleed's own by the blooming of the
susceptibility effect, and grows with echo time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

REACH_MM = 8.0  # bleeds are at most 10 mm across, so their rim lies within 5 mm
SEARCH_MM = 1.5  # the detector's centre is good to about 0.3 mm, its worst case to about 1
RING_MM = 5.0
FINE_MM = 0.125
SHALLOWEST = 0.1  # of the surroundings; below it noise decides the width


def apparent_diameter_mm(swi: NDArray[np.float32], voxel: ArrayLike, spacing_mm: ArrayLike) -> float | None:
    """Measure the dark spot at ``voxel``.

    Args:
        swi: [X, Y, Z] with slices along the last axis, any scale.
        voxel: [3] floating-point position.
        spacing_mm: [3].

    Returns:
        Diameter in mm of the circle with the area darker than half-way between the spot and its surroundings;
        ``None`` if the spot is shallow or runs out of the neighbourhood (a vessel, say).
    """
    position, spacing = np.asarray(voxel, dtype=np.float64), np.asarray(spacing_mm, dtype=np.float64)
    k = int(np.clip(np.round(position[2]), 0, swi.shape[2] - 1))
    steps = np.arange(-REACH_MM, REACH_MM + FINE_MM / 2, FINE_MM)
    u, v = np.meshgrid(steps, steps, indexing="ij")
    coordinates = [position[0] + u / spacing[0], position[1] + v / spacing[1]]
    patch = ndimage.map_coordinates(swi[:, :, k], coordinates, order=1, mode="nearest")
    radius = np.hypot(u, v)
    near = np.where(radius <= SEARCH_MM, patch, np.inf)
    darkest = np.unravel_index(int(np.argmin(near)), near.shape)
    ring = patch[(radius >= RING_MM) & (patch > 0)]
    if len(ring) == 0:
        return None
    around, depth = float(np.median(ring)), float(np.median(ring) - near[darkest])
    if depth < SHALLOWEST * around:
        return None
    labels, _ = ndimage.label(patch < around - depth / 2)
    spot = labels == labels[darkest]
    if labels[darkest] == 0 or spot[[0, -1], :].any() or spot[:, [0, -1]].any():
        return None
    return float(2 * np.sqrt(spot.sum() * FINE_MM**2 / np.pi))
