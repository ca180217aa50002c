"""Small pictures of a finding and of its slice, as JPEG or PNG in data addresses (numpy and Pillow).

Pictures are physically square whatever the voxels: anisotropic ones are interpolated (bicubic). The slice
itself is never interpolated: what is shown is the acquired slice that holds the finding. Markers aren't burnt
in; the page draws them over the picture, so that the reader can take them away.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from microbleeds.geometry import Grid
from microbleeds.report.planes import (
    AXIAL,
    PLANES,
    Plane,
    core_of,
    darkest_slab,
    pixel_mm,
    position_in,
    slice_at,
)
from microbleeds.report.window import Window, magnitude_window, phase_window
from microbleeds.scan import Scan

FIELD_MM = 40.0
PIXELS = 200
SLAB_MM = 14.0
SLICE_PIXELS_PER_MM = 1.6
LEAST_PIXELS = 320
_QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """An encoded picture with its size in pixels and its orientation letters."""

    source: str
    width: int
    height: int
    plane: Plane


@dataclass(frozen=True, eq=False)
class Canvas:
    """A scan with the windows in which it is drawn; made once per report."""

    scan: Scan
    brain: NDArray[np.bool_]
    swi: Window
    phase: Window | None

    @cached_property
    def core(self) -> NDArray[np.bool_]:
        """The brain without its edge, for projections."""
        return core_of(self.brain)


def canvas(scan: Scan, brain: NDArray[np.bool_]) -> Canvas:
    """Choose the windows of a scan from its brain [X, Y, Z] (bool, on ``scan.grid``)."""
    phase = None if scan.phase_rad is None else phase_window(scan.phase_rad, brain)
    return Canvas(scan, brain, magnitude_window(scan.swi, brain), phase)


def close_ups(canvas: Canvas, position_ras_mm: tuple[float, float, float]) -> dict[str, list[Picture]]:
    """Return the three planes of SWI, phase (if there is one) and mIP around a finding in the middle.

    Each picture shows :data:`FIELD_MM`; the mIP is the minimum over :data:`SLAB_MM` of brain
    across its own plane, see :func:`microbleeds.report.planes.darkest_slab`.
    """
    grid = canvas.scan.grid
    ijk = grid.to_ijk(position_ras_mm)
    index = np.clip(np.rint(ijk), 0, np.asarray(grid.shape) - 1).astype(int)
    views: dict[str, list[Picture]] = {"SWI": [], "phase": [], "mIP": []}
    for plane in PLANES:
        n, spacing = int(index[plane.across]), float(grid.spacing_mm[plane.across])
        views["SWI"].append(_close_up(canvas, slice_at(canvas.scan.swi, plane, n), plane, ijk, canvas.swi))
        if canvas.scan.phase_rad is not None and canvas.phase is not None:
            phase = slice_at(canvas.scan.phase_rad, plane, n)
            views["phase"].append(_close_up(canvas, phase, plane, ijk, canvas.phase))
        projection = darkest_slab(canvas.scan.swi, canvas.brain, canvas.core, plane, n, SLAB_MM, spacing)
        views["mIP"].append(_close_up(canvas, projection, plane, ijk, canvas.swi))
    return {name: pictures for name, pictures in views.items() if pictures}


def whole_slice(canvas: Canvas, position_ras_mm: tuple[float, float, float]) -> tuple[Picture, float, float]:
    """Return the axial slice of a finding, and the finding's place on it (left, top) as shares of 1."""
    grid = canvas.scan.grid
    ijk = grid.to_ijk(position_ras_mm)
    n = int(np.clip(np.rint(ijk[2]), 0, grid.shape[2] - 1))
    grey = canvas.swi.to_grey(slice_at(canvas.scan.swi, AXIAL, n))
    column, row = position_in(AXIAL, grid, ijk)
    return scaled(grey, AXIAL, grid), column / grey.shape[1], row / grey.shape[0]


def _close_up(canvas: Canvas, picture: NDArray, plane: Plane, ijk: NDArray[np.float64], window: Window) -> Picture:
    """Cut a square field around a position and bring it to :data:`PIXELS`; beyond the image it is black."""
    size = pixel_mm(plane, canvas.scan.grid)
    column, row = position_in(plane, canvas.scan.grid, ijk)
    half = (FIELD_MM / 2 / size[0], FIELD_MM / 2 / size[1])
    # The whole voxels around the field, padded where they lie outside the image.
    left, top = int(np.floor(column - half[0])) - 2, int(np.floor(row - half[1])) - 2
    right, bottom = int(np.ceil(column + half[0])) + 2, int(np.ceil(row + half[1])) + 2
    patch = np.full((bottom - top, right - left), window.low, dtype=np.float32)
    rows, columns = slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))
    inside = picture[rows, columns]
    y, x = max(0, -top), max(0, -left)
    patch[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    box = (column - half[0] - left, row - half[1] - top, column + half[0] - left, row + half[1] - top)
    image = Image.fromarray(patch).resize((PIXELS, PIXELS), Image.Resampling.BICUBIC, box=box)
    return _encoded(window.to_grey(np.asarray(image)), plane)


def scaled(grey: NDArray[np.uint8], plane: Plane, grid: Grid) -> Picture:
    """Bring a picture of a grid's whole plane to square pixels, of one size for all planes of a grid.

    A small field of view is enlarged, so that letters and markers, which have a size in pixels, stay small on it.
    """
    extent_mm = grid.spacing_mm * grid.shape
    per_mm = max(SLICE_PIXELS_PER_MM, LEAST_PIXELS / float(extent_mm.max()))
    size = tuple(max(1, round(float(extent_mm[axis]) * per_mm)) for axis in (plane.column, plane.row))
    image = Image.fromarray(np.ascontiguousarray(grey)).resize((size[0], size[1]), Image.Resampling.BICUBIC)
    return _encoded(np.asarray(image), plane)


def _encoded(grey: NDArray[np.uint8], plane: Plane) -> Picture:
    """Encode as JPEG in a data address; quality 82 keeps a 200-pixel close-up at about 6 kB."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey)).save(stream, "JPEG", quality=_QUALITY)
    text = base64.b64encode(stream.getvalue()).decode("ascii")
    return Picture(f"data:image/jpeg;base64,{text}", grey.shape[1], grey.shape[0], plane)
