"""Colours of the groups on dark ground, one for all outputs: who reads two of them must not take lobar for deep.

The pages' styles hold the same values where their ground is dark (`--lobar` and so on), and darker shades of the
same hues on white; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Red, green, blue of 0..255.
ON_DARK: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "lobar": (95, 179, 236),
        "deep": (240, 153, 92),
        "infratentorial": (183, 154, 240),
        "none": (154, 165, 175),
    }
)
