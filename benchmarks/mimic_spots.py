"""Spots at which a detector's score is asked: bleeds and what looks like them, measured alike on the SWI."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.atomic import atomic_file
from microbleeds.simulate.inclusions import Inclusion
from microbleeds.simulate.subject import SimulatedScan
from microbleeds.simulate.vessels import is_venous
from microbleeds.simulate.visibility import appearance
from microbleeds.tissues import Tissue

THROUGH_PLANE = 0.75  # least cosine between a vein and the slice normal: its cross-section is a round dot then
FROM_BODIES_MM = 8.0  # spots that are no bodies keep so far from all of them
APART_MM = 6.0  # two spots of one kind
AIR_MM = 18.0  # farthest from air that field distortion at 3 T still darkens
MOST_PER_SCAN = 150
STEP = 4  # points of a vein between two that are looked at


@dataclass(frozen=True)
class Spot:
    """One place in one scan.

    Args:
        kind: ``microbleed``, ``calcification``, ``vessel``, ``pallidal-mineralisation``, ``phase-singularity``,
            ``near-air``.
        body: number of the body that twins share, -1 for what is no body.
        x_mm: RAS, as ``y_mm`` and ``z_mm``.
        diameter_mm: apparent, NaN where it can't be measured.
        contrast: drop over clutter.
        visible: by the rule of docs/scoring.md.
    """

    kind: str
    body: int
    x_mm: float
    y_mm: float
    z_mm: float
    diameter_mm: float
    contrast: float
    visible: bool

    @property
    def position_mm(self) -> NDArray[np.float64]:
        """RAS mm [3]."""
        return np.array([self.x_mm, self.y_mm, self.z_mm])


def measured(scan: SimulatedScan, kind: str, inclusion: Inclusion, body: int = -1) -> Spot:
    """Measure a body, or a stand-in for what is none, on the SWI."""
    others = [b for b in [*(b for b, _ in scan.microbleeds), *scan.mimics] if b is not inclusion]
    rad_per_ppm = scan.protocol.phase_rad_per_ppm
    look = appearance(scan.images.swi, scan.brain, scan.grid, inclusion, others, rad_per_ppm, 1.0)
    diameter = np.nan if look.diameter_mm is None else look.diameter_mm
    x, y, z = (float(v) for v in inclusion.position_mm)
    return Spot(kind, body, x, y, z, diameter, look.clutter_contrast, look.visible)


def vessel_spots(scan: SimulatedScan) -> list[Spot]:
    """Cross-sections of veins that look round in the slice and have a measurable size."""
    normal = scan.grid.affine[:3, 2] / np.linalg.norm(scan.grid.affine[:3, 2])
    found = []
    for vein in scan.head.vessels:
        if not is_venous(vein.kind):
            continue
        along = np.gradient(vein.points_mm, axis=0)
        cosine = np.abs(along @ normal) / np.maximum(np.linalg.norm(along, axis=1), 1e-9)
        through = np.flatnonzero(cosine > THROUGH_PLANE)[::STEP]
        found += [(vein.points_mm[n], float(vein.radius_mm[n])) for n in through]
    places = _apart([point for point, _ in found], _bodies(scan))
    spots = [measured(scan, "vessel", _stand_in(*found[n], scan.head.tissues.venous_ppm)) for n in places]
    return [spot for spot in spots if spot.visible and np.isfinite(spot.diameter_mm)][:MOST_PER_SCAN]


def air_spots(scan: SimulatedScan) -> list[Spot]:
    """Dark spots of the brain near air-filled bone: where the field is distorted, not where iron lies."""
    anatomy = scan.head.anatomy
    air = anatomy.labels == Tissue.SINUS_AIR
    distance = ndimage.distance_transform_edt(~air, anatomy.grid.spacing_mm)
    smooth = ndimage.gaussian_filter(scan.images.swi.astype(np.float32), 0.5 / scan.grid.spacing_mm)
    reach = np.maximum(1, np.round(2.0 / scan.grid.spacing_mm)).astype(int)
    darkest = (smooth == ndimage.minimum_filter(smooth, 2 * reach + 1)) & scan.brain
    points = scan.grid.to_mm(np.argwhere(darkest))
    voxels = np.round(anatomy.grid.to_ijk(points)).astype(int)
    inside = np.all((voxels >= 0) & (voxels < anatomy.grid.shape), axis=1)
    points = points[inside][distance[tuple(voxels[inside].T)] <= AIR_MM]
    veins = [v.points_mm[::2] for v in scan.head.vessels]
    places = _apart(list(points), np.concatenate([_bodies(scan), *veins]), clear_mm=4.0)
    spots = [measured(scan, "near-air", _stand_in(points[n], 1.0, 0.3)) for n in places]
    return [spot for spot in spots if spot.visible][:MOST_PER_SCAN]


def singularity_spots(scan: SimulatedScan) -> list[Spot]:
    """Ends of open fringe lines in the brain."""
    places = _apart(scan.singularities_mm, _bodies(scan))
    found = [scan.singularities_mm[n] for n in places]
    return [measured(scan, "phase-singularity", _stand_in(point, 0.5, 0.3)) for point in found]


def _stand_in(position_mm: NDArray[np.float64], radius_mm: float, ppm: float) -> Inclusion:
    """A body that says where to look and how large the middle is."""
    return Inclusion("stand-in", "mimic", position_mm[None], np.array([radius_mm]), ppm, 1.0)


def _bodies(scan: SimulatedScan) -> NDArray[np.float64]:
    """Places of all bodies [N, 3]."""
    bodies = [*(body for body, _ in scan.microbleeds), *scan.mimics]
    return np.array([body.position_mm for body in bodies]).reshape(-1, 3)


def _apart(
    points: Sequence[NDArray[np.float64]], avoided: NDArray[np.float64], clear_mm: float = FROM_BODIES_MM
) -> list[int]:
    """Indices of points clear of what is avoided and of each other, first come first served."""
    kept: list[int] = []
    for n, point in enumerate(points):
        near = np.linalg.norm(avoided - point, axis=1).min(initial=np.inf) < clear_mm
        if not near and all(np.linalg.norm(points[k] - point) >= APART_MM for k in kept):
            kept.append(n)
    return kept


def write_spots(path: Path, spots: Iterable[Spot]) -> None:
    """Write a table of spots."""
    lines = ["\t".join(f.name for f in fields(Spot))]
    for spot in spots:
        numbers = (f"{value:.3f}" for value in (spot.x_mm, spot.y_mm, spot.z_mm, spot.diameter_mm, spot.contrast))
        lines.append("\t".join([spot.kind, str(spot.body), *numbers, str(int(spot.visible))]))
    with atomic_file(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_spots(path: Path) -> list[Spot]:
    """Read what :func:`write_spots` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [_spot(row) for row in csv.DictReader(file, delimiter="\t")]


def _spot(row: dict[str, str]) -> Spot:
    numbers = {name: float(row[name]) for name in ("x_mm", "y_mm", "z_mm", "diameter_mm", "contrast")}
    return Spot(kind=row["kind"], body=int(row["body"]), visible=row["visible"] == "1", **numbers)
