"""Which images of a session are searched, and why: one scan per session, the others are named.

Conventions:
    * An *acquisition* is what shares all entities but ``echo`` and ``part``.
    * SWI with phase beats magnitude with phase, which beats SWI alone and magnitude alone; then the finer voxels;
      then the later run, since a run is repeated when the first one is bad.
    * Of several echoes the longest up to :data:`LONGEST_ECHO_T_MS` is taken: contrast of a bleed grows with echo
      time and field strength, but beyond that the signal near bone and air is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from microbleeds.bids.dataset import Image, Session, natural
from microbleeds.errors import InputError

#: Field strength times echo time: 30 ms at 3 T, 60 ms at 1.5 T, 13 ms at 7 T. Usual SWI has 60 (20 ms at 3 T).
LONGEST_ECHO_T_MS = 90.0
_ASSUMED_FIELD_T = 3.0
_WITHIN = frozenset(["sub", "ses", "echo", "part"])
_PLURAL = {"swi": "SWI", "magnitude": "magnitude", "phase": "phase"}
_ORDER = ("acq", "ce", "rec", "dir", "run")


@dataclass(frozen=True)
class Choice:
    """The images that are searched.

    Args:
        images: role to file.
        stem: beginning of the names of the derivatives.
        notes: sentences on what was chosen and what was left aside.
    """

    images: Mapping[str, Path]
    stem: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Acquisition:
    """Images of one acquisition; ``voxel_mm3`` is 0 where the header can't be read."""

    entities: dict[str, str]
    roles: dict[str, list[Image]]
    voxel_mm3: float

    @property
    def rank(self) -> tuple[int, float, list[tuple[int, str]], str]:
        swi, phase = "swi" in self.roles, "phase" in self.roles
        kind = 3 if swi and phase else 2 if phase else 1 if swi else 0
        others = "_".join(f"{name}-{value}" for name, value in self.entities.items())
        return kind, -round(self.voxel_mm3, 2), natural(self.entities.get("run", "0")), others

    @property
    def label(self) -> str:
        return " ".join(f"{n}-{v}" for n, v in self.entities.items()) or "the one without further entities"


def choose_scan(session: Session, *, acquisition: str | None = None, run: str | None = None) -> Choice:
    """Choose the scan of a session.

    Args:
        session: with its images.
        acquisition: label of ``acq`` that must be taken.
        run: label of ``run`` that must be taken.

    Raises:
        InputError: if there is no SWI and no T2*-weighted image, or none with the labels asked for.
    """
    images = [i for i in session.images if _fits(i, "acq", acquisition) and _fits(i, "run", run)]
    if not images:
        asked = ", ".join(f"{n}-{v}" for n, v in (("acq", acquisition), ("run", run)) if v is not None)
        raise InputError(
            f"{session.name} has no SWI and no T2*-weighted gradient echo{f' with {asked}' if asked else ''}."
        )
    found = _acquisitions(images)
    usable = [one for one in found if "swi" in one.roles or "magnitude" in one.roles]
    if not usable:
        raise InputError(f"{session.name} has phase images but no SWI or magnitude beside them.")
    best = max(usable, key=lambda one: one.rank)
    notes: list[str] = []
    if len(usable) > 1:
        others = "; ".join(one.label for one in usable if one is not best)
        notes.append(
            f"Of {len(usable)} acquisitions {best.label} was taken ({_reason(best, usable)}); left: {others}."
        )
    chosen: dict[str, Path] = {}
    of_best = [image for members in best.roles.values() for image in members]
    for role in ("swi", "magnitude", "phase"):
        if role in best.roles:
            members = best.roles[role] if role == "phase" else _with_phase(best.roles[role], best.roles)
            image, said = _one(role, members, chosen_echo=_echo_of(chosen, of_best))
            if len(members) < len(best.roles[role]):
                left = len(best.roles[role]) - len(members)
                said = [*said, f"Of {_PLURAL[role]} images {left} without a phase of their echo were left aside."]
            notes += said
            if image is not None:
                chosen[role] = image.path
    if "phase" not in chosen:
        notes += _borrowed_phase(chosen, best, found, _echo_of(chosen, of_best))
    return Choice(chosen, _stem(session, best.entities), tuple(dict.fromkeys(notes)))


def _fits(image: Image, entity: str, wanted: str | None) -> bool:
    return wanted is None or image.entities.get(entity) == wanted.removeprefix(f"{entity}-")


def _acquisitions(images: Sequence[Image]) -> list[_Acquisition]:
    groups: dict[tuple[tuple[str, str], ...], list[Image]] = defaultdict(list)
    for image in images:
        groups[tuple((n, v) for n, v in sorted(image.entities.items()) if n not in _WITHIN)].append(image)
    made = []
    for key, members in sorted(groups.items()):
        roles: dict[str, list[Image]] = defaultdict(list)
        for image in members:
            roles[image.role].append(image)
        main = next((roles[role][0] for role in ("swi", "magnitude") if role in roles), members[0])
        made.append(_Acquisition(dict(key), dict(roles), _voxel_mm3(main.path)))
    return made


