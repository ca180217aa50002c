"""The brain seen through along each axis, cut to its box, with places for the findings on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.report.planes import PLANES, Plane, oriented, position_in
from microbleeds.report.thumbnails import Canvas, Picture, scaled
from microbleeds.report.window import Window

MARGIN_MM = 6.0
SOFTNESS = 6.0
#: Rays that only graze the brain are few and dark; below this length they fade, which gives a clean outline.
FADE_MM = 20.0


@dataclass(frozen=True, eq=False)
class BrainBox:
    """The part of a scan around its brain.

    Args:
        box: slices of the arrays on the scan's grid.
        grid: the grid of that part.
    """

    box: tuple[slice, slice, slice]
    grid: Grid

    def place(self, plane: Plane, position_ras_mm: tuple[float, float, float]) -> tuple[float, float]:
        """Return where a position lies on a projection of this part, (left, top) as shares of 1."""
        column, row = position_in(plane, self.grid, self.grid.to_ijk(position_ras_mm))
        return column / self.grid.shape[plane.column], row / self.grid.shape[plane.row]


def brain_box(canvas: Canvas) -> BrainBox:
    """Return the brain's box with a margin; the whole scan where the mask is empty."""
    grid = canvas.scan.grid
    start, stop = np.zeros(3, dtype=int), np.asarray(grid.shape)
    if canvas.brain.any():
        spans = [np.flatnonzero(canvas.brain.any(axis=(plane.column, plane.row))) for plane in PLANES[::-1]]
        margin = np.ceil(MARGIN_MM / grid.spacing_mm).astype(int)
        start = np.maximum([span[0] for span in spans] - margin, 0)
        stop = np.minimum([span[-1] + 1 for span in spans] + margin, grid.shape)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return BrainBox((i, j, k), grid.cropped(start, stop))


def overviews(canvas: Canvas, part: BrainBox) -> list[Picture]:
    """Return a soft minimum of the SWI over the brain along each axis, axial first.

    A plain minimum over a whole head is black with skull and sinuses; ``-log(mean(exp(-k x))) / k`` over the
    brain keeps the venous tree, the deep nuclei and the outline.
    """
    brain = canvas.brain[part.box]
    swi = canvas.scan.swi[part.box] / np.float32(max(canvas.swi.high, 1e-12))
    weight = np.exp(np.float32(-SOFTNESS) * swi) * brain
    return [_projection(weight, brain, plane, part.grid) for plane in PLANES]


def _projection(weight: NDArray[np.float32], brain: NDArray[np.bool_], plane: Plane, grid: Grid) -> Picture:
    """Project along one axis."""
    rays = brain.sum(axis=plane.across, dtype=np.float32)
    mean = weight.sum(axis=plane.across) / np.maximum(rays, 1)
    soft = -np.log(np.maximum(mean, 1e-12)) / SOFTNESS
    low, high = np.percentile(soft[rays > 0], [1, 99]) if rays.any() else (0.0, 1.0)
    fade = np.clip(rays * grid.spacing_mm[plane.across] / FADE_MM, 0, 1)
    grey = Window(float(low), float(high)).to_grey(soft) * fade
    return scaled(oriented(grey.astype(np.uint8)), plane, grid)
