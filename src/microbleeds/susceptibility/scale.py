"""The unit in which a file holds phase.

Conventions:
    * The scale is derived from the range of the values, what a sidecar says, and the steps between values.
    * Noise outside the head takes every phase, so in most files the range reaches both ends of the scale;
      where a mask has cut it short the decision says what it rests on, and warns if it is a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microbleeds.scan import Volume

# Interpolation and rounding may carry values a little past the end of a scale.
_OVERSHOOT = 1.02
# A mask may leave this much of the range of a filtered phase image in radians.
_SMALLEST_RADIANS = 0.5
_SAMPLES = 200_000


@dataclass(frozen=True)
class PhaseScale:
    """How stored values become radians: ``(value - centre) * radians_per_unit``, wrapped to -pi..pi.

    Args:
        name: ``radians``, ``milliradians``, ``degrees``, ``0..4095``, ``-4096..4095``, ``-2048..2047`` or
            ``arbitrary``.
        source: a short clause that tells why.
        centre: stored value of zero phase.
        radians_per_unit: radians for one unit.
        guessed: whether the values alone don't settle it, so that the reader should be warned.
    """

    name: str
    source: str
    centre: float
    radians_per_unit: float
    guessed: bool = False


def find_scale(phase: Volume, *, units: str | None = None, manufacturer: str | None = None) -> PhaseScale:
    """Derive the scale of a phase image.

    Args:
        phase: values as the file holds them, any shape.
        units: what a sidecar states (BIDS ``Units``: ``rad`` or ``arbitrary``).
        manufacturer: from the sidecar; settles what the range leaves open.
    """
    low, high = float(phase.min()), float(phase.max())
    reach = max(-low, high)
    span = f"values run from {low:.4g} to {high:.4g}"
    if units and units.lower().startswith("rad") and 0.05 < reach <= 2 * np.pi * _OVERSHOOT:
        return PhaseScale("radians", f"its sidecar says {units} and {span}", 0.0, 1.0)
    if low >= (1 - _OVERSHOOT) * high:
        return _unsigned(phase, low, high, span)
    return _signed(phase, low, high, span, manufacturer or "")


def _unsigned(phase: Volume, low: float, high: float, span: str) -> PhaseScale:
    """Scales without negative values: 0..4095, 0..2 pi, 0..360."""
    if 3800 <= high <= 4096 * _OVERSHOOT:
        return PhaseScale("0..4095", span, 2048.0, np.pi / 2048)
    if 1.5 * np.pi < high <= 2 * np.pi * _OVERSHOOT:
        return PhaseScale("radians", f"{span}, about 0 to 2 pi", 0.0, 1.0)
    if 340 <= high <= 360 * _OVERSHOOT:
        return PhaseScale("degrees", f"{span}, about 0 to 360", 0.0, np.pi / 180)
    sample = _sample(phase)
    inside = sample[sample > low]
    if 2100 < high < 3800 and inside.size and abs(float(np.median(inside)) - 2048) < 200:
        return PhaseScale("0..4095", f"{span} with their median near 2048", 2048.0, np.pi / 2048)
    return _arbitrary(low, high, span)


def _signed(phase: Volume, low: float, high: float, span: str, manufacturer: str) -> PhaseScale:
    """Scales around zero: radians, milliradians, degrees, -4096..4095, -2048..2047."""
    reach = max(-low, high)
    both_ends = min(-low, high) > 0.97 * reach
    if both_ends and abs(reach - 1) < 0.005:
        return _arbitrary(low, high, span)
    if _SMALLEST_RADIANS <= reach <= np.pi * _OVERSHOOT:
        return PhaseScale("radians", span, 0.0, 1.0)
    if both_ends and 175 < reach < 180 * _OVERSHOOT:
        return PhaseScale("degrees", f"{span}, about -180 to 180", 0.0, np.pi / 180)
    if both_ends and 2040 <= reach <= 2049 * _OVERSHOOT:
        return PhaseScale("-2048..2047", span, 0.0, np.pi / 2048)
    if both_ends and 3120 <= reach <= 1000 * np.pi * _OVERSHOOT:
        return PhaseScale("milliradians", f"{span}, pi in thousandths of a radian", 0.0, 1e-3)
    if 1000 * np.pi * _OVERSHOOT < reach <= 4096 * _OVERSHOOT:
        return PhaseScale("-4096..4095", span, 0.0, np.pi / 4096)
    if _SMALLEST_RADIANS * 1000 <= reach <= 1000 * np.pi * _OVERSHOOT:
        return _cut_short(phase, span, manufacturer)
    return _arbitrary(low, high, span)


def _cut_short(phase: Volume, span: str, manufacturer: str) -> PhaseScale:
    """A filtered, masked image: its range fits milliradians as well as -4096..4095."""
    even = not (_sample(phase) % 2).any()
    if even or "siemens" in manufacturer.lower():
        why = "all values are even, as Siemens writes them" if even else "the scanner is by Siemens"
        return PhaseScale("-4096..4095", f"{span}, and {why}", 0.0, np.pi / 4096, guessed=not even)
    if manufacturer.lower().startswith(("philips", "ge")):
        return PhaseScale("milliradians", f"{span}, and the scanner is by {manufacturer}", 0.0, 1e-3, guessed=True)
    return PhaseScale("milliradians", f"{span}, which no scale fits better", 0.0, 1e-3, guessed=True)


def _arbitrary(low: float, high: float, span: str) -> PhaseScale:
    """Map the range itself to -pi..pi, around zero where the range is."""
    reach = max(-low, high)
    if abs(low + high) < 0.05 * reach:
        return PhaseScale(
            "arbitrary", f"{span}, no known scale; ±{reach:.4g} was taken as ±pi", 0.0, np.pi / reach, True
        )
    source = f"{span}, no known scale; that range was taken as -pi to pi"
    return PhaseScale("arbitrary", source, (low + high) / 2, 2 * np.pi / (high - low), True)


def _sample(phase: Volume) -> Volume:
    """Return some of the values, evenly spread."""
    flat = phase.ravel(order="K")
    return flat[:: max(1, flat.size // _SAMPLES)]


def to_radians(phase: Volume, scale: PhaseScale) -> Volume:
    """Convert stored values to radians in -pi..pi (float32, a new array)."""
    centre, factor = np.float32(scale.centre), np.float32(scale.radians_per_unit)
    radians = np.subtract(phase, centre, dtype=np.float32)
    radians *= factor
    if np.abs((float(radians.min()), float(radians.max()))).max() > np.pi * _OVERSHOOT:
        radians -= np.float32(2 * np.pi) * np.round(radians / np.float32(2 * np.pi))
    return radians
