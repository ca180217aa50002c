"""Which volumes of a study are used, and why.

Conventions:
    * SWI comes first; a magnitude (with phase the SWI is made from it), then a pair of real and imaginary images,
      stand in for it.
    * Everything else that is used lies on the grid of the main volume.
    * A minimum projection is known as one, so that it is never taken for an SWI, and not used.
    * Every choice between candidates is explained by the first thing in which they differ.
    * What the user asked for (:mod:`.wishes`) is used or refused, never replaced; the rest fits itself to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, canonical
from microbleeds.read.dicom.roles import COMPONENTS
from microbleeds.read.dicom.series import DicomSeries, Role

# The usual SWI: 20 ms at 3 T, 40 ms at 1.5 T.
USUAL_TESLA_MS = 60.0
NAMES: dict[Role, str] = {
    "swi": "SWI",
    "magnitude": "magnitude",
    "phase": "phase",
    "real": "real part",
    "imaginary": "imaginary part",
    "other": "other",
}
MAIN_ROLES: tuple[Role, ...] = ("swi", "magnitude", "real")


@dataclass(frozen=True)
class Criterion:
    """One thing in which candidates may differ: the larger value wins, and ``because`` says so."""

    value: Callable[[DicomSeries], float]
    because: str


@dataclass(frozen=True, eq=False)
class Pick:
    """One volume, why it was taken, and whether it had rivals."""

    volume: DicomSeries
    why: str
    contested: bool = False


@dataclass(frozen=True, eq=False)
class Choice:
    """What is used: role to volume, role to a sentence that explains it, and what a reader should know."""

    chosen: dict[Role, DicomSeries]
    reasons: dict[Role, str]
    notes: tuple[str, ...]


def choose(volumes: Sequence[DicomSeries], wished: dict[Role, DicomSeries | None]) -> Choice:
    """Choose the volumes to use.

    Args:
        volumes: all of the study.
        wished: role to the volume that the user named; ``None`` to do without that role.

    Raises:
        InputError: if there is no SWI or magnitude, the wanted one is defective, or two studies have one.
    """
    for role, volume in wished.items():
        _refuse_defect(volume, f"the {NAMES[role]}")
    main_role, picked = _main(volumes, wished)
    main = picked.volume
    picks = {main_role: picked}
    notes: list[str] = []
    for role in _companions(main_role, volumes, main, wished):
        named = wished.get(role)
        if named is not None:
            picks[role] = _asked_for(role, named)
        elif role not in wished:
            pick = _companion(role, volumes, main, [p.volume for p in picks.values()])
            if pick is not None:
                picks[role] = pick
            elif role == "phase":
                notes += _unused_phase(volumes, main)
    _refuse_unused(wished, picks)
    return Choice(
        chosen={role: pick.volume for role, pick in picks.items()},
        reasons={role: pick.why for role, pick in picks.items()},
        notes=(*[pick.why for pick in picks.values() if pick.contested], *notes),
    )


def _refuse_unused(wished: dict[Role, DicomSeries | None], picks: dict[Role, Pick]) -> None:
    """Half a complex image is of no use, and neither is what doesn't go with the main volume."""
    if ("real" in picks) != ("imaginary" in picks):
        raise InputError("A real image is of use with its imaginary one only; name both with --series.")
    for role, volume in wished.items():
        if volume is not None and role not in picks:
            raise InputError(
                f"Series {titled(volume)} can't be used as {NAMES[role]} beside what else was chosen; name the "
                "other series too, or do without them (swi=none)."
            )


def _asked_for(role: Role, volume: DicomSeries) -> Pick:
    return Pick(volume, f"Series {titled(volume)} is the {NAMES[role]}, as asked for.")


def titled(volume: DicomSeries) -> str:
    """Name a volume in a sentence: its number and description."""
    return f"{volume.name} ({volume.description})" if volume.description else volume.name


def same_grid(one: DicomSeries, other: DicomSeries) -> bool:
    """Whether two volumes have the same voxels in the world, in whatever order they are stored."""
    if one.grid is None or other.grid is None:
        return False
    return _upright(one.grid).same_as(_upright(other.grid))


def _upright(grid: Grid) -> Grid:
    return canonical(np.broadcast_to(np.int8(0), grid.shape), grid)[1]


