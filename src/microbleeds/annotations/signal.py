"""Where an image has signal: a stand-in for the brain mask that needs no network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.scan import Volume
from microbleeds.susceptibility.foreground import block_means, otsu

_BLOCK_MM = 2.0
# Bleeds and veins are holes of less than this in a slice.
_CLOSED_MM = 10.0


def signal_mask(image: Volume, spacing_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the head: the largest bright part, closed and filled.

    Args:
        image: [X, Y, Z] SWI or magnitude.
        spacing_mm: [3].

    Returns:
        [X, Y, Z]; all of a constant image.
    """
    blocks = tuple(max(1, round(_BLOCK_MM / s)) for s in spacing_mm)
    small = block_means(image, blocks)
    bright = small > 0.5 * otsu(small) if small.size and small.min() < small.max() else np.ones(small.shape, bool)
    reach = [max(1, round(_CLOSED_MM / 2 / (b * s))) for b, s in zip(blocks, spacing_mm, strict=True)]
    padded = np.pad(bright, [(r, r) for r in reach], mode="edge")
    closed = ndimage.binary_closing(padded, np.ones([2 * r + 1 for r in reach], dtype=bool))
    closed = ndimage.binary_fill_holes(closed[tuple(slice(r, -r) for r in reach)])
    labels, _ = ndimage.label(closed)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    head = labels == int(sizes.argmax()) if sizes.any() else np.ones(small.shape, dtype=bool)
    for axis, block in enumerate(blocks):
        head = np.repeat(head, block, axis=axis)
    missing = [(0, n - m) for n, m in zip(image.shape, head.shape, strict=True)]
    return np.pad(head, missing, mode="edge")
