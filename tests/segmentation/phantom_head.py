"""An ellipsoid brain with ventricle and nuclei, painted in the brightness that the stand-in network reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from oracle_anatomy import BRIGHTNESS, MIDDLE_MM

from microbleeds.geometry import Grid
from microbleeds.networks.anatomy_classes import AnatomyClass
from microbleeds.scan import Scan

HALF_AXES_MM = (66.0, 84.0, 66.0)


def centred_grid(extent_mm: tuple[float, float, float], spacing_mm: tuple[float, float, float]) -> Grid:
    """Return a RAS grid around the middle of a brain in MNI152."""
    shape = tuple(int(e / s) for e, s in zip(extent_mm, spacing_mm, strict=True))
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = [m - s * (n - 1) / 2 for m, n, s in zip(MIDDLE_MM, shape, spacing_mm, strict=True)]
    return Grid(shape, affine)  # type: ignore[arg-type]


def phantom(grid: Grid) -> NDArray[np.float32]:
    """Return an ellipsoid brain with ventricle and nuclei in fluid, painted in the oracle's brightness."""
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    position = grid.to_mm(ijk)
    radius = np.linalg.norm((position - np.array(MIDDLE_MM)) / HALF_AXES_MM, axis=-1)
    image = np.zeros(grid.shape, dtype=np.float32)
    for scale, member in ((1.15, AnatomyClass.CSF), (1.0, AnatomyClass.CORTEX), (0.85, AnatomyClass.WHITE)):
        image[radius < scale] = BRIGHTNESS[member]
    x, y, z = np.moveaxis(position, -1, 0)
    image[(np.abs(np.abs(x) - 25) < 10) & (np.abs(y) < 18) & (np.abs(z) < 10)] = BRIGHTNESS[AnatomyClass.LENTIFORM]
    image[(np.abs(x) < 10) & (np.abs(y) < 20) & (np.abs(z - 8) < 8)] = BRIGHTNESS[AnatomyClass.VENTRICLE]
    return image


def scan_of(image: NDArray[np.float32], grid: Grid) -> Scan:
    """Return a scan of one image."""
    return Scan(kind="swi", grid=grid, source_grid=grid, swi=image)
