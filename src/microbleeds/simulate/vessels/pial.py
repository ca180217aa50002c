"""Veins on the surface of cerebrum, cerebellum and brainstem, down to the sinuses.

Outlets are bridging veins along the superior sagittal sinus, the ends of Labbé's and the cerebellar veins on
the transverse sinuses, the vermian veins on the straight sinus, the superficial middle cerebral veins at the
sphenoid and the petrosal veins in front of the cerebellum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from microbleeds.simulate.vessels.curve import refine
from microbleeds.simulate.vessels.head import LATTICE_MM, Head
from microbleeds.simulate.vessels.settings import VesselSettings
from microbleeds.simulate.vessels.sinuses import Sinuses
from microbleeds.simulate.vessels.surface import Branch, SurfaceGraph, grow_tree
from microbleeds.simulate.vessels.vessel import Vessel

# MNI mm of outlets that are not on a sinus modelled here (right; mirrored).
SPHENOID = (33.0, 12.0, -24.0)  # superficial middle cerebral vein to the cavernous sinus
PETROSAL = (22.0, -32.0, -32.0)  # petrosal vein to the superior petrosal sinus
PONTINE = (6.0, -14.0, -30.0)  # veins in front of the pons
REFERENCE_LITRES = 1.7  # intracranial volume for which the settings' number of seeds holds
CORTICAL_VEIN_MM = 0.6  # from this radius on a pial vein is a named cortical vein
GRAFT_MM = 9.0  # a bridging vein is joined to its sinus over at most this gap


def grow_pial(
    head: Head,
    graph: SurfaceGraph,
    sinuses: Sinuses,
    deep: list[Vessel],
    settings: VesselSettings,
    generator: np.random.Generator,
) -> list[Vessel]:
    """Return the pial and cerebellar veins of a head."""
    targets = _outlets(head, sinuses, deep, settings, generator)
    outlets, first = np.unique(graph.nearest(targets), return_index=True)
    targets = targets[first]
    litres = np.count_nonzero(head.intracranial) * LATTICE_MM**3 / 1e6
    seeds = _seeds(graph, round(settings.pial_seeds * litres / REFERENCE_LITRES), generator)
    radius = settings.pial_radius_mm * np.exp(settings.pial_sigma_ln * generator.standard_normal(len(seeds)))
    branches = grow_tree(
        graph,
        outlets,
        seeds,
        radius,
        generator,
        exponent=settings.branching_exponent,
        cap_mm=settings.pial_cap_mm,
    )
    middle = np.array([branch.points_mm[len(branch.points_mm) // 2] for branch in branches])
    below = head.sample(head.to_cerebellum_mm, middle) < head.sample(head.to_cerebrum_mm, middle)
    return [_vessel(branch, targets, bool(b)) for branch, b in zip(branches, below, strict=True)]


def _outlets(
    head: Head,
    sinuses: Sinuses,
    deep: list[Vessel],
    settings: VesselSettings,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Return RAS mm of the points [N, 3] where pial veins leave the surface."""
    sagittal = sinuses.sagittal.points_mm
    at = generator.uniform(0.06, 0.97, 2 * settings.bridging_veins) * (len(sagittal) - 1)
    bridging = sagittal[at.astype(int)] + generator.uniform(-1, 1, (len(at), 1)) * [8.0, 0, 0]
    places = [bridging]
    for sinus in sinuses.transverse:
        count = len(sinus.points_mm)
        places.append(sinus.points_mm[(generator.uniform(0.08, 0.75, 5) * count).astype(int)])
    straight = sinuses.straight.points_mm
    places.append(straight[(generator.uniform(0, 0.9, 3) * len(straight)).astype(int)])
    places += [v.points_mm[[0, len(v.points_mm) // 2]] for v in deep if v.kind == "basal-rosenthal"]
    both = np.array([SPHENOID, PETROSAL, PONTINE])
    places += [head.from_mni(both), head.from_mni(both * [-1, 1, 1])]
    return np.concatenate(places)


def _seeds(graph: SurfaceGraph, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return random nodes on the cortex or just outside it."""
    near = np.flatnonzero(graph.outside_mm < 1.5)
    return generator.choice(near, size=min(count, len(near)), replace=False)


def _vessel(branch: Branch, targets: NDArray[np.float64], infratentorial: bool) -> Vessel:
    """Return a branch as a round vessel, joined to its sinus if it ends there."""
    points, radius = branch.points_mm, branch.radius_mm
    if branch.outlet is not None and 0.1 < np.linalg.norm(targets[branch.outlet] - points[-1]) < GRAFT_MM:
        points = np.concatenate([points, targets[branch.outlet][None]])
        radius = np.append(radius, radius[-1])
    kind = "cortical-vein" if radius.max() > CORTICAL_VEIN_MM else "pial"
    return Vessel("cerebellar" if infratentorial else kind, *refine(points, radius))
