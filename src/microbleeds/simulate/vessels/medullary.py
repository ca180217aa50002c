"""Veins of the white matter: deep medullary, which run to the lateral ventricle, and superficial ones.

Deep medullary veins leave the white matter 7-26 mm from the ventricle and reach its wall at a right angle;
half have a parallel twin. Superficial ones run outwards to the pial veins, and so do those of cerebellum and
brainstem.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.simulate.vessels.curve import smooth
from microbleeds.simulate.vessels.descent import Descent, descend
from microbleeds.simulate.vessels.head import WHITE, Head
from microbleeds.simulate.vessels.settings import VesselSettings
from microbleeds.simulate.vessels.vessel import Vessel
from microbleeds.tissues import Tissue

Points = NDArray[np.float64]

CEREBELLAR = (
    Tissue.CEREBELLAR_WHITE_LEFT,
    Tissue.CEREBELLAR_WHITE_RIGHT,
    Tissue.DENTATE_LEFT,
    Tissue.DENTATE_RIGHT,
)
DEEP = Descent(level_mm=0.4, longest_mm=48.0, persistence=0.8, noise=0.10)
SUPERFICIAL = Descent(level_mm=0.0, longest_mm=22.0, persistence=0.8, noise=0.12)
ZONE_MM = (7.0, 26.0)  # distance of a deep vein's beginning from the ventricle
GREY_SHARE = 0.12  # a path with more of its course outside white matter is dropped


def grow_medullary(head: Head, settings: VesselSettings, generator: np.random.Generator) -> list[Vessel]:
    """Return the deep medullary veins of both hemispheres, twins included."""
    count = int(generator.integers(settings.medullary_seeds[0], settings.medullary_seeds[1] + 1))
    low, high = ZONE_MM
    depth = head.to_ventricle_mm
    zone = head.where(*WHITE) & (depth > low) & (depth < high)
    starts = head.draw(zone, 4 * count, generator)
    starts = starts[above_temporal(head, starts)]
    paths = descend(head, depth, starts, DEEP, generator)
    kept = [path for path in paths if _in_white(head, path)][:count]
    vessels = []
    for path in kept:
        diameter = settings.medullary_diameter_mm * np.exp(
            settings.medullary_sigma_ln * generator.standard_normal()
        )
        radius = float(np.clip(diameter, *settings.medullary_diameter_range_mm)) / 2
        vessels.append(_tapered("medullary", path, radius))
        if generator.random() < settings.twin_share:
            twin = _beside(path, generator)
            vessels.append(_tapered("medullary", twin, radius * generator.uniform(0.6, 1.0)))
    return vessels


def above_temporal(head: Head, points_mm: Points) -> NDArray[np.bool_]:
    """Whether RAS mm positions [N, 3] lie above MNI z = -2 mm, over the temporal lobe's white matter."""
    mni = head.mni_from_ras
    return np.asarray(points_mm @ mni[2, :3] + mni[2, 3] > -2)


def grow_superficial(head: Head, settings: VesselSettings, generator: np.random.Generator) -> list[Vessel]:
    """Return the veins that run from the white matter, cerebellum and brainstem out to the surface."""
    outside = ndimage.gaussian_filter(head.outside_parenchyma_mm, 0.7)
    cerebral = head.where(*WHITE) & (outside < -4) & (outside > -14) & (head.to_ventricle_mm > 5)
    below = head.where(*CEREBELLAR, Tissue.BRAINSTEM) & (outside < -3) & (outside > -14)
    low, high = settings.infratentorial_medullary_seeds
    vessels = []
    for kind, zone, count in (
        ("superficial-medullary", cerebral, settings.superficial_medullary_seeds),
        ("cerebellar", below, int(generator.integers(low, high + 1))),
    ):
        starts = head.draw(zone, int(1.3 * count), generator)
        paths = descend(head, -outside, starts, SUPERFICIAL, generator)[:count]
        radius = settings.superficial_medullary_radius_mm * np.exp(0.3 * generator.standard_normal(len(paths)))
        vessels += [_tapered(kind, p, float(r)) for p, r in zip(paths, radius, strict=True)]
    return vessels


def _in_white(head: Head, path: Points) -> bool:
    """Whether a path runs through white matter up to the ventricle's wall."""
    outside = head.sample(head.to_ventricle_mm, path) > 1.5
    tissue = head.tissue_at(path)
    foreign = outside & (tissue != Tissue.WHITE_LEFT) & (tissue != Tissue.WHITE_RIGHT)
    return bool(foreign.mean() <= GREY_SHARE)


def _beside(path: Points, generator: np.random.Generator) -> Points:
    """Return a parallel path 1-2.5 mm to one side, begun a little later."""
    along = path[-1] - path[0]
    across = np.cross(along, generator.standard_normal(3))
    across /= max(float(np.linalg.norm(across)), 1e-6)
    skipped = int(generator.integers(0, max(1, len(path) // 4)))
    return path[skipped:] + generator.uniform(1.0, 2.5) * across


def _tapered(kind: str, path: Points, radius_mm: float) -> Vessel:
    """Return a vein half as wide at its beginning as at its end."""
    line = smooth(path, 4)
    return Vessel(kind, line, radius_mm * np.linspace(0.5, 1.0, len(line)))
