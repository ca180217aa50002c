"""Vertical veins of striatum and thalamus: on axial slices they are dots, the hardest mimic of a bleed."""

from __future__ import annotations

import numpy as np

from microbleeds.simulate.vessels.curve import wander
from microbleeds.simulate.vessels.head import Head
from microbleeds.simulate.vessels.settings import VesselSettings
from microbleeds.simulate.vessels.vessel import Vessel
from microbleeds.tissues import Tissue

NUCLEI = (
    Tissue.CAUDATE_LEFT,
    Tissue.CAUDATE_RIGHT,
    Tissue.PUTAMEN_LEFT,
    Tissue.PUTAMEN_RIGHT,
    Tissue.PALLIDUM_LEFT,
    Tissue.PALLIDUM_RIGHT,
    Tissue.THALAMUS_LEFT,
    Tissue.THALAMUS_RIGHT,
)
LENGTH_MM = (10.0, 28.0)
TILT = 0.22  # standard deviation of the sideways part of the direction, about 12 degrees


def grow_striate(head: Head, settings: VesselSettings, generator: np.random.Generator) -> list[Vessel]:
    """Return the vertical veins of striatum and thalamus, each through a random point of a nucleus."""
    low, high = settings.striate_veins
    middles = head.draw(head.where(*NUCLEI), int(generator.integers(low, high + 1)), generator)
    vessels = []
    for middle in middles:
        direction = np.array([*(TILT * generator.standard_normal(2)), 1.0])
        length = generator.uniform(*LENGTH_MM)
        along = np.arange(-length / 2, length / 2, 1.0)
        line = middle + along[:, None] * direction + wander(len(along), 0.6, 6, generator)
        line = line[head.sample(head.intracranial.astype(np.float32), line) > 0.5]
        if generator.random() < 0.5:
            line = line[::-1]  # superior ones drain up to the ventricle, inferior ones down to the base
        if len(line) > 4:
            radius = generator.uniform(*settings.striate_radius_mm)
            vessels.append(Vessel("striate", line, radius * np.linspace(0.6, 1.0, len(line))))
    return vessels
