"""What ``--series`` asks for: ``5``, ``5:2``, a Series Instance UID, ``phase=7`` or ``phase=none``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from microbleeds.errors import InputError
from microbleeds.given import texts_of
from microbleeds.read.dicom.choice import listed, refuse_other_kind, titled
from microbleeds.read.dicom.series import DicomSeries, Role

ROLES: tuple[Role, ...] = tuple(role for role in get_args(Role) if role not in ("mip", "other"))


def granted(volumes: Sequence[DicomSeries], wishes: Sequence[str]) -> dict[Role, DicomSeries | None]:
    """Return role to the volume asked for; ``None`` where a role is to stay empty.

    Args:
        volumes: all of the study.
        wishes: each a series (number, ``number:volume`` or UID), or ``role=series``, or ``role=none``; several may
            stand in one text, with commas between them.

    Raises:
        InputError: if there is no such series or role, a series holds several volumes that would do, or its
            headers say that it is not what was asked for.
    """
    found: dict[Role, DicomSeries | None] = {}
    for wish in [part.strip() for text in texts_of(wishes) for part in text.split(",") if part.strip()]:
        role, name = _parsed(wish)
        if name == "none" and role is not None:
            found[role] = None
            continue
        volume = _named(volumes, name, role)
        if role is None and volume.role == "mip":
            raise InputError(
                f"Series {titled(volume)} is {volume.why}, which is never searched; name SWI, magnitude or phase."
            )
        if role is None and volume.role == "other":
            raise InputError(
                f"Series {titled(volume)} isn't recognised as SWI, magnitude or phase ({volume.why}); say what it "
                f"is, for instance --series swi={name}."
            )
        refuse_other_kind(volume, role or volume.role)
        found[role or volume.role] = volume
    return found


def _parsed(wish: str) -> tuple[Role | None, str]:
    before, equals, after = wish.partition("=")
    if not equals:
        return None, wish
    role = next((role for role in ROLES if role == before.strip().lower()), None)
    if role is None:
        raise InputError(f"There is no role called {before.strip()!r}; use one of {', '.join(ROLES)}.")
    return role, after.strip()


def _named(volumes: Sequence[DicomSeries], name: str, role: Role | None) -> DicomSeries:
    """Return the one volume of this name; of a series with several, the one whose role fits."""
    matching = [v for v in volumes if name in (v.name, v.uid) or name == str(v.number)]
    fitting = [v for v in matching if v.role == role] if role else [v for v in matching if v.role in ROLES]
    candidates = fitting or matching
    if not candidates:
        raise InputError(f"There is no series {name}; the study holds {listed(volumes)}.")
    if len(candidates) > 1:
        raise InputError(f"Series {name} is not one volume but {listed(candidates)}; name one.")
    return candidates[0]
