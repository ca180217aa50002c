"""A picture of a cohort's worst errors: tiles of SWI, phase and minimum projection, with what each is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from cohort import Cohort
from microbleeds.atomic import atomic_file
from microbleeds.errors import InputError
from microbleeds.evaluate import Case, match, read_cases
from microbleeds.geometry import Grid
from microbleeds.study import load_study

WORST = 10
MIMIC_MM = 4.0  # a mimic of the truth within this is what it is
LONG_MM = 7.0  # a dark body that reaches so far from the spot is taken for a vessel
TILE_MM, TILE_PIXELS = 24.0, 150
PROJECTION_MM = 8.0
COLUMNS = 2
CAPTION = 34  # pixels


@dataclass(frozen=True)
class Failure:
    """One error.

    Args:
        what: ``false positive`` or ``miss``.
        part: of the cohort.
        subject: for instance ``sub-001``.
        position_mm: RAS mm.
        weight: how bad it is: the score of a false positive, the contrast of a missed bleed.
        known: the kind of mimic, or how the bleed looks; empty where the truth names nothing.
    """

    what: str
    part: str
    subject: str
    position_mm: tuple[float, float, float]
    weight: float
    known: str


@dataclass(frozen=True, eq=False)
class Tiles:
    """Three tiles [3, n, n] uint8 around a spot, and whether a long dark body runs through it."""

    images: NDArray[np.uint8]
    long: bool


def failures_picture(cohort: Cohort, data: Path, found: Path, picture: Path, page: Path) -> list[str]:
    """Draw the worst errors and return the lines that show them on a page.

    Args:
        cohort: its parts are folders of ``data`` and ``found``.
        data: scans with their truth.
        found: findings of the whole program.
        picture: PNG to write.
        page: folder of the page, for its link.

    Raises:
        InputError: if there is no error to show.
    """
    failures: list[Failure] = []
    for part in cohort.parts:
        for case in read_cases(found / part.name, data / part.name):
            failures += _failures(part.name, case)
    false = sorted((f for f in failures if f.what == "false positive"), key=lambda f: -f.weight)[:WORST]
    missed = sorted((f for f in failures if f.what == "miss"), key=lambda f: -f.weight)[:WORST]
    if not false and not missed:
        raise InputError(f"The findings in {found} hold no false positive and no miss.")
    drawn = [(failure, tiles_of(failure, data)) for failure in [*false, *missed]]
    with atomic_file(picture) as partial:
        _montage(drawn).save(partial, format="PNG", optimize=True)
    lines = [
        f"The {len(false)} surest false positives and the {len(missed)} clearest missed microbleeds of the cohort "
        f"`{cohort.name}`: SWI, phase and minimum projection over {PROJECTION_MM:g} mm, each {TILE_MM:g} mm wide.",
        "",
        f"![Worst false positives and misses]({os.path.relpath(picture, page)})",
        "",
    ]
    return lines + [f"{n}. {_caption(failure, tiles)}" for n, (failure, tiles) in enumerate(drawn, 1)]


def _failures(part: str, case: Case) -> list[Failure]:
    """Return the errors of one scan at the program's operating point."""
    found, truth = case.predictions, case.truth
    kept = np.flatnonzero(found.kept)
    outcome = match(found.positions_mm[kept], found.scores[kept], truth.counted_mm, truth.ignored_mm)
    failures = []
    for index in kept[outcome.false_positive]:
        place = found.positions_mm[index]
        gaps = np.linalg.norm(truth.mimics_mm - place, axis=1)
        near = len(gaps) > 0 and gaps.min() <= MIMIC_MM
        known = truth.mimic_kinds[int(gaps.argmin())].replace("-", " ") if near else ""
        failures.append(_failure("false positive", part, case.name, place, float(found.scores[index]), known))
    for index in np.flatnonzero(truth.visible)[~outcome.found]:
        size, region = truth.diameter_mm[index], truth.regions[index] or "unknown region"
        look = f"{size:.1f} mm, " if np.isfinite(size) else ""
        known = f"{look}{region.replace('_', ' ')}, contrast {truth.contrast[index]:.1f}"
        place, contrast = truth.positions_mm[index], float(truth.contrast[index])
        failures.append(_failure("miss", part, case.name, place, contrast, known))
    return failures


def _failure(what: str, part: str, subject: str, place: NDArray[np.float64], weight: float, known: str) -> Failure:
    x, y, z = (float(v) for v in place)
    return Failure(what, part, subject, (x, y, z), weight, known)


