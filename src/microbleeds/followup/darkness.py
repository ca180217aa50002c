"""How dark a place of the brain is against its surroundings, so that two visits can be set against each other.

A candidate's score says whether the network takes a spot for a bleed. Whether a spot is there at all is another
question, and the image answers it: a vessel or an old bleed that the other visit's search passed over is dark
there all the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from microbleeds.geometry import Grid

STEP_MM = 0.5
HALF_WIDTH_MM = 8.0
RING_MM = 5.0  # bleeds are at most 10 mm across
SMOOTH_MM = 0.5  # standard deviation: noise of single voxels is no spot


def darkness(swi: NDArray[np.float32], grid: Grid, place_mm: ArrayLike, reach_mm: float) -> float | None:
    """Return how much darker than its surroundings the darkest point near a place is, 0 (not at all) to 1.

    Args:
        swi: [X, Y, Z] on the canonical ``grid``, any scale.
        grid: of the image.
        place_mm: [3], RAS.
        reach_mm: how far from the place the darkest point is looked for.

    Returns:
        1 minus the darkest value over the median between 5 and 8 mm away; ``None`` where the surroundings are
        black, as outside of the head.
    """
    steps = np.arange(-HALF_WIDTH_MM, HALF_WIDTH_MM + STEP_MM / 2, STEP_MM)
    offsets_mm = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    voxels = grid.to_ijk(place_mm) + offsets_mm / grid.spacing_mm
    patch = ndimage.map_coordinates(swi, np.moveaxis(voxels, -1, 0), order=1, mode="nearest")
    patch = ndimage.gaussian_filter(patch, SMOOTH_MM / STEP_MM)
    distance_mm = np.linalg.norm(offsets_mm, axis=-1)
    ring = patch[(distance_mm >= RING_MM) & (distance_mm <= HALF_WIDTH_MM)]
    around = float(np.median(ring))
    if around <= 0:
        return None
    return float(np.clip(1 - patch[distance_mm <= reach_mm].min() / around, 0, 1))
