"""Acquisition facts from the JSON files that BIDS and dcm2niix write for an image.

A sidecar helps but is never required: what is missing is ``None``, what is wrong becomes a warning sentence.
BIDS gives times in seconds; the facts are in milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any

from microbleeds.read.day import KEYWORDS, first_day
from microbleeds.read.inheritance import sidecars
from microbleeds.scan import SequenceFacts

# A sidecar has some kilobytes; a JSON file of more than this is something else.
LARGEST_SIDECAR_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Sidecar:
    """What a sidecar tells.

    Args:
        facts: acquisition facts.
        phase_units: BIDS ``Units`` of a phase image (``rad`` or ``arbitrary``), if stated.
        warnings: sentences about what was wrong in it.
        day: of the acquisition, see :mod:`microbleeds.read.day`.
    """

    facts: SequenceFacts = field(default_factory=SequenceFacts)
    phase_units: str | None = None
    warnings: tuple[str, ...] = ()
    day: date | None = field(default=None, repr=False)


def read_sidecar(image: Path) -> Sidecar:
    """Read what the sidecars of a NIfTI image say; an empty :class:`Sidecar` if there are none."""
    paths = sidecars(Path(image))
    content, warnings = _content_of(paths)
    understood = _understood(" or ".join(path.name for path in reversed(paths)), content)
    return replace(understood, warnings=(*warnings, *understood.warnings))


def sidecar_content(image: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what the sidecars of a NIfTI image hold together, the nearer first, and what is wrong with them."""
    return _content_of(sidecars(image))


def _content_of(paths: Sequence[Path]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Merge sidecars, of which the last outranks the others."""
    content: dict[str, Any] = {}
    warnings: list[str] = []
    for path in paths:
        try:
            if path.stat().st_size > LARGEST_SIDECAR_BYTES:
                warnings.append(f"The sidecar {path.name} is too large to be one; it was ignored.")
                continue
            stated = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            warnings.append(
                f"The sidecar {path.name} isn't readable JSON ({type(error).__name__}); it was ignored."
            )
            continue
        if isinstance(stated, dict):
            content |= stated
        else:
            warnings.append(f"The sidecar {path.name} holds no JSON object; it was ignored.")
    return content, tuple(warnings)


def merged(first: SequenceFacts, second: SequenceFacts) -> SequenceFacts:
    """Fill what ``first`` lacks from ``second``."""
    values = {}
    for item in fields(SequenceFacts):
        own = getattr(first, item.name)
        values[item.name] = own if own is not None else getattr(second, item.name)
    return SequenceFacts(**values)


def _understood(name: str, content: dict[str, Any]) -> Sidecar:
    warnings: list[str] = []

    def number(key: str, low: float, high: float, factor: float = 1.0) -> float | None:
        """Return ``content[key] * factor`` when it lies in ``low..high`` (after the factor)."""
        value = content.get(key)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9:
            result = float(value) * factor
            if isfinite(result) and low <= result <= high:
                return result
        warnings.append(f"The sidecar {name} gives {key} as {str(value)[:40]!r}, which was ignored.")
        return None

    def text(key: str) -> str | None:
        value = content.get(key)
        return value.strip()[:80] or None if isinstance(value, str) else None

    facts = SequenceFacts(
        field_strength_t=number("MagneticFieldStrength", 0.05, 25.0),
        echo_time_ms=number("EchoTime", 0.1, 200.0, 1000.0),
        repetition_time_ms=number("RepetitionTime", 1.0, 20000.0, 1000.0),
        flip_angle_deg=number("FlipAngle", 0.5, 180.0),
        manufacturer=text("Manufacturer"),
    )
    day = first_day(content.get(keyword) for keyword in KEYWORDS)
    return Sidecar(facts, text("Units"), tuple(warnings), day)
