"""Slices in radiological convention, physically square, and slabs for projections.

All functions take arrays on a scan's canonical grid (axes nearest R, A, S). Planes follow the axes of that
grid, so an oblique scan is shown in the planes in which it was acquired. The picture's left is the patient's
right (axial, coronal) or front (sagittal); its top is front (axial) or head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microbleeds.geometry import Grid


@dataclass(frozen=True)
class Plane:
    """One of the three viewing planes.

    Args:
        name: shown to the reader.
        across: array axis that the plane cuts.
        column: array axis that runs leftwards on the picture (always against R or A).
        row: array axis that runs upwards on the picture (A or S).
        letters: left, right, top and bottom of the picture.
    """

    name: str
    across: int
    column: int
    row: int
    letters: tuple[str, str, str, str]


AXIAL = Plane("axial", across=2, column=0, row=1, letters=("R", "L", "A", "P"))
CORONAL = Plane("coronal", across=1, column=0, row=2, letters=("R", "L", "S", "I"))
SAGITTAL = Plane("sagittal", across=0, column=1, row=2, letters=("A", "P", "S", "I"))
PLANES = (AXIAL, CORONAL, SAGITTAL)


def slice_at(array: NDArray, plane: Plane, index: int) -> NDArray:
    """Return one slice as a picture [rows, columns]."""
    return oriented(np.take(array, index, axis=plane.across))


def core_of(brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a brain mask [X, Y, Z] without its edge: the voxels that touch others, partly skull and dark.

    Where the image ends in brain is no edge of it.
    """
    return ndimage.minimum_filter(brain.view(np.uint8), size=3, mode="nearest").view(np.bool_)


def darkest_slab(
    array: NDArray,
    brain: NDArray[np.bool_],
    core: NDArray[np.bool_],
    plane: Plane,
    centre: int,
    thickness_mm: float,
    spacing_mm: float,
) -> NDArray:
    """Return the minimum intensity projection of a slab around a slice as a picture [rows, columns].

    The slice itself takes part with all of its brain, the others with its core: the brain has another outline on
    each slice, and their dark edges would lie about the picture in rings. Skull and air never take part, or they
    would cover a superficial bleed. Beside the slice's own brain the picture fades to black where less than half
    of the slab takes part; the review page projects by the same rule (`shader.js`).

    Args:
        array: [X, Y, Z] values, not negative.
        brain: [X, Y, Z].
        core: of the brain, see :func:`core_of`.
        plane: that the slab is parallel to.
        centre: index of the slice.
        thickness_mm: of the slab.
        spacing_mm: across the plane.
    """
    half = max(0, round((thickness_mm / spacing_mm - 1) / 2))
    low, high = max(0, centre - half), min(array.shape[plane.across], centre + half + 1)
    slab = (slice(None),) * plane.across + (slice(low, high),)
    own = np.take(brain, centre, axis=plane.across)
    taking = core[slab].copy()
    taking[(slice(None),) * plane.across + (centre - low,)] = own
    darkest = np.where(taking, array[slab], np.inf).min(axis=plane.across)
    fade = np.where(own, 1, np.minimum(1, 2 * taking.mean(axis=plane.across)))
    return oriented(np.where(taking.any(axis=plane.across), darkest, 0) * fade)


def oriented(picture: NDArray) -> NDArray:
    """Turn a slice [column axis, row axis] into a picture [rows, columns] whose left and top are positive."""
    return picture.T[::-1, ::-1]


def position_in(plane: Plane, grid: Grid, ijk: NDArray[np.float64]) -> tuple[float, float]:
    """Return (column, row) of a voxel position on the picture, in voxels from its outer left upper corner."""
    column = grid.shape[plane.column] - 0.5 - ijk[plane.column]
    row = grid.shape[plane.row] - 0.5 - ijk[plane.row]
    return float(column), float(row)


def pixel_mm(plane: Plane, grid: Grid) -> tuple[float, float]:
    """Return the size of a picture's voxel, (column, row), in mm."""
    spacing = grid.spacing_mm
    return float(spacing[plane.column]), float(spacing[plane.row])
