"""Minimum intensity projection over a sliding slab of slices."""

from __future__ import annotations

import numpy as np

from microbleeds.scan import Volume

# Readers use slabs of 14 to 16 mm (7 or 8 slices of 2 mm).
SLAB_MM = 15.0


def slab_slices(slice_spacing_mm: float, slab_mm: float = SLAB_MM) -> int:
    """Return the odd number of slices, at least 3, whose slab comes closest to ``slab_mm``."""
    half = round((slab_mm / slice_spacing_mm - 1) / 2)
    return 2 * max(1, int(half)) + 1


def minimum_projection(
    swi: Volume, slice_spacing_mm: float, *, slice_axis: int = 2, slab_mm: float = SLAB_MM
) -> Volume:
    """Project the minimum over a slab centred on each slice.

    At the first and last slices the slab is cut at the volume's edge, so no value is invented.

    Args:
        swi: [X, Y, Z] image.
        slice_spacing_mm: distance between slices along ``slice_axis``.
        slice_axis: the axis to project along.
        slab_mm: thickness of the slab.

    Returns:
        [X, Y, Z] projection, one slab for each slice.
    """
    width = slab_slices(slice_spacing_mm, slab_mm)
    half = width // 2
    padding = [(0, 0)] * 3
    padding[slice_axis] = (half, half)
    # Windows of doubling length: each pass takes the minimum of two overlapping shorter windows, so 7 slices
    # cost 3 passes.
    window = np.moveaxis(np.pad(swi, padding, constant_values=np.inf), slice_axis, 2)
    reach = 1
    while reach < width:
        step = min(reach, width - reach)
        window = np.minimum(window[:, :, :-step], window[:, :, step:])
        reach += step
    return np.ascontiguousarray(np.moveaxis(window, 2, slice_axis), dtype=np.float32)
