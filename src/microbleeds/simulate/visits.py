"""Several visits of one head: what stays, what is new, another pose, protocol and noise.

Every body of a visit is there at the next one, at most slightly larger; each later visit adds microbleeds. Bodies
are drawn in the head of the first visit and move with the head. The first visit is the baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.given import refuse_below
from microbleeds.simulate.cohort import BURDENS, PROFILES, drawn_burden, drawn_profile
from microbleeds.simulate.default_anatomy import default_anatomy
from microbleeds.simulate.fine_signal import render
from microbleeds.simulate.head import Head, draw_head
from microbleeds.simulate.inclusions import Inclusion
from microbleeds.simulate.label_maps import load_label_map
from microbleeds.simulate.microbleeds import BodyLaw, Profile, draw_microbleeds
from microbleeds.simulate.placement import Placer
from microbleeds.simulate.pose import moved_body, posed_head, rigid
from microbleeds.simulate.protocol import Protocol, ScanSettings, draw_settings, named_protocol
from microbleeds.simulate.subject import BodySettings, SimulatedScan, draw_bodies, scan_bodies, torch_device

SAME, OTHER = "same", "other"
# Number of new microbleeds: none, then the classes of ARIA-H (1-4, 5-9, 10 and more).
_NEW_SHARES = (0.30, 0.45, 0.17, 0.08)
_NEW_COUNTS = ((0, 0), (1, 4), (5, 9), (10, 14))


@dataclass(frozen=True)
class VisitSettings:
    """How the visits of a head differ.

    Args:
        protocol: of the first visit, or ``mixed``.
        followup_protocol: of the later ones: ``same`` (same sequence and scanner), ``other`` (any but the first
            visit's), a name, or ``mixed``.
        profile: clinical profile, or ``mixed``.
        burden: number of microbleeds at baseline, named as in :class:`microbleeds.simulate.cohort.CohortSettings`.
        visits: number of visits, at least 2.
        rotation_deg: limits of the turn between the first and each later visit.
        shift_mm: standard deviation of the shift along each axis.
        growth: limits of the factor on a body's lengths from visit to visit.
    """

    protocol: str
    followup_protocol: str = SAME
    profile: str = "mixed"
    burden: str = "natural"
    visits: int = 2
    rotation_deg: tuple[float, float] = (3.0, 8.0)
    shift_mm: float = 6.0
    growth: tuple[float, float] = (1.0, 1.03)


@dataclass(frozen=True, eq=False)
class SimulatedVisit:
    """One visit.

    Args:
        scan: images and truth in the world of this visit.
        lesion: number of each microbleed of ``scan.microbleeds``; the same one has the same at every visit.
        first_visit: visit (from 1) at which each appeared.
        visit_from_baseline: [4, 4] rigid map from the first visit's RAS mm to this one's.
    """

    scan: SimulatedScan
    lesion: list[int]
    first_visit: list[int]
    visit_from_baseline: NDArray[np.float64]


def check_settings(settings: VisitSettings) -> None:
    """Refuse unknown names and numbers.

    Raises:
        InputError: if there is one.
    """
    probe = np.random.default_rng(0)
    named_protocol(settings.protocol, probe)
    if settings.followup_protocol not in (SAME, OTHER):
        named_protocol(settings.followup_protocol, probe)
    if settings.burden not in BURDENS:
        raise InputError(f"There is no burden called {settings.burden!r}; choose one of {', '.join(BURDENS)}.")
    if settings.profile not in (*PROFILES, "mixed"):
        known = ", ".join([*PROFILES, "mixed"])
        raise InputError(f"There is no profile called {settings.profile!r}; choose one of {known}.")
    refuse_below(2, number_of_visits=settings.visits)


def visits_of_head(
    index: int, seed: int, settings: VisitSettings, anatomies: Sequence[Path] = (), device: str = "auto"
) -> Iterator[SimulatedVisit]:
    """Yield the visits of head number ``index``, baseline first; they depend on the arguments alone."""
    where = torch_device(device)
    shape_seed, body_seed, choice_seed, *visit_seeds = np.random.SeedSequence([seed, index]).spawn(
        3 + settings.visits
    )
    choice = np.random.default_rng(choice_seed)
    protocol = named_protocol(settings.protocol, choice)
    anatomy = load_label_map(anatomies[int(choice.integers(len(anatomies)))]) if anatomies else default_anatomy()
    head = draw_head(anatomy, shape_seed, where)
    profile = drawn_profile(settings.profile, choice)
    bodies = _Bodies.drawn(head, settings, profile, choice, body_seed)
    first: ScanSettings | None = None
    for number, visit_seed in enumerate(visit_seeds, start=1):
        rng = np.random.default_rng(visit_seed)
        if number > 1:
            bodies = bodies.later(head, profile, number, settings, rng)
        current = protocol if number == 1 else _followup_protocol(settings, protocol, rng)
        drawn = draw_settings(current, rng)
        if first is not None and settings.followup_protocol == SAME:
            drawn = same_scanner(drawn, first)
        first = first or drawn
        pose = np.eye(4) if number == 1 else _drawn_pose(head, settings, rng)
        yield _scanned(head, pose, bodies, (current, drawn, profile), rng, visit_seed, where)


def same_scanner(drawn: ScanSettings, first: ScanSettings) -> ScanSettings:
    """Return new settings with what one scanner and one protocol keep: contrast, filters and file format."""
    return replace(
        drawn,
        flip_angle_deg=first.flip_angle_deg,
        repetition_time_ms=first.repetition_time_ms,
        phase_resolution=first.phase_resolution,
        partial_fourier=first.partial_fourier,
        taper=first.taper,
        homodyne_window=first.homodyne_window,
        mask_kind=first.mask_kind,
        mask_power=first.mask_power,
        vendor=first.vendor,
        phase_unit=first.phase_unit,
        phase_filtered=first.phase_filtered,
        paramagnetic_bright=first.paramagnetic_bright,
    )


def draw_new_count(generator: np.random.Generator) -> int:
    """Number of new microbleeds at a visit: none, or of one of the classes of ARIA-H."""
    low, high = _NEW_COUNTS[generator.choice(len(_NEW_COUNTS), p=_NEW_SHARES)]
    return int(generator.integers(low, high + 1))


@dataclass(frozen=True, eq=False)
class _Bodies:
    """All bodies so far in the first visit's world, with the visit at which each appeared."""

    bodies: list[Inclusion]
    since: list[int]

    @classmethod
    def drawn(
        cls,
        head: Head,
        settings: VisitSettings,
        profile: Profile,
        choice: np.random.Generator,
        seed: np.random.SeedSequence,
    ) -> _Bodies:
        """Bodies of the first visit."""
        bodies = draw_bodies(head, BodySettings(profile, drawn_burden(settings.burden, choice)), seed)
        return cls(bodies, [1] * len(bodies))

    def later(
        self, head: Head, profile: Profile, number: int, settings: VisitSettings, rng: np.random.Generator
    ) -> _Bodies:
        """The same bodies, grown a little, and new microbleeds clear of them."""
        placer = Placer(head.anatomy, [v for v in head.vessels if v.kind != "perivascular-space"])
        grown = [moved_body(body, np.eye(4), float(rng.uniform(*settings.growth))) for body in self.bodies]
        for body in grown:
            placer.take(body.position_mm, body.extent_mm)
        new = draw_microbleeds(rng, placer, draw_new_count(rng), profile, BodyLaw())
        return _Bodies([*grown, *new], [*self.since, *[number] * len(new)])


def _followup_protocol(settings: VisitSettings, first: Protocol, rng: np.random.Generator) -> Protocol:
    """Return the protocol of a later visit."""
    if settings.followup_protocol == SAME:
        return first
    if settings.followup_protocol != OTHER:
        return named_protocol(settings.followup_protocol, rng)
    drawn = first
    while drawn.name == first.name:
        drawn = named_protocol("mixed", rng)
    return drawn


def _drawn_pose(head: Head, settings: VisitSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a turn about a random axis through the brain, and a shift."""
    inside = np.argwhere(head.anatomy.brain)
    centre = head.anatomy.grid.to_mm(inside.mean(axis=0))
    return rigid(
        float(rng.uniform(*settings.rotation_deg)), rng.normal(size=3), rng.normal(0, settings.shift_mm, 3), centre
    )


def _scanned(
    head: Head,
    pose: NDArray[np.float64],
    bodies: _Bodies,
    what: tuple[Protocol, ScanSettings, Profile],
    rng: np.random.Generator,
    seed: np.random.SeedSequence,
    device: torch.device,
) -> SimulatedVisit:
    """Render the head in its pose and scan it."""
    protocol, settings, profile = what
    (render_seed,) = seed.spawn(1)
    posed = head if np.array_equal(pose, np.eye(4)) else posed_head(head, pose, rng, device)
    fine = render(posed, protocol, settings, render_seed, device)
    placed = [moved_body(body, pose) for body in bodies.bodies]
    scan = scan_bodies(fine, placed, profile, int(rng.integers(2**31)))
    bleeds = [n for n, body in enumerate(bodies.bodies) if body.scored == "microbleed"]
    lesion = list(range(1, len(bleeds) + 1))  # the list only grows, so a number stays with its bleed
    return SimulatedVisit(scan, lesion, [bodies.since[n] for n in bleeds], pose)
