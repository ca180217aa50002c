"""A fast, rough susceptibility map from high-passed phase.

Phase is the susceptibility convolved with a dipole: a vein across the field is negative inside although its
blood is paramagnetic, and a large structure throws phase of both signs around itself. Undoing the dipole
gives a map in which the sign belongs to the tissue. It serves decisions on sign, not measurements:
thresholded k-space division (Shmueli et al., Magn Reson Med 2009;62:1510) streaks and underestimates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from microbleeds.scan import Volume

# Below this size the dipole's transform is replaced by it: less streaks for more, noise for less.
THRESHOLD = 0.2
_PADDING_MM = 8.0


def dipole_transform(
    shape: Sequence[int], spacing_mm: Sequence[float] | NDArray[np.float64], b0_direction: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the dipole in k-space, ``1/3 - (k . b)^2 / k^2``, as :func:`scipy.fft.rfftn` orders it.

    Args:
        shape: voxels along each axis.
        spacing_mm: voxel size along each axis.
        b0_direction: unit vector of the main field along the array's axes.

    Returns:
        [X, Y, Z // 2 + 1]; 0 at the origin.
    """
    frequencies = [fft.fftfreq(n, d) for n, d in zip(shape[:2], spacing_mm, strict=False)]
    frequencies.append(fft.rfftfreq(shape[2], spacing_mm[2]))
    x, y, z = np.meshgrid(*[f.astype(np.float32) for f in frequencies], indexing="ij", sparse=True)
    along = x * np.float32(b0_direction[0]) + y * np.float32(b0_direction[1]) + z * np.float32(b0_direction[2])
    squared = x * x + y * y + z * z
    squared[0, 0, 0] = 1
    kernel = np.float32(1 / 3) - along * along / squared
    kernel[0, 0, 0] = 0
    return kernel


def rough_susceptibility(
    phase_rad: Volume,
    spacing_mm: Sequence[float] | NDArray[np.float64],
    b0_direction: NDArray[np.float64],
    *,
    threshold: float = THRESHOLD,
) -> Volume:
    """Undo the dipole by thresholded k-space division.

    Args:
        phase_rad: [X, Y, Z] high-pass-filtered phase, zero where it means nothing.
        spacing_mm: voxel size along each axis.
        b0_direction: unit vector of the main field along the array's axes.
        threshold: smallest size of the dipole's transform that is divided by.

    Returns:
        [X, Y, Z] susceptibility in arbitrary units, of the sign that ``phase_rad`` has along the field.
    """
    padded = [
        fft.next_fast_len(n + 2 * int(np.ceil(_PADDING_MM / d)), real=True)
        for n, d in zip(phase_rad.shape, spacing_mm, strict=True)
    ]
    kernel = dipole_transform(padded, spacing_mm, b0_direction)
    # With one thread: a worker of a cohort has its core alone.
    spectrum = fft.rfftn(phase_rad, s=padded)
    spectrum *= np.where(kernel < 0, np.float32(-1), np.float32(1)) / np.maximum(np.abs(kernel), threshold)
    cut = tuple(slice(0, n) for n in phase_rad.shape)
    return fft.irfftn(spectrum, s=padded, overwrite_x=True)[cut]