def _reason(best: _Acquisition, usable: Sequence[_Acquisition]) -> str:
    """Say by which rule the best one beat the next."""
    second = max((one for one in usable if one is not best), key=lambda one: one.rank)
    if second.rank[0] != best.rank[0]:
        return ("magnitude alone", "SWI without phase", "magnitude with phase", "SWI with phase")[best.rank[0]]
    if second.rank[1] != best.rank[1]:
        return "the finest voxels"
    if second.rank[2] != best.rank[2]:
        return "the latest run, since runs are repeated when the first is bad"
    return "the last by name"


def _echo_of(chosen: Mapping[str, Path], images: Sequence[Image]) -> int | None:
    """Return the echo of what was chosen already: magnitude and phase must be of one echo."""
    echoes = [image.echo for image in images if image.path in chosen.values() and image.echo is not None]
    return echoes[-1] if echoes else None


def _with_phase(images: Sequence[Image], roles: Mapping[str, Sequence[Image]]) -> Sequence[Image]:
    """Return the echoes that have a phase, if any has: both must be of one echo."""
    echoes = {image.echo for image in roles.get("phase", ()) if image.echo is not None}
    return [image for image in images if image.echo is None or image.echo in echoes] or images


def _one(role: str, images: Sequence[Image], *, chosen_echo: int | None) -> tuple[Image | None, list[str]]:
    """Choose among several images of one role in one acquisition: by echo, else the first by name.

    Where all are of other echoes than what was chosen already, none is taken.
    """
    if chosen_echo is not None and all(image.echo not in (None, chosen_echo) for image in images):
        there = ", ".join(str(image.echo) for image in images)
        return None, [f"The {_PLURAL[role]} of echo {there} was left aside: echo {chosen_echo} is searched."]
    if len(images) == 1:
        return images[0], []
    combined = [image for image in images if image.echo is None]
    if combined and len(combined) < len(images) and role == "swi":
        return combined[0], [f"Of {len(images)} {_PLURAL[role]} images the one of all echoes was taken."]
    echoes = sorted((image for image in images if image.echo is not None), key=lambda image: image.echo or 0)
    if not echoes:
        names = ", ".join(image.path.name for image in images)
        return images[0], [f"Of {len(images)} {_PLURAL[role]} images ({names}) {images[0].path.name} was taken."]
    if chosen_echo is not None and (same := [image for image in echoes if image.echo == chosen_echo]):
        return same[0], []
    taken = _longest_sensible(echoes)
    when = "" if taken.echo_time_ms is None else f" ({taken.echo_time_ms:.3g} ms)"
    return taken, [
        f"Of {len(echoes)} echoes echo {taken.echo}{when} was taken: the longest that still has signal."
    ]


def _longest_sensible(echoes: Sequence[Image]) -> Image:
    """Return the longest echo within :data:`LONGEST_ECHO_T_MS`; the last one where no time is known."""
    timed = [image for image in echoes if image.echo_time_ms is not None]
    if len(timed) < len(echoes):
        return echoes[-1]
    by_time = sorted(timed, key=lambda image: image.echo_time_ms or 0)
    within = [
        i for i in by_time if (i.echo_time_ms or 0) * (i.field_strength_t or _ASSUMED_FIELD_T) <= LONGEST_ECHO_T_MS
    ]
    return within[-1] if within else by_time[0]


def _borrowed_phase(
    chosen: dict[str, Path], best: _Acquisition, found: Sequence[_Acquisition], echo: int | None
) -> list[str]:
    """Take the phase of another acquisition where it is the only one and lies on the same grid."""
    others = [one for one in found if one is not best and "phase" in one.roles]
    if len(others) != 1:
        return []
    phase = _one("phase", others[0].roles["phase"], chosen_echo=echo)[0]
    main = chosen.get("swi", chosen.get("magnitude"))
    if main is None or phase is None or not _same_grid(main, phase.path):
        return []
    chosen["phase"] = phase.path
    return [f"The phase of {others[0].label} was taken: it lies on the same grid."]


def _same_grid(first: Path, second: Path) -> bool:
    try:
        a, b = (nib.load(path) for path in (first, second))
        shapes = [image.shape for image in (a, b)]  # type: ignore[attr-defined]
        affines = [image.affine for image in (a, b)]  # type: ignore[attr-defined]
    except (OSError, ImageFileError, ValueError, EOFError):
        return False
    return shapes[0] == shapes[1] and bool(np.allclose(affines[0], affines[1], atol=1e-2))


def _voxel_mm3(path: Path) -> float:
    try:
        return float(np.prod(nib.load(path).header.get_zooms()[:3]))  # type: ignore[attr-defined]
    except (OSError, ImageFileError, ValueError, EOFError):
        return 0.0


def _stem(session: Session, entities: Mapping[str, str]) -> str:
    """Return the beginning of the derivatives' names."""
    kept = [f"{name}-{entities[name]}" for name in _ORDER if name in entities]
    return "_".join([session.name, *kept])
