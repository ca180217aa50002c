"""Magnitude and phase from real and imaginary images, as GE (and research sequences of others) store them.

GE's slab reconstruction leaves every other slice with the opposite sign, which shows as a phase jump of pi from
slice to slice. It is looked for rather than assumed: a head's phase changes by far less than pi/2 between
neighbouring slices, so a negative correlation of neighbours means alternation.
"""

from __future__ import annotations

import numpy as np

from microbleeds.scan import Volume


def magnitude_and_phase(real: Volume, imaginary: Volume) -> tuple[Volume, Volume, bool]:
    """Return magnitude, phase (-pi..pi, float32) and whether alternating slices were turned over.

    Args:
        real: [columns, rows, slices]; it is overwritten where slices are turned over.
        imaginary: the same shape; likewise.
    """
    alternates = signs_alternate(real, imaginary)
    if alternates:
        np.negative(real[:, :, 1::2], out=real[:, :, 1::2])
        np.negative(imaginary[:, :, 1::2], out=imaginary[:, :, 1::2])
    return np.hypot(real, imaginary), np.arctan2(imaginary, real), alternates


def signs_alternate(real: Volume, imaginary: Volume) -> bool:
    """Whether neighbouring slices have opposite signs on the whole."""
    similarity = 0.0
    for part in (real, imaginary):
        for k in range(part.shape[2] - 1):
            similarity += float(np.vdot(part[:, :, k], part[:, :, k + 1]))
    return similarity < 0
