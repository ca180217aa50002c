"""How much darker than its surroundings a place on an SWI is, and how that would be under other readings.

A label that was read rightly lies on a dark spot. If axes were mirrored or swapped, labels fall on ordinary
tissue, while under the right reading most of them fall on dark spots: that is how a wrong reading is told from a
careless reader. A count that starts at another number shows differently: a bleed is dark over two or three slices,
so that its neighbour slices are as dark as its own, but all labels then lie off their spots to the same side.

On simulated 3 T scans (28 bleeds of 8 scans) true places have contrasts of 4.4 to 19 (median 8.4), random places
of the brain a median of 1.5, and every other reading a median of 0.8 to 1.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from microbleeds.geometry import Grid
from microbleeds.scan import Volume

# A reader's centre is good to about a millimetre; a bleed is at most 10 mm across.
SEARCH_MM = 1.5
RING_FROM_MM, RING_TO_MM = 3.5, 8.0
FEWEST_RING_VOXELS = 12
# Within this of a label in its slice, and in two slices up and down, its spot is looked for.
REACH_MM = 3.0
# In units of clutter; ordinary tissue rarely lies deeper.
SURELY_DARK = 2.0
# Flat tissue has less clutter than noise makes; without a floor a smooth image would give any value.
LEAST_CLUTTER = 0.02


@dataclass(frozen=True)
class OtherReading:
    """A way in which the same numbers could have been meant.

    Args:
        key: short name, the same for all scans.
        mirrored: array axes counted from the other end.
        swapped: whether the first two array axes are exchanged.
        space: directions in which x, y and z were meant to grow, for positions in mm.
    """

    key: str
    mirrored: tuple[int, ...] = ()
    swapped: bool = False
    space: str = "RAS"

    def applied(self, position_ras_mm: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
        """Return where positions [N, 3] would lie, on the grid of the scan's file."""
        if self.space != "RAS":
            return position_ras_mm * [1.0 if letter in "RAS" else -1.0 for letter in self.space]
        ijk = grid.to_ijk(position_ras_mm)
        if self.swapped:
            ijk = ijk[:, [1, 0, 2]]
        for axis in self.mirrored:
            ijk[:, axis] = grid.shape[axis] - 1 - ijk[:, axis]
        return grid.to_mm(ijk)


def other_readings() -> list[OtherReading]:
    """Return the readings that are tried: every mirroring, with and without a swap, and other spaces."""
    found = []
    for swapped, *flips in product((False, True), (False, True), (False, True), (False, True)):
        axes = tuple(n for n, flip in enumerate(flips) if flip)
        if swapped or axes:
            name = "-".join(["swapped"] * swapped + [f"mirrored{''.join('ijk'[n] for n in axes)}"] * bool(axes))
            found.append(OtherReading(name, axes, swapped))
    return [*found, *(OtherReading(space.lower(), space=space) for space in ("LPS", "LAS", "RPS"))]


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """What lies around a place, in its slice.

    Args:
        middle: median of the ring.
        clutter: robust standard deviation of the ring.
    """

    middle: float
    clutter: float


def contrasts(
    swi: Volume, brain: NDArray[np.bool_], grid: Grid, position_ras_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how dark the darkest place within :data:`SEARCH_MM` is, in units of the clutter around.

    The spot and its ring lie in one slice. Contrast = (median of the ring - darkest) / clutter, where clutter is
    the ring's robust standard deviation.

    Args:
        swi: [X, Y, Z] any scale.
        brain: [X, Y, Z].
        grid: of both.
        position_ras_mm: [N, 3].

    Returns:
        [N]; 0 outside the brain, where nothing can be said.
    """
    values = np.zeros(len(position_ras_mm))
    for n, place in enumerate(grid.to_ijk(position_ras_mm)):
        around = _surroundings(swi, brain, grid, place)
        if around is not None:
            box, distance, _ = _box(grid, place, SEARCH_MM, slices=0)
            spot = swi[box][distance <= max(SEARCH_MM, float(distance.min()))]
            values[n] = (around.middle - float(spot.min())) / around.clutter
    return values


def offsets_mm(
    swi: Volume, brain: NDArray[np.bool_], grid: Grid, position_ras_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return from each label to the middle of the darkness around it.

    The middle is the mean place of voxels within :data:`REACH_MM` in the slice and two slices up and down,
    weighted by how much darker than the surroundings they are.

    Returns:
        [N, 3] RAS mm; NaN where nothing is dark.
    """
    found = np.full((len(position_ras_mm), 3), np.nan)
    for n, place in enumerate(grid.to_ijk(position_ras_mm)):
        around = _surroundings(swi, brain, grid, place)
        if around is None:
            continue
        box, distance, voxels = _box(grid, place, REACH_MM, slices=2)
        weight = np.clip(around.middle - swi[box] - SURELY_DARK * around.clutter, 0, None) * (distance <= REACH_MM)
        if weight.sum() > 0:
            centre = [float((weight * v).sum() / weight.sum()) for v in voxels]
            found[n] = grid.affine[:3, :3] @ (np.array(centre) - place)
    return found


def _surroundings(
    swi: Volume, brain: NDArray[np.bool_], grid: Grid, place: NDArray[np.float64]
) -> _Surroundings | None:
    """Look at the ring around a place; ``None`` outside the image or the brain."""
    voxel = np.rint(place).astype(int)
    if (voxel < 0).any() or (voxel >= grid.shape).any():
        return None
    box, distance, _ = _box(grid, place, RING_TO_MM, slices=0)
    near = distance <= max(SEARCH_MM, float(distance.min()))
    ring = swi[box][(distance >= RING_FROM_MM) & (distance <= RING_TO_MM) & brain[box]]
    if not brain[box][near].any() or len(ring) < FEWEST_RING_VOXELS:
        return None
    middle = float(np.median(ring))
    if middle <= 0:
        return None
    clutter = 1.4826 * float(np.median(np.abs(ring - middle)))
    return _Surroundings(middle, max(clutter, LEAST_CLUTTER * middle))


def _box(
    grid: Grid, place: NDArray[np.float64], reach_mm: float, slices: int
) -> tuple[tuple[slice, ...], NDArray[np.float64], tuple[NDArray, ...]]:
    """Return a box around a place, each voxel's distance in the slice in mm, and voxel numbers along each axis."""
    across = grid.slice_axis
    voxel = np.rint(place).astype(int)
    reach = np.ceil(reach_mm / grid.spacing_mm).astype(int)
    reach[across] = slices
    low, high = np.maximum(voxel - reach, 0), np.minimum(voxel + reach + 1, grid.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    voxels = np.ix_(*(np.arange(a, b) for a, b in zip(low, high, strict=True)))
    squares = [
        ((v - p) * s) ** 2 if axis != across else np.zeros(v.shape)
        for axis, (v, p, s) in enumerate(zip(voxels, place, grid.spacing_mm, strict=True))
    ]
    return box, np.sqrt(squares[0] + squares[1] + squares[2]), voxels
