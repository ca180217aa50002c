"""What lies near the lateral ventricles: one rule for the truth of a simulated head and for a segmented scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.regions import PERIVENTRICULAR_MM

LEAST_HORN_MM3 = 60.0
_ANY_NEIGHBOUR = np.ones((3, 3, 3), dtype=bool)


def lateral_ventricles(
    left: NDArray[np.bool_], right: NDArray[np.bool_], spacing_mm: Sequence[float] | NDArray
) -> NDArray[np.bool_]:
    """Return the lateral ventricle of each side in one mask: its largest piece and the parts of its temporal horn.

    The horn is narrow, and in half of all label maps nothing joins it to the rest. What is smaller, or lies behind
    the largest piece, in the occipital white matter, is no ventricle.

    Args:
        left: bool [X, Y, Z], ventricle of the left half; the second axis runs to the front.
        right: that of the right half.
        spacing_mm: of both.
    """
    least = LEAST_HORN_MM3 / float(np.prod(spacing_mm))
    return _without_islands(left, least) | _without_islands(right, least)


def periventricular(ventricles: NDArray[np.bool_], spacing_mm: Sequence[float] | NDArray) -> NDArray[np.bool_]:
    """Return what lies within 10 mm (MARS) of a mask [X, Y, Z], itself included; nothing if it is empty."""
    near = np.zeros(ventricles.shape, dtype=bool)
    extent = ndimage.find_objects(ventricles.astype(np.uint8))
    if extent:
        steps = np.ceil(PERIVENTRICULAR_MM / np.asarray(spacing_mm)).astype(int)
        box = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(extent[0], steps, strict=True))
        near[box] = ndimage.distance_transform_edt(~ventricles[box], sampling=spacing_mm) <= PERIVENTRICULAR_MM
    return near


def _without_islands(mask: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Return the largest connected piece of a mask, and others of ``least`` voxels in front of its hind end."""
    pieces, count = ndimage.label(mask, structure=_ANY_NEIGHBOUR)
    if not count:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    hind_ends = np.array([extent[1].start for extent in ndimage.find_objects(pieces)])
    largest = int(np.argmax(sizes))
    kept = (sizes >= min(least, sizes[largest])) & (hind_ends >= hind_ends[largest])
    return np.concatenate([[False], kept])[pieces]