def _main(volumes: Sequence[DicomSeries], wished: dict[Role, DicomSeries | None]) -> tuple[Role, Pick]:
    """Return the main volume; one that wasn't named lies on the grid of what was."""
    named = {role: volume for role, volume in wished.items() if volume is not None}
    near = next(iter(named.values()), None)
    for role in MAIN_ROLES:
        if role in named:
            return role, _asked_for(role, named[role])
        candidates = [] if role in wished else _candidates(role, volumes)
        if near is not None:
            candidates = [v for v in candidates if same_grid(v, near)]
        usable = [v for v in candidates if v.defect is None]
        if usable:
            _refuse_two_studies(usable)
            return role, _best(role, usable, _criteria(role, volumes))
        if candidates:
            _refuse_defect(candidates[0], f"the only {NAMES[role]}")
    if near is not None:
        raise InputError(f"No SWI and no T2*-weighted magnitude lies on the grid of series {titled(near)}.")
    raise InputError(f"The study holds no SWI and no T2*-weighted magnitude; it holds {listed(volumes)}.")


def _candidates(role: Role, volumes: Sequence[DicomSeries]) -> list[DicomSeries]:
    """Return the volumes of a role; a real image needs its imaginary one."""
    found = [v for v in volumes if v.role == role]
    if role != "real":
        return found
    partners = [v for v in volumes if v.role == "imaginary" and v.defect is None]
    return [v for v in found if any(same_grid(v, partner) for partner in partners)]


def _refuse_defect(volume: DicomSeries | None, what: str) -> None:
    if volume is not None and volume.defect is not None:
        raise InputError(f"Series {titled(volume)}, {what}, can't be used: {volume.defect}.")


def refuse_other_kind(volume: DicomSeries, role: Role) -> None:
    """Refuse as SWI or magnitude what its headers surely call a phase, a projection or half a complex image.

    Raises:
        InputError: if they do.
    """
    unfit = volume.role == "mip" or volume.why in COMPONENTS.values()
    if role in ("swi", "magnitude") and volume.sure and unfit:
        raise InputError(
            f"Series {titled(volume)} can't be the {NAMES[role]}, since its headers say that it is {volume.why}; "
            f"name another series, or leave out {role}= and let the headers choose."
        )


def _refuse_two_studies(candidates: Sequence[DicomSeries]) -> None:
    studies = len({volume.study_uid for volume in candidates})
    if studies > 1:
        raise InputError(
            f"The folder holds {studies} studies with such images ({listed(candidates)}); give the folder of "
            "one, or name a series by its UID with --series."
        )


def _criteria(role: Role, volumes: Sequence[DicomSeries]) -> list[Criterion]:
    """Return what makes a main volume better than another, the most important first."""

    def companion(kind: Role) -> Callable[[DicomSeries], float]:
        return lambda v: float(any(w.role == kind and w.defect is None and same_grid(v, w) for w in volumes))

    def echo(volume: DicomSeries) -> float:
        facts = volume.facts
        if facts.echo_time_ms is None or role == "swi":
            return 0.0
        return -abs((facts.field_strength_t or 3.0) * facts.echo_time_ms - USUAL_TESLA_MS)

    def processed(volume: DicomSeries) -> float:
        """SWI is derived from the magnitude, which often bears the same name."""
        sources = (w for w in volumes if w.role == "swi" and w.original and w is not volume)
        return float(role == "swi" and not volume.original and any(same_grid(volume, w) for w in sources))

    return [
        Criterion(lambda v: float(v.sure), "its Image Type says what it is"),
        Criterion(processed, "it is derived from an acquired series on its grid, as SWI is"),
        Criterion(companion("phase"), "a phase image lies on its grid"),
        Criterion(companion("imaginary"), "a complex image lies on its grid"),
        Criterion(lambda v: float(v.original), "it was acquired, not derived"),
        Criterion(companion("magnitude"), "a magnitude lies on its grid"),
        Criterion(lambda v: -round(float(np.prod(_spacing(v))), 3), "its voxels are smaller"),
        Criterion(echo, "its echo time is nearest to the usual (20 ms at 3 T, 40 ms at 1.5 T)"),
        Criterion(lambda v: len(v.instances), "it has more slices"),
        Criterion(lambda v: v.number or 0, "it is the latest"),
    ]


def _spacing(volume: DicomSeries) -> np.ndarray:
    return np.zeros(3) if volume.grid is None else volume.grid.spacing_mm


