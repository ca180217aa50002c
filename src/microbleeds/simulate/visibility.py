"""Whether a simulated microbleed can be seen on the SWI that was written, by the rule of ``docs/scoring.md``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.diameter import apparent_diameter_mm
from microbleeds.geometry import Grid
from microbleeds.simulate.inclusions import Inclusion

AROUND_MM = 6.0
CLUTTER_FACTOR = 2.0
VOID_SHARE = 0.4
FOOTPRINT_RAD = 0.5
FOOTPRINT_RANGE_MM = (1.0, 4.5)


@dataclass(frozen=True)
class Appearance:
    """How a body looks on the SWI.

    Args:
        diameter_mm: full width at half depth in its slice, ``None`` where it can't be measured.
        cnr: drop over the noise.
        clutter_contrast: drop over the standard deviation of what surrounds it.
        visible: by the rule.
    """

    diameter_mm: float | None
    cnr: float
    clutter_contrast: float
    visible: bool


def footprint_mm(body: Inclusion, phase_rad_per_ppm: float) -> float:
    """Radius that the body darkens: where its dipole's phase exceeds half a radian."""
    return float(np.clip(body.reach_mm(phase_rad_per_ppm, FOOTPRINT_RAD), *FOOTPRINT_RANGE_MM))


def appearance(
    swi: NDArray,
    brain: NDArray[np.bool_],
    grid: Grid,
    body: Inclusion,
    others: Sequence[Inclusion],
    phase_rad_per_ppm: float,
    noise: float,
) -> Appearance:
    """Measure one body on an SWI [x, y, z].

    Args:
        others: every other body of the scan; their footprints do not count as surroundings.
        noise: standard deviation of the SWI's noise, in its units.
    """
    centre = grid.to_ijk(body.position_mm)
    nearest = np.round(centre).astype(int)
    unseen = Appearance(None, 0.0, 0.0, False)
    if np.any(nearest < 0) or np.any(nearest >= grid.shape):
        return unseen
    reach = np.ceil((AROUND_MM + 1) / grid.spacing_mm).astype(int)
    start, stop = np.maximum(nearest - reach, 0), np.minimum(nearest + reach + 1, grid.shape)
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    points = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(start, stop, strict=True)], indexing="ij"), -1)
    points_mm = grid.to_mm(points)
    distance = np.linalg.norm(points_mm - body.position_mm, axis=-1)
    values = swi[box].astype(np.float64)
    around = brain[box] & (distance <= AROUND_MM) & (distance > footprint_mm(body, phase_rad_per_ppm))
    for other in others:
        around &= np.linalg.norm(points_mm - other.position_mm, axis=-1) > footprint_mm(other, phase_rad_per_ppm)
    if around.sum() < 8:
        return unseen
    core_mm = min(max(body.equivalent_radius_mm, float(np.linalg.norm(grid.spacing_mm)) / 2), 1.0)
    core = distance <= core_mm
    core[tuple(nearest - start)] = True
    level, clutter = float(np.median(values[around])), float(values[around].std())
    drop = level - float(values[core].mean())
    visible = (
        bool(brain[tuple(nearest)])
        and drop >= CLUTTER_FACTOR * clutter
        and level >= VOID_SHARE * float(np.median(swi[brain]))
    )
    diameter = apparent_diameter_mm(swi, centre, grid.spacing_mm)
    return Appearance(diameter, drop / noise, drop / max(clutter, 1e-9), visible)
