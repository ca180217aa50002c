"""The regions laid over the scan in a few slices, for checking: a grey picture and a clear one above it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from microbleeds.regions import CSF, OUTSIDE, REGIONS
from microbleeds.report.overview import BrainBox
from microbleeds.report.planes import AXIAL, CORONAL, SAGITTAL, Plane, slice_at
from microbleeds.report.region_table import colour_of
from microbleeds.report.thumbnails import Canvas, Picture, scaled

#: Where slices are cut, as shares of the brain's box from left, back and below.
Cuts = tuple[tuple[Plane, tuple[float, ...]], ...]
SLICES: Cuts = ((AXIAL, (0.22, 0.36, 0.5, 0.64, 0.78)), (CORONAL, (0.3, 0.5, 0.68)), (SAGITTAL, (0.28, 0.5, 0.72)))
_OPACITY = 105  # of 255: the anatomy below must be seen


@dataclass(frozen=True)
class RegionSlice:
    """One slice: the scan, the regions as a clear picture of the same size, and the position across it."""

    picture: Picture
    regions: str
    position_mm: float


def region_slices(
    canvas: Canvas,
    regions: NDArray[np.uint8],
    part: BrainBox,
    chosen: Cuts = SLICES,
) -> list[list[RegionSlice]]:
    """Return the slices of each plane.

    Args:
        canvas: the scan and its window.
        regions: [X, Y, Z] codes on the scan's grid.
        part: the brain's box, to which the slices are cut.
        chosen: planes and where each is cut.
    """
    swi, codes = canvas.scan.swi[part.box], regions[part.box]
    return [[_slice(canvas, swi, codes, part, plane, share) for share in shares] for plane, shares in chosen]


def _slice(
    canvas: Canvas, swi: NDArray[np.float32], codes: NDArray[np.uint8], part: BrainBox, plane: Plane, share: float
) -> RegionSlice:
    """Draw one slice."""
    index = min(int(share * part.grid.shape[plane.across]), part.grid.shape[plane.across] - 1)
    picture = scaled(canvas.swi.to_grey(slice_at(swi, plane, index)), plane, part.grid)
    middle = (np.asarray(part.grid.shape) - 1) / 2
    middle[plane.across] = index
    coloured = _coloured(slice_at(codes, plane, index), (picture.width, picture.height))
    return RegionSlice(picture, coloured, round(float(part.grid.to_mm(middle)[plane.across])) + 0.0)


def _coloured(codes: NDArray[np.uint8], size: tuple[int, int]) -> str:
    """Return region codes [rows, columns] as a PNG in a data address, clear where nothing counts."""
    image = Image.frombytes("P", codes.shape[::-1], np.ascontiguousarray(codes).tobytes())
    image = image.resize(size, Image.Resampling.NEAREST)
    palette, opacity = bytearray(768), bytearray(256)
    for code, region in REGIONS.items():
        palette[3 * code : 3 * code + 3] = bytes.fromhex(colour_of(region)[1:])
        opacity[code] = 0 if code in (OUTSIDE, CSF) else _OPACITY
    image.putpalette(bytes(palette))
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=bytes(opacity), optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
