"""Which microbleeds a subject has: how many, where, how large, how strong.

Counts and sites follow the public summary of 957 microbleeds in 206 positive scans of five collections. Radii of
the hemosiderin core and susceptibilities are calibrated on blooming (visible ones have a median apparent diameter
of 2.7 mm, most lie between 1.5 and 4.6 mm): no table of measured susceptibilities per microbleed was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from microbleeds.regions import REGIONS
from microbleeds.simulate.anatomy import Anatomy
from microbleeds.simulate.inclusions import Inclusion, Scored, cluster
from microbleeds.simulate.placement import SITE_SHARES, Placer

Profile = Literal["natural", "lobar-posterior", "deep", "strictly-lobar"]
# Percentiles of the count per positive scan, and the counts.
_COUNT_PERCENTILES = ((0, 25, 50, 75, 90, 95, 100), (1, 1, 2, 4, 11, 17, 83))
PROFILE_SHARES: dict[str, dict[str, float]] = {
    "natural": SITE_SHARES,
    # As in cerebral amyloid angiopathy: cortex and white matter, mostly posterior. White matter away from the
    # cortex holds the periventricular rim, capsules and callosum, so that a fifth to a quarter lie deep by MARS.
    "lobar-posterior": {
        "cortex": 0.52,
        "subcortical-white-matter": 0.40,
        "cerebellum": 0.07,
        "thalamus": 0.01,
    },
    # The same without anything deep: probable amyloid angiopathy by the Boston criteria v2.0.
    "strictly-lobar": {"cortex": 0.53, "subcortical-white-matter": 0.40, "cerebellum": 0.07},
    # Hypertensive arteriopathy.
    "deep": {
        "basal-ganglia": 0.36,
        "thalamus": 0.28,
        "brainstem": 0.15,
        "cerebellum": 0.11,
        "subcortical-white-matter": 0.10,
    },
}


@dataclass(frozen=True)
class BodyLaw:
    """The distribution that microbleeds and matched calcifications share, so that only the sign differs."""

    median_radius_mm: float = 1.0
    radius_sigma: float = 0.42
    radius_range_mm: tuple[float, float] = (0.35, 2.6)
    median_ppm: float = 1.0
    ppm_sigma: float = 0.6
    ppm_range: tuple[float, float] = (0.25, 4.0)
    single_grain: float = 0.6

    def draw(self, generator: np.random.Generator, kind: str, scored: Scored, sign: int) -> Inclusion:
        """Draw a body at the origin."""
        rng = generator
        radius = np.clip(self.median_radius_mm * np.exp(rng.normal(0, self.radius_sigma)), *self.radius_range_mm)
        ppm = np.clip(self.median_ppm * np.exp(rng.normal(0, self.ppm_sigma)), *self.ppm_range)
        grains = 1 if rng.random() < self.single_grain else int(rng.integers(2, 6))
        centres, radii = cluster(rng, np.zeros(3), float(radius), grains)
        return Inclusion(kind, scored, centres, radii, float(sign * ppm), float(rng.uniform(0.05, 0.5)))


def moved(body: Inclusion, position_mm: NDArray) -> Inclusion:
    """The same body with its centre at ``position_mm``."""
    shift = np.asarray(position_mm) - body.position_mm
    return Inclusion(
        body.kind,
        body.scored,
        body.centres_mm + shift,
        body.radii_mm,
        body.susceptibility_ppm,
        body.residual_signal,
    )


def draw_count(generator: np.random.Generator, burden: str) -> int:
    """Number of microbleeds: ``none``, ``natural`` (of a positive scan), ``rich`` (3 to 18), ``dense`` (25 to 60).

    The last two are for training: a scan costs the same with many.
    """
    if burden == "none":
        return 0
    if burden == "rich":
        return int(generator.integers(3, 19))
    if burden == "dense":
        return int(generator.integers(25, 61))
    return int(np.floor(np.interp(generator.uniform(0, 100), *_COUNT_PERCENTILES)))


def draw_microbleeds(
    generator: np.random.Generator, placer: Placer, count: int, profile: Profile, law: BodyLaw
) -> list[Inclusion]:
    """Draw ``count`` microbleeds (fewer when the sites are full) of a clinical profile."""
    shares = PROFILE_SHARES[profile]
    sites = generator.choice(list(shares), size=count, p=np.array(list(shares.values())) / sum(shares.values()))
    weight = _weight(placer.anatomy, profile)
    bodies = []
    for site in sites:
        body = law.draw(generator, "microbleed", "microbleed", +1)
        position = placer.draw(generator, str(site), body.extent_mm, weight)
        if position is not None:
            bodies.append(moved(body, position))
    return bodies


def _weight(anatomy: Anatomy, profile: Profile) -> NDArray[np.float32] | None:
    """Return the relative density of a profile, [X, Y, Z] on the 1 mm labels; ``None`` if it is even."""
    if profile == "lobar-posterior":
        return posterior_weight(anatomy)
    if profile == "strictly-lobar":
        deep = np.isin(anatomy.regions, [code for code, region in REGIONS.items() if region.group == "deep"])
        return np.where(deep, np.float32(0), posterior_weight(anatomy))
    return None


def posterior_weight(anatomy: Anatomy) -> NDArray[np.float32]:
    """Density that rises from 0.15 in front to 1 in the occipital lobes, [X, Y, Z] on the 1 mm labels."""
    row = (anatomy.mni_from_ras @ anatomy.grid.affine)[1]  # MNI y is linear in the voxel indices
    i, j, k = (np.arange(n, dtype=np.float32) for n in anatomy.grid.shape)
    y_mni = row[0] * i[:, None, None] + row[1] * j[:, None] + row[2] * k + row[3]
    return (0.15 + 0.85 / (1 + np.exp((y_mni + 35) / 12))).astype(np.float32)
