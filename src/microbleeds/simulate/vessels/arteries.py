"""Arteries, bright by inflow: the circle of Willis, its trunks and branches on the surface.

Trunks follow courses in MNI mm (right side, mirrored) pushed out of the parenchyma; branches grow on the same
surface graph as the veins, with independent random costs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from microbleeds.simulate.vessels.curve import refine, spline, wander
from microbleeds.simulate.vessels.head import Head
from microbleeds.simulate.vessels.settings import VesselSettings
from microbleeds.simulate.vessels.surface import SurfaceGraph, grow_tree
from microbleeds.simulate.vessels.vessel import Vessel

Course = list[tuple[float, float, float]]

MIDLINE: list[tuple[float, Course]] = [  # radius in mm, course
    (1.6, [(0.0, -20.0, -48.0), (0.0, -13.0, -38.0), (0.0, -10.0, -29.0), (0.0, -12.0, -18.0)]),  # basilar
]
PAIRED: list[tuple[float, Course]] = [
    (1.9, [(13.0, -2.0, -32.0), (14.0, 6.0, -27.0), (12.0, 3.0, -19.0)]),  # internal carotid
    (
        1.3,
        [(12.0, 3.0, -19.0), (22.0, 5.0, -18.0), (33.0, 3.0, -15.0), (40.0, -2.0, -8.0)],
    ),  # middle cerebral
    (1.0, [(12.0, 3.0, -19.0), (6.0, 11.0, -18.0), (1.5, 18.0, -15.0)]),  # anterior cerebral, first part
    (
        0.9,
        [
            (1.5, 18.0, -15.0),
            (1.5, 33.0, -7.0),
            (1.5, 38.0, 8.0),
            (1.5, 30.0, 23.0),
            (1.5, 10.0, 31.0),
            (1.5, -8.0, 35.0),
        ],
    ),  # anterior cerebral, around the corpus callosum
    (
        1.0,
        [
            (0.0, -12.0, -18.0),
            (9.0, -12.0, -16.0),
            (19.0, -20.0, -14.0),
            (20.0, -30.0, -8.0),
            (13.0, -48.0, 1.0),
        ],
    ),  # posterior cerebral
    (0.6, [(12.0, 2.0, -19.0), (10.0, -5.0, -18.0), (8.0, -12.0, -16.0)]),  # posterior communicating
    (0.6, [(0.0, -12.0, -20.0), (13.0, -21.0, -21.0), (19.0, -34.0, -18.0)]),  # superior cerebellar
    (1.4, [(9.0, -28.0, -62.0), (5.0, -23.0, -54.0), (0.0, -20.0, -48.0)]),  # vertebral
]
BRANCHING = (1, 3, 4, 6)  # of PAIRED: middle, anterior, posterior cerebral and superior cerebellar
BRANCH_MM = 0.22  # median radius where branches end
BRANCH_CAP_MM = 0.9


def grow_arteries(
    head: Head, graph: SurfaceGraph, settings: VesselSettings, generator: np.random.Generator
) -> list[Vessel]:
    """Return trunks and branches of the arteries, with the blood."""
    trunks = [_trunk(head, np.asarray(course), radius, generator) for radius, course in MIDLINE]
    outlets = []
    for side in (1.0, -1.0):
        for number, (radius, course) in enumerate(PAIRED):
            trunk = _trunk(head, np.asarray(course) * [side, 1, 1], radius, generator)
            trunks.append(trunk)
            if number in BRANCHING:
                outlets.append(trunk.points_mm[len(trunk.points_mm) // 2 :: 8])
                outlets.append(trunk.points_mm[-1:])
    nodes = np.unique(graph.nearest(np.concatenate(outlets)))
    near = np.flatnonzero(graph.outside_mm < 1.5)
    seeds = generator.choice(near, size=min(settings.arterial_seeds, len(near)), replace=False)
    radius_mm = BRANCH_MM * np.exp(0.25 * generator.standard_normal(len(seeds)))
    branches = grow_tree(
        graph, nodes, seeds, radius_mm, generator, exponent=3.0, cap_mm=BRANCH_CAP_MM, sigma_ln=0.5
    )
    return trunks + [Vessel("artery", *refine(b.points_mm[::-1], b.radius_mm[::-1])) for b in branches]


def _trunk(head: Head, course: NDArray[np.float64], radius_mm: float, generator: np.random.Generator) -> Vessel:
    """Return a trunk of an artery in the cisterns."""
    line = spline(head.from_mni(course), 3.0)
    line = spline(head.clear_of(head.outside_brain_mm, line, 1.2, 12.0)[::2] if len(line) > 8 else line, 1.0)
    line = line + wander(len(line), 0.8, 6, generator)
    radius = radius_mm * generator.uniform(0.85, 1.15) * np.linspace(1.05, 0.85, len(line))
    return Vessel("artery", line, radius)
