"""Closed contours of a picture, as paths for SVG (marching squares).

Coordinates are those of :mod:`microbleeds.report.planes`: (column, row) from the picture's outer left upper
corner, here in mm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Point = tuple[float, float]
_Edge = tuple[int, int, int]  # row and column of its first sample, 0 along the row and 1 across the rows

SMOOTH_MM = 2.0  # rounds the steps of voxels and folds
LEAST_AREA_MM2 = 60.0
_HALF = 0.5


def outline_path(mask: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> str:
    """Return the smoothed outline of a mask as the data of an SVG path in mm; empty without one.

    Args:
        mask: [rows, columns].
        pixel_mm: size of a pixel, (column, row).
    """
    padded = np.pad(mask.astype(np.float32), 2)
    sigma = (SMOOTH_MM / pixel_mm[1], SMOOTH_MM / pixel_mm[0])
    # Nothing lies beyond the padding; a mirror image there would leave the line of a cut mask open.
    loops = contours(ndimage.gaussian_filter(padded, sigma, mode="constant"))
    # Samples are pixel centres, two pixels of padding away from the picture's corner.
    placed = [[((c - 1.5) * pixel_mm[0], (r - 1.5) * pixel_mm[1]) for r, c in loop] for loop in loops]
    return "".join(_path(loop) for loop in placed if _area(loop) >= LEAST_AREA_MM2)


def contours(field: NDArray[np.float32]) -> list[list[Point]]:
    """Return the closed lines where a field [R, C] with an empty rim crosses a half, as (row, column) points."""
    joined: dict[_Edge, list[_Edge]] = {}
    for first, second in _segments(field >= _HALF):
        joined.setdefault(first, []).append(second)
        joined.setdefault(second, []).append(first)
    loops = []
    while joined:
        loop = _walk(joined)
        loops.append([_crossing(field, edge) for edge in loop])
    return loops


def _segments(inside: NDArray[np.bool_]) -> list[tuple[_Edge, _Edge]]:
    """Return the pieces of line within each square of four samples, between the edges that they cross."""
    segments = []
    corners = inside[:-1, :-1].astype(int) + inside[:-1, 1:] + inside[1:, 1:] + inside[1:, :-1]
    for r, c in np.argwhere((corners > 0) & (corners < 4)).tolist():
        a, b, d, e = inside[r, c], inside[r, c + 1], inside[r + 1, c + 1], inside[r + 1, c]
        top, right, bottom, left = (r, c, 0), (r, c + 1, 1), (r + 1, c, 0), (r, c, 1)
        if a == d and b == e:  # two opposite corners: keep them apart
            pairs = [(top, left), (bottom, right)] if a else [(top, right), (bottom, left)]
        else:
            crossed = [
                edge for edge, cut in ((top, a != b), (right, b != d), (bottom, e != d), (left, a != e)) if cut
            ]
            pairs = [(crossed[0], crossed[1])]
        segments += pairs
    return segments


def _walk(joined: dict[_Edge, list[_Edge]]) -> list[_Edge]:
    """Take one closed line out of the edges that are joined."""
    start = next(iter(joined))
    loop, here = [start], joined.pop(start)[0]
    while here != start:
        loop.append(here)
        following = [edge for edge in joined.pop(here) if edge in joined]
        here = following[0] if following else start
    return loop


def _crossing(field: NDArray[np.float32], edge: _Edge) -> Point:
    """Return where the field crosses a half on an edge, linearly."""
    row, column, across = edge
    near = float(field[row, column])
    far = float(field[row + across, column + 1 - across])
    share = (_HALF - near) / (far - near)
    return row + share * across, column + share * (1 - across)


def _area(loop: list[Point]) -> float:
    """Return the area within a closed line."""
    x, y = np.asarray(loop).T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def _path(loop: list[Point]) -> str:
    """Return a closed path through the points, thinned to about one a millimetre."""
    points = np.asarray(loop)
    length = float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).sum())
    kept = points[:: max(1, int(len(points) / max(length, 12)))]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in kept) + "Z"
