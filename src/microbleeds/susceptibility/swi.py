"""Susceptibility-weighted image from magnitude and high-pass-filtered phase.

Haacke et al., Magn Reson Med 2004;52:612: a phase mask that falls from 1 at zero phase to 0 at pi on the
paramagnetic side is multiplied several times onto the magnitude.
"""

from __future__ import annotations

import numpy as np

from microbleeds.scan import Volume

# Haacke 2004 finds n = 4 to give the best contrast-to-noise for veins of moderate phase.
MASK_POWER = 4


def phase_mask(phase_rad: Volume) -> Volume:
    """Return the mask in 0..1 that darkens paramagnetic phase.

    Args:
        phase_rad: [X, Y, Z] high-pass-filtered phase, paramagnetic positive.

    Returns:
        ``(pi - phase) / pi`` where the phase is positive, 1 elsewhere.
    """
    mask = phase_rad * np.float32(-1 / np.pi)
    mask += np.float32(1)
    return np.clip(mask, 0, 1, out=mask)


def susceptibility_weighted(magnitude: Volume, phase_rad: Volume, *, power: int = MASK_POWER) -> Volume:
    """Multiply the phase mask ``power`` times onto the magnitude.

    Args:
        magnitude: [X, Y, Z] magnitude in arbitrary units.
        phase_rad: [X, Y, Z] high-pass-filtered phase, paramagnetic positive.
        power: how often the mask is multiplied.

    Returns:
        [X, Y, Z] SWI in the magnitude's units.
    """
    mask = phase_mask(phase_rad)
    squared = mask * mask
    weight = squared * squared if power == 4 else mask**power
    weight *= magnitude
    return weight.astype(np.float32, copy=False)
