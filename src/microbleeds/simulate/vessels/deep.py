"""The deep veins that every head has: internal cerebral, Galen, Rosenthal, thalamostriate and septal.

Courses are given in MNI mm for the right side and mirrored, then fitted to the head: the foramen of Monro by
the top of the third ventricle, subependymal veins onto the wall of the lateral ventricle, all others out of
the parenchyma.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from microbleeds.simulate.vessels.curve import smooth, spline, wander
from microbleeds.simulate.vessels.head import Head
from microbleeds.simulate.vessels.settings import Range, VesselSettings
from microbleeds.simulate.vessels.vessel import Vessel
from microbleeds.tissues import Tissue

Points = NDArray[np.float64]

# MNI mm, right side, with the blood.
GALEN = [(0.0, -36.0, 6.0), (0.0, -40.0, 3.0), (0.0, -45.0, 4.0), (0.0, -50.0, 9.0)]
INTERNAL_CEREBRAL = [(2.0, -4.0, 8.0), (2.5, -11.0, 13.0), (2.5, -19.0, 14.0), (2.0, -27.0, 11.0), GALEN[0]]
ROSENTHAL = [
    (16.0, 1.0, -17.0),
    (13.0, -8.0, -17.0),
    (17.0, -17.0, -14.0),
    (20.0, -26.0, -7.0),
    (13.0, -34.0, 0.0),
    GALEN[1],
]
THALAMOSTRIATE = [(21.0, -26.0, 19.0), (18.0, -17.0, 20.0), (14.0, -8.0, 18.0), (8.0, -3.0, 13.0)]
SEPTAL = [(14.0, 30.0, 6.0), (9.0, 27.0, 2.0), (4.0, 18.0, 6.0), (2.5, 8.0, 10.0)]


def grow_galen(head: Head, settings: VesselSettings, generator: np.random.Generator) -> Vessel:
    """Return the great vein of Galen, around the back of the corpus callosum."""
    line = head.from_mni(GALEN)
    line = head.clear_of(head.outside_brain_mm, line, 1.0, 6.0)
    line[:, 0] = head.midline_at(line)
    line = spline(smooth(line, 1), 1.0)
    low, high = settings.galen_radius_mm
    width = np.linspace(0.85, 1.0, len(line)) * generator.uniform(low, high)
    return Vessel("galen", line, width)


def grow_deep(head: Head, galen: Vessel, settings: VesselSettings, generator: np.random.Generator) -> list[Vessel]:
    """Return internal cerebral, basal, thalamostriate and septal veins of both sides."""
    vessels = []
    for side in (1.0, -1.0):
        monro = _monro(head, side)
        internal = _internal_cerebral(head, monro, galen.points_mm[0], side)
        width = generator.uniform(*settings.internal_cerebral_radius_mm)
        vessels.append(_tube("internal-cerebral", internal, width, (0.75, 1.1), generator))
        rosenthal = _side(head, ROSENTHAL, side)
        rosenthal = head.clear_of(head.outside_brain_mm, spline(rosenthal, 3.0), 0.8, 8.0)
        rosenthal[-1] = galen.points_mm[len(galen.points_mm) // 3]
        width = generator.uniform(*settings.rosenthal_radius_mm)
        vessels.append(_tube("basal-rosenthal", rosenthal, width, (0.5, 1.1), generator))
        for kind, course, radius in (
            ("thalamostriate", THALAMOSTRIATE, settings.thalamostriate_radius_mm),
            ("septal", SEPTAL, settings.septal_radius_mm),
        ):
            vessels.append(_subependymal(head, kind, course, side, monro, radius, generator))
    return vessels


def _side(head: Head, course: list[tuple[float, float, float]], side: float) -> Points:
    """Return an MNI course of the right side in this head, mirrored for ``side`` = -1."""
    return head.from_mni(np.asarray(course) * [side, 1, 1])


def _monro(head: Head, side: float) -> Points:
    """Return the foramen of Monro [3]: by the affine, then on the front of the third ventricle's top."""
    expected = _side(head, INTERNAL_CEREBRAL[:1], side)[0]
    voxels = np.argwhere(head.where(Tissue.VENTRICLE_THIRD))
    if len(voxels) < 20:
        return expected
    points = head.grid.to_mm(voxels)
    top = points[np.argsort(points[:, 1] + points[:, 2])[-12:]].mean(0)
    shift = (top - expected) * [0, 1, 1]
    size = np.linalg.norm(shift)
    return expected + shift * min(1.0, 8.0 / max(float(size), 1e-9))


def _internal_cerebral(head: Head, monro: Points, galen: Points, side: float) -> Points:
    """Return one internal cerebral vein along the roof of the third ventricle."""
    line = _side(head, INTERNAL_CEREBRAL, side)
    fade = np.linspace(1, 0, len(line))[:, None]
    line = line + fade * (monro - line[0])
    line[-1] = galen
    line = spline(line, 2.0)
    moved = head.clear_of(head.outside_parenchyma_mm, line, 0.6, 3.0)
    moved[:, 0] = np.where(  # each stays on its own side of the midline, 1-4 mm off
        np.arange(len(moved)) < len(moved) - 3,
        head.midline_at(moved) + side * np.clip(side * (moved[:, 0] - head.midline_at(moved)), 1.2, 4.0),
        moved[:, 0],
    )
    return smooth(moved, 4)


def _subependymal(
    head: Head,
    kind: str,
    course: list[tuple[float, float, float]],
    side: float,
    monro: Points,
    radius: Range,
    generator: np.random.Generator,
) -> Vessel:
    """Return a vein under the wall of the lateral ventricle that ends at the foramen of Monro."""
    line = spline(_side(head, course, side), 2.5)
    line = head.to_level(line, head.to_ventricle_mm, 0.3, 9.0)
    line = smooth(np.concatenate([line, monro[None]]), 3)
    return _tube(kind, line, generator.uniform(*radius), (0.6, 1.1), generator)


def _tube(kind: str, line: Points, radius_mm: float, taper: Range, generator: np.random.Generator) -> Vessel:
    """Return a smooth, slightly wandering vein whose radius runs from ``taper[0]`` to ``taper[1]`` times."""
    line = spline(line[:: max(1, len(line) // 8)] if len(line) > 16 else line, 1.0)
    line = line + wander(len(line), 0.35, 6, generator)
    return Vessel(kind, line, radius_mm * np.linspace(*taper, len(line)))
