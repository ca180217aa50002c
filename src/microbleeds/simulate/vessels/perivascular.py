"""Perivascular spaces: fluid-filled tubes without susceptibility in basal ganglia and centrum semiovale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from microbleeds.simulate.vessels.curve import wander
from microbleeds.simulate.vessels.descent import Descent, descend
from microbleeds.simulate.vessels.head import WHITE, Head
from microbleeds.simulate.vessels.settings import VesselSettings
from microbleeds.simulate.vessels.vessel import Vessel
from microbleeds.tissues import Tissue

BASAL = (Tissue.PUTAMEN_LEFT, Tissue.PUTAMEN_RIGHT, Tissue.ACCUMBENS_LEFT, Tissue.ACCUMBENS_RIGHT)
RADIAL = Descent(level_mm=1.0, longest_mm=48.0, persistence=0.85, noise=0.08)
CENTRUM_Z_MM = 20.0  # MNI height from which the white matter counts as centrum semiovale


def grow_perivascular(head: Head, settings: VesselSettings, generator: np.random.Generator) -> list[Vessel]:
    """Return the perivascular spaces of a head; their number varies as it does with age."""
    low, high = settings.perivascular_radius_mm
    lines = _basal(head, settings, generator) + _centrum(head, settings, generator)
    vessels = []
    for line in lines:
        # Most are thin: the square leaves a quarter above the middle of the range.
        radius = low + (high - low) * generator.random() ** 2
        bulge = np.sin(np.pi * np.linspace(0.12, 0.88, len(line))) ** 0.7
        vessels.append(Vessel("perivascular-space", line, radius * bulge))
    return vessels


def _basal(head: Head, settings: VesselSettings, generator: np.random.Generator) -> list[NDArray[np.float64]]:
    """Return near-vertical lines through the lower striatum, along the lenticulostriate arteries."""
    count = int(generator.integers(settings.basal_spaces[0], settings.basal_spaces[1] + 1))
    points = head.draw(head.where(*BASAL), 2 * count, generator)
    lower = points[np.argsort(points[:, 2] if len(points) else [], kind="stable")][:count]
    lines = []
    for base in lower:
        length = generator.uniform(3, 11)
        direction = np.array([*(0.25 * generator.standard_normal(2)), 1.0])
        along = np.arange(0, length, 1.0)
        lines.append(base + along[:, None] * direction + wander(len(along), 0.3, 4, generator))
    return [line for line in lines if len(line) > 2]


def _centrum(head: Head, settings: VesselSettings, generator: np.random.Generator) -> list[NDArray[np.float64]]:
    """Return lines that run through the upper white matter towards the ventricle, like medullary veins."""
    count = int(generator.integers(settings.centrum_spaces[0], settings.centrum_spaces[1] + 1))
    deep = head.where(*WHITE) & (head.outside_parenchyma_mm < -3) & (head.to_ventricle_mm > 8)
    starts = head.draw(deep, 6 * count, generator)
    height = starts @ head.mni_from_ras[2, :3] + head.mni_from_ras[2, 3]
    starts = starts[height > CENTRUM_Z_MM][:count]
    paths = descend(head, head.to_ventricle_mm, starts, RADIAL, generator)
    lines = [path[: int(generator.uniform(5, 20))] for path in paths]
    return [line for line in lines if len(line) > 2]
