"""Paired pictures of one place: both scans cut along the same plane.

The plane is that of the scan in which the place counts (the follow-up's for a new finding, else the baseline's),
through the middle of the acquired slice, so that this scan is shown as acquired; the other is interpolated to it.
Radiological view; orientation as in :mod:`microbleeds.report.planes`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.followup.rigid import applied, inverse
from microbleeds.geometry import Grid
from microbleeds.report.planes import AXIAL, CORONAL, PLANES, SAGITTAL, Plane
from microbleeds.report.thumbnails import Canvas, Picture, scaled
from microbleeds.report.window import Window

FIELD_MM = 40.0
CLOSE_UP_PLANES = (AXIAL, CORONAL)
_PIXEL_MM = 0.25
_CHECK_PIXEL_MM = 1.0
_CHECK_TILE_MM = 24.0


@dataclass(frozen=True, eq=False)
class Pair:
    """Both scans with their windows, and where one lies in the other.

    Args:
        baseline: the earlier scan.
        followup: the later scan.
        followup_from_baseline: [4, 4] rigid map in RAS mm.
    """

    baseline: Canvas
    followup: Canvas
    followup_from_baseline: NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """A square piece of a plane in the world of one scan.

    Args:
        plane: named after the axes of that scan.
        middle_mm: RAS mm [3]; ``left`` and ``up`` are unit vectors [3].
    """

    plane: Plane
    middle_mm: NDArray[np.float64]
    left: NDArray[np.float64]
    up: NDArray[np.float64]

    def points_mm(self, field_mm: float, pixel_mm: float) -> NDArray[np.float64]:
        """Return the RAS mm of the pixels' centres, [rows, columns, 3]."""
        count = round(field_mm / pixel_mm)
        offset = (np.arange(count) - (count - 1) / 2) * pixel_mm
        # The first row is the top, the first column the side of R (axial, coronal) or A (sagittal).
        rows = -offset[:, None, None] * self.up
        return self.middle_mm + rows - offset[None, :, None] * self.left


def cut_through(grid: Grid, plane: Plane, position_mm: NDArray[np.float64]) -> Cut:
    """Return the plane of a grid through a position, moved to the middle of the slice that holds it."""
    ijk = grid.to_ijk(position_mm)
    ijk[plane.across] = np.clip(np.rint(ijk[plane.across]), 0, grid.shape[plane.across] - 1)
    axes = grid.affine[:3, :3] / grid.spacing_mm
    return Cut(plane, grid.to_mm(ijk), axes[:, plane.column], axes[:, plane.row])


def close_ups(
    pair: Pair, position_mm: NDArray[np.float64], *, of_baseline: bool
) -> dict[str, list[tuple[Picture, Picture]]]:
    """Return (baseline, follow-up) pictures of a place: SWI and, where both scans have it, phase; axial, coronal.

    Args:
        pair: the scans.
        position_mm: in the world of the scan whose planes are used.
        of_baseline: whether that is the baseline.
    """
    views: dict[str, list[tuple[Picture, Picture]]] = {"SWI": [], "phase": []}
    here = pair.baseline if of_baseline else pair.followup
    for plane in CLOSE_UP_PLANES:
        cut = cut_through(here.scan.grid, plane, position_mm)
        one, two = _points(pair, cut.points_mm(FIELD_MM, _PIXEL_MM), of_baseline)
        first, second = pair.baseline, pair.followup
        views["SWI"].append(
            (
                _picture(first.scan.swi, first.scan.grid, first.swi, one, plane),
                _picture(second.scan.swi, second.scan.grid, second.swi, two, plane),
            )
        )
        phases = [
            _picture(canvas.scan.phase_rad, canvas.scan.grid, canvas.phase, points, plane)
            for canvas, points in ((first, one), (second, two))
            if canvas.scan.phase_rad is not None and canvas.phase is not None
        ]
        if len(phases) == 2:
            views["phase"].append((phases[0], phases[1]))
    return {name: pictures for name, pictures in views.items() if pictures}


def checkerboards(pair: Pair) -> list[Picture]:
    """Return both scans as a checkerboard in three planes through the baseline's brain, to judge the alignment."""
    grid = pair.baseline.scan.grid
    inside = np.argwhere(pair.baseline.brain)
    middle = grid.to_mm((inside.min(0) + inside.max(0)) / 2)
    field_mm = float(((inside.max(0) - inside.min(0) + 1) * grid.spacing_mm).max()) + 16
    boards = []
    for plane in PLANES:
        # A sagittal plane through the very middle shows the falx and little brain.
        place = middle + (15 * grid.affine[:3, 0] / grid.spacing_mm[0] if plane is SAGITTAL else 0)
        points = cut_through(grid, plane, place).points_mm(field_mm, _CHECK_PIXEL_MM)
        one, two = _points(pair, points, True)
        greys = [
            canvas.swi.to_grey(_sampled(canvas.scan.swi, canvas.scan.grid, where, canvas.swi.low))
            for canvas, where in ((pair.baseline, one), (pair.followup, two))
        ]
        tile = (np.arange(len(points)) * _CHECK_PIXEL_MM // _CHECK_TILE_MM).astype(int)
        boards.append(_scaled(np.where((tile[:, None] + tile[None]) % 2 == 0, *greys), plane, _CHECK_PIXEL_MM))
    return boards


def _points(
    pair: Pair, points_mm: NDArray[np.float64], of_baseline: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the same points in the baseline's and in the follow-up's world."""
    map_ = pair.followup_from_baseline
    if of_baseline:
        return points_mm, applied(map_, points_mm)
    return applied(inverse(map_), points_mm), points_mm


def _picture(
    volume: NDArray[np.float32], grid: Grid, window: Window, points_mm: NDArray[np.float64], plane: Plane
) -> Picture:
    return _scaled(window.to_grey(_sampled(volume, grid, points_mm, window.low)), plane, _PIXEL_MM)


def _sampled(
    volume: NDArray[np.float32], grid: Grid, points_mm: NDArray[np.float64], outside: float
) -> NDArray[np.float32]:
    """Return cubic samples of a volume [rows, columns]; only the voxels around the points are filtered."""
    ijk = grid.to_ijk(points_mm)
    low = np.clip(np.floor(ijk.min(axis=(0, 1))).astype(int) - 4, 0, np.asarray(grid.shape) - 1)
    high = np.clip(np.ceil(ijk.max(axis=(0, 1))).astype(int) + 5, low + 1, grid.shape)
    part = volume[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    where = np.moveaxis(ijk - low, -1, 0)
    sampled = ndimage.map_coordinates(part, where, order=3 if min(part.shape) > 3 else 1, mode="nearest")
    inside = np.all((ijk >= -0.5) & (ijk <= np.asarray(grid.shape) - 0.5), axis=-1)
    return np.where(inside, sampled, np.float32(outside)).astype(np.float32)


def _scaled(grey: NDArray, plane: Plane, pixel_mm: float) -> Picture:
    """Encode a square picture."""
    size = max(grey.shape)
    grid = Grid((size, size, size), np.diag([pixel_mm, pixel_mm, pixel_mm, 1.0]))
    return scaled(np.asarray(grey, dtype=np.uint8), plane, grid)
