"""Vessels to the volume fraction of each voxel.

Thin vessels (radius up to 1 mm) are filled with points, about ``points_per_mm3`` of lumen, and each point is
shared among its eight neighbouring voxel centres by trilinear weights. So the volume of a vessel far thinner
than a voxel is conserved wherever it lies. The points follow the additive recurrence of the plastic
number (a low-discrepancy sequence: Roberts 2018, "The unreasonable effectiveness of quasirandom sequences"),
shifted at random: with independent points 400 per mm³ are only 67 in a voxel of 0.167 mm³, 12 % noise.

Wide vessels would need millions of points; there each nearby voxel gets its fraction from its distance to the
centreline.

Only numpy is used, and sums run in a fixed order, so equal input gives equal bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from microbleeds.geometry import Grid
from microbleeds.simulate.vessels.curve import resample
from microbleeds.simulate.vessels.vessel import Vessel, frustum_volume_mm3

WIDE_MM = 1.0  # a tube whose widest radius is above this is drawn by distance
CHUNK = 1 << 18  # points at a time: 8 x 2 MB of indices, stays in cache
# Steps of the additive recurrence in three dimensions: powers of 1/g with g^4 = g + 1.
PLASTIC = 1.2207440846057596 ** -np.arange(1.0, 4.0)


def splat(
    vessels: Sequence[Vessel],
    grid: Grid,
    generator: np.random.Generator,
    points_per_mm3: float = 400.0,
) -> NDArray[np.float32]:
    """Return the fraction of each voxel's volume that lies in a lumen, float32 [X, Y, Z] in 0..1.

    Args:
        vessels: tubes in RAS mm; those (or parts) outside the grid are left out.
        grid: any grid, oblique ones too.
        generator: shifts the sequence of points; equal state gives equal bits.
        points_per_mm3: density of points in lumina of up to 1 mm radius.
    """
    fraction = np.zeros(int(np.prod(grid.shape)), dtype=np.float32)
    pieces = [piece for vessel in vessels for piece in _pieces(vessel)]
    thin = [piece for piece in pieces if piece.radius_mm.max() <= WIDE_MM]
    shift = generator.random(4)
    if thin:
        _add_points(fraction, thin, grid, shift, points_per_mm3)
    volume = fraction.reshape(grid.shape)
    for piece in pieces:
        if piece.radius_mm.max() > WIDE_MM:
            _add_wide(volume, piece, grid)
    return np.minimum(volume, 1, out=volume)


def _pieces(vessel: Vessel) -> list[Vessel]:
    """Cut a vessel where it becomes wide or thin; most come back whole."""
    wide = np.maximum(vessel.radius_mm[:-1], vessel.radius_mm[1:]) > WIDE_MM
    cuts = np.flatnonzero(wide[1:] != wide[:-1]) + 1
    if not len(cuts):
        return [vessel]
    edges = [0, *cuts.tolist(), len(wide)]
    return [
        Vessel(vessel.kind, vessel.points_mm[a : b + 1], vessel.radius_mm[a : b + 1])
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]


def _add_points(
    fraction: NDArray[np.float32],
    vessels: Sequence[Vessel],
    grid: Grid,
    shift: NDArray[np.float64],
    points_per_mm3: float,
) -> None:
    """Fill the lumina with points and share each among eight voxels of the flat volume ``fraction``."""
    start = np.concatenate([v.points_mm[:-1] for v in vessels])
    stop = np.concatenate([v.points_mm[1:] for v in vessels])
    radius = np.concatenate([np.stack([v.radius_mm[:-1], v.radius_mm[1:]], 1) for v in vessels])
    along = stop - start
    length = np.linalg.norm(along, axis=1)
    ends = np.cumsum(frustum_volume_mm3(length, radius[:, 0], radius[:, 1]))
    total = ends[-1]
    count = int(np.ceil(total * points_per_mm3))
    weight = total / count / abs(np.linalg.det(grid.affine[:3, :3]))
    across = _frames(along / np.maximum(length, 1e-9)[:, None])
    for first in range(0, count, CHUNK):
        index = np.arange(first, min(first + CHUNK, count))
        segment = np.searchsorted(ends, (index + shift[3]) * (total / count), side="right")
        segment = np.minimum(segment, len(ends) - 1)
        t, angle, area = ((index[:, None] * PLASTIC + shift[:3]) % 1.0).T
        rho = (radius[segment, 0] * (1 - t) + radius[segment, 1] * t) * np.sqrt(area)
        points = start[segment] + t[:, None] * along[segment]
        points += (rho * np.cos(2 * np.pi * angle))[:, None] * across[0][segment]
        points += (rho * np.sin(2 * np.pi * angle))[:, None] * across[1][segment]
        _share(fraction, grid, grid.to_ijk(points), weight)


def _frames(direction: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two unit vectors across each direction [N, 3], each [N, 3]."""
    helper = np.where(np.abs(direction[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(direction, helper)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    return first, np.cross(direction, first)


def _share(fraction: NDArray[np.float32], grid: Grid, ijk: NDArray[np.float64], weight: float) -> None:
    """Add ``weight`` at each voxel position [N, 3] by trilinear shares; shares outside the grid are lost."""
    low = np.floor(ijk).astype(np.int64)
    part = (ijk - low).astype(np.float32)
    shape = np.asarray(grid.shape)
    inside = np.all((low >= 0) & (low < shape - 1), axis=1)
    border = ~inside & np.all((low >= -1) & (low < shape), axis=1)
    _scatter(fraction, shape, low[inside], part[inside], weight, check=False)
    _scatter(fraction, shape, low[border], part[border], weight, check=True)


def _scatter(
    fraction: NDArray[np.float32],
    shape: NDArray[np.int64],
    low: NDArray[np.int64],
    part: NDArray[np.float32],
    weight: float,
    *,
    check: bool,
) -> None:
    """Add the eight trilinear shares of each point; with ``check`` corners outside the grid are dropped."""
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    base = low @ strides
    halves = (1 - part), part
    for corner in product((0, 1), repeat=3):
        share = halves[corner[0]][:, 0] * halves[corner[1]][:, 1] * halves[corner[2]][:, 2]
        share *= np.float32(weight)
        index = base + int(np.dot(corner, strides))
        if check:
            at = low + np.asarray(corner)
            valid = np.all((at >= 0) & (at < shape), axis=1)
            index, share = index[valid], share[valid]
        np.add.at(fraction, index, share)


def _add_wide(volume: NDArray[np.float32], vessel: Vessel, grid: Grid) -> None:
    """Add to ``volume`` the fraction that a wide tube fills, from distances to its centreline."""
    edge = float(np.cbrt(np.prod(grid.spacing_mm)))
    fine = resample(vessel.points_mm, min(0.25, edge / 2))
    radius = np.interp(np.linspace(0, 1, len(fine)), _unit_length(vessel.points_mm), vessel.radius_mm)
    at = _voxels_near(fine, float(radius.max()) + edge, grid)
    if not len(at):
        return
    centres = grid.to_mm(at)
    _, nearest = cKDTree(fine).query(centres, workers=1)
    tangent = np.gradient(fine, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    offset = centres - fine[nearest]
    axial = (offset * tangent[nearest]).sum(1)
    distance = np.sqrt(np.maximum((offset**2).sum(1) - axial**2, 0))
    # A ramp of one voxel's width adds pi edge^2/12 per mm of tube; the radius is reduced to give it back.
    lumen = np.sqrt(np.maximum(radius[nearest] ** 2 - edge**2 / 12, 0))
    share = np.clip((lumen - distance) / edge + 0.5, 0, 1)
    ends = (nearest == 0) | (nearest == len(fine) - 1)
    outwards = np.where(nearest == 0, -axial, axial)
    share[ends] *= np.clip(0.5 - outwards[ends] / edge, 0, 1)  # flat caps
    i, j, k = at.T
    volume[i, j, k] += share.astype(np.float32)


def _unit_length(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the arc length of each point as a share of the whole, [N]."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    return length / length[-1]


def _voxels_near(points: NDArray[np.float64], reach_mm: float, grid: Grid) -> NDArray[np.int64]:
    """Return the voxels [M, 3] of the grid within ``reach_mm`` of a centreline, in the order of memory."""
    ijk = grid.to_ijk(points)
    margin = np.ceil(reach_mm * np.linalg.norm(np.linalg.inv(grid.affine[:3, :3]), axis=1)).astype(int) + 1
    start = np.maximum(np.floor(ijk.min(0)).astype(int) - margin, 0)
    stop = np.minimum(np.ceil(ijk.max(0)).astype(int) + margin + 1, grid.shape)
    if np.any(stop <= start):
        return np.zeros((0, 3), dtype=np.int64)
    near = np.zeros(tuple(stop - start), dtype=bool)
    # Boxes about every reach/2 along the line cover all that is within reach.
    for centre in np.round(grid.to_ijk(resample(points, reach_mm / 2))).astype(int):
        low = np.maximum(centre - margin - margin // 2 - start, 0)
        high = np.maximum(np.minimum(centre + margin + margin // 2 + 1, stop) - start, 0)
        near[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    return np.argwhere(near) + start