def _best(role: Role, candidates: Sequence[DicomSeries], criteria: Sequence[Criterion]) -> Pick:
    """Return the best candidate and in what it differs from the next best."""
    ranked = sorted(candidates, key=lambda v: tuple(c.value(v) for c in criteria), reverse=True)
    best = ranked[0]
    if len(ranked) == 1:
        return Pick(best, f"Series {titled(best)} is the {NAMES[role]}: {best.why}.")
    because = next((c.because for c in criteria if c.value(best) != c.value(ranked[1])), "it comes first")
    others = ", ".join(titled(volume) for volume in ranked[1:])
    return Pick(
        best, f"Series {titled(best)} was chosen as {NAMES[role]} before {others}, because {because}.", True
    )


def _companions(
    main_role: Role, volumes: Sequence[DicomSeries], main: DicomSeries, wished: dict[Role, DicomSeries | None]
) -> list[Role]:
    """Return the further roles to fill: phase from a complex image only where there is no phase image."""
    roles: list[Role] = ["imaginary"] if main_role == "real" else ["phase", "magnitude"]
    if main_role == "magnitude":
        roles.remove("magnitude")
    if main_role == "real" or wished.get("phase", main) is None:
        return roles
    has_phase = wished.get("phase") is not None or _companion("phase", volumes, main) is not None
    complex_pair = all(_companion(role, volumes, main) is not None for role in ("real", "imaginary"))
    if {"real", "imaginary"} <= wished.keys() or (not has_phase and complex_pair):
        roles = [*(role for role in roles if role != "phase"), "real", "imaginary"]
    return roles


def _companion(
    role: Role, volumes: Sequence[DicomSeries], main: DicomSeries, taken: Sequence[DicomSeries] = ()
) -> Pick | None:
    """Return the volume of a role that fits the main one best."""
    free = [v for v in volumes if v.defect is None and not any(v is other for other in taken)]
    candidates = [v for v in free if v.role == role and same_grid(v, main)]
    if role == "magnitude" and not candidates:
        # A name that says SWI is typed for the whole acquisition; an image that says so itself, or that was
        # derived, is the SWI, and the acquired one its magnitude.
        surer = main.sure or not main.original
        candidates = [v for v in free if v.role == "swi" and v.original and not v.sure and surer]
        candidates = [v for v in candidates if same_grid(v, main)]
        if len(candidates) == 1:
            why = f"Series {titled(candidates[0])} is the magnitude: the acquired image on the grid of the SWI."
            return Pick(candidates[0], why)
    if not candidates:
        return None
    return _best(role, candidates, _fit(main))


def _fit(main: DicomSeries) -> list[Criterion]:
    def echo(volume: DicomSeries) -> float:
        one, other = volume.facts.echo_time_ms, main.facts.echo_time_ms
        return 0.0 if one is None or other is None else -round(abs(one - other), 1)

    def near(volume: DicomSeries) -> float:
        return -abs((volume.number or 0) - (main.number or 0))

    return [
        Criterion(lambda v: float(v.study_uid == main.study_uid), "it is of the same study"),
        Criterion(echo, f"its echo time is nearest to that of series {main.name}"),
        Criterion(lambda v: float(v.sure), "its headers say what it is"),
        Criterion(near, f"its number is nearest to that of series {main.name}"),
        Criterion(lambda v: -(v.part or 0), "it comes first in its series"),
    ]


def _unused_phase(volumes: Sequence[DicomSeries], main: DicomSeries) -> list[str]:
    """Say why a phase image that exists isn't used: without phase much less is found."""
    return [
        f"Series {titled(v)} is a phase image but wasn't used: "
        f"{v.defect or f'it lies on another grid than series {main.name}'}."
        for v in volumes
        if v.role == "phase" and v.study_uid == main.study_uid
    ]


def remark(volume: DicomSeries) -> str:
    """Say what matters most about a volume: what it is, or why it can't be used though its kind could."""
    return volume.why if volume.role == "other" or volume.defect is None else volume.defect


def listed(volumes: Sequence[DicomSeries], most: int = 12) -> str:
    """Name volumes in a sentence."""
    names = [f"series {titled(v)}, {len(v.instances)} images: {remark(v)}" for v in volumes[:most]]
    more = f"; and {len(volumes) - most} more" if len(volumes) > most else ""
    return "; ".join(names) + more
