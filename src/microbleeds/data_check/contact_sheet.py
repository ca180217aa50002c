"""Contact sheets: each labelled spot as a small axial picture of SWI and phase, with a cross and its name.

Pictures are in radiological convention (the patient's right at the left, front up). The cross leaves its middle
free. Green: the spot is dark; orange: it is no darker than what lies around; red: it lies outside the brain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from microbleeds.annotations.check import DARK_CONTRAST, Evidence
from microbleeds.geometry import Grid
from microbleeds.report.planes import AXIAL, pixel_mm, position_in, slice_at
from microbleeds.report.window import Window, magnitude_window, phase_window
from microbleeds.scan import Scan

FIELD_MM = 36.0
TILE = 148
CAPTION = 30
GAP = 8
ACROSS, DOWN = 4, 7
_GOOD, _PALE, _OUTSIDE, _TEXT = (80, 220, 120), (255, 170, 40), (255, 80, 80), (235, 235, 235)
_BLACK, _EMPTY = (16, 16, 18), (40, 40, 44)
# The cross begins outside the largest bleed and leaves most of the field free.
_CROSS_FROM_MM, _CROSS_TO_MM = 6.0, 10.0


@dataclass(frozen=True, eq=False)
class Spot:
    """One labelled spot, drawn.

    Args:
        title: name of the scan and number of the label.
        detail: contrast and diameter in words.
        colour: of cross and caption.
        swi: [TILE, TILE] grey.
        phase: [TILE, TILE] grey, if there is a phase image.
    """

    title: str
    detail: str
    colour: tuple[int, int, int]
    swi: NDArray[np.uint8]
    phase: NDArray[np.uint8] | None


def spots_of(
    scan: Scan,
    brain: NDArray[np.bool_],
    evidence: Evidence,
    positions_ras_mm: NDArray[np.float64],
    diameters_mm: NDArray[np.float64],
) -> list[Spot]:
    """Draw all labels of a scan."""
    swi_window = magnitude_window(scan.swi, brain)
    windowed = None if scan.phase_rad is None else (scan.phase_rad, phase_window(scan.phase_rad, brain))
    spots = []
    for n, position in enumerate(positions_ras_mm):
        diameter = "" if np.isnan(diameters_mm[n]) else f", {diameters_mm[n]:.1f} mm"
        colour, words = _judged(bool(evidence.inside[n]), float(evidence.contrasts[n]))
        spots.append(
            Spot(
                f"{evidence.name} #{n + 1}",
                words + diameter,
                colour,
                _tile(scan.swi, swi_window, scan.grid, position),
                None if windowed is None else _tile(*windowed, scan.grid, position),
            )
        )
    return spots


def write_sheets(spots: Sequence[Spot], folder: Path) -> list[Path]:
    """Write numbered PNG pages, and return their paths."""
    pages = [spots[n : n + ACROSS * DOWN] for n in range(0, len(spots), ACROSS * DOWN)]
    paths = []
    for number, page in enumerate(pages, 1):
        path = folder / f"contact-sheet-{number:02d}.png"
        _page(page).save(path, optimize=True)
        paths.append(path)
    return paths


def _judged(inside: bool, contrast: float) -> tuple[tuple[int, int, int], str]:
    """Return the colour and the words of a label."""
    if not inside:
        return _OUTSIDE, "outside the brain"
    return (_GOOD if contrast >= DARK_CONTRAST else _PALE), f"contrast {contrast:.1f}"


def _page(spots: Sequence[Spot]) -> Image.Image:
    width, height = 2 * TILE + GAP, TILE + CAPTION + GAP
    across, down = min(ACROSS, len(spots)), -(-len(spots) // ACROSS)
    page = Image.new("RGB", (GAP + across * (width + GAP), GAP + down * height), _BLACK)
    draw = ImageDraw.Draw(page)
    fonts = ImageFont.load_default(13), ImageFont.load_default(12)
    for n, spot in enumerate(spots):
        left, top = GAP + (n % ACROSS) * (width + GAP), GAP + (n // ACROSS) * height
        draw.text((left, top - 2), spot.title, fill=_TEXT, font=fonts[0])
        draw.text((left, top + 13), spot.detail, fill=spot.colour, font=fonts[1])
        for tile, x in ((spot.swi, left), (spot.phase, left + TILE + 2)):
            corner = (x, top + CAPTION)
            if tile is None:
                draw.rectangle((*corner, x + TILE - 1, corner[1] + TILE - 1), fill=_EMPTY)
                draw.text((x + 8, corner[1] + TILE // 2 - 8), "no phase", fill=_TEXT, font=fonts[1])
            else:
                page.paste(Image.fromarray(tile).convert("RGB"), corner)
                _cross(draw, corner, spot.colour)
    return page


def _cross(draw: ImageDraw.ImageDraw, corner: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Draw four strokes that point at the middle of a tile."""
    x, y = corner[0] + TILE / 2, corner[1] + TILE / 2
    near, far = (mm * TILE / FIELD_MM for mm in (_CROSS_FROM_MM, _CROSS_TO_MM))
    for u, v in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        draw.line((x + u * near, y + v * near, x + u * far, y + v * far), fill=colour, width=2)


def _tile(
    array: NDArray[np.float32], window: Window, grid: Grid, position_ras_mm: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Cut a square field of the nearest axial slice; beyond the image it is black."""
    ijk = grid.to_ijk(position_ras_mm)
    if not 0 <= round(float(ijk[2])) < grid.shape[2]:
        return np.zeros((TILE, TILE), dtype=np.uint8)
    picture = window.to_grey(slice_at(array, AXIAL, round(float(ijk[2]))))
    column, row = position_in(AXIAL, grid, ijk)
    half = [FIELD_MM / 2 / size for size in pixel_mm(AXIAL, grid)]
    box = (column - half[0], row - half[1], column + half[0], row + half[1])
    image = Image.fromarray(np.ascontiguousarray(picture))
    corners = Image.Transform.EXTENT
    return np.asarray(image.transform((TILE, TILE), corners, box, resample=Image.Resampling.BICUBIC))
