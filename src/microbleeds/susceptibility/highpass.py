"""Take the slowly varying background out of the phase.

Conventions:
    * Homodyne filtering (Noll et al., IEEE Trans Med Imaging 1991;10:154; Haacke et al., Magn Reson Med
      2004;52:612): the complex image is divided by its own low-pass version, slice by slice; the phase of the
      quotient is the high-passed phase. It needs no unwrapping.
    * The low-pass is a separable Hann window over in-plane spatial frequency. Its cutoff is in 1/mm, so it
      means the same on every matrix and field of view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.scan import Volume

# Half width of the Hann window: the usual 64 samples over a field of view of 230 mm reach 32 / 230 mm.
CUTOFF_PER_MM = 0.14
# A low-pass that sees only what every vendor's filter removes (32 samples over 230 mm reach 16 / 230 mm).
BACKGROUND_CUTOFF_PER_MM = 0.07
# Median size of the low-pass phase in the head; filtered images have some hundredths, raw ones about 1 rad.
RAW_BACKGROUND_RAD = 0.15
# For a median or a mean slope, about this many slices are enough.
_SLICES_JUDGED = 16


@dataclass(frozen=True)
class HighPassDecision:
    """Whether a phase image is already high-pass filtered, and why."""

    filtered: bool
    source: str


def cosine_low_pass(length: int, spacing_mm: float, cutoff_per_mm: float) -> NDArray[np.float32]:
    """Return the rows of the DCT-II basis below the cutoff, each times the root of its Hann weight.

    Shape [M, length]. ``rows.T @ rows`` is the low-pass with mirrored borders: no wrap-around from one side
    of the head to the other, and a mere crop of a head can be filtered too. Row m has m / (2 length
    spacing) cycles per mm.
    """
    count = min(length, max(1, int(np.ceil(2 * length * spacing_mm * cutoff_per_mm))))
    order = np.arange(count)[:, None]
    rows = np.cos(np.pi * order * (np.arange(length) + 0.5) / length) * np.sqrt(2 / length)
    rows[0] /= np.sqrt(2)
    frequency = order / (2 * length * spacing_mm * cutoff_per_mm)
    hann = np.where(frequency < 1, 0.5 * (1 + np.cos(np.pi * np.minimum(frequency, 1))), 0)
    return (rows * np.sqrt(hann)).astype(np.float32)


def low_pass(
    array: Volume,
    spacing_mm: Sequence[float] | NDArray[np.float64],
    *,
    slice_axis: int = 2,
    cutoff_per_mm: float = CUTOFF_PER_MM,
) -> Volume:
    """Low-pass a real image within its slices.

    Args:
        array: [X, Y, Z] image.
        spacing_mm: voxel size along each axis.
        slice_axis: the axis that is left alone.
        cutoff_per_mm: spatial frequency from which on nothing passes.

    Returns:
        [X, Y, Z] image.
    """
    first, second = (axis for axis in range(3) if axis != slice_axis)
    one = cosine_low_pass(array.shape[first], spacing_mm[first], cutoff_per_mm)
    two = cosine_low_pass(array.shape[second], spacing_mm[second], cutoff_per_mm)
    # First both projections, then both expansions: in between the array has only some 60 x 60 coefficients.
    small = _along(two, _along(one, array, first), second)
    return np.ascontiguousarray(_along(one.T, _along(two.T, small, second), first))


def _along(matrix: NDArray[np.float32], array: Volume, axis: int) -> Volume:
    """Multiply ``matrix`` onto one axis of ``array``.

    One large product: a batch of small ones costs threaded BLAS up to 50 times more when the cores are busy.
    """
    return np.moveaxis(np.tensordot(matrix, array, axes=(1, axis)), 0, axis)


def homodyne(
    phase_rad: Volume,
    weight: Volume,
    spacing_mm: Sequence[float] | NDArray[np.float64],
    *,
    slice_axis: int = 2,
    cutoff_per_mm: float = CUTOFF_PER_MM,
) -> Volume:
    """High-pass a (wrapped) phase image by homodyne filtering.

    Args:
        phase_rad: [X, Y, Z] phase in radians.
        weight: [X, Y, Z] magnitude (or SWI), which tells how much each voxel counts.
        spacing_mm: voxel size along each axis.
        slice_axis: axis across the slices.
        cutoff_per_mm: half width of the Hann window.

    Returns:
        [X, Y, Z] phase in -pi..pi, same sign as the input.
    """
    level = phase_rad - _ramp(phase_rad, weight, slice_axis)
    cosine, sine = np.cos(level), np.sin(level)
    real = low_pass(cosine * weight, spacing_mm, slice_axis=slice_axis, cutoff_per_mm=cutoff_per_mm)
    imaginary = low_pass(sine * weight, spacing_mm, slice_axis=slice_axis, cutoff_per_mm=cutoff_per_mm)
    along = cosine * real
    along += sine * imaginary
    sine *= real
    cosine *= imaginary
    sine -= cosine
    return np.arctan2(sine, along, out=sine)


def _ramp(phase_rad: Volume, weight: Volume, slice_axis: int) -> Volume:
    """Return the mean in-plane slope of the phase as a plane that broadcasts over the slices.

    A low-pass fails where the phase turns fast, worst at the border of a crop; a slope common to the whole image
    (field, or an echo off the middle of k-space) need not be left to it.
    """
    some = _some_slices(phase_rad, slice_axis)
    phase, weight = phase_rad[some], weight[some]
    plane = np.zeros((1, 1, 1), dtype=np.float32)
    for axis in (a for a in range(3) if a != slice_axis):
        step = np.diff(phase, axis=axis)
        both = np.minimum(*(np.delete(weight, end, axis=axis) for end in (0, -1)))
        slope = np.arctan2(
            (both * np.sin(step)).sum(dtype=np.float64), (both * np.cos(step)).sum(dtype=np.float64)
        )
        index = np.arange(phase.shape[axis], dtype=np.float32) * np.float32(slope)
        plane = plane + index.reshape([-1 if a == axis else 1 for a in range(3)])
    return plane


def _some_slices(array: Volume, slice_axis: int) -> tuple[slice, slice, slice]:
    """Return an index of about 16 evenly spread slices."""
    index = [slice(None)] * 3
    index[slice_axis] = slice(None, None, max(1, array.shape[slice_axis] // _SLICES_JUDGED))
    return index[0], index[1], index[2]


def decide_high_pass(
    phase_rad: Volume,
    weight: Volume,
    region: NDArray[np.bool_],
    spacing_mm: Sequence[float] | NDArray[np.float64],
    *,
    slice_axis: int = 2,
) -> HighPassDecision:
    """Tell raw from already filtered phase by what is left at low spatial frequency.

    The background field of a head gives the low-pass phase a spread of about 1 rad, and wraps; a high-pass
    filter, of whatever width, leaves it near zero.

    Args:
        phase_rad: [X, Y, Z] phase in radians.
        weight: [X, Y, Z] magnitude or SWI.
        region: [X, Y, Z] true well inside the head.
        spacing_mm: voxel size along each axis.
        slice_axis: axis across the slices.
    """
    some = _some_slices(phase_rad, slice_axis)
    phase, weight, region = phase_rad[some], weight[some], region[some]
    passes = [
        low_pass(part * weight, spacing_mm, slice_axis=slice_axis, cutoff_per_mm=BACKGROUND_CUTOFF_PER_MM)
        for part in (np.cos(phase), np.sin(phase))
    ]
    left = float(np.median(np.abs(np.arctan2(passes[1][region], passes[0][region])))) if region.any() else 0.0
    filtered = left < RAW_BACKGROUND_RAD
    verdict = "already high-pass filtered" if filtered else "raw"
    source = f"{verdict}: the slowly varying phase in the head has a median size of {left:.2f} rad"
    return HighPassDecision(filtered, f"{source} ({'below' if filtered else 'above'} {RAW_BACKGROUND_RAD:g})")
