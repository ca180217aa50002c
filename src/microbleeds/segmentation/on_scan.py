"""From the network's grid to brain and regions on the scan's own grid.

Probabilities are interpolated linearly and decided on the fine grid, so that borders are smooth there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import max_pool3d, pad

from microbleeds.geometry import Grid
from microbleeds.networks.anatomy import regions_by_whereabouts
from microbleeds.networks.anatomy_classes import AnatomyClass
from microbleeds.segmentation.look import Seen, axis_weights, likeliest

RIM_VOXELS = (3, 3, 1)  # of fluid that belongs to the brain: 3 mm in plane, 2 mm along z
NOWHERE = 0.02  # a class that is less likely than this in all of a slice is not there
NEARLY_OUTSIDE = 0.9  # voxels whose neighbours are all outside with this probability need no closer look


def filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask [X, Y, Z] with its holes; by components, which is ten times as fast as by growing."""
    parts, _ = ndimage.label(~np.pad(mask, 1))
    return (parts != parts[0, 0, 0])[1:-1, 1:-1, 1:-1]


def brain_of(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return parenchyma, ventricles and a rim of fluid, without holes, bool [X, Y, Z] on the network's grid."""
    core = classes >= AnatomyClass.VENTRICLE
    field = torch.from_numpy(core)[None, None].float()
    for axis, reach in enumerate(RIM_VOXELS):  # one axis at a time: a box grows as its sides do
        size, padding = [1, 1, 1], [0, 0, 0]
        size[axis], padding[axis] = 2 * reach + 1, reach
        field = max_pool3d(field, size, stride=1, padding=padding)
    near = field[0, 0].numpy() > 0.5
    return filled(core | (near & (classes == AnatomyClass.CSF)))


class OnScan(NamedTuple):
    """Brain, bool, region codes, uint8, and the probability of parenchyma in %, uint8, all [X, Y, Z]."""

    brain: NDArray[np.bool_]
    regions: NDArray[np.uint8]
    parenchyma_percent: NDArray[np.uint8]


def on_scan_grid(seen: Seen, whereabouts: NDArray[np.uint8], brain: NDArray[np.bool_], grid: Grid) -> OnScan:
    """Bring brain and regions to the scan's ``grid``.

    Args:
        seen: on the network's grid.
        whereabouts: uint8, on the network's grid, see :func:`microbleeds.networks.anatomy.whereabouts`.
        brain: bool, on the network's grid.
        grid: the scan's.
    """
    weights = _weights(seen.view, grid, seen.start, seen.grid.shape)
    classes = _by_slice(torch.from_numpy(seen.classes))
    drawn = _by_slice(torch.from_numpy(brain))
    inside = (classes[:, AnatomyClass.OUTSIDE] < NEARLY_OUTSIDE) | drawn
    others = torch.stack([drawn.float(), classes[:, AnatomyClass.CORTEX :].sum(dim=1)], dim=1)
    most = classes.amax(dim=(2, 3))
    # Where white matter belongs changes slowly: it is decided on the network's grid and taken from the nearest.
    where = _by_slice(torch.from_numpy(whereabouts)).numpy()
    x, y, z = (w.argmax(dim=1).numpy() for w in weights)
    table = regions_by_whereabouts()
    shape = (grid.shape[2], *grid.shape[:2])
    found_brain = np.zeros(shape, dtype=bool)
    regions, percent = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    for k, along_z in enumerate(weights[2]):
        used = _span(along_z > 0)
        rows, columns = (_reach(weights[axis], inside[used].any(dim=0).any(dim=1 - axis)) for axis in range(2))
        if rows.start == rows.stop:
            continue
        there = torch.nonzero(most[used].amax(dim=0) > NOWHERE)[:, 0]
        source = torch.cat([classes[used][:, there], others[used]], dim=1)
        plane = torch.tensordot(along_z[used], source, dims=1)
        fine = weights[0][rows] @ plane @ weights[1][columns].T
        here = (k, rows, columns)
        found_brain[here] = (fine[-2] > 0.5).numpy()
        percent[here] = (100 * fine[-1]).clamp_(0, 100).round_().to(torch.uint8).numpy()
        column = where[z[k]][x[rows]][:, y[columns]]
        regions[here] = table[there].take(likeliest(fine[:-2]).numpy().astype(np.uint16) * table.shape[1] + column)
    return OnScan(np.moveaxis(found_brain, 0, -1), np.moveaxis(regions, 0, -1), np.moveaxis(percent, 0, -1))


def _weights(source: Grid, target: Grid, start: Sequence[int], shape: Sequence[int]) -> list[Tensor]:
    """Return the weights [n_target, n] of a part of ``source``; what reaches beyond it weighs nothing."""
    found = []
    for axis, (first, length) in enumerate(zip(start, shape, strict=True)):
        weights = axis_weights(source, target, axis)[:, first : first + length]
        found.append(pad(weights, (0, length - weights.shape[1])))
    return found


def _by_slice(volume: Tensor) -> Tensor:
    """Return [..., X, Y, Z] as [Z, ..., X, Y], copied if it does not lie in memory like that."""
    return volume.movedim(-1, 0).contiguous()


def _span(there: Tensor) -> slice:
    """Return the first to past-the-last index that is true of a bool [n], empty without any."""
    found = torch.nonzero(there)[:, 0]
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def _reach(weights: Tensor, there: Tensor) -> slice:
    """Return the fine voxels that take anything from the coarse voxels ``there``, by weights [fine, coarse]."""
    return _span(weights[:, _span(there)].sum(dim=1) > 0)
