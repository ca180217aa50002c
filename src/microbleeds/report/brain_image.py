"""`brain.nii.gz`: the mask that was searched, on the grid of the input file.

Grey windows, overviews and the edge of projections follow from it, so what is made of a result later (DICOM
objects, the signed report) reads it and looks as the first report did.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microbleeds.errors import InputError
from microbleeds.geometry import Grid, canonical
from microbleeds.report.regions_image import write_on_input_grid
from microbleeds.report.stored_image import read_stored
from microbleeds.scan import Scan

BRAIN_IMAGE = "brain.nii.gz"


def write_brain(brain: NDArray[np.bool_], scan: Scan, folder: Path) -> None:
    """Write the mask [X, Y, Z] on ``scan.grid`` into a result."""
    write_on_input_grid(brain, scan.source_grid, Path(folder) / BRAIN_IMAGE)


def read_brain(folder: Path, grid: Grid) -> NDArray[np.bool_] | None:
    """Read the mask of a result.

    Args:
        folder: the result.
        grid: canonical grid of the scan, a part of it, or one with its axes and coarser voxels.

    Returns:
        [X, Y, Z] on ``grid``; ``None`` if the result holds none, as those of before 0.2 do.

    Raises:
        InputError: if it can't be read, or is of another scan.
    """
    path = Path(folder) / BRAIN_IMAGE
    if not path.is_file():
        return None
    stored, grid_there = read_stored(path, "brain mask")
    mask, source = canonical(stored > 0, grid_there)
    first, last = source.to_ijk(grid.to_mm(np.array([np.zeros(3), np.asarray(grid.shape) - 1.0])))
    axes = [np.rint(np.linspace(*ends)).astype(int) for ends in zip(first, last, grid.shape, strict=True)]
    parallel = np.allclose(
        source.affine[:3, :3] / source.spacing_mm, grid.affine[:3, :3] / grid.spacing_mm, atol=1e-3
    )
    # A coarse voxel at the end may reach beyond the image, with its middle too.
    reach = grid.spacing_mm / source.spacing_mm
    inside = all(
        axis.min() >= 0 and axis.max() < n + r for axis, n, r in zip(axes, source.shape, reach, strict=True)
    )
    if not parallel or not inside:
        raise InputError(f"The brain mask {path} lies on another grid than the scan's images; give its study.")
    return np.ascontiguousarray(
        mask[np.ix_(*(np.minimum(a, n - 1) for a, n in zip(axes, mask.shape, strict=True)))]
    )
