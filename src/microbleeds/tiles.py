"""Pieces in which a brain goes through the network, and the cells that each of them decides.

Conventions:
    * A tile sees its *core* and a halo around it, and decides the cells of its core alone; cores fill the map.
    * Cores of the largest tiles begin at whole voxels of the network's coarsest level, so that pooling falls on
      the same voxels as for the brain as a whole. Windows begin at any cell, as crops of a training do.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from microbleeds.networks.config import DetectorConfig, Stride

Slices = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Tile:
    """One piece.

    Args:
        core: cells that it decides, as slices of the map.
        start: first cell that it sees; it may lie outside of the image.
        size: cells that it sees along each axis.
    """

    core: Slices
    start: Stride
    size: Stride

    @property
    def inner(self) -> Slices:
        """The core as slices of what the network says of this tile."""
        i, j, k = (slice(c.start - s, c.stop - s) for c, s in zip(self.core, self.start, strict=True))
        return i, j, k

    def cut(self, image: NDArray[np.float32], cell: Stride) -> NDArray[np.float32]:
        """Return the voxels [C, x, y, z] that it sees of an image [C, X, Y, Z], zero outside of it."""
        return np.ascontiguousarray(cut_box(image, np.multiply(self.start, cell), np.multiply(self.size, cell)))


def cut_box(array: NDArray, start: Sequence[int] | NDArray, size: Sequence[int] | NDArray) -> NDArray:
    """Return what an array [..., X, Y, Z] holds in a box of voxels, zero outside; a view where all is inside."""
    low, sides = np.asarray(start), np.asarray(size)
    first, stop = np.maximum(0, low), np.maximum(0, low + sides)
    i, j, k = (slice(a, b) for a, b in zip(first.tolist(), stop.tolist(), strict=True))
    seen = array[..., i, j, k]
    before = np.minimum(first - low, sides)
    after = sides - before - seen.shape[-3:]
    if not before.any() and not after.any():
        return seen
    others = [(0, 0)] * (array.ndim - 3)
    return np.pad(seen, [*others, *zip(before.tolist(), after.tolist(), strict=True)])


def largest_tiles(
    shape: tuple[int, ...], config: DetectorConfig, most_voxels: int, halo_cells: int
) -> Iterator[Tile]:
    """Cut a map into tiles that hold, with their halo, so many voxels, the cheapest way; one where the whole fits.

    Where no cut holds so few, the tiles are as small as a halo is wide: smaller ones would be nearly all halo.

    Args:
        shape: cells of the map.
        config: of the network.
        most_voxels: of a tile.
        halo_cells: on each side, none beyond the map.
    """
    coarse = _coarse(config)
    blocks = itertools.product(*(_sides(n, int(c), halo_cells) for n, c in zip(shape, coarse, strict=True)))
    by_cost = sorted(_cost(shape, np.asarray(block), halo_cells, config) for block in blocks)
    *_, block = next((one for one in by_cost if one[1] <= most_voxels), min(by_cost, key=lambda one: one[1]))
    for core in _cores(shape, np.asarray(block)):
        start = np.array([max(0, c.start - halo_cells) for c in core])
        stop = np.array([min(n, c.stop + halo_cells) for c, n in zip(core, shape, strict=True)])
        yield Tile(core, _triple(start), _triple(stop - start))


def _sides(cells: int, coarse: int, halo_cells: int) -> list[int]:
    """Return the sides of blocks that fill an axis in one, two, three ... whole coarse voxels each."""
    least = min(cells, max(coarse, halo_cells))
    parts = range(1, max(1, cells // least) + 1)
    return sorted({-(-cells // (n * coarse)) * coarse for n in parts})


def _cost(
    shape: tuple[int, ...], block: NDArray[np.int64], halo_cells: int, config: DetectorConfig
) -> tuple[int, int, tuple[int, ...]]:
    """Return the voxels of all tiles together, those of the largest, and the block."""
    seen = [
        [min(n, start + int(b) + halo_cells) - max(0, start - halo_cells) for start in range(0, n, int(b))]
        for n, b in zip(shape, block, strict=True)
    ]
    voxels = int(np.prod(config.cell))
    total = int(np.prod([sum(axis) for axis in seen])) * voxels
    return total, int(np.prod([max(axis) for axis in seen])) * voxels, tuple(int(b) for b in block)


def window_tiles(shape: tuple[int, ...], config: DetectorConfig, window: Stride, overlap: float) -> Iterator[Tile]:
    """Slide a window over a map; each tile has its full size and is zero where it leaves the image, like a crop.

    Args:
        shape: cells of the map.
        config: of the network.
        window: voxels, whole multiples of ``config.total_stride``.
        overlap: share of a window that its neighbours see too, half of it on each side; the window decides the
            rest, a cell at least.
    """
    size = np.asarray(window) // np.asarray(config.cell)
    halo = np.minimum(np.rint(size * overlap / 2).astype(int), (size - 1) // 2)
    for core in _cores(shape, size - 2 * halo):
        yield Tile(core, _triple(np.array([c.start for c in core]) - halo), _triple(size))


def _coarse(config: DetectorConfig) -> NDArray[np.int64]:
    """Cells per voxel of the coarsest level."""
    return np.asarray(config.total_stride) // np.asarray(config.cell)


def _cores(shape: tuple[int, ...], block: NDArray[np.int64]) -> Iterator[Slices]:
    """Fill a map with blocks; the last one along an axis ends with it."""
    starts = [range(0, n, int(b)) for n, b in zip(shape, block, strict=True)]
    for i, j, k in itertools.product(*starts):
        stop = np.minimum(np.array([i, j, k]) + block, shape)
        yield slice(i, int(stop[0])), slice(j, int(stop[1])), slice(k, int(stop[2]))


def _triple(values: NDArray[np.int64]) -> Stride:
    i, j, k = (int(value) for value in values)
    return i, j, k