def tiles_of(failure: Failure, data: Path) -> Tiles:
    """Cut the three tiles of an error."""
    anat = data / failure.part / failure.subject / "anat"
    scan = load_study(
        swi=anat / f"{failure.subject}_swi.nii.gz", phase=anat / f"{failure.subject}_part-phase_GRE.nii.gz"
    )
    swi = np.asarray(scan.swi, dtype=np.float32)
    voxel = scan.grid.to_ijk(np.array(failure.position_mm))
    middle = np.round(voxel).astype(int)
    half = max(1, round(PROJECTION_MM / 2 / float(scan.grid.spacing_mm[2])))
    slab = swi[:, :, max(0, middle[2] - half) : middle[2] + half + 1].min(axis=2)
    k = int(np.clip(middle[2], 0, swi.shape[2] - 1))
    phase = np.zeros_like(swi[:, :, k]) if scan.phase_rad is None else scan.phase_rad[:, :, k]
    local = _cut(swi[:, :, k], voxel, scan.grid)
    top = float(np.quantile(local, 0.98))
    images = [
        _grey(local, 0, top),
        _grey(_cut(phase, voxel, scan.grid), -1.5, 1.5),
        _grey(_cut(slab, voxel, scan.grid), 0, top),
    ]
    return Tiles(np.stack(images), runs_on(swi, middle, scan.grid.spacing_mm))


def runs_on(swi: NDArray[np.float32], voxel: NDArray[np.int64], spacing_mm: NDArray[np.float64]) -> bool:
    """Whether the dark body at a voxel reaches farther than a microbleed does, as a vessel would."""
    reach = np.ceil(1.5 * LONG_MM / spacing_mm).astype(int)
    low, high = np.maximum(voxel - reach, 0), np.minimum(voxel + reach + 1, swi.shape)
    box = swi[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    axes = np.meshgrid(*(np.arange(n) for n in box.shape), indexing="ij")
    distance = np.linalg.norm((np.stack(axes, -1) - (voxel - low)) * spacing_mm, axis=-1)
    level = float(np.median(box))
    core = np.where(distance <= 1.5, box, np.inf)
    dark, _ = ndimage.label(box < (level + float(core.min())) / 2)
    own = dark[np.unravel_index(int(np.argmin(core)), box.shape)]
    return bool(own and distance[dark == own].max() > LONG_MM)


def _cut(image: NDArray[np.float32], voxel: NDArray[np.float64], grid: Grid) -> NDArray[np.float32]:
    """Resample a square of an axial slice, anterior up and the subject's right on the left."""
    steps = (np.arange(TILE_PIXELS) - (TILE_PIXELS - 1) / 2) * TILE_MM / TILE_PIXELS
    rows, columns = np.meshgrid(-steps, steps, indexing="ij")
    # Canonical axes point to the right and to the front; seen from below, the subject's right is on the left.
    where = [voxel[0] - columns / grid.spacing_mm[0], voxel[1] + rows / grid.spacing_mm[1]]
    return np.asarray(ndimage.map_coordinates(image, where, order=1, mode="constant"), dtype=np.float32)


def _grey(image: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    return (np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def _caption(failure: Failure, tiles: Tiles) -> str:
    """Say what an error is."""
    where = f"{failure.part} {failure.subject}"
    if failure.what == "miss":
        return f"Missed: {failure.known} ({where})."
    nothing = "a long dark body, likely a vessel" if tiles.long else "no known mimic"
    return f"False positive, score {failure.weight:.2f}: {failure.known or nothing} ({where})."


def _montage(drawn: Sequence[tuple[Failure, Tiles]]) -> Image.Image:
    """Lay out the errors in two columns, each with its number and what it is."""
    width, height = 3 * TILE_PIXELS + 14, TILE_PIXELS + CAPTION
    rows = -(-len(drawn) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (failure, tiles) in enumerate(drawn):
        # Down the first column, then the second: false positives stay together.
        x, y = width * (number // rows), height * (number % rows)
        for place, tile in enumerate(tiles.images):
            sheet.paste(Image.fromarray(tile), (x + place * (TILE_PIXELS + 2), y + CAPTION - 4))
        for place in range(3):
            _corners(pen, x + place * (TILE_PIXELS + 2), y + CAPTION - 4)
        first, _, second = _caption(failure, tiles).partition(": ")
        pen.text((x + 2, y + 3), f"{number + 1}. {first}", fill="black")
        pen.text((x + 2, y + 16), second, fill="black")
    return sheet


def _corners(pen: ImageDraw.ImageDraw, x: int, y: int) -> None:
    """Mark the middle of a tile without hiding it."""
    middle, inner, outer = TILE_PIXELS // 2, 24, 34
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        start = (x + middle + dx * inner, y + middle + dy * inner)
        pen.line([start, (x + middle + dx * outer, y + middle + dy * outer)], fill=(255, 200, 0), width=1)
