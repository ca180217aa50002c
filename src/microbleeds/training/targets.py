"""What each cell of a crop should say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from microbleeds.networks.config import DetectorConfig
from microbleeds.networks.detector import cell_to_voxel
from microbleeds.training.losses import CENTRE, IGNORED, NEGATIVE, POSITIVE
from microbleeds.training.presets import TargetSettings


class CellTargets(NamedTuple):
    """Labels int8 [cells...] (see :mod:`microbleeds.training.losses`) and offsets float32 [3, cells...]."""

    label: NDArray[np.int8]
    offset: NDArray[np.float32]


def cell_targets(
    bleeds: NDArray[np.float64],
    ignored: NDArray[np.float64],
    brain: NDArray[np.bool_],
    spacing_mm: NDArray[np.float64],
    config: DetectorConfig,
    settings: TargetSettings,
) -> CellTargets:
    """Label the cells of a crop.

    Args:
        bleeds: [N, 3] visible microbleeds in voxels of the crop (some may lie outside it).
        ignored: [K, 3] what is neither a hit nor a false positive.
        brain: bool [X, Y, Z]; cells without any brain do not count, not even if a bleed's centre lies there.
        spacing_mm: [3] of the voxels.
        config: gives the size of a cell.
        settings: radii.
    """
    shape = np.asarray(brain.shape) // np.asarray(config.cell)
    middles = cell_to_voxel(np.moveaxis(np.indices(shape), 0, -1), config)
    label = np.full(tuple(shape), NEGATIVE, dtype=np.int8)
    offset = np.zeros((3, *shape), dtype=np.float32)
    for point in ignored:
        label[_distance(middles, point, spacing_mm) <= settings.ignore_mm] = IGNORED
    nearest = np.full(tuple(shape), np.inf)
    distances = [_distance(middles, point, spacing_mm) for point in bleeds]
    for point, distance in zip(bleeds, distances, strict=True):
        label[(distance <= settings.ignore_mm) & (nearest > settings.positive_mm)] = IGNORED
        mine = (distance <= settings.positive_mm) & (distance < nearest)
        label[mine] = POSITIVE
        _point_to(offset, mine, point, middles, config)
        nearest = np.minimum(nearest, distance)
    for point in bleeds:  # last, so that no neighbour's ring hides a centre
        cell = np.floor((point + 0.5) / np.asarray(config.cell)).astype(int)
        if np.all((cell >= 0) & (cell < shape)):
            label[tuple(cell)] = CENTRE
            own = np.zeros(tuple(shape), dtype=bool)
            own[tuple(cell)] = True
            _point_to(offset, own, point, middles, config)
    label[~_any_per_cell(brain, config)] = IGNORED  # the network sees zeros there, never to be called a bleed
    return CellTargets(label, offset)


def _point_to(
    offset: NDArray[np.float32],
    where: NDArray[np.bool_],
    point: NDArray[np.float64],
    middles: NDArray[np.float64],
    config: DetectorConfig,
) -> None:
    """Let the offsets of some cells point to a bleed, in cell units."""
    offset[:, where] = ((point - middles[where]) / np.asarray(config.cell)).T


def _distance(
    middles: NDArray[np.float64], point: NDArray[np.float64], spacing_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance in mm [cells...] of the middles of cells to a point in voxels."""
    return np.linalg.norm((middles - point) * spacing_mm, axis=-1)


def _any_per_cell(mask: NDArray[np.bool_], config: DetectorConfig) -> NDArray[np.bool_]:
    """Whether any voxel of each cell is set."""
    i, j, k = config.cell
    x, y, z = (n // c for n, c in zip(mask.shape, config.cell, strict=True))
    blocks = mask[: x * i, : y * j, : z * k].reshape(x, i, y, j, z, k)
    return np.asarray(blocks.any(axis=(1, 3, 5)))
