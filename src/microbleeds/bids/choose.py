"""Which images of a session are searched, and why: one scan per session, the others are named.

Conventions:
    * SWI with phase beats magnitude with phase, which beats SWI alone and magnitude alone; then the finer voxels;
      then the later run, since a run is repeated when the first one is bad.
    * Of several echoes the longest up to :data:`LONGEST_ECHO_T_MS` is taken: contrast of a bleed grows with echo
      time and field strength, but beyond that the signal near bone and air is gone.
    * An acquisition with an image whose header can't be used is left aside as long as there is another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from microbleeds.bids.acquisitions import Acquisition, acquisitions, main_image
from microbleeds.bids.dataset import Image, Session, natural
from microbleeds.bids.runs import series_of
from microbleeds.errors import InputError

#: Field strength times echo time: 30 ms at 3 T, 60 ms at 1.5 T, 13 ms at 7 T. Usual SWI has 60 (20 ms at 3 T).
LONGEST_ECHO_T_MS = 90.0
_ASSUMED_FIELD_T = 3.0
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
    found = acquisitions(images)
    mains = [one for one in found if "swi" in one.roles or "magnitude" in one.roles]
    if not mains:
        raise InputError(f"{session.name} has phase images but no SWI or magnitude beside them.")
    usable = [one for one in mains if one.damaged is None] or mains
    best = max(usable, key=_rank)
    notes: list[str] = []
    if len(usable) > 1:
        others = "; ".join(one.label for one in usable if one is not best)
        notes.append(
            f"Of {len(usable)} acquisitions {best.label} was taken ({_reason(best, usable)}); left: {others}."
        )
    notes += [
        f"{one.label} was left aside: the header of {one.damaged.name} can't be used; copy or convert it again."
        for one in mains
        if one not in usable and one.damaged is not None
    ]
    chosen, said = _images_of(best)
    notes += said
    echo = _echo_of(chosen, best.images)
    notes += _phase_of_others(chosen, best, [one for one in found if one is not best], echo)
    return Choice(chosen, _stem(session, best.entities), tuple(dict.fromkeys(notes)))


def _rank(one: Acquisition) -> tuple[int, float, list[tuple[int, str]], int, list[tuple[int, str]]]:
    swi, phase = "swi" in one.roles, "phase" in one.roles
    kind = 3 if swi and phase else 2 if phase else 1 if swi else 0
    main = main_image(one.roles).path
    series = series_of(main)
    run = natural(one.entities.get("run", "0"))
    return kind, -round(one.voxel_mm3, 2), run, -1 if series is None else series, natural(main.name)


def _images_of(best: Acquisition) -> tuple[dict[str, Path], list[str]]:
    """Choose one image of each role, and say what was left."""
    chosen: dict[str, Path] = {}
    notes: list[str] = []
    for role in ("swi", "magnitude", "phase"):
        if role in best.roles:
            members = best.roles[role] if role == "phase" else _with_phase(best.roles[role], best.roles)
            image, said = _one(role, members, chosen_echo=_echo_of(chosen, best.images))
            if len(members) < len(best.roles[role]):
                left = len(best.roles[role]) - len(members)
                said = [*said, f"Of {_PLURAL[role]} images {left} without a phase of their echo were left aside."]
            notes += said
            if image is not None:
                chosen[role] = image.path
    return chosen, notes


def _fits(image: Image, entity: str, wanted: str | None) -> bool:
    return wanted is None or image.entities.get(entity) == wanted.removeprefix(f"{entity}-")


def _reason(best: Acquisition, usable: Sequence[Acquisition]) -> str:
    """Say by which rule the best one beat the next."""
    first, second = _rank(best), max(_rank(one) for one in usable if one is not best)
    if second[0] != first[0]:
        return ("magnitude alone", "SWI without phase", "magnitude with phase", "SWI with phase")[first[0]]
    if second[1] != first[1]:
        return "the finest voxels"
    if second[2:4] != first[2:4]:
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
    """Choose among the images of one role in one acquisition, which are of different echoes.

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


def _phase_of_others(
    chosen: dict[str, Path], best: Acquisition, others: Sequence[Acquisition], echo: int | None
) -> list[str]:
    """Take the phase of another acquisition if it is the only one and lies on the same grid; say what is left."""
    notes = []
    with_phase = [one for one in others if "phase" in one.roles]
    if "phase" not in chosen and len(with_phase) == 1 and _same_grid(best, with_phase[0]):
        phase = _one("phase", with_phase[0].roles["phase"], chosen_echo=echo)[0]
        if phase is not None:
            chosen["phase"] = phase.path
            notes.append(f"The phase of {with_phase[0].label} was taken: it lies on the same grid.")
    for one in with_phase:
        if set(one.roles) == {"phase"} and chosen.get("phase") not in [image.path for image in one.images]:
            where = "" if _same_grid(best, one) else " and lies on another grid than what is searched"
            notes.append(f"The phase of {one.label} was left aside: it has no SWI or magnitude of its own{where}.")
    return notes


def _same_grid(one: Acquisition, other: Acquisition) -> bool:
    return one.grid is not None and other.grid is not None and one.grid.same_as(other.grid)


def _stem(session: Session, entities: Mapping[str, str]) -> str:
    """Return the beginning of the derivatives' names."""
    kept = [f"{name}-{entities[name]}" for name in _ORDER if name in entities]
    return "_".join([session.name, *kept])
