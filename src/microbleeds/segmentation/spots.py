"""The anatomy under what was found: dark spots are filled with their surroundings, and all is segmented again.

A bleed is dark as fluid, veins and cortex are, and it takes its surroundings with it: of the white matter within
2.5 mm of a bleed 15 % was drawn as such, of all white matter 66 % (validation scans). Where a bleed lies is asked
of the scan without it. The mask that was searched stays that of the scan as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.compute import Compute
from microbleeds.errors import InputError
from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import AnatomyNetwork
from microbleeds.scan import Candidate, Scan
from microbleeds.segmentation.segment import Segmentation, segment
from microbleeds.weights.anatomy_card import AnatomyCard

#: Beyond the apparent radius, which is where a spot is half as dark as in its middle. With 1.5 and 2.5 mm the same
#: 30 microbleeds of 12 validation scans got the right group (27 without filling) and 27 the right region (25).
BEYOND_MM = 1.5
LEAST_RADIUS_MM = 2.5
UNMEASURED_MM = 4.0  # diameter of what has none
SMOOTHNESS_MM = 2.0  # standard deviation of the weights with which surroundings fill a spot


def segment_without(
    scan: Scan,
    found: Segmentation,
    spots: Sequence[Candidate],
    network: AnatomyNetwork | None = None,
    compute: Compute | None = None,
    card: AnatomyCard | None = None,
) -> Segmentation:
    """Return the regions of a scan as they would be without the spots, with the brain mask of ``found``.

    Args:
        scan: the scan.
        found: its segmentation as it is; returned where there is nothing to fill or the regions are unknown.
        spots: what to fill.
        network: as for :func:`microbleeds.segmentation.segment`, like the following.
        compute: device and precision.
        card: of ``network``.
    """
    if not spots or not found.located:
        return found
    try:
        again = segment(without_spots(scan, spots), network, compute, card)
    except InputError:
        return found
    # Filling must not make a head doubtful that is one.
    worse = not again.located or (found.confident and not again.confident)
    return found if worse else replace(again, brain=found.brain)


def without_spots(scan: Scan, spots: Sequence[Candidate]) -> Scan:
    """Return a scan in which spots are filled with what lies around them, in SWI and magnitude."""
    hidden = _balls(scan.grid, spots)
    magnitude = None if scan.magnitude is None else _filled(scan.magnitude, hidden, scan.grid)
    return replace(scan, swi=_filled(scan.swi, hidden, scan.grid), magnitude=magnitude)


def _balls(grid: Grid, spots: Sequence[Candidate]) -> NDArray[np.bool_]:
    """Return the voxels that spots cover, [X, Y, Z]."""
    hidden = np.zeros(grid.shape, dtype=bool)
    for spot in spots:
        radius_mm = max(LEAST_RADIUS_MM, (spot.diameter_mm or UNMEASURED_MM) / 2 + BEYOND_MM)
        middle = grid.to_ijk(np.asarray(spot.position_ras_mm))
        reach = radius_mm / grid.spacing_mm
        start = np.clip(np.ceil(middle - reach), 0, grid.shape).astype(int)
        stop = np.clip(np.floor(middle + reach) + 1, start, grid.shape).astype(int)
        axes = [np.arange(a, b) for a, b in zip(start, stop, strict=True)]
        offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) - middle
        part = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        hidden[part] |= np.linalg.norm(offsets @ grid.affine[:3, :3].T, axis=-1) <= radius_mm
    return hidden


def _filled(image: NDArray[np.float32], hidden: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """Return an image whose hidden voxels are means of the others, nearer ones with more weight."""
    image = np.nan_to_num(image, posinf=0, neginf=0)
    made = image.copy()
    sigma = SMOOTHNESS_MM / grid.spacing_mm
    around = np.ceil(4 * sigma).astype(int)
    for box in ndimage.find_objects(ndimage.label(hidden)[0]):
        start = np.maximum([s.start for s in box] - around, 0)
        stop = np.minimum([s.stop for s in box] + around, image.shape)
        part = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        shown = (~hidden[part]).astype(np.float32)
        weight = ndimage.gaussian_filter(shown, sigma)
        mean = ndimage.gaussian_filter(image[part] * shown, sigma) / np.maximum(weight, 1e-12)
        # The middle of a very large one may lie beyond all weights.
        rest = float(image[part][shown > 0].mean()) if shown.any() else 0.0
        made[part] = np.where(hidden[part], np.where(weight > 1e-6, mean, rest), made[part])
    return made
