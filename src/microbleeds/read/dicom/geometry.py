"""From positions and orientations of slices to one grid, or the sentence that says why there is none.

Conventions:
    * Positions and directions come in DICOM's LPS mm; the grid is in RAS mm.
    * Array axes are ``[column, row, slice]``; slices run along row direction x column direction.
    * Slice distance is that of the positions; Slice Thickness and Spacing Between Slices aren't looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.read.dicom.headers import Frame
from microbleeds.read.nifti import COARSEST_IN_PLANE_MM, COARSEST_SLICE_MM, FEWEST_SLICES, MOST_VOXELS

# Scanners round positions to 1e-3 mm or finer; a file that passed through a converter may be coarser.
POSITION_TOLERANCE_MM = 0.1
# Two images closer than this lie at one place.
SAME_PLACE_MM = 0.01
ORIENTATION_TOLERANCE = 1e-3
# A twentieth of a degree shifts the ends of 150 mm by 0.13 mm.
LARGEST_TILT_DEG = 0.05
_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


class UnusableError(Exception):
    """Slices make no volume that can be searched; the message is a clause that goes on after "series 5: "."""


def normal_of(orientation: Sequence[float]) -> NDArray[np.float64]:
    """Return row direction x column direction, LPS, shape [3]."""
    return np.cross(orientation[:3], orientation[3:])


def place_of(frame: Frame, normal: NDArray[np.float64]) -> float:
    """Return where a slice lies along the normal, in mm."""
    return float(np.dot(normal, frame.position_lps_mm or (0.0, 0.0, 0.0)))


def has_geometry(frame: Frame) -> bool:
    """Whether a frame states a position, two perpendicular directions, a pixel spacing and a size."""
    if frame.position_lps_mm is None or frame.orientation is None or frame.spacing_mm is None:
        return False
    row, column = np.asarray(frame.orientation[:3]), np.asarray(frame.orientation[3:])
    unit = np.allclose([row @ row, column @ column], 1, atol=1e-2) and abs(row @ column) < 1e-2
    return bool(unit and min(frame.spacing_mm) > 0 and frame.header.rows > 0 and frame.header.columns > 0)


def grid_of(frames: Sequence[Frame]) -> Grid:
    """Return the grid of slices that are sorted along their normal and of one orientation and size.

    Raises:
        UnusableError: if slices are missing, doubled, unevenly spaced, too few, or shifted against each other
            (gantry tilt).
    """
    first = frames[0]
    if first.orientation is None or first.spacing_mm is None:
        raise UnusableError("its images state no position, orientation or pixel spacing")
    if len(frames) < FEWEST_SLICES:
        raise UnusableError(f"it has too few slices ({len(frames)}); at least {FEWEST_SLICES} are needed")
    positions = np.array([frame.position_lps_mm for frame in frames], dtype=np.float64)
    normal = normal_of(first.orientation)
    _refuse_uneven(positions @ normal)
    step = (positions[-1] - positions[0]) / (len(frames) - 1)
    _refuse_tilt(step, normal)
    _refuse_scattered(positions, step)
    affine = np.eye(4)
    affine[:3, 0] = np.asarray(first.orientation[:3]) * first.spacing_mm[1] * _LPS_TO_RAS
    affine[:3, 1] = np.asarray(first.orientation[3:]) * first.spacing_mm[0] * _LPS_TO_RAS
    # A shift below the tolerance is rounding: slices lie along the normal.
    affine[:3, 2] = normal / np.linalg.norm(normal) * float(step @ normal) * _LPS_TO_RAS
    affine[:3, 3] = positions.mean(axis=0) * _LPS_TO_RAS - affine[:3, 2] * (len(frames) - 1) / 2
    return Grid((first.header.columns, first.header.rows, len(frames)), affine)


def _refuse_uneven(places_mm: NDArray[np.float64]) -> None:
    steps = np.diff(places_mm)
    usual = float(np.median(steps))
    if usual <= SAME_PLACE_MM or steps.min() <= SAME_PLACE_MM:
        raise UnusableError("it has two different images at the same place and nothing that tells them apart")
    ratio = steps / usual
    gaps = np.flatnonzero(ratio > 1.5)
    whole = np.abs(ratio - np.round(ratio)) * usual < POSITION_TOLERANCE_MM
    if gaps.size and whole.all():
        missing = int(np.round(ratio[gaps] - 1).sum())
        where = int(gaps[0]) + 1
        slices = "1 slice is" if missing == 1 else f"{missing} slices are"
        raise UnusableError(f"{slices} missing, the first after slice {where} of {places_mm.size}")
    if np.abs(steps - usual).max() > POSITION_TOLERANCE_MM:
        raise UnusableError(f"its slices are {steps.min():.3g} to {steps.max():.3g} mm apart, not evenly spaced")


def _refuse_tilt(step: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    length = float(np.linalg.norm(step)) * float(np.linalg.norm(normal))
    angle = float(np.degrees(np.arccos(np.clip(step @ normal / length, -1, 1))))
    if angle > LARGEST_TILT_DEG:
        raise UnusableError(
            f"its slices are shifted against each other (a gantry tilt of {angle:.2g} degrees); reformat it to "
            "upright slices first"
        )


def _refuse_scattered(positions: NDArray[np.float64], step: NDArray[np.float64]) -> None:
    """Slices on one line, but some beside it: a moved table, or images of two series."""
    steps = np.arange(len(positions)) - (len(positions) - 1) / 2
    line = positions.mean(axis=0) + steps[:, None] * step
    apart = float(np.linalg.norm(positions - line, axis=1).max())
    if apart > 2 * POSITION_TOLERANCE_MM:
        raise UnusableError(f"its slices don't lie on one line (one is {apart:.2g} mm beside it)")


def refuse_size(grid: Grid) -> None:
    """Refuse what is too large, too small or too coarse to be searched; the limits that NIfTI files have too.

    Raises:
        UnusableError: with the reason.
    """
    if np.prod([float(n) for n in grid.shape]) > MOST_VOXELS or min(grid.shape) < FEWEST_SLICES:
        raise UnusableError("it has the size " + " x ".join(str(n) for n in grid.shape) + ", which no scan has")
    spacing = " x ".join(f"{s:.3g}" for s in grid.spacing_mm)
    _, in_plane, slice_mm = np.sort(grid.spacing_mm)
    if in_plane > COARSEST_IN_PLANE_MM + 0.005 or slice_mm > COARSEST_SLICE_MM + 0.005:
        raise UnusableError(
            f"it has voxels of {spacing} mm, too coarse for microbleeds; at most {COARSEST_IN_PLANE_MM:g} x "
            f"{COARSEST_IN_PLANE_MM:g} x {COARSEST_SLICE_MM:g} mm can be used"
        )
