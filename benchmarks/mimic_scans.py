"""Scans for the mimic tests: twins that differ in the sign of every body, and a scan with everything else.

Of each head come three scans. In ``twin-a`` half of the bodies are bleeds and half calcifications; in ``twin-b``
every sign is flipped; noise, motion, places, sizes and strengths are the same, so that each body is its own
control. The ``other`` scan has bleeds, mineralisation of the pallidum and phase singularities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds.simulate.cohort import CohortSettings, rendered_head
from microbleeds.simulate.fine_signal import FineSignal
from microbleeds.simulate.inclusions import Inclusion
from microbleeds.simulate.microbleeds import BodyLaw, draw_microbleeds
from microbleeds.simulate.mimics import MimicSettings, draw_mimics
from microbleeds.simulate.placement import Placer
from microbleeds.simulate.protocol import DEFAULT_PROTOCOL
from microbleeds.simulate.subject import SimulatedScan, scan_bodies, with_settings
from mimic_spots import Spot, air_spots, measured, singularity_spots, vessel_spots

BODIES = 24  # of a twin
BLEEDS = 10  # of the other scan
SINGULARITIES = 4
NONE = MimicSettings(**dict.fromkeys(MimicSettings.__dataclass_fields__, 0.0))


@dataclass(frozen=True, eq=False)
class MimicScan:
    """A scan and the spots at which scores are asked."""

    name: str
    scan: SimulatedScan
    spots: list[Spot]


def scans_of_head(head: int, seed: int, anatomies: Sequence[Path]) -> Iterator[MimicScan]:
    """Yield the three scans of head number ``head``; they depend on the arguments alone."""
    fine = rendered_head(head, seed, CohortSettings(DEFAULT_PROTOCOL), anatomies)
    fine = with_settings(fine, replace(fine.settings, singularities=0))
    body_rng, sign_rng, other_rng, noise = (
        np.random.default_rng(s) for s in np.random.SeedSequence([seed, head, 5]).spawn(4)
    )
    placer = Placer(fine.head.anatomy, [v for v in fine.head.vessels if v.kind != "perivascular-space"])
    bodies = draw_microbleeds(body_rng, placer, BODIES, "natural", BodyLaw())
    flipped = sign_rng.permutation(len(bodies)) < len(bodies) // 2
    noise_seed = int(noise.integers(2**31))
    for name, calcified in (("twin-a", flipped), ("twin-b", ~flipped)):
        yield _twin(name, fine, bodies, calcified, noise_seed)
    yield _other(fine, other_rng, int(noise.integers(2**31)))


def calcified(body: Inclusion) -> Inclusion:
    """The same body with the opposite susceptibility."""
    return replace(body, kind="calcification", scored="mimic", susceptibility_ppm=-body.susceptibility_ppm)


def _twin(
    name: str, fine: FineSignal, bodies: Sequence[Inclusion], flipped: NDArray[np.bool_], noise_seed: int
) -> MimicScan:
    """Scan bodies, some of them flipped; vessels and air are looked at in the first twin only."""
    placed = [calcified(body) if turned else body for body, turned in zip(bodies, flipped, strict=True)]
    scan = scan_bodies(fine, placed, "natural", noise_seed)
    spots = [measured(scan, body.kind, body, number) for number, body in enumerate(placed)]
    if name == "twin-a":
        spots += vessel_spots(scan) + air_spots(scan)
    return MimicScan(name, scan, spots)


def _other(fine: FineSignal, rng: np.random.Generator, noise_seed: int) -> MimicScan:
    """Scan bleeds beside mineralisation of the pallidum and singularities."""
    placer = Placer(fine.head.anatomy, [v for v in fine.head.vessels if v.kind != "perivascular-space"])
    # The chance is multiplied by 0.5 to 1.5 with age: 10 makes it certain.
    settings = replace(NONE, pallidal_mineralisation=10.0)
    mineral = draw_mimics(rng, placer, BodyLaw(), fine.head.tissues.age, settings)
    bodies = [*mineral, *draw_microbleeds(rng, placer, BLEEDS, "natural", BodyLaw())]
    bodies = [body for body in bodies if body.kind in ("microbleed", "pallidal-mineralisation")]
    varied = with_settings(fine, replace(fine.settings, singularities=SINGULARITIES))
    scan = scan_bodies(varied, bodies, "natural", noise_seed)
    spots = [measured(scan, body.kind, body) for body in bodies]
    return MimicScan("other", scan, spots + singularity_spots(scan))
