"""Voxel grids and their affines.

Conventions:
    * World coordinates are RAS millimetres (x to the Right, y to the Anterior, z to the Superior),
      as in NIfTI and nibabel. LPS appears only where DICOM is written.
    * Voxel coordinates are floating-point ``ijk``; the centre of the first voxel is (0, 0, 0).
    * A grid's affine maps homogeneous ``ijk`` to RAS mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.orientations import (
    aff2axcodes,
    apply_orientation,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular voxel grid in RAS mm space.

    Args:
        shape: number of voxels along i, j, k.
        affine: [4, 4] matrix from ijk to RAS mm.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4):
            raise ValueError(f"A grid's affine must have shape (4, 4), got {affine.shape}.")
        if len(self.shape) != 3:
            raise ValueError(f"A grid has three axes, got shape {self.shape}.")
        object.__setattr__(self, "affine", affine)
        i, j, k = self.shape
        object.__setattr__(self, "shape", (int(i), int(j), int(k)))

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Voxel size along i, j, k in mm, shape [3]."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def slice_axis(self) -> int:
        """Axis across the slices: the coarsest one, or the last if none is clearly coarser than that."""
        spacing_mm = self.spacing_mm
        return int(spacing_mm.argmax()) if spacing_mm.max() > 1.05 * spacing_mm[2] else 2

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000

    @property
    def axis_codes(self) -> str:
        """Nearest anatomical direction of each axis, for instance ``RAS`` or ``LPS``."""
        return "".join(aff2axcodes(self.affine))

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """RAS mm of the middle of the grid, shape [3]."""
        return self.to_mm((np.asarray(self.shape) - 1) / 2)

    def to_mm(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """Map voxel coordinates [..., 3] to RAS mm [..., 3]."""
        return np.asarray(ijk, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_ijk(self, position_ras_mm: ArrayLike) -> NDArray[np.float64]:
        """Map RAS mm [..., 3] to floating-point voxel coordinates [..., 3]."""
        inverse = np.linalg.inv(self.affine)
        return np.asarray(position_ras_mm, dtype=np.float64) @ inverse[:3, :3].T + inverse[:3, 3]

    def contains(self, position_ras_mm: ArrayLike) -> NDArray[np.bool_]:
        """Whether each RAS mm position [..., 3] falls inside a voxel of this grid, shape [...]."""
        ijk = self.to_ijk(position_ras_mm)
        return np.all((ijk >= -0.5) & (ijk < np.asarray(self.shape) - 0.5), axis=-1)

    @property
    def is_flat(self) -> bool:
        """Whether the affine is not finite or squeezes voxels to a plane, so that nothing can be placed by it."""
        matrix = self.affine[:3, :3]
        if not np.isfinite(self.affine).all():
            return True
        return bool(abs(np.linalg.det(matrix)) <= 1e-3 * np.prod(self.spacing_mm))

    def same_as(self, other: Grid, tolerance_mm: float = 0.1) -> bool:
        """Whether both grids have the same shape and place all their corners within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        return bool(np.abs(self.to_mm(corners) - other.to_mm(corners)).max() <= tolerance_mm)

    def with_spacing(self, spacing_mm: ArrayLike) -> Grid:
        """Return the grid of the same axes and field of view with another voxel size.

        The outer faces of the first voxels coincide; the last voxel may reach past the old field of view
        by less than one new voxel.
        """
        new = np.asarray(spacing_mm, dtype=np.float64)
        ratio = new / self.spacing_mm
        shape = np.maximum(1, np.ceil(np.asarray(self.shape) / ratio - 1e-6).astype(int))
        affine = self.affine.copy()
        affine[:3, :3] = self.affine[:3, :3] * ratio
        affine[:3, 3] = self.to_mm((ratio - 1) / 2)
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    def cropped(self, start: ArrayLike, stop: ArrayLike) -> Grid:
        """Return the sub-grid of voxels ``start <= ijk < stop`` (may reach outside this grid)."""
        start, stop = np.asarray(start, dtype=int), np.asarray(stop, dtype=int)
        affine = self.affine.copy()
        affine[:3, 3] = self.to_mm(start)
        shape = stop - start
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def grid_of(image: nib.spatialimages.SpatialImage) -> Grid:
    """Return the grid of the first three axes of a nibabel image."""
    i, j, k = image.shape[:3]
    return Grid((i, j, k), np.asarray(image.affine))


def canonical(array: NDArray, grid: Grid) -> tuple[NDArray, Grid]:
    """Flip and permute axes so that they run closest to R, A, S; values are untouched.

    Returns:
        The array (a view) and its grid. World coordinates of each voxel stay the same.
    """
    orientation = io_orientation(grid.affine)
    flipped = apply_orientation(array, orientation)
    affine = grid.affine @ inv_ornt_aff(orientation, grid.shape)
    return flipped, Grid(flipped.shape[:3], affine)


def from_canonical(array: NDArray, source: Grid) -> NDArray:
    """Undo :func:`canonical`: bring an array on the canonical axes back to those of ``source``."""
    to_source = ornt_transform(io_orientation(np.eye(4)), io_orientation(source.affine))
    return apply_orientation(array, to_source)
