"""What lies near the lateral ventricles: one rule for the truth of a simulated head and for a segmented scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.regions import PERIVENTRICULAR_MM

_ANY_NEIGHBOUR = np.ones((3, 3, 3), dtype=bool)


def lateral_ventricles(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected piece of each side's ventricle [X, Y, Z] in one mask: islands are none."""
    return _largest_piece(left) | _largest_piece(right)


def periventricular(ventricles: NDArray[np.bool_], spacing_mm: Sequence[float] | NDArray) -> NDArray[np.bool_]:
    """Return what lies within 10 mm (MARS) of a mask [X, Y, Z], itself included; nothing if it is empty."""
    near = np.zeros(ventricles.shape, dtype=bool)
    extent = ndimage.find_objects(ventricles.astype(np.uint8))
    if extent:
        steps = np.ceil(PERIVENTRICULAR_MM / np.asarray(spacing_mm)).astype(int)
        box = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(extent[0], steps, strict=True))
        near[box] = ndimage.distance_transform_edt(~ventricles[box], sampling=spacing_mm) <= PERIVENTRICULAR_MM
    return near


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected piece of a mask; nothing of an empty one."""
    pieces, count = ndimage.label(mask, structure=_ANY_NEIGHBOUR)
    return pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]) if count else mask
