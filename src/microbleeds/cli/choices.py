"""Words that an option accepts."""

from __future__ import annotations

from enum import Enum


class PhaseSign(str, Enum):
    """How veins and bleeds look in the phase file."""

    AUTO = "auto"
    BRIGHT = "paramagnetic-bright"
    DARK = "paramagnetic-dark"


class OperatingPoint(str, Enum):
    """From which score a candidate counts."""

    BALANCED = "balanced"
    SCREENING = "screening"
