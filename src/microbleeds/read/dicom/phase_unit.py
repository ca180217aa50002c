"""The unit of a phase image as its headers state it; where they don't, the values themselves decide later.

What a header settles: an angle as unit of the rescale or real-world values (Philips writes ``milliradials``), and
the span of what can be stored: Siemens' 12 bits run over 0..4095, or -4096..4094 after slope 2 and intercept
-4096, for -pi..pi; Philips' over -3142..3142 milliradians. GE's milliradians are 16-bit numbers, which settles
nothing.
"""

from __future__ import annotations

import numpy as np

from microbleeds.read.dicom.voxels import Scaling
from microbleeds.read.part import StatedUnit

_ANGLES = {
    "rad": ("radians", 1.0),
    "radian": ("radians", 1.0),
    "radians": ("radians", 1.0),
    "mrad": ("milliradians", 1e-3),
    "milliradians": ("milliradians", 1e-3),
    "milliradials": ("milliradians", 1e-3),
}


def stated_unit(scaling: Scaling, manufacturer: str | None) -> StatedUnit | None:
    """Return the unit that the headers of a phase image settle, if they do."""
    low, high = scaling.low, scaling.high
    for name, factor in (_ANGLES.get(scaling.unit, ("", 0.0)), *_spans(low, high)):
        # A stated unit that can't reach pi, or reaches far beyond 2 pi, is a mistake of a converter.
        if name and 0.9 * np.pi < max(-low, high) * factor < 11 * np.pi:
            told = f"its header says {scaling.unit}" if _ANGLES.get(scaling.unit) else "its header's scaling"
            return StatedUnit(name, f"{told}, from {low:.5g} to {high:.5g}", 0.0, factor)
    if (manufacturer or "").lower().startswith("siemens") and high - low in (4095, 8190):
        return _siemens(low, high)
    return None


def _spans(low: float, high: float) -> list[tuple[str, float]]:
    """Return the units whose full circle is just what can be stored."""
    units = {"radians": 1.0, "milliradians": 1e-3}
    return [(n, f) for n, f in units.items() if abs(low * f + np.pi) < 0.01 and abs(high * f - np.pi) < 0.01]


def _siemens(low: float, high: float) -> StatedUnit | None:
    source = f"a Siemens header whose pixels run from {low:g} to {high:g}"
    if low == 0 and high == 4095:
        return StatedUnit("0..4095", source, 2048.0, np.pi / 2048)
    if low == -4096:
        return StatedUnit("-4096..4095", source, 0.0, np.pi / 4096)
    return None
