"""A vessel as a tube, and which kinds carry venous blood.

Conventions: centrelines are RAS mm and run with the blood for veins (towards the sinus) and from the heart
outwards for arteries; the radius is that of the lumen at each centreline point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SINUS_KINDS = frozenset({"superior-sagittal-sinus", "straight-sinus", "transverse-sinus"})
VEIN_KINDS = frozenset(
    {
        "pial",
        "cortical-vein",
        "cerebellar",
        "medullary",
        "superficial-medullary",
        "striate",
        "internal-cerebral",
        "galen",
        "basal-rosenthal",
        "thalamostriate",
        "septal",
        "developmental-venous-anomaly",
    }
)
KINDS = SINUS_KINDS | VEIN_KINDS | {"artery", "perivascular-space"}


@dataclass(frozen=True, eq=False)
class Vessel:
    """A tube of circular cross-section.

    Args:
        kind: one of :data:`KINDS`.
        points_mm: [N, 3] RAS mm of the centreline, N >= 2.
        radius_mm: [N] radius of the lumen in mm.
    """

    kind: str
    points_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"Unknown kind of vessel {self.kind!r}; known are {', '.join(sorted(KINDS))}.")
        points = np.asarray(self.points_mm, dtype=np.float64)
        radius = np.asarray(self.radius_mm, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2:
            raise ValueError(f"A vessel's points must have shape (N >= 2, 3), got {points.shape}.")
        if radius.shape != (len(points),):
            raise ValueError(f"A vessel of {len(points)} points needs as many radii, got {radius.shape}.")
        object.__setattr__(self, "points_mm", points)
        object.__setattr__(self, "radius_mm", radius)

    @property
    def length_mm(self) -> float:
        """Length of the centreline in mm."""
        return float(np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1).sum())

    @property
    def volume_mm3(self) -> float:
        """Volume of the lumen in mm³, a chain of truncated cones."""
        length = np.linalg.norm(np.diff(self.points_mm, axis=0), axis=1)
        return float(frustum_volume_mm3(length, self.radius_mm[:-1], self.radius_mm[1:]).sum())


def frustum_volume_mm3(
    length_mm: NDArray[np.float64], start_mm: NDArray[np.float64], stop_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the volume of truncated cones of the given length and end radii, all [N]."""
    return np.pi / 3 * length_mm * (start_mm**2 + start_mm * stop_mm + stop_mm**2)


def is_venous(kind: str) -> bool:
    """Whether a kind of vessel carries deoxygenated blood (sinuses included)."""
    return kind in VEIN_KINDS or kind in SINUS_KINDS
