"""The periventricular rim of a scan: white matter within 10 mm of the lateral ventricle that was found.

The network guesses the rim by its looks, but it is a matter of distance (MARS), so it is measured wherever a
ventricle was found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import AnatomyClass, Place, parts_of_whereabouts, whereabouts
from microbleeds.regions import LOBES, PERIVENTRICULAR_MM

_ANY_NEIGHBOUR = np.ones((3, 3, 3), dtype=bool)


def with_measured_rim(where: NDArray[np.uint8], classes: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """Return whereabouts whose rim reaches exactly 10 mm from the ventricles; unchanged without any.

    The largest connected piece of each half of the head counts. Third and fourth ventricle may hang together with
    it: what surrounds them is no white matter of the cerebrum, or callosum and capsules, which stay.

    Args:
        where: uint8 [X, Y, Z], see :func:`microbleeds.networks.anatomy.whereabouts`.
        classes: uint8 [X, Y, Z], codes of :class:`AnatomyClass`.
        grid: of both.
    """
    places, lobes, right = parts_of_whereabouts(where)
    found = classes == AnatomyClass.VENTRICLE
    ventricle = _largest_piece(found & (right == 0)) | _largest_piece(found & (right == 1))
    if not ventricle.any():
        return where
    near = _within(ventricle, PERIVENTRICULAR_MM, grid)
    rim = np.uint8(Place.PERIVENTRICULAR_WHITE)
    places = np.where(near & (places < len(LOBES)), rim, places)
    return whereabouts(np.where(~near & (places == rim), lobes, places), lobes, right)


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected piece of a mask [X, Y, Z]; nothing of an empty one."""
    pieces, count = ndimage.label(mask, structure=_ANY_NEIGHBOUR)
    return pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]) if count else mask


def _within(mask: NDArray[np.bool_], reach_mm: float, grid: Grid) -> NDArray[np.bool_]:
    """Return what lies within ``reach_mm`` of a mask that is not empty, bool [X, Y, Z]."""
    steps = np.ceil(reach_mm / grid.spacing_mm).astype(int)
    extent = ndimage.find_objects(mask.astype(np.uint8))[0]
    box = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(extent, steps, strict=True))
    near = np.zeros(mask.shape, dtype=bool)
    near[box] = ndimage.distance_transform_edt(~mask[box], sampling=grid.spacing_mm) <= reach_mm
    return near
